"""What a cluster says under a label: one of its own columns, or one of its tags.

Text is compared without case, as Azure compares tags, locations and names.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from fleet.model.cluster import Cluster

TAG = "tag:"
COLUMNS: Mapping[str, Callable[[Cluster], str]] = {
    "location": lambda cluster: cluster.location,
    "subscription": lambda cluster: cluster.subscription,
    "resourceGroup": lambda cluster: cluster.resource_group,
    "distribution": lambda cluster: cluster.distribution,
    "name": lambda cluster: cluster.name,
}
"""What a label may be, beside ``tag:NAME``."""


def value(cluster: Cluster, by: str) -> str:
    """Return the value of label *by*, in lower case; empty where the cluster has none.

    >>> from fleet.core.labels import COLUMNS
    >>> sorted(COLUMNS)
    ['distribution', 'location', 'name', 'resourceGroup', 'subscription']
    """
    if not by.startswith(TAG):
        return COLUMNS[by](cluster).lower()
    wanted = by.removeprefix(TAG).lower()
    return next((text for name, text in cluster.tags.items() if name.lower() == wanted), "").lower()
