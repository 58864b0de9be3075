"""Caps by label: how many targets with one value may be changed at once, and how many may fail.

A group is one value of one label, such as ``tag:site=042``. What counts against its cap is
physical: a target that timed out has no slot any more, and still counts until its operation is
seen to end. What counts against its budget is failures, as everywhere.

Changed by the fold only. A question looks at one target's groups, never at all of them.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator

from fleet.model.plan import Spread, SpreadGroup, Target

Key = tuple[int, int]
"""Which of the plan's caps, and which of its groups."""


@dataclasses.dataclass(slots=True, kw_only=True)
class Group:
    """One value of a label, as far as the run has come."""

    planned: SpreadGroup
    physical: int = 0
    in_flight: int = 0
    """Those of them that hold a slot."""
    failures: int = 0
    forgiven: int = 0

    @property
    def is_broken(self) -> bool:
        """Whether more have failed than may."""
        most = self.planned.max_failures
        return most is not None and self.failures - self.forgiven > most

    def is_full(self, *, is_strict: bool, own: int = 0) -> bool:
        """Whether no more of it may start; *own* of those at work are of who asks."""
        most, budget = self.planned.max_concurrency, self.planned.max_failures
        if most is not None and self.physical - own >= most:
            return True
        if not is_strict or budget is None:
            return False
        return self.in_flight >= budget + 1 - (self.failures - self.forgiven)


@dataclasses.dataclass(slots=True)
class Caps:
    """All groups of a run."""

    spreads: tuple[Spread, ...] = ()
    is_strict: bool = False
    groups: dict[Key, Group] = dataclasses.field(default_factory=dict)
    broken: dict[Key, None] = dataclasses.field(default_factory=dict)
    """Those with more failures than they may have, not yet reported."""
    reported: dict[Key, None] = dataclasses.field(default_factory=dict)

    counts: list[int] = dataclasses.field(default_factory=list)
    """How many groups each cap has."""

    def __post_init__(self) -> None:
        self.counts = [len(spread.groups) for spread in self.spreads]
        self.groups = {
            (n, g): Group(planned=planned)
            for n, spread in enumerate(self.spreads)
            for g, planned in enumerate(spread.groups)
        }

    def add(self, spread: int, planned: SpreadGroup) -> None:
        """Add a group that the plan did not know of."""
        self.groups[spread, self.counts[spread]] = Group(planned=planned)
        self.counts[spread] += 1

    def grown(self) -> tuple[Spread, ...]:
        """Return the plan's caps with the groups that were added since."""
        found: list[list[SpreadGroup]] = [[] for _ in self.spreads]
        for (spread, _), group in self.groups.items():
            found[spread].append(group.planned)
        return tuple(
            dataclasses.replace(spread, groups=tuple(groups))
            for spread, groups in zip(self.spreads, found, strict=True)
        )

    def sizes(self, more: Iterable[int]) -> list[int]:
        """Return how many groups each cap has, *more* of them counted in."""
        found = list(self.counts)
        for spread in more:
            found[spread] += 1
        return found

    def full(self, target: Target, *, is_at_work: bool = False) -> Key | None:
        """Return a group that keeps *target* from starting; ``None``: none does.

        Args:
            target: Who would start.
            is_at_work: Whether it is counted already, as its operation was not seen to end.
        """
        own = int(is_at_work)
        return next((key for key in keys(target) if self.is_full(key, own=own)), None)

    def is_full(self, key: Key, *, own: int = 0) -> bool:
        """Whether no more of that group may start."""
        return self.groups[key].is_full(is_strict=self.is_strict, own=own)

    def start(self, target: Target, *, is_physical: bool = True) -> None:
        """Count *target* in: it takes a slot, and is worked on unless it was already."""
        for group in self._of(target):
            group.in_flight += 1
            group.physical += is_physical

    def free(self, target: Target) -> None:
        """Its slot is free again; its operation may go on."""
        for group in self._of(target):
            group.in_flight -= 1

    def over(self, target: Target) -> None:
        """Nothing works on it any more."""
        for group in self._of(target):
            group.physical -= 1

    def failed(self, target: Target) -> None:
        """Count a failure, and note which budgets it breaks."""
        for key in keys(target):
            group = self.groups[key]
            group.failures += 1
            if group.is_broken and key not in self.reported:
                self.broken[key] = None

    def report(self, label: str) -> None:
        """Note that a broken budget was written down."""
        for key in [key for key in self.broken if self.label(key) == label]:
            del self.broken[key]
            self.reported[key] = None

    @property
    def is_breached(self) -> bool:
        """Whether any budget is broken, reported or not."""
        return bool(self.broken or self.reported)

    def forgive(self) -> None:
        """Count the broken ones afresh."""
        for key in self.reported:
            group = self.groups[key]
            group.forgiven = group.failures
        self.reported.clear()

    def label(self, key: Key) -> str:
        """Return how people call a group.

        >>> one = SpreadGroup(value="042", target_count=2, max_concurrency=1, max_failures=None)
        >>> Caps((Spread(by="tag:site", groups=(one,)),)).label((0, 0))
        'tag:site=042'
        """
        return f"{self.spreads[key[0]].by}={self.groups[key].planned.value}"

    def _of(self, target: Target) -> Iterator[Group]:
        return (self.groups[key] for key in keys(target))


def keys(target: Target) -> Iterable[Key]:
    """Return the groups that *target* is in."""
    return enumerate(target.groups)
