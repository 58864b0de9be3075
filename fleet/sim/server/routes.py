"""Paths and api-versions: which request is meant, or how Resource Manager refuses it.

Paths are compared without case, as Azure does, and parts keep the caller's.

Source:  the versions are those that were seen to be routed, or that a client sends.
"""

from __future__ import annotations

import dataclasses
import enum
import re
from collections.abc import Mapping

from fleet.sim.server import answers
from fleet.sim.server.answers import RefusalError

CLUSTER_VERSIONS = ("2021-10-01", "2024-01-01", "2025-08-01-preview", "2026-05-01")
EXTENSION_VERSIONS = ("2022-11-01", "2023-05-01", "2024-11-01", "2025-03-01")
TYPE_VERSIONS = ("2023-05-01-preview", "2024-11-01-preview")
GRAPH_VERSIONS = ("2021-03-01", "2022-10-01", "2024-04-01")
CREDENTIAL_VERSIONS = ("2021-10-01", "2024-01-01", "2026-05-01")
ASSIGNMENT_VERSIONS = ("2021-06-01", "2022-06-01", "2023-04-01", "2024-04-01", "2025-03-01")
STATE_VERSIONS = ("2018-07-01-preview", "2019-10-01", "2024-10-01")
PERMISSION_VERSIONS = ("2015-07-01", "2018-07-01", "2022-04-01")
ACTIVITY_VERSIONS = ("2014-04-01", "2015-04-01", "2017-03-01-preview")

_VERSION = re.compile(r"\d{4}-\d{2}-\d{2}(-preview|-alpha|-beta)?")
_NAMESPACE = re.compile(r".*/providers/([^/]+)", re.IGNORECASE)
_KNOWN_NAMESPACES = {
    "microsoft.kubernetes": "Microsoft.Kubernetes",
    "microsoft.kubernetesconfiguration": "Microsoft.KubernetesConfiguration",
    "microsoft.resourcegraph": "Microsoft.ResourceGraph",
    "microsoft.authorization": "Microsoft.Authorization",
    "microsoft.insights": "Microsoft.Insights",
    "microsoft.policyinsights": "Microsoft.PolicyInsights",
}


class Kind(enum.Enum):
    """What is asked for."""

    ENDPOINTS = enum.auto()
    SIMULATION = enum.auto()
    TOKEN = enum.auto()
    OPENID = enum.auto()
    SUBSCRIPTIONS = enum.auto()
    SUBSCRIPTION = enum.auto()
    PROVIDER = enum.auto()
    CLUSTERS = enum.auto()
    CLUSTER = enum.auto()
    EXTENSIONS = enum.auto()
    EXTENSION = enum.auto()
    OPERATION = enum.auto()
    TYPES = enum.auto()
    TYPE = enum.auto()
    TYPE_VERSIONS = enum.auto()
    TYPE_VERSION = enum.auto()
    GRAPH = enum.auto()
    CREDENTIAL = enum.auto()
    ASSIGNMENTS = enum.auto()
    STATES = enum.auto()
    PERMISSIONS = enum.auto()
    ACTIVITY = enum.auto()
    METRICS = enum.auto()
    LOGS = enum.auto()


OPEN = frozenset(
    {Kind.ENDPOINTS, Kind.SIMULATION, Kind.TOKEN, Kind.OPENID, Kind.METRICS, Kind.LOGS}
)
"""What needs no token of Resource Manager's."""
_VERSIONLESS = OPEN - {Kind.ENDPOINTS}


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """A kind of path."""

    kind: Kind
    pattern: re.Pattern[str]
    namespace: str | None = None
    """Whose; ``None``: Resource Manager's own."""
    versions: tuple[str, ...] = ()
    """Empty: any that looks like one."""


def _route(
    kind: Kind, pattern: str, *, namespace: str | None = None, versions: tuple[str, ...] = ()
) -> Route:
    return Route(
        kind=kind,
        pattern=re.compile(pattern, re.IGNORECASE),
        namespace=namespace,
        versions=versions,
    )


_SUBSCRIPTION = r"/subscriptions/(?P<subscription>[^/]+)"
_ARC = "Microsoft.Kubernetes"
_CONFIGURATION = "Microsoft.KubernetesConfiguration"
_IN_GROUP = r"/resourceGroups/(?P<group>[^/]+)"
_CLUSTERS = rf"/providers/{re.escape(_ARC)}/connectedClusters"
_IN_CLUSTER = rf"{_IN_GROUP}{_CLUSTERS}/(?P<cluster>[^/]+)"
_CLUSTER = f"{_SUBSCRIPTION}{_IN_CLUSTER}"
_PROVIDER = f"/providers/{re.escape(_CONFIGURATION)}"
_EXTENSIONS = f"{_CLUSTER}{_PROVIDER}/extensions"
_PLACE = rf"(?:{_IN_CLUSTER}{_PROVIDER}|{_PROVIDER}/locations/(?P<location>[^/]+))"
_TYPES = f"{_SUBSCRIPTION}{_PLACE}/extensionTypes"
_AUTHORIZATION = "Microsoft.Authorization"
_IN_AUTHORIZATION = f"/providers/{re.escape(_AUTHORIZATION)}"
_OF_TYPE = rf"{_TYPES}/(?P<type>[^/]+)"

ROUTES = (
    # The most frequent first.
    _route(
        Kind.EXTENSION,
        rf"{_EXTENSIONS}/(?P<name>[^/]+)",
        namespace=_CONFIGURATION,
        versions=EXTENSION_VERSIONS,
    ),
    _route(
        Kind.OPERATION,
        rf"{_EXTENSIONS}/(?P<name>[^/]+)/operations/(?P<operation>[^/]+)",
        namespace=_CONFIGURATION,
        versions=EXTENSION_VERSIONS,
    ),
    _route(Kind.CLUSTER, _CLUSTER, namespace=_ARC, versions=CLUSTER_VERSIONS),
    _route(Kind.EXTENSIONS, _EXTENSIONS, namespace=_CONFIGURATION, versions=EXTENSION_VERSIONS),
    _route(
        Kind.GRAPH,
        r"/providers/Microsoft\.ResourceGraph/resources",
        namespace="Microsoft.ResourceGraph",
        versions=GRAPH_VERSIONS,
    ),
    _route(
        Kind.CLUSTERS,
        f"{_SUBSCRIPTION}(?:{_IN_GROUP})?{_CLUSTERS}",
        namespace=_ARC,
        versions=CLUSTER_VERSIONS,
    ),
    _route(Kind.TYPES, _TYPES, namespace=_CONFIGURATION, versions=TYPE_VERSIONS),
    _route(Kind.TYPE, _OF_TYPE, namespace=_CONFIGURATION, versions=TYPE_VERSIONS),
    _route(
        Kind.TYPE_VERSIONS,
        rf"{_OF_TYPE}/versions",
        namespace=_CONFIGURATION,
        versions=TYPE_VERSIONS,
    ),
    _route(
        Kind.TYPE_VERSION,
        rf"{_OF_TYPE}/versions/(?P<version>[^/]+)",
        namespace=_CONFIGURATION,
        versions=TYPE_VERSIONS,
    ),
    _route(
        Kind.CREDENTIAL,
        f"{_CLUSTER}/listClusterUserCredential",
        namespace=_ARC,
        versions=CREDENTIAL_VERSIONS,
    ),
    _route(
        Kind.ASSIGNMENTS,
        f"{_SUBSCRIPTION}{_IN_AUTHORIZATION}/policyAssignments",
        namespace=_AUTHORIZATION,
        versions=ASSIGNMENT_VERSIONS,
    ),
    _route(
        Kind.STATES,
        f"{_SUBSCRIPTION}(?:{_IN_GROUP}(?:{_CLUSTERS}/(?P<cluster>[^/]+))?)?"
        r"/providers/Microsoft\.PolicyInsights/policyStates/latest/queryResults",
        namespace="Microsoft.PolicyInsights",
        versions=STATE_VERSIONS,
    ),
    _route(
        Kind.PERMISSIONS,
        f"{_SUBSCRIPTION}(?:{_IN_GROUP}(?:{_CLUSTERS}/(?P<cluster>[^/]+))?)?"
        f"{_IN_AUTHORIZATION}/permissions",
        namespace=_AUTHORIZATION,
        versions=PERMISSION_VERSIONS,
    ),
    _route(
        Kind.ACTIVITY,
        rf"{_SUBSCRIPTION}/providers/Microsoft\.Insights/eventtypes/management/values",
        namespace="Microsoft.Insights",
        versions=ACTIVITY_VERSIONS,
    ),
    _route(Kind.METRICS, "/api/v1/query"),
    _route(Kind.LOGS, r"/v1/workspaces/(?P<workspace>[^/]+)/query"),
    _route(Kind.SUBSCRIPTIONS, "/subscriptions"),
    _route(Kind.SUBSCRIPTION, _SUBSCRIPTION),
    _route(Kind.PROVIDER, rf"{_SUBSCRIPTION}/providers/(?P<namespace>[^/]+)"),
    _route(Kind.ENDPOINTS, "/metadata/endpoints"),
    _route(Kind.SIMULATION, "/metadata/simulation"),
    _route(Kind.TOKEN, r"/(?P<tenant>[^/]+)/oauth2/v2\.0/token"),
    _route(Kind.OPENID, r"/(?P<tenant>[^/]+)/v2\.0/\.well-known/openid-configuration"),
)


def find(path: str) -> tuple[Route, Mapping[str, str]] | None:
    """Return what a path means, with its parts; ``None``: nothing."""
    path = path.rstrip("/")
    for route in ROUTES:
        match = route.pattern.fullmatch(path)
        if match is not None:
            found = match.groupdict()
            return route, {name: part for name, part in found.items() if part is not None}
    return None


def check_version(route: Route | None, path: str, version: str) -> Route:
    """Return *route* if it exists in this api-version; refuse it as Resource Manager does."""
    if route is not None and route.kind in _VERSIONLESS:
        return route
    if not version:
        message = "The api-version query parameter (?api-version=) is required for all requests."
        raise answers.refusal(400, "MissingApiVersionParameter", message)
    if not _VERSION.fullmatch(version):
        served = ",".join(route.versions if route and route.versions else EXTENSION_VERSIONS)
        message = f"The api-version '{version}' is invalid. The supported versions are '{served}'."
        raise answers.refusal(400, "InvalidApiVersionParameter", message)
    if route is None or (route.versions and version not in route.versions):
        raise _nowhere(path, version)
    return route


def _nowhere(path: str, version: str) -> RefusalError:
    match = _NAMESPACE.match(path)
    if match is None:
        return answers.refusal(404, "NotFound", f"Nothing is served at '{path}'.")
    namespace = _KNOWN_NAMESPACES.get(match[1].lower())
    if namespace is None:
        message = f"The resource namespace '{match[1]}' is invalid."
        return answers.refusal(404, "InvalidResourceNamespace", message)
    message = (
        f"The resource type could not be found in the namespace '{namespace}' for api version "
        f"'{version}'."
    )
    return answers.refusal(404, "InvalidResourceType", message)
