"""What a run waits for while nothing is in flight and nothing may start.

Each wait has a name, and an end where one is known: whoever only looks can say for what and until
when, and whoever starts the run's next process can tell whether it is time.
"""

from __future__ import annotations

import dataclasses
import datetime as dt

from fleet.core import admission, consents, gatework, soaks
from fleet.core.state import RunState, WaveState
from fleet.model.events import RunWaiting
from fleet.model.gates import Moment
from fleet.model.statuses import WaitCause, WaveStatus


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    """One wait."""

    cause: WaitCause
    until: dt.datetime | None
    """``None``: only a person can end it, or nobody knows."""
    detail: str
    look_at: dt.datetime | None = None
    """When something is to be measured or looked at meanwhile."""


def current(state: RunState, now: dt.datetime) -> Wait | None:
    """Return what the run waits for; ``None`` where something is being done, or could be."""
    if state.current >= len(state.waves) or state.is_surveying or not admission.has_all_held(state):
        return None
    wave = state.waves[state.current]
    match wave.status:
        case WaveStatus.NOT_STARTED:
            return to_open(state, wave, now) or _for_gates(state, wave, Moment.BEFORE)
        case WaveStatus.RUNNING if not wave.is_drained:
            return _for_window(state, wave)
        case WaveStatus.RUNNING:
            return _for_gates(state, wave, Moment.AFTER) or _to_close(state, now)
        case WaveStatus.SOAKING:
            return _for_soak(state, wave, now) or _to_close(state, now)
        case _:
            return None


def to_open(state: RunState, wave: WaveState, now: dt.datetime) -> Wait | None:
    """Return what keeps *wave* from opening, its gates left aside."""
    moments = (state.plan.not_before, wave.planned.not_before)
    not_before = max((one for one in moments if one is not None), default=None)
    name = wave.planned.name
    if not_before is not None and now < not_before and not wave.is_back:
        return Wait(
            cause=WaitCause.NOT_BEFORE,
            until=not_before,
            detail=f"wave {name} is not to open earlier",
        )
    if (wait := _for_approval(state, Moment.BEFORE, now)) is not None:
        return wait
    opens_at = admission.opens_at(state, wave, now)
    if opens_at is not None and opens_at <= now:
        return None
    shut = _called(state, state.calendars_of(wave), now)
    return Wait(cause=WaitCause.WINDOW, until=opens_at, detail=f"wave {name}: {shut}")


def _called(state: RunState, key: tuple[int, ...], now: dt.datetime) -> str:
    """Return which of these calendars are closed, for people."""
    buffer = admission.buffer(state)
    names = [
        state.plan.calendars[n].name
        for n in key
        if not state.hours.opening((n,), now, buffer=buffer).is_open
    ]
    return f"outside of the change windows of {', '.join(names)}"


def _for_approval(state: RunState, when: Moment, now: dt.datetime) -> Wait | None:
    lacking = list(consents.missing(state, state.current, when, now=now))
    if not lacking:
        return None
    name = state.waves[state.current].planned.name
    lack = max(count for _, count in lacking)
    people = "1 approval is" if lack == 1 else f"{lack} approvals are"
    return Wait(
        cause=WaitCause.APPROVAL,
        until=None,
        detail=f"wave {name}: {people} needed {when} it",
    )


def _for_gates(state: RunState, wave: WaveState, moment: Moment) -> Wait | None:
    open_ones = [
        name
        for name in gatework.names(wave.planned, moment)
        if (found := wave.gates.get((moment, name))) is not None and found.ended is None
    ]
    if not open_ones:
        return None
    detail = f"wave {wave.planned.name}: gates {moment} it: {', '.join(open_ones)}"
    until = max(gatework.earliest_end(state, wave, moment, name) for name in open_ones)
    look_at = gatework.next_at(state, wave)
    return Wait(cause=WaitCause.GATE, until=until, detail=detail, look_at=look_at)


def _for_window(state: RunState, wave: WaveState) -> Wait | None:
    """Return that windows hold up all that wait, and all that were begun."""
    everybody = state.calendars_of(wave)
    if wave.waiting_count and not (everybody in state.shut or wave.line.is_all_shut_out):
        return None
    if not wave.waiting_count and not state.active:
        return None
    ends = [one for one in (state.timers.next_at, state.reopenings.next_at) if one is not None]
    keys = [everybody] if everybody in state.shut else list(state.shut)
    names = sorted({state.plan.calendars[n].name for key in keys for n in key})
    shown = ", ".join(names[:_SHOWN]) + (", ..." if len(names) > _SHOWN else "")
    return Wait(
        cause=WaitCause.WINDOW,
        until=min(ends, default=None),
        detail=f"wave {wave.planned.name}: outside of the change windows of {shown}",
    )


_SHOWN = 5


def _for_soak(state: RunState, wave: WaveState, now: dt.datetime) -> Wait | None:
    if soaks.is_over(wave, now):
        return _for_gates(state, wave, Moment.SOAK)
    is_long = wave.soaks_until is None or now >= wave.soaks_until
    seen = wave.planned.min_observations
    more = f", until it was looked at {seen} times" if is_long else ""
    looks = (gatework.next_at(state, wave), soaks.next_look(state, wave))
    return Wait(
        cause=WaitCause.SOAK,
        until=None if is_long else wave.soaks_until,
        detail=f"wave {wave.planned.name} soaks{more}",
        look_at=min((one for one in looks if one is not None), default=None),
    )


def _to_close(state: RunState, now: dt.datetime) -> Wait | None:
    return _for_approval(state, Moment.AFTER, now)


def is_same(wait: Wait, known: RunWaiting | None, *, wave: int) -> bool:
    """Tell whether *wait* is what the journal has already."""
    if known is None or known.wave != wave:
        return False
    return wait == Wait(
        cause=known.cause, until=known.until, detail=known.detail, look_at=known.look_at
    )
