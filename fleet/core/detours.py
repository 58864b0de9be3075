"""What takes a target off its straight way: trying again, another plan, taking too long.

Part of the fold.

Errors:  :exc:`~fleet.errors.IllegalTransitionError`.
"""

from __future__ import annotations

import dataclasses

from fleet.core import phases, proof, reversal, steps
from fleet.core.moves import Phase
from fleet.core.state import RunState
from fleet.errors import IllegalTransitionError
from fleet.model import events as e
from fleet.model.desired import OnDrift
from fleet.model.plan import Action
from fleet.model.statuses import HoldReason, Result
from fleet.model.strategy import FailureClass

MOST_REPLANS = 3
"""How often one target is worked out anew; whoever keeps changing it has the last word then."""


def retried(state: RunState, event: e.TargetRetried) -> None:
    """Go back to the look before the write, after a wait."""
    active = phases.active_of(state, event, Phase.CHECKING)
    rule = state.plan.limits.retry
    if rule is None or event.retry != active.retry_count + 1 or event.retry > rule.attempts:
        message = f"target {event.target}: it is not tried again"
        raise IllegalTransitionError(message)
    phases.settle(state, event.target)
    active.retry_count, active.retried_after = event.retry, event.failure
    active.is_again = True
    active.message = event.detail
    active.ending = active.failure = active.deadline = active.error = active.proved_at = None
    active.mark_before = active.mark_accepted = None
    active.held_count = 0
    active.step_began_at = event.until
    if event.failure is FailureClass.FAILED:
        _put_again(state, event)
    active.phase, active.held = Phase.CHECKING, HoldReason.RETRY
    state.agenda.pop(event.target, None)
    state.timers.set(event.target, event.until)


def hurry(state: RunState) -> None:
    """Look at once at who waits to be tried again: trying again would be starting something."""
    for target, active in state.active.items():
        if active.held is HoldReason.RETRY and target in state.timers:
            state.agenda[target] = None


def _put_again(state: RunState, event: e.TargetRetried) -> None:
    """Send all of it this time, where that loses nothing.

    Source: a PATCH that changes nothing does nothing, and a failed extension stays failed.
    """
    target = state.targets[event.target]
    known = proof.expected(target, event.step)
    is_hidden = known.protected_keys or any(one.protected for one in steps.own(target.steps))
    if is_hidden or not target.steps[event.step].is_own:
        return
    put = reversal.as_put(target.steps[event.step], known)
    forced = (*target.steps[: event.step], put, *target.steps[event.step + 1 :])
    state.targets[event.target] = dataclasses.replace(target, steps=forced)


def replanned(state: RunState, event: e.TargetReplanned) -> None:
    """Begin again with other steps, or end where nothing is to be done any more."""
    is_change = event.plan.action.is_change
    active = phases.active_of(state, event, Phase.CHECKING if is_change else Phase.ENDING)
    old = state.targets[event.target]
    is_meant = state.plan.on_drift is OnDrift.REPLAN and active.replan_count < MOST_REPLANS
    if not is_meant or event.plan.cluster_id != old.cluster_id or event.plan.groups != old.groups:
        message = f"target {event.target}: it is not planned anew"
        raise IllegalTransitionError(message)
    state.operations.pop(event.target, None)
    phases.settle(state, event.target)
    state.targets[event.target] = event.plan
    state.rounds[event.target] = state.rounds.get(event.target, 0) + 1
    state.void_approvals(active.wave)
    active.replan_count += 1
    active.step = active.attempt = active.held_count = 0
    active.mark_before = active.mark_accepted = active.deadline = active.error = None
    active.is_again = False
    active.message = event.detail
    if not is_change:
        active.ending = _ending_of_none(event)
    phases.put(state, event.target, active, Phase.CHECKING if is_change else Phase.ENDING)


def _ending_of_none(event: e.TargetReplanned) -> tuple[Result, str]:
    """Return how a target ends that needs nothing any more, or to which nothing may be done."""
    if event.plan.action is Action.NO_CHANGE:
        return Result.NO_OP, f"it needs nothing any more: {event.detail}"
    return Result.DRIFTED, f"{event.detail}; now it is {event.plan.action}: {event.plan.reason}"


def stalled(state: RunState, event: e.TargetStalled) -> None:
    """Note that somebody should know."""
    active = phases.active_of(state, event, _phase_of(state, event.target))
    active.is_stalled = True
    state.stalls.cancel(event.target)


def _phase_of(state: RunState, target: int) -> Phase:
    active = state.active.get(target)
    return active.phase if active else Phase.ENDED
