"""What lives on an event loop of its own while a test waits for processes: the simulated Azure."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager
from fractions import Fraction
from typing import TypeVar

from fleet.engine import clock
from fleet.sim.recipe import Recipe
from fleet.sim.server import serving
from fleet.sim.server.serving import Served

T = TypeVar("T")

_LIMIT_S = 20


@contextlib.contextmanager
def in_a_thread(opened: Callable[[], AbstractAsyncContextManager[T]]) -> Iterator[T]:
    """Keep something open in a thread of its own for as long as the block lasts."""
    is_ready = threading.Event()
    found: list[T] = []
    failed: list[BaseException] = []
    loop, is_over = asyncio.new_event_loop(), asyncio.Event()

    async def lived() -> None:
        async with opened() as one:
            found.append(one)
            is_ready.set()
            await is_over.wait()

    def live() -> None:
        try:
            with asyncio.Runner(loop_factory=lambda: loop) as runner:
                runner.run(lived())
        except BaseException as error:  # noqa: BLE001 - the test's own thread raises it
            failed.append(error)
        finally:
            is_ready.set()

    thread = threading.Thread(target=live, name="background")
    thread.start()
    try:
        assert is_ready.wait(_LIMIT_S), "it did not start"
        if found:
            yield found[0]
    finally:
        with contextlib.suppress(RuntimeError):  # the loop is closed already
            loop.call_soon_threadsafe(is_over.set)
        thread.join(_LIMIT_S)
        assert not thread.is_alive(), "it did not end"
    if failed:
        raise failed[0]


@contextlib.contextmanager
def simulated(recipe: Recipe, *, scale: int) -> Iterator[Served]:
    """Serve *recipe*, whose time goes *scale* times as fast as ours."""
    with in_a_thread(lambda: _simulated(recipe, scale)) as found:
        yield found


@contextlib.asynccontextmanager
async def _simulated(recipe: Recipe, scale: int) -> AsyncIterator[Served]:
    time = clock.scaled(recipe.epoch, scale)
    async with serving.serving(recipe, clock=time, scale=Fraction(scale)) as served:
        yield served
