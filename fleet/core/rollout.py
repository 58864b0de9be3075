"""The next step: what to write down and do now, and when to ask again.

:func:`decide` looks at what is due, never at the whole fleet, and changes
nothing: asked twice, it answers twice the same. Its events are the intents; its
commands may be performed only when those are durable. :func:`hand_out` then
notes that somebody works on them.

Order of starts: wave by wave, and in a wave in the plan's order.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import functools
import itertools
from collections.abc import Iterator

from fleet.core import draws, finish
from fleet.core.moves import Phase
from fleet.core.state import Active, RunState, WaveState
from fleet.model import events as e
from fleet.model.commands import Check, Command, Follow, Prove, Send
from fleet.model.desired import FailureMode, OnBreach
from fleet.model.events import Actor, Event
from fleet.model.statuses import Result, RunStatus, WaveStatus

# Source: a cluster counts as connected for 15 minutes after its last heartbeat, so a reading that
# is younger says as much as one made now.
HEARTBEAT = dt.timedelta(minutes=15)

_LIVE = frozenset({RunStatus.RUNNING, RunStatus.PAUSING, RunStatus.STOPPING})


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What to do now, and when to ask again."""

    events: tuple[Event, ...] = ()
    """To be made durable, and folded, before any command is performed."""
    commands: tuple[Command, ...] = ()
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
    commands: list[Command] = []
    for target in state.agenda | dict.fromkeys(state.timers.due(now)):
        _next_for(state, target, now, events, commands)
    if not events:
        # One thing at a time: what the run does rests on what its targets have done.
        events += _next_of_run(state, now)
    reasons = () if events or commands else _reasons(state)
    return Decision(
        events=tuple(events),
        commands=tuple(commands),
        wake_at=_wake_at(state),
        reasons=reasons,
    )


def hand_out(state: RunState, decision: Decision) -> None:
    """Note that *decision*'s commands are being performed: nobody else need think of them."""
    for command in decision.commands:
        state.agenda.pop(command.target, None)
        if not isinstance(command, Follow):
            state.timers.cancel(command.target)


def answer(
    state: RunState, *, asked: str, actor: Actor, reason: str, request_id: str, now: dt.datetime
) -> Event:
    """Return the event that a person's request leads to; asking twice is answered twice."""
    status = state.status
    if asked == "pause" and status is RunStatus.RUNNING:
        return e.RunPausing(at=now, actor=actor, reason=reason, request_id=request_id)
    if asked == "resume" and status in (RunStatus.PAUSING, RunStatus.PAUSED):
        return e.RunResumed(at=now, actor=actor, reason=reason, request_id=request_id)
    if asked == "stop" and status in (RunStatus.RUNNING, RunStatus.PAUSING, RunStatus.PAUSED):
        return e.RunStopping(at=now, actor=actor, reason=reason, request_id=request_id)
    return e.RequestRefused(
        at=now, actor=actor, asked=asked, reason=f"the run is {status}", request_id=request_id
    )


# --- one target --------------------------------------------------------------------------


def _next_for(
    state: RunState, target: int, now: dt.datetime, events: list[Event], commands: list[Command]
) -> None:
    active = state.active.get(target)
    if active is None:
        commands += _leftover(state, target, now)
        return
    if active.phase is Phase.ENDING:
        events.append(_ended(state, target, active, now))
    elif active.phase is Phase.WRITING:
        # Nobody performs it: the runner that sent it is gone.
        events.append(_orphaned(target, active, now))
    elif active.phase in (Phase.CHECKING, Phase.READY, Phase.LOST):
        _before_write(state, target, active, now, events, commands)
    elif active.phase is Phase.FOLLOWING and not _is_proof_due(active, now):
        commands.append(_follow(state, target, active, now))
    else:
        commands.append(_prove(target, active))


def _is_proof_due(active: Active, now: dt.datetime) -> bool:
    """Whether to look at the extension itself; one that waits was looked at already."""
    return active.held is not None or (active.deadline is not None and now >= active.deadline)


def _before_write(
    state: RunState,
    target: int,
    active: Active,
    now: dt.datetime,
    events: list[Event],
    commands: list[Command],
) -> None:
    if state.status is RunStatus.STOPPING and not (active.has_written or active.attempt):
        detail = "the run was stopped before anything was sent"
        events.append(_finished(target, Result.SKIPPED, detail, now))
    # NB: a write that was lost may have taken effect: however late, the extension is asked first.
    elif active.phase is not Phase.LOST and now >= _start_by(state, active):
        waited = active.message or "nothing was accepted in time"
        detail = f"no write was accepted by the start deadline: {waited}"
        events.append(_finished(target, Result.TIMED_OUT, detail, now))
    elif active.phase is Phase.READY:
        intent = _intent(state, target, active, now)
        events.append(intent)
        commands.append(_send(intent))
    else:
        commands.append(_check(state, target, active, now))


def _start_by(state: RunState, active: Active) -> dt.datetime:
    return active.step_began_at + state.plan.limits.start_deadline


def _check(state: RunState, target: int, active: Active, now: dt.datetime) -> Check:
    return Check(
        target=target,
        step=active.step,
        is_in_doubt=active.phase is Phase.LOST,
        asks_connectivity=_is_connectivity_open(state, active, now),
        mark_before=active.mark_before,
        held_count=active.held_count,
    )


def _is_connectivity_open(state: RunState, active: Active, now: dt.datetime) -> bool:
    """Whether the plan's word that the cluster is connected is not enough."""
    discovered_at = state.header.discovered_at if state.header else None
    is_old = discovered_at is None or now - discovered_at >= HEARTBEAT
    return is_old or state.waves[active.wave].is_catch_up


def _intent(state: RunState, target: int, active: Active, now: dt.datetime) -> e.StepIntended:
    run_id = state.header.run_id if state.header else ""
    attempt = active.attempt + 1
    step = active.step
    return e.StepIntended(
        at=now,
        target=target,
        step=step,
        attempt=attempt,
        verb=state.targets[target].steps[step].verb,
        correlation_id=correlation_id(run_id, target=target, step=step),
        client_request_id=draws.guid(run_id, target, step, attempt),
    )


@functools.lru_cache(maxsize=8192)
def correlation_id(run_id: str, *, target: int, step: int) -> str:
    """Return the id that joins all requests of one step, here and in the service's own log."""
    return draws.guid(run_id, target, step)


def _send(intent: e.StepIntended) -> Send:
    return Send(
        target=intent.target,
        step=intent.step,
        attempt=intent.attempt,
        correlation_id=intent.correlation_id,
        client_request_id=intent.client_request_id,
    )


def _follow(state: RunState, target: int, active: Active, now: dt.datetime) -> Follow:
    accepted_at = active.deadline - state.plan.limits.progress_deadline if active.deadline else now
    return Follow(
        target=target, step=active.step, accepted_at=accepted_at, held_count=active.held_count
    )


def _leftover(state: RunState, target: int, now: dt.datetime) -> list[Command]:
    """Go on following the operation of a target that timed out: it is physical work still."""
    step = state.operations.get(target)
    if step is None:
        return []
    return [Follow(target=target, step=step, accepted_at=now, held_count=0)]


def _prove(target: int, active: Active) -> Prove:
    return Prove(
        target=target,
        step=active.step,
        mark_before=active.mark_before,
        mark_accepted=active.mark_accepted,
        error=active.error,
        held_count=active.held_count,
    )


def _orphaned(target: int, active: Active, now: dt.datetime) -> e.StepLost:
    message = "the runner that sent it ended before an answer was written down"
    return e.StepLost(
        at=now,
        target=target,
        step=active.step,
        attempt=active.attempt,
        code="F331",
        message=message,
    )


def _ended(state: RunState, target: int, active: Active, now: dt.datetime) -> Event:
    result, detail = active.ending or (Result.FAILED, "")
    is_put_off = active.is_untouched and not state.waves[active.wave].is_catch_up
    if result is Result.DEFERRED and is_put_off and state.status is not RunStatus.STOPPING:
        return e.TargetPutOff(at=now, target=target, detail=detail)
    return _finished(target, result, detail, now)


def _finished(target: int, result: Result, detail: str, now: dt.datetime) -> e.TargetFinished:
    return e.TargetFinished(at=now, target=target, result=result, detail=detail)


# --- the run and its waves ---------------------------------------------------------------


def _next_of_run(state: RunState, now: dt.datetime) -> Iterator[Event]:
    if state.current >= len(state.waves):
        yield finish.finished(state, now=now)
        return
    wave = state.waves[state.current]
    breaches = list(_breaches(state, wave, now))
    if breaches:
        yield from breaches
    elif state.status is RunStatus.STOPPING:
        if not state.in_flight:
            yield finish.finished(state, now=now)
    elif state.unknown and not state.has_bug:
        yield _pause_for_bug(state, now)
    elif wave.is_breached or state.is_breached:
        yield from _after_breach(state, now)
    elif state.status is RunStatus.PAUSING and not _is_over(state, wave):
        if not state.in_flight:
            yield e.RunPaused(at=now)
    else:
        yield from _next_of_wave(state, wave, now)


def _pause_for_bug(state: RunState, now: dt.datetime) -> e.RunPausing:
    """Pause the run, or say why a pause that is pending became one for a bug."""
    target = min(state.unknown)
    name, message = state.targets[target].cluster_name, state.active[target].message
    reason = f"a bug in fleet hit {name}: {message}"
    return e.RunPausing(at=now, actor=None, reason=reason, request_id=None, is_bug=True)


def _next_of_wave(state: RunState, wave: WaveState, now: dt.datetime) -> Iterator[Event]:
    if wave.status is WaveStatus.NOT_STARTED:
        yield e.WaveOpened(at=now, wave=state.current)
    elif wave.is_drained:
        yield from _close(state, wave, now)
    else:
        for target in itertools.islice(wave.waiting(), _free_slots(state, wave)):
            yield e.TargetStarted(at=now, target=target)


def _is_over(state: RunState, wave: WaveState) -> bool:
    """Whether nothing is left to do: then a run that was asked to pause ends instead."""
    is_last = state.current + 1 == len(state.waves)
    return is_last and wave.is_drained and not state.unknown


def _breaches(state: RunState, wave: WaveState, now: dt.datetime) -> Iterator[e.BudgetBreached]:
    """Yield each budget that is broken and not yet reported, whatever the run is doing."""
    if wave.status is not WaveStatus.RUNNING:
        return
    allowed = wave.planned.max_failures, state.plan.limits.max_failures
    failures = wave.failures - wave.forgiven, state.failures - state.forgiven
    reported = wave.is_breached, state.is_breached
    for n, level in enumerate(("wave", "run")):
        if failures[n] > allowed[n] and not reported[n]:
            yield e.BudgetBreached(
                at=now,
                wave=state.current,
                level=level,
                failures=failures[n],
                max_failures=allowed[n],
            )


def _after_breach(state: RunState, now: dt.datetime) -> Iterator[Event]:
    is_pause = state.plan.limits.on_breach is OnBreach.PAUSE
    if is_pause and state.status is RunStatus.RUNNING:
        reason = "more failures than the budget allows"
        yield e.RunPausing(at=now, actor=None, reason=reason, request_id=None)
    elif state.in_flight:
        return
    elif is_pause or state.unknown:
        yield e.RunPaused(at=now)
    else:
        # NB: also while somebody's pause is pending: a resume must not forgive what stops a run.
        yield e.WaveClosed(at=now, wave=state.current, status=WaveStatus.FAILED)
        yield finish.finished(state, now=now)


def _close(state: RunState, wave: WaveState, now: dt.datetime) -> Iterator[Event]:
    is_last = state.current + 1 == len(state.waves)
    soak = wave.planned.soak
    if wave.status is WaveStatus.RUNNING and soak and wave.last_success_at and not is_last:
        until = wave.last_success_at + soak
        if now < until:
            yield e.WaveSoaking(at=now, wave=state.current, until=until)
            return
    if wave.status is WaveStatus.SOAKING and wave.soaks_until and now < wave.soaks_until:
        return
    is_clean = not wave.failures
    status = WaveStatus.SUCCEEDED if is_clean else WaveStatus.SUCCEEDED_WITH_FAILURES
    yield e.WaveClosed(at=now, wave=state.current, status=status)


def _free_slots(state: RunState, wave: WaveState) -> int:
    limits, planned = state.plan.limits, wave.planned
    free = min(
        planned.max_concurrency - wave.in_flight,
        limits.max_concurrency - state.in_flight,
        wave.waiting_count,
    )
    if limits.failure_mode is FailureMode.STRICT:
        left = planned.max_failures + 1 - (wave.failures - wave.forgiven) - wave.in_flight
        run_left = limits.max_failures + 1 - (state.failures - state.forgiven) - state.in_flight
        free = min(free, left, run_left)
    return max(free, 0)


def _wake_at(state: RunState) -> dt.datetime | None:
    moments = [state.timers.next_at]
    if state.current < len(state.waves):
        wave = state.waves[state.current]
        moments.append(wave.soaks_until if wave.status is WaveStatus.SOAKING else None)
    return min((moment for moment in moments if moment is not None), default=None)


def _reasons(state: RunState) -> tuple[str, ...]:
    if state.status is not RunStatus.RUNNING and state.stopped_by is not None:
        actor, reason = state.stopped_by
        by = f" by {actor.name}" if actor else ""
        return (f"{state.status}{by}: {reason}; {state.in_flight} in flight finish first",)
    if state.is_breached or state.waves[state.current].is_breached:
        return (f"the failure budget is broken; {state.in_flight} in flight finish first",)
    wave = state.waves[state.current]
    planned = wave.planned
    if wave.status is WaveStatus.SOAKING and wave.soaks_until is not None:
        return (f"wave {planned.name} soaks until {wave.soaks_until:%Y-%m-%d %H:%M:%SZ}",)
    return (f"wave {planned.name}: {wave.in_flight} of {planned.effective_concurrency} in flight",)
