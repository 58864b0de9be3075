"""Whether calendars let a target of a run start, or be written to once more.

What is found closed is written down when somebody's turn came and it was: then the fold knows,
without a clock, who was passed over. Looks at few targets, never at all of a wave.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator

from fleet.core import targets
from fleet.core.state import Active, RunState, WaveState
from fleet.model import events as e
from fleet.model.calendars import Overrun
from fleet.model.events import Event
from fleet.model.plan import UNMEASURED_BUFFER
from fleet.model.statuses import HoldReason


def buffer(state: RunState) -> dt.timedelta:
    """Return how long before a window closes nothing starts any more."""
    measured = state.durations.ninth_decile()
    planned = state.plan.start_buffer
    return planned if planned is not None else measured or UNMEASURED_BUFFER


def next_start(state: RunState, wave: WaveState, now: dt.datetime) -> Iterator[Event]:
    """Yield who starts next, or which calendars turn out to be closed, or open again."""
    again = next(state.reopenings.due(now), None)
    if again is not None:
        yield _turned(state, again, now)
        return
    target = _next_of(state, wave)
    if target is None:
        return
    for key in (state.calendars_of(wave), state.targets[target].calendars):
        if key and not state.hours.opening(key, now, buffer=buffer(state)).is_open:
            yield _turned(state, key, now)
            return
    yield e.TargetStarted(at=now, target=target)


def _next_of(state: RunState, wave: WaveState) -> int | None:
    return None if state.calendars_of(wave) in state.shut else targets.next_of(state, wave)


def _turned(
    state: RunState, key: tuple[int, ...], now: dt.datetime
) -> e.WindowClosed | e.WindowOpened:
    found = state.hours.opening(key, now, buffer=buffer(state))
    if found.is_open:
        return e.WindowOpened(at=now, calendars=key)
    return e.WindowClosed(at=now, calendars=key, until=found.changes_at)


def opens_at(state: RunState, wave: WaveState, now: dt.datetime) -> dt.datetime | None:
    """Return when the calendars of *wave* let something start; now where they do.

    ``None``: never, as far as anybody can see.
    """
    found = state.hours.opening(state.calendars_of(wave), now, buffer=buffer(state))
    return now if found.is_open else found.changes_at


def barred(
    state: RunState, target: int, active: Active, now: dt.datetime
) -> e.TargetReturned | e.StepHeld | None:
    """Return what becomes of a target that is about to be written to, where a window closed."""
    key = (*state.calendars_of(state.waves[active.wave]), *state.targets[target].calendars)
    if active.has_written:
        key = tuple(n for n in key if state.plan.calendars[n].overrun is Overrun.STOP_STARTING)
    if not key or state.hours.opening(key, now).is_open:
        return None
    if active.is_untouched and not active.retry_count:
        detail = "its change window closed before anything was sent"
        return e.TargetReturned(at=now, target=target, detail=detail)
    until = state.hours.opening(key, now, buffer=buffer(state)).changes_at
    return e.StepHeld(
        at=now,
        target=target,
        step=active.step,
        reason=HoldReason.WINDOW,
        until=until or now + _NEVER,
        code="F200",
        message="its change window closed",
    )


_NEVER = dt.timedelta(days=1)
"""How often to look again at a window that does not open."""


def has_all_held(state: RunState) -> bool:
    """Tell whether windows keep everybody in flight from being written to."""
    return all(active.held is HoldReason.WINDOW for active in state.active.values())
