"""KubeFleet's staged update runs: tasks between stages, states of a run, and who is stuck."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from fleet.core.moves import RUN_MOVES
from fleet.model import events as e
from fleet.model.statuses import RunStatus as R
from fleet.ui import statusview
from tests.rig import peers
from tests.rig.byhand import MINUTE, Hand
from tests.rig.fleets import limits, opened, plan, target, wave
from tests.rig.peers import Case

TABLES = peers.tables("kubefleet_staged")

# --- tasks between stages: a wait is a soak -----------------------------------------------

NO_WAIT = "a wave says for how long it soaks; where it says nothing it does not"
DIFFERING = {
    "after: TimedWait": NO_WAIT,
    "after: TimedWait 0s": "no soak may be written down",
    "after: TimedWait 0*Minute": "no soak may be written down",
    "after: TimedWait 1*Minute, TimedWait 5*Minute": "a key is there once, with one wait",
    "before: Approval, Approval": "several groups of people may have to agree",
    "after: Approval, Approval": "several groups of people may have to agree",
}


def _task_name(case: Case) -> str:
    tasks = (f"{one['type']} {one.get('waitTime', '')}".strip() for one in case["tasks"])
    return f"{case['where']}: {', '.join(tasks)}"


def _task_cases() -> list[Case]:
    """Return both tables as one, each list of tasks once."""
    upstream = [
        {"where": where, "tasks": one["tasks"], "valid": not one["expectError"]}
        for where, some in TABLES.get("upstreamStageTaskTable", {}).items()
        for one in some
    ]
    by_name = {_task_name(one): one for one in (*TABLES.get("stageTaskRules", ()), *upstream)}
    return list(by_name.values())


def _wave_of(case: Case) -> dict[str, Any]:
    """Return the wave that a person would write: a wait after it is its soak."""
    keys: dict[str, Any] = {"name": "stage", "size": 1}
    for task in case["tasks"]:
        if task["type"] == "Approval":
            rest = {key: one for key, one in task.items() if key != "type"}
            keys.setdefault("approvals", []).append({"when": case["where"], **rest})
        elif case["where"] == "after" and "waitTime" in task:
            keys["soakTime"] = task["waitTime"].replace("*Minute", "m")
        elif case["where"] == "before":
            keys["beforeGates"] = [{"wait": task.get("waitTime")}]
    return keys


@pytest.mark.parametrize("case", peers.named(_task_cases(), _task_name))
def test_what_may_stand_between_two_stages(tmp_path: Path, case: Case) -> None:
    block = peers.strategy(waves=[_wave_of(case), {"name": "rest", "size": "rest"}])
    name = _task_name(case)

    is_taken = peers.read(tmp_path, block) is not None

    peers.compare(name, is_taken, case["valid"], differing=DIFFERING)


def test_every_difference_that_is_listed_is_a_list_of_tasks() -> None:
    assert not TABLES or DIFFERING.keys() <= set(map(_task_name, _task_cases()))


# --- states of a run ----------------------------------------------------------------------

STATES = {"Initialize": R.PLANNED, "Run": R.RUNNING, "Stop": R.PAUSED}
"""What they call a stop can be run again: it is what we call a pause."""


def _leads(one: R, other: R) -> bool:
    """Whether a run can get from *one* to *other* with nothing but pausing in between."""
    first = {to for some in RUN_MOVES[one].values() for to in some}
    then = {to for some in RUN_MOVES[R.PAUSING].values() for to in some}
    return other in first or (R.PAUSING in first and other in then)


@pytest.mark.parametrize(
    "case",
    peers.named(TABLES.get("stateTransitions", ()), lambda one: f"{one['from']} {one['to']}"),
)
def test_which_state_may_follow_which(case: Case) -> None:
    assert _leads(STATES[case["from"]], STATES[case["to"]]) is case["allowed"]


# --- who is stuck -------------------------------------------------------------------------

STUCK_DIFFERING = {5: "ten names are shown before the others are counted, and they are counted"}


@pytest.mark.parametrize(
    "case", peers.named(TABLES.get("stuckClustersMessage", ()), lambda one: str(one["clusters"]))
)
def test_who_is_stuck_is_named(case: Case) -> None:
    names, count = case["clusters"], len(case["clusters"])
    after = TABLES["stuckThresholdSeconds"] / 60 * MINUTE
    targets = [target(n, cluster_name=name) for n, name in enumerate([*names, "quick"])]
    made = plan([wave(count + 1)], targets=targets, run=limits(stalled_after=after))
    hand = Hand(opened(made)).settle()
    for n in range(count):
        hand.accept(n)

    hand.settle().settle(after=after)

    lines = [one for one in statusview.reasons(hand.state) if one.startswith("stalled: ")]
    found = lines[0].removeprefix("stalled: ") if lines else ""
    differing = {str(names): STUCK_DIFFERING[count]} if count in STUCK_DIFFERING else {}
    peers.compare(str(names), found, case["expect"], differing=differing)
    assert sorted(one.target for one in hand.of(e.TargetStalled)) == list(range(count))


def test_every_difference_that_is_listed_is_a_case() -> None:
    names = {_task_name(one) for one in _task_cases()}
    counts = {len(one["clusters"]) for one in TABLES.get("stuckClustersMessage", ())}

    assert not TABLES or DIFFERING.keys() <= names
    assert not TABLES or STUCK_DIFFERING.keys() <= counts
