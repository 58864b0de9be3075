"""One round of a run without an event loop: decide until nothing is left, as a runner does."""

from __future__ import annotations

import datetime as dt

from fleet.core import fold, rollout
from fleet.core.state import RunState
from fleet.model.commands import Command, Survey


def round_of(state: RunState, *, now: dt.datetime) -> list[Command]:
    """Decide and fold until nothing is left to decide; return what is to be performed."""
    commands: list[Command] = []
    while not (decision := rollout.decide(state, now=now)).is_idle:
        for one in decision.events:
            fold.apply(state, one)
        rollout.hand_out(state, decision)
        commands += [one for one in decision.commands if not isinstance(one, Survey)]
    return commands
