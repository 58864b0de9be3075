"""Who answers the ports: this release has one answer, the simulated fleet of a world file."""

from __future__ import annotations

import asyncio
import dataclasses
import datetime as dt
import hashlib
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, TypeVar

from fleet.core.state import RunState
from fleet.engine import clock, virtual
from fleet.engine.clock import Clock
from fleet.engine.opening import Origin
from fleet.engine.runner import Service
from fleet.errors import InputError
from fleet.sim.opening import OpenWorld, opened

T = TypeVar("T")
_SCHEME = "world:"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Outside:
    """The service, and the clock that the service and the run share."""

    service: Service
    clock: Clock
    origin: Origin
    is_virtual: bool
    """Whether time is virtual: then it does not wait for other processes."""


Work = Callable[[Outside], Coroutine[Any, Any, T]]


def require_world(world: Path | None, *, state: RunState | None = None) -> Path:
    """Return the world file to use: the one named, else the one that the run began with."""
    if world is not None:
        return world
    header = state.header if state else None
    if header is not None and header.endpoint.startswith(_SCHEME):
        return Path(header.endpoint.removeprefix(_SCHEME))
    message = "this release runs against a simulated fleet only, and none is named"
    raise InputError(message, hint="Name one: --world FILE, or FLEET_WORLD; see plans/worlds.")


def run(work: Work[T], *, world: Path, state_dir: Path, not_before: dt.datetime | None = None) -> T:
    """Open *world*, and run *work* on the event loop that its time wants.

    Args:
        work: What to do.
        world: The world file.
        state_dir: Where worlds are remembered.
        not_before: What the clock must have reached: a run that goes on never goes back in time.
    """
    origin = _origin(world)
    with opened(world, state_dir=state_dir, wall=clock.wall()) as found:
        base_at = max(found.base_at, not_before or found.base_at)
        if found.is_virtual:
            return virtual.run(_on(found, base_at, origin, work), start_at=base_at)
        return asyncio.run(_on(found, base_at, origin, work))


def moment(state: RunState, *, state_dir: Path) -> dt.datetime:
    """Return what the clock of a run that nobody carries on would show."""
    world = require_world(None, state=state)
    with opened(world, state_dir=state_dir, wall=clock.wall()) as found:
        return max(found.base_at, state.last_at or found.base_at)


def _origin(world: Path) -> Origin:
    try:
        content = world.read_bytes()
    except OSError as error:
        message = f"the world file {world} cannot be read: {error.strerror}"
        raise InputError(message, hint="Name another with --world FILE.") from error
    return Origin(
        endpoint=f"{_SCHEME}{world.resolve()}",
        cloud="simulated",
        tenant=f"sha256:{hashlib.sha256(content).hexdigest()}",
        principals=("simulated",),
    )


async def _on(found: OpenWorld, base_at: dt.datetime, origin: Origin, work: Work[T]) -> T:
    shared = virtual.clock() if found.is_virtual else clock.scaled(base_at, found.time_scale)
    return await work(
        Outside(
            service=found.azure(shared), clock=shared, origin=origin, is_virtual=found.is_virtual
        )
    )
