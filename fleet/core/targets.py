"""How each event of a target changes the state: its phase, its slot, its timers.

Part of the fold; :mod:`fleet.core.fold` is its door. Every handler asks
:mod:`fleet.core.moves` before it changes anything.

Errors:  :exc:`~fleet.errors.IllegalTransitionError`.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from typing import Any

from fleet.core import bindings, caps, detours, members, phases, vigils, waves
from fleet.core.lines import Line
from fleet.core.moves import RUN_MOVES, TARGET_MOVES, Phase
from fleet.core.state import Active, RunState, WaveState
from fleet.errors import IllegalTransitionError
from fleet.model import events as e
from fleet.model.desired import FailureClass, OnDrift, Unreachable
from fleet.model.events import TargetEvent
from fleet.model.statuses import Finding, HoldReason, Result, RunStatus, WaveStatus


def is_expected(state: RunState, event: TargetEvent | e.RunSurveyed) -> bool:
    """Tell whether *event* fits what its target waits for; asked before it is written down."""
    if isinstance(event, e.RunSurveyed):
        return members.is_due(state, event) and event.kind in RUN_MOVES[state.status]
    active = state.active.get(event.target)
    if active is None:
        return event.target in state.operations and event.kind in TARGET_MOVES[Phase.ENDED]
    return (
        event.kind in TARGET_MOVES[active.phase]
        and getattr(event, "step", active.step) == active.step
        and getattr(event, "attempt", active.attempt) == active.attempt
    )


def _target_started(state: RunState, event: e.TargetStarted) -> None:
    wave = state.waves[state.current] if state.current < len(state.waves) else None
    is_open = wave is not None and wave.status is WaveStatus.RUNNING
    may_run = state.status in (RunStatus.RUNNING, RunStatus.ROLLING_BACK)
    if not is_open or not may_run or state.is_held_back:
        message = f"target {event.target}: nothing may start now"
        raise IllegalTransitionError(message)
    if wave is None or state.calendars_of(wave) in state.shut:
        message = f"target {event.target}: its change window is closed"
        raise IllegalTransitionError(message)
    if event.target != next_of(state, wave):
        message = f"target {event.target}: it is not its turn"
        raise IllegalTransitionError(message)
    _require_room(state, wave, event)
    wave.line.start(event.target)
    wave.in_flight += 1
    state.in_flight += 1
    # NB: one that timed out may be worked on still: it is counted once.
    is_new = event.target not in state.operations
    state.caps.start(state.targets[event.target], is_physical=is_new)
    if state.room is not None:
        state.room -= 1
    if (earlier := state.results.pop(event.target, None)) is not None:
        state.counts[earlier] -= 1
        state.details.pop(event.target, None)
    state.active[event.target] = Active(
        phase=Phase.CHECKING, wave=state.current, started_at=event.at, step_began_at=event.at
    )
    state.agenda[event.target] = None


def next_of(state: RunState, wave: WaveState) -> int | None:
    """Return the target of *wave* whose turn it is; ``None`` where none may start."""
    return wave.line.first(state.caps, state.targets.__getitem__, state.operations, state.shut)


def _require_room(state: RunState, wave: WaveState, event: e.TargetStarted) -> None:
    limits = state.plan.limits
    is_full = state.in_flight >= limits.max_concurrency and not wave.is_back
    if is_full or wave.in_flight >= wave.planned.max_concurrency:
        message = f"target {event.target}: as many as may be are in flight"
        raise IllegalTransitionError(message)


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
    _is_over(state, target)


def _is_over(state: RunState, target: int) -> None:
    """Nothing works on *target* any more: whoever its groups held up is looked at again."""
    plan = state.targets[target]
    state.caps.over(plan)
    if state.current < len(state.waves):
        state.waves[state.current].line.wake(list(caps.keys(plan)))


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
    _free_slot(state, event.target, active)


def _target_finished(state: RunState, event: e.TargetFinished) -> None:
    active = phases.active_of(state, event, Phase.ENDED)
    _require_ending(active, event)
    wave = state.waves[active.wave]
    phases.settle(state, event.target)
    del state.active[event.target]
    state.timers.cancel(event.target)
    state.agenda.pop(event.target, None)
    _free_slot(state, event.target, active)
    members.record(state, event.target, event.result, event.detail)
    if event.result.is_success:
        wave.last_success_at = event.at
        if state.plan.calendars and active.has_written:
            state.durations.add((active.proved_at or event.at) - active.started_at)
    if event.result.is_failure:
        count_failure(state, wave, event.target)
    if active.has_written or active.attempt:
        wave.changed.append(event.target)
        if not event.result.is_success:
            state.touched.add(event.target)
    if event.target in state.operations:
        state.agenda[event.target] = None
    else:
        _is_over(state, event.target)


def count_failure(state: RunState, wave: WaveState, target: int) -> None:
    """Count *target* against the budgets."""
    wave.failures += 1
    if not wave.is_back:
        state.failures += 1
        state.caps.failed(state.targets[target])


def _require_ending(active: Active, event: e.TargetFinished) -> None:
    """A target ends as its steps ended it, or early: by a deadline, skipped, or given up."""
    is_given_up = active.held is HoldReason.RETRY
    early = (Result.TIMED_OUT, Result.SKIPPED, *([Result.FAILED] if is_given_up else []))
    if event.result not in ((active.ending[0],) if active.ending else early):
        message = f"target {event.target}: {event.result} is not what its steps came to"
        raise IllegalTransitionError(message)


def _put_off(state: RunState, event: e.TargetPutOff) -> None:
    active = phases.active_of(state, event, Phase.PENDING)
    wave = state.waves[active.wave]
    has_turn = members.has_catch_up(state) and not wave.is_catch_up
    if not has_turn or not active.is_untouched or not _is_deferred(active):
        message = f"target {event.target}: it cannot be put off"
        raise IllegalTransitionError(message)
    _give_back(state, event.target, active)
    wave.put_off_count += 1
    members.wait_in(_catch_up(state), event.target)


def _returned(state: RunState, event: e.TargetReturned) -> None:
    active = phases.active_of(state, event, Phase.PENDING)
    if not active.is_untouched or active.retry_count:
        message = f"target {event.target}: it was begun, and cannot wait as if it had not been"
        raise IllegalTransitionError(message)
    _give_back(state, event.target, active)
    state.waves[active.wave].line.add(event.target)


def _give_back(state: RunState, target: int, active: Active) -> None:
    """Let go of a target to which nothing was sent, and of its slot."""
    del state.active[target]
    state.timers.cancel(target)
    state.agenda.pop(target, None)
    _free_slot(state, target, active)
    _is_over(state, target)


def _is_deferred(active: Active) -> bool:
    return active.ending is not None and active.ending[0] is Result.DEFERRED


def _catch_up(state: RunState) -> WaveState:
    """Return the last wave; one is added where the plan foresaw none."""
    last = state.waves[-1]
    if last.is_catch_up:
        return last
    planned = waves.catch_up(state.plan.limits, calendars=bindings.of_catch_up(state.plan.waves))
    line = Line(last.end, last.end)
    added = WaveState(planned=planned, first=last.end, end=last.end, line=line)
    state.waves.append(added)
    return added


def _free_slot(state: RunState, target: int, active: Active) -> None:
    state.in_flight -= 1
    state.waves[active.wave].in_flight -= 1
    state.caps.free(state.targets[target])


HANDLERS: Mapping[type, Callable[[RunState, Any], None]] = {
    e.TargetStarted: _target_started,
    e.StepChecked: _checked,
    e.StepIntended: _intended,
    e.StepAccepted: _accepted,
    e.StepLost: _lost,
    e.StepHeld: _held,
    e.OperationEnded: _operation_ended,
    e.StepProved: _proved,
    e.StepFailed: _failed,
    e.StepUnknown: _unknown,
    e.TargetPutOff: _put_off,
    e.TargetReturned: _returned,
    e.TargetSoaking: vigils.soaking,
    e.TargetObserved: vigils.observed,
    e.TargetReplanned: detours.replanned,
    e.TargetRetried: detours.retried,
    e.TargetStalled: detours.stalled,
    e.TargetSkipped: members.skipped,
    e.TargetFinished: _target_finished,
}
