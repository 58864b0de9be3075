"""The queries of Resource Graph, as text.

One query finds the clusters with all their extensions: one row per cluster, so
that a page never cuts a cluster in two. A selector narrows it only as far as it
cannot lose a cluster that :mod:`fleet.core.selection` would keep, which decides
in the end: tag names have no case there, but have one in KQL, so of a tag only
the value is looked for; of a pattern only its beginning; and ``exclude``
narrows nothing.

Text becomes a literal only where it is made of harmless characters; what is
not, narrows nothing.

Source:  the columns and tables that Resource Graph's own samples use; constructs that Kusto and
         duckdb-kql have in common.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from fleet.model.cluster import ProvisioningState
from fleet.model.scope import Match

_HARMLESS = re.compile(r"[A-Za-z0-9_.:@/+=, -]+")
_WILDCARD = re.compile(r"[*?\[]")

# Properties of extensions are taken whole: their names come in two casings, and dynamic keys have
# a case in KQL. There is no systemData in this table.
_EXTENSIONS = """\
| extend clusterKey = tolower(id)
| join kind=leftouter (
    kubernetesconfigurationresources
    | where type =~ 'microsoft.kubernetesconfiguration/extensions'
    | extend clusterKey = tostring(\
split(tolower(id), '/providers/microsoft.kubernetesconfiguration/extensions/')[0])
    | summarize extensions = make_list(bag_pack('name', name, 'properties', properties)) \
by clusterKey
) on clusterKey"""
_COLUMNS = """\
| project id, name, location, tags,
    distribution = tostring(properties.distribution),
    kubernetesVersion = tostring(properties.kubernetesVersion),
    agentVersion = tostring(properties.agentVersion),
    connectivityStatus = tostring(properties.connectivityStatus),
    lastConnectivityTime = tostring(properties.lastConnectivityTime),
    extensions
| order by id asc"""
AND_BELOW = "AtScopeAndBelow"
ABOVE_AND_BELOW = "AtScopeAboveAndBelow"
"""Of assignments, those of the groups above a subscription too."""

_CLUSTERS = "resources\n| where type =~ 'microsoft.kubernetes/connectedclusters'"

COUNT = f"{_CLUSTERS}\n| summarize clusters = count() by subscriptionId"
"""How many clusters each subscription has; one without any has no row."""


_STATES = """\
kubernetesconfigurationresources
| where type =~ 'microsoft.kubernetesconfiguration/extensions'
| where id contains '/providers/microsoft.kubernetes/connectedclusters/'
| extend extensionType = coalesce(tostring(properties.ExtensionType), \
tostring(properties.extensionType)),
    state = coalesce(tostring(properties.ProvisioningState), \
tostring(properties.provisioningState))"""
_STATE_COLUMNS = "| project id, extensionType, state\n| order by id asc"
# Source: the terminal states are these and Succeeded; all others are on their way.
_NOT_WELL = f"'{ProvisioningState.FAILED}', '{ProvisioningState.CANCELED}'"

CLAUSE_LINE = _CLUSTERS.count("\n") + 2
"""Where in a query for clusters a plan file's own clause begins."""


def clusters(match: Match, clause: str | None = None) -> str:
    """Return the query for the clusters that *match* may mean, and for which *clause* holds."""
    wheres = (f"| where {one}" for one in _narrowings(match))
    clauses = [clause] if clause else []
    return "\n".join((_CLUSTERS, *clauses, *wheres, _EXTENSIONS, _COLUMNS))


def groups(match: Match, clause: str | None = None) -> str:
    """Return the query for the resource groups of the clusters that *match* may mean."""
    wheres = (f"| where {one}" for one in _narrowings(match))
    clauses = [clause] if clause else []
    counted = "| summarize clusters = count() by resourceGroup"
    return "\n".join((_CLUSTERS, *clauses, *wheres, counted))


def unwell(extension_type: str) -> str:
    """Return the query for extensions of a type whose last write did not end well.

    What is being changed is not among them, nor what has no state.
    """
    kinds = _literals((extension_type,))
    wheres = (
        *(f"extensionType =~ {one}" for one in kinds),
        f"state in~ ({_NOT_WELL})",
    )
    return "\n".join((_STATES, *(f"| where {one}" for one in wheres), _STATE_COLUMNS))


def _narrowings(match: Match) -> Iterable[str]:
    if places := _literals(match.locations):
        yield f"location in~ ({', '.join(places)})"
    if kinds := _literals(match.distributions):
        yield f"tostring(properties.distribution) in~ ({', '.join(kinds)})"
    for values in match.tags.values():
        if found := _literals(values):
            yield " or ".join(f"tostring(tags) contains {one}" for one in found)
    if match.names and all(names := [_name(pattern) for pattern in match.names]):
        yield " or ".join(names)


def _name(pattern: str) -> str:
    """Return a condition that everything *pattern* fits meets; empty where there is none."""
    start = _WILDCARD.split(pattern, maxsplit=1)[0]
    literal = _literals((start,))
    if not literal:
        return ""
    return f"name {'=~' if start == pattern else 'startswith'} {literal[0]}"


def _literals(texts: Sequence[str]) -> Sequence[str]:
    """Return *texts* as literals; nothing, where one of them is not harmless."""
    if not all(_HARMLESS.fullmatch(text) for text in texts):
        return ()
    return tuple(f"'{text}'" for text in texts)
