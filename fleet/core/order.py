"""The order in which clusters are changed: by the sort key, then by name, then by id."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

from fleet.core import labels
from fleet.model.cluster import Cluster

DESCENDING = "-"
_DIGITS = re.compile(r"([0-9]+)")

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
        some.sort(key=lambda pair: natural(pair[0]), reverse=key != label)
        found = [item for _, item in (*some, *(pair for pair in valued if not pair[0]))]
    return found


def natural(text: str) -> tuple[str | int, ...]:
    """Return a key that orders numbers inside text by their size.

    >>> sorted(["store-10", "store-9", "store-1"], key=natural)
    ['store-1', 'store-9', 'store-10']
    """
    # Text and numbers take turns, so two keys never compare one with the other.
    return tuple(int(part) if n % 2 else part for n, part in enumerate(_DIGITS.split(text)))
