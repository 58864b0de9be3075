"""What clusters and the places they lie in are called.

Two clusters stand at each site: ``store-0001-a`` and ``store-0001-b``. A name
is made from the cluster's number and read back to it, so that a world of
100,000 needs no table of names.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator

from fleet.core import draws
from fleet.model.cluster import ClusterId

_UNITS = "ab"
_FEWEST_DIGITS = 4
_NAME = re.compile(r"store-(\d+)-([ab])")


def site(index: int, *, count: int) -> str:
    """Return the site that the cluster stands at, in a world of *count* clusters.

    >>> site(0, count=10), site(3, count=10)
    ('store-0001', 'store-0002')
    """
    digits = max(_FEWEST_DIGITS, len(str((count + 1) // len(_UNITS))))
    return f"store-{index // len(_UNITS) + 1:0{digits}d}"


def cluster(index: int, *, count: int) -> str:
    """Return a cluster's name."""
    return f"{site(index, count=count)}-{_UNITS[index % len(_UNITS)]}"


@functools.lru_cache(maxsize=1024)
def index(name: str, *, count: int) -> int | None:
    """Return the number of the cluster of that name; ``None`` where there is none."""
    match = _NAME.fullmatch(name.lower())
    if match is None:
        return None
    number = (int(match[1]) - 1) * len(_UNITS) + _UNITS.index(match[2])
    is_known = 0 <= number < count and cluster(number, count=count) == name.lower()
    return number if is_known else None


def subscription(number: int) -> str:
    """Return the id of a subscription, from 0."""
    return f"00000000-0000-0000-0000-{number + 1:012d}"


def numbers(subscription_number: int, *, subscription_count: int, count: int) -> Iterator[int]:
    """Yield the clusters of a subscription, in order: those of every so many sites.

    >>> list(numbers(1, subscription_count=2, count=7))
    [2, 3, 6]
    """
    units = len(_UNITS)
    for first in range(subscription_number * units, count, subscription_count * units):
        yield from range(first, min(first + units, count))


def tenant(seed: int) -> str:
    """Return the id of a world's one tenant, which is its root management group's name too."""
    return draws.guid(seed, "tenant")


def root_group(seed: int) -> str:
    """Return the full id of a world's root management group: all subscriptions lie below it."""
    return f"/providers/Microsoft.Management/managementGroups/{tenant(seed)}"


def resource_group(location: str) -> str:
    """Return the name of the group that clusters of a location are in."""
    return f"rg-{location}"


def cluster_id(*, subscription: str, resource_group: str, name: str) -> ClusterId:
    """Return a cluster's full id."""
    return ClusterId(
        f"/subscriptions/{subscription}/resourceGroups/{resource_group}"
        f"/providers/Microsoft.Kubernetes/connectedClusters/{name}"
    )
