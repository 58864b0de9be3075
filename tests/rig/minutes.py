"""Calendars by brute force: each minute of some weeks, and what a clock on the wall shows in it.

It shares nothing with the real thing but the meaning: a local time is looked up among the minutes
that there are, cron is stepped by cronsim and recurrence by dateutil.
"""

from __future__ import annotations

import bisect
import dataclasses
import datetime as dt
import functools
import itertools
from array import array
from collections.abc import Iterator, Sequence

from cronsim import CronSim
from dateutil import rrule

from fleet import zones
from fleet.model.calendars import Calendar, Level, Rule

UTC = dt.UTC
MINUTE = dt.timedelta(minutes=1)
DAY = dt.timedelta(days=1)
_DAY_ONE = dt.datetime(2020, 1, 1)  # noqa: DTZ001 - local times
_AROUND = 4 * DAY
"""Minutes before and after those that are asked about: spans begin, and end, outside."""


def calendar(zone: str, *, allow: Sequence[Rule] = (), deny: Sequence[Rule] = ()) -> Calendar:
    """Return a calendar of a run."""
    return Calendar(name="nights", level=Level.RUN, zone=zone, allow=tuple(allow), deny=tuple(deny))


@dataclasses.dataclass(frozen=True, slots=True)
class Wall:
    """What clocks in a zone show, minute by minute."""

    shown: array[int]
    """In minutes since a day of its own."""
    latest: array[int]
    """The latest time shown so far: it never goes back."""

    def first_at(self, local: dt.datetime) -> int:
        """Return the first minute that shows this or something later."""
        return bisect.bisect_left(self.latest, _number(local))

    def exactly(self, local: dt.datetime) -> int | None:
        """Return the first minute that shows this."""
        at = self.first_at(local)
        return at if at < len(self.shown) and self.shown[at] == _number(local) else None

    def as_given(self, local: dt.datetime) -> int:
        """Return the minute that would show this if clocks had not been put forward."""
        at = self.first_at(local)
        if 0 < at < len(self.shown) and self.shown[at] != _number(local):
            at += _number(local) - self.shown[at - 1] - 1
        return at

    @property
    def bounds(self) -> tuple[dt.datetime, dt.datetime]:
        """The first local time, and the latest."""
        return _DAY_ONE + self.shown[0] * MINUTE, _DAY_ONE + self.latest[-1] * MINUTE


def _number(local: dt.datetime) -> int:
    return (local - _DAY_ONE) // MINUTE


@functools.cache
def wall(zone: str, begins: dt.datetime, count: int) -> Wall:
    """Return what clocks show for *count* minutes; offsets change on the quarter of an hour."""
    where, shown = zones.zone(zone), array("q")
    for quarter in range(0, count, 15):
        local = (begins + quarter * MINUTE).astimezone(where).replace(tzinfo=None, fold=0)
        shown.extend(range(_number(local), _number(local) + 15))
    return Wall(shown, array("q", itertools.accumulate(shown, max)))


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Minutes:
    """Some weeks, minute by minute."""

    begins: dt.datetime
    days: int

    @property
    def ends(self) -> dt.datetime:
        """The end of the last minute that can be asked about."""
        return self.begins + self.days * DAY

    def open(self, calendars: Sequence[Calendar]) -> bytearray:
        """Return for each minute, those around included, whether all are open."""
        always = found = int.from_bytes(b"\x01" * self._count)
        for one in calendars:
            found &= self._sum(one.allow, one.zone) if one.allow else always
            found &= ~self._sum(one.deny, one.zone)
        return bytearray(found.to_bytes(self._count))

    def spans(self, is_open: bytearray) -> list[tuple[dt.datetime, dt.datetime]]:
        """Return the open spans between the bounds."""
        found, at = [], self.index(self.begins)
        last = self.index(self.ends)
        while (at := is_open.find(1, at, last)) >= 0:
            end = is_open.find(0, at, last)
            end = last if end < 0 else end
            found.append((self.moment(at), self.moment(end)))
            at = end
        return found

    def index(self, moment: dt.datetime) -> int:
        """Return the number of a minute."""
        return (moment - self.begins + _AROUND) // MINUTE

    def moment(self, index: int) -> dt.datetime:
        """Return the start of a minute."""
        return self.begins - _AROUND + index * MINUTE

    @property
    def _count(self) -> int:
        return (self.days * DAY + 2 * _AROUND) // MINUTE

    def _sum(self, rules: Sequence[Rule], zone: str) -> int:
        found = bytearray(self._count)
        for rule in rules:
            where = wall(rule.zone or zone, self.begins - _AROUND, self._count)
            for start, end in _spans(rule, where):
                start, end = max(start, 0), min(end, self._count)  # noqa: PLW2901
                if start < end:
                    found[start:end] = b"\x01" * (end - start)
        return int.from_bytes(found)


def _spans(rule: Rule, where: Wall) -> Iterator[tuple[int, int]]:
    if rule.at:
        yield from _weekly(rule, where)
    elif rule.ends:
        yield where.as_given(_local(rule.starts)), where.as_given(_local(rule.ends))
    else:
        for local, start in _starts(rule, where):
            if rule.whole_days:
                midnight = dt.datetime.combine(local.date(), dt.time())
                yield start, where.first_at(midnight + rule.whole_days * DAY)
            else:
                yield start, start + (rule.length or DAY) // MINUTE


def _weekly(rule: Rule, where: Wall) -> Iterator[tuple[int, int]]:
    for midnight in _midnights(where):
        if midnight.weekday() in rule.days:
            opens, closes = _after_midnight(rule.at), _after_midnight(rule.until)
            closes += DAY if closes <= opens else dt.timedelta(0)
            yield where.first_at(midnight + opens), where.first_at(midnight + closes)


def _midnights(where: Wall) -> Iterator[dt.datetime]:
    first, last = where.bounds
    day = first.date()
    while day <= last.date():
        yield dt.datetime.combine(day, dt.time())
        day += DAY


def _starts(rule: Rule, where: Wall) -> Iterator[tuple[dt.datetime, int]]:
    first, last = where.bounds
    if rule.cron:
        stepped = CronSim(rule.cron, first - MINUTE)
        for local in itertools.takewhile(lambda one: one <= last, stepped):
            yield local, where.first_at(local)
        return
    excluded = {_local(one) for one in rule.except_at}
    for local in {_local(one) for one in rule.also} - excluded:
        yield local, where.first_at(local) if rule.whole_days else where.as_given(local)
    if rule.rrule:
        given = rrule.rrulestr(rule.rrule, dtstart=_local(rule.starts))
        for local in itertools.takewhile(lambda one: one <= last, given):
            at = where.first_at(local) if rule.whole_days else where.exactly(local)
            if local >= first and local not in excluded and at is not None:
                yield local, at


def _after_midnight(text: str) -> dt.timedelta:
    hours, minutes = map(int, text.split(":"))
    return dt.timedelta(hours=hours, minutes=minutes)


def _local(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(text)
