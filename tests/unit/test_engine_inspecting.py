"""Looking into clusters through the port: what is told where one is not reached; how many."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from fleet.core import checkups, looks
from fleet.core.checkups import Inspection, Tally
from fleet.core.looks import Subject
from fleet.engine import inspecting
from fleet.engine.inspecting import Inspector
from fleet.engine.nowhere import Nowhere
from fleet.errors import ClusterError
from fleet.model.cluster import ClusterId
from fleet.model.inside import CheckResult, Severity, Verdict
from tests.rig import insights
from tests.rig.insights import SYSTEM, Cluster, Fleet

RULES = insights.rules()
KB = 1024


def inspector(cluster: Cluster) -> Inspector:
    return Inspector(Fleet({insights.STORE: cluster}))


async def test_looks_are_the_same_through_the_port() -> None:
    cluster, subject = insights.healthy(), insights.subject()
    cluster.put("pods", insights.app_pod("bare-1", image=None))

    found = await inspector(cluster).inspect(subject, RULES)

    assert found == looks.judge(RULES, subject, cluster.seen(RULES, subject))
    assert [one.check for one in found if one.verdict is not Verdict.PASSED] == [
        "new-pod-injection"
    ]


async def test_warnings_alone_bar_nothing() -> None:
    warnings = looks.graded(RULES, is_warn_only=True)
    found = await inspector(Cluster()).inspect(insights.subject(), warnings)

    assert {one.severity for one in found} == {Severity.WARN}
    assert not any(one.is_barrier for one in found)


async def test_a_cluster_that_cannot_be_opened_is_unknown_and_its_message_told_once() -> None:
    cluster = Cluster(trouble="store-1: no route to host")

    found = await inspector(cluster).inspection(insights.subject(), RULES[:4])

    assert found == Inspection(
        is_reached=False,
        results=(
            CheckResult(
                check="azure-arc-agents",
                severity=Severity.GATE,
                verdict=Verdict.UNKNOWN,
                detail="store-1: no route to host",
            ),
            CheckResult(
                check="cluster-identity",
                severity=Severity.WARN,
                verdict=Verdict.UNKNOWN,
                detail="the cluster was not reached",
            ),
            CheckResult(
                check="arm-provisioning",
                severity=Severity.GATE,
                verdict=Verdict.PASSED,
                evidence={"provisioningState": "Succeeded", "currentVersion": "1.2.6"},
            ),
            CheckResult(
                check="helm-release",
                severity=Severity.WARN,
                verdict=Verdict.UNKNOWN,
                detail="the cluster was not reached",
            ),
        ),
    )


async def test_a_cluster_that_falls_silent_halfway_is_not_reached() -> None:
    cluster = insights.healthy()
    reads = 0

    def silent(found: Any) -> Any:
        nonlocal reads
        reads += 1
        if reads > 20:
            msg = "it does not answer any more"
            raise ClusterError(msg)
        return found

    cluster.spoil = silent

    found = await inspector(cluster).inspection(insights.subject(), RULES)

    assert found.is_reached is False
    assert found.results[0].detail == "it does not answer any more"


async def test_one_kind_that_may_not_be_read_leaves_the_others() -> None:
    cluster = insights.healthy()
    cluster.forbidden = frozenset({"secrets"})

    found = await inspector(cluster).inspect(insights.subject(), RULES)

    assert {one.check: one.severity for one in found if one.verdict is not Verdict.PASSED} == {
        "helm-release": Severity.WARN
    }


async def test_nothing_is_opened_for_what_azure_says() -> None:
    fleet = Fleet({})

    found = await Inspector(fleet).inspection(
        insights.subject(), insights.rules("arm-provisioning")
    )

    assert (found.is_reached, found.results[0].verdict) == (None, Verdict.PASSED)


async def test_without_a_way_into_clusters_only_azure_is_believed() -> None:
    found = await Inspector(Nowhere()).inspect(
        insights.subject(), insights.rules("azure-arc-agents", "arm-provisioning")
    )

    assert [(one.verdict, one.detail) for one in found] == [
        (Verdict.UNKNOWN, "store-1: the plan file says nothing of how clusters are reached"),
        (Verdict.PASSED, ""),
    ]


async def test_the_configuration_of_a_mesh_is_kept_as_canonical_json() -> None:
    cluster = insights.healthy()
    there = await inspector(cluster).mesh_config(insights.STORE)
    cluster.remove("meshconfigs", "osm-mesh-config", SYSTEM)
    gone = await inspector(cluster).mesh_config(insights.STORE)

    assert there == (
        '{"certificate":{"certKeyBitSize":2048,"serviceCertValidityDuration":"24h"},'
        '"sidecar":{"logLevel":"error","maxDataPlaneConnections":0},'
        '"traffic":{"enableEgress":true,"outboundPortExclusionList":[6379]}}'
    )
    assert gone is None


async def test_a_snapshot_of_a_cluster_that_cannot_be_reached_is_an_error() -> None:
    with pytest.raises(ClusterError, match="no route"):
        await inspector(Cluster(trouble="no route")).mesh_config(insights.STORE)


# --- many --------------------------------------------------------------------------------


def many(count: int) -> list[Subject]:
    return [
        insights.subject(
            cluster_id=ClusterId(f"{insights.STORE}-{n}"), cluster_name=f"store-{n:03}"
        )
        for n in range(count)
    ]


async def test_clusters_are_looked_into_by_so_many_at_once_and_read_as_they_come() -> None:
    subjects, taken, told = many(50), 0, list[Tally]()
    fleet = Fleet({one.cluster_id: insights.healthy(one.cluster_id) for one in subjects})
    ahead = []

    def one_by_one() -> Iterator[Subject]:
        nonlocal taken
        for one in subjects:
            taken += 1
            ahead.append(taken - len(told))
            yield one

    await inspecting.check_all(
        one_by_one(), RULES, inspector=Inspector(fleet), workers=4, tell=told.append
    )

    assert sorted(one.cluster_name for one in told) == [one.cluster_name for one in subjects]
    assert (fleet.opened_count, fleet.open_count) == (50, 0)
    assert fleet.most_open == 4
    assert max(ahead) <= 4


async def test_of_a_cluster_only_what_is_wrong_is_kept() -> None:
    well, ill, lost = many(3)
    crashing = insights.healthy(ill.cluster_id)
    crashing.remove("deployments", "osm-controller", SYSTEM)
    fleet = Fleet(
        {
            well.cluster_id: insights.healthy(well.cluster_id),
            ill.cluster_id: crashing,
            lost.cluster_id: Cluster(trouble="no route"),
        }
    )
    told: list[Tally] = []

    await inspecting.check_all(
        [well, ill, lost], RULES, inspector=Inspector(fleet), workers=2, tell=told.append
    )

    told.sort(key=lambda one: one.cluster_name)
    assert [
        (
            one.is_reached,
            (one.passed, one.failed, one.unknown, one.not_applicable),
            [(bad.check, bad.detail) for bad in one.troubles],
            one.is_barred,
            one.has_failed,
        )
        for one in told
    ] == [
        (True, (25, 0, 0, 0), [], False, False),
        (
            True,
            (24, 1, 0, 0),
            [
                (
                    "controller-deployment",
                    (
                        "there is no deployment osm-controller in arc-osm-system: "
                        "install the extension again"
                    ),
                )
            ],
            True,
            True,
        ),
        (False, (1, 0, 24, 0), [("azure-arc-agents", "no route")], True, False),
    ]


def test_a_warning_bars_nothing_and_a_gate_that_is_unknown_does() -> None:
    results = [
        CheckResult(check="a", severity=Severity.WARN, verdict=Verdict.FAILED, detail="x"),
        CheckResult(check="b", severity=Severity.GATE, verdict=Verdict.UNKNOWN, detail="y"),
    ]
    subject = insights.subject()

    warned, unknown = (
        checkups.tally(subject, Inspection(results=tuple(some))) for some in (results[:1], results)
    )

    assert [(one.is_barred, one.has_failed) for one in (warned, unknown)] == [
        (False, False),
        (True, True),
    ]


def test_a_thousand_pods_with_sidecars_are_kept_in_64_kilobytes() -> None:
    cluster = insights.healthy()
    for n in range(1_000):
        cluster.put("pods", insights.app_pod(f"app{n % 100}-{n}"))
    subject = insights.subject()

    seen = cluster.seen(RULES, subject)

    assert _size([sight.objects for sight in seen.values()]) < 64 * KB


def _size(found: Any, known: set[int] | None = None) -> int:
    """Return how much memory values take, each object once."""
    known = set() if known is None else known
    if id(found) in known:
        return 0
    known.add(id(found))
    own = sys.getsizeof(found)
    if isinstance(found, dict):
        return own + sum(_size(one, known) for pair in found.items() for one in pair)
    if isinstance(found, list | tuple | frozenset):
        return own + sum(_size(one, known) for one in found)
    assert not dataclasses.is_dataclass(found)
    return own
