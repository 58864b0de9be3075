"""Argo CD's progressive syncs: which applications are in which step, and which may go."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from fleet.model.plan import Plan
from fleet.model.statuses import Result
from tests.rig import peers
from tests.rig.byhand import Hand
from tests.rig.fleets import opened
from tests.rig.peers import Case

TABLES = peers.tables("argocd_progressive")

NOBODY = "a selector that means no cluster is an error"
NO_WAVES = "a strategy without waves is refused"
LEFT_OUT = "a cluster in no wave is an error, and never left out in silence"
NOT_IN = "a wave is chosen by what clusters are, not by what they are not"
STEP_DIFFERING = {
    "handles an empty set of applications and no strategy": NO_WAVES,
    "handles an empty set of applications and ignores AllAtOnce strategy": NO_WAVES,
    "handles an empty set of applications with good 'In' selectors": NOBODY,
    "multiple 'In' selectors in the same matchExpression only select Applications"
    " that match all selectors": LEFT_OUT,
    "multiple values in the same 'In' matchExpression can match on any value": LEFT_OUT,
    "handles an empty set of applications with good 'NotIn' selectors": NOT_IN,
    "selects 1 application with 1 'NotIn' selector": NOT_IN,
    "'NotIn' selectors that select no applications": NOT_IN,
    "multiple 'NotIn' selectors remove Applications with mising labels on any match": NOT_IN,
    "multiple 'NotIn' selectors filter all matching Applications": NOT_IN,
    "multiple values in the same 'NotIn' matchExpression exclude a match from any value": NOT_IN,
    "in a mix of 'In' and 'NotIn' selectors, 'NotIn' takes precedence": NOT_IN,
    "Invalid Operator in MatchExpression is captured as validationIssue": (
        "there are no operators: a selector that cannot be read is refused"
    ),
}


def _waves(case: Case) -> list[dict[str, Any]] | None:
    """Return the waves that say the same; ``None``: a plan file cannot."""
    rules = [rule for step in case["steps"] for rule in step["match"]]
    if any(rule["op"] != "In" for rule in rules):
        return None
    return [
        {
            "name": f"step-{n}",
            "match": {"tags": {rule["key"]: rule["values"] for rule in step["match"]}},
            "maxConcurrency": "100%",
        }
        for n, step in enumerate(case["steps"])
    ]


def _steps_of(folder: Path, case: Case) -> dict[str, int] | None:
    """Return in which step everybody is; ``None``: the file, or the plan, is refused."""
    waves = _waves(case)
    if waves is None:
        return None
    made = peers.planned(folder, peers.strategy(waves=waves), peers.tagged(case["apps"]))
    if not isinstance(made, Plan):
        return None
    return {
        one.cluster_name: int(wave.name.removeprefix("step-"))
        for wave, some in made.by_wave()
        for one in some
    }


@pytest.mark.parametrize("case", peers.named(TABLES.get("stepSelection", ())))
def test_who_is_in_which_step(tmp_path: Path, case: Case) -> None:
    found = _steps_of(tmp_path, case)

    peers.compare(case["name"], found, case["expectStepOf"], differing=STEP_DIFFERING)


# --- who may go ---------------------------------------------------------------------------

SYNC_DIFFERING = {
    "handles an empty app dependency list": NO_WAVES,
    "handles missing applications with statuses": (
        "a cluster that is gone is in no wave, and keeps none from opening"
    ),
}


def _may_sync(folder: Path, case: Case) -> dict[str, bool] | None:
    """Return who has begun when those that are healthy have ended well; ``None``: refused."""
    step_of = {app: n for n, step in enumerate(case["steps"]) for app in step}
    apps = {app: {"step": str(step_of[app])} for app in case["currentApps"] if app in step_of}
    waves = [
        {
            "name": f"step-{n}",
            "match": {"tags": {"step": [str(n)]}},
            "maxConcurrency": "100%",
        }
        for n, _ in enumerate(case["steps"])
    ]
    made = peers.planned(folder, peers.strategy(waves=waves), peers.tagged(apps))
    if not isinstance(made, Plan):
        return None
    hand = Hand(opened(made)).settle()
    healthy = {one["app"] for one in case["status"] if one["status"] == "Healthy"}
    while well := [n for n in hand.in_flight if made.targets[n].cluster_name in healthy]:
        hand.end(well[0], Result.SUCCEEDED)
    begun = {*hand.state.active, *hand.state.results}
    return {made.targets[n].cluster_name: True for n in sorted(begun)}


@pytest.mark.parametrize("case", peers.named(TABLES.get("maySync", ())))
def test_who_may_go_when_others_are_healthy(tmp_path: Path, case: Case) -> None:
    found = _may_sync(tmp_path, case)

    peers.compare(case["name"], found, case["expectMaySync"], differing=SYNC_DIFFERING)


def test_every_difference_that_is_listed_is_a_case() -> None:
    steps = {one["name"] for one in TABLES.get("stepSelection", ())}
    syncs = {one["name"] for one in TABLES.get("maySync", ())}

    assert not TABLES or (STEP_DIFFERING.keys() <= steps and SYNC_DIFFERING.keys() <= syncs)
