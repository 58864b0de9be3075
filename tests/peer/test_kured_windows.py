"""kured's time windows: days of the week, a start and an end, in a zone."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator

import pytest

from fleet import zones
from fleet.core import windows
from fleet.model.calendars import Rule
from tests.rig import minutes, peers
from tests.rig.peers import Case

WINDOWS = peers.tables("windows_kured").get("kured", {}).get("contains", ())
DAYS = ("mo", "tu", "we", "th", "fr", "sa", "su")

STARTS = "a span belongs to the day it starts, and goes on into the next"
ENDS = "the end is exclusive"
DIFFERING = {
    "mon,tue,wed,thu,fri 9pm-5am America/Los_Angeles at 2019-03-30T04:00:00-07:00": STARTS,
    "mon,tue,wed,thu,fri 11:59pm-00:01am America/Los_Angeles at 2019-04-05T00:01:00-07:00": ENDS,
    "mon,tue,wed,thu,fri 11:59pm-00:01am UTC at 2019-04-05T00:01:00+00:00": ENDS,
    "mon,tue,wed,fri 11:59pm-00:01am America/Los_Angeles at 2019-04-05T00:00:00-07:00": STARTS,
    "mon,tue,wed,thu 11:59pm-00:01am America/Los_Angeles at 2019-04-05T00:00:00-07:00": STARTS,
}


def _moments() -> Iterator[Case]:
    for window in WINDOWS:
        for one in window["cases"]:
            yield {**{key: window[key] for key in ("days", "start", "end", "tz")}, **one}


def _name(case: Case) -> str:
    return f"{case['days']} {case['start']}-{case['end']} {case['tz']} at {case['at']}"


def _rule(case: Case) -> Rule:
    """Return the rule that a person would write for a window of theirs."""
    days = tuple(DAYS.index(one[:2]) for one in case["days"].split(","))
    return Rule(days=days, at=_clock(case["start"]), until=_clock(case["end"]))


def _clock(text: str) -> str:
    """Return ``11:59pm`` as ``23:59``; the last second of a day is its end."""
    found = re.fullmatch(r"(\d+)(?::(\d+))?(?::(\d+))?(am|pm)?", text)
    assert found, text
    hour, minute, second, half = found.groups()
    if second:
        assert text == "23:59:59"
        return "24:00"
    ahead = {"pm": 12, "am": 0}.get(half or "", 0) if int(hour) != 12 else 0
    return f"{int(hour) + ahead:02}:{int(minute or 0):02}"


@pytest.mark.parametrize("case", peers.named(list(_moments()), _name))
def test_whether_a_moment_is_in_a_window(case: Case) -> None:
    calendar = minutes.calendar(case["tz"], allow=[_rule(case)])

    now = dt.datetime.fromisoformat(case["at"]).astimezone(dt.UTC)
    found = windows.opening([calendar], now, zones=zones.zone).is_open

    peers.compare(_name(case), found, case["inside"], differing=DIFFERING)


def test_every_difference_that_is_listed_is_a_case() -> None:
    names = {_name(one) for one in _moments()}

    assert not WINDOWS or DIFFERING.keys() <= names
