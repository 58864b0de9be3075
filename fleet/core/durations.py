"""How long things took, in a form that many can be added to and a quantile read from.

Counted in classes that are each a twentieth wider than the one before, so that an answer is at
most that much too long, and never too short.

Units:   whole seconds; longer than a few days counts as a few days.
"""

from __future__ import annotations

import bisect
import datetime as dt
import itertools
import math


def _bounds() -> tuple[int, ...]:
    found = [1]
    while found[-1] < 4 * 86_400:
        found.append(max(found[-1] + 1, found[-1] * 21 // 20))
    return tuple(found)


_BOUNDS = _bounds()
_ENOUGH = 10
"""Fewer say nothing about the slowest tenth."""


class Durations:
    """Durations, counted."""

    __slots__ = ("_counts", "count")

    def __init__(self) -> None:
        self._counts = [0] * len(_BOUNDS)
        self.count = 0

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Durations):
            return NotImplemented
        return self._counts == other._counts

    __hash__ = None  # type: ignore[assignment]

    def add(self, span: dt.timedelta) -> None:
        """Count *span*."""
        place = bisect.bisect_left(_BOUNDS, span.total_seconds())
        self._counts[min(place, len(_BOUNDS) - 1)] += 1
        self.count += 1

    def ninth_decile(self) -> dt.timedelta | None:
        """Return what nine of ten did not exceed; ``None`` while too few are known."""
        if self.count < _ENOUGH:
            return None
        wanted = math.ceil(self.count * 9 / 10)
        reached = itertools.accumulate(self._counts)
        place = next(n for n, count in enumerate(reached) if count >= wanted)
        return dt.timedelta(seconds=_BOUNDS[place])
