"""A target that was proved and must stay well for a while, looked at again meanwhile.

Part of the fold. It keeps its slot: whoever comes next waits until it is known to be well.

Errors:  :exc:`~fleet.errors.IllegalTransitionError`.
"""

from __future__ import annotations

import datetime as dt

from fleet.core import phases
from fleet.core.moves import Phase
from fleet.core.state import Active, RunState
from fleet.model import events as e
from fleet.model.plan import Wave


def soaking(state: RunState, event: e.TargetSoaking) -> None:
    """Begin the watch."""
    active = phases.active_of(state, event, Phase.SOAKING)
    active.proved_at = event.at
    active.observations = active.held_count = 0
    _look_at(state, event.target, active, _next(state, active, event.at))


def observed(state: RunState, event: e.TargetObserved) -> None:
    """Count that it was found well; end the watch where that was often and long enough."""
    active = phases.active_of(state, event, Phase.SOAKING)
    planned = state.waves[active.wave].planned
    count = active.observations + 1
    # One that is only proved inside its cluster needs to be found well once.
    needed = planned.min_observations if planned.min_success_time else 1
    is_over = event.at >= ends_at(active, planned) and count >= needed
    active.observations, active.held_count = count, 0
    if is_over:
        phases.put(state, event.target, active, Phase.ENDING)
    else:
        _look_at(state, event.target, active, _next(state, active, event.at))


def ends_at(active: Active, planned: Wave) -> dt.datetime:
    """Return until when the target must stay well."""
    return (active.proved_at or active.started_at) + (planned.min_success_time or dt.timedelta())


def _next(state: RunState, active: Active, now: dt.datetime) -> dt.datetime:
    """Return when to look next: as often as must be, evenly, and at the end."""
    planned = state.waves[active.wave].planned
    every = (planned.min_success_time or dt.timedelta()) / max(planned.min_observations, 1)
    end = ends_at(active, planned)
    return min(now + every, end) if now < end else now + every


def _look_at(state: RunState, target: int, active: Active, due: dt.datetime) -> None:
    active.phase, active.held = Phase.SOAKING, None
    state.agenda.pop(target, None)
    state.timers.set(target, due)
