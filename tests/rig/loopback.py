"""Virtual time over sockets of this machine: server and client in one process, and no second lost.

NB: what was sent over the loopback has arrived when the call returns, so time may leap whenever no
socket is ready.
"""

from __future__ import annotations

import contextlib
import selectors
from collections.abc import AsyncIterator, Coroutine
from fractions import Fraction
from typing import Any, TypeVar

from fleet.azure import clouds, service
from fleet.azure.service import AzureService
from fleet.engine import clock, virtual
from fleet.engine.clock import Clock
from fleet.journal.memory import MemoryStore
from fleet.sim.recipe import Recipe
from fleet.sim.server import serving
from fleet.sim.server.serving import Served
from tests.rig import deaths, runs
from tests.rig.cases import Case
from tests.rig.deaths import Deaths, Played, Story

T = TypeVar("T")


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run *work* on a virtual loop that looks at its sockets before it leaps."""
    leap = virtual._Leaping.select

    def select(self: Any, timeout: float | None = None) -> Any:
        return selectors.DefaultSelector.select(self, 0) or leap(self, timeout)

    virtual._Leaping.select = select  # type: ignore[method-assign]
    try:
        return virtual.run(work)
    finally:
        virtual._Leaping.select = leap  # type: ignore[method-assign]


@contextlib.asynccontextmanager
async def living(made: Recipe) -> AsyncIterator[tuple[Served, AzureService, Clock]]:
    """Serve a world on virtual time, and speak to it."""
    time_ = clock.scaled(made.epoch, 1)
    async with serving.serving(made, clock=time_, scale=Fraction(1)) as served:
        at = clouds.place(cloud=None, endpoint=served.endpoint, audience=None)
        async with service.connected(at, clock=time_) as azure:
            yield served, azure, time_


def told(case: Case, death: Deaths = deaths.NONE) -> Story:
    """Run *case* to its end over HTTP, by the client that speaks to Azure."""
    store = MemoryStore()

    async def work() -> tuple[Served, Played]:
        async with living(case.recipe) as (served, azure, _):
            plan = await runs.planned(case.asked, azure)
            return served, await deaths.carried(store, azure, case, plan, death)

    served, played = run(work())
    return deaths.story(store, served.plane.azure.world, played)
