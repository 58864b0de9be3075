"""How long a wave soaks, and how often all that it changed is looked at meanwhile."""

from __future__ import annotations

import datetime as dt

from fleet.core.state import RunState, WaveState
from fleet.model.commands import Look
from fleet.model.gates import Moment
from fleet.model.statuses import Result


def until(wave: WaveState, *, is_last: bool) -> dt.datetime | None:
    """Return to when a wave that has drained soaks; ``None``: it does not.

    NB: after the last wave nobody waits for the end of a soak, unless something is measured in it.
    """
    planned = wave.planned
    is_watched = planned.observe_every is not None or planned.soak_gates
    if not planned.soak or wave.last_success_at is None or wave.is_back:
        return None
    return None if is_last and not is_watched else wave.last_success_at + planned.soak


def is_over(wave: WaveState, now: dt.datetime) -> bool:
    """Tell whether a wave has soaked long enough, and was looked at often enough."""
    is_long = wave.soaks_until is None or now >= wave.soaks_until
    return wave.is_soak_skipped or (is_long and _lacking(wave) <= 0)


def _lacking(wave: WaveState) -> int:
    """Return how many looks, or measurements of each gate, are wanting."""
    wanted = wave.planned.min_observations
    counts = [
        found.tally.count
        for (moment, _), found in wave.gates.items()
        if moment is Moment.SOAK and found.ended is None
    ]
    if wave.planned.observe_every is not None:
        counts.append(wave.observations)
    return wanted - min(counts, default=wanted)


def next_look(state: RunState, wave: WaveState) -> dt.datetime | None:
    """Return when all is to be looked at again; ``None``: never, or somebody looks now."""
    every = wave.planned.observe_every
    if every is None or wave.observed_at is None or state.is_looking:
        return None
    return wave.observed_at + every


def look(state: RunState, wave: WaveState) -> Look:
    """Return the command to look at all that the wave changed and proved."""
    members = (n for n in wave.changed if state.results.get(n) is Result.SUCCEEDED)
    return Look(wave=state.current, members=tuple(members))
