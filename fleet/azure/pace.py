"""Whose turn it is: every request waits for its token, and every answer corrects the buckets.

Resource Manager counts by subscription, by the region that answers, by principal and by kind of
request, and once more for all principals together; Resource Graph has a quota of its own. Which
region will answer is not known before: the last one is assumed, and a request that another one
answered is counted there. The sums are :mod:`fleet.core.buckets`'; what a refused request means
for its target is the engine's business.

Units:   the clock's seconds.
Errors:  :exc:`ThrottledError` where a turn is too far away to wait for; nothing was sent then.
Source:  the documented limits are the lowest tier; larger buckets were seen, always with a shared
         one of 15 times their size. The headers say which it is.
"""

from __future__ import annotations

import asyncio
import collections
import contextlib
import dataclasses
import datetime as dt
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from http import HTTPStatus
from typing import Protocol

from fleet.azure.answers import Answer, quota_resets_s, retry_after_s
from fleet.azure.requests import Request
from fleet.core.buckets import Bucket, Quota, Rate
from fleet.errors import ThrottledError
from fleet.model.traces import Trace
from fleet.ports import Clock

LONGEST_WAIT = dt.timedelta(minutes=2)
"""Whose turn is further away is told so."""
_PATIENCE_S = 150.0
"""The same in seconds of the event loop, where the clock is slower. NB: well below what the engine
allows for a call, or a request that was never sent would count as lost."""

# Source: Azure's article on request limits, of 2025-05. A second's worth is left to whoever else
# uses the same identity, a person at a prompt for one, and to clocks that differ.
RATES = {
    "reads": Rate(burst=250, per_second=25, spare=25),
    "writes": Rate(burst=200, per_second=10, spare=10),
    "deletes": Rate(burst=200, per_second=10, spare=10),
}
SHARED = 15
"""How many times as large the bucket of all principals is."""
QUERIES = 15
QUERIES_SPAN = dt.timedelta(seconds=5)

_TICK = dt.timedelta(milliseconds=1)
_KINDS = {"GET": "reads", "HEAD": "reads", "DELETE": "deletes"}
_GRAPH = "/providers/microsoft.resourcegraph/"
_PATH = re.compile(r"https?://[^/?]+(?:/subscriptions/([^/?]+))?([^?]*)", re.IGNORECASE)
_COUNT = re.compile(r"\d{1,9}")


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class _Account:
    """Requests that are counted together."""

    subscription: str
    """Lower case; empty: the tenant's own."""
    kind: str
    region: str
    """Which answered; empty: none has yet."""
    principal: str | None
    """``None``: of all."""

    @property
    def header(self) -> str:
        """What says how much is left."""
        scope = "subscription" if self.subscription else "tenant"
        shared = "" if self.principal else "global-"
        return f"x-ms-ratelimit-remaining-{scope}-{shared}{self.kind}"


class Pace:
    """All buckets and quotas of a connection."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.region = ""
        """Which answered last."""
        self._buckets: dict[_Account, Bucket] = {}
        self._quotas: dict[str, Quota] = {}
        self._used: collections.Counter[str] = collections.Counter()

    @contextlib.contextmanager
    def turn(self, request: Request, *, among: Sequence[str]) -> Iterator[Turn]:
        """Take a place for *request*, as that principal *among* several that has most left."""
        found = _PATH.match(request.url)
        subscription, path = found.groups() if found else (None, "")
        if subscription is None and path.lower().startswith(_GRAPH):
            principal, places = self._query(among)
        else:
            kind = _KINDS.get(request.method, "writes")
            principal, places = self._places((subscription or "").lower(), kind, among)
        self._used[principal] += 1
        turn = Turn(self, request, principal, places)
        try:
            yield turn
        finally:
            turn.end()

    def remember(self, traces: Iterable[Trace], *, among: Sequence[str]) -> None:
        """Count what an earlier process sent, and obey what it was told.

        NB: as whom is not known, so it counts for each principal *among* those it may have been;
        their next answers say what is really left.
        """
        for trace in sorted(traces, key=lambda one: one.at):
            kind = _KINDS.get(trace.verb.name, "writes") if trace.verb else "reads"
            for principal in (*among, None):
                account = self._account(trace.subscription.lower(), kind, principal)
                bucket = self.bucket(account, now=trace.at)
                if trace.throttled_until is None:
                    bucket.charge(now=trace.at)
                elif principal is not None:
                    bucket.close(until=trace.throttled_until, now=trace.at)

    def bucket(self, account: _Account, *, now: dt.datetime) -> Bucket:
        """Return the bucket of *account*; one that nobody knew yet is full."""
        found = self._buckets.get(account)
        if found is None:
            rate, times = RATES[account.kind], 1 if account.principal else SHARED
            larger = {field: count * times for field, count in dataclasses.asdict(rate).items()}
            found = self._buckets[account] = Bucket(Rate(**larger), now=now)
        return found

    def answered_by(self, region: str) -> None:
        """Note which region answers; what was counted before any was known was counted there."""
        if not self.region:
            self._buckets = {
                dataclasses.replace(account, region=region): bucket
                for account, bucket in self._buckets.items()
            }
        self.region = region

    def _account(self, subscription: str, kind: str, principal: str | None) -> _Account:
        return _Account(
            subscription=subscription, kind=kind, region=self.region, principal=principal
        )

    def _places(
        self, subscription: str, kind: str, among: Sequence[str]
    ) -> tuple[str, list[_Place]]:
        now = self.clock.now()
        own = {name: self._account(subscription, kind, name) for name in among}
        chosen = self._chosen({one: self.bucket(own[one], now=now) for one in own}, now)
        accounts = (own[chosen], self._account(subscription, kind, None))
        return chosen, [_InBucket(self, account, now=now) for account in accounts]

    def _query(self, among: Sequence[str]) -> tuple[str, list[_Place]]:
        now = self.clock.now()
        for name in among:
            if name not in self._quotas:
                self._quotas[name] = Quota(limit=QUERIES, span=QUERIES_SPAN, now=now)
        chosen = self._chosen({name: self._quotas[name] for name in among}, now)
        return chosen, [_InQuota(self._quotas[chosen])]

    def _chosen(self, meters: Mapping[str, Bucket | Quota], now: dt.datetime) -> str:
        """Return who has most left; whoever was never heard of is asked first."""

        def merit(name: str) -> tuple[bool, int, int]:
            meter = meters[name]
            return meter.is_unknown, meter.room(now), -self._used[name]

        return max(meters, key=merit)


class Turn:
    """One request's: from its place in the line to what came of it."""

    def __init__(
        self, pace: Pace, request: Request, principal: str, places: Sequence[_Place]
    ) -> None:
        self.principal = principal
        self._pace = pace
        self._request = request
        self._places = places
        self._is_out = False
        self._is_over = False

    async def comes(self) -> None:
        """Wait for it. From here on the request counts as sent."""
        clock = self._pace.clock
        latest_at = clock.now() + LONGEST_WAIT
        try:
            async with asyncio.timeout(_PATIENCE_S):
                while (due_at := self._due_at()) > (now := clock.now()):
                    if due_at > latest_at:
                        raise self._too_far(due_at - now)
                    await clock.sleep(max(due_at - now, _TICK))
        except TimeoutError:
            raise self._too_far(self._due_at() - clock.now()) from None
        for place in self._places:
            place.take(clock.now())
        self._is_out = True

    def heard(self, answer: Answer) -> None:
        """Learn from the *answer*."""
        now = self._pace.clock.now()
        region = _region_of(answer)
        if region:
            self._pace.answered_by(region)
        for place in self._places:
            place.settle(answer, region, now)
        self._is_over = True

    def end(self) -> None:
        """Give the place up, or up hope of an answer."""
        if not self._is_out:
            for place in self._places:
                place.withdraw()
        elif not self._is_over:
            for place in self._places:
                place.settle(None, "", self._pace.clock.now())

    def _due_at(self) -> dt.datetime:
        now = self._pace.clock.now()
        return max(place.due_at(now) for place in self._places)

    def _too_far(self, wait: dt.timedelta) -> ThrottledError:
        what = self._request.what
        wait_s = math.ceil(wait.total_seconds())
        message = f"{what}: not sent, the service's limits leave no room for {wait_s} s"
        return ThrottledError(
            message,
            retry_after_s=wait.total_seconds(),
            correlation_id=self._request.ids.correlation_id,
        )


class _Place(Protocol):
    """In the line of a bucket or a quota."""

    def due_at(self, now: dt.datetime) -> dt.datetime: ...

    def take(self, now: dt.datetime) -> None: ...

    def withdraw(self) -> None: ...

    def settle(self, answer: Answer | None, region: str, now: dt.datetime) -> None: ...


class _InBucket:
    def __init__(self, pace: Pace, account: _Account, *, now: dt.datetime) -> None:
        self._pace = pace
        self._account = account
        self._bucket = pace.bucket(account, now=now)
        self._ticket = self._bucket.reserve()

    def due_at(self, now: dt.datetime) -> dt.datetime:
        return self._bucket.due_at(self._ticket, now=now)

    def take(self, now: dt.datetime) -> None:
        self._bucket.take(self._ticket, now=now)

    def withdraw(self) -> None:
        self._bucket.withdraw(self._ticket)

    def settle(self, answer: Answer | None, region: str, now: dt.datetime) -> None:
        left = _count(answer, self._account.header)
        there = self._bucket
        if region:
            there = self._pace.bucket(dataclasses.replace(self._account, region=region), now=now)
        if there is self._bucket:
            there.settle(self._ticket, now=now, left=left)
        else:
            self._bucket.give_back(self._ticket, now=now)
            there.charge(now=now, left=left)
        # NB: a refusal does not say whose bucket was empty; the shared one has its own header.
        if answer and answer.status == HTTPStatus.TOO_MANY_REQUESTS and self._account.principal:
            there.close(until=now + _asked_to_wait(answer, now), now=now)


class _InQuota:
    def __init__(self, quota: Quota) -> None:
        self._quota = quota
        self._ticket = quota.reserve()

    def due_at(self, now: dt.datetime) -> dt.datetime:
        return self._quota.due_at(self._ticket, now=now)

    def take(self, now: dt.datetime) -> None:
        self._quota.take(self._ticket, now=now)

    def withdraw(self) -> None:
        self._quota.withdraw(self._ticket)

    def settle(self, answer: Answer | None, region: str, now: dt.datetime) -> None:  # noqa: ARG002
        left = _count(answer, "x-ms-user-quota-remaining")
        resets_s = quota_resets_s(answer) if answer else None
        whole_in = dt.timedelta(seconds=resets_s) if resets_s is not None else None
        self._quota.settle(self._ticket, now=now, left=left, whole_in=whole_in)
        if answer and answer.status == HTTPStatus.TOO_MANY_REQUESTS:
            self._quota.close(until=now + _asked_to_wait(answer, now), now=now)


def _region_of(answer: Answer) -> str:
    """Return the region of Resource Manager that answered, lower case; empty: not told."""
    # Source: .../{region}/{guid}, and REGION:{time}:{guid}, as recorded.
    identifier = answer.headers.get("x-ms-operation-identifier", "").split("/")
    if len(identifier) > 2:  # noqa: PLR2004 - caller, region, id
        return identifier[-2].strip().lower()
    region, separator, _ = answer.headers.get("x-ms-routing-request-id", "").partition(":")
    return region.strip().lower() if separator else ""


def _count(answer: Answer | None, header: str) -> int | None:
    text = answer.headers.get(header, "").strip() if answer else ""
    return int(text) if _COUNT.fullmatch(text) else None


def _asked_to_wait(answer: Answer, now: dt.datetime) -> dt.timedelta:
    return dt.timedelta(seconds=retry_after_s(answer, now=now) or 0)
