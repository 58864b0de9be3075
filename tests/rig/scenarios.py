"""Whole runs worth telling, as a table: for each a name, and what a seed makes of it.

Fleets are small, because each run is told again for every append of it. Where a run must end alike
however its runners die, what ends it is left to no race: its targets start together, or one by one.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Callable, Mapping
from typing import Any

from fleet.core import draws
from fleet.model.desired import SettingsMode
from fleet.model.strategy import WaveRule
from fleet.sim import names
from fleet.sim.recipe import Recipe
from fleet.sim.script import Counted, Rule, Script
from fleet.sim.worldfile import WorldFile
from tests.rig import rollouts
from tests.rig.cases import Ask, Case

MINUTE = dt.timedelta(minutes=1)
ALL_AT_ONCE = 10
STORM: Mapping[str, Any] = {
    "throttled": 5,
    "transientError": 5,
    "resetBefore": 10,
    "resetAfter": 10,
    "conflict": 5,
    "lateRead": 20,
}
"""What goes wrong with requests, and fails no target."""
SETTING = {"osm.osm.replicaCount": "3"}

Make = Callable[[int], Case]
SCENARIOS: dict[str, Make] = {}
"""``{name: what a seed makes of it}``."""


def scenario(make: Make) -> Make:
    """Tell *make* under its own name."""
    SCENARIOS[make.__name__.strip("_").replace("_", "-")] = make
    return make


# --- what they are made of ---------------------------------------------------------------


def world(seed: int, *, clusters: int | tuple[int, int] = (2, 6), **keys: Any) -> Recipe:
    """A world file's world, calm and connected unless told otherwise."""
    count = clusters if isinstance(clusters, int) else draws.between(*clusters, seed, "clusters")
    file = {
        "apiVersion": "fleet/v1",
        "kind": "World",
        "timeScale": "max",
        "seed": seed,
        "clusters": count,
        "offlineShare": 0,
        "patchSettings": "replace" if seed % 2 else "merge",
    }
    return WorldFile.model_validate({**file, **keys}).recipe()


def mesh(*installed: str, auto_upgrade: int = 0) -> list[dict[str, Any]]:
    """The mesh, on each cluster in one of these versions."""
    return [
        {
            "type": "Microsoft.openservicemesh",
            "installed": dict.fromkeys(installed or ("1.1.1",), 1),
            "autoUpgrade": auto_upgrade,
            "failedShare": 0,
            "settings": {"osm.osm.meshName": "osm"},
        }
    ]


def canary_and_rest(**rest: Any) -> tuple[WaveRule, ...]:
    """One cluster, half an hour, and then all others."""
    return (
        WaveRule(name="canary", size=1, soak=30 * MINUTE),
        WaveRule(name="rest", size="rest", **rest),
    )


def two_halves(**both: Any) -> tuple[WaveRule, ...]:
    """Half of them, all together, and then the other half."""
    return (
        WaveRule(name="first", size="50%", **both),
        WaveRule(name="second", size="rest", **both),
    )


def scripted(recipe: Recipe, *rules: Rule) -> Recipe:
    """The same world, with *rules* for its writes; each cluster's are counted for themselves."""
    own = tuple(dataclasses.replace(one, counted=Counted.CLUSTER) for one in rules)
    return dataclasses.replace(recipe, script=Script(rules=own))


def name_of(number: int, recipe: Recipe) -> str:
    """What the world of *recipe* calls a cluster."""
    return names.cluster(number, count=recipe.cluster_count)


# --- a calm day, and a bad one -----------------------------------------------------------


@scenario
def calm(seed: int) -> Case:
    spread = rollouts.strategy(waves=canary_and_rest(), max_concurrency=3)
    return Case(recipe=world(seed), asked=rollouts.rollout(spread=spread))


@scenario
def stormy(seed: int) -> Case:
    faults = {**STORM, "operationFails": 10, "silentFailure": 5}
    spread = rollouts.strategy(waves=canary_and_rest(), max_concurrency=3)
    return Case(
        recipe=world(seed, offlineShare=10, faults=faults), asked=rollouts.rollout(spread=spread)
    )


@scenario
def throttled(seed: int) -> Case:
    faults = {"throttled": 35, "retryAfterSeconds": draws.between(1, 60, seed, "after")}
    return Case(recipe=world(seed, clusters=(3, 5), faults=faults), asked=rollouts.rollout())


@scenario
def lost_answers(seed: int) -> Case:
    faults = {"resetBefore": 30, "resetAfter": 30}
    return Case(recipe=world(seed, clusters=(2, 5), faults=faults), asked=rollouts.rollout())


@scenario
def stuck_operations(seed: int) -> Case:
    """Some never end, some agents fall silent, some lie."""
    faults = {"stuckOperation": 25, "offlineMidway": 20, "silentFailure": 20}
    spread = rollouts.strategy(max_concurrency=2)
    return Case(
        recipe=world(seed, clusters=(3, 5), faults=faults), asked=rollouts.rollout(spread=spread)
    )


@scenario
def refused(seed: int) -> Case:
    """Some extensions are read-only, as the service says when it is asked to change them."""
    locked = [n for n in range(4) if draws.chance(500_000, seed, "locked", n)] or [1]
    recipe = world(
        seed,
        clusters=4,
        faults=STORM,
        extensions=mesh(),
        overrides=[{"cluster": names.cluster(n, count=4), "readOnly": True} for n in locked],
    )
    return Case(recipe=recipe, asked=rollouts.rollout())


@scenario
def bug_of_ours(seed: int) -> Case:
    """It hits one target and pauses the run; a person looks at it, and goes on."""
    recipe = world(seed, clusters=4, faults=STORM, extensions=mesh())
    return Case(
        recipe=recipe,
        asked=rollouts.rollout(spread=rollouts.strategy(max_concurrency=2)),
        asks=[Ask(after=180 * n * MINUTE, kind="resume") for n in range(1, 9)],
        bug_at=name_of(seed % 4, recipe),
    )


# --- what is wished for ------------------------------------------------------------------


@scenario
def several_steps(seed: int) -> Case:
    """Minors one after another."""
    recipe = world(seed, clusters=(2, 4), faults=STORM, extensions=mesh("1.0.0", "1.1.1"))
    return Case(recipe=recipe, asked=rollouts.rollout())


@scenario
def settings(seed: int) -> Case:
    wish = rollouts.desired(settings=SETTING)
    faults = {**STORM, "operationFails": 10}
    recipe = world(seed, clusters=(2, 4), faults=faults)
    return Case(recipe=recipe, asked=rollouts.rollout(wish=wish))


@scenario
def exact_settings(seed: int) -> Case:
    """The whole map is claimed: what the file does not name goes."""
    wish = rollouts.desired(version=None, settings=SETTING, settings_mode=SettingsMode.EXACT)
    recipe = world(seed, faults=STORM, extensions=mesh())
    return Case(recipe=recipe, asked=rollouts.rollout(wish=wish))


@scenario
def protected_settings(seed: int) -> Case:
    wish = rollouts.desired(protected={"osm.token": "MESH_TOKEN"})
    return Case(
        recipe=world(seed, clusters=(2, 4), faults=STORM),
        asked=rollouts.rollout(wish=wish),
        vault={"MESH_TOKEN": f"s3cret-{seed:08}"},
    )


@scenario
def auto_upgrade(seed: int) -> Case:
    """The service chooses versions, and upgrades while the run goes on."""
    wish = rollouts.AUTO
    recipe = world(
        seed, faults=STORM, autoUpgradeAfterSeconds={"min": 60, "max": 900}, extensions=mesh()
    )
    return Case(recipe=recipe, asked=rollouts.rollout(wish=wish))


@scenario
def uninstall(seed: int) -> Case:
    spread = rollouts.strategy(waves=canary_and_rest())
    recipe = world(seed, clusters=(3, 6), faults={**STORM, "operationFails": 10})
    return Case(recipe=recipe, asked=rollouts.rollout(wish=rollouts.UNINSTALL, spread=spread))
