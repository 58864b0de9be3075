"""Whole runs worth telling, as a table: for each a name, and what a seed makes of it.

Fleets are small, because each run is told again for every append of it. Where a run must end alike
however its runners die, what ends it is left to no race: its targets start together, or one by one.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from fleet.core import draws
from fleet.model.desired import Membership, OnDrift, Requirement, Rollout, SettingsMode
from fleet.model.scope import Match, Scope, Unreachable
from fleet.model.strategy import (
    FailureClass,
    FailureMode,
    OnBreach,
    PoolRule,
    RampUp,
    RetryRule,
    RollbackRule,
    RollbackScope,
    SpreadRule,
    WaveRule,
)
from fleet.sim import names
from fleet.sim.recipe import Recipe
from fleet.sim.repertoire import Fault
from fleet.sim.script import Counted, Rule, Script
from fleet.sim.worldfile import WorldFile
from fleet.spec import planfile, profiles
from tests.rig import rollouts
from tests.rig.cases import Ask, Case, Meddling

MINUTE = dt.timedelta(minutes=1)
PLANS = Path(__file__).resolve().parents[2] / "plans"
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


def _plan(name: str) -> Rollout:
    return planfile.load_rollout(PLANS / f"{name}.yaml")


def _name(number: int, recipe: Recipe) -> str:
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
        bug_at=_name(seed % 4, recipe),
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


# --- caps --------------------------------------------------------------------------------


@scenario
def ramp_up(seed: int) -> Case:
    rule = WaveRule(name="more", size="rest", ramp_up=RampUp(most=3), soak=10 * MINUTE)
    spread = rollouts.strategy(waves=(rule,), sort_key=("-tag:site", "name"))
    recipe = world(seed, clusters=6, faults=STORM, extensions=mesh())
    return Case(recipe=recipe, asked=rollouts.rollout(spread=spread))


@scenario
def spread_caps(seed: int) -> Case:
    """Never both clusters of a store, nor more than half of a location."""
    rules = (
        SpreadRule(by="tag:site", max_concurrency=1),
        SpreadRule(by="location", max_concurrency="50%"),
    )
    faults = {**STORM, "operationFails": 10, "stuckOperation": 5 * (seed % 2)}
    recipe = world(seed, clusters=6, faults=faults, extensions=mesh())
    return Case(
        recipe=recipe,
        asked=rollouts.rollout(spread=rollouts.strategy(spread=rules)),
        # Where an operation never ends, whoever is under one cap with it waits for ever.
        asks=[Ask(after=180 * MINUTE, kind="stop")],
    )


@scenario
def label_budget(seed: int) -> Case:
    """A location in which one fails stops the run."""
    rules = (SpreadRule(by="location", max_concurrency=1, max_failures=0),)
    spread = rollouts.strategy(spread=rules, max_concurrency=1)
    recipe = world(
        seed,
        clusters=6,
        locations={"westeurope": 1, "northeurope": 1},
        faults={**STORM, "operationFails": 25},
        extensions=mesh(),
    )
    return Case(recipe=recipe, asked=rollouts.rollout(spread=spread))


@scenario
def strict_mode(seed: int) -> Case:
    """No budget at all, so one after another, although ten may be in flight."""
    spread = rollouts.strategy(
        failure_mode=FailureMode.STRICT, max_failures=0, waves=canary_and_rest()
    )
    recipe = world(seed, clusters=(3, 6), faults={**STORM, "operationFails": 10}, extensions=mesh())
    return Case(recipe=recipe, asked=rollouts.rollout(spread=spread))


@scenario
def shared_pool(seed: int) -> Case:
    """Three places, of which another run has some."""
    spread = rollouts.strategy(pools=(PoolRule(name="wan", max_concurrency=3),))
    recipe = world(seed, clusters=5, faults={**STORM, "operationFails": 10}, extensions=mesh())
    return Case(recipe=recipe, asked=rollouts.rollout(spread=spread), places_taken=1 + seed % 2)


# --- time --------------------------------------------------------------------------------


@scenario
def wave_timeout(seed: int) -> Case:
    """What is stuck keeps the first wave beyond its time; the second never opens."""
    rule = Rule(fault=Fault.STUCK_OPERATION, share_ppm=300_000)
    recipe = scripted(world(seed, clusters=6, extensions=mesh()), rule)
    spread = rollouts.strategy(waves=two_halves(timeout=20 * MINUTE))
    return Case(recipe=recipe, asked=rollouts.rollout(spread=spread))


@scenario
def run_timeout(seed: int) -> Case:
    """An hour for three waves, shared among them."""
    rule = Rule(fault=Fault.STUCK_OPERATION, share_ppm=150_000)
    recipe = scripted(world(seed, clusters=6, extensions=mesh()), rule)
    waves = (WaveRule(name="one", size=1), WaveRule(name="two", size=2), *rollouts.REST)
    spread = rollouts.strategy(
        waves=waves, run_timeout=60 * MINUTE, on_breach=(OnBreach.STOP, OnBreach.ROLLBACK)[seed % 2]
    )
    wish = rollouts.desired(version=None, settings=SETTING)
    return Case(recipe=recipe, asked=rollouts.rollout(wish=wish, spread=spread))


@scenario
def stalled(seed: int) -> Case:
    """Whoever takes more than five minutes is named."""
    spread = rollouts.strategy(stalled_after=5 * MINUTE)
    recipe = world(
        seed,
        clusters=(2, 5),
        durations={"operation": {"min": 60, "max": 700}},
        faults={"stuckOperation": 10, "lateRead": 20},
        extensions=mesh(),
    )
    return Case(recipe=recipe, asked=rollouts.rollout(spread=spread))


@scenario
def retries(seed: int) -> Case:
    rule = RetryRule(attempts=2, backoff=2 * MINUTE, on=tuple(FailureClass))
    spread = rollouts.strategy(retry=rule, max_concurrency=3)
    faults = {"resetAfter": 10, "operationFails": 30, "stuckOperation": 5, "silentFailure": 10}
    recipe = world(seed, clusters=(2, 3), faults=faults, extensions=mesh())
    wish = rollouts.desired(settings=SETTING) if seed % 2 else rollouts.desired()
    return Case(recipe=recipe, asked=rollouts.rollout(wish=wish, spread=spread))


@scenario
def enough_successes(seed: int) -> Case:
    spread = rollouts.strategy(min_success="60%")
    recipe = world(seed, clusters=5, faults={**STORM, "operationFails": 30}, extensions=mesh())
    return Case(recipe=recipe, asked=rollouts.rollout(spread=spread))


@scenario
def catch_up(seed: int) -> Case:
    """Clusters that are away come back well before the last wave opens, or well after it."""
    is_late = seed % 3 == 0
    recipe = world(
        seed,
        clusters=(3, 6),
        offlineShare=40,
        offlineSeconds={"min": 7200, "max": 9000} if is_late else {"min": 60, "max": 1500},
        faults=STORM,
        extensions=mesh(),
    )
    spread = rollouts.strategy(waves=canary_and_rest())
    return Case(recipe=recipe, asked=rollouts.rollout(spread=spread))


@scenario
def agents_fall_silent(seed: int) -> Case:
    """After the plan was made, for an hour: put off to the last wave, that comes soon or late."""
    rule = Rule(fault=Fault.OFFLINE_MIDWAY, last=1, seconds=3600)
    made = world(seed, clusters=4, extensions=mesh())
    hit = [_name(n, made) for n in ((1,), (1, 3))[seed % 2]]
    spread = rollouts.strategy(waves=canary_and_rest(soak=60 * MINUTE * (seed % 3 % 2)))
    return Case(
        recipe=scripted(made, *(dataclasses.replace(rule, cluster=one) for one in hit)),
        asked=rollouts.rollout(spread=spread),
        meddlings=[Meddling(cluster=one, settings={"osm.osm.other": "theirs"}) for one in hit],
    )


@scenario
def away(seed: int) -> Case:
    """Clusters that are away for good, and what the file says of them."""
    scope = Scope(unreachable=list(Unreachable)[seed % 3])
    recipe = world(seed, clusters=(3, 6), offlineShare=40, faults=STORM, extensions=mesh())
    return Case(recipe=recipe, asked=rollouts.rollout(scope=scope))


# --- budgets that break ------------------------------------------------------------------


@scenario
def breach_stops(seed: int) -> Case:
    spread = rollouts.strategy(waves=two_halves(max_failures=seed % 2))
    recipe = world(seed, clusters=6, faults={**STORM, "operationFails": 35}, extensions=mesh())
    return Case(recipe=recipe, asked=rollouts.rollout(spread=spread))


@scenario
def breach_pauses(seed: int) -> Case:
    """And a person says each half hour that it may go on."""
    spread = rollouts.strategy(
        waves=two_halves(max_failures=0), max_concurrency=2, on_breach=OnBreach.PAUSE
    )
    recipe = world(seed, clusters=(3, 5), faults={**STORM, "operationFails": 35}, extensions=mesh())
    asks = [Ask(after=30 * n * MINUTE, kind="resume") for n in range(1, 20)]
    return Case(recipe=recipe, asked=rollouts.rollout(spread=spread), asks=asks)


@scenario
def breach_takes_back(seed: int) -> Case:
    """Settings can be restored; going back meets the same faults."""
    spread = rollouts.strategy(
        waves=two_halves(max_failures=0),
        on_breach=OnBreach.ROLLBACK,
        rollback=RollbackRule(scope=list(RollbackScope)[seed % 3], max_concurrency="50%"),
    )
    recipe = world(seed, clusters=(4, 6), faults={**STORM, "operationFails": 25}, extensions=mesh())
    wish = rollouts.desired(version=None, settings=SETTING)
    return Case(recipe=recipe, asked=rollouts.rollout(wish=wish, spread=spread))


@scenario
def takes_installs_back(seed: int) -> Case:
    """What was installed is removed again, what was there before stays as it became."""
    spread = rollouts.strategy(
        waves=two_halves(max_failures=0),
        on_breach=OnBreach.ROLLBACK,
        rollback=RollbackRule(scope=RollbackScope.RUN),
        retry=RetryRule(attempts=1) if seed % 2 else None,
    )
    recipe = world(
        seed,
        clusters=(3, 5),
        faults={**STORM, "operationFails": 25},
        extensions=mesh("absent", "absent", "1.1.1"),
    )
    return Case(recipe=recipe, asked=rollouts.rollout(spread=spread))


# --- drift and membership ----------------------------------------------------------------


def _drifting(seed: int, on_drift: OnDrift) -> Case:
    """Somebody else writes to some of them before their turn; a setting of ours to one."""
    recipe = world(seed, clusters=5, faults=STORM, extensions=mesh())
    hit = [n for n in range(5) if draws.chance(400_000, seed, "meddled", n)] or [0]
    theirs = ({"osm.osm.replicaCount": "9"}, {"osm.osm.other": "theirs"}, SETTING)
    meddlings = [
        Meddling(cluster=_name(n, recipe), settings=theirs[draws.between(0, 2, seed, "theirs", n)])
        for n in hit
    ]
    wish = rollouts.desired(version=None, settings=SETTING, on_drift=on_drift)
    spread = rollouts.strategy(waves=canary_and_rest())
    asked = rollouts.rollout(wish=wish, spread=spread)
    return Case(recipe=recipe, asked=asked, meddlings=meddlings)


@scenario
def drift_fails(seed: int) -> Case:
    return _drifting(seed, OnDrift.FAIL)


@scenario
def drift_is_skipped(seed: int) -> Case:
    return _drifting(seed, OnDrift.SKIP)


@scenario
def drift_is_replanned(seed: int) -> Case:
    return _drifting(seed, OnDrift.REPLAN)


@scenario
def competing_writer(seed: int) -> Case:
    """Somebody writes just before us, to some clusters, or puts back what was there before."""
    recipe = scripted(
        world(seed, clusters=(2, 4), extensions=mesh()),
        Rule(fault=Fault.COMPETING_WRITER, last=2, share_ppm=600_000),
        Rule(fault=Fault.REVERTED, last=3, share_ppm=300_000),
    )
    wish = rollouts.desired(
        version=None, settings=SETTING, on_drift=list(OnDrift)[seed % len(OnDrift)]
    )
    return Case(recipe=recipe, asked=rollouts.rollout(wish=wish))


@scenario
def clusters_come_and_go(seed: int) -> Case:
    recipe = world(
        seed,
        clusters=6,
        faults=STORM,
        extensions=mesh(),
        overrides=[{"cluster": names.cluster(3, count=6), "removedAfterSeconds": 900}],
    )
    spread = rollouts.strategy(
        waves=canary_and_rest(),
        spread=(SpreadRule(by="tag:site", max_concurrency=1),) if seed % 2 else (),
    )
    asked = dataclasses.replace(rollouts.rollout(spread=spread), membership=Membership.FOLLOW)
    return Case(recipe=recipe, asked=asked, joining_count=2, joins_after=15 * MINUTE)


# --- people ------------------------------------------------------------------------------


@scenario
def paused_and_resumed(seed: int) -> Case:
    moment = draws.between(1, 900, seed, "moment") * dt.timedelta(seconds=1)
    asks = [
        Ask(after=moment, kind="pause"),
        Ask(after=moment + dt.timedelta(hours=2), kind="resume"),
    ]
    spread = rollouts.strategy(waves=canary_and_rest(), max_concurrency=2)
    recipe = world(seed, clusters=(4, 6), faults={**STORM, "operationFails": 10}, extensions=mesh())
    return Case(recipe=recipe, asked=rollouts.rollout(spread=spread), asks=asks)


@scenario
def stopped(seed: int) -> Case:
    """At any moment: what was sent already depends on it."""
    moment = draws.between(1, 600, seed, "moment") * dt.timedelta(seconds=1)
    spread = rollouts.strategy(max_concurrency=2)
    recipe = world(seed, clusters=5, faults=STORM, extensions=mesh())
    return Case(
        recipe=recipe,
        asked=rollouts.rollout(spread=spread),
        asks=[Ask(after=moment, kind="stop")],
        is_exact=False,
    )


@scenario
def skipped(seed: int) -> Case:
    """A cluster, the soak and a wave are skipped, and one that is not there."""
    recipe = world(seed, clusters=6, faults=STORM, extensions=mesh())
    asks = [
        Ask(after=1 * MINUTE, kind="skip-target", subject=_name(2, recipe)),
        Ask(after=2 * MINUTE, kind="skip-target", subject="store-9999-a"),
        Ask(after=3 * MINUTE, kind="skip-wave", subject="last"),
        Ask(after=50 * MINUTE, kind="skip-soak"),
    ]
    waves = (
        WaveRule(name="canary", size=1, soak=300 * MINUTE),
        WaveRule(name="rest", size=3),
        WaveRule(name="last", size="rest"),
    )
    spread = rollouts.strategy(waves=waves)
    return Case(recipe=recipe, asked=rollouts.rollout(spread=spread), asks=asks)


@scenario
def meddled_by_all(seed: int) -> Case:
    """People ask for this and that while everything goes wrong: it ends, and they are answered."""
    kinds = ("pause", "resume", "skip-target", "skip-wave", "skip-soak", "resume")
    recipe = world(
        seed,
        clusters=5,
        offlineShare=20,
        faults={**STORM, "operationFails": 20},
        extensions=mesh(),
    )
    asks = [
        Ask(
            after=n * draws.between(20, 200, seed, "after") * dt.timedelta(seconds=1),
            kind=kinds[draws.between(0, len(kinds) - 1, seed, "kind", n)],
            subject=_name(draws.between(0, 4, seed, "whom", n), recipe),
        )
        for n in range(1, 12)
    ]
    asks += [Ask(after=n * dt.timedelta(hours=3), kind="resume") for n in range(1, 9)]
    spread = rollouts.strategy(
        waves=canary_and_rest(),
        max_concurrency=2,
        max_failures=1,
        on_breach=list(OnBreach)[seed % 3],
        retry=RetryRule(attempts=1),
    )
    wish = rollouts.desired(version=None, settings=SETTING)
    asked = rollouts.rollout(wish=wish, spread=spread)
    return Case(recipe=recipe, asked=asked, asks=asks, is_exact=False)


@scenario
def required_first(seed: int) -> Case:
    """Where the agent is not there yet, it comes before the mesh; else nobody touches it."""
    agent = {
        "type": "Contoso.Agent",
        "name": "agent",
        "namespace": "agents",
        "versions": {"stable": ["3.1.0", "3.2.0"]},
        "installed": {"absent": 2, "3.1.0": 1},
        "failedShare": 0,
    }
    recipe = world(seed, clusters=2, faults=STORM, extensions=[*mesh("1.1.1", "absent"), agent])
    needed = Requirement(
        profile=profiles.resolved("Contoso.Agent", name="agent", namespace="agents"),
        name="agent",
        namespace="agents",
        settings={"log": "warning"},
    )
    wish = rollouts.desired(requires=(needed,))
    return Case(recipe=recipe, asked=rollouts.rollout(wish=wish))


# --- plan files that people copy ---------------------------------------------------------


@scenario
def plan_stores_one_at_a_time(seed: int) -> Case:
    canary = {"cluster": names.cluster(0, count=6), "tags": {"ring": "canary"}}
    recipe = world(
        seed,
        clusters=6,
        faults={**STORM, "operationFails": 10 * (seed % 2)},
        distributions={"aks": 1, "openshift": 1},
        extensions=mesh("1.2.6"),
        overrides=[canary],
    )
    return Case(recipe=recipe, asked=_plan("osm-stores-one-at-a-time"))


@scenario
def plan_uninstall(seed: int) -> Case:
    recipe = world(
        seed,
        clusters=6,
        subscriptions=1,
        faults={**STORM, "operationFails": 10 * (seed % 2)},
        distributions={"aks": 1},
        extensions=mesh("1.2.6"),
    )
    asked = _plan("osm-uninstall")
    scope = dataclasses.replace(asked.scope, match=Match())
    return Case(recipe=recipe, asked=dataclasses.replace(asked, scope=scope))
