"""Reading operations until they end: one heap and one task, however many are in flight.

Between two reads an operation costs an entry in the heap. When to read is
learned from how long this run's own operations took.
"""

from __future__ import annotations

import asyncio
import dataclasses
import datetime as dt
import heapq
from collections.abc import Callable, Coroutine
from typing import Any

from fleet.core import pacing
from fleet.engine.clock import Clock
from fleet.model.commands import Follow


@dataclasses.dataclass(slots=True, kw_only=True)
class Followed:
    """An operation that has not been seen to end."""

    command: Follow
    poll_count: int = 0
    hold_count: int = 0


Read = Callable[[Followed], Coroutine[Any, Any, None]]
"""Reads one operation, and follows it again where it goes on."""


class Poller:
    """Who is read next, and when."""

    def __init__(self, clock: Clock, read: Read) -> None:
        self._clock = clock
        self._read = read
        self._heap: list[tuple[dt.datetime, int, Followed]] = []
        self._turn = 0
        self._followed: dict[int, Followed] = {}
        self._reads: set[asyncio.Task[None]] = set()
        self._bell = asyncio.Event()
        self._durations = pacing.Durations()

    def follow(self, followed: Followed, *, wait: dt.timedelta | None = None) -> None:
        """Read *followed* when it is worth it, or after *wait* where the service said so."""
        now = self._clock.now()
        age = now - followed.command.accepted_at
        pause = self._durations.next_poll(age)
        if wait is not None:
            pause = max(pause, wait) if followed.hold_count == 0 else wait
        self._turn += 1
        self._followed[followed.command.target] = followed
        heapq.heappush(self._heap, (now + pause, self._turn, followed))
        if self._heap[0][1] == self._turn:
            self._bell.set()

    def forget(self, target: int) -> None:
        """Follow *target* no longer; a read that is out is not believed."""
        self._followed.pop(target, None)

    def is_followed(self, followed: Followed) -> bool:
        """Tell whether somebody still waits for this operation."""
        return self._followed.get(followed.command.target) is followed

    def learn(self, followed: Followed) -> None:
        """Learn how long it took."""
        self._durations.add(self._clock.now() - followed.command.accepted_at)

    async def run(self, tasks: asyncio.TaskGroup) -> None:
        """Start each read when it is due; until cancelled, and then end those that are out."""
        try:
            while True:
                self._start_due(tasks)
                await self._until_next()
        finally:
            for read in self._reads:
                read.cancel()

    def _start_due(self, tasks: asyncio.TaskGroup) -> None:
        self._bell.clear()
        now = self._clock.now()
        while self._heap and self._heap[0][0] <= now:
            _, _, followed = heapq.heappop(self._heap)
            if self.is_followed(followed):
                read = tasks.create_task(self._read(followed))
                self._reads.add(read)
                read.add_done_callback(self._reads.discard)

    async def _until_next(self) -> None:
        delay_s = self._clock.loop_seconds_until(self._heap[0][0]) if self._heap else None
        try:
            async with asyncio.timeout(delay_s):
                await self._bell.wait()
        except TimeoutError:
            return
