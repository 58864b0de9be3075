"""Reading operations until they end: one heap and one task, however many are in flight.

Between two reads an operation costs an entry in the heap. When to read is
learned from how long this run's own operations take
(:mod:`fleet.core.lifetimes`), and is asked again while an operation waits:
what others show meanwhile may put its read off, or bring it forward.
"""

from __future__ import annotations

import asyncio
import dataclasses
import datetime as dt
import heapq
from collections.abc import Callable, Coroutine
from typing import Any

from fleet.core.lifetimes import Lifetimes
from fleet.engine.clock import Clock
from fleet.model.commands import Follow

_PAUSES = 4
"""Into so many parts the wait for a read is cut, to ask again when it is due."""
_ROUND = dt.timedelta(seconds=20)
"""All that ask again within one do so together: waking up costs more than asking."""
_INSTANT = dt.timedelta(seconds=3)
"""The same for reads."""


@dataclasses.dataclass(slots=True, kw_only=True)
class Followed:
    """An operation that has not been seen to end."""

    command: Follow
    poll_count: int = 0
    hold_count: int = 0
    ran_for: dt.timedelta = dt.timedelta(0)
    """How old it was when it was last seen to run."""
    eagerness: float = 1.0
    earliest_at: dt.datetime | None = None
    """When the service, or what became of the last read, allows the next one."""


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
        self._lifetimes = Lifetimes()
        self._began_at = clock.now()

    def follow(self, followed: Followed, *, wait: dt.timedelta | None = None) -> None:
        """Read *followed* when it is worth it, and not before *wait* is over."""
        now = self._clock.now()
        if not self.is_followed(followed):
            self._followed[followed.command.target] = followed
            self._lifetimes.begin()
        followed.eagerness = self._lifetimes.eagerness()
        followed.earliest_at = now + wait if wait is not None else None
        self._put_off(followed, self._due_at(followed), now)
        if self._heap[0][1] == self._turn:
            self._bell.set()

    def forget(self, target: int) -> None:
        """Follow *target* no longer; a read that is out is not believed."""
        self._followed.pop(target, None)

    def is_followed(self, followed: Followed) -> bool:
        """Tell whether somebody still waits for this operation."""
        return self._followed.get(followed.command.target) is followed

    def saw(self, followed: Followed, *, has_ended: bool) -> None:
        """Learn from a read of *followed*."""
        is_first = not followed.ran_for
        if has_ended and is_first and followed.command.accepted_at < self._began_at:
            return  # nobody looked for a while: it may have ended long ago
        age = self._clock.now() - followed.command.accepted_at
        self._lifetimes.saw(followed.ran_for, age, has_ended=has_ended)
        followed.ran_for = age

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
            if not self.is_followed(followed):
                continue
            due_at = self._due_at(followed)
            if due_at > now:
                self._put_off(followed, due_at, now)
                continue
            self._lifetimes.spend()
            read = tasks.create_task(self._read(followed))
            self._reads.add(read)
            read.add_done_callback(self._reads.discard)

    def _due_at(self, followed: Followed) -> dt.datetime:
        due = self._lifetimes.next_read(
            followed.ran_for, eagerness=followed.eagerness, running_count=len(self._followed)
        )
        due_at = self._rounded(followed.command.accepted_at + due, _INSTANT)
        return max(due_at, followed.earliest_at) if followed.earliest_at else due_at

    def _put_off(self, followed: Followed, due_at: dt.datetime, now: dt.datetime) -> None:
        again_at = self._rounded(now + (due_at - now) / _PAUSES, _ROUND)
        self._turn += 1
        heapq.heappush(self._heap, (min(due_at, again_at), self._turn, followed))

    def _rounded(self, moment: dt.datetime, step: dt.timedelta) -> dt.datetime:
        """Return the next moment that others share."""
        return self._began_at + ((moment - self._began_at) // step + 1) * step

    async def _until_next(self) -> None:
        delay_s = self._clock.loop_seconds_until(self._heap[0][0]) if self._heap else None
        try:
            async with asyncio.timeout(delay_s):
                await self._bell.wait()
        except TimeoutError:
            return
