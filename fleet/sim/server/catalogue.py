"""Extension types and their versions: per location, and per cluster.

Versions come in no order, as the service returns them, and in another one at each scope.

Source:  recorded bodies of 2023-05-01-preview: pages of 50, a token that is encoded twice.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import quote, unquote

from fleet.core import draws
from fleet.sim.census import kind_of
from fleet.sim.recipe import ExtensionRecipe
from fleet.sim.server import answers
from fleet.sim.server.answers import Answer, RefusalError
from fleet.sim.server.asks import Ask
from fleet.sim.server.plane import Plane

_PAGE = 50
_TYPE = "Microsoft.KubernetesConfiguration/extensionTypes"
_CLUSTER_TYPES = ("Connectedclusters", "Provisionedclusters")
_DEFAULT_TRAIN = "stable"
SERVED = {"api-supported-versions": "2021-05-01-preview, 2022-01-15-preview, 2023-05-01-preview"}


async def types(plane: Plane, ask: Ask, parts: Mapping[str, str]) -> Answer:
    """GET of all types."""
    await _visit(plane, ask, parts)
    kinds = plane.recipe.extensions if _has_cluster_type(ask) else ()
    found = sorted(kinds, key=lambda kind: kind.extension_type.lower())
    return _page(ask, found, lambda one: _type(one, f"{ask.path}/{one.extension_type.lower()}"))


async def type_(plane: Plane, ask: Ask, parts: Mapping[str, str]) -> Answer:
    """GET of a type."""
    await _visit(plane, ask, parts)
    return answers.found(_type(_kind(plane, parts), ask.path), headers=SERVED)


async def type_versions(plane: Plane, ask: Ask, parts: Mapping[str, str]) -> Answer:
    """GET of the versions of a type on one release train."""
    await _visit(plane, ask, parts)
    place = parts.get("cluster") or parts.get("location", "")
    kind = _kind(plane, parts)
    found = _versions(kind, ask, seed=plane.recipe.seed, place=place.lower())
    return _page(ask, found, lambda one: _version(kind, one, f"{ask.path}/{one}"))


async def type_version(plane: Plane, ask: Ask, parts: Mapping[str, str]) -> Answer:
    """GET of one version."""
    await _visit(plane, ask, parts)
    kind, version = _kind(plane, parts), parts["version"]
    if not any(version in offered for offered in kind.versions.values()):
        raise _missing(f"Version '{version}' of extension type '{parts['type']}' not found.")
    return answers.found(_version(kind, version, ask.path), headers=SERVED)


async def _visit(plane: Plane, ask: Ask, parts: Mapping[str, str]) -> None:
    """Take as long as a request takes; a cluster must be there."""
    if "cluster" in parts:
        await plane.azure.cluster(plane.cluster_id(parts), ask.ids)
    else:
        await plane.azure.visit(parts["location"].lower())


def _kind(plane: Plane, parts: Mapping[str, str]) -> ExtensionRecipe:
    kind = kind_of(plane.recipe, parts["type"])
    if kind is None:
        raise _missing(f"Extension type '{parts['type']}' not found.")
    return kind


def _missing(message: str) -> RefusalError:
    return RefusalError(answers.by_provider(404, "ResourceNotFound", message))


def _has_cluster_type(ask: Ask) -> bool:
    asked = ask.query.get("clustertype")
    return asked is None or asked.lower() in [one.lower() for one in _CLUSTER_TYPES]


def _versions(kind: ExtensionRecipe, ask: Ask, *, seed: int, place: str) -> Sequence[str]:
    """Return what a train offers, in the order of this place."""
    if not _has_cluster_type(ask):
        return ()
    train = ask.query.get("releasetrain", _DEFAULT_TRAIN).lower()
    offered: Sequence[str] = kind.versions.get(train, ())
    major = ask.query.get("majorversion")
    if major is not None:
        offered = [one for one in offered if one.partition(".")[0] == major]
    if ask.query.get("showlatest", "").lower() == "true":
        offered = offered[-1:]
    name = kind.extension_type.lower()
    return sorted(offered, key=lambda one: draws.fraction_ppm(seed, "order", place, name, one))


def _page(ask: Ask, found: Sequence[Any], shape: Callable[[Any], Mapping[str, Any]]) -> Answer:
    start = _start(ask.query.get("continuationtoken"))
    end = start + _PAGE
    link = _next_link(ask, end) if end < len(found) else None
    value = [shape(one) for one in found[start:end]]
    return answers.found({"value": value, "nextLink": link}, headers=SERVED)


def _next_link(ask: Ask, start: int) -> str:
    # Source: recorded: Base64 over what is percent-encoded already, and encoded once more.
    inner = quote(f'[{{"token":"+RID:~{start}#RT:1#TRC:{start}"}}]', safe="")
    token = quote(base64.b64encode(inner.encode()).decode(), safe="")
    others = [f"{name}={quote(value)}" for name, value in ask.query.items() if name not in _ONCE]
    query = "&".join([f"api-version={ask.query['api-version']}", *others])
    return f"{ask.base}{quote(ask.path)}?{query}&continuationToken={token}"


_ONCE = ("api-version", "continuationtoken")


def _start(token: str | None) -> int:
    if token is None:
        return 0
    try:
        inner = unquote(base64.b64decode(token, validate=True).decode())
        return int(inner.partition("~")[2].partition("#")[0])
    except (ValueError, binascii.Error) as error:
        message = "The continuation token is invalid."
        raise answers.refusal(400, "InvalidContinuationToken", message) from error


def _type(kind: ExtensionRecipe, path: str) -> dict[str, Any]:
    name = kind.extension_type.lower()
    publisher = kind.extension_type.rpartition(".")[0] or kind.extension_type
    return {
        "id": path,
        "name": name,
        "type": _TYPE,
        "properties": {
            "extensionType": name,
            "description": f"Extension for {kind.extension_type}",
            "isSystemExtension": False,
            "publisher": publisher,
            "isManagedIdentityRequired": True,
            "supportedClusterTypes": list(_CLUSTER_TYPES),
            "supportedScopes": {
                "defaultScope": "cluster",
                "clusterScopeSettings": {
                    "allowMultipleInstances": False,
                    "defaultReleaseNamespace": kind.namespace,
                },
            },
            "planInfo": {"offerId": None, "planId": None, "publisherId": publisher},
        },
    }


def _version(kind: ExtensionRecipe, version: str, path: str) -> dict[str, Any]:
    nowhere = ("connectedCluster", "provisionedCluster", "managedCluster", "appliances")
    limits = [
        {"distributions": list(one.distributions), "unsupportedVersions": list(one.ranges)}
        for one in kind.unsupported.get(version, ())
    ]
    return {
        "id": path,
        "name": version,
        "type": f"{_TYPE}/versions",
        "properties": {
            "version": version,
            "unsupportedKubernetesVersions": {
                **dict.fromkeys(nowhere),
                "connectedCluster": limits or None,
            },
        },
    }
