"""Moving a target in flight from one phase to the next: what every event of it has in common.

Errors:  :exc:`~fleet.errors.IllegalTransitionError`.
"""

from __future__ import annotations

from typing import Any

from fleet.core import caps, moves
from fleet.core.moves import Phase
from fleet.core.state import Active, RunState
from fleet.errors import IllegalTransitionError


def active_of(state: RunState, event: Any, to: Phase) -> Active:
    """Return the target's record if *event* may lead it to *to*; nothing is changed yet."""
    active = state.active.get(event.target)
    if active is None:
        phase = Phase.ENDED if event.target in state.results else Phase.PENDING
        message = f"target {event.target}: {event.kind} while it is {phase}"
        raise IllegalTransitionError(message)
    what = f"target {event.target}"
    moves.require(moves.TARGET_MOVES, state=active.phase, kind=event.kind, to=to, what=what)
    if getattr(event, "step", active.step) != active.step:
        message = f"{what}: {event.kind} of step {event.step} during step {active.step}"
        raise IllegalTransitionError(message)
    return active


def put(state: RunState, target: int, active: Active, to: Phase) -> None:
    """Move a target that nobody works on any more to its next phase."""
    active.phase = to
    active.held = None
    state.timers.cancel(target)
    state.agenda[target] = None


def settle(state: RunState, target: int) -> None:
    """Forget what was to be looked at, as the step is over."""
    state.stalls.cancel(target)
    state.active[target].is_stalled = False


def free_slot(state: RunState, target: int, active: Active) -> None:
    """Give back the slot that *target* had."""
    state.in_flight -= 1
    state.waves[active.wave].in_flight -= 1
    state.caps.free(state.targets[target])


def let_go(state: RunState, target: int) -> None:
    """Nothing works on *target* any more: whoever its groups held up is looked at again."""
    plan = state.targets[target]
    state.caps.over(plan)
    if state.current < len(state.waves):
        state.waves[state.current].line.wake(list(caps.keys(plan)))
