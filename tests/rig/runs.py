"""Whole runs on virtual time: the real engine, the real journal, the simulated world."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Callable, Mapping
from typing import Any

from fleet import zones
from fleet.core import planner
from fleet.engine import foreseeing, history, opening, virtual
from fleet.engine.clock import Clock
from fleet.engine.opening import Opening, Origin
from fleet.engine.runner import Observe, Runner, Settings
from fleet.model.cluster import ClusterId
from fleet.model.desired import Rollout
from fleet.model.events import Actor
from fleet.model.inside import Outlook
from fleet.model.plan import Plan, RunId
from fleet.ports import Clusters, Journal, Probes, Service, Upkeep
from fleet.sim.faultfile import FaultFile
from fleet.sim.inside.clusters import SimulatedClusters
from fleet.sim.recipe import Recipe
from fleet.sim.world import World
from fleet.sim.worldfile import WorldFile

RUN = RunId("run-1")
ALICE = Actor(name="alice", host="ops-1", pid=100)
ORIGIN = Origin(
    endpoint="world:test",
    cloud="simulated",
    tenant="test",
    principals=("test",),
    api_version="2023-05-01",
)
QUIET = Settings(inbox_every_s=None, waits_when_paused=False)


def world(**keys: Any) -> World:
    """A world from the keys of a world file."""
    return World(recipe(**keys))


def recipe(*rules: Mapping[str, Any], **keys: Any) -> Recipe:
    """A world's recipe from the keys of a world file, and from rules of a faults file."""
    file = {"apiVersion": "fleet/v1", "kind": "World", "timeScale": "max", **keys}
    found = WorldFile.model_validate(file).recipe()
    faults = {"apiVersion": "fleet/v1", "kind": "Faults", "rules": list(rules)}
    script = FaultFile.model_validate(faults).script() if rules else found.script
    return dataclasses.replace(found, script=script)


def opening_of(plan_text: str = "# a test") -> Opening:
    """The header's fields."""
    return Opening(
        run_id=RUN,
        actor=ALICE,
        origin=ORIGIN,
        release="0.0.0",
        tzdata_version="2026a",
        plan_text=plan_text,
        consent="--yes",
        discovered_at=None,
    )


async def planned(asked: Rollout, azure: Service) -> Plan:
    """Discover and plan."""
    inventory = await azure.inventory(
        asked.scope,
        extension_type=asked.desired.profile.extension_type,
        release_train=asked.desired.release_train,
    )
    outlooks: Mapping[ClusterId, Outlook] = {}
    if asked.inside.access.is_given:
        way = inside(azure, virtual.clock())
        assert way is not None, "there is no way into the clusters of this service"
        clusters, _ = planner.selected(asked, inventory)
        outlooks = await foreseeing.foreseen(clusters, asked.inside.works, port=way, width=4)
    return planner.plan(asked, inventory, zones=zones.zone, outlooks=outlooks)


def inside(azure: Service, clock: Clock) -> Clusters | None:
    """The way into the clusters of a simulated service; ``None``: there is none."""
    way: Callable[[Clock], Clusters | None] | None = getattr(azure, "clusters", None)
    if way is not None:
        return way(clock)
    world = getattr(azure, "world", None)
    return SimulatedClusters(world, clock) if isinstance(world, World) else None


async def begun(
    journal: Journal,
    plan: Plan,
    azure: Service,
    *,
    settings: Settings = QUIET,
    observe: Observe = lambda _events, _state: None,
    vault: Mapping[str, str] | None = None,
    clock: Clock | None = None,
    discovered_at: dt.datetime | None = None,
    upkeep: Upkeep | None = None,
    probes: Probes | None = None,
) -> Runner:
    """A runner at the start of a run, by the loop's virtual clock unless another is given."""
    clock = clock or virtual.clock()
    header = dataclasses.replace(opening_of(), discovered_at=discovered_at)
    state = await opening.begin(journal, plan, header, now=clock.now())
    return Runner(
        journal=journal,
        state=state,
        service=azure,
        clock=clock,
        vault=vault or {},
        settings=settings,
        observe=observe,
        upkeep=upkeep,
        probes=probes,
        clusters=inside(azure, clock),
    )


async def taken(
    journal: Journal,
    azure: Service,
    *,
    settings: Settings = QUIET,
    observe: Observe = lambda _events, _state: None,
    vault: Mapping[str, str] | None = None,
    upkeep: Upkeep | None = None,
    probes: Probes | None = None,
) -> Runner:
    """A runner that carries on what another one left."""
    clock: Clock = virtual.clock()
    state = history.load(journal)
    await opening.take(journal, state, actor=ALICE, release="0.0.0", now=clock.now())
    return Runner(
        journal=journal,
        state=state,
        service=azure,
        clock=clock,
        vault=vault or {},
        settings=settings,
        observe=observe,
        upkeep=upkeep,
        probes=probes,
        clusters=inside(azure, clock),
    )
