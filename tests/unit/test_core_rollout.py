"""What is decided next, situation by situation."""

from __future__ import annotations

import dataclasses
import datetime as dt
from typing import Any

import pytest

from fleet.core import answers, fold, rollout, turns
from fleet.core.rollout import Decision
from fleet.core.state import RunState
from fleet.model import events as e
from fleet.model.commands import Check, Follow, Prove
from fleet.model.plan import CATCH_UP, Plan
from fleet.model.scope import Unreachable
from fleet.model.statuses import Finding, HoldReason, Result, RunStatus, WaveStatus
from fleet.model.strategy import FailureMode, OnBreach
from tests.rig import rounds
from tests.rig.fleets import ALICE, T0, folded, limits, opened, opening, plan, seconds, wave
from tests.rig.samples import event

MINUTE = dt.timedelta(minutes=1)
DEADLINE = T0 + limits().progress_deadline
STARTED = [event(e.WaveOpened), event(e.TargetStarted)]
SENT = [*STARTED, event(e.StepChecked), event(e.StepIntended)]
ACCEPTED = [*SENT, event(e.StepAccepted)]
FAILED = [event(e.StepFailed), event(e.TargetFinished, result=Result.FAILED)]
LATE = event(e.StepHeld, at=DEADLINE, reason=HoldReason.NOT_YET, message="it is still Updating")


def life(*events: e.Event, of: Plan | None = None) -> RunState:
    return folded(events, opened(of or plan([wave(3, max_concurrency=1, max_failures=3)])))


def settled(state: RunState, *, now: dt.datetime = T0) -> Decision:
    """Decide and fold until nothing is left to do; return everything that is to be performed."""
    commands = rounds.round_of(state, now=now)
    return dataclasses.replace(rollout.decide(state, now=now), commands=tuple(commands))


def kinds(decision: Decision) -> list[str]:
    return [one.kind for one in decision.events]


def ended(result: Result = Result.SUCCEEDED, *, target: int = 0) -> list[e.Event]:
    """A target from its start to that end."""
    middle = {
        Result.SUCCEEDED: [
            event(e.StepChecked, target=target),
            event(e.StepIntended, target=target),
            event(e.StepAccepted, target=target, operation_sha256=None),
            event(e.StepProved, target=target),
        ],
        Result.FAILED: [event(e.StepFailed, target=target)],
        Result.DRIFTED: [event(e.StepChecked, target=target, finding=Finding.DRIFTED)],
        Result.NO_OP: [event(e.StepChecked, target=target, finding=Finding.DONE)],
        Result.TIMED_OUT: [],
    }[result]
    return [
        event(e.TargetStarted, target=target),
        *middle,
        event(e.TargetFinished, target=target, result=result),
    ]


# --- starting ----------------------------------------------------------------------------


def test_a_run_of_nothing_has_succeeded() -> None:
    state = opened(plan([]))

    settled(state)

    assert (state.status, state.finish_reason) == (RunStatus.SUCCEEDED, "nothing to do")


@pytest.mark.parametrize(
    ("wave_cap", "run_cap", "mode", "wave_failures", "run_failures", "starts"),
    [
        pytest.param(3, 9, "soft", 0, 0, 3, id="the wave's cap"),
        pytest.param(9, 2, "soft", 0, 0, 2, id="the run's cap"),
        pytest.param(9, 9, "soft", 0, 0, 5, id="no more than there are"),
        pytest.param(9, 9, "strict", 1, 9, 2, id="a strict budget of the wave"),
        pytest.param(9, 9, "strict", 9, 0, 1, id="a strict budget of the run"),
    ],
)
def test_as_many_start_as_every_cap_allows(
    wave_cap: int, run_cap: int, mode: str, wave_failures: int, run_failures: int, starts: int
) -> None:
    run = limits(max_concurrency=run_cap, max_failures=run_failures, failure_mode=FailureMode(mode))
    of = plan([wave(5, max_concurrency=wave_cap, max_failures=wave_failures)], run=run)

    state = life(of=of)
    settled(state)

    assert state.in_flight == starts


def test_a_strict_budget_shrinks_with_each_failure() -> None:
    run = limits(failure_mode=FailureMode.STRICT)
    state = life(
        event(e.WaveOpened),
        *ended(Result.FAILED),
        of=plan([wave(5, max_failures=2)], run=run),
    )

    settled(state)

    assert state.in_flight == 2


def test_the_next_starts_when_one_has_ended_well_or_badly() -> None:
    for result in (Result.SUCCEEDED, Result.FAILED, Result.DRIFTED, Result.NO_OP):
        state = life(event(e.WaveOpened), *ended(result))

        assert kinds(rollout.decide(state, now=T0)) == ["target.started"]


@pytest.mark.parametrize(
    ("name", "discovered_at", "asks"),
    [
        pytest.param("w0", T0, False, id="a wave, just discovered"),
        pytest.param("w0", T0 - turns.HEARTBEAT, True, id="a wave, discovered long ago"),
        pytest.param("w0", None, True, id="a wave of a saved plan"),
        pytest.param(CATCH_UP, T0, True, id="the catch-up wave"),
    ],
)
def test_connectivity_is_asked_where_the_plan_cannot_know_it(
    name: str, discovered_at: dt.datetime | None, asks: bool
) -> None:
    decision = settled(folded(opening(plan([wave(1, name=name)]), discovered_at=discovered_at)))

    assert decision.commands == (
        Check(
            target=0,
            step=0,
            is_in_doubt=False,
            asks_connectivity=asks,
            mark_before=None,
            held_count=0,
        ),
    )


UNREACHABLE = event(e.StepChecked, finding=Finding.UNREACHABLE, detail="not connected (Offline)")


def test_a_cluster_that_went_offline_waits_for_the_catch_up_wave_and_blocks_nobody() -> None:
    state = life(*STARTED, UNREACHABLE, of=plan([wave(2, max_concurrency=1)]))

    settled(state)

    assert (state.in_flight, list(state.active)) == (1, [1])
    assert [(one.planned.name, one.target_count) for one in state.waves] == [
        ("w0", 1),
        (CATCH_UP, 1),
    ]
    assert list(state.waves[1].line.waiting()) == [0]
    assert not state.results


def test_a_cluster_that_is_offline_in_the_catch_up_wave_too_is_deferred() -> None:
    state = life(*STARTED, UNREACHABLE, of=plan([wave(1, name=CATCH_UP)]))

    settled(state)

    assert state.results == {0: Result.DEFERRED}
    assert state.failures == 0


@pytest.mark.parametrize(
    ("unreachable", "result", "failures"),
    [(Unreachable.SKIP, Result.SKIPPED, 0), (Unreachable.FAIL, Result.FAILED, 1)],
)
def test_a_cluster_that_went_offline_is_skipped_or_failed_where_the_plan_says_so(
    unreachable: Unreachable, result: Result, failures: int
) -> None:
    asked = plan([wave(1)], unreachable=unreachable)
    state = life(*STARTED, UNREACHABLE, of=asked)

    settled(state)

    assert (state.results, state.failures) == ({0: result}, failures)


def test_a_run_that_stops_puts_nobody_off() -> None:
    state = life(*STARTED, event(e.RunStopping), UNREACHABLE)

    settled(state)

    assert state.results == {0: Result.DEFERRED}


def test_an_intent_stands_before_its_write() -> None:
    decision = rollout.decide(life(*STARTED, event(e.StepChecked)), now=T0)

    (intent,) = decision.events
    (send,) = decision.commands
    assert isinstance(intent, e.StepIntended)
    assert (intent.attempt, intent.step, intent.target) == (1, 0, 0)
    assert send.correlation_id == intent.correlation_id  # type: ignore[union-attr]


def test_one_step_has_one_correlation_id_and_each_attempt_its_own_request_id() -> None:
    first = rollout.decide(life(*STARTED, event(e.StepChecked)), now=T0).events[0]
    state = life(*SENT, event(e.StepHeld), event(e.StepChecked))
    again = rollout.decide(state, now=T0).events[0]

    assert isinstance(first, e.StepIntended)
    assert isinstance(again, e.StepIntended)
    assert (first.attempt, again.attempt) == (1, 2)
    assert first.correlation_id == again.correlation_id
    assert first.client_request_id != again.client_request_id


def test_what_is_handed_out_is_not_decided_again() -> None:
    state = life(*STARTED)

    assert settled(state).commands
    assert settled(state).is_idle


# --- after a loss, a bug, a deadline -----------------------------------------------------


def test_a_write_that_a_dead_runner_sent_is_looked_up_and_not_sent_again() -> None:
    state = life(*SENT, event(e.RunTaken))

    decision = rollout.decide(state, now=T0)
    assert kinds(decision) == ["step.lost"]
    (command,) = settled(state).commands

    assert isinstance(command, Check)
    assert (command.is_in_doubt, command.mark_before) == (True, "before")


def test_a_lost_write_is_looked_up_however_late() -> None:
    """A machine may be down for hours; what its write did is found out all the same."""
    (command,) = settled(life(*SENT, event(e.RunTaken)), now=T0 + 9 * 60 * MINUTE).commands

    assert isinstance(command, Check)
    assert command.is_in_doubt


def test_a_lost_write_that_took_no_effect_is_not_sent_after_the_start_deadline() -> None:
    state = life(*SENT, event(e.StepLost), event(e.StepChecked, detail="the write took no effect"))

    (finished,) = rollout.decide(state, now=T0 + 31 * MINUTE).events

    assert isinstance(finished, e.TargetFinished)
    assert finished.result is Result.TIMED_OUT


@pytest.mark.parametrize("before", [STARTED, [*STARTED, event(e.StepChecked)]])
def test_what_was_not_accepted_by_the_start_deadline_has_timed_out(before: list[e.Event]) -> None:
    assert rollout.decide(life(*before), now=T0 + 30 * MINUTE).events == (
        event(
            e.TargetFinished,
            at=T0 + 30 * MINUTE,
            detail="no write was accepted by the start deadline: nothing was accepted in time",
        ),
    )


def test_what_holds_up_a_start_is_named_at_the_deadline() -> None:
    until = T0 + 99 * MINUTE
    held = event(e.StepHeld, reason=HoldReason.BUSY, until=until, message="it is Updating")

    (finished,) = rollout.decide(life(*STARTED, held), now=T0 + 30 * MINUTE).events

    assert isinstance(finished, e.TargetFinished)
    assert finished.detail == "no write was accepted by the start deadline: it is Updating"


def test_an_operation_that_does_not_end_is_read_once_more_at_the_deadline() -> None:
    state = life(*ACCEPTED)

    decision = settled(state)
    assert isinstance(decision.commands[0], Follow)
    assert decision.wake_at == DEADLINE
    (command,) = settled(state, now=DEADLINE).commands

    assert command == Prove(
        target=0,
        step=0,
        mark_before="before",
        mark_accepted="accepted",
        error=None,
        held_count=0,
    )


@pytest.mark.parametrize(("ended_with", "error"), [(None, None), ("helm failed", "helm failed")])
def test_a_proof_knows_what_the_operation_said_and_nothing_else(
    ended_with: str | None, error: str | None
) -> None:
    """That it was held once says nothing about how the operation went."""
    held = event(e.StepHeld, reason=HoldReason.NOT_YET, message="it is not there yet")
    state = life(*ACCEPTED, event(e.OperationEnded, error=ended_with), held)

    (command,) = rollout.decide(state, now=T0 + MINUTE).commands

    assert isinstance(command, Prove)
    assert (command.error, command.held_count) == (error, 1)


def test_a_proof_does_not_take_an_old_message_for_an_error() -> None:
    state = life(
        *SENT,
        event(e.StepLost, message="connection reset"),
        event(e.StepChecked, detail="the write took no effect"),
        event(e.StepIntended, attempt=2),
        event(e.StepAccepted, attempt=2, operation_sha256=None),
    )

    (command,) = rollout.decide(state, now=T0).commands

    assert isinstance(command, Prove)
    assert command.error is None


def test_a_timed_out_operation_is_followed_on_with_its_own_step() -> None:
    state = life(
        *ACCEPTED,
        LATE,
        event(e.TargetFinished, at=DEADLINE),
        of=plan([wave(1, max_failures=1), wave(1, name="w1")], steps=2),
    )

    command = rollout.decide(state, now=DEADLINE).commands[0]

    assert command == Follow(target=0, step=0, accepted_at=DEADLINE, held_count=0)


def test_a_bug_pauses_the_run_even_if_its_runner_died_before_saying_so() -> None:
    state = life(*STARTED, event(e.StepUnknown, message="KeyError: 'x'"), event(e.RunTaken))

    assert rollout.decide(state, now=T0).events == (
        event(
            e.RunPausing,
            actor=None,
            reason="a bug in fleet hit c0: KeyError: 'x'",
            request_id=None,
            is_bug=True,
        ),
    )
    settled(state)
    assert state.status is RunStatus.PAUSED


# --- breaches ----------------------------------------------------------------------------


def breached(**changes: Any) -> RunState:
    of = plan([wave(3, max_concurrency=2, max_failures=0), wave(1, name="w1")], **changes)
    return life(*STARTED, event(e.TargetStarted, target=1), *FAILED, of=of)


def test_a_breach_is_reported_and_nothing_starts() -> None:
    state = breached()

    assert rollout.decide(state, now=T0).commands  # the other target goes on
    settled(state)
    assert state.waves[0].is_breached
    assert list(state.waves[0].line.waiting()) == [2]
    assert settled(state).reasons == ("the failure budget is broken; 1 in flight finish first",)


def test_a_breach_stops_the_run_when_all_in_flight_have_ended() -> None:
    state = breached()
    settled(state)

    folded([event(e.StepFailed, target=1)], state)
    settled(state)

    assert state.status is RunStatus.FAILED
    assert state.waves[0].status is WaveStatus.FAILED
    assert state.finish_reason == "the failure budget was broken: 2 failed"
    assert state.pending_count == 2


def test_a_breach_pauses_where_the_plan_says_so_and_a_person_may_go_on() -> None:
    state = breached(run=limits(on_breach=OnBreach.PAUSE))
    settled(state)
    folded([event(e.StepChecked, target=1, finding=Finding.DRIFTED)], state)
    settled(state)
    assert state.status is RunStatus.PAUSED

    resumed = folded([event(e.RunResumed)], state)
    settled(resumed)

    assert (resumed.status, resumed.in_flight) == (RunStatus.RUNNING, 1)


def test_both_budgets_that_break_are_reported() -> None:
    state = breached(run=limits(max_failures=0))
    del state.agenda[1]

    assert kinds(rollout.decide(state, now=T0)) == ["wave.breached", "wave.breached"]


# --- soak, pause, stop -------------------------------------------------------------------

SOAK = plan([wave(1, soak=10 * MINUTE), wave(1, name="w1", soak=10 * MINUTE)])


def test_a_wave_soaks_from_its_last_success_and_then_the_next_opens() -> None:
    state = life(event(e.WaveOpened), *ended(), of=SOAK)

    decision = settled(state, now=T0 + MINUTE)
    assert decision.wake_at == T0 + 10 * MINUTE
    assert decision.reasons == ("wave w0 soaks until 2026-01-10 02:10:00Z",)
    settled(state, now=T0 + 10 * MINUTE)

    assert state.current == 1
    assert state.in_flight == 1


def test_the_last_wave_does_not_soak() -> None:
    waves = [event(e.WaveClosed), event(e.WaveOpened, wave=1)]
    state = life(event(e.WaveOpened), *ended(), *waves, *ended(target=1), of=SOAK)

    settled(state)

    assert state.status is RunStatus.SUCCEEDED


def test_a_pause_lets_what_is_in_flight_finish_and_starts_nothing() -> None:
    state = life(*STARTED, event(e.RunPausing))

    assert settled(state).commands
    assert settled(state).reasons == ("Pausing by alice: lunch; 1 in flight finish first",)
    folded([event(e.StepFailed)], state)
    settled(state)

    assert state.status is RunStatus.PAUSED
    assert list(state.waves[0].line.waiting()) == [1, 2]


def test_a_pause_with_nothing_left_to_do_is_the_end() -> None:
    state = life(event(e.WaveOpened), *ended(), event(e.RunPausing), of=plan([wave(1)]))

    settled(state)

    assert state.status is RunStatus.SUCCEEDED


def test_a_stop_skips_what_was_not_sent_and_finishes_what_was() -> None:
    unsent = life(*STARTED, event(e.RunStopping))
    settled(unsent)
    assert unsent.results == {0: Result.SKIPPED}
    assert unsent.status is RunStatus.STOPPED

    sent = life(*ACCEPTED, event(e.RunStopping))
    assert isinstance(settled(sent).commands[0], Follow)
    assert sent.status is RunStatus.STOPPING


@pytest.mark.parametrize(
    ("asked", "before", "kind"),
    [
        ("pause", [], "run.pausing"),
        ("pause", [event(e.RunPausing)], "run.requestRefused"),
        ("resume", [], "run.requestRefused"),
        ("resume", [event(e.RunPausing)], "run.resumed"),
        ("resume", [event(e.RunPausing), event(e.RunPaused)], "run.resumed"),
        ("stop", [], "run.stopping"),
        ("stop", [event(e.RunPausing), event(e.RunPaused)], "run.stopping"),
        ("stop", [event(e.RunStopping)], "run.requestRefused"),
        ("approve", [], "run.requestRefused"),
    ],
)
def test_what_a_request_leads_to_can_be_folded(
    asked: str, before: list[e.Event], kind: str
) -> None:
    state = life(*before)

    answer = answers.answer(
        state, asked=asked, actor=ALICE, reason="why", request_id="q", now=T0 + seconds(1)
    )

    assert answer.kind == kind
    fold.apply(state, answer)


@pytest.mark.parametrize(
    "before", [[event(e.RunPausing), event(e.RunPaused)], [event(e.RunFinished)]]
)
def test_a_run_that_stands_decides_nothing(before: list[e.Event]) -> None:
    decision = rollout.decide(life(*before), now=T0)

    assert (decision.is_idle, decision.wake_at) == (True, None)
    assert decision.reasons[0].startswith("the run is ")


def test_a_pause_does_not_save_a_run_whose_budget_is_broken() -> None:
    """With onBreach: stop, what is in flight finishes, and the run ends as Failed."""
    state = breached()
    settled(state)
    folded([event(e.RunPausing), event(e.StepFailed, target=1)], state)

    settled(state)

    assert (state.status, state.waves[0].status) == (RunStatus.FAILED, WaveStatus.FAILED)
