"""Starts by cron, as local times: five fields, as Debian's cron reads them.

cronsim reads the fields and knows the days. It is not asked to step: it goes hour by hour, forty
microseconds a start, where a list of the day's times is there to be read.

Errors:  :exc:`~fleet.errors.InputError` for what is no such expression, or gives too much.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import TYPE_CHECKING

from fleet.core.recurrences import MOST_A_DAY
from fleet.errors import InputError

if TYPE_CHECKING:
    from cronsim import CronSim

_DAY = dt.timedelta(days=1)
_FIELD_COUNT = 5


class Cron:
    """A cron expression."""

    __slots__ = ("_sim", "_times")

    def __init__(self, sim: CronSim) -> None:
        self._sim = sim
        self._times = [
            dt.time(hour, minute) for hour in sorted(sim.hours) for minute in sorted(sim.minutes)
        ]

    @property
    def count_a_day(self) -> int:
        """How many starts a day has that has any."""
        return len(self._times)

    def between(self, since: dt.datetime, before: dt.datetime) -> Iterator[dt.datetime]:
        """Yield the local starts from *since* on, in order."""
        day, last = since.date(), before.date()
        while day <= last:
            if day.month in self._sim.months and self._sim.match_day(day):
                for time in self._times:
                    if since <= (start := dt.datetime.combine(day, time)) < before:
                        yield start
            day += _DAY


def read(text: str) -> Cron:
    """Return what a cron expression means."""
    from cronsim import CronSim, CronSimError  # noqa: PLC0415 - few plans have one

    fields = text.split()
    if len(fields) != _FIELD_COUNT:
        message = f"{text!r} is no cron expression of five fields"
        raise InputError(message, hint="Minute, hour, day of the month, month, day of the week.")
    try:
        cron = Cron(CronSim(text, dt.datetime(2000, 1, 1)))  # noqa: DTZ001 - local times
    except (CronSimError, ValueError) as error:  # a number of thousands of digits is no number
        message = f"{text[:80]!r} is no cron expression: {str(error).lower()}"
        raise InputError(message) from error
    if cron.count_a_day > MOST_A_DAY:
        message = f"{text!r} starts {cron.count_a_day} times a day; at most {MOST_A_DAY} are read"
        raise InputError(message, hint="Say how long one window is, and start it once.")
    return cron
