"""A world from its file: read, remembered, and set to its time.

All processes that open one world file with one state directory share one
world and one simulated clock: its time is the epoch plus what the wall says
has passed since somebody first looked, times the scale. Where the file says
``timeScale: max`` time passes only while a virtual loop runs, and goes on from
the last thing that happened.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fleet.errors import InputError
from fleet.ports import Clock
from fleet.sim.inside.clusters import SimulatedClusters
from fleet.sim.ledger import VERSION, Anchor, Ledger
from fleet.sim.ports import SimulatedAzure
from fleet.sim.recipe import Recipe
from fleet.sim.world import World
from fleet.sim.worldfile import WorldFile
from fleet.spec import document

_UNDER_WAY = dt.timedelta(hours=1)
"""An operation that takes longer is stuck, or waits for agents: nobody waits for it here."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class OpenWorld:
    """A world, with where its clock stands."""

    world: World
    ledger: Ledger
    base_at: dt.datetime
    """The simulated moment at the wall moment it was opened."""
    time_scale: int
    """Simulated seconds a second; 1 where :attr:`is_virtual`."""
    is_virtual: bool
    """Whether it wants a virtual loop (``timeScale: max``)."""

    def azure(self, clock: Clock) -> SimulatedAzure:
        """Return the service, living by *clock*."""
        return SimulatedAzure(self.world, clock, self.ledger)

    def clusters(self, clock: Clock, *, max_concurrency: int = 50) -> SimulatedClusters:
        """Return the clusters' own APIs, living by *clock*."""
        return SimulatedClusters(
            self.world, clock, store=self.ledger, max_concurrency=max_concurrency
        )

    def close(self) -> None:
        """Let go of the ledger."""
        self.ledger.close()


def read_recipe(path: Path) -> Recipe:
    """Return what a world file says."""
    return document.validate(document.read(path), WorldFile).recipe()


def open_world(path: Path, *, state_dir: Path, wall: dt.datetime) -> OpenWorld:
    """Open the world of a file, as far as anybody has lived in it.

    Args:
        path: The world file. Another content is another world.
        state_dir: Where worlds are remembered.
        wall: The moment by this machine's clock.
    """
    recipe = read_recipe(path)
    ledger = Ledger(
        _remembered_at(path, state_dir),
        anchor=Anchor(version=VERSION, epoch=recipe.epoch, wall=wall),
    )
    world = World(recipe)
    try:
        world.replay(ledger.news())
    except BaseException:
        ledger.close()
        raise
    return OpenWorld(
        world=world,
        ledger=ledger,
        base_at=clock_base(ledger.anchor, recipe.time_scale, wall=wall, last_at=_last_at(world)),
        time_scale=recipe.time_scale or 1,
        is_virtual=recipe.time_scale is None,
    )


@contextmanager
def opened(path: Path, *, state_dir: Path, wall: dt.datetime) -> Iterator[OpenWorld]:
    """Open a world for a while: :func:`open_world`, closed at the end."""
    world = open_world(path, state_dir=state_dir, wall=wall)
    try:
        yield world
    finally:
        world.close()


def _last_at(world: World) -> dt.datetime:
    """Return the last thing that happened; on a virtual clock, what was under way has ended too."""
    if world.recipe.time_scale is not None:
        return world.last_at
    return max(world.last_at, world.settled_at(within=_UNDER_WAY))


def clock_base(
    anchor: Anchor, time_scale: int | None, *, wall: dt.datetime, last_at: dt.datetime
) -> dt.datetime:
    """Return the simulated moment at *wall*; never before the last thing that happened."""
    if time_scale is None:
        return max(anchor.epoch, last_at)
    try:
        return max(anchor.epoch + (wall - anchor.wall) * time_scale, last_at)
    except OverflowError:
        message = f"The simulated time has left the calendar: it began at {anchor.wall:%Y-%m-%d}."
        raise InputError(message, hint="Change the world file: that begins a new world.") from None


def _remembered_at(path: Path, state_dir: Path) -> Path:
    digest = hashlib.sha256(document.text_of(path).encode()).hexdigest()[:16]
    folder = state_dir / "worlds"
    try:
        state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        message = f"The directory {folder} cannot be made: {error.strerror}."
        raise InputError(message, hint="Choose another state directory.") from None
    return folder / f"{digest}.jsonl"
