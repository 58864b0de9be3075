"""What the run and its waves do next: open, start, hold, pause, take back, close, end.

One thing at a time, and never more than one start: what follows rests on what is folded.
Changes nothing.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator

from fleet.core import finish, gatework, stages, targets, undo, waits
from fleet.core.state import RunState, WaveState
from fleet.model import events as e
from fleet.model.commands import Command, Look, Measure, Survey, WaveCommand
from fleet.model.desired import Membership
from fleet.model.events import Event
from fleet.model.gates import OnVerdict
from fleet.model.statuses import RunStatus, WaveStatus
from fleet.model.strategy import FailureMode, OnBreach


def next_of_run(
    state: RunState, now: dt.datetime, events: list[Event], commands: list[Command | WaveCommand]
) -> None:
    """Add to *events* and *commands* what the run does at *now*."""
    if _needs_survey(state, now):
        commands.append(Survey(wave=state.current, spreads=state.caps.grown()))
        return
    for move in _moves(state, now):
        if isinstance(move, Measure | Look):
            commands.append(move)
        else:
            events.append(move)


def _moves(state: RunState, now: dt.datetime) -> Iterator[stages.Move]:
    if state.current >= len(state.waves):
        yield finish.finished(state, now=now)
        return
    wave = state.waves[state.current]
    broken: list[Event] = [*_breaches(state, wave, now), *_overdue(state, wave, now)]
    if broken:
        yield from broken
    elif state.status is RunStatus.STOPPING:
        if not state.in_flight:
            yield finish.finished(state, now=now)
    elif state.unknown and not state.has_bug:
        yield _pause_for_bug(state, now)
    elif state.is_held_back:
        yield from _held_back(state, now)
    elif (barring := gatework.barring(wave)) is not None:
        yield from _barred(state, wave, barring, now)
    elif state.status is RunStatus.PAUSING and not _is_over(state, wave):
        if not state.in_flight:
            yield e.RunPaused(at=now)
    else:
        yield from stages.next_of_wave(state, wave, now, has_room=_has_room(state, wave))


def may_be_overdue(wave: WaveState) -> bool:
    """Whether the wave's time runs, and its end was not noted yet."""
    return wave.status is WaveStatus.RUNNING and not (wave.is_overdue or wave.is_drained)


def _needs_survey(state: RunState, now: dt.datetime) -> bool:
    """Whether it is to be looked who is meant before the next wave opens, and it is to open."""
    if state.plan.membership is not Membership.FOLLOW or state.current >= len(state.waves):
        return False
    wave = state.waves[state.current]
    is_next = wave.status is WaveStatus.NOT_STARTED and not (wave.is_surveyed or wave.is_back)
    if not is_next or state.status not in _STARTING or state.is_surveying:
        return False
    return waits.to_open(state, wave, now) is None


def _pause_for_bug(state: RunState, now: dt.datetime) -> e.RunPausing:
    """Pause the run, or say why a pause that is pending became one for a bug."""
    target = min(state.unknown)
    name, message = state.targets[target].cluster_name, state.active[target].message
    reason = f"a bug in fleet hit {name}: {message}"
    return e.RunPausing(at=now, actor=None, reason=reason, request_id=None, is_bug=True)


# A run that waits is woken for a survey as for anything else.
_STARTING = (RunStatus.RUNNING, RunStatus.WAITING)


def _barred(
    state: RunState, wave: WaveState, ended: e.GateEnded, now: dt.datetime
) -> Iterator[Event]:
    """Do what a gate leads to that did not pass: pause, end, or go back."""
    action, reason = ended.action, finish.barred(wave, ended)
    is_pausing = state.status is RunStatus.PAUSING
    if action is OnVerdict.PAUSE and not is_pausing:
        yield e.RunPausing(at=now, actor=None, reason=reason, request_id=None)
    elif state.in_flight:
        return
    elif action is OnVerdict.PAUSE or (action is OnVerdict.ROLLBACK and is_pausing):
        yield e.RunPaused(at=now)
    else:
        yield e.WaveClosed(at=now, wave=state.current, status=WaveStatus.FAILED)
        if action is OnVerdict.ROLLBACK:
            yield from undo.begun(state, reason=reason, now=now)
        else:
            yield finish.finished(state, now=now)


def _is_over(state: RunState, wave: WaveState) -> bool:
    """Whether nothing is left to do: then a run that was asked to pause ends instead."""
    is_last = state.current + 1 == len(state.waves)
    planned = wave.planned
    has_more = planned.after_gates or planned.soak_gates or planned.observe_every
    is_done = wave.is_drained and not (has_more or planned.approvals)
    return is_last and is_done and not state.unknown


def _breaches(state: RunState, wave: WaveState, now: dt.datetime) -> Iterator[e.BudgetBreached]:
    """Yield each budget that is broken and not yet reported, whatever the run is doing."""
    is_open = wave.status in (WaveStatus.RUNNING, WaveStatus.SOAKING)
    if not is_open or state.is_rolling_back:
        return
    limits = state.plan.limits
    wave_failures, run_failures = wave.failures - wave.forgiven, state.failures - state.forgiven
    if wave_failures > wave.planned.max_failures and not wave.is_breached:
        yield _breach(state, "wave", wave_failures, wave.planned.max_failures, now)
    if run_failures > limits.max_failures and not state.is_breached:
        yield _breach(state, "run", run_failures, limits.max_failures, now)
    for key in state.caps.broken:
        group = state.caps.groups[key]
        failures, allowed = group.failures - group.forgiven, group.planned.max_failures or 0
        label = state.caps.label(key)
        yield _breach(state, "label", failures, allowed, now, label=label)


def _breach(
    state: RunState, level: str, failures: int, allowed: int, now: dt.datetime, *, label: str = ""
) -> e.BudgetBreached:
    return e.BudgetBreached(
        at=now,
        wave=state.current,
        level=level,
        failures=failures,
        max_failures=allowed,
        label=label,
    )


def _overdue(state: RunState, wave: WaveState, now: dt.datetime) -> Iterator[e.WaveOverdue]:
    is_late = wave.due_at is not None and now >= wave.due_at
    if wave.due_at is not None and is_late and may_be_overdue(wave):
        yield e.WaveOverdue(at=now, wave=state.current, due_at=wave.due_at)


def _held_back(state: RunState, now: dt.datetime) -> Iterator[Event]:
    """Go on after a breach, or where a wave is overdue: nothing new starts."""
    on_breach, wave = state.plan.limits.on_breach, state.waves[state.current]
    is_pausing = state.status is RunStatus.PAUSING
    if on_breach is OnBreach.PAUSE and not is_pausing:
        yield e.RunPausing(at=now, actor=None, reason=_cause(wave), request_id=None)
    elif state.in_flight:
        return
    elif on_breach is OnBreach.PAUSE or state.unknown:
        yield e.RunPaused(at=now)
    elif on_breach is OnBreach.ROLLBACK and is_pausing:
        # NB: going back writes; who asked for a pause is obeyed first.
        yield e.RunPaused(at=now)
    else:
        # NB: also while somebody's pause is pending: a resume must not forgive what stops a run.
        yield e.WaveClosed(at=now, wave=state.current, status=WaveStatus.FAILED)
        if on_breach is OnBreach.ROLLBACK:
            yield from undo.begun(state, reason=_cause(wave), now=now)
        else:
            yield finish.finished(state, now=now)


def _cause(wave: WaveState) -> str:
    if wave.is_overdue:
        return f"wave {wave.planned.name} was not done in its time"
    return "more failures than the budget allows"


def startable(state: RunState) -> int:
    """Return how many more the wave and the run would let start, shared pools not asked."""
    if state.status not in (RunStatus.RUNNING, RunStatus.ROLLING_BACK) or state.is_held_back:
        return 0
    wave = state.waves[state.current] if state.current < len(state.waves) else None
    if wave is None or wave.status is not WaveStatus.RUNNING:
        return 0
    if state.calendars_of(wave) in state.shut:
        return 0
    return max(min(_free(state, wave), wave.waiting_count - wave.line.shut_out_count), 0)


def _has_room(state: RunState, wave: WaveState) -> bool:
    """Whether the wave, the run, their budgets and the shared pools let one more start."""
    return _free(state, wave) > 0 and (state.room is None or state.room > 0)


def _free(state: RunState, wave: WaveState) -> int:
    """Return how many more the wave, the run and their budgets allow; shared pools not asked."""
    limits, planned = state.plan.limits, wave.planned
    free = planned.max_concurrency - wave.in_flight
    if wave.is_back:
        return free
    free = min(free, limits.max_concurrency - state.in_flight)
    if limits.failure_mode is not FailureMode.STRICT:
        return free
    left = planned.max_failures + 1 - (wave.failures - wave.forgiven) - wave.in_flight
    run_left = limits.max_failures + 1 - (state.failures - state.forgiven) - state.in_flight
    return min(free, left, run_left)


def reasons(state: RunState) -> tuple[str, ...]:
    """Return why nothing more starts, for people."""
    if state.current >= len(state.waves):
        return ()
    wave = state.waves[state.current]
    planned = wave.planned
    if state.wait is not None:
        until = f" until {state.wait.until:%Y-%m-%d %H:%M:%SZ}" if state.wait.until else ""
        return (f"{state.wait.detail}{until}",)
    if state.status not in (RunStatus.RUNNING, RunStatus.ROLLING_BACK) and state.stopped_by:
        actor, reason = state.stopped_by
        by = f" by {actor.name}" if actor else ""
        return (f"{state.status}{by}: {reason}; {state.in_flight} in flight finish first",)
    if state.is_held_back:
        return (f"{_held_by(wave)}; {state.in_flight} in flight finish first",)
    if wave.status is WaveStatus.SOAKING and wave.soaks_until is not None:
        return (f"wave {planned.name} soaks until {wave.soaks_until:%Y-%m-%d %H:%M:%SZ}",)
    if state.is_surveying:
        return (f"wave {planned.name}: looking which clusters are meant now",)
    found = [f"wave {planned.name}: {wave.in_flight} of {planned.effective_concurrency} in flight"]
    return (*found, *_waits(state, wave))


def _held_by(wave: WaveState) -> str:
    return _cause(wave) if wave.is_overdue else "the failure budget is broken"


def _waits(state: RunState, wave: WaveState) -> Iterator[str]:
    """Yield what keeps those that wait from starting, although there is room."""
    if not wave.waiting_count:
        return
    pools = ", ".join(pool.name for pool in state.plan.pools)
    if state.room is not None and state.room <= 0:
        yield f"full, shared with other runs: pools {pools}"
    elif state.room is None and pools and startable(state):
        yield f"waits where these are full, shared with other runs: pools {pools}"
    elif _has_room(state, wave) and targets.next_of(state, wave) is None:
        yield "all that wait are held up by spread caps"
        if state.operations and not state.in_flight:
            names = [state.targets[target].cluster_name for target in list(state.operations)[:3]]
            said = f"waiting for operations that timed out to end: {', '.join(names)}"
            out = f"--wave {wave.planned.name} " if wave.is_back else ""
            yield f"{said} (fleet skip {out}takes out who waits)"
