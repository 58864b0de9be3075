"""Recurrence rules against python-dateutil stepping through them from their first start on."""

from __future__ import annotations

import datetime as dt
import itertools
from typing import Any

import pytest
from dateutil import rrule
from hypothesis import given, settings, strategies as st

from fleet.core import rruletext

START = dt.datetime(2024, 1, 31, 22, 30)  # noqa: DTZ001 - local times
DAY = dt.timedelta(days=1)
WEEK_DAYS = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
TIMES = ["", ";BYHOUR=1,22", ";BYMINUTE=0,15;BYHOUR=3", ";BYSECOND=59"]
PLACES = ["", ";BYSETPOS=1", ";BYSETPOS=-1", ";BYSETPOS=2,-2,99"]


def numbers(*given: int) -> st.SearchStrategy[str]:
    """Some of these, as a list."""
    chosen = st.lists(st.sampled_from(given), min_size=1, max_size=3, unique=True)
    return chosen.map(lambda found: ",".join(map(str, found)))


months = st.one_of(st.just(""), numbers(*range(1, 13)).map(";BYMONTH={}".format))
month_days = numbers(1, 2, 13, 28, -1, -3, -28).map(";BYMONTHDAY={}".format)
week_days = st.lists(st.sampled_from(WEEK_DAYS), min_size=1, max_size=4, unique=True).map(
    lambda found: ";BYDAY=" + ",".join(found)
)
# Five of one day are not in every month, but in every year.
numbered = st.lists(
    st.builds("{}{}".format, st.sampled_from([1, 2, 5, -1, -2]), st.sampled_from(WEEK_DAYS)),
    min_size=1,
    max_size=3,
    unique=True,
).map(lambda found: ";BYDAY=" + ",".join(found))
year_days = numbers(1, 59, 60, 200, -1, -366 + 1).map(";BYYEARDAY={}".format)
# NB: dateutil takes every day of a week where RFC 5545 takes the start's.
weeks = st.builds("{}{}".format, numbers(1, 9, 20, 52, -2).map(";BYWEEKNO={}".format), week_days)


def joined(frequency: str, *parts: Any) -> st.SearchStrategy[str]:
    """A rule's text."""
    return st.tuples(*parts).map(lambda found: f"FREQ={frequency}" + "".join(found))


def interval(*given: int) -> st.SearchStrategy[str]:
    return st.sampled_from([f";INTERVAL={one}" if one > 1 else "" for one in given])


maybe = st.just("")
times = st.sampled_from(TIMES)
places = st.sampled_from(PLACES)
# NB: never one that gives nothing: dateutil would look for it until the year 9999. Nor places among
# the days of a week, whose first one dateutil begins with the start.
KINDS = {
    "days of years": joined(
        "YEARLY", interval(1, 2, 4), st.one_of(month_days, week_days, numbered), times, places
    ),
    "days of years by number": joined("YEARLY", interval(1, 2), year_days, times, places),
    "days of weeks of years": joined("YEARLY", interval(1, 2), weeks, times),
    "days of months of years": joined(
        "YEARLY",
        interval(1, 2),
        numbers(*range(1, 13)).map(";BYMONTH={}".format),
        st.one_of(month_days, week_days, numbered),
        times,
        places,
    ),
    "the day of years": joined("YEARLY", interval(1, 3), times),
    "days of months": joined(
        "MONTHLY", interval(1, 2, 7), st.one_of(month_days, week_days, numbered), times, places
    ),
    "the day of months": joined("MONTHLY", interval(1, 2), times),
    "weeks": joined("WEEKLY", interval(1, 2, 5), months, st.one_of(maybe, week_days), times),
    "days": joined(
        "DAILY", interval(1, 2, 5), months, st.one_of(maybe, week_days, month_days), times
    ),
    "hours": joined("HOURLY", interval(1, 5, 8), months, st.sampled_from(["", ";BYMINUTE=0,45"])),
    "some hours": joined(
        "HOURLY", st.one_of(maybe, week_days), st.sampled_from([";BYHOUR=1,2,23", ";BYHOUR=22"])
    ),
}
week_starts = st.sampled_from(["", ";WKST=SU", ";WKST=TH"])
endings = st.one_of(
    maybe,
    maybe,
    st.sampled_from([";COUNT=1", ";COUNT=7", ";COUNT=40"]),
    st.sampled_from([";UNTIL=20260630T223000", ";UNTIL=20240303T000000"]),
)
DAYS = 1100
HOURLY_DAYS = 120


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=25, deadline=None)
@given(given=st.data())
def test_a_rule_gives_what_stepping_through_it_gives(kind: str, given: st.DataObject) -> None:
    text = given.draw(KINDS[kind]) + given.draw(week_starts) + given.draw(endings)
    before = START + (HOURLY_DAYS if "hours" in kind else DAYS) * DAY

    found = list(rruletext.read(text, START).between(START - 40 * DAY, before))

    stepped = rrule.rrulestr(text, dtstart=START)
    until = rruletext.parts(text).until
    kept = [one for one in found if until is None or one <= until]
    assert kept == list(itertools.takewhile(lambda one: one < before, stepped))


@pytest.mark.parametrize("kind", [*KINDS, "places in weeks"])
@settings(max_examples=12, deadline=None)
@given(
    given=st.data(),
    cuts=st.lists(st.integers(1, 99), min_size=3, max_size=5, unique=True),
    order=st.randoms(use_true_random=False),
)
def test_pieces_asked_for_in_any_order_are_the_whole(
    kind: str, given: st.DataObject, cuts: list[int], order: Any
) -> None:
    in_weeks = joined("WEEKLY", interval(1, 2), week_days, times, places)
    text = given.draw(KINDS.get(kind, in_weeks)) + given.draw(endings)
    days = HOURLY_DAYS if "hours" in kind else DAYS
    moments = [START + days * one // 100 * DAY for one in sorted(cuts)]
    pieces = list(itertools.pairwise(moments))
    asked = order.sample(pieces, len(pieces))
    rule = rruletext.read(text, START)

    found = {piece: list(rule.between(*piece)) for piece in asked}

    whole = rruletext.read(text, START).between(moments[0], moments[-1])
    assert [one for piece in pieces for one in found[piece]] == list(whole)
