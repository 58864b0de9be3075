"""Policies that would undo a plan: whom they block, whom they leave alone, and what is told."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from fleet.core import planner
from fleet.model.cluster import (
    AutoUpgrade,
    Cluster,
    Extension,
    PolicyAssignment,
    PolicyDeployment,
)
from fleet.model.desired import Desired, SettingsMode
from fleet.model.plan import Action, Plan
from tests.rig import fleets, rollouts
from tests.rig.fleets import automatic, cluster, extension
from tests.rig.rollouts import AUTO, UNINSTALL, desired

ROOT = "/providers/Microsoft.Management/managementGroups/root"
LEFT = "/providers/Microsoft.Management/managementGroups/left"
WHOSE_MOVE = (
    "whoever owns the assignment can exclude the cluster or stop enforcing it; "
    "or name it under acknowledge.policies"
)
OSM = PolicyDeployment(
    extension_type="Microsoft.OpenServiceMesh",
    effect="DeployIfNotExists",
    auto_upgrade=AutoUpgrade.COMPATIBLE,
)
HERE = cluster()
SUBSCRIPTION, GROUP = HERE.id.split("/resourceGroups/")[0], HERE.id.split("/providers/")[0]


def assigned(deployment: PolicyDeployment = OSM, **changes: Any) -> PolicyAssignment:
    scope = changes.get("scope", SUBSCRIPTION)
    defaults: dict[str, Any] = {
        "id": f"{scope}/providers/Microsoft.Authorization/policyAssignments/deploy-osm",
        "name": "deploy-osm",
        "display_name": "",
        "scope": scope,
        "deployments": (deployment,),
    }
    return PolicyAssignment(**(defaults | changes))


def planned(
    *policies: PolicyAssignment,
    wish: Desired = UNINSTALL,
    found: Extension | None = None,
    where: Cluster = HERE,
    acknowledged: tuple[str, ...] = (),
    groups: dict[str, tuple[str, ...]] | None = None,
) -> Plan:
    place = dataclasses.replace(where, extensions=(found or extension("1.2.3"),))
    seen = dataclasses.replace(
        fleets.inventory([place]), policies=policies, management_groups=groups or {}
    )
    rollout = rollouts.rollout(wish=wish, spread=rollouts.strategy(max_concurrency=1))
    return planner.plan(dataclasses.replace(rollout, acknowledged_policies=acknowledged), seen)


def actions(plan: Plan) -> list[Action]:
    return [one.action for one in plan.targets]


def test_an_uninstall_that_a_policy_would_undo_is_blocked_and_says_whose_move_it_is() -> None:
    policy = assigned(display_name="Mesh everywhere")
    plan = planned(policy)
    (target,) = plan.targets

    assert (target.action, target.steps, target.wave, target.diff, target.rollback) == (
        Action.BLOCKED,
        (),
        None,
        (),
        None,
    )
    assert target.reason == (
        f'policy assignment "Mesh everywhere" {policy.id} would install it again: {WHOSE_MOVE}'
    )
    assert (plan.change_count, plan.head.waves, plan.head.warnings) == (0, (), ())


@pytest.mark.parametrize("name", ["deploy-osm", "Deploy-OSM", assigned().id.upper()])
def test_what_the_plan_file_acknowledges_is_done_and_told(name: str) -> None:
    policy = assigned()
    plan = planned(policy, acknowledged=(name,))

    assert actions(plan) == [Action.UNINSTALL]
    told = f"policy assignment {policy.id} is acknowledged: it would install it again"
    assert plan.head.warnings == (f"{told}, on 1 of the clusters to be changed",)


def test_one_acknowledged_assignment_does_not_speak_for_another() -> None:
    other = assigned(name="other", id=f"{SUBSCRIPTION}/policyAssignments/other")
    plan = planned(assigned(), other, acknowledged=("deploy-osm",))

    assert actions(plan) == [Action.BLOCKED]
    assert plan.targets[0].reason.startswith(f"policy assignment {other.id} would install it again")
    assert plan.head.warnings == ()


def test_an_acknowledgement_that_nothing_answers_to_is_told() -> None:
    plan = planned(acknowledged=("gone",))

    assert actions(plan) == [Action.UNINSTALL]
    assert plan.head.warnings == (
        "acknowledge.policies: gone: no such assignment deploys this extension",
    )


PIN = dataclasses.replace(OSM, auto_upgrade=AutoUpgrade.NONE, version="1.2.6")
SET = dataclasses.replace(OSM, settings={"a": "1", "b": "2"})
UNKNOWN = dataclasses.replace(OSM, auto_upgrade=None)
WITH_SETTING = desired(version=None, settings={"a": "1"})


@pytest.mark.parametrize(
    ("deployment", "wish", "found", "deed"),
    [
        (OSM, UNINSTALL, None, "install it again"),
        (OSM, desired(), None, "set auto-upgrade compatible while it is not Succeeded"),
        (PIN, desired(), None, None),
        (
            dataclasses.replace(PIN, version="1.1.1"),
            desired(),
            None,
            "pin 1.1.1 while it is not Succeeded",
        ),
        (
            dataclasses.replace(PIN, version=None),
            desired(),
            None,
            "pin a version of its own while it is not Succeeded",
        ),
        (
            UNKNOWN,
            AUTO,
            None,
            "set a version or auto-upgrade of its own while it is not Succeeded",
        ),
        (OSM, AUTO, None, None),
        (PIN, AUTO, None, "pin 1.2.6 while it is not Succeeded"),
        (OSM, WITH_SETTING, automatic("1.2.3"), "replace its settings while it is not Succeeded"),
        (SET, WITH_SETTING, automatic("1.2.3"), None),
        (
            SET,
            desired(version=None, settings={"a": "1"}, settings_mode=SettingsMode.EXACT),
            automatic("1.2.3", settings={"z": "goes"}),
            None,
        ),
        (
            SET,
            desired(version=None, settings={"a": "2"}),
            automatic("1.2.3"),
            "replace its settings while it is not Succeeded",
        ),
        (
            OSM,
            AUTO,
            extension("1.2.3", settings={"kept": "1"}),
            "replace its settings while it is not Succeeded",
        ),
        (
            OSM,
            AUTO,
            extension("1.2.3", protected_keys=("token",)),
            "replace its settings while it is not Succeeded",
        ),
        (
            OSM,
            WITH_SETTING,
            extension("1.2.3"),
            "set auto-upgrade compatible and replace its settings while it is not Succeeded",
        ),
    ],
)
def test_what_a_policy_would_undo_depends_on_what_is_planned(
    deployment: PolicyDeployment, wish: Desired, found: Extension | None, deed: str | None
) -> None:
    policy = assigned(deployment)
    (target,) = planned(policy, wish=wish, found=found).targets

    if deed is None:
        assert target.action.is_change
    else:
        assert target.reason == f"policy assignment {policy.id} would {deed}: {WHOSE_MOVE}"


@pytest.mark.parametrize(
    "policy",
    [
        pytest.param(assigned(dataclasses.replace(OSM, effect="Disabled")), id="disabled"),
        pytest.param(assigned(dataclasses.replace(OSM, effect="AuditIfNotExists")), id="audit"),
        pytest.param(assigned(is_enforced=False), id="only reports"),
        pytest.param(
            assigned(dataclasses.replace(OSM, extension_type="microsoft.flux")), id="another type"
        ),
        pytest.param(
            assigned(dataclasses.replace(OSM, spared_distributions=("generic", "aks"))),
            id="a distribution that it spares",
        ),
        pytest.param(assigned(not_scopes=(GROUP.upper(),)), id="the group is left out"),
        pytest.param(assigned(not_scopes=(HERE.id,)), id="the cluster is left out"),
        pytest.param(assigned(scope="/subscriptions/other"), id="another subscription"),
        pytest.param(assigned(scope=f"{GROUP}-2"), id="a group with a longer name"),
    ],
)
def test_what_does_not_act_here_blocks_nobody(policy: PolicyAssignment) -> None:
    where = dataclasses.replace(HERE, distribution="AKS")
    assert actions(planned(policy, where=where)) == [Action.UNINSTALL]


@pytest.mark.parametrize("scope", [SUBSCRIPTION.upper(), GROUP.lower(), HERE.id])
def test_an_assignment_counts_for_everything_below_its_scope(scope: str) -> None:
    assert actions(planned(assigned(scope=scope))) == [Action.BLOCKED]


@pytest.mark.parametrize(
    ("groups", "action"),
    [
        ({HERE.subscription.lower(): (LEFT, ROOT)}, Action.BLOCKED),
        ({HERE.subscription.lower(): ()}, Action.UNINSTALL),
        ({}, Action.BLOCKED),
    ],
)
def test_a_management_group_counts_for_what_lies_below_it_or_may(
    groups: dict[str, tuple[str, ...]], action: Action
) -> None:
    assert actions(planned(assigned(scope=ROOT), groups=groups)) == [action]


def test_a_management_group_can_be_left_out() -> None:
    groups: dict[str, tuple[str, ...]] = {HERE.subscription.lower(): (LEFT, ROOT)}
    policy = assigned(scope=ROOT, not_scopes=(LEFT.lower(),))

    assert actions(planned(policy, groups=groups)) == [Action.UNINSTALL]


def test_a_cluster_that_needs_nothing_is_not_blocked() -> None:
    plan = planned(assigned(), wish=desired(), found=extension("1.2.6"))

    assert actions(plan) == [Action.NO_CHANGE]


def test_only_the_clusters_in_scope_are_blocked() -> None:
    clusters = fleets.stores(3, extension("1.2.3"))
    policy = assigned(scope=clusters[1].id)
    seen = dataclasses.replace(fleets.inventory(clusters), policies=(policy,))
    plan = planner.plan(rollouts.rollout(wish=UNINSTALL), seen)

    assert {one.cluster_name: one.action for one in plan.targets} == {
        clusters[0].name: Action.UNINSTALL,
        clusters[1].name: Action.BLOCKED,
        clusters[2].name: Action.UNINSTALL,
    }
    assert plan.change_count == 2
