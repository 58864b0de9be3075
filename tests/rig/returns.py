"""There and back: a run in the simulated world, and the run that takes it back or tries again."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Awaitable, Callable, Mapping

from fleet.core.state import RunState
from fleet.core.trail import Trail
from fleet.engine import history, opening, virtual
from fleet.engine.clock import Clock
from fleet.engine.runner import Observe, Runner
from fleet.journal.memory import MemoryStore
from fleet.model.cluster import Extension
from fleet.model.desired import Rollout
from fleet.model.plan import Plan, RunId
from fleet.ports import Clusters
from fleet.sim.ports import SimulatedAzure
from fleet.sim.world import World
from tests.rig import runs

Child = Callable[[RunState, Trail], Plan]
Way = Callable[[SimulatedAzure, Clock], Clusters | None]
"""Into clusters, while the run goes on."""
NOTHING: Mapping[str, str] = {}


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """A run that is over."""

    plan: Plan
    state: RunState
    trail: Trail

    @property
    def results(self) -> dict[str, str]:
        """How each target ended, by the cluster's name."""
        return {
            self.state.targets[number].cluster_name: result.value
            for number, result in self.state.results.items()
        }


def forward(
    world: World,
    asked: Rollout,
    *,
    vault: Mapping[str, str] = NOTHING,
    observe: Observe = lambda _events, _state: None,
    way: Way = runs.inside,
) -> Told:
    """Carry out what a plan file asks for."""

    async def make(azure: SimulatedAzure) -> Plan:
        return await runs.planned(asked, azure)

    return _told(world, make, run=runs.RUN, vault=vault, observe=observe, way=way)


def child(
    world: World,
    parent: Told,
    make: Child,
    *,
    run: str = "child",
    after: dt.timedelta = dt.timedelta(hours=1),
    vault: Mapping[str, str] = NOTHING,
    way: Way = runs.inside,
) -> Told:
    """Carry out the plan that *make* makes of *parent*, a while later."""

    async def made(_azure: SimulatedAzure) -> Plan:
        return make(parent.state, parent.trail)

    return _told(world, made, run=RunId(run), vault=vault, after=after, way=way)


def _told(
    world: World,
    make: Callable[[SimulatedAzure], Awaitable[Plan]],
    *,
    run: RunId,
    vault: Mapping[str, str],
    after: dt.timedelta = dt.timedelta(0),
    observe: Observe = lambda _events, _state: None,
    way: Way,
) -> Told:
    store = MemoryStore()

    async def play() -> Plan:
        azure = SimulatedAzure(world, virtual.clock())
        plan = await make(azure)
        secrets = tuple(vault.values())
        async with store.hold(run, actor=runs.ALICE, create=True, secrets=secrets) as journal:
            header = dataclasses.replace(runs.opening_of(), run_id=run)
            state = await opening.begin(journal, plan, header, now=virtual.clock().now())
            await Runner(
                journal=journal,
                state=state,
                service=azure,
                clock=virtual.clock(),
                vault=vault,
                settings=runs.QUIET,
                observe=observe,
                clusters=way(azure, virtual.clock()),
            ).run()
        return plan

    plan = virtual.run(play(), start_at=world.last_at + after)
    trail = Trail()
    return Told(plan=plan, state=history.load(store.read(run), heed=trail.note), trail=trail)


def extensions(world: World, at: dt.datetime) -> dict[str, Extension | None]:
    """What is on each cluster, by its name, when everything has settled."""
    return {
        cluster.name: cluster.extensions[0] if cluster.extensions else None
        for cluster in world.clusters(at)
    }


def planned(world: World, asked: Rollout) -> Plan:
    """What the same plan file asks for when everything has settled."""

    async def make() -> Plan:
        return await runs.planned(asked, SimulatedAzure(world, virtual.clock()))

    return virtual.run(make(), start_at=world.last_at + dt.timedelta(hours=1))
