"""Who goes in which wave, and every number of a wave resolved to an integer.

The rules come from the plan file; what is resolved here is what the plan
prints and what the run obeys. Percentages of a size are of all targets that
need a change and are connected; percentages of concurrency and failures are of
the wave.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Iterable, Sequence

from fleet.core import selection, shares
from fleet.errors import InputError
from fleet.model.cluster import Cluster
from fleet.model.desired import Amount, FailureMode, Match, Strategy, WaveRule
from fleet.model.plan import CATCH_UP, Limits, Target, Wave

Member = tuple[Cluster, Target]

# An estimate for people, not for deadlines. Source: the OSM article gives 3 to 5 minutes.
TYPICAL_TARGET = dt.timedelta(minutes=5)

_SHOWN = 5


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Assignment:
    """The waves, each with its members in the order they are changed in."""

    waves: tuple[tuple[WaveRule, tuple[Member, ...]], ...]
    warnings: tuple[str, ...]


def assign(members: Sequence[Member], strategy: Strategy, *, late: Sequence[Member]) -> Assignment:
    """Put every member into exactly one wave.

    Args:
        members: What needs a change and is connected, in order.
        strategy: The waves' rules.
        late: What needs a change and is not connected: the catch-up wave.

    Raises:
        InputError: A member is in no wave.
    """
    left = dict.fromkeys(range(len(members)))
    waves: list[tuple[WaveRule, tuple[Member, ...]]] = []
    warnings: list[str] = []
    for rule in strategy.waves:
        taken, notes = _taken(rule, members, left)
        warnings += notes
        for index in taken:
            del left[index]
        waves.append((rule, tuple(members[index] for index in taken)))
    if left:
        raise _unassigned([members[index][0].name for index in left])
    if late:
        waves.append((WaveRule(name=CATCH_UP), tuple(late)))
    return Assignment(waves=tuple(waves), warnings=tuple(warnings))


def resolved(rule: WaveRule, *, count: int, strategy: Strategy, limits: Limits) -> Wave:
    """Return the wave with its numbers, for *count* targets."""
    concurrency = _first(
        rule.max_concurrency, strategy.wave_max_concurrency, limits.max_concurrency
    )
    failures = _first(rule.max_failures, strategy.wave_max_failures, limits.max_failures)
    parallel = shares.rounded_down(concurrency, of=count, at_least=1)
    budget = shares.rounded_down(failures, of=count)
    tightest = min(budget.count, limits.max_failures)
    is_strict = limits.failure_mode is FailureMode.STRICT
    effective = min(parallel.count, limits.max_concurrency, *((tightest + 1,) if is_strict else ()))
    worst = tightest + (1 if is_strict else effective)
    notes = [f"maxConcurrency: {parallel.note}", f"maxFailures: {budget.note}"]
    if effective < parallel.count:
        notes.append(_cut(parallel.count, effective, count, is_strict=is_strict))
    return Wave(
        name=rule.name,
        target_count=count,
        max_concurrency=parallel.count,
        max_failures=budget.count,
        worst_case_failures=min(worst, count),
        effective_concurrency=effective,
        soak=rule.soak,
        notes=tuple(notes),
    )


def limits_of(strategy: Strategy, *, count: int, is_uninstall: bool) -> Limits:
    """Resolve what holds for the whole run of *count* targets."""
    deadline = strategy.progress_deadline
    parallel = shares.rounded_down(strategy.max_concurrency, of=count, at_least=1)
    budget = shares.rounded_down(strategy.max_failures, of=count)
    return Limits(
        max_concurrency=max(1, parallel.count),
        max_failures=budget.count,
        failure_mode=strategy.failure_mode,
        on_breach=strategy.on_breach,
        start_deadline=strategy.start_deadline,
        progress_deadline=strategy.uninstall_deadline if is_uninstall else deadline,
        notes=(f"maxConcurrency: {parallel.note}", f"maxFailures: {budget.note}"),
    )


def catch_up(limits: Limits) -> Wave:
    """Return the wave for clusters that turn out not to be connected when their turn comes.

    The plan foresaw nobody there, so there is no share to take: the run's own limits hold.
    """
    return Wave(
        name=CATCH_UP,
        target_count=0,
        max_concurrency=limits.max_concurrency,
        max_failures=limits.max_failures,
        worst_case_failures=0,
        effective_concurrency=limits.max_concurrency,
        soak=dt.timedelta(0),
        notes=(),
    )


def clamps(strategy: Strategy, assignment: Assignment, *, count: int) -> tuple[str, ...]:
    """Return a warning for each integer that asks for more than there is.

    What a strategy says for all of its waves is meant as a limit, and only noted in them.
    """
    asked = [("the run", strategy.max_concurrency, strategy.max_failures, count)]
    asked += [
        (f"wave {rule.name}", rule.max_concurrency or 0, rule.max_failures or 0, len(members))
        for rule, members in assignment.waves
    ]
    return tuple(
        f"{whose}: {key} {amount} is more than the {of} targets there are: taken as {of}"
        for whose, concurrency, failures, of in asked
        for key, amount in (("maxConcurrency", concurrency), ("maxFailures", failures))
        if of and isinstance(amount, int) and amount > of
    )


def emptied(assignment: Assignment) -> tuple[str, ...]:
    """Return a warning for each wave that is skipped because nothing in it needs a change."""
    if not any(members for _, members in assignment.waves):
        return ()
    return tuple(
        f"wave {rule.name}: skipped, nothing that it selects needs a change"
        for rule, members in assignment.waves
        if not members and (rule.selector is not None or rule.targets)
    )


def _taken(
    rule: WaveRule, members: Sequence[Member], left: Iterable[int]
) -> tuple[list[int], list[str]]:
    if rule.targets:
        return _listed(rule, members, left)
    if rule.selector is not None:
        return _matched(rule, members, left)
    return _sized(rule, members, left)


def _sized(
    rule: WaveRule, members: Sequence[Member], left: Iterable[int]
) -> tuple[list[int], list[str]]:
    rest = list(left)
    if rule.size == "rest" or rule.size is None:
        return rest, []
    share = shares.rounded_down(rule.size, of=len(members), at_least=1)
    notes = (
        [f"wave {rule.name}: size {rule.size} is more than the {len(members)} targets there are"]
        if share.is_clamped and members
        else []
    )
    return rest[: share.count], notes


def _matched(
    rule: WaveRule, members: Sequence[Member], left: Iterable[int]
) -> tuple[list[int], list[str]]:
    match = rule.selector or Match()
    hits = [n for n, (cluster, _) in enumerate(members) if selection.is_match(cluster, match)]
    return _available(rule, hits, members, left)


def _listed(
    rule: WaveRule, members: Sequence[Member], left: Iterable[int]
) -> tuple[list[int], list[str]]:
    places = _places(members)
    hits = [place for name in rule.targets for place in places.get(name.lower(), ())]
    absent = [name for name in rule.targets if name.lower() not in places]
    taken, notes = _available(rule, list(dict.fromkeys(hits)), members, left)
    if absent:
        names = ", ".join(absent)
        notes.append(f"wave {rule.name}: not selected, or nothing to change: {names}")
    return taken, notes


def _available(
    rule: WaveRule, hits: Sequence[int], members: Sequence[Member], left: Iterable[int]
) -> tuple[list[int], list[str]]:
    free = set(left)
    twice = [members[n][0].name for n in hits if n not in free]
    notes = [f"wave {rule.name}: in an earlier wave already: {', '.join(twice)}"] if twice else []
    return [n for n in hits if n in free], notes


def _places(members: Sequence[Member]) -> dict[str, list[int]]:
    """Return where each name and id stands; a name is one per resource group only."""
    places: dict[str, list[int]] = {}
    for n, (cluster, _) in enumerate(members):
        for name in {cluster.name.lower(), cluster.id.lower()}:
            places.setdefault(name, []).append(n)
    return places


def _unassigned(names: Sequence[str]) -> InputError:
    shown = ", ".join(names[:_SHOWN])
    shown += f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return InputError(
        f"{len(names)} targets are in no wave: {shown}",
        hint="Add a last wave with `size: rest`.",
    )


def _first(*amounts: Amount | None) -> Amount:
    return next(amount for amount in amounts if amount is not None)


def _cut(parallel: int, effective: int, count: int, *, is_strict: bool) -> str:
    cause = "the strict failure budget" if is_strict else "the run's maxConcurrency"
    rounds = -(-count // effective)
    text = _duration(TYPICAL_TARGET * rounds)
    return f"{cause} leaves {effective} of {parallel} at once: about {text} at 5 min a target"


def _duration(span: dt.timedelta) -> str:
    minutes = span // dt.timedelta(minutes=1)
    return f"{minutes // 60} h {minutes % 60} min"
