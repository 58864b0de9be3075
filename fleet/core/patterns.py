"""What a calendar's rule means: spans of time, whatever its shape.

Three shapes beside the weekly one of :mod:`fleet.core.weeks`: starts by cron, starts by RFC 5545,
each with a length, and one span with both of its ends.

Units:   a length is time as it passes; whole days end at a local midnight.
Errors:  :exc:`~fleet.errors.InputError` for a rule that cannot be read, or gives too much.
"""

from __future__ import annotations

import bisect
import dataclasses
import datetime as dt
from typing import Protocol

from fleet.core import crons, rruletext, spans, wallclock, weeks
from fleet.core.crons import Cron
from fleet.core.recurrences import Recurrence
from fleet.core.spans import Span
from fleet.errors import InputError
from fleet.model.calendars import Rule

LONGEST = dt.timedelta(days=366)
"""Of spans that come again: how far back a question has to look."""
MOST_DATES = 10_000
"""That one rule may name one by one."""
_FIRST_YEAR, _LAST_YEAR = 1601, 9000
"""Of what people write, so that sums never leave what can be said. Some calendars begin in 1601."""
_SLACK = dt.timedelta(days=2)
"""Local times and UTC are never further apart, days that a zone leaves out included."""


class Pattern(Protocol):
    """Spans without end, to be looked at piece by piece."""

    def overlapping(self, bounds: Span) -> list[Span]:
        """Return the spans that lie within *bounds* at least in part, in order."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Extent:
    """How far a span goes from its start."""

    zone: dt.tzinfo
    length: dt.timedelta
    """How long it is, or may be."""
    whole_days: int = 0

    def span(self, shown: dt.datetime, start: dt.datetime) -> Span:
        """Return the span of a start: as clocks show it, and the moment."""
        if not self.whole_days:
            return Span(start, start + self.length)
        midnight = dt.datetime.combine(shown.date(), dt.time()) + self.length
        return Span(start, wallclock.first_at(midnight, self.zone))

    def reach(self, bounds: Span) -> tuple[dt.datetime, dt.datetime]:
        """Return between which local times a span may start that lies within *bounds* in part."""
        return (
            wallclock.local(bounds.start, self.zone) - self.length - _SLACK,
            wallclock.local(bounds.end, self.zone) + _SLACK,
        )


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ByCron:
    """Spans that cron starts."""

    cron: Cron
    extent: Extent

    def overlapping(self, bounds: Span) -> list[Span]:
        """Return the spans that lie within *bounds* at least in part, in order."""
        shown = self.cron.between(*self.extent.reach(bounds))
        found = (self.extent.span(one, wallclock.first_at(one, self.extent.zone)) for one in shown)
        return spans.touching(found, bounds)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Recurring:
    """Spans that a rule of RFC 5545 starts, or a list of dates, or both."""

    recurrence: Recurrence | None
    dates: tuple[dt.datetime, ...]
    """Further starts, in order."""
    exceptions: frozenset[dt.datetime]
    extent: Extent

    def overlapping(self, bounds: Span) -> list[Span]:
        """Return the spans that lie within *bounds* at least in part, in order."""
        since, before = self.extent.reach(bounds)
        first, last = (bisect.bisect_left(self.dates, one) for one in (since, before))
        found = {one: self._as_named(one) for one in self.dates[first:last]}
        if self.recurrence is not None:
            for one in self.recurrence.between(since, before, counts=self._exists):
                if (start := self._as_given_by_rule(one)) is not None:
                    found[one] = start
        return spans.touching(
            (self.extent.span(*one) for one in found.items() if one[0] not in self.exceptions),
            bounds,
        )

    def _as_named(self, shown: dt.datetime) -> dt.datetime:
        if self.extent.whole_days:
            # A day is there even where its midnight is not.
            return wallclock.first_at(shown, self.extent.zone)
        return wallclock.as_given(shown, self.extent.zone)

    def _as_given_by_rule(self, shown: dt.datetime) -> dt.datetime | None:
        start = self._as_named(shown)
        until = self.recurrence.parts.until if self.recurrence else None
        if until is not None and (start if until.tzinfo else shown) > until:
            return None
        return start

    def _exists(self, shown: dt.datetime) -> bool:
        return bool(self.extent.whole_days) or (
            wallclock.exactly(shown, self.extent.zone) is not None
        )


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Once:
    """One span."""

    span: Span

    def overlapping(self, bounds: Span) -> list[Span]:
        """Return it, where it lies within *bounds* at least in part."""
        return spans.touching([self.span], bounds)


def read(rule: Rule, zone: dt.tzinfo) -> Pattern:
    """Return what a rule means.

    Raises:
        InputError: It cannot be read, ends before it starts, or gives too much.
    """
    is_weekly = bool(rule.at or rule.until or rule.days)
    is_recurring = bool(rule.rrule or rule.also or (rule.starts and not rule.ends))
    if is_weekly + bool(rule.cron) + bool(rule.ends) + is_recurring != 1:
        message = "it says in more than one way when it is, or in none"
        raise InputError(message, hint="Days and hours, or cron, or a start with its rule or end.")
    if is_weekly:
        return weeks.read(rule, zone)
    if rule.cron:
        return _by_cron(rule, zone)
    return _once(rule, zone) if rule.ends else _recurring(rule, zone)


def is_sparse(rule: Rule) -> bool:
    """Tell whether a rule may leave years without a span: the 29th of February, or a date."""
    return not (rule.at or (rule.cron and rule.cron.split()[3].startswith("*")))


def _by_cron(rule: Rule, zone: dt.tzinfo) -> ByCron:
    cron = crons.read(rule.cron)
    return ByCron(cron=cron, extent=_extent(rule, zone, count_a_day=cron.count_a_day))


def _once(rule: Rule, zone: dt.tzinfo) -> Once:
    start, end = (wallclock.as_given(_shown(one), zone) for one in (rule.starts, rule.ends))
    if end <= start:
        message = f"it ends at {rule.ends}, which is not after its start at {rule.starts}"
        raise InputError(message)
    return Once(span=Span(start, end))


def _recurring(rule: Rule, zone: dt.tzinfo) -> Recurring:
    if len(rule.also) + len(rule.except_at) > MOST_DATES:
        message = f"it names {len(rule.also) + len(rule.except_at):,} dates one by one"
        raise InputError(message, hint=f"At most {MOST_DATES:,} are read.")
    dates = {_shown(one) for one in rule.also}
    recurrence = None
    if rule.rrule:
        recurrence = rruletext.read(rule.rrule, _shown(rule.starts))
    elif rule.starts:
        dates.add(_shown(rule.starts))
    extent = _extent(rule, zone, count_a_day=recurrence.count_a_day if recurrence else 1)
    return Recurring(
        recurrence=recurrence,
        dates=tuple(sorted(dates)),
        exceptions=frozenset(_shown(one) for one in rule.except_at),
        extent=extent,
    )


def _extent(rule: Rule, zone: dt.tzinfo, *, count_a_day: int) -> Extent:
    length = dt.timedelta(days=rule.whole_days) if rule.whole_days else rule.length
    if length is None:
        message = "it does not say how long its spans are"
        raise InputError(message)
    if not dt.timedelta(0) < length <= LONGEST:
        message = f"its spans are {length} long: more than nothing and at most {LONGEST.days} days"
        raise InputError(message)
    if count_a_day * length > LONGEST:
        message = f"it starts {count_a_day} times a day, and each time for {length}"
        raise InputError(message, hint="Say how long one window is, and start it once.")
    return Extent(zone=zone, length=length, whole_days=rule.whole_days)


def _shown(text: str) -> dt.datetime:
    """Return a local time that somebody wrote."""
    if not text:
        message = "it does not say when it starts"
        raise InputError(message)
    try:
        found = dt.datetime.fromisoformat(text)
    except ValueError:
        found = None
    if found is None or found.tzinfo or not _FIRST_YEAR <= found.year <= _LAST_YEAR:
        message = f"{text!r} is no local time"
        raise InputError(message, hint="Write it as 2026-12-24T18:00:00, without an offset.")
    return found
