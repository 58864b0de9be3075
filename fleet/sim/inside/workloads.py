"""What people run in a cluster: workloads in namespaces of their own, and the sidecars in them.

A pod has the sidecar that the mesh injected when the pod was made, and no
other until it is made anew. A restart is a change of the pod template: new
pods come up in some seconds, and then the old ones are gone.

Shapes:  keys that begin with ``x-`` are ours, and leave with nothing that a client sees.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping
from typing import Any, Protocol

from fleet.core import draws
from fleet.sim.breakage import Break
from fleet.sim.inside import controlplane, kinds, podding, premises, releases
from fleet.sim.inside.kinds import Kind
from fleet.sim.inside.scene import INJECTED, MONITORED, PROXY, Made, Scene


class View(Protocol):
    """A cluster's objects at a moment (:class:`fleet.sim.inside.view.View`)."""

    @property
    def scene(self) -> Scene:
        """What they are made from."""

    def at(self, moment: dt.datetime) -> View:
        """Return the cluster as it was at an earlier moment."""

    def items(self, group: str, plural: str, only: str | None = None) -> list[Made]:
        """Return the objects of a kind, by namespace and name; *only* those of one namespace."""

    def get(self, group: str, plural: str, namespace: str, name: str) -> Made | None:
        """Return one object; ``None`` where it is not there."""


OURS, ROLLED, REBORN = "x-workload", "x-rolled", "x-reborn"
SIDECAR = "envoy"
_REGISTRY = "mcr.microsoft.com/oss/demo"
_MOST_DAYS = 60
"""How old pods are at most when the world begins."""
_ROLL_S = (8, 40)
"""How long it takes until new pods are ready."""
_EXTRA_PPM = 500_000
_STATEFUL = "bookwarehouse"


# --- what is there from the beginning ----------------------------------------------------


def deployments(scene: Scene) -> Iterator[Made]:
    """Yield the deployments in the namespaces with workloads."""
    kind = kinds.built_in("apps", "deployments")
    for namespace in filter(scene.is_wanted, premises.apps(scene)):
        yield _workload(scene, kind, namespace, namespace)
        if scene.lot("api", namespace) < _EXTRA_PPM:
            yield _workload(scene, kind, namespace, f"{namespace}-api")


def stateful_sets(scene: Scene) -> Iterator[Made]:
    """Yield the stateful sets there."""
    if _STATEFUL in premises.apps(scene) and scene.is_wanted(_STATEFUL):
        yield _workload(scene, kinds.built_in("apps", "statefulsets"), _STATEFUL, "mysql")


def _workload(scene: Scene, kind: Kind, namespace: str, name: str) -> Made:
    replicas = 1 + scene.lot("replicas", namespace, name) * 3 // draws.CERTAIN_PPM
    labels = {"app": name}
    found = scene.made(
        kind,
        name,
        namespace=namespace,
        created_at=scene.made_at,
        labels=labels,
        spec={
            "replicas": replicas,
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels},
                "spec": {
                    "serviceAccountName": name,
                    "containers": [{"name": name, "image": f"{_REGISTRY}/{name}:v1.2.0"}],
                },
            },
        },
    )
    found["metadata"]["generation"] = 1
    return found | {OURS: True}


def accounts(scene: Scene) -> Iterator[Made]:
    """Yield the service accounts: each namespace's default one, and one for each workload."""
    kind = kinds.built_in("", "serviceaccounts")
    for space in premises.namespaces(scene):
        namespace = space["metadata"]["name"]
        if scene.is_wanted(namespace):
            yield scene.made(kind, "default", namespace=namespace, created_at=scene.made_at)
    for one in (*deployments(scene), *stateful_sets(scene)):
        metadata = one["metadata"]
        namespace = metadata["namespace"]
        yield scene.made(kind, metadata["name"], namespace=namespace, created_at=scene.made_at)


# --- how they are going ------------------------------------------------------------------


def with_status(view: View, found: Made) -> Made:
    """Return a workload with how it is going; what is none stays as it is."""
    if OURS not in found:
        return found
    replicas = int(found["spec"].get("replicas", 1))
    _, pending = _generations(view, found)
    generation = int(found["metadata"].get("generation", 1))
    status = podding.counts(
        replicas=replicas, ready=replicas, is_changing=pending is not None, generation=generation
    )
    if pending is not None and _is_blocked(view, found["metadata"]["namespace"]):
        failure = {"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate"}
        status = {key: one for key, one in status.items() if key != "updatedReplicas"}
        status["conditions"] = [*status["conditions"], failure]
    if found["kind"] == "StatefulSet":
        status = status | {"currentReplicas": replicas}
    return {**found, "status": status}


def _generations(view: View, found: Made) -> tuple[dt.datetime, dt.datetime | None]:
    """Return when the pods were made that are ready, and when those that will replace them."""
    scene, pending = view.scene, None
    current = _first_pods_at(scene, found)
    lasts = _lasts(scene, found)
    for stamp in found.get(ROLLED, ()):
        moment = scene.moment_of(stamp)
        if scene.has_come(moment + lasts) and not _is_stuck(view, found, moment):
            current, pending = moment, None
        else:
            pending = moment
    return current, pending


def _first_pods_at(scene: Scene, found: Made) -> dt.datetime:
    made_at = dt.datetime.fromisoformat(found["metadata"]["creationTimestamp"])
    if made_at > scene.recipe.epoch - dt.timedelta(days=_MOST_DAYS):
        return made_at
    lot = scene.lot("pods", found["metadata"]["namespace"], found["metadata"]["name"])
    return scene.recipe.epoch - dt.timedelta(days=1 + lot * (_MOST_DAYS - 1) // draws.CERTAIN_PPM)


def _lasts(scene: Scene, found: Made) -> dt.timedelta:
    low, high = _ROLL_S
    lot = scene.lot("roll", found["metadata"]["namespace"], found["metadata"]["name"])
    return dt.timedelta(seconds=low + lot * (high - low) // draws.CERTAIN_PPM)


def _is_stuck(view: View, found: Made, moment: dt.datetime) -> bool:
    if Break.RESTART_STUCK in view.scene.broken:
        return True
    namespace = found["metadata"]["namespace"]
    return _is_blocked(view, namespace) and _is_blocked(view.at(moment), namespace)


def _is_blocked(view: View, namespace: str) -> bool:
    """Tell whether no pod can be made: the mesh must inject, and does not answer."""
    return is_meshed(view, namespace) and is_refusing(view)


def is_refusing(view: View) -> bool:
    """Tell whether the injection's webhook refuses all pods."""
    hooks = view.items("admissionregistration.k8s.io", "mutatingwebhookconfigurations")
    is_strict = any(
        hook.get("failurePolicy") == "Fail"
        for one in hooks
        if one["metadata"]["name"] == controlplane.MUTATING_WEBHOOK
        for hook in one.get("webhooks", ())
    )
    return is_strict and not controlplane.is_injecting(view.scene)


def is_meshed(view: View, namespace: str) -> bool:
    """Tell whether pods of a namespace get sidecars."""
    found = view.get("", "namespaces", "", namespace)
    if found is None:
        return False
    metadata = found["metadata"]
    is_monitored = metadata.get("labels", {}).get(MONITORED) == "osm"
    return bool(is_monitored and metadata.get("annotations", {}).get(INJECTED) == "enabled")


# --- pods --------------------------------------------------------------------------------


def pods(view: View, only: str | None) -> Iterator[Made]:
    """Yield the pods of all workloads, or of those of one namespace."""
    for plural in ("deployments", "statefulsets"):
        for found in view.items("apps", plural, only):
            if OURS in found:
                yield from _pods(view, found)


def _pods(view: View, found: Made) -> Iterator[Made]:
    current, pending = _generations(view, found)
    reborn = found.get(REBORN, {})
    for place in range(int(found["spec"].get("replicas", 1))):
        stamp = reborn.get(str(place))
        born_at = max(current, view.scene.moment_of(stamp)) if stamp else current
        yield _pod(view, found, place, born_at)
    namespace = found["metadata"]["namespace"]
    if pending is not None and not _is_blocked(view, namespace):
        yield _pod(view, found, 0, pending, is_ready=False)


def _pod(
    view: View, found: Made, place: int, born_at: dt.datetime, *, is_ready: bool = True
) -> Made:
    scene, metadata, template = view.scene, found["metadata"], found["spec"]["template"]
    name, namespace = metadata["name"], metadata["namespace"]
    version = scene.version_of(born_at)
    is_stateful = found["kind"] == "StatefulSet"
    letters = podding.suffix(name, version, place)
    generation = podding.suffix(name, version, size=9)
    labels = {
        **template.get("metadata", {}).get("labels", {}),
        **({} if is_stateful else {"pod-template-hash": generation}),
    }
    containers = {one["name"]: one["image"] for one in template["spec"]["containers"]}
    sidecar = sidecar_at(view, namespace, born_at)
    if sidecar is not None:
        labels[PROXY] = controlplane.uuid(scene, namespace, name, letters)
        containers[SIDECAR] = sidecar
    pod_name = f"{name}-{place}" if is_stateful else f"{name}-{generation}-{letters}"
    return podding.pod(
        scene,
        name=pod_name,
        namespace=namespace,
        labels=labels,
        annotations=template.get("metadata", {}).get("annotations"),
        containers=containers,
        created_at=born_at,
        changed_at=born_at + _lasts(scene, found) if is_ready else born_at,
        is_ready=is_ready,
        waits="" if is_ready else "Pending",
        owner=name,
        account=template["spec"].get("serviceAccountName", "default"),
        stateful_uid=metadata["uid"] if is_stateful else "",
    )


def sidecar_at(view: View, namespace: str, born_at: dt.datetime) -> str | None:
    """Return the image of the sidecar that a pod made at a moment has got; ``None``: none."""
    scene = view.scene
    if born_at < scene.recipe.epoch:
        is_half = Break.NAMESPACE_HALF_MESHED in scene.broken and namespace == premises.FIRST_APP
        version = scene.mesh.version_at(born_at)
        if is_half or version is None or not premises.is_meshed(scene, namespace):
            return None
        return _sidecar_of(scene, version)
    if Break.INJECTION_SILENT in scene.broken:
        return None
    return _injected(view.at(born_at), namespace)


def _injected(then: View, namespace: str) -> str | None:
    scene = then.scene
    if not controlplane.is_injecting(scene) or not is_meshed(then, namespace):
        return None
    named = _named_image(then)
    return named or _sidecar_of(scene, scene.release.version)


def _named_image(view: View) -> str:
    config = view.get(
        kinds.MESH_GROUP, kinds.MESH_CONFIGS, view.scene.namespace, controlplane.MESH_CONFIG
    )
    spec: Mapping[str, Any] = {} if config is None else config.get("spec", {})
    return str(spec.get("sidecar", {}).get("envoyImage", ""))


def _sidecar_of(scene: Scene, version: str) -> str:
    if Break.STALE_SIDECARS in scene.broken:
        current = releases.of(version).sidecar_image
        others = [one.sidecar_image for one in releases.RELEASES if one.sidecar_image != current]
        return others[0]
    return releases.of(version).sidecar_image


def place_of(view: View, found: Made, pod: str) -> int | None:
    """Return which of a workload's pods has that name; ``None``: none of them."""
    names = [one["metadata"]["name"] for one in _pods(view, found)]
    replicas = int(found["spec"].get("replicas", 1))
    return names.index(pod) if pod in names[:replicas] else None
