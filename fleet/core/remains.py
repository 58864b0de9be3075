"""How much of a fleet still has an extension, and in which versions: for taking it off the fleet.

An extension that cannot be read is there in a version that nobody knows.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterable, Sequence

from fleet.core import steps, unread
from fleet.core.state import RunState
from fleet.model import versions
from fleet.model.cluster import Cluster
from fleet.model.desired import Desired
from fleet.model.plan import Target, Verb
from fleet.model.statuses import Result
from fleet.model.versions import VersionOrder

UNKNOWN = ""
"""Where no version is shown."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Remains:
    """Clusters that have an extension, of those that were looked at."""

    cluster_count: int
    by_version: tuple[tuple[str, int], ...]
    """``((version, clusters), ...)``: the most frequent first, then the newest."""

    @property
    def present_count(self) -> int:
        """How many have it."""
        return sum(count for _, count in self.by_version)


def of_clusters(clusters: Sequence[Cluster], desired: Desired) -> Remains:
    """Return how many of *clusters* have the type of *desired*, whatever it is called there."""
    found = [one for cluster in clusters for one in _versions(cluster, desired)]
    return counted(found, total=len(clusters), order=desired.profile.version_order)


def counted(found: Iterable[str], *, total: int, order: VersionOrder) -> Remains:
    """Return the count of *found*: one version for each cluster that has it, of *total*."""
    counts = Counter(found)
    by_age = [one.text for one in versions.ascending(filter(None, counts), order=order)]
    ranks = {text: n for n, text in enumerate(by_age)}
    ordered = sorted(counts.items(), key=lambda one: (-one[1], -ranks.get(one[0], -1), one[0]))
    return Remains(cluster_count=total, by_version=tuple(ordered))


def _versions(cluster: Cluster, desired: Desired) -> Iterable[str]:
    """Yield the version on *cluster*, once, of the instance that counts; nothing: not there."""
    kind, name = desired.profile.extension_type.lower(), desired.name.lower()
    same = [one for one in cluster.extensions if one.extension_type.lower() == kind]
    if same:
        one = next((one for one in same if one.name.lower() == name), same[0])
        yield one.installed_version or UNKNOWN
    elif unread.trouble(cluster, desired):
        yield UNKNOWN


def of_run(state: RunState, *, order: VersionOrder) -> Remains:
    """Return how many of a run's clusters still have its extension, as far as its journal tells.

    What did not end well is taken to be as it was.
    """
    there = [
        (target, state.results.get(number))
        for number, target in enumerate(state.targets)
        if state.results.get(number) is not Result.REMOVED
    ]
    found = [one for target, result in there for one in _left(target, result)]
    return counted(found, total=len(there), order=order)


_AS_PLANNED = frozenset({Result.SUCCEEDED, Result.NO_OP, Result.ROLLED_BACK})


def _left(target: Target, result: Result | None) -> Iterable[str]:
    own = steps.own(target.steps)
    if not own or result not in _AS_PLANNED:
        known = target.from_version or target.facts.current_version or UNKNOWN
        return [known] if target.facts.is_present else []
    return [] if own[-1].verb is Verb.DELETE else [target.to_version or UNKNOWN]
