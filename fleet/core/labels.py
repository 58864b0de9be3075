"""What a cluster is told apart by: its place, its kind, its tags.

Spread caps group by a label, and a sort key orders by labels. Text is compared
without case, as Azure compares tags, locations and names.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from fleet.model.cluster import Cluster

TAG = "tag:"
_DIGITS = re.compile(r"([0-9]+)")


def value(cluster: Cluster, label: str) -> str:
    """Return what *cluster* has for *label*; empty: nothing.

    Args:
        cluster: As discovered.
        label: ``name``, ``location``, ``subscription``, ``distribution``, ``resourceGroup``,
            or ``tag:NAME``.
    """
    if label.startswith(TAG):
        return _tag(cluster, label.removeprefix(TAG))
    return _FIELDS[label](cluster)


def natural(text: str) -> tuple[str | int, ...]:
    """Return a key that orders numbers inside text by their size.

    >>> sorted(["store-10", "Store-9", "store-1"], key=natural)
    ['store-1', 'Store-9', 'store-10']
    """
    # Text and numbers take turns, so two keys never compare one with the other.
    parts = _DIGITS.split(text.lower())
    return tuple(int(part) if n % 2 else part for n, part in enumerate(parts))


def _tag(cluster: Cluster, name: str) -> str:
    wanted = name.lower()
    return next((text for key, text in cluster.tags.items() if key.lower() == wanted), "")


_FIELDS: Mapping[str, Callable[[Cluster], str]] = {
    "name": lambda cluster: cluster.name,
    "location": lambda cluster: cluster.location,
    "subscription": lambda cluster: cluster.subscription,
    "distribution": lambda cluster: cluster.distribution,
    "resourceGroup": lambda cluster: cluster.resource_group,
}
