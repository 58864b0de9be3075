"""How a target's beginning and end change the state: its slot, its result, its turn.

Part of the fold; :mod:`fleet.core.fold` is its door. Every handler asks
:mod:`fleet.core.moves` before it changes anything. What happens in between, step by step:
:mod:`fleet.core.stepfold`.

Errors:  :exc:`~fleet.errors.IllegalTransitionError`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from fleet.core import bindings, detours, members, phases, vigils, waves
from fleet.core.lines import Line
from fleet.core.moves import RUN_MOVES, TARGET_MOVES, Phase
from fleet.core.state import Active, RunState, WaveState
from fleet.errors import IllegalTransitionError
from fleet.model import events as e
from fleet.model.events import TargetEvent
from fleet.model.statuses import HoldReason, Result, RunStatus, WaveStatus


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


def _target_finished(state: RunState, event: e.TargetFinished) -> None:
    active = phases.active_of(state, event, Phase.ENDED)
    _require_ending(active, event)
    wave = state.waves[active.wave]
    phases.settle(state, event.target)
    del state.active[event.target]
    state.timers.cancel(event.target)
    state.agenda.pop(event.target, None)
    phases.free_slot(state, event.target, active)
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
        phases.let_go(state, event.target)


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
    phases.free_slot(state, target, active)
    phases.let_go(state, target)


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


HANDLERS: Mapping[type, Callable[[RunState, Any], None]] = {
    e.TargetStarted: _target_started,
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
