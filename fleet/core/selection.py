"""Which clusters a selector means.

Discovery may return more than was asked for (a query language has its own idea
of case and of missing tags); this decides. Text is compared without case, as
Azure compares tags, locations and names. What only the service can tell, which
management group a cluster is below and whether a clause of its own query
language holds, was decided by discovery, and is not looked at again.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Iterable, Mapping

from fleet.model.cluster import Cluster
from fleet.model.scope import Match, Scope


def selected(clusters: Iterable[Cluster], scope: Scope) -> list[Cluster]:
    """Return the clusters that *scope* means, each once, ordered by name, then id."""
    subscriptions = {one.lower() for one in scope.subscriptions}
    found = {
        cluster.id.lower(): cluster
        for cluster in clusters
        if (not subscriptions or cluster.subscription.lower() in subscriptions)
        and is_match(cluster, scope.match)
        and (scope.exclude.is_empty or not is_match(cluster, scope.exclude))
    }
    return sorted(found.values(), key=lambda cluster: (cluster.name.lower(), cluster.id.lower()))


def is_match(cluster: Cluster, match: Match) -> bool:
    """Tell whether every field that *match* gives holds for *cluster*."""
    return (
        _is_tagged(cluster.tags, match.tags)
        and _is_among(cluster.location, match.locations)
        and _is_among(cluster.distribution, match.distributions)
        and (not match.names or any(_fits(cluster.name, name) for name in match.names))
    )


def _is_tagged(tags: Mapping[str, str], wanted: Mapping[str, tuple[str, ...]]) -> bool:
    if not wanted:
        return True
    # Source: Azure tag names are case-insensitive; values are case-sensitive to the service,
    # but people type them by hand.
    found = {name.lower(): value for name, value in tags.items()}
    return all(
        name.lower() in found and _is_among(found[name.lower()], values)
        for name, values in wanted.items()
    )


def _is_among(text: str, alternatives: tuple[str, ...]) -> bool:
    return not alternatives or text.lower() in {one.lower() for one in alternatives}


def _fits(name: str, pattern: str) -> bool:
    return fnmatch.fnmatchcase(name.lower(), pattern.lower())
