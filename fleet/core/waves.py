"""Every number of a run and of its waves, resolved to an integer.

What is resolved here is what the plan prints and what the run obeys.
Percentages of concurrency and failures are of the wave, or for the run of all
targets that need a change.

Not here: who goes in which wave (:mod:`fleet.core.assignment`), and the caps
for each value of a label (:mod:`fleet.core.spreads`).
"""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Iterator, Sequence

from fleet.core import shares, spreads
from fleet.core.assignment import Assignment
from fleet.core.shares import Share
from fleet.model.plan import CATCH_UP, Limits, Pool, Retry, Spread, Undo, Wave
from fleet.model.strategy import Amount, FailureMode, OnBreach, Strategy, WaveRule

# An estimate for people, not for deadlines. Source: the OSM article gives 3 to 5 minutes.
TYPICAL_TARGET = dt.timedelta(minutes=5)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Cap:
    """What else holds in a wave, beside its own numbers and the run's."""

    cause: str
    at_once: int | None = None
    failures: int | None = None


def resolved(
    rule: WaveRule, *, count: int, strategy: Strategy, limits: Limits, caps: Sequence[Cap] = ()
) -> Wave:
    """Return the wave with its numbers, for *count* targets."""
    concurrency = _first(
        rule.max_concurrency, strategy.wave_max_concurrency, limits.max_concurrency
    )
    failures = _first(rule.max_failures, strategy.wave_max_failures, limits.max_failures)
    parallel = shares.rounded_down(concurrency, of=count, at_least=1)
    budget = shares.rounded_down(failures, of=count)
    tightest = min(budget.count, limits.max_failures)
    effective, cause = _effective(parallel.count, tightest, limits, caps)
    notes = [f"maxConcurrency: {parallel.note}", f"maxFailures: {budget.note}"]
    if effective < parallel.count:
        notes.append(_cut(parallel.count, effective, count, cause=cause))
    return Wave(
        name=rule.name,
        target_count=count,
        max_concurrency=parallel.count,
        max_failures=budget.count,
        worst_case_failures=min(count, _worst(tightest, effective, limits, caps)),
        effective_concurrency=effective,
        soak=rule.soak,
        notes=tuple(notes),
        timeout=rule.timeout or strategy.wave_timeout,
    )


def caps_of(
    spread: Sequence[Spread],
    pools: Sequence[Pool],
    members: Sequence[tuple[int, ...]],
    *,
    is_strict: bool,
) -> list[Cap]:
    """Return what labels and pools allow in a wave of *members*, given by their groups."""
    found = []
    for n, one in enumerate(spread):
        groups = [member[n] for member in members]
        at_once = spreads.at_once(one, groups, is_strict=is_strict)
        failures = spreads.failures(one, groups)
        found.append(Cap(cause=f"the spread by {one.by}", at_once=at_once, failures=failures))
    return found + [Cap(cause=f"the pool {one.name}", at_once=one.max_concurrency) for one in pools]


def limits_of(
    strategy: Strategy, *, count: int, is_uninstall: bool, may_roll_back: bool = False
) -> Limits:
    """Resolve what holds for the whole run of *count* targets.

    Args:
        strategy: What the file says.
        count: Of targets that need a change.
        is_uninstall: Whether the extension goes.
        may_roll_back: Whether something else than a broken budget leads to a rollback.
    """
    deadline = strategy.uninstall_deadline if is_uninstall else strategy.progress_deadline
    may_roll_back = may_roll_back or strategy.on_breach is OnBreach.ROLLBACK
    found = _run_shares(strategy, count, may_roll_back=may_roll_back)
    success = found.get("minSuccess")
    at_once = max(1, found["maxConcurrency"].count)
    return Limits(
        max_concurrency=at_once,
        max_failures=found["maxFailures"].count,
        failure_mode=strategy.failure_mode,
        on_breach=strategy.on_breach,
        start_deadline=strategy.start_deadline,
        progress_deadline=deadline,
        notes=tuple(f"{key}: {share.note}" for key, share in found.items()),
        min_success=success.count if success else None,
        run_timeout=strategy.run_timeout,
        stalled_after=strategy.stalled_after,
        retry=_retry(strategy),
        undo=_undo(strategy, found.get(_UNDO), at_once) if may_roll_back else None,
    )


def catch_up(limits: Limits, *, calendars: tuple[int, ...] = ()) -> Wave:
    """Return the wave for clusters that turn out not to be connected when their turn comes.

    The plan foresaw nobody there, so there is no share to take: the run's own limits hold.

    Args:
        limits: The run's.
        calendars: Those of all waves: see :func:`fleet.core.bindings.of_catch_up`.
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
        calendars=calendars,
    )


def clamps(
    strategy: Strategy, assignment: Assignment, *, count: int, may_roll_back: bool = False
) -> tuple[str, ...]:
    """Return a warning for each integer that asks for more than there is.

    What a strategy says for all of its waves is meant as a limit, and only noted in them.
    """
    asked: list[tuple[str, str, Amount | None, int]] = [
        ("the run", key, amount, count)
        for key, amount in _run_amounts(
            strategy, may_roll_back=may_roll_back or strategy.on_breach is OnBreach.ROLLBACK
        )
    ]
    for rule, members in assignment.waves:
        if not rule.is_part:
            numbers = (("maxConcurrency", rule.max_concurrency), ("maxFailures", rule.max_failures))
            asked += [(f"wave {rule.name}", key, one, len(members)) for key, one in numbers]
    return tuple(
        f"{whose}: {key} {amount} is more than the {of} targets there are: taken as {of}"
        for whose, key, amount, of in asked
        if of and isinstance(amount, int) and amount > of
    )


_UNDO = "rollback.maxConcurrency"


def _run_amounts(strategy: Strategy, *, may_roll_back: bool) -> Iterator[tuple[str, Amount | None]]:
    yield "maxConcurrency", strategy.max_concurrency
    yield "maxFailures", strategy.max_failures
    yield "minSuccess", strategy.min_success
    if may_roll_back:
        yield _UNDO, strategy.rollback.max_concurrency


def _run_shares(strategy: Strategy, count: int, *, may_roll_back: bool) -> dict[str, Share]:
    """Return the run's amounts, resolved, by their key; without those that are not said."""
    return {
        key: shares.rounded_up(amount, of=count)
        if key == "minSuccess"
        else shares.rounded_down(amount, of=count, at_least=0 if key == "maxFailures" else 1)
        for key, amount in _run_amounts(strategy, may_roll_back=may_roll_back)
        if amount is not None
    }


def _retry(strategy: Strategy) -> Retry | None:
    rule = strategy.retry
    return Retry(attempts=rule.attempts, backoff=rule.backoff, on=rule.on) if rule else None


def _undo(strategy: Strategy, at_once: Share | None, forward: int) -> Undo:
    count = max(1, at_once.count) if at_once else forward
    return Undo(scope=strategy.rollback.scope, max_concurrency=count)


def _effective(
    parallel: int, tightest: int, limits: Limits, caps: Sequence[Cap]
) -> tuple[int, str]:
    """Return the most that can be in flight at once, and what it is due to."""
    found = [(cap.at_once, cap.cause) for cap in caps if cap.at_once is not None]
    found.insert(0, (limits.max_concurrency, "the run's maxConcurrency"))
    if limits.failure_mode is FailureMode.STRICT:
        found.insert(0, (tightest + 1, "the strict failure budget"))
    return min([(parallel, ""), *found], key=lambda one: one[0])


def _worst(tightest: int, effective: int, limits: Limits, caps: Sequence[Cap]) -> int:
    """Return the most that can fail: what no budget minds, and all that is in flight then."""
    is_strict = limits.failure_mode is FailureMode.STRICT
    by_labels = [cap.failures + effective for cap in caps if cap.failures is not None]
    return min(tightest + (1 if is_strict else effective), *by_labels, tightest + effective)


def _first(*amounts: Amount | None) -> Amount:
    return next(amount for amount in amounts if amount is not None)


def _cut(parallel: int, effective: int, count: int, *, cause: str) -> str:
    rounds = -(-count // effective)
    text = _duration(TYPICAL_TARGET * rounds)
    return f"{cause} leaves {effective} of {parallel} at once: about {text} at 5 min a target"


def _duration(span: dt.timedelta) -> str:
    minutes = span // dt.timedelta(minutes=1)
    return f"{minutes // 60} h {minutes % 60} min"
