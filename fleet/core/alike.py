"""Clusters that are alike in all that a verdict rests on: judged once, and not one by one.

Of a large fleet most clusters are like many others, but for their names, stamps and tags. The
first of a kind is judged without what tells it from the others, so nothing that the verdict rests
on can be left out of the comparison.
"""

from __future__ import annotations

import dataclasses
import operator
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any

from fleet.core import holds, policy
from fleet.core.catalogue import Catalogue
from fleet.model.cluster import Cluster, ClusterId, Extension, nothing
from fleet.model.desired import Desired
from fleet.model.plan import Target
from fleet.model.scope import Unreachable

_BLANK: Mapping[str, Any] = {
    "id": ClusterId(""),
    "name": "",
    "subscription": "",
    "resource_group": "",
    "agent_version": None,
    "last_connectivity_at": None,
}
"""What no verdict rests on, as the first of a kind has it when it is judged."""
_UNSTAMPED: Mapping[str, Any] = {"modified_at": None}
"""The same of an extension."""


def _others(cls: type, *without: str) -> Callable[[Any], tuple[Any, ...]]:
    """Return what reads all fields of a *cls* but some."""
    return operator.attrgetter(*sorted({one.name for one in dataclasses.fields(cls)} - {*without}))


_of_cluster = _others(Cluster, *_BLANK, "tags", "extensions")
_of_extension = _others(Extension, *_UNSTAMPED, "settings")


def judged(
    clusters: Sequence[Cluster],
    desired: Desired,
    *,
    there: Mapping[str, Mapping[str, Catalogue]],
    unreachable: Unreachable,
) -> list[Target]:
    """Return what each of *clusters* needs, as :func:`fleet.core.policy.judge` says it.

    Args:
        clusters: As discovered.
        desired: What the plan file asks for.
        there: ``{location: {release train, lower case: versions}}``.
        unreachable: What becomes of clusters that are not connected.
    """
    known: dict[Hashable, Target] = {}
    found: list[Target] = []
    for cluster in clusters:
        kind = _kind(cluster)
        if kind not in known:
            known[kind] = policy.judge(
                _nameless(cluster),
                desired,
                catalogues=there[cluster.location],
                unreachable=unreachable,
            )
        found.append(
            dataclasses.replace(
                known[kind],
                cluster_id=cluster.id,
                cluster_name=cluster.name,
                subscription=cluster.subscription,
            )
        )
    return found


def _kind(cluster: Cluster) -> Hashable:
    """Return what is the same of two clusters that are alike."""
    return (
        holds.is_held(cluster),
        _of_cluster(cluster),
        # NB: as ordered as they are, since a plan shows settings in that order.
        tuple((_of_extension(one), *one.settings.items()) for one in cluster.extensions),
    )


def _nameless(cluster: Cluster) -> Cluster:
    """Return *cluster* without what others that are like it have otherwise."""
    return dataclasses.replace(
        cluster,
        **_BLANK,
        tags={holds.TAG: holds.WORD} if holds.is_held(cluster) else nothing(),
        extensions=tuple(dataclasses.replace(one, **_UNSTAMPED) for one in cluster.extensions),
    )
