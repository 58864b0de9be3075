"""Buckets and quotas against whatever may happen: arrivals, late starts, answers, refusals."""

from __future__ import annotations

import dataclasses
import datetime as dt
import heapq
import itertools
from collections.abc import Sequence
from typing import Any

from hypothesis import given, settings, strategies as st

from fleet.core.buckets import Bucket, Quota, Rate
from tests.rig.fleets import T0

MS = dt.timedelta(milliseconds=1)
SPAN = dt.timedelta(seconds=5)
RATES = st.builds(
    lambda spare, more, per_second: Rate(burst=spare + more, per_second=per_second, spare=spare),
    st.integers(0, 5),
    st.integers(1, 20),
    st.integers(1, 30),
)
SMALL_RATES = st.builds(
    Rate, burst=st.integers(1, 6), per_second=st.integers(1, 5), spare=st.just(0)
)
DELAYS_MS = st.lists(st.integers(0, 700), min_size=1, max_size=60)


@dataclasses.dataclass
class Service:
    """A bucket as the service keeps it: it counts what arrives, and refuses when it is empty."""

    burst: int
    per_second: int
    at: dt.datetime = T0
    refused_count: int = 0

    def __post_init__(self) -> None:
        self.tokens: float = self.burst

    def left(self, now: dt.datetime) -> int:
        self.tokens += (now - self.at).total_seconds() * self.per_second
        self.tokens, self.at = min(self.tokens, self.burst), now
        return int(self.tokens + 1e-6)

    def take(self, now: dt.datetime) -> int | None:
        left = self.left(now)
        if left < 1:
            self.refused_count += 1
            return None
        self.tokens -= 1
        return left - 1


def sent_by(meter: Bucket | Quota, came: Sequence[dt.datetime]) -> list[dt.datetime]:
    """Let somebody come at each moment, wait as told, and send; answers say nothing."""
    sent: list[dt.datetime] = []
    told: list[tuple[dt.datetime, int]] = []
    arrivals = list(came)
    while told or arrivals:
        if not told or (arrivals and arrivals[0] <= told[0][0]):
            now, ticket = arrivals.pop(0), meter.reserve()
        else:
            now, ticket = heapq.heappop(told)
        due_at = meter.due_at(ticket, now=now)
        if due_at > now:
            heapq.heappush(told, (due_at, ticket))
        else:
            meter.take(ticket, now=now)
            _answered(meter, ticket, now=now)
            sent.append(now)
    return sent


def _answered(meter: Bucket | Quota, ticket: int, *, now: dt.datetime) -> None:
    if isinstance(meter, Quota):
        meter.settle(ticket, now=now, left=None, whole_in=None)
    else:
        meter.settle(ticket, now=now, left=None)


def moments(delays_ms: Sequence[int]) -> list[dt.datetime]:
    now, found = T0, []
    for delay in delays_ms:
        now += delay * MS
        found.append(now)
    return found


@given(rate=RATES, delays_ms=DELAYS_MS)
def test_in_no_span_go_out_more_than_the_bucket_holds_and_gains_in_it(
    rate: Rate, delays_ms: list[int]
) -> None:
    sent = sent_by(Bucket(rate, now=T0), moments(delays_ms))

    assert len(sent) == len(delays_ms)
    for first, begin in enumerate(sent):
        for count, end in enumerate(sent[first:], start=1):
            gained = rate.per_second * (end - begin).total_seconds()
            assert count <= rate.burst - rate.spare + gained + 1e-6


@given(rate=RATES, delays_ms=DELAYS_MS)
def test_those_who_wait_have_moments_of_their_own_in_the_order_they_came(
    rate: Rate, delays_ms: list[int]
) -> None:
    bucket = Bucket(rate, now=T0)
    came = moments(delays_ms)
    due = [bucket.due_at(bucket.reserve(), now=moment) for moment in came]
    waited = [one for one, moment in zip(due, came, strict=True) if one > moment]

    assert waited == sorted(set(waited))


@given(rate=RATES, count=st.integers(1, 80), more=st.integers(0, 200))
def test_nobody_is_starved_by_those_who_come_later(rate: Rate, count: int, more: int) -> None:
    bucket = Bucket(rate, now=T0)
    tickets = [bucket.reserve() for _ in range(count)]
    promised = bucket.due_at(tickets[-1], now=T0)
    for _ in range(more):
        bucket.reserve()

    assert bucket.due_at(tickets[-1], now=T0) == promised
    assert promised <= T0 + dt.timedelta(seconds=(count + rate.spare) / rate.per_second) + MS


EVENTS = st.lists(
    st.tuples(
        st.sampled_from(["come", "come", "answer", "answer", "cancel", "foreign", "wait"]),
        st.integers(0, 400),
    ),
    max_size=150,
)


@given(rate=RATES, theirs=st.integers(1, 60), events=EVENTS)
def test_what_the_service_says_is_left_is_never_exceeded(
    rate: Rate, theirs: int, events: list[tuple[str, int]]
) -> None:
    """From the last answer on, with nothing under way: at most what is left, and what came back."""
    bucket = Bucket(rate, now=T0)
    service = Service(burst=theirs, per_second=rate.per_second)
    now, waiting, out = T0, list[int](), list[tuple[int, int | None]]()
    for kind, delay_ms in events:
        now += delay_ms * MS
        if kind == "come":
            waiting.append(bucket.reserve())
        elif kind == "cancel" and waiting:
            bucket.withdraw(waiting.pop(len(waiting) // 2))
        elif kind == "answer" and out:
            ticket, left = out.pop(delay_ms % len(out))
            bucket.settle(ticket, now=now, left=left)
            if left is not None:
                assert bucket.room(now) + len(waiting) * 10**6 <= (left - len(out)) * 10**6
        elif kind == "foreign":
            service.take(now)
        while waiting and bucket.due_at(waiting[0], now=now) <= now:
            ticket = waiting.pop(0)
            bucket.take(ticket, now=now)
            out.append((ticket, service.take(now)))


@given(rate=RATES, delays_ms=DELAYS_MS)
def test_alone_and_answered_at_once_nothing_is_ever_refused(
    rate: Rate, delays_ms: list[int]
) -> None:
    """Whatever larger tier the service's bucket is of."""
    for tier in (1, 2, 4):
        bucket = Bucket(rate, now=T0)
        service = Service(burst=rate.burst * tier, per_second=rate.per_second)
        for came in moments(delays_ms):
            ticket = bucket.reserve()
            at = came
            while (due := bucket.due_at(ticket, now=at)) > at:
                at = due
            at = max(at, service.at)
            bucket.take(ticket, now=at)
            bucket.settle(ticket, now=at, left=service.take(at))

        assert service.refused_count == 0


@settings(max_examples=400)
@given(
    rate=SMALL_RATES,
    tier=st.integers(1, 4),
    count=st.integers(1, 40),
    events=st.lists(
        st.tuples(st.sampled_from([0, 0, 0, 1, 20, 300]), st.integers(0, 20)), max_size=100
    ),
)
def test_alone_nothing_is_refused_in_whatever_order_answers_come(
    rate: Rate, tier: int, count: int, events: list[tuple[int, int]]
) -> None:
    """So many stand in line at any time, and somebody new for each answer."""
    bucket = Bucket(rate, now=T0)
    service = Service(burst=rate.burst * tier, per_second=rate.per_second)
    now, out = T0, list[tuple[int, int | None]]()
    waiting = [bucket.reserve() for _ in range(count)]
    for delay_ms, number in [(0, 0), *events]:
        now += delay_ms * MS
        if out:
            ticket, left = out.pop(number % len(out))
            bucket.settle(ticket, now=now, left=left)
            waiting.append(bucket.reserve())
        while waiting and bucket.due_at(waiting[0], now=now) <= now:
            ticket = waiting.pop(0)
            bucket.take(ticket, now=now)
            out.append((ticket, service.take(now)))

    assert service.refused_count == 0


DELAYS = st.sampled_from([0, 0, 100, 1000, 3000])


@settings(max_examples=400)
@given(
    rate=SMALL_RATES,
    tier=st.integers(1, 2),
    journeys=st.lists(st.tuples(DELAYS, DELAYS, DELAYS), min_size=1, max_size=60),
    is_silent=st.booleans(),
)
def test_alone_nothing_is_refused_however_long_requests_and_answers_travel(
    rate: Rate, tier: int, journeys: list[tuple[int, int, int]], is_silent: bool
) -> None:
    """One comes so long after the other, arrives so late, and is answered so late."""
    bucket = Bucket(rate, now=T0)
    service = Service(burst=rate.burst * tier, per_second=rate.per_second)
    turn = itertools.count()
    agenda: list[tuple[dt.datetime, int, str, int, int | None]] = []
    now = T0
    for number, (gap, _, _) in enumerate(journeys):
        now += gap * MS
        heapq.heappush(agenda, (now, next(turn), "come", number, None))
    tickets: dict[int, int] = {}
    while agenda:
        now, _, what, number, left = heapq.heappop(agenda)
        _, there_ms, back_ms = journeys[number]
        if what == "come":
            ticket = tickets.setdefault(number, -1)
            if ticket < 0:
                ticket = tickets[number] = bucket.reserve()
            due_at = bucket.due_at(ticket, now=now)
            if due_at > now:
                heapq.heappush(agenda, (due_at, next(turn), "come", number, None))
            else:
                bucket.take(ticket, now=now)
                heapq.heappush(agenda, (now + there_ms * MS, next(turn), "arrive", number, None))
        elif what == "arrive":
            said = service.take(now)
            heapq.heappush(agenda, (now + back_ms * MS, next(turn), "answer", number, said))
        else:
            bucket.settle(tickets[number], now=now, left=None if is_silent else left)

    assert service.refused_count == 0


@given(
    rate=RATES,
    late_ms=st.lists(st.integers(0, 900), min_size=1, max_size=80),
    tier=st.integers(1, 4),
)
def test_what_is_spared_makes_up_for_requests_that_arrive_late(
    rate: Rate, late_ms: list[int], tier: int
) -> None:
    """All come at once; each arrives late by less than the spare takes to come back."""
    bucket = Bucket(rate, now=T0)
    service = Service(burst=rate.burst * tier, per_second=rate.per_second)
    allowed = rate.spare / rate.per_second
    sent = sent_by(bucket, [T0] * len(late_ms))
    arrived = [
        at + min(dt.timedelta(milliseconds=late), dt.timedelta(seconds=allowed))
        for at, late in zip(sent, late_ms, strict=True)
    ]
    for at in sorted(arrived):
        service.take(at)

    assert service.refused_count == 0


@given(
    rate=RATES,
    waits_s=st.lists(st.integers(0, 40), min_size=1, max_size=5),
    count=st.integers(1, 30),
    says=st.integers(0, 100),
)
def test_a_refusal_is_obeyed_to_the_second_whatever_is_said_meanwhile(
    rate: Rate, waits_s: list[int], count: int, says: int
) -> None:
    bucket = Bucket(rate, now=T0)
    early = bucket.reserve()
    bucket.take(early, now=T0)
    for wait_s in waits_s:
        bucket.close(until=T0 + dt.timedelta(seconds=wait_s), now=T0)
    opens_at = T0 + dt.timedelta(seconds=max(waits_s))
    bucket.settle(early, now=T0, left=says if opens_at > T0 else None)
    sent = sent_by(bucket, [T0] * count)

    assert min(sent) > opens_at
    for number, moment in enumerate(sent, start=1):
        assert number <= rate.per_second * (moment - opens_at).total_seconds() + 1e-6


@given(limit=st.integers(1, 20), delays_ms=DELAYS_MS)
def test_in_no_span_go_out_more_than_the_quota(limit: int, delays_ms: list[int]) -> None:
    sent = sent_by(Quota(limit=limit, span=SPAN, now=T0), moments(delays_ms))

    assert len(sent) == len(delays_ms)
    for begin in sent:
        assert sum(begin <= one < begin + SPAN for one in sent) <= limit


@given(limit=st.integers(1, 20), left=st.integers(0, 30), count=st.integers(1, 40), data=st.data())
def test_a_quota_gives_no_more_than_is_left_until_it_is_whole_again(
    limit: int, left: int, count: int, data: Any
) -> None:
    quota = Quota(limit=limit, span=SPAN, now=T0)
    whole_in = dt.timedelta(seconds=data.draw(st.integers(1, 9)))
    first = quota.reserve()
    quota.take(first, now=T0)
    quota.settle(first, now=T0, left=left, whole_in=whole_in)
    sent = sent_by(quota, [T0] * count)

    assert sum(one < T0 + whole_in for one in sent) <= left
    assert len(sent) == count
