"""Who waits in which wave: joining, leaving, and being taken out before one's turn.

Part of the fold; changes the state where an event says so.

Errors:  :exc:`~fleet.errors.IllegalTransitionError`.
"""

from __future__ import annotations

import dataclasses

from fleet.core.state import RunState, WaveState
from fleet.errors import IllegalTransitionError
from fleet.model import events as e
from fleet.model.statuses import Result, WaveStatus


def waiting_wave(state: RunState, target: int) -> WaveState | None:
    """Return the wave in which *target* waits for its turn; ``None`` where it does not."""
    if target in state.active or target in state.results:
        return None
    return next((wave for wave in reversed(state.waves) if wave.line.has(target)), None)


def leave(state: RunState, wave: WaveState, target: int, result: Result, detail: str) -> None:
    """Let *target*, which waits in *wave*, end without its turn."""
    wave.line.take_out(target)
    if target not in state.results:
        record(state, target, result, detail)


def remove(state: RunState, target: int) -> None:
    """Let *target* end if it has not started: it is not meant any more."""
    if (wave := waiting_wave(state, target)) is not None:
        leave(state, wave, target, Result.REMOVED, "the selector does not mean it any more")


def skipped(state: RunState, event: e.TargetSkipped) -> None:
    """Let a target end that a person takes out."""
    wave = waiting_wave(state, event.target)
    if wave is None:
        message = f"target {event.target}: {event.kind} while it is not waiting"
        raise IllegalTransitionError(message)
    leave(state, wave, event.target, Result.SKIPPED, skip_detail(event))


def skip_detail(event: e.TargetSkipped | e.WaveSkipped) -> str:
    """Return why a target was skipped, and by whom."""
    return f"{event.reason} (by {event.actor.name}@{event.actor.host})"


def is_due(state: RunState, event: e.RunSurveyed) -> bool:
    """Tell whether *event* says who is meant for the wave that opens next."""
    if not event.wave == state.current < len(state.waves):
        return False
    wave = state.waves[event.wave]
    return wave.status is WaveStatus.NOT_STARTED and not wave.is_surveyed


def require_member(state: RunState, wave: WaveState, member: e.Member, *, next_number: int) -> None:
    """Raise unless *member* may wait in *wave*: it joins the run, or is to be taken back."""
    is_known = member.target < len(state.targets)
    may_go_back = wave.is_back and is_known and member.target in state.results
    is_new = member.target == next_number and not wave.is_back
    if not may_go_back and not is_new:
        message = f"target {member.target}: it cannot wait in wave {wave.planned.name}"
        raise IllegalTransitionError(message)


def join(state: RunState, wave: WaveState, member: e.Member) -> None:
    """Let *member* wait in *wave*."""
    plan = dataclasses.replace(member.plan, wave=wave.planned.name)
    if member.target < len(state.targets):
        state.targets[member.target] = plan
        state.rounds[member.target] = state.rounds.get(member.target, 0) + 1
    else:
        state.targets.append(plan)
    wait_in(wave, member.target)


def wait_in(wave: WaveState, target: int) -> None:
    """Let *target* wait in *wave* after all others."""
    wave.line.add(target)
    wave.late_count += 1


def record(state: RunState, target: int, result: Result, detail: str) -> None:
    """Note how *target* ended."""
    state.results[target] = result
    state.counts[result] += 1
    if result is not Result.SUCCEEDED:
        state.details[target] = detail


def has_catch_up(state: RunState) -> bool:
    """Tell whether who is put off gets a turn: not where a person skipped the catch-up wave."""
    last = state.waves[-1]
    return not (last.is_catch_up and last.status is WaveStatus.SKIPPED)


def last_wave(state: RunState) -> WaveState:
    """Return the wave that those who join the run wait in: the last that is not catching up."""
    ahead = [one for one in state.waves[state.current :] if one.status is WaveStatus.NOT_STARTED]
    return next((wave for wave in reversed(ahead) if not wave.is_catch_up), ahead[-1])
