"""What Resource Graph's tables hold: clusters, their extensions, what they lie in, and policies.

Resource Graph is fed by notifications and scans, and lags behind: rows are
made when a query needs them, and may be some seconds old.

Shapes:  a row is a tuple of text in the order of its columns; JSON is text as well.
Source:  the columns of recorded rows; official samples spell extensions in Pascal case.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Mapping
from typing import Any

import orjson

from fleet.model.cluster import Cluster, Extension
from fleet.sim.recipe import Casing, Recipe
from fleet.sim.server import access, bodies, definitions, policies

COLUMNS: Mapping[str, str] = {
    "id": "VARCHAR",
    "name": "VARCHAR",
    "type": "VARCHAR",
    "tenantId": "VARCHAR",
    "kind": "VARCHAR",
    "location": "VARCHAR",
    "resourceGroup": "VARCHAR",
    "subscriptionId": "VARCHAR",
    "managedBy": "VARCHAR",
    "sku": "JSON",
    "plan": "JSON",
    "properties": "JSON",
    "tags": "JSON",
    "identity": "JSON",
    "zones": "JSON",
    "extendedLocation": "JSON",
}
"""``{column: type in the database}``, the same for all tables."""
CLUSTERS = "resources"
EXTENSIONS = "kubernetesconfigurationresources"
CONTAINERS = "resourcecontainers"
POLICIES = "policyresources"
TABLES = (CLUSTERS, EXTENSIONS, CONTAINERS, POLICIES)

_VARIED = (
    "id",
    "name",
    "location",
    "resourceGroup",
    "subscriptionId",
    "properties",
    "tags",
    "identity",
)
Row = tuple[str | None, ...]
_PER_CLUSTER = (bodies.CLUSTER_TYPE, bodies.EXTENSION_TYPE, policies.STATE_TYPE)
_SCOPE = re.compile(r"/subscriptions/([^/]+)(?:/resourceGroups/([^/]+))?", re.IGNORECASE)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """Some rows of every table."""

    clusters: list[Row] = dataclasses.field(default_factory=list)
    extensions: list[Row] = dataclasses.field(default_factory=list)
    containers: list[Row] = dataclasses.field(default_factory=list)
    policies: list[Row] = dataclasses.field(default_factory=list)


class Writer:
    """Makes rows; what many clusters share is written once."""

    def __init__(self, recipe: Recipe) -> None:
        self._recipe = recipe
        self._known: dict[int, tuple[Extension, str]] = {}

    def rows(self, found: Iterable[Cluster]) -> Rows:
        """Return the rows of *found*."""
        rows = Rows()
        sees = {kind: self._sees(kind) for kind in _PER_CLUSTER}
        for cluster in found:
            if sees[bodies.CLUSTER_TYPE]:
                rows.clusters.append(self._cluster(cluster))
            if sees[bodies.EXTENSION_TYPE]:
                rows.extensions.extend(self._extension(cluster, one) for one in cluster.extensions)
            if sees[policies.STATE_TYPE]:
                rows.policies.extend(map(_plain, policies.states(cluster, self._recipe)))
        return rows

    def standing(self) -> Rows:
        """Return the rows of what does not change: subscriptions, groups and policies."""
        recipe = self._recipe
        found = (
            *definitions.definitions(recipe),
            *definitions.initiatives(recipe),
            *policies.assignments(recipe),
        )
        seen = [one for one in found if self._sees(one["type"])]
        containers = (
            bodies.containers(recipe) if self._sees("Microsoft.Resources/subscriptions") else ()
        )
        return Rows(containers=list(map(_plain, containers)), policies=list(map(_plain, seen)))

    def _sees(self, kind: str) -> bool:
        # Source: what the caller may not read is left out of a table, without a word.
        return access.may(self._recipe.wire.permissions, f"{kind}/read")

    def _cluster(self, found: Cluster) -> Row:
        return (
            found.id,
            found.name,
            found.location,
            found.resource_group.lower(),
            found.subscription,
            _text(bodies.cluster_properties(found, self._recipe)),
            _text(dict(found.tags)),
            _text(bodies.cluster_identity(found, self._recipe)),
        )

    def _extension(self, cluster: Cluster, found: Extension) -> Row:
        is_pascal = self._recipe.wire.graph_casing is Casing.PASCAL
        kind = "Extensions" if is_pascal else "extensions"
        return (
            f"{cluster.id}/providers/Microsoft.KubernetesConfiguration/{kind}/{found.name}",
            found.name,
            "",
            cluster.resource_group.lower(),
            cluster.subscription,
            self._properties(found, is_pascal=is_pascal),
            None,
            None,
        )

    def _properties(self, found: Extension, *, is_pascal: bool) -> str:
        known = self._known.get(id(found))
        if known is None or known[0] is not found:
            properties = bodies.extension_properties(found)
            known = found, _text(_pascal(properties) if is_pascal else properties)
            self._known[id(found)] = known
        return known[1]


def constants(table: str, *, tenant: str) -> Mapping[str, str | None]:
    """Return what stands in every row of a table."""
    same = {"tenantId": tenant, **dict.fromkeys(("kind", "managedBy"), "")}
    kind = {CLUSTERS: bodies.CLUSTER_TYPE, EXTENSIONS: bodies.EXTENSION_TYPE.lower()}.get(table)
    return same if kind is None else {"type": kind, **same}


def varied(table: str) -> tuple[str, ...]:
    """Return the columns that differ between the rows of a table."""
    return _VARIED if table in (CLUSTERS, EXTENSIONS) else (*_VARIED, "type")


def _plain(found: Mapping[str, Any]) -> Row:
    """Return the row of a resource that says itself what it is."""
    place = _SCOPE.match(found["id"])
    subscription, group = place.groups() if place else (None, None)
    return (
        found["id"],
        found["name"],
        found.get("location", ""),
        (group or "").lower(),
        subscription or "",
        _text(found["properties"]),
        None,
        None,
        found["type"].lower(),
    )


def _pascal(properties: Mapping[str, Any]) -> dict[str, Any]:
    """Return *properties* in Pascal case, but for names that are the user's or a kind's."""
    found = {_capital(name): value for name, value in properties.items()}
    found["Scope"] = {
        kind: {_capital(name): value for name, value in within.items()}
        for kind, within in properties["scope"].items()
    }
    found["Statuses"] = [
        {_capital(name): value for name, value in status.items()}
        for status in properties["statuses"]
    ]
    return found


def _capital(name: str) -> str:
    return name[:1].upper() + name[1:]


def _text(value: Any) -> str:
    return orjson.dumps(value).decode()
