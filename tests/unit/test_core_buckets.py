from __future__ import annotations

import datetime as dt

import pytest

from fleet.core.buckets import Bucket, Quota, Rate
from tests.rig.fleets import T0, seconds

WRITES = Rate(burst=200, per_second=10)
SMALL = Rate(burst=3, per_second=2)
SPAN = dt.timedelta(seconds=5)


def ms(count: float) -> dt.timedelta:
    return dt.timedelta(milliseconds=count)


def sent(bucket: Bucket | Quota, count: int, *, now: dt.datetime = T0) -> list[int]:
    """Send *count* requests that are due, and leave them unanswered."""
    tickets = [bucket.reserve() for _ in range(count)]
    for ticket in tickets:
        assert bucket.due_at(ticket, now=now) == now
        bucket.take(ticket, now=now)
    return tickets


def waits(bucket: Bucket | Quota, count: int, *, now: dt.datetime = T0) -> list[dt.timedelta]:
    """Let *count* more stand in line, and return how long each is told to wait."""
    return [bucket.due_at(bucket.reserve(), now=now) - now for _ in range(count)]


@pytest.mark.parametrize(
    ("burst", "per_second", "spare"), [(0, 1, 0), (1, 0, 0), (1, -1, 0), (5, 1, 5), (5, 1, -1)]
)
def test_a_bucket_that_could_never_give_is_refused(burst: int, per_second: int, spare: int) -> None:
    with pytest.raises(ValueError, match="more than it spares"):
        Rate(burst=burst, per_second=per_second, spare=spare)


def test_a_quota_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="never be used"):
        Quota(limit=0, span=SPAN, now=T0)


# --- buckets -----------------------------------------------------------------------------


def test_a_full_bucket_gives_at_once_and_then_at_its_rate() -> None:
    found = waits(Bucket(SMALL, now=T0), 6)

    assert found == [ms(0), ms(0), ms(0), ms(500), ms(1000), ms(1500)]


def test_what_does_not_come_out_even_is_waited_for_to_the_microsecond() -> None:
    found = waits(Bucket(Rate(burst=1, per_second=3), now=T0), 3)

    assert found == [ms(0), dt.timedelta(microseconds=333_334), dt.timedelta(microseconds=666_667)]


def test_what_is_spared_is_never_asked_for() -> None:
    found = waits(Bucket(Rate(burst=3, per_second=2, spare=2), now=T0), 3)

    assert found == [ms(0), ms(500), ms(1000)]


def test_an_idle_bucket_fills_no_further_than_its_size() -> None:
    bucket = Bucket(SMALL, now=T0)
    for ticket in sent(bucket, 3):
        bucket.settle(ticket, now=T0, left=None)

    assert waits(bucket, 4, now=T0 + seconds(1000)) == [ms(0)] * 3 + [ms(500)]


def test_beside_what_is_under_way_a_bucket_fills_no_further_than_would_fit() -> None:
    """It may be counted only now, and have found the bucket as full as before."""
    bucket = Bucket(SMALL, now=T0)
    tickets = sent(bucket, 2)
    beside = bucket.room(T0 + seconds(1000))
    bucket.settle(tickets[0], now=T0 + seconds(1000), left=None)

    assert (beside, bucket.room(T0 + seconds(1000.5))) == (10**6, 2 * 10**6)


def test_who_gives_up_leaves_the_moment_to_the_next() -> None:
    bucket = Bucket(SMALL, now=T0)
    sent(bucket, 3)
    first, second = bucket.reserve(), bucket.reserve()
    bucket.withdraw(first)

    assert bucket.due_at(second, now=T0) == T0 + ms(500)


def test_what_was_counted_elsewhere_comes_back() -> None:
    bucket = Bucket(SMALL, now=T0)
    tickets = sent(bucket, 3)
    bucket.give_back(tickets[0], now=T0)

    assert waits(bucket, 2) == [ms(0), ms(500)]


def test_what_went_out_without_a_ticket_counts() -> None:
    bucket = Bucket(SMALL, now=T0)
    for second in range(4):
        bucket.charge(now=T0 + ms(100 * second))

    # Three at once, and four were sent: the first tenths of a second gave 0.6.
    assert waits(bucket, 1, now=T0 + ms(300)) == [ms(700)]


def test_what_went_out_without_a_ticket_may_say_what_is_left() -> None:
    bucket = Bucket(SMALL, now=T0)
    bucket.charge(now=T0, left=1)

    assert waits(bucket, 2) == [ms(0), ms(500)]


def test_a_larger_bucket_is_known_by_what_is_left_in_it() -> None:
    bucket = Bucket(WRITES, now=T0)
    bucket.settle(sent(bucket, 1)[0], now=T0, left=799)

    assert waits(bucket, 801) == [ms(0)] * 799 + [ms(100), ms(200)]
    assert bucket.room(T0 + seconds(10_000)) == (800 - 801) * 10**6


def test_somebody_else_at_the_same_bucket_is_known_by_what_is_missing() -> None:
    bucket = Bucket(WRITES, now=T0)
    bucket.settle(sent(bucket, 1)[0], now=T0, left=2)

    assert waits(bucket, 4) == [ms(0), ms(0), ms(100), ms(200)]


def test_those_who_wait_already_are_put_off_when_less_is_left() -> None:
    bucket = Bucket(SMALL, now=T0)
    first = sent(bucket, 1)[0]
    waiting = [bucket.reserve() for _ in range(2)]
    bucket.settle(first, now=T0, left=0)

    assert [bucket.due_at(one, now=T0) - T0 for one in waiting] == [ms(500), ms(1000)]


def test_what_is_under_way_may_not_have_been_counted_yet() -> None:
    bucket = Bucket(WRITES, now=T0)
    bucket.settle(sent(bucket, 5)[0], now=T0, left=6)

    assert waits(bucket, 3) == [ms(0), ms(0), ms(100)]


def test_an_answer_that_comes_late_gives_nothing_back_that_went_out_since() -> None:
    """One is slow; two others were sent, counted and answered meanwhile."""
    bucket = Bucket(Rate(burst=10, per_second=1), now=T0)
    slow = sent(bucket, 1)[0]
    for left in (8, 7):
        bucket.settle(sent(bucket, 1)[0], now=T0, left=left)
    cautious = bucket.room(T0)
    bucket.settle(slow, now=T0, left=9)

    assert (cautious, bucket.room(T0)) == (6 * 10**6, 7 * 10**6)


def test_an_answer_that_says_nothing_changes_nothing() -> None:
    bucket = Bucket(SMALL, now=T0)
    bucket.settle(sent(bucket, 1)[0], now=T0, left=None)

    assert bucket.room(T0) == 2 * 10**6


def test_a_closed_bucket_gives_nothing_and_then_one_after_another() -> None:
    bucket = Bucket(WRITES, now=T0)
    bucket.close(until=T0 + seconds(17), now=T0)

    assert waits(bucket, 3) == [ms(17_100), ms(17_200), ms(17_300)]
    assert bucket.room(T0) == -(17 * 10 + 3) * 10**6


def test_a_closed_bucket_is_opened_by_nothing_but_time() -> None:
    bucket = Bucket(WRITES, now=T0)
    answered, elsewhere = sent(bucket, 2)
    bucket.close(until=T0 + seconds(17), now=T0)
    bucket.close(until=T0 + seconds(3), now=T0)
    bucket.settle(answered, now=T0 + seconds(1), left=150)
    bucket.give_back(elsewhere, now=T0 + seconds(1))
    opens_after = waits(bucket, 1, now=T0 + seconds(2))
    bucket.charge(now=T0 + seconds(2), left=150)

    assert (opens_after, waits(bucket, 1, now=T0 + seconds(2))) == ([seconds(15)], [ms(15_200)])


def test_it_is_known_whether_anybody_ever_asked() -> None:
    bucket = Bucket(SMALL, now=T0)
    before = bucket.is_unknown
    ticket = bucket.reserve()
    while_waiting = bucket.is_unknown
    bucket.take(ticket, now=T0)

    assert (before, while_waiting, bucket.is_unknown) == (True, False, False)


# --- quotas ------------------------------------------------------------------------------


def test_a_quota_gives_so_many_in_a_span_and_the_rest_when_those_are_over() -> None:
    quota = Quota(limit=3, span=SPAN, now=T0)
    sent(quota, 1)
    sent(quota, 2, now=T0 + seconds(1))

    assert waits(quota, 3, now=T0 + seconds(2)) == [seconds(3), seconds(4), seconds(4)]


def test_those_far_back_in_the_line_are_told_to_ask_again_after_a_span() -> None:
    assert waits(Quota(limit=2, span=SPAN, now=T0), 4) == [ms(0), ms(0), SPAN, SPAN]


def test_a_quota_that_others_use_too_is_waited_for_until_it_is_whole() -> None:
    quota = Quota(limit=15, span=SPAN, now=T0)
    quota.settle(sent(quota, 1)[0], now=T0, left=1, whole_in=seconds(4))

    assert waits(quota, 3) == [ms(0), seconds(4), seconds(4)]
    assert waits(quota, 1, now=T0 + seconds(4)) == [ms(0)]


@pytest.mark.parametrize(("left", "whole_in"), [(None, seconds(4)), (0, None), (None, None)])
def test_a_quota_that_is_told_by_halves_is_what_it_was(
    left: int | None, whole_in: dt.timedelta | None
) -> None:
    quota = Quota(limit=3, span=SPAN, now=T0)
    quota.settle(sent(quota, 1)[0], now=T0, left=left, whole_in=whole_in)

    assert quota.room(T0) == 2 * 10**6


def test_a_closed_quota_gives_nothing_until_it_opens() -> None:
    quota = Quota(limit=3, span=SPAN, now=T0)
    quota.close(until=T0 + seconds(30), now=T0)
    quota.close(until=T0 + seconds(9), now=T0)

    assert (waits(quota, 1), quota.room(T0)) == ([seconds(30)], -1 * 10**6)


def test_who_gives_up_a_place_in_a_quota_leaves_it_to_the_next() -> None:
    quota = Quota(limit=1, span=SPAN, now=T0)
    first, second = quota.reserve(), quota.reserve()
    told = quota.due_at(second, now=T0) - T0
    quota.withdraw(first)

    assert (told, quota.due_at(second, now=T0), quota.is_unknown) == (SPAN, T0, False)
