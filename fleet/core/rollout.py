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

from fleet.core import course, turns
from fleet.core.state import RunState
from fleet.model.commands import Command, Follow, Survey
from fleet.model.events import Event
from fleet.model.statuses import RunStatus, WaveStatus

_LIVE = frozenset(
    {RunStatus.RUNNING, RunStatus.PAUSING, RunStatus.STOPPING, RunStatus.ROLLING_BACK}
)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What to do now, and when to ask again."""

    events: tuple[Event, ...] = ()
    """To be made durable, and folded, before any command is performed."""
    commands: tuple[Command | Survey, ...] = ()
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
    commands: list[Command | Survey] = []
    for target in state.agenda | dict.fromkeys(state.timers.due(now)):
        turns.next_for(state, target, now, events, commands)
    if not events:
        events += turns.stalled(state, now)
    if not events:
        # One thing at a time: what the run does rests on what its targets have done.
        course.next_of_run(state, now, events, commands)
    reasons = () if events or commands else course.reasons(state)
    return Decision(
        events=tuple(events),
        commands=tuple(commands),
        wake_at=_wake_at(state),
        reasons=reasons,
    )


def hand_out(state: RunState, decision: Decision) -> None:
    """Note that *decision*'s commands are being performed: nobody else need think of them."""
    for command in decision.commands:
        if isinstance(command, Survey):
            state.is_surveying = True
            continue
        state.agenda.pop(command.target, None)
        if not isinstance(command, Follow):
            state.timers.cancel(command.target)


def _wake_at(state: RunState) -> dt.datetime | None:
    moments = [state.timers.next_at, state.stalls.next_at]
    if state.current < len(state.waves):
        wave = state.waves[state.current]
        moments.append(wave.soaks_until if wave.status is WaveStatus.SOAKING else None)
        moments.append(wave.due_at if course.may_be_overdue(wave) else None)
    return min((moment for moment in moments if moment is not None), default=None)
