"""Open Cluster Management's helpers: sizes, timeouts, and how groups are called."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.rig import peers
from tests.rig.peers import Case

TABLES = peers.tables("ocm_helpers")

UNSAID = "there is no word for no deadline: leave the key out for the default"
DIFFERING = {
    "maxConcurrency type is int 0": "zero is refused, and does not mean all at once",
    "maxConcurrency type is string with percentage but out of range": (
        "more than all there are is refused, and does not mean all at once"
    ),
    '"None" timeout (None)': UNSAID,
    "Empty string timeout ()": UNSAID,
    "Invalid format (2d)": "days are a unit too",
    "Invalid numeric value (2d0s)": "days are a unit too",
    "Only GroupIndex is set": "a wave has a name: a place changes its meaning with the file",
    "Both GroupName and GroupIndex are empty": "a wave has a name",
    "Empty MandatoryDecisionGroup": "a strategy without waves is refused",
}


@pytest.mark.parametrize("case", peers.named(TABLES.get("calculateRolloutSize", ())))
def test_what_a_size_comes_to(tmp_path: Path, case: Case) -> None:
    found = peers.run_concurrency(tmp_path, case["maxThreshold"], case["total"])

    theirs = None if case["expectError"] else case["expect"]
    peers.compare(case["name"], found, theirs, differing=DIFFERING)


def _timeout_name(case: Case) -> str:
    return f"{case['name']} ({case['input']})"


@pytest.mark.parametrize("case", peers.named(TABLES.get("parseTimeout", ()), _timeout_name))
def test_what_a_deadline_means(tmp_path: Path, case: Case) -> None:
    rollout = peers.read(tmp_path, peers.strategy(progressDeadline=case["input"]))

    found = rollout.strategy.progress_deadline.total_seconds() if rollout else "refused"
    theirs = "unbounded" if case["expectUnbounded"] else case["expectSeconds"]
    theirs = "refused" if case["expectError"] else theirs
    peers.compare(_timeout_name(case), found, theirs, differing=DIFFERING)


@pytest.mark.parametrize("case", peers.named(TABLES.get("decisionGroupsToGroupKeys", ())))
def test_what_groups_are_called(tmp_path: Path, case: Case) -> None:
    waves = [
        {"match": {"tags": {"group": [str(one["index"])]}}}
        | ({"name": one["name"]} if one["name"] else {})
        for one in case["input"]
    ]

    rollout = peers.read(tmp_path, peers.strategy(waves=waves))

    found = (
        [{"name": rule.name, "index": 0} for rule in rollout.strategy.waves]
        if rollout
        else "refused"
    )
    peers.compare(case["name"], found, case["expect"], differing=DIFFERING)


def test_every_difference_that_is_listed_is_a_case() -> None:
    tables = ("calculateRolloutSize", "decisionGroupsToGroupKeys")
    names = {one["name"] for key in tables for one in TABLES.get(key, ())}
    names |= {_timeout_name(one) for one in TABLES.get("parseTimeout", ())}

    assert not TABLES or DIFFERING.keys() <= names
