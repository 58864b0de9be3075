"""What the current wave does next, by its stage: wait to open, open, start, soak, close.

Between waves: gates after it, its soak with gates and looks, approvals (which may come beside the
soak), then what the next wave needs before it opens.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator

from fleet.core import admission, consents, gatework, soaks, waits
from fleet.core.state import RunState, WaveState
from fleet.model import events as e
from fleet.model.commands import Look, Measure
from fleet.model.events import Event
from fleet.model.gates import Moment
from fleet.model.statuses import WaveStatus

Move = Event | Measure | Look


def next_of_wave(
    state: RunState, wave: WaveState, now: dt.datetime, *, has_room: bool
) -> Iterator[Move]:
    """Yield what the current wave does at *now*.

    Args:
        state: The run.
        wave: The one that is current.
        now: The moment.
        has_room: Whether caps let one more start.
    """
    if wave.status is WaveStatus.NOT_STARTED:
        yield from _to_open(state, wave, now)
    elif wave.status is WaveStatus.SOAKING:
        yield from _soak(state, wave, now)
    elif wave.is_drained:
        yield from _drained(state, wave, now)
    elif has_room:
        yield from admission.next_start(state, wave, now)


def _to_open(state: RunState, wave: WaveState, now: dt.datetime) -> Iterator[Move]:
    if state.is_surveying or waits.to_open(state, wave, now) is not None:
        return
    if gatework.is_passed(wave, Moment.BEFORE):
        yield e.WaveOpened(at=now, wave=state.current)
    else:
        yield from gatework.moves(state, wave, Moment.BEFORE, now)


def _drained(state: RunState, wave: WaveState, now: dt.datetime) -> Iterator[Move]:
    if not gatework.is_passed(wave, Moment.AFTER):
        yield from gatework.moves(state, wave, Moment.AFTER, now)
        return
    is_last = state.current + 1 == len(state.waves)
    until = soaks.until(wave, is_last=is_last)
    if until is not None and (now < until or wave.planned.soak_gates):
        yield e.WaveSoaking(at=now, wave=state.current, until=until)
    else:
        yield from _close(state, wave, now)


def _soak(state: RunState, wave: WaveState, now: dt.datetime) -> Iterator[Move]:
    is_over = soaks.is_over(wave, now)
    yield from gatework.moves(state, wave, Moment.SOAK, now, is_over=is_over)
    if is_over and gatework.is_passed(wave, Moment.SOAK):
        yield from _close(state, wave, now)
        return
    look_at = soaks.next_look(state, wave)
    if look_at is not None and now >= look_at and not is_over:
        yield soaks.look(state, wave)


def _close(state: RunState, wave: WaveState, now: dt.datetime) -> Iterator[Move]:
    if any(consents.missing(state, state.current, Moment.AFTER, now=now)):
        return
    status = WaveStatus.SUCCEEDED_WITH_FAILURES if wave.failures else WaveStatus.SUCCEEDED
    yield e.WaveClosed(at=now, wave=state.current, status=status)


def wake_at(state: RunState, wave: WaveState, now: dt.datetime) -> Iterator[dt.datetime | None]:
    """Yield the moments at which the wave may have something to do."""
    match wave.status:
        case WaveStatus.NOT_STARTED:
            wait = waits.to_open(state, wave, now)
            yield wait.until if wait else gatework.next_at(state, wave)
        case WaveStatus.RUNNING if not wave.is_drained:
            yield state.reopenings.next_at
        case WaveStatus.RUNNING:
            yield gatework.next_at(state, wave)
        case WaveStatus.SOAKING:
            yield gatework.next_at(state, wave)
            yield wave.soaks_until
            yield soaks.next_look(state, wave)
        case _:
            pass
    yield from consents.expiries(state, state.current)
