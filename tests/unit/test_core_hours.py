"""A plan's calendars as a run asks about them."""

from __future__ import annotations

import datetime as dt

import pytest

from fleet import zones
from fleet.core.hours import Hours
from fleet.core.windows import Opening
from fleet.errors import InputError
from fleet.model.calendars import Calendar, Rule
from tests.rig import minutes

HOUR = dt.timedelta(hours=1)
MONDAY = dt.datetime(2026, 11, 30, tzinfo=dt.UTC)
NIGHTS = minutes.calendar("UTC", allow=[Rule(days=(0, 1, 2), at="22:00", until="05:00")])
MORNINGS = minutes.calendar("UTC", allow=[Rule(days=(0, 1), at="04:00", until="12:00")])
ALWAYS = minutes.calendar("UTC")


def hours(*calendars: Calendar) -> Hours:
    return Hours(calendars, zones.zone)


def test_each_target_has_the_calendars_that_bind_it() -> None:
    kept = hours(NIGHTS, MORNINGS, ALWAYS)
    now = MONDAY + 4 * HOUR

    assert kept.opening((0,), now) == Opening(is_open=False, changes_at=MONDAY + 22 * HOUR)
    assert kept.opening((1,), now) == Opening(is_open=True, changes_at=MONDAY + 12 * HOUR)
    assert kept.opening((0, 1), now) == Opening(is_open=False, changes_at=MONDAY + 28 * HOUR)
    assert kept.opening((2,), now) == Opening(is_open=True, changes_at=None)
    assert kept.opening((), now) == Opening(is_open=True, changes_at=None)


def test_nothing_is_worked_out_twice_while_nothing_changes() -> None:
    kept = hours(NIGHTS)

    first = kept.opening((0,), MONDAY + 6 * HOUR)

    assert kept.opening((0,), MONDAY + 21 * HOUR) is first
    assert kept.opening((0,), MONDAY + 22 * HOUR) is not first


def test_a_moment_may_be_earlier_than_the_one_before() -> None:
    kept = hours(NIGHTS)
    kept.opening((0,), MONDAY + 30 * 24 * HOUR)
    kept.opening((0,), MONDAY + 60 * 24 * HOUR)

    assert kept.opening((0,), MONDAY) == Opening(is_open=False, changes_at=MONDAY + 22 * HOUR)


def test_a_window_that_was_left_behind_is_there_for_who_goes_back() -> None:
    kept = hours(NIGHTS)
    kept.opening((0,), MONDAY)
    kept.opening((0,), MONDAY + 28.5 * HOUR, buffer=HOUR)
    kept.opening((0,), MONDAY + 30 * HOUR)

    assert kept.opening((0,), MONDAY + 23 * HOUR) == Opening(
        is_open=True, changes_at=MONDAY + 29 * HOUR
    )


def test_another_buffer_is_another_answer() -> None:
    kept = hours(NIGHTS)
    now = MONDAY + 28 * HOUR

    assert kept.opening((0,), now) == Opening(is_open=True, changes_at=MONDAY + 29 * HOUR)
    assert kept.opening((0,), now, buffer=HOUR / 2) == Opening(
        is_open=True, changes_at=MONDAY + 28.5 * HOUR
    )
    assert kept.opening((0,), now, buffer=HOUR) == Opening(
        is_open=False, changes_at=MONDAY + 46 * HOUR
    )


def test_an_override_opens_a_calendar_for_good_or_until_a_moment() -> None:
    kept = hours(NIGHTS, MORNINGS)
    now = MONDAY + 13 * HOUR
    closed = kept.opening((0, 1), now)

    kept.overridden[0] = now + HOUR
    until = kept.opening((0,), now, buffer=HOUR / 2)
    both = kept.opening((0, 1), now)
    kept.overridden[0] = None
    for_good = kept.opening((0,), now)
    del kept.overridden[0]

    assert closed == kept.opening((0, 1), now)
    assert until == Opening(is_open=True, changes_at=now + HOUR / 2)
    assert both == Opening(is_open=False, changes_at=MONDAY + 28 * HOUR)
    assert for_good == Opening(is_open=True, changes_at=None)


def test_an_override_that_lasts_into_a_window_goes_on_as_the_window() -> None:
    kept = hours(NIGHTS)
    kept.overridden[0] = MONDAY + 23 * HOUR

    assert kept.opening((0,), MONDAY) == Opening(is_open=True, changes_at=MONDAY + 29 * HOUR)


def test_an_override_that_is_over_changes_nothing() -> None:
    kept = hours(NIGHTS)
    kept.overridden[0] = MONDAY

    assert kept.opening((0,), MONDAY) == Opening(is_open=False, changes_at=MONDAY + 22 * HOUR)


def test_what_lies_beyond_the_horizon_comes_nearer() -> None:
    """A freeze in some years is none of today's business, and is not forgotten."""
    freeze = Rule(starts="2031-01-01T00:00:00", ends="2031-02-01T00:00:00")
    kept = hours(minutes.calendar("UTC", deny=[freeze]))
    day = dt.timedelta(days=1)

    found = [kept.opening((0,), MONDAY + number * day) for number in range(0, 1600, 20)]

    begins = dt.datetime(2031, 1, 1, tzinfo=dt.UTC)
    assert found[0] == Opening(is_open=True, changes_at=None)
    assert (
        found[-20:]
        == [Opening(is_open=True, changes_at=begins)] * 15
        + [
            Opening(is_open=False, changes_at=dt.datetime(2031, 2, 1, tzinfo=dt.UTC)),
            Opening(is_open=False, changes_at=dt.datetime(2031, 2, 1, tzinfo=dt.UTC)),
        ]
        + [Opening(is_open=True, changes_at=None)] * 3
    )


def test_the_next_change_is_of_whichever_calendar() -> None:
    kept = hours(NIGHTS, MORNINGS, ALWAYS)
    now = MONDAY + 5 * HOUR

    assert kept.next_change(now) == MONDAY + 12 * HOUR
    assert kept.next_change(now, buffer=2 * HOUR) == MONDAY + 10 * HOUR
    assert kept.next_change(MONDAY + 10 * HOUR, buffer=2 * HOUR) == MONDAY + 12 * HOUR
    assert hours(ALWAYS).next_change(now) is None


def test_a_calendar_that_cannot_be_read_is_refused_before_anything_is_asked() -> None:
    with pytest.raises(InputError, match="there is no time zone 'Europe/Munich'"):
        hours(minutes.calendar("Europe/Munich", allow=[Rule(cron="0 0 * * *", length=HOUR)]))
