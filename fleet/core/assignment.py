"""Who goes in which wave, and in which order.

A target is in one wave: the first that takes it. Percentages of a size are of
all targets that need a change and are connected. A wave that must have
somebody (a canary) gets the next targets in order for those that need nothing.

Not here: a wave's other numbers (:mod:`fleet.core.waves`).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence

from fleet.core import rampup, selection, shares
from fleet.errors import InputError
from fleet.model.cluster import Cluster
from fleet.model.plan import CATCH_UP, Target
from fleet.model.scope import Match
from fleet.model.strategy import Strategy, WaveRule

Member = tuple[Cluster, Target]

_SHOWN = 5


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Assignment:
    """The waves, each with its members in the order they are changed in."""

    waves: tuple[tuple[WaveRule, tuple[Member, ...]], ...]
    warnings: tuple[str, ...]


@dataclasses.dataclass(slots=True)
class _Pool:
    """Those that wait for a wave."""

    members: Sequence[Member]
    left: dict[int, None]
    """Which of :attr:`members` are in no wave yet, in order."""
    idle: Sequence[Cluster]
    """Those that are selected, and in no wave of these: unchanged, or not connected."""
    substituted: set[int]
    """Who came to a wave that does not select it, for somebody else."""

    def take(self, places: Iterable[int]) -> list[int]:
        taken = [place for place in places if place in self.left]
        for place in taken:
            del self.left[place]
        return taken

    def names(self, places: Iterable[int]) -> str:
        return ", ".join(self.members[place][0].name for place in places)


def assign(
    members: Sequence[Member],
    strategy: Strategy,
    *,
    late: Sequence[Member],
    idle: Sequence[Cluster] = (),
) -> Assignment:
    """Put every member into exactly one wave.

    Args:
        members: What needs a change and is connected, in order.
        strategy: The waves' rules.
        late: What needs a change and is not connected: the catch-up wave.
        idle: The clusters that are selected, and need nothing.

    Raises:
        InputError: A member is in no wave; or in two, and that is not allowed; or a wave
            selects nobody, and must.
    """
    pool = _Pool(
        members=members,
        left=dict.fromkeys(range(len(members))),
        idle=[*idle, *(cluster for cluster, _ in late)],
        substituted=set(),
    )
    waves: list[tuple[WaveRule, tuple[Member, ...]]] = []
    warnings: list[str] = []
    for rule in strategy.waves:
        taken, notes = _taken(rule, pool, is_strict=strategy.has_strict_selection)
        warnings += notes
        waves += rampup.cut(rule, [members[place] for place in taken])
    if pool.left:
        raise _unassigned([members[place][0].name for place in pool.left])
    if late:
        waves.append((WaveRule(name=CATCH_UP), tuple(late)))
    return Assignment(waves=tuple(waves), warnings=tuple(warnings))


def emptied(assignment: Assignment) -> tuple[str, ...]:
    """Return a warning for each wave that is skipped because nothing in it needs a change."""
    if not any(members for _, members in assignment.waves):
        return ()
    return tuple(
        f"wave {rule.name}: skipped, nothing that it selects needs a change"
        for rule, members in assignment.waves
        if not members and (rule.selector is not None or rule.targets)
    )


def _taken(rule: WaveRule, pool: _Pool, *, is_strict: bool) -> tuple[list[int], list[str]]:
    """Take the wave's members out of the pool."""
    if not rule.targets and rule.selector is None:
        return _sized(rule, pool)
    hits, notes = _listed(rule, pool) if rule.targets else _matched(rule, pool)
    twice = [place for place in hits if place not in pool.left]
    overlap = [place for place in twice if place not in pool.substituted]
    if is_strict and overlap:
        raise _overlapping(rule, pool.names(overlap))
    if twice:
        notes.append(f"wave {rule.name}: in an earlier wave already: {pool.names(twice)}")
    taken = pool.take(hits)
    stand_ins, more = _stand_ins(rule, pool, len(taken)) if rule.has_substitutes else ([], [])
    return taken + stand_ins, notes + more


def _sized(rule: WaveRule, pool: _Pool) -> tuple[list[int], list[str]]:
    count = len(pool.members)
    if rule.size == "rest" or rule.size is None:
        return pool.take(list(pool.left)), []
    share = shares.rounded_down(rule.size, of=count, at_least=1)
    told = f"wave {rule.name}: size {rule.size} is more than the {count} targets there are"
    is_told = share.is_clamped and count and not rule.is_part
    return pool.take(list(pool.left)[: share.count]), [told] if is_told else []


def _matched(rule: WaveRule, pool: _Pool) -> tuple[list[int], list[str]]:
    match = rule.selector or Match()
    hits = [n for n, (cluster, _) in enumerate(pool.members) if selection.is_match(cluster, match)]
    is_there = bool(hits) or any(selection.is_match(cluster, match) for cluster in pool.idle)
    if rule.is_required and not is_there:
        raise _absent(rule, "it matches none of the selected clusters")
    return hits, []


def _listed(rule: WaveRule, pool: _Pool) -> tuple[list[int], list[str]]:
    places, idle = _places(cluster for cluster, _ in pool.members), _places(pool.idle)
    hits = [place for name in rule.targets for place in places.get(name.lower(), ())]
    missing = [name for name in rule.targets if name.lower() not in places]
    absent = [name for name in missing if name.lower() not in idle]
    if rule.is_required and absent:
        raise _absent(rule, f"not selected: {', '.join(absent)}")
    unneeded = [name for name in missing if name.lower() in idle]
    notes = [(absent, "not selected"), (unneeded, "not changed, or not connected")]
    return list(dict.fromkeys(hits)), [
        f"wave {rule.name}: {why}: {', '.join(names)}" for names, why in notes if names
    ]


def _stand_ins(rule: WaveRule, pool: _Pool, count: int) -> tuple[list[int], list[str]]:
    """Take as many as the wave lacks: of a list as many as it names, of a selector one."""
    lacking = max(len(set(rule.targets)), 1) - count
    if lacking <= 0 or not pool.members:
        return [], []
    if rule.substitutes:
        places = _places(cluster for cluster, _ in pool.members)
        offered = [place for name in rule.substitutes for place in places.get(name.lower(), ())]
    else:
        offered = list(pool.left)
    taken = pool.take([place for place in dict.fromkeys(offered) if place in pool.left][:lacking])
    pool.substituted.update(taken)
    if not taken:
        return [], [f"wave {rule.name}: nobody is left to stand in for those that are not changed"]
    names = pool.names(taken)
    return taken, [f"wave {rule.name}: in place of those that are not changed: {names}"]


def _places(clusters: Iterable[Cluster]) -> dict[str, list[int]]:
    """Return where each name and id stands; a name is one per resource group only."""
    places: dict[str, list[int]] = {}
    for n, cluster in enumerate(clusters):
        for name in {cluster.name.lower(), cluster.id.lower()}:
            places.setdefault(name, []).append(n)
    return places


def _unassigned(names: Sequence[str]) -> InputError:
    return InputError(
        f"{len(names)} targets are in no wave: {_some(names)}",
        hint="Add a last wave with `size: rest`.",
    )


def _overlapping(rule: WaveRule, names: str) -> InputError:
    return InputError(
        f"wave {rule.name}: in an earlier wave already: {names}",
        hint="Let each target be selected by one wave, or remove strictSelection.",
    )


def _absent(rule: WaveRule, why: str) -> InputError:
    return InputError(
        f"wave {rule.name} is required: {why}",
        hint="Correct the wave's targets or match, or remove required.",
    )


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more
