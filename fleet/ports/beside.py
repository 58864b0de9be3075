"""Runs beside each other: locks, shared places, and keeping them."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Iterable, Sequence
from typing import NamedTuple, Protocol

from fleet.model.cluster import ClusterId
from fleet.model.events import Actor
from fleet.model.plan import Target


class LockKey(NamedTuple):
    """What one run at a time may change. Names are compared without regard to case."""

    endpoint: str
    """Of the service: two simulated fleets may use the same ids."""
    cluster_id: ClusterId
    extension: str
    """Its name on the cluster."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class LockHolder:
    """A run that holds locks, or held them when its process died."""

    run_id: str
    actor: Actor
    """Whose process took them."""
    leased_at: dt.datetime
    leased_until: dt.datetime
    """Of the run's clock, like every moment here."""
    is_alive: bool
    """Whether a process carries the run on now: then nothing is taken from it, lease or not."""

    def may_keep(self, now: dt.datetime) -> bool:
        """Tell whether what it holds is still its own."""
        return self.is_alive or self._is_leased(now)

    def _is_leased(self, now: dt.datetime) -> bool:
        # NB: one that ends later than any lease that could be given now was given by another
        # clock: a simulator that was started anew, or a machine whose time was set back.
        length = self.leased_until - self.leased_at
        return now < self.leased_until <= now + 2 * length


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Conflict:
    """Locks that are wanted, and held by another run."""

    holder: LockHolder
    count: int
    first: tuple[LockKey, ...]
    """Some of them, in order, lower case."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Taking:
    """What came of an attempt to take locks: all of them, or, where there are conflicts, none."""

    conflicts: tuple[Conflict, ...] = ()
    taken_over: tuple[Conflict, ...] = ()
    """Where they were before: with runs whose lease is over and that nobody carries on."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """Locks that a person took from a run that nobody carried on."""

    run_id: str
    holder: Actor
    """Whose process had them."""
    actor: Actor
    reason: str
    at: dt.datetime
    """By the wall clock."""


class Locks(Protocol):
    """Which run may change which extension: one at a time, across processes."""

    def take(
        self,
        run_id: str,
        *,
        actor: Actor,
        keys: Iterable[LockKey],
        now: dt.datetime,
        lease: dt.timedelta,
    ) -> Taking:
        """Take all of *keys*, or none; what the run holds already, it holds on."""

    def conflicts(
        self, run_id: str, *, keys: Iterable[LockKey], now: dt.datetime
    ) -> Sequence[Conflict]:
        """Return what would keep *run_id* from taking *keys*, and take nothing."""

    def renew(self, run_id: str, *, now: dt.datetime, lease: dt.timedelta) -> bool:
        """Extend the lease of all that *run_id* holds; ``False`` where it holds nothing more."""

    def release(self, run_id: str, *, keys: Iterable[LockKey]) -> None:
        """Let go of *keys*."""

    def finish(self, run_id: str, *, keep: Iterable[LockKey] = ()) -> None:
        """Let go of everything but *keep*, which goes when the lease ends."""

    def holders(self) -> Sequence[LockHolder]:
        """Return the runs that hold locks, by their ids."""


class Pools(Protocol):
    """Places that several runs share. Each call is cheap: no commit waits for the disk."""

    def reserve(
        self,
        pool: str,
        *,
        run_id: str,
        in_use: int,
        wanted: int,
        cap: int,
        now: dt.datetime,
        since: dt.datetime | None = None,
    ) -> int:
        """Set how many places of *pool* a run has, and return how many these are.

        Where several runs want more than there are, each comes to its share: whoever has waited
        longer, and has less than that, is left what becomes free.

        A run gives back by wanting fewer. Asking again for the same is no second reservation, so
        that whoever takes a run over simply says what it has in flight. A run without locks has
        no places.

        Args:
            pool: Its name.
            run_id: Whose places.
            in_use: What the run has in flight; never less is granted.
            wanted: How many it could use, those included.
            cap: How many there are for all runs, as this one's plan has it.
            now: By the run's clock: places of a run whose lease is over are free.
            since: From when on the run could not start what it would have; ``None``: it can.
        """


class Upkeep(Protocol):
    """What a process does to keep what its run holds, and to get what it needs beside."""

    @property
    def pools(self) -> Pools | None:
        """The pools that the run shares with others, where its plan names any."""

    async def claim(self, targets: Sequence[Target], now: dt.datetime) -> Sequence[Target]:
        """Lock what joins the run; return those that no other run is changing."""

    async def tend(self, now: dt.datetime) -> None:
        """Do it, if it is time; costs nothing where it is not.

        Raises:
            LostLocksError: Another run may change the same extensions now: start nothing more.
        """
