"""The past: how each event changes the state. Exact, without a clock; raises on an illegal event.

Every handler asks :mod:`fleet.core.moves` before it changes anything, so a
refused event leaves the state as it was. Replaying a journal through
:func:`apply` gives the state that lived through it.

Errors:  :exc:`~fleet.errors.IllegalTransitionError`.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from fleet.core import detours, judgefold, members, moves, planner, stepfold, targets, wavefold
from fleet.core.caps import Caps
from fleet.core.lines import Line
from fleet.core.moves import Phase
from fleet.core.state import RunState, WaveState
from fleet.errors import IllegalTransitionError
from fleet.model import events as e
from fleet.model.events import Event
from fleet.model.gates import OnVerdict
from fleet.model.plan import Target
from fleet.model.statuses import HoldReason, RunStatus, WaveStatus
from fleet.model.strategy import FailureMode, OnBreach


def apply(state: RunState, event: Event) -> RunState:
    """Return *state* after *event*; it is the same object, changed."""
    _HANDLERS[type(event)](state, event)
    state.last_at = event.at
    return state


# --- the run -----------------------------------------------------------------------------


def _move_run(state: RunState, event: Event, to: RunStatus) -> None:
    moves.require(moves.RUN_MOVES, state=state.status, kind=event.kind, to=to, what="the run")
    state.status = to


def _created(state: RunState, event: e.RunCreated) -> None:
    if state.header is not None:
        message = "a journal has one header"
        raise IllegalTransitionError(message)
    _move_run(state, event, RunStatus.DRAFT)
    state.header = event


def _require_header(state: RunState, event: Event) -> e.RunCreated:
    if state.header is None:
        message = f"{event.kind} before the header"
        raise IllegalTransitionError(message)
    return state.header


def _listed(state: RunState, event: e.TargetsListed) -> None:
    if event.first != len(state.targets):
        message = f"targets from {event.first} follow {len(state.targets)} targets"
        raise IllegalTransitionError(message)
    _require_header(state, event)
    _move_run(state, event, RunStatus.DRAFT)
    _require_groups(state, event.targets)
    state.targets += event.targets


def _require_groups(state: RunState, listed: Sequence[Target]) -> None:
    """Every target stands where each of the plan's caps looks for it."""
    sizes = [len(spread.groups) for spread in state.plan.spreads]
    for target in listed:
        fits = len(target.groups) == len(sizes) or (not target.groups and not target.steps)
        if not fits or any(not 0 <= g < n for g, n in zip(target.groups, sizes, strict=False)):
            message = f"{target.cluster_name}: its groups are not those of the plan's spread caps"
            raise IllegalTransitionError(message)


def _planned(state: RunState, event: e.RunPlanned) -> None:
    header = _require_header(state, event)
    if len(state.targets) != header.target_count:
        message = f"{len(state.targets)} targets are listed, of {header.target_count}"
        raise IllegalTransitionError(message)
    digest = planner.digest(header.plan, state.targets)
    if not digest == event.plan_digest == header.plan_digest:
        message = f"the plan's digest is {digest}, not {header.plan_digest}"
        raise IllegalTransitionError(message)
    _move_run(state, event, RunStatus.PLANNED)
    first = 0
    for wave in state.plan.waves:
        end = first + wave.target_count
        state.waves.append(WaveState(planned=wave, first=first, end=end, line=Line(first, end)))
        first = end
    is_strict = state.plan.limits.failure_mode is FailureMode.STRICT
    state.caps = Caps(spreads=state.plan.spreads, is_strict=is_strict)


def _started(state: RunState, event: e.RunStarted) -> None:
    _move_run(state, event, RunStatus.RUNNING)


def _taken(state: RunState, event: e.RunTaken) -> None:
    _move_run(state, event, state.status)
    state.holder = event.actor
    for active in state.active.values():
        # What the last runner read before a write died with it: read again. And a target for which
        # nothing was sent is not late because nobody was there.
        if active.phase is Phase.READY:
            active.phase = Phase.CHECKING
        if active.held is HoldReason.RETRY:
            active.step_began_at = max(active.step_began_at, event.at)
        elif active.phase is Phase.CHECKING:
            active.step_began_at = event.at


def _pausing(state: RunState, event: e.RunPausing) -> None:
    _move_run(state, event, RunStatus.PAUSING)
    state.wait = None
    state.stopped_by = (event.actor, event.reason)
    state.has_bug = state.has_bug or event.is_bug


def _paused(state: RunState, event: e.RunPaused) -> None:
    _move_run(state, event, RunStatus.PAUSED)
    state.paused_at = event.at


def _resumed(state: RunState, event: e.RunResumed) -> None:
    to = RunStatus.ROLLING_BACK if state.is_rolling_back else RunStatus.RUNNING
    _move_run(state, event, to)
    state.stopped_by, state.has_bug = None, False
    if state.plan.limits.on_breach is OnBreach.PAUSE:
        _forgive(state)
    _measure_anew(state)
    _allow_time(state, event.at)
    for target in sorted(state.unknown):
        active = state.active[target]
        active.phase = Phase.LOST if active.attempt else Phase.CHECKING
        active.step_began_at = event.at  # it takes a slot again
        state.in_flight += 1
        state.waves[active.wave].in_flight += 1
        state.caps.start(state.targets[target], is_physical=False)
        state.agenda[target] = None
    state.unknown.clear()


def _forgive(state: RunState) -> None:
    """Count afresh after a breach that a person resumed the run in spite of."""
    if state.is_breached:
        state.is_breached, state.forgiven = False, state.failures
    state.caps.forgive()
    for wave in state.waves:
        wave.is_overdue = False
        if wave.is_breached:
            wave.is_breached, wave.forgiven = False, wave.failures
        wave.line.wake_all()


def _measure_anew(state: RunState) -> None:
    """Let gates that paused the run be measured again: whoever looked may have mended something."""
    for wave in state.waves[state.current :]:
        for key in [key for key, found in wave.gates.items() if found.bars is OnVerdict.PAUSE]:
            moment = key[0]
            for other in [one for one in wave.gates if one[0] is moment]:
                del wave.gates[other]


def _allow_time(state: RunState, now: dt.datetime) -> None:
    """A pause costs a run none of its time; and one that was overdue has it all once more."""
    paused, state.paused_at = now - (state.paused_at or now), None
    if state.due_at is not None:
        state.due_at = _extended(state.due_at, paused, now, again=state.plan.limits.run_timeout)
    _soak_on(state, paused)
    if state.current < len(state.waves) and (wave := state.waves[state.current]).due_at:
        span = wave.due_at - (wave.opened_at or now)
        own = _extended(wave.due_at, paused, now, again=span)
        wave.due_at = min(own, state.due_at or own)


def _soak_on(state: RunState, paused: dt.timedelta) -> None:
    """Nobody looked during the pause: it counts for no soak in which somebody should have."""
    wave = state.waves[state.current] if state.current < len(state.waves) else None
    if wave is None or wave.status is not WaveStatus.SOAKING or wave.soaks_until is None:
        return
    if wave.planned.soak_gates or wave.planned.observe_every is not None:
        wave.soaks_until += paused


def _extended(
    due_at: dt.datetime, by: dt.timedelta, now: dt.datetime, *, again: dt.timedelta | None
) -> dt.datetime:
    later = due_at + by
    return later if later > now else now + (again or by)


def _stopping(state: RunState, event: e.RunStopping) -> None:
    _move_run(state, event, RunStatus.STOPPING)
    state.wait = None
    state.stopped_by = (event.actor, event.reason)
    detours.hurry(state)


def _refused(state: RunState, event: e.RequestRefused) -> None:
    _move_run(state, event, state.status)


def _rolling_back(state: RunState, event: e.RunRollingBack) -> None:
    is_broken = any(wave.status is WaveStatus.FAILED for wave in state.waves)
    if state.in_flight or not is_broken:
        message = "nothing is to be taken back now"
        raise IllegalTransitionError(message)
    _move_run(state, event, RunStatus.ROLLING_BACK)
    state.is_rolling_back = True
    # Budgets have done their work; a cap on what is changed at once holds on the way back too.
    state.caps.is_strict = False
    state.irreversible = event.left
    # What was not reached is not reached any more: the waves that follow are those of the way back.
    state.current = len(state.waves)


def _surveyed(state: RunState, event: e.RunSurveyed) -> None:
    _require_survey(state, event)
    _move_run(state, event, state.status)
    state.is_surveying = False
    state.waves[event.wave].is_surveyed = True
    for target in event.left:
        members.remove(state, target)
    for grown in event.groups:
        state.caps.add(grown.spread, grown.group)
    last = members.last_wave(state)
    if event.joined:
        state.void_approvals(next(n for n, one in enumerate(state.waves) if one is last))
    for joined in event.joined:
        members.join(state, last, e.Member(target=len(state.targets), plan=joined))


def _require_survey(state: RunState, event: e.RunSurveyed) -> None:
    if not members.is_due(state, event):
        message = f"wave {event.wave} is not the one that opens next"
        raise IllegalTransitionError(message)
    known = state.caps.sizes(grown.spread for grown in event.groups)
    if not all(len(t.groups) == len(known) and t.action.is_change for t in event.joined):
        message = "those that join are not planned as the others are"
        raise IllegalTransitionError(message)
    if any(g >= n for t in event.joined for g, n in zip(t.groups, known, strict=True)):
        message = "those that join are in groups that are not there"
        raise IllegalTransitionError(message)


def _finished(state: RunState, event: e.RunFinished) -> None:
    _move_run(state, event, event.status)
    state.finish_reason = event.reason
    state.agenda.clear()


_HANDLERS: Mapping[type, Callable[[RunState, Any], None]] = {
    e.RunCreated: _created,
    e.TargetsListed: _listed,
    e.RunPlanned: _planned,
    e.RunStarted: _started,
    e.RunTaken: _taken,
    e.RunPausing: _pausing,
    e.RunPaused: _paused,
    e.RunResumed: _resumed,
    e.RunStopping: _stopping,
    e.RequestRefused: _refused,
    e.RunRollingBack: _rolling_back,
    e.RunSurveyed: _surveyed,
    e.RunFinished: _finished,
    **wavefold.HANDLERS,
    **judgefold.HANDLERS,
    **targets.HANDLERS,
    **stepfold.HANDLERS,
}
