"""Four ways in which another engine's rollouts were seen to hang or to lie, told in our words.

Each is a fleet of a few clusters of which one has failed; what ours must do is
the assertion. The waves ahead of the failure have been gone through.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from fleet.core import fold, planner
from fleet.core.state import RunState
from fleet.model import events as e
from fleet.model.plan import Plan
from fleet.model.statuses import Result, RunStatus
from fleet.model.strategy import WaveRule
from tests.rig import rollouts, rounds
from tests.rig.fleets import T0, cluster, extension, inventory, opened
from tests.rig.samples import event

CASES = Path(__file__).parents[3] / "shared/reference/peer-cases/ocm_liveness_defects.json"


def planned(waves: dict[str, list[str]], **strategy: Any) -> Plan:
    rules = tuple(WaveRule(name=name, targets=tuple(names)) for name, names in waves.items())
    spread = rollouts.strategy(waves=rules, **({"max_failures": 0} | strategy))
    names = sorted(name for names in waves.values() for name in names)
    return planner.plan(
        rollouts.rollout(spread=spread),
        inventory([cluster(name, extension("1.2.3")) for name in names]),
    )


def played(plan: Plan, ends: dict[str, Result]) -> RunState:
    """Let the run go until none of those it starts is known to end."""
    state = opened(plan)
    for _ in range(100):
        commands = rounds.round_of(state, now=T0)
        if not commands:
            return state
        for command in commands:
            name = state.targets[command.target].cluster_name
            if name in ends:
                _end(state, command.target, ends[name])
    raise AssertionError


def _end(state: RunState, target: int, result: Result) -> None:
    if result is Result.FAILED:
        fold.apply(state, event(e.StepFailed, target=target))
        return
    for cls in (e.StepChecked, e.StepIntended):
        fold.apply(state, event(cls, target=target))
    fold.apply(state, event(e.StepAccepted, target=target, operation_sha256=None))
    fold.apply(state, event(e.StepProved, target=target))


def in_flight(state: RunState) -> set[str]:
    return {state.targets[n].cluster_name for n in state.active}


GOOD, BAD = Result.SUCCEEDED, Result.FAILED
CANARY = {"canary": ["c1"], "rest": ["c2", "c3", "c4"]}
ALL_MAY_FAIL = {"max_failures": "100%", "max_concurrency": 1}


def test_a_failure_beside_a_finished_canary_does_not_freeze_the_rest() -> None:
    state = played(planned(CANARY, **ALL_MAY_FAIL), {"c1": GOOD, "c2": BAD})

    assert in_flight(state) == {"c3"}


def test_a_failed_cluster_frees_its_slot_at_once() -> None:
    """No deadline has passed: all of this happens in one moment."""
    state = played(planned({"all": ["c1", "c2", "c3"]}, **ALL_MAY_FAIL), {"c1": BAD})

    assert in_flight(state) == {"c2"}


def test_a_breach_in_a_later_wave_is_reported_and_ends_the_run() -> None:
    waves = {**CANARY, "last": ["c5"]}
    state = played(planned(waves), {"c1": GOOD, "c2": BAD, "c3": GOOD, "c4": GOOD})

    assert state.status is RunStatus.FAILED
    assert state.finish_reason == "the failure budget was broken: 1 failed"
    assert state.status_counts()["Pending"] == 1


@pytest.mark.parametrize("allowed", [2, 3])
def test_a_budget_larger_than_a_wave_is_the_waves_size_and_not_none(allowed: int) -> None:
    waves = {"a": ["c1", "c2"], "b": ["c3", "c4"]}
    plan = planned(waves, max_failures=4, wave_max_failures=allowed)

    state = played(plan, {"c1": GOOD, "c2": BAD})

    assert plan.head.waves[0].max_failures == 2
    assert ("maxFailures: 3 -> 2, all there are" in plan.head.waves[0].notes) is (allowed == 3)
    assert in_flight(state) == {"c3", "c4"}


@pytest.mark.parametrize("allowed", [4, 10])
def test_a_budget_larger_than_the_run_is_the_runs_size_and_not_none(allowed: int) -> None:
    waves = {"a": ["c1", "c2"], "b": ["c3", "c4"]}
    plan = planned(waves, max_failures=allowed, max_concurrency=2)

    state = played(plan, {"c1": GOOD, "c2": BAD})

    assert plan.head.limits.max_failures == 4
    assert any("maxFailures 10" in one for one in plan.head.warnings) is (allowed == 10)
    assert in_flight(state) == {"c3", "c4"}


@pytest.mark.skipif(not CASES.exists(), reason="the cases of other engines are not at hand")
def test_every_case_that_was_measured_ends_as_it_must() -> None:
    for case in json.loads(CASES.read_text())["cases"]:
        state = played(_plan_of(case), _ends_of(case))

        must = case["oursMust"]
        if "breached" in must:
            assert state.status is RunStatus.FAILED, case["name"]
        else:
            assert state.status is RunStatus.RUNNING, case["name"]
            assert "c3" in in_flight(state), case["name"]


def _plan_of(case: Any) -> Plan:
    peer = case["strategy"]
    waves = {group["name"]: group["clusters"] for group in case["groups"]}
    budget = peer.get("maxFailures", 0)
    is_by_group = peer["type"] == "ProgressivePerGroup"
    return planned(
        waves,
        max_concurrency=peer.get("maxConcurrency", "100%"),
        max_failures="100%" if is_by_group else budget,
        wave_max_failures=budget if is_by_group else None,
    )


def _ends_of(case: Any) -> dict[str, Result]:
    results = {"Succeeded": GOOD, "Failed": BAD}
    return {one["cluster"]: results[one["status"]] for one in case["existing"]}
