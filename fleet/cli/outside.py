"""Who answers the ports: this release has one answer, the simulated fleet of a world file."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Awaitable, Callable, Coroutine
from pathlib import Path
from typing import Any, TypeVar

from fleet.core.state import RunState
from fleet.engine import clock, virtual
from fleet.engine.clock import Clock
from fleet.engine.opening import Origin
from fleet.engine.runner import Service
from fleet.errors import InputError
from fleet.sim.opening import OpenedWorld, open_world

T = TypeVar("T")
_SCHEME = "world:"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Outside:
    """The service, and the clock that the service and the run share."""

    service: Service
    clock: Clock
    origin: Origin


Work = Callable[[Outside], Coroutine[Any, Any, T]]


def require_world(world: Path | None, *, state: RunState | None = None) -> Path:
    """Return the world file to use: the one named, else the one that the run began with."""
    if world is not None:
        return world
    header = state.header if state else None
    if header is not None and header.endpoint.startswith(_SCHEME):
        return Path(header.endpoint.removeprefix(_SCHEME))
    raise InputError(
        "this release runs against a simulated fleet only, and none is named",
        hint="Name one: --world FILE, or FLEET_WORLD. plans/worlds has examples.",
    )


def run(work: Work[T], *, world: Path, state_dir: Path) -> T:
    """Open *world*, and run *work* on the event loop that its time wants."""
    opened = open_world(world, state_dir=state_dir, wall=clock.wall())
    if opened.is_virtual:
        return virtual.run(_on(opened, world, work), start_at=opened.base_at)
    return asyncio.run(_on(opened, world, work))


async def _on(opened: OpenedWorld, world: Path, work: Work[T]) -> T:
    shared = virtual.clock() if opened.is_virtual else clock.scaled(opened.base_at, opened.scale)
    origin = Origin(
        endpoint=f"{_SCHEME}{world.resolve()}",
        cloud="simulated",
        tenant=opened.digest,
        principals=("simulated",),
    )
    call: Awaitable[T] = work(
        Outside(service=opened.service(shared), clock=shared, origin=origin)
    )
    return await call
