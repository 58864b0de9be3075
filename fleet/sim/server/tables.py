"""What Resource Graph's tables hold: clusters in one, their extensions in another.

Resource Graph is fed by notifications and scans, and lags behind: rows are
made when a query needs them, and may be some seconds old.

Shapes:  a row is a tuple of text in the order of its columns; JSON is text as well.
Source:  the columns of recorded rows; official samples spell extensions in Pascal case.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any

import orjson

from fleet.model.cluster import Cluster, Extension
from fleet.sim.recipe import Casing, Recipe
from fleet.sim.server import bodies

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
"""``{column: type in the database}``, the same for both tables."""
CLUSTERS = "resources"
EXTENSIONS = "kubernetesconfigurationresources"
TABLES = (CLUSTERS, EXTENSIONS)

VARIED = (
    "id",
    "name",
    "location",
    "resourceGroup",
    "subscriptionId",
    "properties",
    "tags",
    "identity",
)
"""What differs between the rows of a table; the rest is the same in all of them."""
Row = tuple[str | None, ...]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """Some rows of both tables."""

    clusters: list[Row]
    extensions: list[Row]


class Writer:
    """Makes rows; what many clusters share is written once."""

    def __init__(self, recipe: Recipe) -> None:
        self._recipe = recipe
        self._known: dict[int, tuple[Extension, str]] = {}

    def rows(self, found: Iterable[Cluster]) -> Rows:
        """Return the rows of *found*."""
        clusters: list[Row] = []
        extensions: list[Row] = []
        for cluster in found:
            clusters.append(self._cluster(cluster))
            extensions.extend(self._extension(cluster, one) for one in cluster.extensions)
        return Rows(clusters=clusters, extensions=extensions)

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
    is_cluster = table == CLUSTERS
    kind = bodies.CLUSTER_TYPE if is_cluster else bodies.EXTENSION_TYPE.lower()
    empty = dict.fromkeys(("kind", "managedBy"), "")
    return {"type": kind, "tenantId": tenant, **empty}


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
