"""Extensions that cannot be read: who is stopped by them, and who is only told."""

from __future__ import annotations

import dataclasses

import pytest

from fleet.core import planner, unread
from fleet.model import codec
from fleet.model.cluster import Cluster, Extension, UnreadExtension
from fleet.model.desired import Desired
from fleet.model.plan import Action
from tests.rig import rollouts
from tests.rig.fleets import MESH_TYPE, PLAIN, cluster, extension, inventory

WHY = "autoUpgradeMode is missing or cannot be read"
MESH = rollouts.desired()
FREE = rollouts.desired(profile=dataclasses.replace(PLAIN, instance_name="plain"), name="plain")
"""Several instances may be there, under names of their own."""


def odd(name: str | None, kind: str | None) -> UnreadExtension:
    return UnreadExtension(name=name, extension_type=kind, why=WHY)


def holding(one: UnreadExtension, *found: Extension, name: str = "store-1") -> Cluster:
    return dataclasses.replace(cluster(name, *found), unread=(one,))


@pytest.mark.parametrize(
    ("wish", "one", "is_stopped"),
    [
        pytest.param(MESH, odd("osm", MESH_TYPE), True, id="type and name"),
        pytest.param(MESH, odd("mesh-2", MESH_TYPE.upper()), True, id="type"),
        pytest.param(MESH, odd("OSM", "microsoft.flux"), True, id="name"),
        pytest.param(MESH, odd(None, None), True, id="it may be anything"),
        pytest.param(MESH, odd("flux", None), True, id="it may be the one instance"),
        pytest.param(MESH, odd("flux", "microsoft.flux"), False, id="another type and name"),
        pytest.param(MESH, odd(None, "microsoft.flux"), False, id="another type"),
        pytest.param(FREE, odd("flux", None), False, id="another name, of several"),
        pytest.param(FREE, odd("other", "contoso.plain"), True, id="type, of several"),
    ],
)
def test_what_may_be_meant_stops_its_cluster_and_all_else_is_counted(
    wish: Desired, one: UnreadExtension, is_stopped: bool
) -> None:
    clusters = (holding(one), cluster("store-2"))
    named = f"extension {one.name}" if one.name else "an extension"

    plan = planner.plan(rollouts.rollout(wish=wish), inventory(clusters))
    warnings = [one for one in plan.head.warnings if "cannot be read" in one]

    targets = {target.cluster_name: target for target in plan.targets}
    assert targets["store-2"].action is Action.INSTALL
    if is_stopped:
        blocked = targets["store-1"]
        reason = f"what Azure says of {named} cannot be read: {WHY}"
        assert (blocked.action, blocked.reason) == (Action.BLOCKED, reason)
        assert warnings == []
    else:
        assert targets["store-1"].action is Action.INSTALL
        (warning,) = warnings
        assert warning == (
            "what Azure says of other extensions cannot be read: 1 on 1 of the clusters, such as "
            f"{named} on store-1: {WHY}"
        )


def test_one_that_can_be_read_does_not_make_up_for_one_that_cannot() -> None:
    """Where it is as wished, too: a second mesh may be there."""
    there = holding(odd("osm-2", MESH_TYPE), extension("1.2.6"))

    for wish in (MESH, rollouts.AUTO, rollouts.UNINSTALL):
        (target,) = planner.plan(rollouts.rollout(wish=wish), inventory([there])).targets
        assert target.action is Action.BLOCKED


def test_a_warning_counts_and_does_not_list() -> None:
    other = odd("flux", "microsoft.flux")
    clusters = [holding(other, name=f"c{n:03}") for n in range(500)]
    clusters[7] = dataclasses.replace(clusters[7], unread=(other, other))

    (warning,) = unread.warnings(clusters, MESH)

    assert "501 on 500 of the clusters, such as extension flux on c000: " in warning
    assert unread.warnings(clusters, MESH, are_meant=True) == ()


def test_a_cluster_without_any_is_written_as_before() -> None:
    assert "unread" not in codec.to_json(cluster())
    assert "unread" in codec.to_json(holding(odd("osm", None)))
