"""More whole runs worth telling: those that are held to caps, times and budgets."""

from __future__ import annotations

import dataclasses

from fleet.model.scope import Scope, Unreachable
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
from fleet.sim.repertoire import Fault
from fleet.sim.script import Rule
from tests.rig import rollouts
from tests.rig.cases import Ask, Case, Meddling
from tests.rig.scenarios import (
    MINUTE,
    SCENARIOS as SCENARIOS,  # noqa: PLC0414 - all of them, these included
    SETTING,
    STORM,
    canary_and_rest,
    mesh,
    name_of,
    scenario,
    scripted,
    two_halves,
    world,
)

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
    hit = [name_of(n, made) for n in ((1,), (1, 3))[seed % 2]]
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
