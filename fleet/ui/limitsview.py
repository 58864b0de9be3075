"""What holds a run of a plan in check, as a person reads it: budgets, times, retries, ways back."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence

from fleet.model.desired import Membership, OnDrift
from fleet.model.notices import Subscriber
from fleet.model.plan import Plan, Spread, SpreadGroup
from fleet.model.strategy import FailureClass, FailureMode, RollbackScope
from fleet.ui.spans import span_text
from fleet.ui.tables import Table

GROUPS_SHOWN = 10

_SCOPES = {
    RollbackScope.TARGET: "the targets that failed are",
    RollbackScope.WAVE: "all that the broken wave changed is",
    RollbackScope.RUN: "all that the run changed is",
}

_CLASSES = {
    FailureClass.FAILED: "failed",
    FailureClass.TIMED_OUT: "timed out",
    FailureClass.REFUSED: "was refused",
}


def lines(plan: Plan) -> Iterator[str]:
    """Yield one line for each thing that holds for the whole run; of what nobody asked for, none.

    The numbers of labels are :func:`spreads`, and those of waves are a table of the plan's.
    """
    yield from _outcome(plan)
    yield f"times: {', '.join(_times(plan))}"
    yield from _retry(plan)
    yield from _ways_back(plan)
    for pool in plan.head.pools:
        yield f"pool {pool.name}: at most {pool.max_concurrency} at once, in all runs that share it"
    if plan.head.on_drift is OnDrift.REPLAN:
        yield "drift: a cluster that changed since the plan was made is judged anew"
    if plan.head.membership is Membership.FOLLOW:
        yield "membership: clusters join and leave the run while it is under way"
    for one in plan.head.notify:
        yield f"told: {one.name}, {_way(one)}: {', '.join(one.on)}"


def spreads(plan: Plan) -> list[Table]:
    """Return a table for each spread cap: its largest groups, and how many more there are."""
    return [_spread(one) for one in plan.head.spreads if one.groups]


def _way(subscriber: Subscriber) -> str:
    """Return how somebody is told: a command in full, since it is run; of an address nothing."""
    if subscriber.argv:
        return f"by {shlex.join(subscriber.argv)}"
    place = f"by the webhook in {subscriber.url_from}" if subscriber.url_from else "by a webhook"
    return f"{place}, signed" if subscriber.signed_with else f"{place}, unsigned"


def _outcome(plan: Plan) -> Iterator[str]:
    limits, count = plan.head.limits, plan.change_count
    is_strict = limits.failure_mode is FailureMode.STRICT
    # NB: not the waves' own numbers: who goes offline later is changed in a wave of its own.
    worst = min(count, limits.max_failures + (1 if is_strict else limits.max_concurrency))
    yield f"worst case: {worst} of {count} fail before the run's budget ends it"
    if limits.min_success is None:
        yield f"success: all {count} must succeed"
    else:
        yield f"success: at least {limits.min_success} of {count} must succeed"


def _retry(plan: Plan) -> Iterator[str]:
    retry = plan.head.limits.retry
    if retry is not None:
        often = "once" if retry.attempts == 1 else f"up to {retry.attempts} times"
        wait = f"after {span_text(retry.backoff)}"
        wait += ", each wait twice the one before" if retry.attempts > 1 else ""
        causes = " or ".join(_CLASSES[one] for one in retry.on)
        yield f"retry: {often} where a target {causes}, {wait}"


def _times(plan: Plan) -> Iterator[str]:
    limits = plan.head.limits
    yield f"accepted within {span_text(limits.start_deadline)}"
    yield f"proved within {span_text(limits.progress_deadline)} more"
    if limits.stalled_after is not None:
        yield f"called stalled after {span_text(limits.stalled_after)}"
    if limits.run_timeout is not None:
        yield f"the run within {span_text(limits.run_timeout)}"


def _ways_back(plan: Plan) -> Iterator[str]:
    changed = [target.rollback for target in plan.targets if target.rollback is not None]
    stuck = sum(way.is_one_way for way in changed)
    partial = sum(way.is_partial for way in changed)
    undo = plan.head.limits.undo
    if undo is not None:
        yield (
            f"on breach: {_SCOPES[undo.scope]} taken back, the newest wave first, "
            f"at most {undo.max_concurrency} at once"
        )
    if changed:
        told = f"rollback: {len(changed) - stuck} of {len(changed)} can be taken back"
        told += f", {partial} of them in part" if partial else ""
        yield f"{told}; {stuck} irreversible" if stuck else told


def _spread(spread: Spread) -> Table:
    ordered = sorted(spread.groups, key=lambda one: -one.target_count)
    shown, more = ordered[:GROUPS_SHOWN], ordered[GROUPS_SHOWN:]
    rows = [_row(one.value or f"(no {spread.by})", [one]) for one in shown]
    if more:
        rows.append(_row(f"and {len(more)} more", more))
    return Table(
        title=f"Spread by {spread.by}",
        header=(spread.by.removeprefix("tag:"), "targets", "at once", "max failures"),
        rows=rows,
        numbers=frozenset({"targets", "at once", "max failures"}),
    )


def _row(name: str, groups: Sequence[SpreadGroup]) -> tuple[str, ...]:
    return (
        name,
        _range([one.target_count for one in groups]),
        _range([one.max_concurrency for one in groups]),
        _range([one.max_failures for one in groups]),
    )


def _range(numbers: Sequence[int | None]) -> str:
    """Return one number, or the least and the most; without a cap: a dash."""
    known = [number for number in numbers if number is not None]
    if not known:
        return "-"
    return str(min(known)) if min(known) == max(known) else f"{min(known)} to {max(known)}"
