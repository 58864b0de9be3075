"""Texts of queries, by name: the official samples, and those that our client sends.

The schema says what Resource Graph's tables have in common; types are Kusto's.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from fleet.azure import kql, policies
from fleet.model.scope import Match
from tests.rig import reference

_COLUMNS: Mapping[str, str] = {
    **dict.fromkeys(
        (
            "id",
            "name",
            "type",
            "tenantId",
            "kind",
            "location",
            "resourceGroup",
            "subscriptionId",
            "managedBy",
        ),
        "string",
    ),
    **dict.fromkeys(
        ("sku", "plan", "properties", "tags", "identity", "zones", "extendedLocation"), "dynamic"
    ),
}
_NAMES = (
    "Resources",
    "KubernetesConfigurationResources",
    "ResourceContainers",
    "PolicyResources",
)
# NB: Resource Graph takes its tables in any case, and Kusto in their own alone.
TABLES: Mapping[str, Mapping[str, str]] = {
    spelling: _COLUMNS for name in _NAMES for spelling in (name, name.lower())
}
"""``{table: {column: type}}``, in the two spellings that are in use."""

_SELECTORS: Mapping[str, Match] = {
    "all": Match(),
    "locations": Match(locations=("westeurope", "x")),
    "distributions": Match(distributions=("k3s", "openshift")),
    "tags": Match(tags={"env": ("prod",), "ring": ("early", "broad")}),
    "names": Match(names=("store-01*", "hub")),
    "everything": Match(
        tags={"env": ("prod",)},
        locations=("westeurope",),
        distributions=("k3s",),
        names=("store*",),
    ),
}


_CLAUSE = "| where toint(properties.totalNodeCount) > 2 and tags['env'] =~ 'prod'"
"""As a plan file may have one."""


def ours() -> Iterator[tuple[str, str]]:
    """Yield name and text of each query that our client sends."""
    for name, match in _SELECTORS.items():
        yield f"clusters by {name}", kql.clusters(match)
        yield f"groups of clusters by {name}", kql.groups(match)
    yield "clusters by a clause", kql.clusters(_SELECTORS["everything"], _CLAUSE)
    yield "groups of clusters by a clause", kql.groups(_SELECTORS["everything"], _CLAUSE)
    yield "count", kql.COUNT
    yield "unwell", kql.unwell("Microsoft.openservicemesh")
    yield "policy definitions", policies.DEFINITIONS
    yield "initiatives", policies.holding(["/providers/x/policyDefinitions/one"])
    yield "policy assignments", policies.assigned(["/providers/x/policyDefinitions/one"])
    yield "policy assignments counted", policies.COUNT
    yield "groups above subscriptions", policies.GROUPS


def samples() -> Iterator[tuple[str, str]]:
    """Yield name and text of each official sample about clusters and their extensions."""
    file = "articles/azure-arc/includes/azure-arc-enabled-kubernetes.md"
    text = (reference.folder("docs") / file).read_text(encoding="utf-8")
    for number, found in enumerate(re.finditer(r"```kusto\n(.*?)```", text, re.DOTALL), start=1):
        yield f"sample {number}", found[1]


def noted() -> Iterator[tuple[str, str]]:
    """Yield what the notes on Resource Graph recommend: an outer join, in both casings."""
    extensions = "'/providers/microsoft.kubernetesconfiguration/extensions'"
    yield (
        "clusters without an extension",
        f"""Resources
        | where type =~ 'Microsoft.Kubernetes/connectedClusters'
        | extend connectedClusterId = tolower(id)
        | join kind=leftouter (KubernetesConfigurationResources
            | where type == 'microsoft.kubernetesconfiguration/extensions'
            | where properties.ExtensionType == 'microsoft.openservicemesh'
            | parse tolower(id) with connectedClusterId {extensions} *
        ) on connectedClusterId
        | where connectedClusterId1 == ''""",
    )
    yield (
        "either casing",
        """kubernetesconfigurationresources
        | extend kind_ = coalesce(tostring(properties.ExtensionType),
            tostring(properties.extensionType))
        | where kind_ =~ 'microsoft.openservicemesh'
        | project id, kind_
        | order by id asc""",
    )
    yield (
        "policy states",
        "PolicyResources | where type =~ 'Microsoft.PolicyInsights/PolicyStates' | project id",
    )
