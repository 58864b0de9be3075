from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from typing import Any

import pytest

from fleet.core import again, alike, policy
from fleet.model.cluster import (
    Cluster,
    Connectivity,
    ProvisioningState,
    UnreadExtension,
)
from fleet.model.desired import Desired, SettingsMode
from fleet.model.plan import Target
from fleet.model.scope import Unreachable
from tests.rig import rollouts
from tests.rig.fleets import OFFERED, automatic, cluster, extension, stores
from tests.rig.work import calls_of

OLD = extension("1.1.1", settings={"a": "1", "b": "2"})
HELD = {"Rollout": " Hold "}
FLEET: Sequence[Cluster] = [
    *stores(2, OLD),
    cluster("other-place", OLD, location="northeurope"),
    cluster("other-kind", OLD, distribution="openshift", kubernetes_version=None),
    cluster("away", OLD, connectivity=Connectivity.OFFLINE),
    cluster("held", OLD, tags=HELD),
    cluster("tagged", OLD, tags={"rollout": "on", "site": "7"}),
    cluster("bare"),
    cluster("newer", extension("1.2.3")),
    cluster("automatic", automatic("1.2.6")),
    cluster("in other order", extension("1.1.1", settings={"b": "2", "a": "1"})),
    cluster("protected", dataclasses.replace(OLD, protected_keys=("token",))),
    cluster("failed", dataclasses.replace(OLD, provisioning_state=ProvisioningState.FAILED)),
    cluster("system", dataclasses.replace(OLD, is_system=True)),
    cluster("two", OLD, extension("1.1.1", name="osm-2")),
    cluster("unread", unread=(UnreadExtension(name="osm", extension_type=None, why="odd"),)),
]


def one_by_one(clusters: Iterable[Cluster], **asked: Any) -> list[Target]:
    return [found for one in clusters for found in together([one], **asked)]


def together(
    clusters: Sequence[Cluster], wish: Desired, unreachable: Unreachable = Unreachable.DEFER
) -> list[Target]:
    return alike.judged(clusters, wish, there=offers(clusters, wish), unreachable=unreachable)


def offers(clusters: Sequence[Cluster], wish: Desired) -> Any:
    found = again.catalogues(wish, clusters, versions={"stable": OFFERED}, limits={})
    local = {"stable": {"northeurope": ("1.1.1", "1.2.3")}}
    return again.by_location(found, clusters, local=local)


@pytest.mark.parametrize(
    "wish",
    [
        rollouts.desired(),
        rollouts.desired(settings={"b": "1"}, settings_mode=SettingsMode.EXACT),
        rollouts.AUTO,
        rollouts.UNINSTALL,
    ],
)
@pytest.mark.parametrize("unreachable", Unreachable)
def test_each_needs_what_it_would_need_by_itself(wish: Desired, unreachable: Unreachable) -> None:
    there = offers(FLEET, wish)

    found = together(FLEET, wish, unreachable)

    assert found == [
        policy.judge(one, wish, catalogues=there[one.location], unreachable=unreachable)
        for one in FLEET
    ]
    # And what is written of them, in which order: equal maps may differ in that.
    assert repr(found) == repr(one_by_one(FLEET, wish=wish, unreachable=unreachable))


def test_clusters_that_are_alike_are_judged_once() -> None:
    """Names, stamps and tags are nobody else's: they are not what makes a kind."""
    fleet = [
        dataclasses.replace(
            one,
            tags={"site": one.name},
            agent_version=f"1.{n}",
            extensions=(
                dataclasses.replace(OLD, modified_at=one.name, settings={"k": f"{n % 3}"}),
            ),
        )
        for n, one in enumerate(stores(300))
    ]

    count = calls_of(lambda: together(fleet, rollouts.desired()), only=[policy.judge])

    assert count == 3
