"""Why a calendar is of no use, in words for whoever wrote it."""

from __future__ import annotations

import datetime as dt
import functools
from collections.abc import Callable, Iterator

from fleet.core import patterns, timetables
from fleet.core.patterns import Pattern, Recurring
from fleet.core.timetables import FAR_HORIZON, Timetable, Zones
from fleet.errors import InputError
from fleet.model.calendars import Calendar, Rule

_YEARS = FAR_HORIZON.days // 366


def problems(calendar: Calendar, *, zones: Zones, at: dt.datetime) -> tuple[str, ...]:
    """Return what is wrong with *calendar*; empty: from *at* on it can be used."""
    found = [text for text in _unread(calendar, zones) if text]
    return tuple(found or _never_open(calendar, zones, at))


def _unread(calendar: Calendar, zones: Zones) -> Iterator[str]:
    unknown = _complaint(lambda: zones(calendar.zone))
    yield unknown
    for kind, rules in (("allow", calendar.allow), ("deny", calendar.deny)):
        for number, rule in enumerate(rules):
            # Where its calendar's zone is not known, what else is wrong with it is told all the
            # same.
            zone = rule.zone or ("UTC" if unknown else calendar.zone)
            if told := _complaint(functools.partial(_tried, rule, zone, zones)):
                yield f"{kind}[{number}]{f' ({rule.text})' if rule.text else ''}: {told}"


def _complaint(call: Callable[[], object]) -> str:
    """Return what an attempt ends with, for people; empty: nothing is wrong."""
    try:
        call()
    except InputError as error:
        return f"{error.message}. {error.hint}" if error.hint else error.message
    return ""


def _tried(rule: Rule, zone: str, zones: Zones) -> None:
    """Read a rule, and look whether it gives anything at all."""
    pattern = patterns.read(rule, zones(zone))
    if not _gives_something(pattern):
        message = f"{rule.rrule!r} gives nothing in {_YEARS} years from its start"
        raise InputError(message)


def _gives_something(pattern: Pattern) -> bool:
    if not isinstance(pattern, Recurring) or pattern.recurrence is None:
        return True
    start = pattern.recurrence.start
    return any(True for _ in pattern.recurrence.between(start, start + FAR_HORIZON))


def _never_open(calendar: Calendar, zones: Zones, at: dt.datetime) -> Iterator[str]:
    if calendar.known_until is not None and calendar.known_until <= at:
        yield f"nothing is known of it later than {calendar.known_until:%Y-%m-%d}: it is closed"
        return
    timetable = Timetable(calendar, zones)
    limit = timetables.limit_of([timetable], at)
    if timetable.span(at, limit, at) is None:
        years = round((limit - at).days / 365)
        yield f"it is never open from {at:%Y-%m-%d} on, for {years} years: {_why(calendar)}"


def _why(calendar: Calendar) -> str:
    if not calendar.allow:
        return "everything is denied"
    if not calendar.deny:
        return "what it allows is over, or has not begun by then"
    return "all that it allows is over, or denied"
