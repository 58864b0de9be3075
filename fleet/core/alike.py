"""Clusters that are alike in all that a verdict rests on: judged once, and not one by one.

Of a large fleet most clusters are like many others, but for their names, stamps and tags. The
first of a kind is judged without what tells it from the others, so nothing that the verdict rests
on can be left out of the comparison.
"""

from __future__ import annotations

import dataclasses
import operator
from collections.abc import Hashable, Mapping, Sequence

from fleet.core import holds, policy
from fleet.core.catalogue import Catalogue
from fleet.model.cluster import Cluster, ClusterId, Extension, nothing
from fleet.model.desired import Desired, Unreachable
from fleet.model.plan import Target

_CLUSTERS_OWN = frozenset(
    {"id", "name", "subscription", "resource_group", "agent_version", "last_connectivity_at"}
)
_EXTENSIONS_OWN = frozenset({"modified_at"})
_of_cluster = operator.attrgetter(
    *sorted(
        {one.name for one in dataclasses.fields(Cluster)} - _CLUSTERS_OWN - {"tags", "extensions"}
    )
)
_of_extension = operator.attrgetter(
    *sorted({one.name for one in dataclasses.fields(Extension)} - _EXTENSIONS_OWN - {"settings"})
)


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
        id=ClusterId(""),
        name="",
        subscription="",
        resource_group="",
        agent_version=None,
        last_connectivity_at=None,
        tags={holds.TAG: holds.WORD} if holds.is_held(cluster) else nothing(),
        extensions=tuple(dataclasses.replace(one, modified_at=None) for one in cluster.extensions),
    )
