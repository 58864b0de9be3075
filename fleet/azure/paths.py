"""Where things are in Resource Manager: ids taken apart, URLs put together.

The api-versions that are spoken stand here, once.

Errors:  :exc:`UnexpectedPayloadError` for an id that is no connected cluster's.
"""

from __future__ import annotations

import dataclasses
import re
import urllib.parse
from collections.abc import Mapping

from fleet.errors import UnexpectedPayloadError
from fleet.ports import ExtensionRef

EXTENSIONS_API = "2023-05-01"
"""What the Azure CLI speaks; later ones are not routed everywhere."""
EXTENSIONS_APIS = ("2022-11-01", EXTENSIONS_API, "2024-11-01", "2025-03-01")
"""Those that can be spoken instead, oldest first."""
_MODE_API = "2025-03-01"
"""From here on, which new versions the service installs is a word, not a flag."""
TYPES_API = "2023-05-01-preview"
CLUSTERS_API = "2024-01-01"
GRAPH_API = "2024-04-01"
PROVIDERS_API = "2021-04-01"
PERMISSIONS_API = "2022-04-01"
ENDPOINTS_API = "2022-09-01"
SUBSCRIPTIONS_API = "2022-12-01"

_LONGEST_SHOWN = 300

PROVIDER = "Microsoft.KubernetesConfiguration"

_CLUSTER = re.compile(
    r"/subscriptions/([^/]+)/resourcegroups/([^/]+)"
    r"/providers/microsoft\.kubernetes/connectedclusters/([^/]+)",
    re.IGNORECASE,
)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ClusterParts:
    """What a cluster's id is made of."""

    subscription: str
    resource_group: str
    name: str


def parts_of(cluster_id: str) -> ClusterParts:
    """Take the id of a connected cluster apart."""
    found = _CLUSTER.fullmatch(cluster_id)
    if found is None:
        shown = (
            cluster_id if len(cluster_id) <= _LONGEST_SHOWN else f"{cluster_id[:_LONGEST_SHOWN]}…"
        )
        message = f"{shown!r} is not the id of a connected cluster"
        raise UnexpectedPayloadError(message)
    subscription, resource_group, name = found.groups()
    return ClusterParts(subscription=subscription, resource_group=resource_group, name=name)


def cluster_url(base: str, cluster_id: str) -> str:
    """Return the URL of a cluster."""
    return url(base, cluster_path(cluster_id), {"api-version": CLUSTERS_API})


def extension_url(
    base: str, ref: ExtensionRef, query: Mapping[str, str] | None = None, *, api_version: str
) -> str:
    """Return the URL of an extension."""
    path = f"{cluster_path(ref.cluster_id)}/providers/{PROVIDER}/extensions/{quoted(ref.name)}"
    return url(base, path, {"api-version": api_version, **(query or {})})


def extension_id(ref: ExtensionRef) -> str:
    """Return the id of an extension, in the casing of its cluster's."""
    return f"{ref.cluster_id}/providers/{PROVIDER}/extensions/{ref.name}"


def location_versions_url(
    base: str, subscription: str, location: str, extension_type: str, query: Mapping[str, str]
) -> str:
    """Return the URL of the versions that a location offers."""
    path = (
        f"/subscriptions/{quoted(subscription)}/providers/{PROVIDER}/locations/{quoted(location)}"
    )
    query = {"clusterType": "connectedClusters", **query}
    return url(base, f"{path}{_versions(extension_type)}", {"api-version": TYPES_API, **query})


def cluster_versions_url(
    base: str, cluster_id: str, extension_type: str, query: Mapping[str, str]
) -> str:
    """Return the URL of the versions that a cluster is offered."""
    path = f"{cluster_path(cluster_id)}/providers/{PROVIDER}{_versions(extension_type)}"
    return url(base, path, {"api-version": TYPES_API, **query})


def _versions(extension_type: str) -> str:
    return f"/extensionTypes/{quoted(extension_type.lower())}/versions"


def has_modes(api_version: str) -> bool:
    """Tell whether an api-version of extensions has a word for patches alone."""
    return api_version >= _MODE_API


def cluster_path(cluster_id: str) -> str:
    """Return the path of a cluster, in the casing of its id, every segment quoted."""
    parts_of(cluster_id)
    return "/".join(quoted(segment) for segment in cluster_id.split("/"))


def url(base: str, path: str, query: Mapping[str, str]) -> str:
    """Return *path*, which is quoted already, at *base*."""
    return f"{base}{path}?{urllib.parse.urlencode(query, quote_via=urllib.parse.quote)}"


def quoted(segment: str) -> str:
    """Return *segment* fit for a path."""
    # Source: resource groups may be named with parentheses; ARM takes them either way.
    return urllib.parse.quote(segment, safe="()")
