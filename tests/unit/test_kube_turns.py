"""Turns to read lists."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence

from fleet.engine import virtual
from fleet.kube.turns import Turns


async def begun_at(takes_s: Sequence[float]) -> list[float]:
    """Return when each of many has its turn, of which two are had at once, for 2 s at most."""
    turns, began = Turns(asked=9, read=2, longest_s=2), []
    loop = asyncio.get_running_loop()

    async def work(seconds: float) -> None:
        async with turns.asking(), turns.reading():
            began.append(loop.time())
            await asyncio.sleep(seconds)

    async with asyncio.TaskGroup() as tasks:
        for one in takes_s:
            tasks.create_task(work(one))
    return began


def test_two_have_their_turn_at_once() -> None:
    assert virtual.run(begun_at([1, 1, 1, 1, 1])) == [0, 0, 1, 1, 2]


def test_who_takes_long_keeps_nobody_and_gives_its_turn_back_once() -> None:
    assert virtual.run(begun_at([9, 9, 1, 1, 1, 1, 9, 9, 1])) == [0, 0, 2, 2, 3, 3, 4, 4, 6]


def test_no_more_are_asked_for_than_are_read_soon() -> None:
    async def work() -> list[float]:
        turns, asked = Turns(asked=3, read=1), []
        loop = asyncio.get_running_loop()

        async def ask() -> None:
            async with turns.asking():
                asked.append(loop.time())
                async with turns.reading():
                    await asyncio.sleep(1)

        async with asyncio.TaskGroup() as tasks:
            for _ in range(5):
                tasks.create_task(ask())
        return asked

    assert virtual.run(work()) == [0, 0, 0, 1, 2]


def test_who_gives_up_gives_its_turn_back() -> None:
    async def work() -> bool:
        turns = Turns(asked=1, longest_s=99)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(1), turns.asking():
                await asyncio.sleep(9)
        async with asyncio.timeout(1), turns.asking():
            return True

    assert virtual.run(work())
