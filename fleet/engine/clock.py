"""Time for one run: the wall moment, derived from the event loop's own time.

Because the moment is a base plus what the loop says has passed, a loop whose
time is virtual (:mod:`fleet.engine.virtual`) moves both alike, and a scale
makes simulated seconds pass faster than ours. This is the only module that
reads the wall clock, and it does so once for each clock.

Units:   ``scale`` is simulated seconds per second of the loop; 1 is real time.
Errors:  :exc:`ValueError` for a base without a zone and for a scale that is not positive.
"""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Callable
from fractions import Fraction


class Clock:
    """A :class:`fleet.ports.Clock`.

    NB: the loop's time stands still while a machine sleeps, and ignores
    corrections of the wall clock: a deadline counts what the process lived
    through, and never jumps because somebody set the time.
    """

    __slots__ = ("_base_at", "_base_s", "_loop_time", "_scale")

    def __init__(
        self,
        base_at: dt.datetime,
        *,
        loop_time: Callable[[], float],
        scale: int | Fraction = 1,
    ) -> None:
        if base_at.tzinfo is None:
            message = "a clock needs a moment with a time zone"
            raise ValueError(message)
        if scale <= 0:
            message = f"time cannot pass {scale} times as fast"
            raise ValueError(message)
        self._base_at = base_at.astimezone(dt.UTC)
        self._loop_time = loop_time
        self._base_s = loop_time()
        self._scale = float(scale)
        """A fraction is turned into a float once: the time is asked for all the while."""

    def now(self) -> dt.datetime:
        """Return the moment, aware, in UTC."""
        passed_s = (self._loop_time() - self._base_s) * self._scale
        return self._base_at + dt.timedelta(seconds=passed_s)

    async def sleep(self, duration: dt.timedelta) -> None:
        """Wait, in this clock's time; not at all where *duration* is not positive."""
        if duration > dt.timedelta(0):
            await asyncio.sleep(duration.total_seconds() / self._scale)

    def loop_seconds_until(self, moment: dt.datetime) -> float:
        """Return how long the event loop has to wait for *moment*; 0 where it has come."""
        left_s = (moment - self.now()).total_seconds()
        return max(left_s, 0.0) / self._scale


def wall() -> dt.datetime:
    """Return the moment by this machine's clock: for bases and headers, never to measure."""
    return dt.datetime.now(dt.UTC)  # noqa: TID251  # the one reading that all others start from


def real() -> Clock:
    """Return a clock that starts at the wall moment and keeps step; needs a running loop."""
    return scaled(wall(), 1)


def scaled(base_at: dt.datetime, scale: int | Fraction) -> Clock:
    """Return a clock that stands at *base_at* now, and runs *scale* times as fast as the loop.

    On a virtual loop a scale of 1 is enough: its seconds cost nothing.
    """
    return Clock(base_at, loop_time=asyncio.get_running_loop().time, scale=scale)
