"""One plan, one world, two ways to it: what comes of a run may not depend on the way."""

from __future__ import annotations

import asyncio
import dataclasses
import datetime as dt
from collections.abc import Mapping
from fractions import Fraction
from typing import Any

import pytest

from fleet.azure import clouds, service
from fleet.core import saved
from fleet.core.state import RunState
from fleet.engine import clock, virtual
from fleet.engine.clock import Clock
from fleet.journal.memory import MemoryStore
from fleet.model.desired import Rollout
from fleet.model.plan import Plan, Verb
from fleet.model.scope import Match, Scope
from fleet.model.strategy import WaveRule
from fleet.ports import Service
from fleet.sim import names
from fleet.sim.calls import Call
from fleet.sim.ports import SimulatedAzure
from fleet.sim.recipe import Recipe
from fleet.sim.server import serving
from fleet.sim.world import World
from fleet.sim.worldfile import WorldFile
from tests.rig import rollouts, runs

SCALE = 4000
"""Deadlines are longer than usual: on a busy machine the clock goes on while nobody works."""
CLUSTERS = 24
CALM: Mapping[str, Any] = {
    "apiVersion": "fleet/v1",
    "kind": "World",
    "clusters": CLUSTERS,
    "subscriptions": 3,
    "timeScale": SCALE,
    "offlineShare": 0,
    "distributions": {"rancher_rke": 2, "aks": 1, "openshift": 1},
    "extensions": [
        {
            "type": "Microsoft.openservicemesh",
            "autoUpgrade": 10,
            "protectedKeys": ["gateway.token"],
        },
        {"type": "Microsoft.flux"},
    ],
}
STORMY: Mapping[str, Any] = {
    **CALM,
    "offlineShare": "10%",
    "patchSettings": "replace",
    "faults": {
        "throttled": 3,
        "transientError": 3,
        "resetBefore": 3,
        "resetAfter": 4,
        "conflict": 3,
        "operationFails": 8,
        "stuckOperation": 4,
        "silentFailure": 5,
        "offlineMidway": 4,
        "lateRead": 10,
    },
}
SPREAD = rollouts.strategy(
    max_concurrency=8,
    waves=(WaveRule(name="canary", size=2), WaveRule(name="rest")),
    start_deadline=dt.timedelta(hours=3),
    progress_deadline=dt.timedelta(hours=3),
    uninstall_deadline=dt.timedelta(hours=3),
)
SETTINGS = {"osm.osm.meshName": "osm", "osm.osm.image.registry": "registry.example/osm"}
ASKED: Mapping[str, Rollout] = {
    "upgrade": rollouts.rollout(spread=SPREAD),
    "uninstall": rollouts.rollout(wish=rollouts.UNINSTALL, spread=SPREAD),
    "enable auto-upgrade": rollouts.rollout(wish=rollouts.AUTO, spread=SPREAD),
    "settings": rollouts.rollout(
        wish=rollouts.desired(settings=SETTINGS, protected={"gateway.token": "OSM_TOKEN"}),
        spread=SPREAD,
    ),
    "a few": rollouts.rollout(
        spread=SPREAD,
        scope=Scope(
            subscriptions=(names.subscription(0), names.subscription(2)),
            match=Match(distributions=("AKS", "openshift"), names=("store-*",)),
            exclude=Match(names=("*-b",)),
        ),
    ),
}
VAULT = {"OSM_TOKEN": "hunter2"}


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Lived:
    """What came of a run."""

    plan: Plan
    state: RunState
    world: World
    ended_at: dt.datetime

    @property
    def targets(self) -> list[tuple[Any, ...]]:
        return [(one.cluster_id, one.action, one.steps, one.facts) for one in self.plan.targets]

    @property
    def outcomes(self) -> dict[str, tuple[str, str | None]]:
        """``{cluster's name: (how its target ended, what is installed in the end)}``."""
        versions = {
            cluster.id: next(
                (one.installed_version for one in cluster.extensions if one.name == "osm"), None
            )
            for cluster in self.world.clusters(self.ended_at)
        }
        return {
            target.cluster_name: (
                str(self.state.results.get(number, "not changed")),
                versions.get(target.cluster_id),
            )
            for number, target in enumerate(self.plan.targets)
        }

    @property
    def effects(self) -> list[tuple[Any, ...]]:
        """What the world took, in its order for each cluster, with all that was carried."""
        return sorted(
            (one.call.cluster_id, one.order, one.is_change, *_carried(one.call))
            for one in self.world.effects
        )


def _carried(call: Call) -> tuple[Any, ...]:
    body, is_put = call.body, call.verb is Verb.PUT
    maps: tuple[Any, ...] = (body.settings, body.protected)
    if is_put:  # it replaces all there is: no map and an empty one are the same
        maps = tuple(one or {} for one in maps)
    # Only a PUT says what it is about: on the wire a PATCH or a DELETE has no words for it.
    about = (body.extension_type.lower(), body.namespace) if is_put else ()
    fields = (body.version, body.auto_upgrade, body.release_train, *maps)
    return (call.name, str(call.verb), call.correlation_id, repr(fields), *about)


async def _lived(asked: Rollout, azure: Service, time: Clock, world: World) -> Lived:
    plan = await runs.planned(asked, azure)
    async with MemoryStore().hold(
        runs.RUN, actor=runs.ALICE, create=True, secrets=tuple(VAULT.values())
    ) as journal:
        runner = await runs.begun(journal, plan, azure, clock=time, vault=VAULT)
        state = await runner.run()
    # What was stuck or went on without us has ended by then, or never will.
    return Lived(plan=plan, state=state, world=world, ended_at=time.now() + dt.timedelta(hours=2))


def _through_the_ports(recipe: Recipe, asked: Rollout) -> Lived:
    async def play() -> Lived:
        world, time = World(recipe), virtual.clock()
        return await _lived(asked, SimulatedAzure(world, time), time, world)

    return virtual.run(play(), start_at=recipe.epoch)


def _over_http(recipe: Recipe, asked: Rollout) -> Lived:
    async def play() -> Lived:
        time = clock.scaled(recipe.epoch, SCALE)
        async with serving.serving(recipe, clock=time, scale=Fraction(SCALE)) as served:
            place = clouds.place(cloud=None, endpoint=served.endpoint, audience=None)
            async with service.connected(place, clock=time) as azure:
                return await _lived(asked, azure, time, served.plane.azure.world)

    return asyncio.run(play())


def _both(recipe: Recipe, asked: Rollout) -> tuple[Lived, Lived]:
    return _through_the_ports(recipe, asked), _over_http(recipe, asked)


@pytest.mark.parametrize(
    ("name", "casing"),
    [*((name, "pascal") for name in ASKED), ("upgrade", "camel"), ("settings", "camel")],
)
def test_in_a_calm_world_the_plan_and_all_that_comes_of_it_are_the_same(
    name: str, casing: str
) -> None:
    ports, http = _both(_recipe(CALM, graphCasing=casing), ASKED[name])

    assert http.targets == ports.targets
    assert saved.document(http.plan) == saved.document(ports.plan)
    assert http.outcomes == ports.outcomes
    assert http.effects == ports.effects
    assert ports.plan.change_count > 1


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("name", ["upgrade", "settings"])
def test_in_a_storm_each_cluster_meets_the_same_luck_and_ends_the_same(
    name: str, seed: int
) -> None:
    ports, http = _both(_recipe(STORMY, seed=seed), ASKED[name])

    assert saved.document(http.plan) == saved.document(ports.plan)
    assert http.outcomes == ports.outcomes
    assert len({result for result, _ in ports.outcomes.values()}) > 2


def _recipe(keys: Mapping[str, Any], **more: Any) -> Recipe:
    return WorldFile.model_validate({**keys, **more}).recipe()
