"""How each event of waiting, windows, gates, looks and approvals changes the state.

Part of the fold; :mod:`fleet.core.fold` is its door.

Errors:  :exc:`~fleet.errors.IllegalTransitionError`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from fleet.core import admission, detours, gatework, moves, targets
from fleet.core.state import GateState, RunState, WaveState
from fleet.errors import IllegalTransitionError
from fleet.model import events as e
from fleet.model.statuses import HoldReason, Result, RunStatus, WaveStatus


def is_expected(state: RunState, event: e.GateMeasured | e.WaveObserved) -> bool:
    """Tell whether *event* is what somebody was asked for, and still of use."""
    wave = state.waves[event.wave] if event.wave == state.current < len(state.waves) else None
    if wave is None or state.status.is_terminal:
        return False
    if isinstance(event, e.WaveObserved):
        return wave.status is WaveStatus.SOAKING
    found = wave.gates.get((event.moment, event.gate))
    return found is not None and found.ended is None and event.number == found.tally.number + 1


def _require(is_so: object, message: str) -> None:
    if not is_so:
        raise IllegalTransitionError(message)


def _move_run(state: RunState, event: Any, to: RunStatus) -> None:
    moves.require(moves.RUN_MOVES, state=state.status, kind=event.kind, to=to, what="the run")
    state.status = to


def _wave(state: RunState, event: Any, *, is_current: bool = True) -> WaveState:
    """Return the wave that *event* is about; nothing is changed yet."""
    is_known = event.wave == state.current if is_current else event.wave < len(state.waves)
    message = f"wave {event.wave}: {event.kind} while wave {state.current} is current"
    _require(is_known and event.wave < len(state.waves), message)
    wave: WaveState = state.waves[event.wave]
    what = f"wave {wave.planned.name}"
    moves.require(moves.WAVE_MOVES, state=wave.status, kind=event.kind, to=wave.status, what=what)
    return wave


# --- waiting -----------------------------------------------------------------------------


def _waiting(state: RunState, event: e.RunWaiting) -> None:
    _require(admission.has_all_held(state), "a run that works on something does not wait")
    _move_run(state, event, RunStatus.WAITING)
    state.wait = event


def _woken(state: RunState, event: e.RunWoken) -> None:
    to = RunStatus.ROLLING_BACK if state.is_rolling_back else RunStatus.RUNNING
    _move_run(state, event, to)
    state.wait = None


# --- windows -----------------------------------------------------------------------------


def _window_closed(state: RunState, event: e.WindowClosed) -> None:
    _require_window(state, event)
    state.shut[event.calendars] = event.until
    if event.until is None:
        state.reopenings.cancel(event.calendars)
    else:
        state.reopenings.set(event.calendars, event.until)


def _window_opened(state: RunState, event: e.WindowOpened) -> None:
    _require_window(state, event)
    _open(state, event.calendars)


def _require_window(state: RunState, event: e.WindowClosed | e.WindowOpened) -> None:
    wave = state.waves[state.current] if state.current < len(state.waves) else None
    at = wave.status if wave else WaveStatus.SKIPPED
    what = "the current wave"
    moves.require(moves.WAVE_MOVES, state=at, kind=event.kind, to=WaveStatus.RUNNING, what=what)
    for number in event.calendars:
        _require_calendar(state, number)


def _require_calendar(state: RunState, number: int) -> None:
    is_there = 0 <= number < len(state.plan.calendars)
    _require(is_there, f"the plan does not have a calendar {number}")


def _open(state: RunState, calendars: tuple[int, ...]) -> None:
    state.shut.pop(calendars, None)
    state.reopenings.cancel(calendars)
    if state.current < len(state.waves):
        state.waves[state.current].line.reopen(calendars)


def _overridden(state: RunState, event: e.WindowOverridden) -> None:
    moves.require(
        moves.RUN_MOVES, state=state.status, kind=event.kind, to=state.status, what="the run"
    )
    _require_calendar(state, event.calendar)
    state.override(event)
    for calendars in [key for key in state.shut if event.calendar in key]:
        _open(state, calendars)
    for target, active in state.active.items():
        if active.held is HoldReason.WINDOW:
            state.agenda[target] = None


# --- gates and looks ---------------------------------------------------------------------


def _entered(state: RunState, event: e.GatesEntered) -> None:
    wave = _wave(state, event)
    for name in gatework.names(wave.planned, event.moment):
        wave.gates[event.moment, name] = GateState(entered_at=event.at)
        state.measuring.discard((event.wave, event.moment, name))


def _gate(wave: WaveState, event: e.GateMeasured | e.GateEnded) -> GateState:
    found = wave.gates.get((event.moment, event.gate))
    if found is None or found.ended is not None:
        message = f"gate {event.gate}: {event.kind} while it is not being measured"
        raise IllegalTransitionError(message)
    return found


def _measured(state: RunState, event: e.GateMeasured) -> None:
    found = _gate(_wave(state, event), event)
    follows = f"measurement {event.number} follows {found.tally.number}"
    _require(event.number == found.tally.number + 1, f"gate {event.gate}: {follows}")
    found.tally = found.tally.with_(event.verdict)
    found.last = event
    state.measuring.discard((event.wave, event.moment, event.gate))


def _ended(state: RunState, event: e.GateEnded) -> None:
    _gate(_wave(state, event), event).ended = event


def _skipped(state: RunState, event: e.GateSkipped) -> None:
    wave = _wave(state, event)
    found = [one for (_, name), one in wave.gates.items() if name == event.gate]
    for one in found:
        if one.ended is None or one.bars is not None:
            one.ended = event


def _observed(state: RunState, event: e.WaveObserved) -> None:
    wave = _wave(state, event)
    for target in event.relapsed:
        is_well = state.results.get(target) is Result.SUCCEEDED
        _require(is_well, f"target {target}: it did not succeed, so it cannot relapse")
    state.is_looking = False
    wave.observed_at = event.at
    if event.is_seen:
        wave.observations += 1
    for target in event.relapsed:
        _relapse(state, wave, target, event.detail)
    if event.relapsed:
        wave.observations = 0
        wave.soaks_until = event.at + wave.planned.soak
        detours.hurry(state)


def _relapse(state: RunState, wave: WaveState, target: int, detail: str) -> None:
    state.counts[Result.SUCCEEDED] -= 1
    state.counts[Result.FAILED] += 1
    state.results[target] = Result.FAILED
    state.details[target] = f"it was as planned, and is not any more: {detail}"
    state.touched.add(target)
    targets.count_failure(state, wave, target)


# --- approvals ---------------------------------------------------------------------------


def _approved(state: RunState, event: e.ApprovalGiven) -> None:
    _wave(state, event, is_current=False)
    digest = state.header.plan_digest if state.header else None
    _require(event.plan_digest == digest, "an approval of another plan")
    _move_run(state, event, state.status)
    state.approvals.setdefault((event.wave, event.when), []).append(event)


HANDLERS: Mapping[type, Callable[[RunState, Any], None]] = {
    e.RunWaiting: _waiting,
    e.RunWoken: _woken,
    e.WindowClosed: _window_closed,
    e.WindowOpened: _window_opened,
    e.WindowOverridden: _overridden,
    e.GatesEntered: _entered,
    e.GateMeasured: _measured,
    e.GateEnded: _ended,
    e.GateSkipped: _skipped,
    e.WaveObserved: _observed,
    e.ApprovalGiven: _approved,
}
