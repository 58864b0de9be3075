"""What one target needs next: to be looked at, written to, followed, proved, or ended.

Asked about targets that nobody works on, and nothing else; changes nothing.
"""

from __future__ import annotations

import datetime as dt
import functools
from collections.abc import Iterator

from fleet.core import admission, draws, members, pacing
from fleet.core.detours import MOST_REPLANS
from fleet.core.moves import Phase
from fleet.core.state import Active, RunState
from fleet.model import events as e
from fleet.model.commands import Check, Command, Follow, Prove, Send, Watch, WaveCommand
from fleet.model.desired import OnDrift
from fleet.model.events import Event
from fleet.model.statuses import HoldReason, Result, RunStatus
from fleet.model.strategy import FailureClass

# Source: a cluster counts as connected for 15 minutes after its last heartbeat, so a reading that
# is younger says as much as one made now.
HEARTBEAT = dt.timedelta(minutes=15)

_SEED = 0


def next_for(
    state: RunState,
    target: int,
    now: dt.datetime,
    events: list[Event],
    commands: list[Command | WaveCommand],
) -> None:
    """Add to *events* and *commands* what *target* needs."""
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
    elif active.phase is Phase.SOAKING:
        _watched(state, target, active, now, events, commands)
    elif active.phase is Phase.FOLLOWING and not _is_proof_due(active, now):
        commands.append(_follow(state, target, active, now))
    else:
        commands.append(_prove(state, target, active))


def _is_proof_due(active: Active, now: dt.datetime) -> bool:
    """Whether to look at the extension itself; one that waits was looked at already."""
    return active.held is not None or (active.deadline is not None and now >= active.deadline)


def _before_write(
    state: RunState,
    target: int,
    active: Active,
    now: dt.datetime,
    events: list[Event],
    commands: list[Command | WaveCommand],
) -> None:
    if active.held is HoldReason.RETRY and _is_ending(state):
        events.append(_given_up(target, active, now))
    elif state.status is RunStatus.STOPPING and not (active.has_written or active.attempt):
        detail = "the run was stopped before anything was sent"
        events.append(_finished(target, Result.SKIPPED, detail, now))
    # NB: a write that was lost may have taken effect: however late, the extension is asked first.
    elif active.phase is not Phase.LOST and now >= _start_by(state, active):
        waited = active.message or "nothing was accepted in time"
        detail = f"no write was accepted by the start deadline: {waited}"
        failed = _finished(target, Result.TIMED_OUT, detail, now)
        events.append(_retried(state, failed, active, FailureClass.TIMED_OUT, now) or failed)
    elif active.phase is Phase.READY and (shut := admission.barred(state, target, active, now)):
        events.append(shut)
    elif active.phase is Phase.READY:
        intent = _intent(state, target, active, now)
        events.append(intent)
        commands.append(_send(intent))
    else:
        commands.append(_check(state, target, active, now))


def _watched(
    state: RunState,
    target: int,
    active: Active,
    now: dt.datetime,
    events: list[Event],
    commands: list[Command | WaveCommand],
) -> None:
    """Look again at a target that must stay well.

    A run that is being stopped waits for no more than the look inside that proves it.
    """
    is_proved = active.observations > 0 or not state.plan.is_inspected
    if state.status is RunStatus.STOPPING and is_proved:
        result, _ = active.ending or (Result.SUCCEEDED, "")
        events.append(_finished(target, result, "", now))
        return
    commands.append(
        Watch(
            target=target,
            step=active.step,
            held_count=active.held_count,
            round=state.rounds.get(target, 0),
            snapshot=active.snapshot,
            since=active.proved_at,
        )
    )


def _is_ending(state: RunState) -> bool:
    """Whether nothing new starts any more, whatever a person says to a pause."""
    return state.status is RunStatus.STOPPING or state.is_held_back


def _given_up(target: int, active: Active, now: dt.datetime) -> e.TargetFinished:
    is_late = active.retried_after is FailureClass.TIMED_OUT
    detail = f"{active.message}; it was not tried again, as the run was ending"
    return _finished(target, Result.TIMED_OUT if is_late else Result.FAILED, detail, now)


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
        round=state.rounds.get(target, 0),
        is_again=active.is_again,
        may_replan=_may_replan(state, active),
    )


def _may_replan(state: RunState, active: Active) -> bool:
    is_meant = state.plan.on_drift is OnDrift.REPLAN and not state.waves[active.wave].is_back
    return is_meant and active.replan_count < MOST_REPLANS


def _is_connectivity_open(state: RunState, active: Active, now: dt.datetime) -> bool:
    """Whether the plan's word that the cluster is connected is not enough."""
    discovered_at = state.header.discovered_at if state.header else None
    is_old = discovered_at is None or now - discovered_at >= HEARTBEAT
    wave = state.waves[active.wave]
    return is_old or wave.is_catch_up or wave.is_back


def _intent(state: RunState, target: int, active: Active, now: dt.datetime) -> e.StepIntended:
    run_id = state.header.run_id if state.header else ""
    attempt, step, round_ = active.attempt + 1, active.step, state.rounds.get(target, 0)
    return e.StepIntended(
        at=now,
        target=target,
        step=step,
        attempt=attempt,
        verb=state.targets[target].steps[step].verb,
        correlation_id=correlation_id(run_id, target=target, step=step, round_=round_),
        client_request_id=draws.guid(run_id, target, step, attempt, *_nth(round_)),
    )


@functools.lru_cache(maxsize=8192)
def correlation_id(run_id: str, *, target: int, step: int, round_: int = 0) -> str:
    """Return the id that joins all requests of one step, here and in the service's own log.

    A target whose steps were set anew has ids of its own in each round.
    """
    return draws.guid(run_id, target, step, *_nth(round_))


def _nth(round_: int) -> tuple[str, ...]:
    return (f"round {round_}",) if round_ else ()


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
        target=target,
        step=active.step,
        accepted_at=accepted_at,
        held_count=active.held_count,
        round=state.rounds.get(target, 0),
    )


def _leftover(state: RunState, target: int, now: dt.datetime) -> list[Command]:
    """Go on following the operation of a target that timed out: it is physical work still."""
    step = state.operations.get(target)
    if step is None:
        return []
    round_ = state.rounds.get(target, 0)
    return [Follow(target=target, step=step, accepted_at=now, held_count=0, round=round_)]


def _prove(state: RunState, target: int, active: Active) -> Prove:
    return Prove(
        target=target,
        step=active.step,
        mark_before=active.mark_before,
        mark_accepted=active.mark_accepted,
        error=active.error,
        held_count=active.held_count,
        round=state.rounds.get(target, 0),
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
    wave = state.waves[active.wave]
    has_turn = members.has_catch_up(state) and not (wave.is_catch_up or wave.is_back)
    is_put_off = result is Result.DEFERRED and active.is_untouched and has_turn
    if is_put_off and state.status is not RunStatus.STOPPING:
        return e.TargetPutOff(at=now, target=target, detail=detail)
    if result is Result.SUCCEEDED and _must_stay_well(state, active):
        until = now + (wave.planned.min_success_time or dt.timedelta())
        return e.TargetSoaking(at=now, target=target, until=until)
    ended = _finished(target, result, detail, now)
    if active.failure is None:
        return ended
    return _retried(state, ended, active, active.failure, now) or ended


def _must_stay_well(state: RunState, active: Active) -> bool:
    is_long = state.waves[active.wave].planned.min_success_time is not None
    is_watched = is_long and state.status is not RunStatus.STOPPING
    return active.proved_at is None and (is_watched or state.plan.is_inspected)


def _retried(
    state: RunState,
    ended: e.TargetFinished,
    active: Active,
    failure: FailureClass,
    now: dt.datetime,
) -> e.TargetRetried | None:
    """Return that the target is tried again, where the plan says so and nothing stands against it.

    Trying again is starting something: not after a breach, nor while somebody wants a pause.
    """
    rule = state.plan.limits.retry
    may_run = state.status in (RunStatus.RUNNING, RunStatus.ROLLING_BACK)
    if rule is None or failure not in rule.on or active.retry_count >= rule.attempts:
        return None
    if not may_run or state.is_held_back:
        return None
    run_id = state.header.run_id if state.header else ""
    jitter = draws.fraction_ppm(_SEED, run_id, "retry", ended.target, active.retry_count)
    wait = pacing.before_retry(active.retry_count, jitter_ppm=jitter, first=rule.backoff)
    return e.TargetRetried(
        at=now,
        target=ended.target,
        step=active.step,
        retry=active.retry_count + 1,
        failure=failure,
        until=now + wait,
        detail=ended.detail,
    )


def stalled(state: RunState, now: dt.datetime) -> Iterator[e.TargetStalled]:
    """Yield who takes longer than the plan expects, each once."""
    for target in state.stalls.due(now):
        yield e.TargetStalled(at=now, target=target)


def _finished(target: int, result: Result, detail: str, now: dt.datetime) -> e.TargetFinished:
    return e.TargetFinished(at=now, target=target, result=result, detail=detail)
