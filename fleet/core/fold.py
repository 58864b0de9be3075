"""The past: how each event changes the state. Exact, without a clock; raises on an illegal event.

Every handler asks :mod:`fleet.core.moves` before it changes anything, so a
refused event leaves the state as it was. Replaying a journal through
:func:`apply` gives the state that lived through it.

Errors:  :exc:`~fleet.errors.IllegalTransitionError`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from fleet.core import moves, planner, targets
from fleet.core.moves import Phase
from fleet.core.state import RunState, WaveState
from fleet.errors import IllegalTransitionError
from fleet.model import events as e
from fleet.model.desired import OnBreach
from fleet.model.events import Event
from fleet.model.statuses import RunStatus, WaveStatus


def apply(state: RunState, event: Event) -> RunState:
    """Return *state* after *event*; it is the same object, changed."""
    _HANDLERS[type(event)](state, event)
    state.last_at = event.at
    return state


# --- the run -----------------------------------------------------------------------------


def _move_run(state: RunState, event: Event, to: RunStatus) -> None:
    moves.require(moves.RUN_MOVES, state=state.status, kind=event.kind, to=to, what="the run")
    state.status = to


def _created(state: RunState, event: e.RunCreated) -> None:
    if state.header is not None:
        message = "a journal has one header"
        raise IllegalTransitionError(message)
    _move_run(state, event, RunStatus.DRAFT)
    state.header = event


def _require_header(state: RunState, event: Event) -> e.RunCreated:
    if state.header is None:
        message = f"{event.kind} before the header"
        raise IllegalTransitionError(message)
    return state.header


def _listed(state: RunState, event: e.TargetsListed) -> None:
    if event.first != len(state.targets):
        message = f"targets from {event.first} follow {len(state.targets)} targets"
        raise IllegalTransitionError(message)
    _require_header(state, event)
    _move_run(state, event, RunStatus.DRAFT)
    state.targets += event.targets


def _planned(state: RunState, event: e.RunPlanned) -> None:
    header = _require_header(state, event)
    if len(state.targets) != header.target_count:
        message = f"{len(state.targets)} targets are listed, of {header.target_count}"
        raise IllegalTransitionError(message)
    digest = planner.digest(header.plan, state.targets)
    if not digest == event.plan_digest == header.plan_digest:
        message = f"the plan's digest is {digest}, not {header.plan_digest}"
        raise IllegalTransitionError(message)
    _move_run(state, event, RunStatus.PLANNED)
    first = 0
    for wave in state.plan.waves:
        end = first + wave.target_count
        state.waves.append(WaveState(planned=wave, first=first, end=end, cursor=first))
        first = end


def _started(state: RunState, event: e.RunStarted) -> None:
    _move_run(state, event, RunStatus.RUNNING)


def _taken(state: RunState, event: e.RunTaken) -> None:
    _move_run(state, event, state.status)
    state.holder = event.actor
    for active in state.active.values():
        # What the last runner read before a write died with it: read again. And a target for which
        # nothing was sent is not late because nobody was there.
        if active.phase is Phase.READY:
            active.phase = Phase.CHECKING
        if active.phase is Phase.CHECKING:
            active.step_began_at = event.at


def _pausing(state: RunState, event: e.RunPausing) -> None:
    _move_run(state, event, RunStatus.PAUSING)
    state.stopped_by = (event.actor, event.reason)
    state.has_bug = state.has_bug or event.is_bug


def _paused(state: RunState, event: e.RunPaused) -> None:
    _move_run(state, event, RunStatus.PAUSED)


def _resumed(state: RunState, event: e.RunResumed) -> None:
    _move_run(state, event, RunStatus.RUNNING)
    state.stopped_by, state.has_bug = None, False
    _forgive(state)
    for target in sorted(state.unknown):
        active = state.active[target]
        active.phase = Phase.LOST if active.attempt else Phase.CHECKING
        active.step_began_at = event.at  # it takes a slot again
        state.in_flight += 1
        state.waves[active.wave].in_flight += 1
        state.agenda[target] = None
    state.unknown.clear()


def _forgive(state: RunState) -> None:
    """Count afresh after a breach that a person resumed the run in spite of."""
    if state.plan.limits.on_breach is not OnBreach.PAUSE:
        return
    if state.is_breached:
        state.is_breached, state.forgiven = False, state.failures
    for wave in state.waves:
        if wave.is_breached:
            wave.is_breached, wave.forgiven = False, wave.failures


def _stopping(state: RunState, event: e.RunStopping) -> None:
    _move_run(state, event, RunStatus.STOPPING)
    state.stopped_by = (event.actor, event.reason)


def _refused(state: RunState, event: e.RequestRefused) -> None:
    _move_run(state, event, state.status)


def _finished(state: RunState, event: e.RunFinished) -> None:
    _move_run(state, event, event.status)
    state.finish_reason = event.reason
    state.agenda.clear()


# --- waves -------------------------------------------------------------------------------


def _move_wave(state: RunState, event: e.WaveEvent, to: WaveStatus) -> WaveState:
    if event.wave != state.current or event.wave >= len(state.waves):
        message = f"wave {event.wave}: {event.kind} while wave {state.current} is the current one"
        raise IllegalTransitionError(message)
    wave = state.waves[event.wave]
    what = f"wave {wave.planned.name}"
    moves.require(moves.WAVE_MOVES, state=wave.status, kind=event.kind, to=to, what=what)
    wave.status = to
    return wave


def _wave_opened(state: RunState, event: e.WaveOpened) -> None:
    _move_wave(state, event, WaveStatus.RUNNING)


def _breached(state: RunState, event: e.BudgetBreached) -> None:
    wave = _move_wave(state, event, WaveStatus.RUNNING)
    if event.level == "run":
        state.is_breached = True
    else:
        wave.is_breached = True


def _soaking(state: RunState, event: e.WaveSoaking) -> None:
    wave = _move_wave(state, event, WaveStatus.SOAKING)
    wave.soaks_until = event.until


def _wave_closed(state: RunState, event: e.WaveClosed) -> None:
    _move_wave(state, event, event.status)
    state.current += 1


_HANDLERS: Mapping[type, Callable[[RunState, Any], None]] = {
    e.RunCreated: _created,
    e.TargetsListed: _listed,
    e.RunPlanned: _planned,
    e.RunStarted: _started,
    e.RunTaken: _taken,
    e.RunPausing: _pausing,
    e.RunPaused: _paused,
    e.RunResumed: _resumed,
    e.RunStopping: _stopping,
    e.RequestRefused: _refused,
    e.RunFinished: _finished,
    e.WaveOpened: _wave_opened,
    e.BudgetBreached: _breached,
    e.WaveSoaking: _soaking,
    e.WaveClosed: _wave_closed,
    **targets.HANDLERS,
}
