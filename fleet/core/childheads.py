"""Heads of the plans of runs that follow another: the numbers of the other, budgets afresh.

Which targets are in such a plan, and what is done to them: :mod:`fleet.core.children`.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Sequence

from fleet.core import planner
from fleet.core.state import RunState
from fleet.errors import InvariantError
from fleet.model.desired import Membership, OnDrift
from fleet.model.plan import Limits, Parent, Plan, Purpose, Spread, Target, Verb, Wave
from fleet.model.strategy import FailureMode, OnBreach

# Source: 30 minutes for a write, 45 for an uninstall, where nothing else is said.
_UNINSTALL_DEADLINE = dt.timedelta(minutes=45)


def sealed(
    state: RunState,
    *,
    purpose: Purpose,
    limits: Limits,
    waves: tuple[Wave, ...],
    targets: Sequence[Target],
    spreads: Sequence[Spread],
) -> Plan:
    """Return the plan of *targets* under a head that is its parent's, but for what is given."""
    header = state.header
    if header is None:
        message = "a run without a header has no children"
        raise InvariantError(message)
    head = dataclasses.replace(
        header.plan,
        # Nothing is judged anew: what the parent's plan froze, stays.
        on_drift=OnDrift.FAIL if header.plan.on_drift is OnDrift.REPLAN else header.plan.on_drift,
        membership=Membership.FROZEN,
        basis=None,
        limits=limits,
        waves=waves,
        warnings=(),
        spreads=tuple(_recounted(one, n, targets) for n, one in enumerate(spreads)),
        parent=Parent(run_id=header.run_id, plan_digest=header.plan_digest, purpose=purpose),
    )
    return planner.sealed(head, targets)


def spreads_of(state: RunState) -> tuple[Spread, ...]:
    """Return the caps with all their groups: those too that came up with clusters that joined."""
    sizes = state.caps.sizes(())
    return tuple(
        dataclasses.replace(
            one, groups=tuple(state.caps.groups[n, g].planned for g in range(sizes[n]))
        )
        for n, one in enumerate(state.plan.spreads)
    )


def _recounted(spread: Spread, number: int, targets: Sequence[Target]) -> Spread:
    inside = [one.groups[number] for one in targets if one.steps and number < len(one.groups)]
    groups = tuple(
        dataclasses.replace(group, target_count=inside.count(n))
        for n, group in enumerate(spread.groups)
    )
    return dataclasses.replace(spread, groups=groups)


def retry_limits(limits: Limits, *, count: int) -> Limits:
    """Return the limits of trying *count* targets again."""
    return dataclasses.replace(
        limits,
        max_concurrency=max(1, min(limits.max_concurrency, count)),
        max_failures=min(limits.max_failures, count),
        notes=("the numbers of the run that it follows, with budgets afresh",),
        min_success=None,
    )


def retry_wave(wave: Wave, count: int, limits: Limits) -> Wave:
    """Return *wave* with fewer members, and its numbers."""
    parallel, budget = min(wave.max_concurrency, count), min(wave.max_failures, count)
    tightest = min(budget, limits.max_failures)
    is_strict = limits.failure_mode is FailureMode.STRICT
    effective = min(parallel, limits.max_concurrency, *((tightest + 1,) if is_strict else ()))
    return dataclasses.replace(
        wave,
        target_count=count,
        max_concurrency=parallel,
        max_failures=budget,
        worst_case_failures=min(count, tightest + (1 if is_strict else effective)),
        effective_concurrency=effective,
        notes=(f"{count} of the {wave.target_count} targets that it had",),
    )


def rollback_limits(limits: Limits, targets: Sequence[Target]) -> Limits:
    """Return the limits of going back: what fails is told, and does not keep the others back."""
    has_uninstall = any(step.verb is Verb.DELETE for one in targets for step in one.steps)
    deadline = limits.progress_deadline
    parallel = limits.undo.max_concurrency if limits.undo else limits.max_concurrency
    return dataclasses.replace(
        limits,
        max_concurrency=parallel,
        max_failures=len(targets),
        failure_mode=FailureMode.SOFT,
        on_breach=OnBreach.STOP,
        progress_deadline=max(deadline, _UNINSTALL_DEADLINE) if has_uninstall else deadline,
        notes=("a failure does not stop a rollback: the others go back all the same",),
        min_success=None,
        run_timeout=None,
        undo=None,
    )


def calendars_of(state: RunState, wave: str) -> tuple[int, ...]:
    """Return the calendars of a wave, which bind going back as they bound going forward."""
    named = (one.planned for one in state.waves if one.planned.name == wave)
    return next((one.calendars for one in named), ())


def rollback_wave(name: str, count: int, limits: Limits, calendars: tuple[int, ...]) -> Wave:
    """Return a wave that goes back: its *name*, how many are in it, and what binds it."""
    parallel = min(count, limits.max_concurrency)
    return Wave(
        name=name,
        target_count=count,
        max_concurrency=parallel,
        max_failures=count,
        worst_case_failures=count,
        effective_concurrency=parallel,
        soak=dt.timedelta(0),
        calendars=calendars,
    )
