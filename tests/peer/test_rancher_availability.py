"""Rancher Fleet's word for a target, and for a partition, that is not well."""

from __future__ import annotations

import pytest

from fleet.core import facts, proof
from fleet.core.proof import Proof, Reading
from fleet.model.statuses import Result
from tests.rig import peers
from tests.rig.byhand import Hand
from tests.rig.fleets import extension, opened, plan, target, wave
from tests.rig.peers import Case

TABLES = peers.tables("rancher_fleet_partitions")

DIFFERING = {
    "no deployment": "what we have written and is not there is not proved, and keeps its slot",
}
VERSIONS = {"123": "1.2.6", "456": "1.1.1"}


@pytest.mark.parametrize("case", peers.named(TABLES.get("targetAvailability", ())))
def test_a_target_is_well_when_what_was_asked_for_is_there(case: Case) -> None:
    """Ready is not enough: it must be ready with the new version."""
    before = extension("1.1.1")
    found = extension(VERSIONS[case["appliedId"]]) if "appliedId" in case else None
    reading = Reading(found=found, mark_before=facts.mark(before))

    verdict, _ = proof.prove(target(), 0, reading, error=None)

    peers.compare(
        case["name"], verdict is not Proof.PROVED, case["expectUnavailable"], differing=DIFFERING
    )


@pytest.mark.parametrize("case", peers.named(TABLES.get("partitionAvailability", ())))
def test_a_partition_is_held_up_by_more_failures_than_it_may_have(case: Case) -> None:
    count = len(case["available"])
    hand = Hand(opened(plan([wave(count, max_failures=case["maxUnavailable"])]))).settle()
    for n, is_well in enumerate(case["available"]):
        hand.end(n, Result.SUCCEEDED if is_well else Result.FAILED)

    found = hand.state.waves[0].is_breached
    peers.compare(case["name"], found, case["expectPartitionUnavailable"], differing=DIFFERING)


def test_every_difference_that_is_listed_is_a_case() -> None:
    names = {one["name"] for one in TABLES.get("targetAvailability", ())}

    assert not TABLES or DIFFERING.keys() <= names
