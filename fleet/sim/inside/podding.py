"""Deployments and pods of something that is installed: the same shape for all of them."""

from __future__ import annotations

import dataclasses
import datetime as dt
import functools
import hashlib
from collections.abc import Iterator, Mapping
from typing import Any

from fleet.model import codec
from fleet.sim.inside import kinds, scene as scenes
from fleet.sim.inside.scene import Made, Scene

_POD = kinds.built_in("", "pods")
_DEPLOYMENT = kinds.built_in("apps", "deployments")
_LETTERS = "bcdfghjklmnpqrstvwxz2456789"
_STRATEGY = {
    "type": "RollingUpdate",
    "rollingUpdate": {"maxSurge": "25%", "maxUnavailable": "25%"},
}
_RESTARTS = 12
"""Of a container that crashes."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Component:
    """A deployment that somebody has installed, with its pods."""

    name: str
    namespace: str
    labels: Mapping[str, str]
    containers: Mapping[str, str]
    """``{name: image}``."""
    replicas: int = 1
    is_ready: bool = True
    waits: str = ""
    """Why its container does not run, such as ``CrashLoopBackOff``; empty: it runs."""
    created_at: dt.datetime
    changed_at: dt.datetime
    pods_at: dt.datetime
    """When the present pods were made."""
    old_containers: Mapping[str, str] | None = None
    """Of the pods that are still there while the present ones come up."""
    old_labels: Mapping[str, str] | None = None
    old_pods_at: dt.datetime | None = None
    has_evicted: bool = False

    @property
    def ready_count(self) -> int:
        """How many pods are ready."""
        return self.replicas if self.is_ready else 0


def deployment(scene: Scene, one: Component) -> Made:
    """Return the deployment of a component."""
    selector = {"app": one.labels["app"]}
    spec = {
        "replicas": one.replicas,
        "revisionHistoryLimit": 10,
        "selector": {"matchLabels": selector},
        "strategy": _STRATEGY,
        "template": {
            "metadata": {"labels": dict(one.labels)},
            "spec": {"containers": _specs(one.containers)},
        },
    }
    found = scene.made(
        _DEPLOYMENT,
        one.name,
        namespace=one.namespace,
        created_at=one.created_at,
        changed_at=one.changed_at,
        labels=one.labels,
        annotations={"deployment.kubernetes.io/revision": "1"},
        spec=spec,
        status=counts(
            replicas=one.replicas, ready=one.ready_count, is_changing=one.old_containers is not None
        ),
    )
    found["metadata"]["generation"] = 1
    return found


@functools.lru_cache(maxsize=256)
def counts(*, replicas: int, ready: int, is_changing: bool, generation: int = 1) -> dict[str, Any]:
    """Return the status of a deployment; while it changes the old pods are the ready ones.

    NB: shared, as other parts of objects here are: no object is changed once it is made.
    """
    available = ready == replicas and not is_changing
    numbers = {
        "replicas": replicas + 1 if is_changing else replicas,
        "updatedReplicas": 1 if is_changing else replicas,
        "readyReplicas": ready,
        "availableReplicas": ready,
        "unavailableReplicas": 1 if is_changing else replicas - ready,
    }
    conditions = [
        _condition("Available", is_so=ready > 0, reason="MinimumReplicas"),
        {
            "type": "Progressing",
            "status": "True",
            "reason": "NewReplicaSetAvailable" if available else "ReplicaSetUpdated",
        },
    ]
    return {
        "observedGeneration": generation,
        **{key: value for key, value in numbers.items() if value},
        "conditions": conditions,
    }


def _condition(kind: str, *, is_so: bool, reason: str) -> dict[str, str]:
    ending = "Available" if is_so else "Unavailable"
    return {"type": kind, "status": str(is_so), "reason": f"{reason}{ending}"}


def pods(scene: Scene, one: Component) -> Iterator[Made]:
    """Yield the pods of a component."""
    for place in range(one.replicas):
        is_old = one.old_containers is not None
        old_at = one.old_pods_at or one.created_at
        if is_old:
            yield pod(
                scene,
                name=_pod_name(one, place, codec.utc_text(old_at)),
                namespace=one.namespace,
                labels=one.old_labels or one.labels,
                containers=one.old_containers or {},
                created_at=old_at,
                owner=one.name,
            )
        if not is_old or place == 0:
            yield pod(
                scene,
                name=_pod_name(one, place, codec.utc_text(one.pods_at)),
                namespace=one.namespace,
                labels=one.labels,
                containers=one.containers,
                created_at=one.pods_at,
                changed_at=one.changed_at,
                is_ready=one.is_ready and not is_old,
                waits=one.waits,
                owner=one.name,
            )
    if one.has_evicted:
        yield evicted(scene, one)


def _pod_name(one: Component, place: int, generation: str) -> str:
    return (
        f"{one.name}-{suffix(one.name, generation, size=9)}-{suffix(one.name, generation, place)}"
    )


@functools.lru_cache(maxsize=4096)
def suffix(*parts: str | int, size: int = 5) -> str:
    """Return letters as Kubernetes puts them behind names."""
    digest = hashlib.blake2b(repr(parts).encode(), digest_size=size).digest()
    return "".join(_LETTERS[one % len(_LETTERS)] for one in digest)


def pod(  # noqa: PLR0913 - what makes a pod
    scene: Scene,
    *,
    name: str,
    namespace: str,
    labels: Mapping[str, str],
    containers: Mapping[str, str],
    created_at: dt.datetime,
    owner: str,
    changed_at: dt.datetime | None = None,
    is_ready: bool = True,
    waits: str = "",
    annotations: Mapping[str, str] | None = None,
    stateful_uid: str = "",
    account: str = "default",
) -> Made:
    """Return a pod, with what is told of its containers."""
    started = scenes.stamped(min(created_at, scene.now))
    node = node_name(scene, 0)
    phase = "Pending" if waits in ("ImagePullBackOff", "Pending") else "Running"
    set_name = name.rpartition("-")[0]
    place = {"kind": "StatefulSet", "name": owner, "uid": stateful_uid}
    if not stateful_uid:
        uid = replica_set_uid(scene, namespace, set_name)
        place = {"kind": "ReplicaSet", "name": set_name, "uid": uid}
    found = scene.made(
        _POD,
        name,
        namespace=namespace,
        created_at=created_at,
        changed_at=changed_at,
        labels=labels,
        annotations=annotations,
        spec={
            "serviceAccountName": account,
            "containers": _specs(containers),
            "nodeName": node,
            "restartPolicy": "Always",
        },
        status={
            "phase": phase,
            "podIP": address(scene, "10.244", "pod", name),
            "hostIP": address(scene, "192.168", "node", node),
            "startTime": started,
            "conditions": _conditions(is_ready=is_ready, is_placed=waits != "Pending"),
            "containerStatuses": [
                container_status(key, image, is_ready=is_ready, waits=waits, started=started)
                for key, image in containers.items()
            ],
        },
    )
    found["metadata"]["ownerReferences"] = [
        {"apiVersion": "apps/v1", **place, "controller": True, "blockOwnerDeletion": True}
    ]
    return found


@functools.cache
def _conditions(*, is_ready: bool, is_placed: bool) -> list[dict[str, str]]:
    return [
        {"type": kind, "status": str(is_so)}
        for kind, is_so in (
            ("Initialized", True),
            ("Ready", is_ready),
            ("ContainersReady", is_ready),
            ("PodScheduled", is_placed),
        )
    ]


def replica_set_uid(scene: Scene, namespace: str, name: str) -> str:
    """Return what a replica set is known by to its pods."""
    return scene.identity(kinds.REPLICA_SETS.plural, namespace, name)


@functools.lru_cache(maxsize=4096)
def container_status(
    name: str, image: str, *, is_ready: bool, waits: str, started: str
) -> dict[str, Any]:
    """Return what a pod tells of one container."""
    state: dict[str, Any] = {"running": {"startedAt": started}}
    if waits and waits != "Pending":
        state = {"waiting": {"reason": waits, "message": f"{waits}: {name}"}}
    if waits == "Pending":
        state = {"waiting": {"reason": "ContainerCreating"}}
    return {
        "name": name,
        "image": image,
        "imageID": f"{image.partition(':')[0]}@sha256:{suffix(image, size=32)}",
        "ready": is_ready,
        "started": is_ready,
        "restartCount": _RESTARTS if waits == "CrashLoopBackOff" else 0,
        "state": state,
    }


def evicted(scene: Scene, one: Component) -> Made:
    """Return what is left of a pod that a node had no room for."""
    name = _pod_name(one, 0, "evicted")
    found = pod(
        scene,
        name=name,
        namespace=one.namespace,
        labels=one.labels,
        containers=one.containers,
        created_at=one.created_at,
        is_ready=False,
        owner=one.name,
    )
    found["status"] = {
        "phase": "Failed",
        "reason": "Evicted",
        "message": "The node was low on resource: memory.",
        "startTime": found["metadata"]["creationTimestamp"],
    }
    return found


def made_at(found: Mapping[str, Any]) -> dt.datetime:
    """Return when an object was made."""
    return dt.datetime.fromisoformat(found["metadata"]["creationTimestamp"])


def is_ready(found: Mapping[str, Any]) -> bool:
    """Tell whether a pod is ready."""
    conditions = found["status"].get("conditions", ())
    return any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)


def _specs(containers: Mapping[str, str]) -> list[dict[str, Any]]:
    return [_spec(name, image) for name, image in containers.items()]


@functools.lru_cache(maxsize=4096)
def _spec(name: str, image: str) -> dict[str, Any]:
    return {"name": name, "image": image, "imagePullPolicy": "IfNotPresent"}


def node_name(scene: Scene, place: int) -> str:
    """Return what a node is called."""
    return f"{scene.cluster.name}-node-{place + 1}"


def address(scene: Scene, network: str, *parts: str) -> str:
    """Return an address of something, in a network of two numbers."""
    lot = scene.lot("address", *parts)
    return f"{network}.{lot // 4000 % 250}.{lot % 250 + 2}"
