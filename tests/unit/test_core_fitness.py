from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from fleet.core import planner
from fleet.model.cluster import (
    Cluster,
    Extension,
    ProvisioningState,
    UnsupportedKubernetes,
    VersionLimits,
)
from fleet.model.plan import Action, Target
from tests.rig import fleets, rollouts
from tests.rig.fleets import automatic, cluster, extension


def limits(*ranges: str, distributions: tuple[str, ...] = (), **fields: Any) -> VersionLimits:
    unsupported = (UnsupportedKubernetes(distributions=distributions, ranges=ranges),)
    return VersionLimits(unsupported=unsupported if ranges else (), **fields)


def judged(one: Cluster, limited: dict[str, VersionLimits], **wishes: Any) -> Target:
    found = fleets.inventory([one])
    found = dataclasses.replace(found, version_limits={"stable": limited})
    wish = rollouts.desired(**{"version": "1.2.6", **wishes})
    return planner.plan(rollouts.rollout(wish=wish), found).targets[0]


def on(kubernetes: str | None, *found: Extension, distribution: str = "rancher_rke") -> Cluster:
    return cluster("c", *found, kubernetes_version=kubernetes, distribution=distribution)


@pytest.mark.parametrize(
    ("kubernetes", "text"),
    [
        ("1.23.0", ">1.22"),
        ("v1.20.4+k3s1", "1.18..1.21"),
        ("1.19.16", "<1.20"),
        ("1.25.3", "1.25.3"),
    ],
)
def test_a_version_that_excludes_the_clusters_kubernetes_is_blocked(
    kubernetes: str, text: str
) -> None:
    target = judged(on(kubernetes), {"1.2.6": limits(text)})

    assert (target.action, target.steps) == (Action.BLOCKED, ())
    assert target.reason == (
        f"version 1.2.6 does not support Kubernetes {kubernetes}: "
        f"the service excludes {text} on any cluster"
    )


@pytest.mark.parametrize(
    ("kubernetes", "text"),
    [("1.22.9", ">1.22"), ("1.22.0", "1.18..1.21"), ("1.20.0", "<1.20"), ("1.25.4", "1.25.3")],
)
def test_a_version_outside_of_the_range_passes(kubernetes: str, text: str) -> None:
    assert judged(on(kubernetes), {"1.2.6": limits(text)}).action is Action.INSTALL


def test_a_range_counts_for_the_distributions_that_it_names() -> None:
    limited = {"1.2.6": limits(">1.20", distributions=("openshift",))}

    assert judged(on("1.30.1"), limited).action is Action.INSTALL
    blocked = judged(on("1.30.1", distribution="OpenShift"), limited)
    assert blocked.action is Action.BLOCKED
    assert blocked.reason.endswith("the service excludes >1.20 on openshift clusters")


def test_what_is_not_known_blocks_nothing() -> None:
    everything = limits(">0.1")

    assert judged(on(None), {"1.2.6": everything}).action is Action.INSTALL
    assert judged(on("(devel)"), {"1.2.6": everything}).action is Action.INSTALL
    assert judged(on("1.30.1"), {"1.2.6": limits("~1.30")}).action is Action.INSTALL
    assert judged(on("1.30.1"), {"1.1.1": everything}).action is Action.INSTALL


def test_a_version_for_other_kinds_of_clusters_is_blocked() -> None:
    ours, other = ("connectedclusters", "managedclusters"), ("managedclusters",)

    assert judged(on("1.30.1"), {"1.2.6": limits(cluster_types=ours)}).action is Action.INSTALL
    blocked = judged(on("1.30.1"), {"1.2.6": limits(cluster_types=other)})
    assert (blocked.action, blocked.reason) == (
        Action.BLOCKED,
        "version 1.2.6 is not made for connected clusters",
    )


def test_a_version_on_the_way_counts_as_well() -> None:
    """From 1.0.0 the mesh goes by 1.1.1, which does not run there."""
    target = judged(on("1.30.1", extension("1.0.0")), {"1.1.1-1": limits(">1.25")})

    assert target.action is Action.BLOCKED
    assert "version 1.1.1-1 does not support Kubernetes 1.30.1" in target.reason


def test_a_version_that_is_there_already_may_be_pinned_and_needs_nothing() -> None:
    limited = {"1.2.6": limits(">1.25")}

    assert judged(on("1.30.1", extension("1.2.6")), limited).action is Action.NO_CHANGE
    assert judged(on("1.30.1", automatic("1.2.6")), limited).action is Action.PIN


def test_a_failed_one_is_not_installed_again_where_it_cannot_run() -> None:
    failed = extension("1.2.6", provisioning_state=ProvisioningState.FAILED)

    assert judged(on("1.30.1", failed), {"1.2.6": limits(">1.25")}).action is Action.BLOCKED


def test_latest_is_not_replaced_by_an_older_version() -> None:
    target = judged(on("1.30.1"), {"1.2.6": limits(">1.25")}, version="latest")

    assert target.action is Action.BLOCKED
    assert "version 1.2.6 does not support" in target.reason
