"""What a plan does inside clusters: which steps, in which order, and the way back."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import pytest

from fleet.core import planner
from fleet.model.cluster import Connectivity
from fleet.model.desired import Presence
from fleet.model.inside import (
    AccessKind,
    CheckRule,
    ClusterAccess,
    Inside,
    Outlook,
    Severity,
    Work,
    WorkKind,
)
from fleet.model.plan import Action, Change, Plan, Rollback, Step, Target, Verb
from fleet.model.scope import Scope, Unreachable
from tests.rig import fleets, rollouts
from tests.rig.fleets import cluster, extension

CONFIG = Work(kind=WorkKind.MESH_CONFIG, patch='{"traffic":{"enableEgress":false}}')
CONFIG_BACK = Work(kind=WorkKind.MESH_CONFIG, patch='{"traffic":{"enableEgress":true}}')
SPACES = Work(kind=WorkKind.NAMESPACES, add=("shop",))
SPACES_BACK = Work(kind=WorkKind.NAMESPACES, remove=("shop",))
RESTART = Work(kind=WorkKind.RESTART)
ORPHANS = Work(kind=WorkKind.ORPHANS)
ACCESS = ClusterAccess(kind=AccessKind.KUBECONFIG)

EGRESS = ("meshConfig.traffic.enableEgress", "true", "false")
LABEL = ("namespaces.shop", None, "in the mesh")
SEEN = Outlook(
    is_seen=True,
    changes={"meshConfig": (EGRESS,), "namespaces": (LABEL,)},
    undo={"meshConfig": CONFIG_BACK, "namespaces": SPACES_BACK},
)
SO_ALREADY = Outlook(is_seen=True, changes={"meshConfig": (), "namespaces": ()})


def planned(
    *found: Any,
    there: Mapping[str, Any] | None = None,
    scope: Scope | None = None,
    works: tuple[Work, ...] = (SPACES, CONFIG),
    outlook: Outlook | None = None,
    inside: Mapping[str, Any] | None = None,
    **wishes: Any,
) -> Plan:
    one = cluster("a", *found, **(there or {}))
    made = rollouts.rollout(
        scope=scope, spread=rollouts.strategy(max_concurrency=1), wish=rollouts.desired(**wishes)
    )
    asked: dict[str, Any] = {"access": ACCESS, "works": works} | dict(inside or {})
    made = dataclasses.replace(made, inside=Inside(**asked))
    outlooks = {one.id: outlook} if outlook else {}
    return planner.plan(made, fleets.inventory([one]), outlooks=outlooks)


def target(*found: Any, **wishes: Any) -> Target:
    return planned(*found, **wishes).targets[0]


def inside(work: Work, what: str) -> Step:
    return Step(verb=Verb.CONFIGURE, work=work, why=f"inside the cluster: {what}")


CONFIG_STEP = inside(CONFIG, "the mesh's configuration")
SPACES_STEP = inside(SPACES, "namespaces of the mesh")
RESTART_STEP = inside(RESTART, "workloads with sidecars that are not the mesh's own")


def test_a_cluster_whose_extension_is_as_wished_is_changed_inside_alone() -> None:
    found = target(extension("1.2.6"), outlook=SEEN)

    assert (found.action, found.reason) == (Action.RECONFIGURE, "inside: namespaces, meshConfig")
    assert found.steps == (SPACES_STEP, CONFIG_STEP)
    assert found.diff == (
        Change(path=LABEL[0], before=LABEL[1], after=LABEL[2]),
        Change(path=EGRESS[0], before=EGRESS[1], after=EGRESS[2]),
    )
    assert found.rollback == Rollback(
        is_possible=True,
        note="inside as it was: meshConfig, namespaces",
        steps=(
            inside(CONFIG_BACK, "the mesh's configuration"),
            inside(SPACES_BACK, "namespaces of the mesh"),
        ),
    )


def test_where_all_is_so_inside_nothing_is_done() -> None:
    assert target(extension("1.2.6"), outlook=SO_ALREADY).action is Action.NO_CHANGE


@pytest.mark.parametrize("outlook", [SEEN, None])
def test_a_cluster_that_its_owner_holds_is_left_alone_inside_too(outlook: Outlook | None) -> None:
    found = target(extension("1.2.6"), outlook=outlook, there={"tags": {"rollout": "hold"}})
    assert (found.action, found.steps) == (Action.SKIP, ())
    assert found.reason == "held by its tag rollout=hold; would reconfigure"


def test_one_that_is_not_connected_is_left_out_where_the_plan_file_says_so() -> None:
    found = target(
        extension("1.2.6"),
        there={"connectivity": Connectivity.OFFLINE},
        scope=Scope(unreachable=Unreachable.SKIP),
    )
    assert (found.action, found.steps) == (Action.SKIP, ())
    assert found.reason == "not connected (Offline); would reconfigure"


def test_what_is_so_already_is_no_step_of_what_is_changed_anyway() -> None:
    found = target(extension("1.2.3"), outlook=SO_ALREADY)
    assert [step.verb for step in found.steps] == [Verb.PATCH]


@pytest.mark.parametrize(
    ("changed", "steps"),
    [
        ("namespaces", (SPACES_STEP, RESTART_STEP)),
        ("meshConfig", (CONFIG_STEP, RESTART_STEP)),
        ("nothing", ()),
    ],
)
def test_restarts_follow_what_leaves_sidecars_behind(changed: str, steps: tuple[Step, ...]) -> None:
    """When the plan is made, no sidecar is behind yet."""
    so = dict.fromkeys(("namespaces", "meshConfig", "restart"), ())
    outlook = dataclasses.replace(
        SEEN, changes={**so, **({changed: SEEN.changes[changed]} if changed in so else {})}
    )

    found = target(extension("1.2.6"), works=(SPACES, CONFIG, RESTART), outlook=outlook)

    assert found.steps == steps


@pytest.mark.parametrize(
    "outlook", [None, Outlook(is_seen=False, why_not="a: refused"), Outlook(is_seen=True)]
)
def test_a_cluster_that_could_not_be_looked_at_finds_out_for_itself(
    outlook: Outlook | None,
) -> None:
    found = target(extension("1.2.6"), outlook=outlook)
    assert found.steps == (SPACES_STEP, CONFIG_STEP)
    assert found.rollback == Rollback(
        is_possible=False, note="inside not known: namespaces, meshConfig"
    )


def test_what_is_installed_is_configured_after_it_and_goes_with_it() -> None:
    found = target(outlook=dataclasses.replace(SEEN, undo={"namespaces": SPACES_BACK}))

    assert [step.verb for step in found.steps] == [Verb.PUT, Verb.CONFIGURE, Verb.CONFIGURE]
    assert found.rollback is not None
    assert [step.verb for step in found.rollback.steps] == [Verb.CONFIGURE, Verb.DELETE]
    assert found.rollback.note == "uninstall it; inside as it was: namespaces"


def test_namespaces_leave_the_mesh_before_it_goes_and_orphans_are_removed_after() -> None:
    leave = Work(kind=WorkKind.NAMESPACES, remove=("shop",))
    found = target(
        extension("1.2.6"),
        works=(leave, ORPHANS),
        outlook=Outlook(is_seen=True, changes={"namespaces": (LABEL,), "orphans": ()}),
        presence=Presence.ABSENT,
        version=None,
    )
    kinds = [step.work.kind if step.work else step.verb for step in found.steps]
    assert kinds == [WorkKind.NAMESPACES, Verb.DELETE, WorkKind.ORPHANS]


def test_an_upgrade_restarts_what_it_leaves_behind_though_nothing_is_stale_yet() -> None:
    calm = Outlook(is_seen=True, changes={"restart": ()})
    upgraded = target(extension("1.2.3"), works=(RESTART,), outlook=calm)
    assert [step.verb for step in upgraded.steps] == [Verb.PATCH, Verb.CONFIGURE]
    as_it_is = target(extension("1.2.6"), works=(RESTART,), outlook=calm)
    assert as_it_is.action is Action.NO_CHANGE


def test_an_upgrade_that_cannot_be_taken_back_is_taken_back_inside() -> None:
    way = target(extension("1.2.3"), outlook=SEEN).rollback
    assert way is not None
    assert way.is_partial
    assert way.note.startswith("irreversible: mesh cannot go back to 1.2.3")
    assert way.note.endswith("; inside as it was: meshConfig, namespaces")


def test_what_the_api_server_refuses_is_blocked_in_its_words() -> None:
    words = 'spec.traffic.enableEgress in body must be of type boolean: "string"'
    found = target(extension("1.2.6"), outlook=dataclasses.replace(SEEN, refused=words))
    assert (found.action, found.reason) == (Action.BLOCKED, f"inside the cluster: {words}")
    assert (found.steps, found.diff, found.rollback) == ((), (), None)


# --- checks ------------------------------------------------------------------------------

PODS = CheckRule(id="pods", look="pods", title="pods are ready", severity=Severity.GATE)
DRIFT = CheckRule(id="drift", look="meshConfigDrift", title="kept", severity=Severity.WARN)
UNPROVED = (
    "nothing inside the clusters is proved: 2 checks need clusterAccess, and a target counts as "
    "succeeded on Azure's word alone"
)
CHECKED = dataclasses.replace(rollouts.MESH, checks=(PODS, DRIFT))


def test_a_plan_holds_its_checks_as_severely_as_its_file_wants_them() -> None:
    made = planned(
        extension("1.2.3"),
        works=(),
        profile=CHECKED,
        inside={"severities": {"drift": Severity.GATE}},
    )
    assert made.head.checks == (PODS, dataclasses.replace(DRIFT, severity=Severity.GATE))
    assert made.head.access == ACCESS
    assert made.head.is_inspected


@pytest.mark.parametrize(
    ("asked", "told", "is_inspected"),
    [
        pytest.param({}, [], True, id="proved"),
        pytest.param(
            {"access": ClusterAccess()},
            [UNPROVED],
            False,
            id="no way in",
        ),
        pytest.param(
            {"has_checks": False},
            ["nothing inside the clusters is proved: checks are off (2 of them)"],
            False,
            id="off",
        ),
        pytest.param(
            {"access": ClusterAccess(kind=AccessKind.PROXY)},
            ["what is seen through the proxy only warns: no target is held up by it"],
            True,
            id="proxy",
        ),
    ],
)
def test_a_plan_says_what_it_does_not_prove(
    asked: dict[str, Any], told: list[str], is_inspected: bool
) -> None:
    made = planned(extension("1.2.3"), works=(), profile=CHECKED, inside=asked)
    assert list(made.head.warnings) == told
    assert made.head.is_inspected is is_inspected


def test_clusters_that_could_not_be_looked_into_are_counted_by_their_reasons() -> None:
    made = planned(extension("1.2.6"), outlook=Outlook(is_seen=False, why_not="no such context"))
    assert made.head.warnings == (
        "inside 1 of 1 not everything could be looked at: no such context",
    )
