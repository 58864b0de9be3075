"""What stands in a cluster before anybody installs anything, and around what they do.

Namespaces and nodes; which of the namespaces have workloads, and are in the mesh.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping
from typing import Any

from fleet.core import draws
from fleet.sim.breakage import Break
from fleet.sim.inside import kinds, podding
from fleet.sim.inside.scene import IGNORED, INJECTED, METRICS, MONITORED, Made, Scene
from fleet.sim.inside.stages import Going

FIRST_APP = "bookstore"
_OTHER_APPS = ("bookbuyer", "bookwarehouse", "payments", "inventory", "kiosk")
_APP_PPM = 400_000
_SYSTEM = ("kube-system", "kube-public", "kube-node-lease", "default")


def apps(scene: Scene) -> tuple[str, ...]:
    """Return the namespaces with workloads."""
    others = (one for one in _OTHER_APPS if scene.lot("app", one) < _APP_PPM)
    return (FIRST_APP, *others)


def is_meshed(scene: Scene, namespace: str) -> bool:
    """Tell whether a namespace was in the mesh when the world began."""
    share = scene.recipe.insides.meshed_ppm
    first = namespace == FIRST_APP and share > 0
    is_app = scene.had_mesh and namespace in apps(scene)
    return is_app and (first or scene.lot("meshed", namespace) < share)


# --- namespaces --------------------------------------------------------------------------


def namespaces(scene: Scene) -> Iterator[Made]:
    """Yield the namespaces."""
    made_at = scene.made_at
    for name in _SYSTEM:
        yield _namespace(scene, name, made_at, labels=_ignored(scene, name))
    yield _namespace(scene, "azure-arc", made_at, labels=_ignored(scene, "azure-arc"))
    if scene.cluster.distribution == "openshift":
        yield _namespace(scene, "openshift-monitoring", made_at)
    yield from _of_extensions(scene)
    for name in apps(scene):
        yield _app(scene, name)


def _ignored(scene: Scene, name: str) -> dict[str, str]:
    """Return the label that an installation of the mesh puts on what it must not touch."""
    is_lost = Break.IGNORE_LABEL_MISSING in scene.broken and name == "kube-system"
    is_meant = name in ("kube-system", "azure-arc", scene.namespace)
    is_labelled = scene.mesh.appeared_at is not None and is_meant and not is_lost
    return {IGNORED: "true"} if is_labelled else {}


def _of_extensions(scene: Scene) -> Iterator[Made]:
    seen = set(_SYSTEM)
    for stage in (scene.mesh, *scene.others):
        name = scene.namespace if stage is scene.mesh else stage.namespace
        if stage.appeared_at is None or name in seen:
            continue
        seen.add(name)
        labels = _ignored(scene, name) if stage is scene.mesh else {}
        if stage is scene.mesh and Break.CONTROL_PLANE_MESHED in scene.broken:
            labels |= {MONITORED: "osm"}
        found = _namespace(scene, name, stage.appeared_at, labels=labels)
        is_gone = stage.going is Going.ABSENT
        if stage is scene.mesh and is_gone and Break.NAMESPACE_STUCK in scene.broken:
            found["metadata"]["deletionTimestamp"] = found["metadata"]["creationTimestamp"]
            found["status"]["phase"] = "Terminating"
        yield found


def _app(scene: Scene, name: str) -> Made:
    labels, annotations = {}, {}
    if is_meshed(scene, name):
        labels[MONITORED] = "osm"
        if not (Break.NAMESPACE_HALF_MESHED in scene.broken and name == FIRST_APP):
            annotations[INJECTED] = "enabled"
        if scene.lot("metrics", name) < draws.CERTAIN_PPM // 2:
            annotations[METRICS] = "enabled"
    return _namespace(scene, name, scene.made_at, labels=labels, annotations=annotations)


def _namespace(
    scene: Scene,
    name: str,
    at: dt.datetime,
    *,
    labels: Mapping[str, str] | None = None,
    annotations: Mapping[str, str] | None = None,
) -> Made:
    return scene.made(
        kinds.built_in("", "namespaces"),
        name,
        created_at=at,
        labels={"kubernetes.io/metadata.name": name, **(labels or {})},
        annotations=annotations,
        spec={"finalizers": ["kubernetes"]},
        status={"phase": "Active"},
    )


# --- nodes -------------------------------------------------------------------------------


def platforms(scene: Scene) -> tuple[str, ...]:
    """Return what the nodes are, such as ``linux/amd64``."""
    if scene.special is not None and scene.special.platforms:
        return scene.special.platforms
    usual = "linux/amd64"
    drawn = draws.choose(scene.recipe.insides.platforms, scene.lot("platform"))
    more = scene.lot("nodes") * 2 // draws.CERTAIN_PPM
    return (usual, *[usual] * more, *([] if drawn == usual else [drawn]))


def nodes(scene: Scene) -> Iterator[Made]:
    """Yield the nodes."""
    for place, platform in enumerate(platforms(scene)):
        system, _, chip = platform.partition("/")
        name = podding.node_name(scene, place)
        labels = {
            "kubernetes.io/os": system,
            "kubernetes.io/arch": chip,
            "kubernetes.io/hostname": name,
        }
        if place == 0:
            labels["node-role.kubernetes.io/control-plane"] = ""
        yield scene.made(
            kinds.built_in("", "nodes"),
            name,
            created_at=scene.made_at,
            labels=labels,
            spec={},
            status=_node_status(scene, system, chip, name),
        )


def _node_status(scene: Scene, system: str, chip: str, name: str) -> dict[str, Any]:
    return {
        "capacity": {"cpu": "8", "memory": "32Gi", "pods": "110"},
        "allocatable": {"cpu": "7800m", "memory": "30Gi", "pods": "110"},
        "conditions": [{"type": "Ready", "status": "True", "reason": "KubeletReady"}],
        "addresses": [
            {"type": "InternalIP", "address": podding.address(scene, "192.168", "node", name)}
        ],
        "nodeInfo": {
            "architecture": chip,
            "operatingSystem": system,
            "kubeletVersion": f"v{scene.cluster.kubernetes_version}",
            "osImage": "Windows Server 2022" if system == "windows" else "Ubuntu 22.04 LTS",
            "containerRuntimeVersion": "containerd://1.7.24",
            "kernelVersion": "10.0.20348.2966" if system == "windows" else "5.15.0-126-generic",
            "kubeProxyVersion": f"v{scene.cluster.kubernetes_version}",
            **{one: scene.identity(one, name) for one in ("machineID", "bootID", "systemUUID")},
        },
    }


# --- configuration -----------------------------------------------------------------------


def config_maps(scene: Scene) -> Iterator[Made]:
    """Yield what the agents were told of the cluster."""
    if Break.CLUSTERCONFIG_MISSING in scene.broken:
        return
    is_another = Break.ANOTHER_CLUSTER in scene.broken
    yield scene.made(
        kinds.built_in("", "configmaps"),
        "azure-clusterconfig",
        namespace="azure-arc",
        created_at=scene.made_at,
        data={
            "AZURE_REGION": scene.cluster.location,
            "AZURE_RESOURCE_GROUP": scene.cluster.resource_group,
            "AZURE_RESOURCE_NAME": f"{'not-' if is_another else ''}{scene.cluster.name}",
            "AZURE_SUBSCRIPTION_ID": scene.cluster.subscription,
        },
    )


def constraints(scene: Scene) -> Iterator[Made]:
    """Yield OpenShift's security context constraints."""
    if scene.cluster.distribution != "openshift":
        return
    kind = kinds.OPENSHIFT[kinds.CONSTRAINTS]
    for name, users in (
        ("privileged", ["system:admin"]),
        ("restricted-v2", []),
    ):
        yield scene.made(
            kind,
            name,
            created_at=scene.made_at,
            allowPrivilegedContainer=name == "privileged",
            users=users,
            groups=[],
        )
