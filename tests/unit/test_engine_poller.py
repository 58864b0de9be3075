"""Who is read when, on virtual time; what is worth it is tested with the lifetimes themselves."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import itertools
from collections.abc import Callable, Coroutine, Mapping

from fleet.core.lifetimes import Lifetimes
from fleet.engine import virtual
from fleet.engine.poller import Followed, Poller
from fleet.model.commands import Follow
from tests.rig.fleets import seconds

START = virtual.START_AT
FIRST_READ_S = Lifetimes().next_read(seconds(0), eagerness=1.0, running_count=1).total_seconds()
"""About, where nothing is known and there is one."""


class Play:
    """A poller, what it reads, and when."""

    def __init__(
        self, *, lasts_s: Mapping[int, float], waits: Mapping[int, dt.timedelta] | None = None
    ) -> None:
        self.clock = virtual.clock()
        self.poller = Poller(self.clock, self._read)
        self.reads_s: dict[int, list[float]] = {}
        self._lasts_s = lasts_s
        self._waits = waits or {}

    @property
    def now_s(self) -> float:
        return (self.clock.now() - START).total_seconds()

    def follow(self, target: int, *, age_s: float = 0) -> Followed:
        """Follow the operation of a target, which was accepted so long ago."""
        accepted_at = self.clock.now() - seconds(age_s)
        command = Follow(target=target, step=0, accepted_at=accepted_at, held_count=0)
        followed = Followed(command=command)
        self.poller.follow(followed)
        return followed

    async def _read(self, followed: Followed) -> None:
        target = followed.command.target
        self.reads_s.setdefault(target, []).append(round(self.now_s, 3))
        age_s = (self.clock.now() - followed.command.accepted_at).total_seconds()
        has_ended = age_s >= self._lasts_s[target]
        self.poller.saw(followed, has_ended=has_ended)
        if has_ended:
            self.poller.forget(target)
        else:
            self.poller.follow(followed, wait=self._waits.get(target))


def played(
    begin: Callable[[], Coroutine[None, None, Play]], *, for_s: float
) -> Mapping[int, list[float]]:
    """Return when each target was read, in seconds."""

    async def work() -> Mapping[int, list[float]]:
        play = await begin()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(for_s), asyncio.TaskGroup() as tasks:
                await play.poller.run(tasks)
        return play.reads_s

    return virtual.run(work())


def test_a_read_comes_no_earlier_than_the_service_asks() -> None:
    async def begin() -> Play:
        play = Play(lasts_s={0: 2000}, waits={0: seconds(400)})
        play.follow(0)
        return play

    reads = played(begin, for_s=3000)[0]

    gaps = [after - before for before, after in itertools.pairwise(reads)]
    assert len(gaps) >= 2
    assert round(min(gaps), 3) >= 400


def test_what_a_dead_process_followed_is_read_at_once_and_its_end_teaches_nothing() -> None:
    """Nobody looked for an hour: it may have ended in its first minute."""

    async def begin() -> Play:
        play = Play(lasts_s=dict.fromkeys(range(100), 60.0))
        for target in range(100):
            play.follow(target, age_s=3600)
        return play

    async def later() -> Play:
        play = await begin()
        async with asyncio.TaskGroup() as tasks:
            running = tasks.create_task(play.poller.run(tasks))
            await play.clock.sleep(seconds(1))
            assert play.reads_s == {target: [0.0] for target in range(100)}
            running.cancel()
        play.follow(0)
        return play

    first_s = played(later, for_s=2000)[0][1]
    assert first_s <= 1 + 1.4 * FIRST_READ_S


def test_one_that_nobody_follows_any_more_is_not_read() -> None:
    async def begin() -> Play:
        play = Play(lasts_s={0: 1000, 1: 1000})
        for target in range(2):
            play.follow(target)
        play.poller.forget(0)
        return play

    assert set(played(begin, for_s=2000)) == {1}


def test_what_others_show_puts_a_read_off() -> None:
    """Of many of a kind, the eager are read in vain, and the others wait for longer for that."""

    def followers(count: int) -> Callable[[], Coroutine[None, None, Play]]:
        async def begin() -> Play:
            play = Play(lasts_s=dict.fromkeys(range(count), 600.0))
            for target in range(count):
                play.follow(target)
            return play

        return begin

    alone = played(followers(1), for_s=1500)[0][0]
    first = sorted(reads[0] for reads in played(followers(200), for_s=1500).values())

    assert first[0] <= 1.4 * alone
    assert first[100] > 2 * alone


def test_what_others_show_brings_a_read_forward() -> None:
    """All end at once: as soon as some are seen to, the others are looked at as well."""

    async def begin() -> Play:
        play = Play(lasts_s=dict.fromkeys(range(200), 300.0))
        for target in range(200):
            play.follow(target)
        return play

    seen = sorted(reads[-1] for reads in played(begin, for_s=2000).values())

    assert seen[-1] - seen[0] < 60
