"""More whole runs worth telling: those that others reach into, and plan files that people copy."""

from __future__ import annotations

import dataclasses
import datetime as dt
from pathlib import Path

from fleet.core import draws
from fleet.model.desired import Membership, OnDrift, Requirement, Rollout
from fleet.model.scope import Match
from fleet.model.strategy import OnBreach, RetryRule, SpreadRule, WaveRule
from fleet.sim import names
from fleet.sim.repertoire import Fault
from fleet.sim.script import Rule
from fleet.spec import planfile, profiles
from tests.rig import rollouts
from tests.rig.cases import Ask, Case, Meddling
from tests.rig.limiting import SCENARIOS as SCENARIOS  # noqa: PLC0414 - all of them, these included
from tests.rig.scenarios import (
    MINUTE,
    SETTING,
    STORM,
    canary_and_rest,
    mesh,
    name_of,
    scenario,
    scripted,
    world,
)

PLANS = Path(__file__).resolve().parents[2] / "plans"


def _plan(name: str) -> Rollout:
    return planfile.load_rollout(PLANS / f"{name}.yaml")


# --- drift and membership ----------------------------------------------------------------


def _drifting(seed: int, on_drift: OnDrift) -> Case:
    """Somebody else writes to some of them before their turn; a setting of ours to one."""
    recipe = world(seed, clusters=5, faults=STORM, extensions=mesh())
    hit = [n for n in range(5) if draws.chance(400_000, seed, "meddled", n)] or [0]
    theirs = ({"osm.osm.replicaCount": "9"}, {"osm.osm.other": "theirs"}, SETTING)
    meddlings = [
        Meddling(
            cluster=name_of(n, recipe), settings=theirs[draws.between(0, 2, seed, "theirs", n)]
        )
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
        Ask(after=1 * MINUTE, kind="skip-target", subject=name_of(2, recipe)),
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
            subject=name_of(draws.between(0, 4, seed, "whom", n), recipe),
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
