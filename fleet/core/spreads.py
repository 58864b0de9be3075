"""Caps for each value of a label: which groups there are, and what holds in each.

Whoever has no value is in one group with all others that have none: nobody
knows what those share. Percentages are of a group's targets in the whole run.
"""

from __future__ import annotations

import collections
import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence

from fleet.core import labels, order, shares
from fleet.core.shares import Share
from fleet.model.cluster import Cluster
from fleet.model.plan import Spread, SpreadGroup
from fleet.model.strategy import Amount, SpreadRule


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Spreading:
    """The caps of a run, and who is under which."""

    spreads: tuple[Spread, ...]
    places: Sequence[Mapping[str, int]]
    """For each spread: ``{value: which group}``."""
    warnings: tuple[str, ...]

    def groups(self, cluster: Cluster) -> tuple[int, ...]:
        """Return which group of each spread *cluster* is in."""
        return tuple(
            place[labels.value(cluster, spread.by)]
            for spread, place in zip(self.spreads, self.places, strict=True)
        )


def resolved(rules: Sequence[SpreadRule], clusters: Sequence[Cluster]) -> Spreading:
    """Resolve *rules* for all *clusters* that a run changes."""
    spreads, places, warnings = [], [], []
    for rule in rules:
        counts = _counted(rule.by, clusters)
        spreads.append(Spread(by=rule.by, groups=tuple(_group(rule, *one) for one in counts)))
        places.append({value: n for n, (value, _) in enumerate(counts)})
        warnings += _warnings(rule, counts)
    return Spreading(spreads=tuple(spreads), places=places, warnings=tuple(warnings))


def at_once(spread: Spread, members: Iterable[int], *, is_strict: bool) -> int | None:
    """Return how many of *members*, given by their groups, may be in flight at once."""

    def cap(group: SpreadGroup) -> int | None:
        budget = group.max_failures
        caps = (group.max_concurrency, None if budget is None or not is_strict else budget + 1)
        return min((one for one in caps if one is not None), default=None)

    return _sum(spread, members, cap)


def failures(spread: Spread, members: Iterable[int]) -> int | None:
    """Return how many of *members* may fail before any group's budget breaks."""
    return _sum(spread, members, lambda group: group.max_failures)


def _sum(
    spread: Spread, members: Iterable[int], cap: Callable[[SpreadGroup], int | None]
) -> int | None:
    counts = collections.Counter(members)
    found = [(count, cap(spread.groups[group])) for group, count in counts.items()]
    known = [min(count, most) for count, most in found if most is not None]
    return sum(known) if len(known) == len(found) else None


def _counted(by: str, clusters: Iterable[Cluster]) -> list[tuple[str, int]]:
    """Return each value with its count; those without a value last."""
    counts = collections.Counter(labels.value(cluster, by) for cluster in clusters)
    values = sorted(counts, key=lambda value: (not value, order.natural(value)))
    return [(value, counts[value]) for value in values]


def _group(rule: SpreadRule, value: str, count: int) -> SpreadGroup:
    parallel = _share(rule.max_concurrency, count, at_least=1)
    budget = _share(rule.max_failures, count)
    return SpreadGroup(
        value=value,
        target_count=count,
        max_concurrency=parallel.count if parallel else None,
        max_failures=budget.count if budget else None,
    )


def _share(amount: Amount | None, count: int, *, at_least: int = 0) -> Share | None:
    return None if amount is None else shares.rounded_down(amount, of=count, at_least=at_least)


def _warnings(rule: SpreadRule, counts: Sequence[tuple[str, int]]) -> list[str]:
    found = [
        f"spread by {rule.by}: {count} targets have no {rule.by}: they are one group, "
        "as if they shared it"
        for value, count in counts
        if not value
    ]
    for key, amount in (
        ("maxConcurrency", rule.max_concurrency),
        ("maxFailures", rule.max_failures),
    ):
        small = sum(isinstance(amount, int) and amount > count for _, count in counts)
        if small:
            found.append(
                f"spread by {rule.by}: {key} {amount} is more than {small} of {len(counts)} "
                "groups have targets: taken as all of them there"
            )
    return found
