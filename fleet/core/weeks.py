"""The same hours on some days of the week, by the clock at both ends.

A span belongs to the day it starts: Friday, 22:00 to 05:00, ends on Saturday.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import re

from fleet.core import spans, wallclock
from fleet.core.spans import Span
from fleet.errors import InputError
from fleet.model.calendars import Rule

_DAY = dt.timedelta(days=1)
_CLOCK = re.compile(r"([01]\d|2[0-3]):([0-5]\d)", re.ASCII)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Weekly:
    """Hours of days of the week."""

    zone: dt.tzinfo
    days: frozenset[int]
    """0 is Monday."""
    opens: dt.timedelta
    """After midnight, as clocks show it."""
    closes: dt.timedelta
    """After the same midnight, as clocks show it: a day or more for the next day."""

    def overlapping(self, bounds: Span) -> list[Span]:
        """Return the spans that lie within *bounds* at least in part, in order."""
        # Two days for what began before, and one more, which a zone may leave out altogether.
        day = wallclock.local(bounds.start, self.zone).date() - 3 * _DAY
        last = wallclock.local(bounds.end, self.zone).date() + _DAY
        days = [day + number * _DAY for number in range((last - day).days + 1)]
        midnights = (
            dt.datetime.combine(one, dt.time()) for one in days if one.weekday() in self.days
        )
        return spans.touching(map(self._on, midnights), bounds)

    def _on(self, midnight: dt.datetime) -> Span:
        return Span(
            wallclock.first_at(midnight + self.opens, self.zone),
            wallclock.first_at(midnight + self.closes, self.zone),
        )


def read(rule: Rule, zone: dt.tzinfo) -> Weekly:
    """Return what a weekly rule means.

    Raises:
        InputError: It names no day, or what it names is no time of day.
    """
    if not rule.days or not set(rule.days) <= set(range(7)):
        message = "a weekly rule names days of the week, and at least one"
        raise InputError(message)
    opens = _after_midnight(rule.at)
    closes = _DAY if rule.until == "24:00" else _after_midnight(rule.until)
    # 08:00 to 08:00 is a whole day: nobody writes a window that has no time in it.
    closes = closes if closes > opens else closes + _DAY
    return Weekly(zone=zone, days=frozenset(rule.days), opens=opens, closes=closes)


def _after_midnight(text: str) -> dt.timedelta:
    found = _CLOCK.fullmatch(text)
    if found is None:
        message = f"{text!r} is no time of day"
        raise InputError(message, hint="Write it as 22:00; 24:00 is the end of a day.")
    return dt.timedelta(hours=int(found[1]), minutes=int(found[2]))
