"""Azure Kubernetes Fleet Manager's examples: caps and budgets of a stage and of its groups."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.rig import peers
from tests.rig.peers import Case

TABLES = peers.tables("aks_fleet_examples")

FLOOR = "what may fail is rounded down, to the safe side; there it is rounded up"
DIFFERING = {
    "groupA 50%, groupB 25%, stage 25%": "one cap holds for every value of a label",
    "25% of 5": FLOOR,
    "25% of 19": FLOOR,
    "25% of 7": FLOOR,
}


def _caps_name(case: Case) -> str:
    groups = ", ".join(f"{name} {one['max']}" for name, one in case["groups"].items())
    return f"{groups}, stage {case['stage']}"


def _budget_name(case: Case) -> str:
    return f"{case['value']} of {case['clusters']}"


CAPS = TABLES.get("maxConcurrency", {}).get("cases", ())
BUDGETS = TABLES.get("maxAllowedFailures", {}).get("cases", ())


@pytest.mark.parametrize("case", peers.named(CAPS, _caps_name))
def test_caps_of_a_stage_and_of_its_groups_hold_together(tmp_path: Path, case: Case) -> None:
    name = _caps_name(case)

    peers.compare(name, _at_once(tmp_path, case), case["expect"], differing=DIFFERING)


def _at_once(folder: Path, case: Case) -> dict[str, int] | None:
    """Return the caps as they are resolved; ``None``: a plan file cannot say it."""
    caps = {one["max"] for one in case["groups"].values()}
    if len(caps) != 1:
        return None
    tags = {
        f"{group}-{n:02}": {"group": group}
        for group, one in case["groups"].items()
        for n in range(one["clusters"])
    }
    wave = {"name": "stage", "size": "rest", "maxConcurrency": peers.whole(case["stage"])}
    spread = {"by": "tag:group", "maxConcurrency": peers.whole(caps.pop())}
    plan = peers.plan_of(folder, peers.strategy(waves=[wave], spread=[spread]), peers.tagged(tags))
    groups: dict[str, Any] = {one.value: one.max_concurrency for one in plan.head.spreads[0].groups}
    found = {"total": plan.head.waves[0].effective_concurrency, **groups}
    # Values of a label are compared, and kept, without case.
    return {key: found[key.lower()] for key in case["expect"]}


@pytest.mark.parametrize("case", peers.named(BUDGETS, _budget_name))
def test_how_many_of_a_group_may_fail(tmp_path: Path, case: Case) -> None:
    wave = peers.wave_of(tmp_path, case["clusters"], maxFailures=peers.whole(case["value"]))

    found = wave.max_failures if wave else None
    peers.compare(_budget_name(case), found, case["expect"], differing=DIFFERING)


def test_every_difference_that_is_listed_is_a_case() -> None:
    names = {*map(_caps_name, CAPS), *map(_budget_name, BUDGETS)}

    assert not TABLES or DIFFERING.keys() <= names
