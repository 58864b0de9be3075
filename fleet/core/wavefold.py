"""How each event of a wave changes the state.

Part of the fold; :mod:`fleet.core.fold` is its door.

Errors:  :exc:`~fleet.errors.IllegalTransitionError`.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from typing import Any

from fleet.core import detours, members, moves
from fleet.core.lines import Line
from fleet.core.state import RunState, WaveState
from fleet.core.timers import Timers
from fleet.errors import IllegalTransitionError
from fleet.model import events as e
from fleet.model.statuses import Result, WaveStatus


def _require(state: RunState, event: e.WaveEvent, to: WaveStatus) -> WaveState:
    """Return the wave if *event* may lead it to *to*; nothing is changed yet."""
    if event.wave >= len(state.waves):
        message = f"wave {event.wave}: {event.kind} of a wave that is not there"
        raise IllegalTransitionError(message)
    wave = state.waves[event.wave]
    what = f"wave {wave.planned.name}"
    moves.require(moves.WAVE_MOVES, state=wave.status, kind=event.kind, to=to, what=what)
    return wave


def _open_status(state: RunState) -> WaveStatus:
    """Return how the current wave stands, if it is open."""
    wave = state.waves[state.current] if state.current < len(state.waves) else None
    is_soaking = wave is not None and wave.status is WaveStatus.SOAKING
    return WaveStatus.SOAKING if is_soaking else WaveStatus.RUNNING


def _move(state: RunState, event: e.WaveEvent, to: WaveStatus) -> WaveState:
    if event.wave != state.current:
        message = f"wave {event.wave}: {event.kind} while wave {state.current} is the current one"
        raise IllegalTransitionError(message)
    wave = _require(state, event, to)
    wave.status = to
    return wave


def _opened(state: RunState, event: e.WaveOpened) -> None:
    wave = _move(state, event, WaveStatus.RUNNING)
    wave.opened_at = event.at
    # What was found closed concerned other targets.
    state.shut.clear()
    state.reopenings = Timers()
    limit = state.plan.limits.run_timeout
    if limit is not None and state.due_at is None:
        state.due_at = event.at + limit
    wave.due_at = _due_at(state, wave, event.at)


def _due_at(state: RunState, wave: WaveState, now: dt.datetime) -> dt.datetime | None:
    """Return when a wave that opens now must have ended.

    Where only the run has a limit, what is left of it is shared among the waves that are left.
    """
    if wave.is_back:
        return None
    own = now + wave.planned.timeout if wave.planned.timeout else None
    if state.due_at is None:
        return own
    left = sum(one.status is not WaveStatus.SKIPPED for one in state.waves[state.current :])
    share = now + (state.due_at - now) / left
    return min(own or share, state.due_at)


def _added(state: RunState, event: e.WaveAdded) -> None:
    status = state.status
    moves.require(moves.RUN_MOVES, state=status, kind=event.kind, to=status, what="the run")
    if event.wave != len(state.waves):
        message = f"wave {event.wave} follows {len(state.waves)} waves"
        raise IllegalTransitionError(message)
    end = state.waves[-1].end if state.waves else 0
    state.waves.append(
        WaveState(
            planned=event.planned,
            first=end,
            end=end,
            line=Line(end, end),
            is_back=state.is_rolling_back,
        )
    )


def _extended(state: RunState, event: e.WaveExtended) -> None:
    at = state.waves[event.wave].status if event.wave < len(state.waves) else WaveStatus.RUNNING
    wave = _require(state, event, at)
    number = len(state.targets)
    for member in event.members:
        members.require_member(state, wave, member, next_number=number)
        number += member.target == number
    for member in event.members:
        members.join(state, wave, member)


def _breached(state: RunState, event: e.BudgetBreached) -> None:
    wave = _move(state, event, _open_status(state))
    if event.level == "run":
        state.is_breached = True
    elif event.level == "label":
        state.caps.report(event.label)
    else:
        wave.is_breached = True
    detours.hurry(state)


def _overdue(state: RunState, event: e.WaveOverdue) -> None:
    _move(state, event, WaveStatus.RUNNING).is_overdue = True
    detours.hurry(state)


def _skipped(state: RunState, event: e.WaveSkipped) -> None:
    at = state.waves[event.wave].status if event.wave < len(state.waves) else WaveStatus.SKIPPED
    is_open = at is WaveStatus.RUNNING
    wave = _require(state, event, WaveStatus.RUNNING if is_open else WaveStatus.SKIPPED)
    for target in list(wave.line.waiting()):
        members.leave(state, wave, target, Result.SKIPPED, members.skip_detail(event))
    if not is_open:
        wave.status = WaveStatus.SKIPPED
        # Who is meant is looked up anew for the wave that comes now.
        state.is_surveying = state.is_surveying and event.wave != state.current
        _pass_skipped(state)


def _soaking(state: RunState, event: e.WaveSoaking) -> None:
    wave = _move(state, event, WaveStatus.SOAKING)
    wave.soaks_until, wave.observed_at = event.until, event.at
    wave.observations, state.is_looking = 0, False


def _soak_skipped(state: RunState, event: e.SoakSkipped) -> None:
    wave = _move(state, event, WaveStatus.SOAKING)
    wave.soaks_until, wave.is_soak_skipped = event.at, True


def _closed(state: RunState, event: e.WaveClosed) -> None:
    _move(state, event, event.status)
    state.current += 1
    _pass_skipped(state)


def _pass_skipped(state: RunState) -> None:
    for wave in state.waves[state.current :]:
        if wave.status is not WaveStatus.SKIPPED:
            return
        state.current += 1


HANDLERS: Mapping[type, Callable[[RunState, Any], None]] = {
    e.WaveOpened: _opened,
    e.WaveAdded: _added,
    e.WaveExtended: _extended,
    e.BudgetBreached: _breached,
    e.WaveOverdue: _overdue,
    e.WaveSkipped: _skipped,
    e.WaveSoaking: _soaking,
    e.SoakSkipped: _soak_skipped,
    e.WaveClosed: _closed,
}
