"""Workloads of a mesh, and their pods: with a sidecar, an old one, or none."""

from __future__ import annotations

from typing import Any

from fleet.core.works import restart, sidecars
from fleet.core.works.namespaces import INJECTION, MONITORED_BY, PODS
from fleet.model.objects import Object, Resource
from tests.rig.insides import Found

OLD, NEW = "envoy:v1.22.2", "envoy:v1.26.3"
WINDOWS = "envoy-windows:v1.26.3"
PLURALS = {"Deployment": "deployments", "DaemonSet": "daemonsets", "StatefulSet": "statefulsets"}
MESHED = {"labels": {MONITORED_BY: "osm"}, "annotations": {INJECTION: "enabled"}}


def injector() -> Found:
    """Return the injector of a mesh whose sidecars are new."""
    env = [
        {"name": "OSM_DEFAULT_ENVOY_IMAGE", "value": NEW},
        {"name": "OSM_DEFAULT_ENVOY_WINDOWS_IMAGE", "value": WINDOWS},
    ]
    containers = [{"name": "osm-injector", "image": "osm-injector:v1.2.6", "env": env}]
    return sidecars.DEPLOYMENTS, {
        "metadata": {"name": "osm-injector", "namespace": "arc-osm-system"},
        "spec": {"replicas": 1, "template": {"spec": {"containers": containers}}},
        "status": {"updatedReplicas": 1, "replicas": 1, "availableReplicas": 1},
    }


def workload(
    name: str, *, kind: str = "Deployment", place: str = "shop", by: str = "", **more: Any
) -> Found:
    """Return a workload that has rolled."""
    status: dict[str, dict[str, Any]] = {
        "Deployment": {"replicas": 1, "updatedReplicas": 1, "availableReplicas": 1},
        "DaemonSet": {
            "desiredNumberScheduled": 1,
            "updatedNumberScheduled": 1,
            "numberAvailable": 1,
        },
        "StatefulSet": {"readyReplicas": 1, "updateRevision": "a", "currentRevision": "a"},
    }
    annotations = {restart.RESTARTED: by} if by else {}
    return Resource("apps", "v1", PLURALS[kind]), {
        "metadata": {"name": name, "namespace": place, "generation": 1},
        "spec": {"template": {"metadata": {"annotations": annotations}}, **more.pop("spec", {})},
        "status": {"observedGeneration": 1, **status[kind], **more.pop("status", {})},
    }


def pod(
    owner: str,
    image: str = "",
    *,
    kind: str = "Deployment",
    place: str = "shop",
    number: int = 1,
    annotation: str = "",
    spec: Object | None = None,
    **more: Any,
) -> Found:
    """Return a pod of a workload; with *image* one that has a sidecar."""
    of_deployment = {"kind": "ReplicaSet", "name": f"{owner}-6d4b"}
    reference = of_deployment if kind == "Deployment" else {"kind": kind, "name": owner}
    sidecar = [{"name": "envoy", "image": image}] if image else []
    labels = {"osm-proxy-uuid": "1"} if image else {}
    return PODS, {
        "metadata": {
            "name": f"{owner}-{number}",
            "namespace": place,
            "labels": {"pod-template-hash": "6d4b", **labels},
            "annotations": {INJECTION: annotation} if annotation else {},
            "ownerReferences": [{**reference, "controller": True}] if owner else [],
            **more.pop("metadata", {}),
        },
        "spec": {"containers": [{"name": "app", "image": "app"}, *sidecar], **(spec or {})},
        "status": {"phase": "Running", **more.pop("status", {})},
    }
