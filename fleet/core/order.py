"""The order in which clusters are changed: by the sort key, then by name, then by id."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

from fleet.core import labels
from fleet.model.cluster import Cluster

DESCENDING = "-"

T = TypeVar("T")


def ordered(
    items: Iterable[T], sort_key: Sequence[str], *, cluster: Callable[[T], Cluster]
) -> list[T]:
    """Return *items*, which stand by name and id already, by *sort_key* first.

    Numbers inside a value go by their size. What lacks the label comes last, whichever way round.
    """
    found = list(items)
    for key in reversed(sort_key):
        label = key.removeprefix(DESCENDING)
        valued = [(labels.value(cluster(item), label), item) for item in found]
        some = [pair for pair in valued if pair[0]]
        some.sort(key=lambda pair: labels.natural(pair[0]), reverse=key != label)
        found = [item for _, item in (*some, *(pair for pair in valued if not pair[0]))]
    return found
