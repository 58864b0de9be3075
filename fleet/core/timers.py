"""Moments to come, by key: set, moved and cancelled in logarithmic time.

Asking what is due changes nothing, so a decision can be asked for twice.
"""

from __future__ import annotations

import datetime as dt
import heapq
from collections.abc import Iterator
from typing import Generic, TypeVar

K = TypeVar("K")


class Timers(Generic[K]):
    """A heap of ``(due, key)``; a key has one moment at most."""

    __slots__ = ("_due", "_heap", "_turn")

    def __init__(self) -> None:
        self._due: dict[K, tuple[dt.datetime, int]] = {}
        self._heap: list[tuple[dt.datetime, int, K]] = []
        self._turn = 0

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Timers):
            return NotImplemented
        return self.moments() == other.moments()

    __hash__ = None  # type: ignore[assignment]

    def __contains__(self, key: object) -> bool:
        return key in self._due

    def moments(self) -> dict[K, dt.datetime]:
        """Return every key with its moment."""
        return {key: due for key, (due, _) in self._due.items()}

    def set(self, key: K, due: dt.datetime) -> None:
        """Set or move the moment of *key*."""
        self._turn += 1
        self._due[key] = (due, self._turn)
        heapq.heappush(self._heap, (due, self._turn, key))
        self._prune()

    def cancel(self, key: K) -> None:
        """Forget *key*."""
        if self._due.pop(key, None) is not None:
            self._prune()

    @property
    def next_at(self) -> dt.datetime | None:
        """The first moment of all."""
        return self._heap[0][0] if self._heap else None

    def due(self, now: dt.datetime) -> Iterator[K]:
        """Yield every key whose moment has come, in no particular order."""
        # Children of a heap node are never earlier, so the walk ends where the future begins.
        stack = [0]
        while stack:
            place = stack.pop()
            if place >= len(self._heap) or self._heap[place][0] > now:
                continue
            due, turn, key = self._heap[place]
            if self._due.get(key) == (due, turn):
                yield key
            stack += (2 * place + 1, 2 * place + 2)

    def _prune(self) -> None:
        """Keep the top of the heap true: what was moved or cancelled goes when it surfaces."""
        while self._heap and self._due.get(self._heap[0][2]) != self._heap[0][:2]:
            heapq.heappop(self._heap)
        if len(self._heap) > 2 * len(self._due) + 16:
            self._heap = [(due, turn, key) for key, (due, turn) in self._due.items()]
            heapq.heapify(self._heap)
