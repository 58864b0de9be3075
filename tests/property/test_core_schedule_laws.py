"""What holds of a schedule, whenever somebody looks, and however long its runs take."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Sequence

from hypothesis import given, settings, strategies as st

from fleet.core import schedules
from fleet.core.schedules import Begun, Standing
from fleet.model.calendars import Rule
from fleet.model.desired import Missed, Overlap, ScheduleRule

EPOCH = dt.datetime(2026, 12, 2, 2, tzinfo=dt.UTC)

minutes = st.integers(0, 2000)
moments = st.lists(minutes, min_size=1, max_size=25)
spans = st.integers(1, 500)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Life:
    """One occurrence, as it was lived."""

    at: dt.datetime
    looked_at: dt.datetime
    """When it was begun."""
    ended_at: dt.datetime

    def seen(self, now: dt.datetime) -> Begun:
        return Begun(at=self.at, ended_at=self.ended_at if self.ended_at <= now else None)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """One moment at which somebody looked."""

    now: dt.datetime
    latest: dt.datetime | None
    standing: Standing
    before: tuple[Life, ...]

    @property
    def is_busy(self) -> bool:
        return any(one.ended_at > self.now for one in self.before)

    @property
    def overlapping_ends(self) -> list[dt.datetime]:
        latest = self.latest or self.now
        return [one.ended_at for one in self.before if one.ended_at > latest]


def at(number: int) -> dt.datetime:
    return EPOCH + dt.timedelta(minutes=number)


def rule(within: int, missed: Missed, overlap: Overlap) -> ScheduleRule:
    length = dt.timedelta(minutes=within)
    return ScheduleRule(
        zone="UTC", rule=Rule(cron="* * * * *", length=length), missed=missed, overlap=overlap
    )


def lived(
    schedule: ScheduleRule, starts: Sequence[int], looks: Sequence[int], lengths: Sequence[int]
) -> list[Look]:
    """Look at every moment, and begin what is due; each run takes its time."""
    found: list[Look] = []
    lives: list[Life] = []
    for now in map(at, sorted(looks)):
        latest = max((one for one in map(at, starts) if one <= now), default=None)
        begun = [one.seen(now) for one in lives]
        standing = schedules.standing(schedule, latest=latest, begun=begun, now=now)
        found.append(Look(now=now, latest=latest, standing=standing, before=tuple(lives)))
        if standing is Standing.DUE:
            assert latest is not None
            length = dt.timedelta(minutes=lengths[len(lives) % len(lengths)])
            lives.append(Life(at=latest, looked_at=now, ended_at=now + length))
    return found


policies = st.builds(rule, spans, st.sampled_from(Missed), st.sampled_from(Overlap))


@settings(max_examples=60)
@given(policies, moments, moments, st.lists(spans, min_size=1, max_size=5))
def test_each_occurrence_is_begun_at_most_once_in_order_and_never_before_it_came(
    schedule: ScheduleRule, starts: list[int], looks: list[int], lengths: list[int]
) -> None:
    begun = [one for one in lived(schedule, starts, looks, lengths) if one.standing is Standing.DUE]

    ats = [one.latest for one in begun if one.latest is not None]
    assert ats == sorted(set(ats))
    assert set(ats) <= set(map(at, starts))
    assert all(one.latest is not None and one.latest <= one.now for one in begun)


@settings(max_examples=60)
@given(policies, moments, moments, st.lists(spans, min_size=1, max_size=5))
def test_no_two_runs_of_a_file_are_under_way_at_once_and_overlap_is_as_said(
    schedule: ScheduleRule, starts: list[int], looks: list[int], lengths: list[int]
) -> None:
    for one in lived(schedule, starts, looks, lengths):
        if one.standing is Standing.DUE:
            assert not one.is_busy
            assert schedule.overlap is Overlap.QUEUE or not one.overlapping_ends
        if one.standing is Standing.OVERLAPPED:
            assert schedule.overlap is Overlap.SKIP
            assert one.overlapping_ends
        if one.standing is Standing.QUEUED:
            assert schedule.overlap is Overlap.QUEUE
            assert one.is_busy


@settings(max_examples=60)
@given(policies, moments, moments, st.lists(spans, min_size=1, max_size=5))
def test_what_is_late_is_begun_only_where_the_file_says_so_and_never_as_its_first(
    schedule: ScheduleRule, starts: list[int], looks: list[int], lengths: list[int]
) -> None:
    within = schedule.rule.length or dt.timedelta(0)
    for one in lived(schedule, starts, looks, lengths):
        if one.latest is None:
            continue
        ready_at = max([one.latest, *one.overlapping_ends])
        is_late = one.now >= ready_at + within
        if one.standing is Standing.DUE:
            assert not is_late or (schedule.missed is Missed.LATEST and one.before)
        if one.standing is Standing.MISSED:
            assert is_late
            assert schedule.missed is Missed.SKIP or not one.before


@settings(max_examples=60)
@given(policies, moments, moments, st.lists(spans, min_size=1, max_size=5))
def test_whoever_looks_in_time_begins_what_nothing_stands_against(
    schedule: ScheduleRule, starts: list[int], looks: list[int], lengths: list[int]
) -> None:
    within = schedule.rule.length or dt.timedelta(0)
    for one in lived(schedule, starts, looks, lengths):
        is_begun = any(life.at == one.latest for life in one.before)
        if one.latest is None or is_begun or one.overlapping_ends:
            continue
        if one.now < one.latest + within:
            assert one.standing is Standing.DUE


@settings(max_examples=60)
@given(policies, moments, moments, moments, st.lists(spans, min_size=1, max_size=5))
def test_looking_once_more_begins_nothing_that_was_begun(
    schedule: ScheduleRule,
    starts: list[int],
    looks: list[int],
    more: list[int],
    lengths: list[int],
) -> None:
    """Two timers of one file are as one that looks more often, and each look twice as once."""
    twice = lived(schedule, starts, [*looks, *looks], lengths)
    begun = [one.latest for one in twice if one.standing is Standing.DUE]

    assert begun == [
        one.latest
        for one in lived(schedule, starts, looks, lengths)
        if one.standing is Standing.DUE
    ]
    many = lived(schedule, starts, [*looks, *more], lengths)
    assert len({one.latest for one in many if one.standing is Standing.DUE}) == sum(
        one.standing is Standing.DUE for one in many
    )
