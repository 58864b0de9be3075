"""KubeFleet's staged updates: who is in which stage, and how many of it at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from fleet.errors import InputError
from fleet.model.plan import Plan
from tests.rig import peers
from tests.rig.peers import Case

TABLES = peers.tables("kubefleet_staged")

DIFFERING = {
    "integer value - greater than cluster count": "clamped to all there are, with a warning",
    "zero clusters": "a wave without targets is skipped",
    "non-zero percentage with zero clusters": "a wave without targets is skipped",
    "non-integer sorting label is an error": "a sort key takes any text, numbers in it by size",
}


@pytest.mark.parametrize("case", peers.named(TABLES.get("maxConcurrency", ())))
def test_how_many_of_a_stage_at_once(tmp_path: Path, case: Case) -> None:
    wave = peers.wave_of(tmp_path, case["clusters"], maxConcurrency=case["maxConcurrency"])

    found = wave.max_concurrency if wave else "refused"
    theirs = "refused" if case["expectError"] else case["expect"]
    peers.compare(case["name"], found, theirs, differing=DIFFERING)


@pytest.mark.parametrize("case", peers.named(TABLES.get("stageAssignment", ())))
def test_who_is_in_which_stage(tmp_path: Path, case: Case) -> None:
    keys = {f"tag:{one['sortingLabelKey']}" for one in case["stages"] if "sortingLabelKey" in one}
    waves = [
        {
            "name": one["name"],
            "match": {"tags": {name: [value] for name, value in one["selector"].items()}},
        }
        for one in case["stages"]
    ]
    block = peers.strategy(waves=waves, strictSelection=True, sortKey=sorted(keys) or None)

    made = peers.planned(tmp_path, block, peers.tagged(case["clusters"]))

    found: object = made
    if isinstance(made, Plan):
        by_wave = {wave.name: [one.cluster_name for one in some] for wave, some in made.by_wave()}
        found = [by_wave.get(one["name"], []) for one in case["stages"]]
    theirs: object = case.get("expectOrder")
    if theirs is None:
        # Their words are their own; whom they name, ours must too.
        theirs = {name for name in case["clusters"] if name in case["expectError"]}
        is_told = isinstance(made, InputError)
        found = {name for name in case["clusters"] if name in str(made)} if is_told else found
    peers.compare(case["name"], found, theirs, differing=DIFFERING)


def test_every_difference_that_is_listed_is_a_case() -> None:
    tables = ("maxConcurrency", "stageAssignment")
    names = {one["name"] for key in tables for one in TABLES.get(key, ())}

    assert not TABLES or DIFFERING.keys() <= names
