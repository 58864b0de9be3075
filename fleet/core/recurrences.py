"""Recurrence rules of RFC 5545, as local times.

python-dateutil tells which days of a month or a year the parts of a rule let through. Stepping is
done here, because its ``rrule`` looks until the year 9999 for what never comes, which takes it
seconds, and goes through everything since a start of years ago. So a rule can be asked about any
time, and each question ends.

Where the two read the RFC differently we keep to its text: ``BYDAY=MO,2SU`` is either of the two,
and what ``BYWEEKNO`` leaves open is taken from the start.

Errors:  :exc:`~fleet.errors.InputError` for what is no such rule, or gives too much.
Source:  https://www.rfc-editor.org/rfc/rfc5545#section-3.3.10
"""

from __future__ import annotations

import bisect
import dataclasses
import datetime as dt
import enum
import itertools
from collections.abc import Callable, Iterator

MOST_A_DAY = 96
"""Starts: one in a quarter of an hour. More is a mistake, or a way to keep us busy."""
MOST_COUNTED = 10_000
"""Of COUNT: they are counted from the first on."""
_DAY = dt.timedelta(days=1)
_WEEK = 7
_YEARS_WITHOUT_END = 10_000
"""An interval that takes dateutil past its last year: it looks at one month or year only."""


class Frequency(enum.IntEnum):
    """How often; numbered as dateutil does."""

    YEARLY = 0
    MONTHLY = 1
    WEEKLY = 2
    DAILY = 3
    HOURLY = 4


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """A rule, part by part; an empty tuple: the part is not there."""

    frequency: Frequency
    interval: int = 1
    count: int | None = None
    until: dt.datetime | None = None
    """The last moment, in UTC or as clocks show it."""
    week_start: int = 0
    """0 is Monday."""
    months: tuple[int, ...] = ()
    weeks: tuple[int, ...] = ()
    year_days: tuple[int, ...] = ()
    month_days: tuple[int, ...] = ()
    week_days: tuple[tuple[int, int], ...] = ()
    """Each with its number within the month or year; 0: each of them."""
    hours: tuple[int, ...] = ()
    minutes: tuple[int, ...] = ()
    seconds: tuple[int, ...] = ()
    places: tuple[int, ...] = ()
    """BYSETPOS."""


class Recurrence:
    """A rule with its start: the local times it gives, those that no clock shows included."""

    __slots__ = ("_counted", "_counted_until", "_days", "_parts", "_start", "_times")

    def __init__(self, parts: Parts, start: dt.datetime) -> None:
        self._parts = _completed(parts, start)
        self._start = start
        self._times = _times(self._parts, start)
        self._days: dict[int, list[dt.date]] = {}
        self._counted: list[dt.datetime] = []
        self._counted_until = start

    @property
    def start(self) -> dt.datetime:
        """From when on it gives anything."""
        return self._start

    @property
    def parts(self) -> Parts:
        """The rule, with what it takes from its start."""
        return self._parts

    @property
    def count_a_day(self) -> int:
        """How many starts a day may have."""
        hours = 1
        if self._parts.frequency is Frequency.HOURLY:
            hours = len(self._parts.hours) or -(-24 // self._parts.interval)
        return len(self._times) * hours

    def between(
        self,
        since: dt.datetime,
        before: dt.datetime,
        *,
        counts: Callable[[dt.datetime], bool] = lambda _: True,
    ) -> Iterator[dt.datetime]:
        """Yield the local starts from *since* on, in order.

        Args:
            since: A local time.
            before: A local time that is not reached.
            counts: Whether a start exists where the rule is meant; others are not counted.
        """
        if self._parts.count is None:
            return filter(counts, self._stepped(max(since, self._start), before))
        self._count_until(before, counts)
        first, last = (bisect.bisect_left(self._counted, one) for one in (since, before))
        return iter(self._counted[first:last])

    def _count_until(self, before: dt.datetime, counts: Callable[[dt.datetime], bool]) -> None:
        """Count on from where counting ended."""
        left = (self._parts.count or 0) - len(self._counted)
        if left > 0 and before > self._counted_until:
            found = filter(counts, self._stepped(self._counted_until, before))
            self._counted += itertools.islice(found, left)
            self._counted_until = before

    def _stepped(self, since: dt.datetime, before: dt.datetime) -> Iterator[dt.datetime]:
        for starts in self._sets(since.date(), before.date()):
            for one in self._placed(starts):
                if one >= before:
                    return
                if one >= since:
                    yield one

    def _sets(self, since: dt.date, until: dt.date) -> Iterator[list[dt.datetime]]:
        """Yield what the rule gives, one set for each of its steps."""
        first = self._key(self._start.date())
        # NB: all of the last step, too: BYSETPOS counts from its end.
        days = self._days_from(self._step_start(since), self._step_end(until))
        for key, found in itertools.groupby(days, self._key):
            if self._parts.frequency is Frequency.HOURLY:
                yield from self._hourly(next(found))
            elif (key - first) % self._parts.interval == 0:
                yield [dt.datetime.combine(day, time) for day in found for time in self._times]

    def _hourly(self, day: dt.date) -> Iterator[list[dt.datetime]]:
        since_start = (day - self._start.date()).days * 24 - self._start.hour
        for hour in self._parts.hours or range(24):
            if (since_start + hour) % self._parts.interval == 0:
                yield [dt.datetime.combine(day, one.replace(hour=hour)) for one in self._times]

    def _placed(self, starts: list[dt.datetime]) -> list[dt.datetime]:
        """Return those of one step that BYSETPOS means."""
        if not self._parts.places:
            return starts
        count = len(starts)
        places = {place - 1 if place > 0 else count + place for place in self._parts.places}
        return [starts[place] for place in sorted(places) if 0 <= place < count]

    def _key(self, day: dt.date) -> int:
        """Return the number of the step that a day is in."""
        match self._parts.frequency:
            case Frequency.YEARLY:
                return day.year
            case Frequency.MONTHLY:
                return day.year * 12 + day.month
            case Frequency.WEEKLY:
                # Day 1 is a Monday.
                return (day.toordinal() - 1 - self._parts.week_start) // _WEEK
            case _:
                return day.toordinal()

    def _step_start(self, day: dt.date) -> dt.date:
        match self._parts.frequency:
            case Frequency.YEARLY:
                return day.replace(month=1, day=1)
            case Frequency.MONTHLY:
                return day.replace(day=1)
            case Frequency.WEEKLY:
                return day - (day.weekday() - self._parts.week_start) % _WEEK * _DAY
            case _:
                return day

    def _step_end(self, day: dt.date) -> dt.date:
        match self._parts.frequency:
            case Frequency.YEARLY:
                return day.replace(month=12, day=31)
            case Frequency.WEEKLY:
                return self._step_start(day) + (_WEEK - 1) * _DAY
            case _:
                return day

    def _days_from(self, day: dt.date, until: dt.date) -> Iterator[dt.date]:
        """Yield the days that the rule lets through, a month or a year at a time."""
        months, is_by_month = self._parts.months, _is_by_month(self._parts)
        month = day.year * 12 + (day.month - 1 if is_by_month else 0)
        last = until.year * 12 + until.month - 1
        while month <= last:
            if not months or month % 12 + 1 in months:
                yield from (one for one in self._days_in(month) if one >= day)
            month += 1 if is_by_month else 12

    def _days_in(self, month: int) -> list[dt.date]:
        if month not in self._days:
            begins = dt.datetime(month // 12, month % 12 + 1, 1)  # noqa: DTZ001 - a local time
            self._days[month] = _days(self._parts, begins)
        return self._days[month]


def _is_by_month(parts: Parts) -> bool:
    """Tell whether a month can be looked at without its year: its days are counted within it."""
    return parts.frequency is not Frequency.YEARLY or bool(parts.months)


def _days(parts: Parts, begins: dt.datetime) -> list[dt.date]:
    """Return the days of one month, or year, that a rule lets through."""
    from dateutil import rrule  # noqa: PLC0415 - few plans have one

    # NB: dateutil lets nothing through that is not both, where some days have a number.
    kinds = [
        [rrule.weekday(day, number or None) for day, number in parts.week_days if bool(number) is n]
        for n in (False, True)
    ]
    found: set[dt.date] = set()
    for week_days in [kind for kind in kinds if kind] or [[]]:
        rule = rrule.rrule(
            rrule.MONTHLY if _is_by_month(parts) else rrule.YEARLY,
            dtstart=begins,
            interval=_YEARS_WITHOUT_END * 12,
            wkst=parts.week_start,
            bymonth=parts.months or None,
            byweekno=parts.weeks or None,
            byyearday=parts.year_days or None,
            bymonthday=parts.month_days or None,
            byweekday=week_days or None,
        )
        found.update(one.date() for one in rule)
    return sorted(found)


def _completed(parts: Parts, start: dt.datetime) -> Parts:
    """Return *parts* with what is taken from the start, and no part without a day."""
    if parts.frequency is Frequency.YEARLY:
        return _completed_year(parts, start)
    changes: dict[str, tuple[object, ...]] = {}
    if parts.frequency is Frequency.MONTHLY:
        if not (parts.month_days or parts.week_days):
            changes["month_days"] = (start.day,)
    elif parts.frequency is Frequency.WEEKLY:
        if not parts.week_days:
            changes["week_days"] = ((start.weekday(), 0),)
    elif not (parts.week_days or parts.month_days or parts.year_days):
        changes["week_days"] = tuple((day, 0) for day in range(_WEEK))
    return dataclasses.replace(parts, **changes)  # type: ignore[arg-type]


def _completed_year(parts: Parts, start: dt.datetime) -> Parts:
    if parts.year_days or parts.month_days or parts.week_days:
        return parts
    if parts.weeks:
        return dataclasses.replace(parts, week_days=((start.weekday(), 0),))
    months = parts.months or (start.month,)
    return dataclasses.replace(parts, months=months, month_days=(start.day,))


def _times(parts: Parts, start: dt.datetime) -> list[dt.time]:
    """Return the times of a day; of an hour, where there may be one in each."""
    hours = (0,) if parts.frequency is Frequency.HOURLY else parts.hours or (start.hour,)
    return [
        dt.time(hour, minute, second)
        for hour in sorted(set(hours))
        for minute in sorted(set(parts.minutes)) or (start.minute,)
        for second in sorted(set(parts.seconds)) or (start.second,)
    ]
