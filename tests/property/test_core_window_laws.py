"""Windows against every minute of some weeks around clock changes, and of a year."""

from __future__ import annotations

import bisect
import dataclasses
import datetime as dt
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st

from fleet import zones
from fleet.core import windows
from fleet.core.hours import Hours
from fleet.core.windows import Opening
from fleet.model.calendars import Calendar, Rule
from tests.rig import minutes
from tests.rig.minutes import DAY, MINUTE, UTC, Minutes

CHANGES = {
    "Europe/Berlin": ("2026-10-25", "2027-03-28"),
    "America/New_York": ("2026-11-01", "2027-03-14"),
    "Australia/Lord_Howe": ("2026-10-04", "2027-04-04"),  # by half an hour
    "Antarctica/Troll": ("2026-10-25", "2027-03-28"),  # by two hours
    "America/Santiago": ("2026-09-06", "2027-04-04"),  # at midnight, which that day does not have
    "Asia/Kathmandu": ("2026-11-29",),  # never; 5:45 ahead
}
PLACES = [(zone, day) for zone, days in CHANGES.items() for day in days]
WEEKS = 21
BUFFERS = st.sampled_from([0, 1, 30, 90, 600]).map(lambda count: count * MINUTE)

clocks = st.builds("{:02}:{:02}".format, st.integers(0, 23), st.sampled_from([0, 15, 30, 45]))
ends = st.one_of(clocks, st.just("24:00"))
lengths = st.sampled_from([15, 90, 480, 1500]).map(lambda count: count * MINUTE)
weekly_rules = st.builds(
    Rule, days=st.sets(st.integers(0, 6), min_size=1).map(tuple), at=clocks, until=ends
)
cron_rules = st.builds(
    Rule,
    cron=st.builds(
        "{} {} {} * {}".format,
        st.sampled_from(["0", "30", "15,45", "*/30"]),
        st.sampled_from(["2", "0-3", "*/6", "22"]),
        st.sampled_from(["*", "*", "1-15", "L"]),
        st.sampled_from(["*", "SUN", "1-5", "6#1", "0L"]),
    ),
    length=lengths,
)


def local_text(day: str, minute: int) -> str:
    """Return a local time so many minutes after the midnight before *day*."""
    return (dt.datetime.fromisoformat(day) - DAY + minute * MINUTE).isoformat()


def rules(day: str) -> st.SearchStrategy[Rule]:
    """Rules of every shape, with dates near *day*."""
    near = st.integers(0, 192).map(lambda quarter: local_text(day, quarter * 15))
    once = st.tuples(near, st.integers(1, 400)).map(
        lambda one: Rule(
            starts=one[0],
            ends=(dt.datetime.fromisoformat(one[0]) + one[1] * 15 * MINUTE).isoformat(),
        )
    )
    dates = st.lists(near, min_size=1, max_size=3).map(tuple)
    days = dates.map(lambda found: tuple(f"{one[:10]}T00:00:00" for one in found))
    times = st.sampled_from(["02:00:00", "02:30:00", "00:15:00", "23:00:00"])
    ruled = st.builds(
        lambda time, text, **keys: Rule(starts=f"2020-01-01T{time}", rrule=text, **keys),
        times,
        st.sampled_from(["FREQ=DAILY", "FREQ=MONTHLY;BYDAY=1SU,-1SU", "FREQ=WEEKLY;BYDAY=SA,SU"]),
        length=lengths,
        also=dates,
        except_at=times.map(lambda time: (f"{day}T{time}",)),
    )
    holidays = st.builds(Rule, also=days, whole_days=st.integers(1, 3))
    listed = st.builds(Rule, also=dates, length=lengths)
    return st.one_of(weekly_rules, cron_rules, once, ruled, holidays, listed)


@st.composite
def scenes(draw: Any) -> tuple[Minutes, list[Calendar]]:
    """Three weeks around a clock change, and calendars in its zone and in others."""
    zone, day = draw(st.sampled_from(PLACES))
    begins = dt.datetime.fromisoformat(f"{day}T00:00:00Z") - draw(st.sampled_from([3, 16])) * DAY
    elsewhere = st.one_of(st.just(zone), st.sampled_from(["Asia/Kathmandu", "Europe/Berlin"]))
    some = st.lists(
        st.builds(
            lambda one, where: dataclasses.replace(one, zone=where),
            rules(day),
            st.none() | elsewhere,
        ),
        max_size=3,
    )
    calendars = [
        minutes.calendar(draw(elsewhere), allow=draw(some), deny=draw(some))
        for _ in range(draw(st.integers(1, 3)))
    ]
    return Minutes(begins=begins, days=WEEKS), calendars


def walked(hours: Hours, indices: tuple[int, ...], around: Minutes) -> list[Any]:
    """Go from change to change, and return the open spans."""
    found, now = [], around.begins
    while now < around.ends:
        here = hours.opening(indices, now)
        then = min(here.changes_at or around.ends, around.ends)
        assert then > now
        if here.is_open:
            found.append((now, then))
        now = then
    return found


@settings(max_examples=60, deadline=None)
@given(scene=scenes())
def test_several_calendars_are_open_in_the_minutes_that_all_of_them_are(
    scene: tuple[Minutes, list[Calendar]],
) -> None:
    around, calendars = scene
    everything = tuple(range(len(calendars)))

    found = walked(Hours(calendars, zones.zone), everything, around)

    assert found == around.spans(around.open(calendars))


@settings(max_examples=40, deadline=None)
@given(scene=scenes(), at=st.integers(0, WEEKS * 24 * 60 - 1), buffer=BUFFERS)
def test_the_next_open_moment_is_the_first_that_is_open_for_long_enough(
    scene: tuple[Minutes, list[Calendar]], at: int, buffer: dt.timedelta
) -> None:
    around, calendars = scene
    now = around.begins + at * MINUTE
    is_open = around.open(calendars)
    last = around.index(around.ends)
    enough = b"\x01" * (buffer // MINUTE + 1)

    found = windows.next_open(calendars, now, zones=zones.zone, buffer=buffer)

    first = is_open.find(enough, around.index(now), last + len(enough) - 1)
    if first >= 0:
        assert found == around.moment(first)
    else:
        assert found is None or found >= around.ends
    if found is not None:
        opening = windows.opening(calendars, found, zones=zones.zone, buffer=buffer)
        assert opening.is_open


@settings(max_examples=40, deadline=None)
@given(scene=scenes(), at=st.integers(0, WEEKS * 24 * 60 - 1))
def test_the_next_close_is_the_end_of_the_window_that_is_open_or_opens_next(
    scene: tuple[Minutes, list[Calendar]], at: int
) -> None:
    around, calendars = scene
    now = around.begins + at * MINUTE
    spans = around.spans(around.open(calendars))

    found = windows.next_close(calendars, now, zones=zones.zone)

    at = bisect.bisect_right([end for _, end in spans], now)
    if at < len(spans) and spans[at][1] < around.ends:
        assert found == spans[at][1]
    else:
        assert found is None or found >= around.ends


@settings(max_examples=30, deadline=None)
@given(
    scene=scenes(),
    asks=st.lists(
        st.tuples(
            st.sets(st.integers(0, 2)),
            st.integers(0, WEEKS * 24 * 60 - 1),
            BUFFERS,
            st.dictionaries(
                st.integers(0, 2), st.none() | st.integers(0, WEEKS * 24 * 60), max_size=1
            ),
        ),
        max_size=12,
    ),
)
def test_what_is_kept_for_a_run_is_what_is_found_anew(
    scene: tuple[Minutes, list[Calendar]], asks: list[Any]
) -> None:
    """Whatever is asked in whatever order: moments that go back, other buffers, overrides."""
    around, calendars = scene
    hours = Hours(calendars, zones.zone)
    alone = [around.open([one]) for one in calendars]

    for wanted, minute, buffer, overridden in asks:
        indices = tuple(sorted(one for one in wanted if one < len(calendars)))
        now = around.begins + minute * MINUTE
        hours.overridden = {
            one: None if until is None else around.begins + until * MINUTE
            for one, until in overridden.items()
            if one < len(calendars)
        }

        found = hours.opening(indices, now, buffer=buffer)

        truth = _brute(around, [_opened(around, alone, one, hours) for one in indices], now, buffer)
        if truth.changes_at is None:
            assert found.is_open == truth.is_open
            assert found.changes_at is None or found.changes_at >= around.ends
        else:
            assert found == truth
        anew = Hours(calendars, zones.zone)
        anew.overridden = hours.overridden
        assert found == anew.opening(indices, now, buffer=buffer)
        change = hours.next_change(now, buffer=buffer)
        assert change is None or now < change <= (found.changes_at or change)


def _opened(around: Minutes, alone: Sequence[bytearray], index: int, hours: Hours) -> bytearray:
    found = bytearray(alone[index])
    if index in hours.overridden:
        until = hours.overridden[index]
        end = len(found) if until is None else around.index(until)
        found[:end] = b"\x01" * end
    return found


def _brute(
    around: Minutes, all_of: Sequence[bytearray], now: dt.datetime, buffer: dt.timedelta
) -> Opening:
    """Return what the minutes say; a change beyond the last one is not known."""
    together = int.from_bytes(around.open([]))
    for one in all_of:
        together &= int.from_bytes(one)
    is_open = together.to_bytes(len(around.open([])))
    enough = b"\x01" * (buffer // MINUTE + 1)
    here, last = around.index(now), around.index(around.ends)
    if is_open[here : here + len(enough)] != enough:
        opens = is_open.find(enough, here, last + len(enough) - 1)
        return Opening(is_open=False, changes_at=around.moment(opens) if opens >= 0 else None)
    closes = is_open.find(0, here, last + len(enough) - 1)
    return Opening(is_open=True, changes_at=around.moment(closes) - buffer if closes >= 0 else None)


@settings(max_examples=30, deadline=None)
@given(scene=scenes(), zone=st.sampled_from(sorted(CHANGES)))
def test_the_same_spans_written_in_another_zone_are_the_same_windows(
    scene: tuple[Minutes, list[Calendar]], zone: str
) -> None:
    """Each open span of a calendar, as one date with an end, by the clocks of somewhere else."""
    around, (first, *_) = scene
    where = zones.zone(zone)
    found = walked(Hours([first], zones.zone), (0,), around)
    shown = [[one.astimezone(where) for one in span] for span in found]
    # What a clock shows for the second time cannot be written down.
    written = [
        Rule(starts=start.strftime("%FT%T"), ends=end.strftime("%FT%T"))
        for start, end in shown
        if not start.fold and not end.fold
    ]
    kept = [span for span, one in zip(found, shown, strict=True) if not any(t.fold for t in one)]

    moved = minutes.calendar(zone, allow=written)

    assert not written or walked(Hours([moved], zones.zone), (0,), around) == kept


@settings(max_examples=30, deadline=None)
@given(rule=weekly_rules, at=st.integers(0, WEEKS * 24 * 60 - 1))
def test_a_week_that_is_moved_with_its_zone_stays_where_it_is(rule: Rule, at: int) -> None:
    """Nepal is 5:45 ahead all year; a day that is moved past midnight is another day."""
    now = dt.datetime(2026, 11, 9, tzinfo=UTC) + at * MINUTE
    ahead = dt.timedelta(hours=5, minutes=45)
    opens, closes = (
        dt.datetime.fromisoformat(f"2026-11-09T{text.replace('24:', '00:')}") + ahead
        for text in (rule.at, rule.until)
    )
    moved = dataclasses.replace(
        rule,
        days=tuple((day + (opens.day - 9)) % 7 for day in rule.days),
        at=opens.strftime("%H:%M"),
        until=closes.strftime("%H:%M"),
    )

    here = windows.opening([minutes.calendar("UTC", allow=[rule])], now, zones=zones.zone)
    there = windows.opening(
        [minutes.calendar("Asia/Kathmandu", allow=[moved])], now, zones=zones.zone
    )

    assert here == there


@pytest.mark.parametrize("zone", sorted(CHANGES))
def test_a_whole_year_is_open_in_the_minutes_it_should_be(zone: str) -> None:
    year = Minutes(begins=dt.datetime(2027, 1, 1, tzinfo=UTC), days=365)
    calendars = [
        minutes.calendar(
            zone,
            allow=[
                Rule(days=(0, 1, 2, 3, 4), at="22:30", until="05:00"),
                Rule(days=(5, 6), at="00:00", until="24:00"),
            ],
            deny=[
                Rule(also=("2027-12-24T00:00:00",), whole_days=14),
                Rule(
                    starts="2019-01-01T02:15:00", rrule="FREQ=DAILY", length=dt.timedelta(hours=1)
                ),
            ],
        ),
        minutes.calendar(zone, deny=[Rule(cron="30 0 1,L * *", length=dt.timedelta(hours=3))]),
    ]

    found = walked(Hours(calendars, zones.zone), (0, 1), year)

    assert found == year.spans(year.open(calendars))
