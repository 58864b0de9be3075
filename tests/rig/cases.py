"""A run that is to be told: a world, a plan file, what people ask and what others do meanwhile."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime as dt
from collections.abc import AsyncIterator, Mapping, Sequence

from fleet.engine.clock import Clock
from fleet.engine.runner import Settings
from fleet.engine.upkeep import LEASE, LeaseKeeper
from fleet.errors import RemoteError
from fleet.journal import locks, pools
from fleet.model.cluster import Inventory, nothing
from fleet.model.desired import Rollout
from fleet.model.events import Actor
from fleet.model.plan import Plan, Verb
from fleet.model.scope import Scope
from fleet.ports import Accepted, ExtensionRef, LockKey, Request, RequestIds, Write
from fleet.sim import rivals
from fleet.sim.ports import SimulatedAzure
from fleet.sim.recipe import Recipe
from fleet.sim.world import World
from tests.rig import runs

ATTENTIVE = Settings(inbox_every_s=60, waits_when_paused=True)
"""For runs in which people act: the runner stays, and looks what they ask."""
OTHER_RUN = "other-run"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """Something that a person asks of the run, so long after its beginning."""

    after: dt.timedelta
    kind: str
    subject: str = ""
    actor: Actor = runs.ALICE

    def request(self, number: int, *, at: dt.datetime) -> Request:
        """Return it as another process leaves it."""
        return Request(
            id=f"ask-{number}",
            kind=self.kind,
            actor=self.actor,
            reason="a test",
            at=at,
            subject=self.subject,
        )


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Meddling:
    """What somebody else writes after the plan was made and before the run begins."""

    cluster: str
    settings: Mapping[str, str]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One run to be told, to the last draw."""

    recipe: Recipe
    asked: Rollout
    asks: Sequence[Ask] = ()
    """In order of time."""
    meddlings: Sequence[Meddling] = ()
    joining_count: int = 0
    """Clusters, the last ones, that nobody finds before :attr:`joins_at`."""
    joins_after: dt.timedelta = dt.timedelta(0)
    places_taken: int = 0
    """By another run, in the one pool of the plan."""
    vault: Mapping[str, str] = dataclasses.field(default_factory=nothing)
    bug_at: str = ""
    """The cluster whose first write meets a bug of ours."""
    is_exact: bool = True
    """Whether it ends alike however often its runners die; where people stop a run it may not."""

    @property
    def settings(self) -> Settings:
        """How its runners behave."""
        return ATTENTIVE if self.asks else runs.QUIET

    def service(self, world: World, clock: Clock) -> SimulatedAzure:
        """Return the service that the run speaks to."""
        if self.bug_at:
            return BuggyAzure(world, clock, bug_at=self.bug_at)
        if self.joining_count:
            return GrowingAzure(world, clock, case=self)
        return SimulatedAzure(world, clock)


class BuggyAzure(SimulatedAzure):
    """Raises once what no adapter may raise, instead of a write."""

    def __init__(self, world: World, clock: Clock, *, bug_at: str) -> None:
        super().__init__(world, clock)
        self._bug_at = bug_at

    async def write(self, ref: ExtensionRef, write: Write, ids: RequestIds) -> Accepted:
        """Send one write, once."""
        if self._bug_at and ref.cluster_id.endswith(self._bug_at):
            self._bug_at = ""
            message = "index out of range"
            raise IndexError(message)
        return await super().write(ref, write, ids)


class GrowingAzure(SimulatedAzure):
    """A fleet whose last clusters come up later."""

    def __init__(self, world: World, clock: Clock, *, case: Case) -> None:
        super().__init__(world, clock)
        self._joins_at = world.recipe.epoch + case.joins_after
        self._hidden = {
            one.id for one in list(world.clusters(world.recipe.epoch))[-case.joining_count :]
        }

    async def inventory(
        self, scope: Scope, *, extension_type: str, release_train: str | None
    ) -> Inventory:
        """Return the clusters that are there by now."""
        found = await super().inventory(
            scope, extension_type=extension_type, release_train=release_train
        )
        if self._clock.now() >= self._joins_at:
            return found
        known = tuple(one for one in found.clusters if one.id not in self._hidden)
        return dataclasses.replace(found, clusters=known)


async def meddle(case: Case, azure: SimulatedAzure, plan: Plan) -> None:
    """Let others write what they write."""
    for number, one in enumerate(case.meddlings):
        (target,) = (t for t in plan.targets if t.cluster_name == one.cluster)
        write = Write(
            verb=Verb.PATCH,
            extension_type=plan.head.extension_type,
            namespace=None,
            location=target.location,
            settings={**target.facts.settings, **one.settings},
        )
        ids = RequestIds(correlation_id=f"rival-{number}", client_request_id=f"rival-{number}")
        ref = ExtensionRef(cluster_id=target.cluster_id, name=target.extension_name)
        caller = rivals.identity(azure.world.recipe.seed)
        with contextlib.suppress(RemoteError):  # they are no luckier than we are
            await azure.send(ref, write, ids, caller=caller)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Shared:
    """Locks and pools, as several runs share them."""

    locks: locks.SqliteLocks
    pools: pools.SqlitePools

    def keeper(self, plan: Plan, now: dt.datetime) -> LeaseKeeper:
        """Take the run's locks, as each of its processes does, and return who keeps them."""
        keys = [
            LockKey(endpoint="world:test", cluster_id=one.cluster_id, extension=one.extension_name)
            for one in plan.targets
        ]
        found = self.locks.take(runs.RUN, actor=runs.ALICE, keys=keys, now=now, lease=LEASE)
        assert not found.conflicts
        return LeaseKeeper(
            self.locks,
            run_id=runs.RUN,
            actor=runs.ALICE,
            endpoint="world:test",
            taken_at=now,
            pools=self.pools,
        )


@contextlib.asynccontextmanager
async def sharing(case: Case, plan: Plan, now: dt.datetime) -> AsyncIterator[Shared]:
    """Share with another run, which has places of its own where the case says so."""
    held = locks.in_memory(is_alive=lambda run_id: run_id == OTHER_RUN)
    shared = Shared(locks=held, pools=pools.in_memory(held))
    try:
        if case.places_taken:
            (pool,) = plan.head.pools
            held.take(OTHER_RUN, actor=runs.ALICE, keys=[], now=now, lease=LEASE)
            shared.pools.reserve(
                pool.name,
                run_id=OTHER_RUN,
                in_use=case.places_taken,
                wanted=case.places_taken,
                cap=pool.max_concurrency,
                now=now,
            )
        yield shared
    finally:
        held.close()
