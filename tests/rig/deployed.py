"""Workloads of a cluster, as their controllers and a kubelet would leave them.

Shapes:  a workload is a Deployment, its ReplicaSet and its pod, in this order.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

Box = Mapping[str, Any]
"""A container."""
_HASH = "5d8f7c9b6"
_PROXY = "0b7dbd0e-2c3d-4d3f-8c3e-1f1e2d3c4b5a"
_SELECTING = ("app", "app.kubernetes.io/component")


def made(version: str, kind: str, name: str, **rest: Any) -> dict[str, Any]:
    """Return an object; in ``metadata``, what is ``None`` is left out."""
    about = {"name": name, "namespace": "arc-osm-system", **rest.pop("metadata", {})}
    kept = {key: value for key, value in about.items() if value is not None}
    return {"apiVersion": version, "kind": kind, "metadata": kept, **rest}


def boxes(*names: str) -> Sequence[Box]:
    """Return containers of these names."""
    return [{"name": name, "image": f"{name}:1"} for name in names]


def pod_name(name: str) -> str:
    """Return the name of a workload's pod."""
    return f"{name}-{_HASH}-x7k2p"


def workload(
    namespace: str,
    name: str,
    labels: Mapping[str, str],
    containers: Sequence[Box],
    *,
    sidecar: str | None = None,
) -> Iterator[dict[str, Any]]:
    """Yield a workload that is well.

    Args:
        namespace: Where.
        name: Of its Deployment.
        labels: Of all of it.
        containers: As they are wished.
        sidecar: The image of the proxy that the mesh put into its pod.
    """
    selector = {key: labels[key] for key in labels if key in _SELECTING}
    about: dict[str, Any] = {"namespace": namespace, "labels": labels}
    spec = _spec(selector, labels, containers)
    yield made("apps/v1", "Deployment", name, metadata=about, spec=spec, status=rolled_out(1))
    hashed, copies = {"pod-template-hash": _HASH}, f"{name}-{_HASH}"
    about = {**about, "labels": {**labels, **hashed}, **_owned("Deployment", name)}
    spec = _spec({**selector, **hashed}, about["labels"], containers)
    status = {"replicas": 1, "readyReplicas": 1, "availableReplicas": 1, "observedGeneration": 1}
    yield made("apps/v1", "ReplicaSet", copies, metadata=about, spec=spec, status=status)
    about = {**about, **_owned("ReplicaSet", copies)}
    if sidecar is not None:
        containers = [*containers, {"name": "envoy", "image": sidecar}]
        about["labels"] = {**about["labels"], "osm-proxy-uuid": _PROXY}
    yield _pod(pod_name(name), about, containers)


def _pod(name: str, about: Mapping[str, Any], containers: Sequence[Box]) -> dict[str, Any]:
    spec = {"containers": containers, "nodeName": "node-1"}
    status = pod_status([box["name"] for box in containers])
    return made("v1", "Pod", name, metadata=about, spec=spec, status=status)


def _spec(selector: Mapping[str, str], labels: Mapping[str, str], containers: Sequence[Box]) -> Any:
    template = {"metadata": {"labels": labels}, "spec": {"containers": containers}}
    return {"replicas": 1, "selector": {"matchLabels": selector}, "template": template}


def _owned(kind: str, name: str) -> dict[str, Any]:
    # NB: the uid is none that the server gave: nobody collects what has lost its owner here.
    owner = {"apiVersion": "apps/v1", "kind": kind, "name": name, "controller": True}
    return {"ownerReferences": [{**owner, "uid": f"of-{name}"}]}


def rolled_out(ready: int, *, of: int = 1) -> dict[str, Any]:
    """Return what a controller says of a Deployment."""
    available = {"type": "Available", "status": str(ready >= of), "reason": "ByHand"}
    return {
        "observedGeneration": 1,
        "replicas": of,
        "updatedReplicas": of,
        "readyReplicas": ready,
        "availableReplicas": ready,
        "conditions": [available],
    }


def pod_status(containers: Iterable[str], *, is_ready: bool = True) -> dict[str, Any]:
    """Return what a kubelet says of a pod that runs, or of one that crashes time and again."""
    running = {"running": {"startedAt": "2024-01-01T00:00:00Z"}}
    waiting = {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 5m0s restarting"}}
    rest = {
        "ready": is_ready,
        "restartCount": 0 if is_ready else 7,
        "image": "",
        "imageID": "",
        "state": running if is_ready else waiting,
    }
    ready = [{"type": "Ready", "status": str(is_ready)}]
    states = [{"name": name, **rest} for name in containers]
    return {"phase": "Running", "conditions": ready, "containerStatuses": states}
