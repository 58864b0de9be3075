"""How each event of a target's steps changes the state: its phase, its operation, its timers.

Part of the fold; :mod:`fleet.core.fold` is its door. Every handler asks
:mod:`fleet.core.moves` before it changes anything.

Errors:  :exc:`~fleet.errors.IllegalTransitionError`.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from typing import Any

from fleet.core import phases, vigils
from fleet.core.moves import Phase
from fleet.core.state import Active, RunState
from fleet.errors import IllegalTransitionError
from fleet.model import events as e
from fleet.model.desired import OnDrift
from fleet.model.scope import Unreachable
from fleet.model.statuses import Finding, HoldReason, Result
from fleet.model.strategy import FailureClass


def _checked(state: RunState, event: e.StepChecked) -> None:
    active = phases.active_of(state, event, _after_check(state, event))
    active.mark_before = event.mark
    active.message = event.detail
    active.snapshot = active.snapshot or event.snapshot
    # Only a reading that is terminal is journaled: whatever was out before has ended.
    state.operations.pop(event.target, None)
    if event.finding is Finding.DONE:
        active.has_written = active.has_written or active.attempt > 0
        _advance(state, event.target, active, at=event.at)
        return
    active.ending = _ending_of(state, event)
    active.failure = FailureClass.FAILED if event.finding is Finding.FAILED else None
    phases.put(state, event.target, active, Phase.ENDING if active.ending else Phase.READY)


def _after_check(state: RunState, event: e.StepChecked) -> Phase:
    match event.finding:
        case Finding.PROCEED:
            return Phase.READY
        case Finding.DONE:
            return _after_step(state, event)
        case Finding.BUSY:
            message = f"target {event.target}: an operation in progress is a hold, not a finding"
            raise IllegalTransitionError(message)
        case _:
            return Phase.ENDING


def _after_step(state: RunState, event: e.StepChecked | e.StepProved) -> Phase:
    # NB: a target that is not active may not be in the plan either; what it leads to is refused.
    is_known = event.target in state.active
    is_last = is_known and event.step + 1 == len(state.targets[event.target].steps)
    return Phase.ENDING if is_last else Phase.CHECKING


def _ending_of(state: RunState, event: e.StepChecked) -> tuple[Result, str] | None:
    """Return how a finding ends the target, if it does."""
    plan, detail = state.plan, event.detail
    match event.finding:
        case Finding.DRIFTED:
            is_skipped = plan.on_drift is OnDrift.SKIP
            return (Result.SKIPPED if is_skipped else Result.DRIFTED), detail
        case Finding.UNREACHABLE:
            return _LEFT_OUT[plan.unreachable], detail
        case Finding.CLUSTER_MISSING | Finding.FAILED:
            return Result.FAILED, detail
        case _:
            return None


_LEFT_OUT: Mapping[Unreachable, Result] = {
    Unreachable.DEFER: Result.DEFERRED,
    Unreachable.SKIP: Result.SKIPPED,
    Unreachable.FAIL: Result.FAILED,
}


def _advance(state: RunState, target: int, active: Active, *, at: dt.datetime) -> None:
    """Go to the next step, or to the end."""
    phases.settle(state, target)
    active.is_again = False
    if active.step + 1 < len(state.targets[target].steps):
        active.step += 1
        active.step_began_at = at
        active.attempt = active.held_count = 0
        active.mark_before = active.mark_accepted = active.deadline = active.error = None
        phases.put(state, target, active, Phase.CHECKING)
        return
    active.ending = _success(state, active), active.message
    phases.put(state, target, active, Phase.ENDING)


def _success(state: RunState, active: Active) -> Result:
    if state.waves[active.wave].is_back:
        return Result.ROLLED_BACK
    return Result.SUCCEEDED if active.has_written else Result.NO_OP


def _intended(state: RunState, event: e.StepIntended) -> None:
    active = phases.active_of(state, event, Phase.WRITING)
    if event.attempt != active.attempt + 1:
        message = f"target {event.target}: attempt {event.attempt} follows {active.attempt}"
        raise IllegalTransitionError(message)
    active.attempt = event.attempt
    phases.put(state, event.target, active, Phase.WRITING)


def _accepted(state: RunState, event: e.StepAccepted) -> None:
    has_operation = event.operation_sha256 is not None
    active = phases.active_of(state, event, Phase.FOLLOWING if has_operation else Phase.PROVING)
    _require_attempt(active, event)
    active.has_written = True
    active.error, active.message = None, ""
    active.mark_accepted = event.mark
    active.has_operation = has_operation
    active.deadline = event.at + state.plan.limits.progress_deadline
    active.held_count = 0
    phases.put(state, event.target, active, Phase.FOLLOWING if has_operation else Phase.PROVING)
    if has_operation:
        state.operations[event.target] = event.step
        state.timers.set(event.target, active.deadline)
    if (patience := state.plan.limits.stalled_after) is not None:
        state.stalls.set(event.target, event.at + patience)


def _require_attempt(active: Active, event: e.StepAccepted | e.StepLost) -> None:
    if event.attempt != active.attempt:
        message = f"target {event.target}: {event.kind} of attempt {event.attempt} during attempt"
        raise IllegalTransitionError(f"{message} {active.attempt}")


def _lost(state: RunState, event: e.StepLost) -> None:
    active = phases.active_of(state, event, Phase.LOST)
    _require_attempt(active, event)
    active.message = event.message
    phases.put(state, event.target, active, Phase.LOST)


def _held(state: RunState, event: e.StepHeld) -> None:
    if _is_leftover(state, event.target):
        _forget_operation(state, event.target)
        return
    to = _after_hold(state, event)
    active = phases.active_of(state, event, to)
    active.message = event.message
    active.held_count += 1
    if to is Phase.ENDING:
        is_lost = active.phase is Phase.LOST
        what = "whether the write took effect was not seen" if is_lost else "not proved"
        active.ending = (Result.TIMED_OUT, f"{what} in time: {event.message}")
        active.failure = FailureClass.TIMED_OUT
        phases.put(state, event.target, active, to)
        return
    if event.reason is HoldReason.CONFLICT:
        state.operations.pop(event.target, None)
    if to is Phase.CHECKING:
        phases.settle(state, event.target)
    if event.reason is HoldReason.WINDOW:
        active.step_began_at = event.until
    active.phase, active.held = to, event.reason
    state.agenda.pop(event.target, None)
    state.timers.set(event.target, _capped(state, active, event.until))


def _after_hold(state: RunState, event: e.StepHeld) -> Phase:
    active = state.active.get(event.target)
    if active is None:
        return Phase.CHECKING
    if event.reason is HoldReason.IDENTITY and active.phase is not Phase.WRITING:
        return active.phase  # nothing was asked, so nothing is late
    if event.reason is HoldReason.WINDOW:
        return Phase.CHECKING  # by then it may have changed
    if active.phase is Phase.SOAKING:
        last = vigils.ends_at(active, state.waves[active.wave].planned)
        is_late = event.at >= last + state.plan.limits.progress_deadline
        return Phase.ENDING if is_late else Phase.SOAKING
    if active.phase is Phase.LOST:
        start_by = active.step_began_at + state.plan.limits.start_deadline
        return Phase.ENDING if event.at >= start_by else Phase.LOST
    is_late = active.deadline is not None and event.at >= active.deadline
    if active.phase in (Phase.FOLLOWING, Phase.PROVING) and event.reason in _PROOF_WAITS:
        return Phase.ENDING if is_late else active.phase
    if active.phase is Phase.WRITING or (
        active.phase is Phase.FOLLOWING and event.reason is HoldReason.CONFLICT
    ):
        return Phase.CHECKING
    return active.phase


_PROOF_WAITS = (HoldReason.NOT_YET, HoldReason.THROTTLED)


def _capped(state: RunState, active: Active, until: dt.datetime) -> dt.datetime:
    """Wake no later than the deadline that applies."""
    if active.held in (HoldReason.THROTTLED, HoldReason.IDENTITY, HoldReason.WINDOW):
        return until  # calling early restarts the service's wait; nobody may call at all
    if active.phase is Phase.SOAKING:
        return until
    if active.phase in (Phase.FOLLOWING, Phase.PROVING):
        return min(until, active.deadline) if active.deadline else until
    return min(until, active.step_began_at + state.plan.limits.start_deadline)


def _operation_ended(state: RunState, event: e.OperationEnded) -> None:
    if _is_leftover(state, event.target):
        _forget_operation(state, event.target)
        return
    active = phases.active_of(state, event, Phase.PROVING)
    active.error, active.message = event.error, event.error or ""
    state.operations.pop(event.target, None)
    phases.put(state, event.target, active, Phase.PROVING)


def _is_leftover(state: RunState, target: int) -> bool:
    """Whether the target has ended, and its operation was not seen to."""
    return target in state.results and target in state.operations


def _forget_operation(state: RunState, target: int) -> None:
    del state.operations[target]
    state.agenda.pop(target, None)
    phases.let_go(state, target)


def _proved(state: RunState, event: e.StepProved) -> None:
    active = phases.active_of(state, event, _after_step(state, event))
    state.operations.pop(event.target, None)
    active.message = ""
    _advance(state, event.target, active, at=event.at)


def _failed(state: RunState, event: e.StepFailed) -> None:
    active = phases.active_of(state, event, Phase.ENDING)
    state.operations.pop(event.target, None)
    active.message = event.message
    active.ending = (Result.FAILED, event.message)
    active.failure = FailureClass.FAILED if event.code == _FAILED else FailureClass.REFUSED
    phases.put(state, event.target, active, Phase.ENDING)


_FAILED = "F360"


def _unknown(state: RunState, event: e.StepUnknown) -> None:
    if _is_leftover(state, event.target):
        _forget_operation(state, event.target)
        return
    active = phases.active_of(state, event, Phase.UNKNOWN)
    active.message = event.message
    active.ending = active.proved_at = None
    phases.settle(state, event.target)
    phases.put(state, event.target, active, Phase.UNKNOWN)
    state.agenda.pop(event.target)
    state.unknown.add(event.target)
    phases.free_slot(state, event.target, active)


HANDLERS: Mapping[type, Callable[[RunState, Any], None]] = {
    e.StepChecked: _checked,
    e.StepIntended: _intended,
    e.StepAccepted: _accepted,
    e.StepLost: _lost,
    e.StepHeld: _held,
    e.OperationEnded: _operation_ended,
    e.StepProved: _proved,
    e.StepFailed: _failed,
    e.StepUnknown: _unknown,
}
