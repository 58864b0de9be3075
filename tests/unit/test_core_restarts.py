"""Which sidecars are behind, and which workloads are restarted for it, a few at a time."""

from __future__ import annotations

from typing import Any

import pytest

from fleet.core import works
from fleet.core.works.namespaces import MONITORED_BY, NAMESPACES
from fleet.core.works.sidecars import NamespaceSidecars
from fleet.model.inside import Work, WorkKind
from fleet.model.objects import Edit, EditKind, Object, Resource
from tests.rig.insides import Found, Inside, namespace
from tests.rig.workloads import MESHED, NEW, OLD, PLURALS, WINDOWS, injector, pod, workload

STEP = "step-1"
ALL = Work(kind=WorkKind.RESTART, max_concurrency=2)


def left(inside: Inside, work: Work = ALL) -> list[str]:
    edits = works.edits(work, inside.see(works.wants(work)), token=STEP)
    return [f"{one.namespace}/{one.resource.plural}/{one.name}" for one in edits]


def counted(inside: Inside, work: Work = ALL) -> tuple[NamespaceSidecars, ...]:
    return works.sidecars_of(work, inside.see(works.sidecar_wants(work)))


def pending(inside: Inside, work: Work = ALL) -> str:
    return works.pending(work, inside.see(works.wants(work)), token=STEP)


def blocked(inside: Inside, work: Work = ALL) -> str:
    return works.blocked(work, inside.see(works.wants(work)))


def shop(*found: Found, **namespaces: Any) -> Inside:
    places = {"shop": MESHED, **namespaces}
    return Inside(
        injector(), *((NAMESPACES, namespace(n, **how)) for n, how in places.items()), *found
    )


# --- what is behind ----------------------------------------------------------------------


def test_counts_the_sidecars_of_each_namespace() -> None:
    inside = shop(
        pod("cart", NEW),
        pod("cart", OLD, number=2),
        pod("web"),
        pod("gone", OLD, place="left"),
        pod("plain", place="left"),
        left={},
    )

    assert counted(inside) == (
        NamespaceSidecars(namespace="left", injected_count=1, left_count=1, images={OLD: 1}),
        NamespaceSidecars(
            namespace="shop",
            injected_count=2,
            old_count=1,
            missing_count=1,
            images={OLD: 1, NEW: 1},
        ),
    )
    assert [one.stale_count for one in counted(inside)] == [1, 2]


@pytest.mark.parametrize(
    ("found", "places", "stale_count"),
    [
        (pod("a"), {"shop": MESHED}, 1),
        (pod("a", annotation="disabled"), {"shop": MESHED}, 0),
        (pod("a", annotation="No"), {"shop": MESHED}, 0),
        (pod("a", spec={"hostNetwork": True}), {"shop": MESHED}, 0),
        (pod("a", status={"phase": "Succeeded"}), {"shop": MESHED}, 0),
        (pod("a", metadata={"deletionTimestamp": "now"}), {"shop": MESHED}, 0),
        (pod("a"), {"shop": {"labels": {MONITORED_BY: "osm"}}}, 0),
        (pod("a", annotation="true"), {"shop": {"labels": {MONITORED_BY: "osm"}}}, 1),
        (pod("a", annotation="true"), {"shop": {}}, 0),
        (pod("a"), {"shop": {**MESHED, "labels": {MONITORED_BY: "other"}}}, 0),
        (pod("a", OLD), {"shop": {**MESHED, "labels": {MONITORED_BY: "other"}}}, 0),
        (
            pod("a"),
            {"shop": {**MESHED, "labels": {MONITORED_BY: "osm", "control-plane": "x"}}},
            0,
        ),
        (pod("a", OLD, annotation="disabled"), {"shop": MESHED}, 1),
        (pod("a", WINDOWS, spec={"nodeSelector": {"kubernetes.io/os": "windows"}}), {}, 0),
        (pod("a", NEW, spec={"nodeSelector": {"kubernetes.io/os": "windows"}}), {}, 1),
        (pod("a", place="kube-system"), {"kube-system": MESHED}, 0),
        (pod("a", place="arc-osm-system"), {"arc-osm-system": MESHED}, 0),
    ],
    ids=[
        "injected",
        "not this pod",
        "in another word",
        "on the host's network",
        "over",
        "going",
        "injection is off",
        "this pod nevertheless",
        "in no mesh",
        "in another mesh",
        "of another mesh",
        "left alone",
        "no more",
        "on Windows",
        "of the wrong kind on Windows",
        "of the system",
        "of the mesh",
    ],
)
def test_knows_which_pods_the_mesh_would_inject(
    found: Found, places: dict[str, Any], stale_count: int
) -> None:
    assert sum(one.stale_count for one in counted(shop(found, **places))) == stale_count


def test_an_applications_own_envoy_is_no_sidecar() -> None:
    own = pod("edge", spec={"containers": [{"name": "envoy", "image": OLD}]}, place="plain")

    assert counted(shop(own, plain={})) == ()


def test_the_image_of_the_configuration_goes_before_the_injectors() -> None:
    where = {"name": "osm-mesh-config", "namespace": "arc-osm-system"}
    spec = {"sidecar": {"envoyImage": OLD}}
    resource = Resource("config.openservicemesh.io", "v1alpha2", "meshconfigs")
    inside = shop(pod("cart", NEW), (resource, {"metadata": where, "spec": spec}))

    assert [one.old_count for one in counted(inside)] == [1]


# --- what is restarted -------------------------------------------------------------------


def test_restarts_as_many_as_may_be_and_waits_for_them() -> None:
    inside = shop(
        *(workload(name) for name in ("a", "b", "c", "fine")),
        *(pod(name, OLD) for name in "abc"),
        pod("fine", NEW),
    )
    edit = works.edits(ALL, inside.see(works.wants(ALL)), token=STEP)[0]

    assert edit == Edit(
        kind=EditKind.MERGE,
        resource=Resource("apps", "v1", "deployments"),
        name="a",
        namespace="shop",
        body={
            "spec": {
                "template": {
                    "metadata": {"annotations": {"kubectl.kubernetes.io/restartedAt": STEP}}
                }
            }
        },
    )
    assert left(inside) == ["shop/deployments/a", "shop/deployments/b"]

    inside.do(works.edits(ALL, inside.see(works.wants(ALL)), token=STEP))
    assert left(inside) == []
    assert pending(inside) == ("2 workloads are rolling: shop/Deployment/a, shop/Deployment/b")

    for found in (workload("a", by=STEP), pod("a", NEW)):
        inside.put(*found)
    assert left(inside) == ["shop/deployments/c"]

    for name in "bc":
        inside.put(*workload(name, by=STEP))
        inside.put(*pod(name, NEW))
    assert left(inside) == []
    assert pending(inside) == ""


def test_restarts_whatever_makes_its_pods_anew() -> None:
    inside = shop(
        *(workload(kind.lower(), kind=kind) for kind in PLURALS),
        *(pod(kind.lower(), kind=kind) for kind in PLURALS),
    )
    many = Work(kind=WorkKind.RESTART, max_concurrency=9)

    assert left(inside, many) == [
        "shop/daemonsets/daemonset",
        "shop/deployments/deployment",
        "shop/statefulsets/statefulset",
    ]
    assert works.changes(many, inside.see(works.wants(many))) == (
        ("restart.shop/DaemonSet/daemonset", None, NEW),
        ("restart.shop/Deployment/deployment", None, NEW),
        ("restart.shop/StatefulSet/statefulset", None, NEW),
    )
    assert works.undo(many, inside.see(works.wants(many))) is None


@pytest.mark.parametrize(
    ("found", "owned"),
    [
        (workload("a", spec={"paused": True}), pod("a", OLD)),
        (
            workload("a", kind="DaemonSet", spec={"updateStrategy": {"type": "OnDelete"}}),
            pod("a", OLD, kind="DaemonSet"),
        ),
        (
            workload(
                "a",
                kind="StatefulSet",
                spec={"updateStrategy": {"rollingUpdate": {"partition": 1}}},
            ),
            pod("a", OLD, kind="StatefulSet"),
        ),
        (workload("another"), pod("a", OLD)),
        (workload("a"), pod("a", OLD, kind="Job")),
        (workload("a"), pod("", OLD)),
        (workload("a", place="elsewhere"), pod("a", OLD)),
    ],
    ids=["paused", "on deletion", "in part", "unknown", "a job", "alone", "namesake"],
)
def test_leaves_alone_what_an_annotation_does_not_roll(found: Found, owned: Found) -> None:
    inside = shop(found, owned)

    assert left(inside) == []
    assert pending(inside) == ""
    assert [one.old_count for one in counted(inside)] == [1]


@pytest.mark.parametrize(
    "found",
    [
        workload("a", status={"observedGeneration": 0}),
        workload("a", status={"updatedReplicas": 0}),
        workload("a", status={"replicas": 2}),
        workload("a", kind="DaemonSet", status={"updatedNumberScheduled": 0}),
        workload("a", kind="StatefulSet", status={"updateRevision": "b"}),
    ],
    ids=range(5),
)
def test_does_not_disturb_a_workload_that_rolls_already(found: Found) -> None:
    kind = next(k for k, plural in PLURALS.items() if plural == found[0].plural)
    inside = shop(found, pod("a", OLD, kind=kind))

    assert left(inside) == []
    assert pending(inside) == f"1 workload is rolling: shop/{kind}/a"


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        ("Deployment", {"availableReplicas": 0}),
        ("DaemonSet", {"numberAvailable": 0}),
        ("StatefulSet", {"readyReplicas": 0}),
    ],
)
def test_restarts_what_has_rolled_and_cannot_be_used(kind: str, status: Object) -> None:
    """Its stale sidecar may be why."""
    behind = shop(workload("a", kind=kind, status=status), pod("a", OLD, kind=kind))
    restarted = shop(workload("a", kind=kind, by=STEP, status=status), pod("a", NEW, kind=kind))

    assert left(behind) == [f"shop/{PLURALS[kind]}/a"]
    assert left(restarted) == []
    assert pending(restarted) == f"1 workload is rolling: shop/{kind}/a"


def test_waits_for_what_it_restarted_until_it_is_available() -> None:
    inside = shop(workload("a", by=STEP, status={"availableReplicas": 0}), pod("a", NEW))

    assert pending(inside) == "1 workload is rolling: shop/Deployment/a"
    # Nobody knows here who restarted it, so without a token it is not waited for.
    assert works.pending(ALL, inside.see(works.wants(ALL))) == ""


def test_says_so_where_a_restart_did_not_help() -> None:
    inside = shop(*(workload(n, by=STEP) for n in "abcd"), *(pod(n) for n in "abcd"))

    assert left(inside) == []
    assert pending(inside) == (
        "4 workloads are restarted and still not as the mesh would inject: "
        "shop/Deployment/a, shop/Deployment/b, shop/Deployment/c and 1 more"
    )


def test_another_step_restarts_again_what_is_still_behind() -> None:
    assert left(shop(workload("a", by="step-0"), pod("a", OLD))) == ["shop/deployments/a"]


def test_keeps_to_the_namespaces_that_are_named() -> None:
    inside = shop(
        *(workload("a", place=place) for place in ("shop", "cart")),
        *(pod("a", OLD, place=place) for place in ("shop", "cart")),
        cart=MESHED,
    )

    assert left(inside, Work(kind=WorkKind.RESTART, add=("cart",))) == ["cart/deployments/a"]


def test_does_not_guess_which_sidecar_the_mesh_has() -> None:
    inside = Inside((NAMESPACES, namespace("shop", **MESHED)), workload("a"), pod("a", OLD))

    assert blocked(inside) == (
        "there is no injector of a mesh in arc-osm-system: its sidecar is not known"
    )
    assert left(inside) == []


def test_reads_pods_after_their_workloads() -> None:
    """Otherwise pods of the old template would be held against a workload that has rolled."""
    read = [one.resource.plural for one in works.wants(ALL)]

    assert read.index("pods") == len(read) - 1
