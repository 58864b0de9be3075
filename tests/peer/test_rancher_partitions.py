"""Rancher Fleet's partitions: waves that are cut by size, and waves by selector."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from fleet.model.plan import Plan
from tests.rig import fleets, peers
from tests.rig.peers import Case

TABLES = peers.tables("rancher_fleet_partitions")

REFUSED = "zero at once is refused in the plan file: nothing would ever happen"
NOBODY = "a wave without targets is skipped, so there is nothing to be at least one of"
DIFFERING = {
    "with value with zero count": NOBODY,
    "fixed value with negative count": NOBODY,
    "percent value 150": "more than all there are is refused: it is a slip of the fingers",
    "negative percent value": "a share below zero is refused",
    "no value should match count": "where nothing is said one is changed at a time, not all",
    "zero should be zero": REFUSED,
    "maxNew of 0 creates no new deployments": REFUSED,
    "nil maxNew uses default of 50": "where nothing is said one is changed at a time",
    "selectors that match more than once should lead to having targets in multiple partitions": (
        "a target is in one wave, the first, with a warning; or it is an error"
    ),
    "doesn't put unmatched clusters in separate partitions at the end using AutoPartitionSize": (
        "a target in no wave is an error, and never left out in silence"
    ),
}


def cut(folder: Path, case: Case) -> Plan:
    """Plan partitions of one size: a ramp-up that does not grow, from the threshold on."""
    found = case.get("rolloutStrategy", case)
    size = found.get("autoPartitionSize", "25%")
    threshold, count = found.get("autoPartitionThreshold", 200), case["targets"]
    is_cut = 0 < threshold <= count
    wave = {"name": "all", "size": "rest", "maxConcurrency": found.get("maxUnavailable", "100%")}
    ramp = {"rampUp": {"from": size, "factor": 1}} if is_cut else {}
    return peers.plan_of(folder, peers.strategy(waves=[wave | ramp]), peers.clusters(count))


@pytest.mark.parametrize("case", peers.named(TABLES.get("autoPartition", ())))
def test_partitions_of_one_size(tmp_path: Path, case: Case) -> None:
    found, last = [], 0
    for wave in cut(tmp_path, case).head.waves:
        last += wave.target_count
        found.append(
            {
                "firstTarget": last - wave.target_count + 1,
                "lastTarget": last,
                "size": wave.target_count,
                "maxUnavailable": wave.max_concurrency,
            }
        )

    peers.compare(case["name"], found, case["expectPartitions"], differing=DIFFERING)


@pytest.mark.parametrize("case", peers.named(TABLES.get("docsScenarios", ())))
def test_the_scenarios_of_its_documentation(tmp_path: Path, case: Case) -> None:
    sizes = [wave.target_count for wave in cut(tmp_path, case).head.waves]

    peers.compare(case["name"], sizes, case["expectSizes"], differing=DIFFERING)


def _wave(n: int, partition: Case) -> dict[str, Any]:
    wave: dict[str, Any] = {"name": f"w{n}", "maxConcurrency": "100%"}
    if "clusterName" in partition:
        return wave | {"targets": [partition["clusterName"]]}
    if "clusterGroup" in partition:
        return wave | {"match": {"tags": {"in-group": [partition["clusterGroup"]]}}}
    selector = {name: [value] for name, value in partition["clusterSelector"].items()}
    return wave | {"match": {"tags": selector}}


@pytest.mark.parametrize("case", peers.named(TABLES.get("manualPartition", ())))
def test_partitions_by_name_group_and_selector(tmp_path: Path, case: Case) -> None:
    ids = {}
    clusters = []
    for one in case["targets"]:
        groups = {"in-group": one["clusterGroups"][0]} if "clusterGroups" in one else {}
        cluster = fleets.cluster(
            one.get("cluster") or f"c{one['id']:03}",
            fleets.extension("1.2.3"),
            group=f"rg{one['id']:03}",
            tags=one.get("labels", {}) | groups,
        )
        ids[cluster.id] = one["id"]
        clusters.append(cluster)
    waves = [_wave(n, one) for n, one in enumerate(case["partitions"])]

    made = peers.planned(tmp_path, peers.strategy(waves=waves), clusters)

    found: object = made
    if isinstance(made, Plan):
        found = [
            {"ids": [ids[one.cluster_id] for one in some], "maxUnavailable": wave.max_concurrency}
            for wave, some in made.by_wave()
        ]
    peers.compare(case["name"], found, case["expectPartitions"], differing=DIFFERING)


@pytest.mark.parametrize("case", peers.named(TABLES.get("limit", ())))
def test_whose_number_holds_and_what_it_comes_to(tmp_path: Path, case: Case) -> None:
    own, of_all = [*case["values"], None, None][:2]
    keys = {} if of_all is None else {"waveMaxConcurrency": of_all}
    if case["values"]:
        wave = peers.wave_of(tmp_path, case["count"], maxConcurrency=own, **keys)
        found = wave.max_concurrency if wave else None
    else:
        found = peers.run_concurrency(tmp_path, None, case["count"])

    peers.compare(case["name"], found, case["expect"], differing=DIFFERING)


@pytest.mark.parametrize("case", peers.named(TABLES.get("maxUnavailable", ())))
def test_how_many_may_be_unavailable(tmp_path: Path, case: Case) -> None:
    found = peers.run_concurrency(tmp_path, case["maxUnavailable"], case["targets"])

    peers.compare(case["name"], found, case["expect"], differing=DIFFERING)


@pytest.mark.parametrize("case", peers.named(TABLES.get("maxNew", ())))
def test_how_many_are_new_at_once(tmp_path: Path, case: Case) -> None:
    found = peers.run_concurrency(tmp_path, case["maxNew"], case["targets"])

    peers.compare(case["name"], found, case["expectCreatedInOneReconcile"], differing=DIFFERING)


def test_every_difference_that_is_listed_is_a_case() -> None:
    names = [one["name"] for table in TABLES.values() if isinstance(table, list) for one in table]

    assert not TABLES or DIFFERING.keys() <= set(names)
