"""The next step: what to write down and do now, and when to ask again.

:func:`decide` looks at what is due, never at the whole fleet, and changes
nothing: asked twice, it answers twice the same. Its events are the intents; its
commands may be performed only when those are durable. :func:`hand_out` then
notes that somebody works on them.

What one target needs next is in :mod:`fleet.core.turns`, what the run and its waves do in
:mod:`fleet.core.course`, and what people's requests lead to in :mod:`fleet.core.answers`.
"""

from __future__ import annotations

import dataclasses
import datetime as dt

from fleet.core import course, stages, turns, waits
from fleet.core.state import RunState
from fleet.model import events as e
from fleet.model.commands import Command, Follow, Look, Measure, Survey, WaveCommand
from fleet.model.events import Event
from fleet.model.statuses import RunStatus

_STARTING = frozenset({RunStatus.RUNNING, RunStatus.ROLLING_BACK})
_LIVE = _STARTING | {RunStatus.WAITING, RunStatus.PAUSING, RunStatus.STOPPING}


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What to do now, and when to ask again."""

    events: tuple[Event, ...] = ()
    """To be made durable, and folded, before any command is performed."""
    commands: tuple[Command | WaveCommand, ...] = ()
    wake_at: dt.datetime | None = None
    """Ask again no later than this, even if nothing happens. UTC"""
    reasons: tuple[str, ...] = ()
    """Why nothing more starts; shown to people."""

    @property
    def is_idle(self) -> bool:
        """Whether there is nothing to write and nothing to do."""
        return not (self.events or self.commands)


def decide(state: RunState, *, now: dt.datetime) -> Decision:
    """Return what the run does at *now*."""
    if state.status not in _LIVE:
        return Decision(reasons=(f"the run is {state.status}",))
    events: list[Event] = []
    commands: list[Command | WaveCommand] = []
    for target in state.agenda | dict.fromkeys(state.timers.due(now)):
        turns.next_for(state, target, now, events, commands)
    if not events:
        events += turns.stalled(state, now)
    if not events:
        # One thing at a time: what the run does rests on what its targets have done.
        course.next_of_run(state, now, events, commands)
    if state.status is RunStatus.WAITING:
        events, commands = _while_waiting(state, now, events, commands)
    elif state.status in _STARTING and not (events or commands):
        events += _waiting(state, now)
    reasons = () if events or commands else course.reasons(state)
    return Decision(
        events=tuple(events),
        commands=tuple(commands),
        wake_at=_wake_at(state, now),
        reasons=reasons,
    )


def _waiting(state: RunState, now: dt.datetime) -> list[Event]:
    """Return that the run waits, where it does, and for what."""
    is_asking = bool(state.measuring) or state.is_looking
    wait = waits.current(state, now)
    if is_asking or wait is None or waits.is_same(wait, state.wait, wave=state.current):
        return []
    return [
        e.RunWaiting(
            at=now,
            cause=wait.cause,
            wave=state.current,
            until=wait.until,
            detail=wait.detail,
            look_at=wait.look_at,
        )
    ]


def _while_waiting(
    state: RunState,
    now: dt.datetime,
    events: list[Event],
    commands: list[Command | WaveCommand],
) -> tuple[list[Event], list[Command | WaveCommand]]:
    """Return what a run that waits does: it is woken first for all that changes anything.

    It is measured and looked at without being woken.
    """
    is_asking = bool(commands or state.measuring) or state.is_looking
    if events or (not is_asking and waits.current(state, now) is None):
        return [e.RunWoken(at=now)], []
    return ([] if commands else _waiting(state, now)), commands


def hand_out(state: RunState, decision: Decision) -> None:
    """Note that *decision*'s commands are being performed: nobody else need think of them."""
    for command in decision.commands:
        if isinstance(command, Survey | Measure | Look):
            _hand_out_of_wave(state, command)
            continue
        state.agenda.pop(command.target, None)
        if not isinstance(command, Follow):
            state.timers.cancel(command.target)


def _hand_out_of_wave(state: RunState, command: WaveCommand) -> None:
    match command:
        case Survey():
            state.is_surveying = True
        case Look():
            state.is_looking = True
        case Measure():
            state.measuring.add((command.wave, command.moment, command.gate.name))


def _wake_at(state: RunState, now: dt.datetime) -> dt.datetime | None:
    moments = [state.timers.next_at, state.stalls.next_at]
    if state.current < len(state.waves):
        wave = state.waves[state.current]
        # What is due and not done waits for something else, which wakes the run itself.
        moments += (one for one in stages.wake_at(state, wave, now) if one and one > now)
        moments.append(wave.due_at if course.may_be_overdue(wave) else None)
    return min((moment for moment in moments if moment is not None), default=None)
