"""What an API server tells of itself: its version, its groups, and that it is well."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fleet.sim.inside.kinds import Kind
from fleet.sim.inside.scene import Scene

_HEALTH = frozenset({"/readyz", "/livez", "/healthz"})
_VERBS = ["create", "delete", "get", "list", "patch", "update", "watch"]


def found(scene: Scene, path: str) -> str | Mapping[str, Any] | None:
    """Return a document, or plain text; ``None``: the path is about something else."""
    path = path.rstrip("/")
    if path in _HEALTH:
        return "ok"
    match path.split("/")[1:]:
        case ["version"]:
            return _version(scene)
        case ["api"]:
            return {"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": []}
        case ["apis"]:
            return {"kind": "APIGroupList", "apiVersion": "v1", "groups": _groups(scene)}
        case ["apis", group]:
            return next((one for one in _groups(scene) if one["name"] == group), None)
        case ["api", version]:
            return _resources(scene, "", version)
        case ["apis", group, version]:
            return _resources(scene, group, version)
        case _:
            return None


def _version(scene: Scene) -> dict[str, str]:
    text = scene.cluster.kubernetes_version or "1.30.0"
    major, minor, *_ = text.split(".")
    return {
        "major": major,
        "minor": minor,
        "gitVersion": f"v{text}",
        "gitCommit": "0" * 40,
        "gitTreeState": "clean",
        "buildDate": "2025-01-01T00:00:00Z",
        "goVersion": "go1.23.4",
        "compiler": "gc",
        "platform": "linux/amd64",
    }


def _groups(scene: Scene) -> list[dict[str, Any]]:
    versions: dict[str, list[str]] = {}
    for resource in scene.kinds:
        known = versions.setdefault(resource.group, [])
        if resource.version not in known:
            known.append(resource.version)
    return [
        {
            "name": group,
            "versions": [{"groupVersion": f"{group}/{one}", "version": one} for one in found],
            "preferredVersion": {"groupVersion": f"{group}/{found[0]}", "version": found[0]},
        }
        for group, found in sorted(versions.items())
        if group
    ]


def _resources(scene: Scene, group: str, version: str) -> dict[str, Any] | None:
    kinds = [
        one
        for one in scene.kinds.values()
        if (one.resource.group, one.resource.version) == (group, version)
    ]
    if not kinds:
        return None
    return {
        "kind": "APIResourceList",
        "apiVersion": "v1",
        "groupVersion": f"{group}/{version}" if group else version,
        "resources": [_resource(one) for one in kinds],
    }


def _resource(kind: Kind) -> dict[str, Any]:
    return {
        "name": kind.resource.plural,
        "singularName": kind.kind.lower(),
        "namespaced": kind.is_namespaced,
        "kind": kind.kind,
        "verbs": _VERBS,
    }
