"""Recurrence rules against python-dateutil stepping through them from their first start on."""

from __future__ import annotations

import datetime as dt
import itertools
from typing import Any

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
texts = st.one_of(
    joined(
        "YEARLY",
        interval(1, 2, 4),
        st.one_of(
            st.builds("{}{}".format, months, st.one_of(month_days, week_days, numbered)),
            year_days,
            weeks,
        ),
        times,
        places,
    ),
    joined("YEARLY", interval(1, 3), months.filter(lambda one: "2" not in one), times),
    joined("MONTHLY", interval(1, 2, 7), st.one_of(month_days, week_days, numbered), times, places),
    joined("MONTHLY", interval(1, 2), times),
    joined("WEEKLY", interval(1, 2, 5), months, st.one_of(maybe, week_days), times),
    joined("DAILY", interval(1, 2, 5), months, st.one_of(maybe, week_days), times),
    joined("DAILY", interval(1, 3), st.one_of(maybe, month_days), times),
    joined("HOURLY", interval(1, 5, 8), months, st.sampled_from(["", ";BYMINUTE=0,45"])),
    joined("HOURLY", st.one_of(maybe, week_days), st.sampled_from(["", ";BYHOUR=1,2,23"])),
)
endings = st.one_of(
    maybe,
    st.integers(1, 40).map(";COUNT={}".format),
    st.sampled_from([";UNTIL=20250630T223000", ";UNTIL=20240301T000000"]),
)


@settings(max_examples=200, deadline=None)
@given(
    text=texts,
    ending=endings,
    week_start=st.sampled_from(["", ";WKST=SU", ";WKST=TH"]),
    begins=st.integers(-40, 800),
    days=st.integers(1, 400),
)
def test_a_rule_gives_in_any_time_what_stepping_through_it_gives(
    text: str, ending: str, week_start: str, begins: int, days: int
) -> None:
    text += week_start
    since = START + begins * DAY
    before = since + days * DAY

    found = list(rruletext.read(text + ending, START).between(since, before))

    stepped = rrule.rrulestr(text + ending, dtstart=START)
    until = rruletext.parts(text + ending).until
    given = itertools.takewhile(lambda one: one < before, stepped)
    kept = [one for one in found if until is None or one <= until]
    assert kept == [one for one in given if one >= since]


@settings(max_examples=100, deadline=None)
@given(
    text=texts | joined("WEEKLY", interval(1, 2), months, week_days, times, places),
    ending=endings,
    cuts=st.lists(st.integers(0, 1200), min_size=3, max_size=5, unique=True),
    order=st.randoms(use_true_random=False),
)
def test_pieces_asked_for_in_any_order_are_the_whole(
    text: str, ending: str, cuts: list[int], order: Any
) -> None:
    moments = [START + one * DAY for one in sorted(cuts)]
    pieces = list(itertools.pairwise(moments))
    asked = order.sample(pieces, len(pieces))
    rule = rruletext.read(text + ending, START)

    found = {piece: list(rule.between(*piece)) for piece in asked}

    whole = rruletext.read(text + ending, START).between(moments[0], moments[-1])
    assert [one for piece in pieces for one in found[piece]] == list(whole)
