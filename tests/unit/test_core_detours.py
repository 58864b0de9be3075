"""Trying again, another plan on the way, and being named for taking long."""

from __future__ import annotations

import dataclasses
import datetime as dt
from typing import Any

import pytest

from fleet.core import rollout
from fleet.errors import IllegalTransitionError
from fleet.model import events as e
from fleet.model.cluster import AutoUpgrade, ClusterId
from fleet.model.commands import Check
from fleet.model.desired import OnDrift
from fleet.model.plan import Action, Retry, Step, Verb
from fleet.model.statuses import Finding, HoldReason, Result, RunStatus
from fleet.model.strategy import FailureClass, FailureMode, OnBreach
from tests.rig import fleets
from tests.rig.byhand import MINUTE, Hand
from tests.rig.fleets import PIN, T0, limits, opened, plan, target, wave
from tests.rig.samples import event

OK, BAD, LATE = Result.SUCCEEDED, Result.FAILED, Result.TIMED_OUT
HOUR = dt.timedelta(hours=1)
FAILED, TIMED_OUT, REFUSED = FailureClass.FAILED, FailureClass.TIMED_OUT, FailureClass.REFUSED


def retry(attempts: int = 1, *, backoff: dt.timedelta = MINUTE, on: Any = (FAILED,)) -> Retry:
    return Retry(attempts=attempts, backoff=backoff, on=on)


def run(
    rule: Retry | None = None, *, count: int = 1, of: Any = None, head: Any = None, **changes: Any
) -> Hand:
    """Open a run of one wave that may fail."""
    one = wave(count, max_concurrency=changes.pop("at_once", count), max_failures=count)
    made = plan([one], run=limits(retry=rule, **changes), targets=of, **(head or {}))
    return Hand(opened(made)).settle()


def again(hand: Hand) -> Hand:
    """Let the wait be over."""
    (told,) = hand.of(e.TargetRetried)[-1:]
    hand.now = told.until
    return hand.settle()


# --- trying again -------------------------------------------------------------------------


def test_a_failure_is_tried_again_after_its_wait_and_is_no_failure() -> None:
    hand = run(retry()).end(0, BAD)

    (told,) = hand.of(e.TargetRetried)
    until = told.until
    assert told == e.TargetRetried(
        at=T0, target=0, step=0, retry=1, failure=FAILED, until=until, detail="refused"
    )
    assert MINUTE <= until - T0 < MINUTE * 1.1
    assert (hand.state.failures, hand.in_flight, hand.state.active[0].held) == (
        0,
        [0],
        HoldReason.RETRY,
    )
    assert rollout.decide(hand.state, now=T0).wake_at == until

    again(hand).end(0)
    assert (hand.state.status, hand.state.failures) == (RunStatus.SUCCEEDED, 0)


def test_the_look_before_the_second_write_says_that_it_is_again() -> None:
    hand = again(run(retry()).end(0, BAD))

    check = hand.out[-1]
    assert isinstance(check, Check)
    assert (check.is_again, check.mark_before, check.held_count) == (True, None, 0)


def test_a_failure_counts_when_it_was_tried_as_often_as_it_may() -> None:
    hand = run(retry(2))
    for _ in range(2):
        again(hand.end(0, BAD))
    assert hand.state.failures == 0

    hand.end(0, BAD)

    assert [one.retry for one in hand.of(e.TargetRetried)] == [1, 2]
    assert (hand.state.failures, hand.state.status) == (1, RunStatus.FAILED)


@pytest.mark.parametrize(("count", "least"), [(1, 60), (2, 120), (3, 240)])
def test_the_wait_doubles_and_is_as_long_as_the_plan_says(count: int, least: int) -> None:
    hand = run(retry(3, backoff=HOUR))
    for _ in range(count - 1):
        again(hand.end(0, BAD))

    hand.end(0, BAD)

    wait = hand.of(e.TargetRetried)[-1].until - hand.now
    assert least * MINUTE <= wait < 1.1 * least * MINUTE


@pytest.mark.parametrize(
    ("on", "code", "is_again"),
    [
        pytest.param((FAILED,), "F360", True, id="failed"),
        pytest.param((FAILED,), "F320", False, id="refused, not asked for"),
        pytest.param((REFUSED,), "F320", True, id="refused"),
        pytest.param((REFUSED,), "F360", False, id="failed, not asked for"),
        pytest.param((TIMED_OUT,), "F360", False, id="neither"),
    ],
)
def test_what_is_tried_again_goes_by_the_class_of_the_failure(
    on: tuple[FailureClass, ...], code: str, *, is_again: bool
) -> None:
    hand = run(retry(on=on)).say(e.StepFailed, 0, code=code).settle()

    assert bool(hand.of(e.TargetRetried)) is is_again


@pytest.mark.parametrize("on", [(TIMED_OUT,), (FAILED,)])
def test_a_time_out_after_the_write_is_a_class_of_its_own(on: tuple[FailureClass, ...]) -> None:
    hand = run(retry(on=on)).end(0, LATE)

    is_again = on == (TIMED_OUT,)
    assert bool(hand.of(e.TargetRetried)) is is_again
    assert hand.state.failures == (not is_again)
    # Its operation was not seen to end, and the next look finds out.
    assert hand.state.operations == {0: 0}
    if is_again:
        again(hand).end(0)
        assert (hand.state.status, hand.state.operations) == (RunStatus.SUCCEEDED, {})


def test_a_start_deadline_that_is_over_is_a_time_out_too() -> None:
    hand = run(retry(on=(TIMED_OUT,)))
    hand.say(e.StepHeld, 0, until=T0 + HOUR, reason=HoldReason.BUSY).settle(after=30 * MINUTE)

    (told,) = hand.of(e.TargetRetried)
    assert told.failure is TIMED_OUT
    assert told.detail == "no write was accepted by the start deadline: later"
    # All of the start deadline is there again, from the end of the wait on.
    hand.now = told.until
    hand.settle().say(e.StepHeld, 0, until=hand.now + HOUR, reason=HoldReason.BUSY)
    assert rollout.decide(hand.state, now=hand.now).wake_at == told.until + 30 * MINUTE


@pytest.mark.parametrize("finding", [Finding.CLUSTER_MISSING, Finding.DRIFTED])
def test_what_trying_again_cannot_mend_is_not_tried_again(finding: Finding) -> None:
    hand = run(retry(on=tuple(FailureClass))).say(e.StepChecked, 0, finding=finding).settle()

    assert not hand.of(e.TargetRetried)
    assert hand.state.status is RunStatus.FAILED


def test_a_write_that_was_lost_and_failed_is_tried_again() -> None:
    hand = run(retry()).say(e.StepChecked, 0).say(e.StepIntended, 0).say(e.StepLost, 0)
    hand.say(e.StepChecked, 0, finding=Finding.FAILED).settle()

    assert [one.failure for one in hand.of(e.TargetRetried)] == [FAILED]


def test_nothing_is_tried_again_while_somebody_wants_a_pause() -> None:
    hand = run(retry(), count=2)
    hand.ask("pause")

    hand.end(0, BAD)

    assert (hand.of(e.TargetRetried), hand.state.failures) == ([], 1)


def test_nothing_is_tried_again_after_a_breach() -> None:
    hand = run(retry(), count=3, max_failures=0)
    hand.say(e.StepFailed, 1, code="F320").settle().end(0, BAD)

    assert (hand.of(e.TargetRetried), hand.state.failures) == ([], 2)


@pytest.mark.parametrize("failure", [BAD, LATE])
def test_who_waits_to_be_tried_again_is_given_up_at_a_breach(failure: Result) -> None:
    """At once: else nothing could be taken back, nor the run end, before that wait is over."""
    rule = retry(on=(FAILED, TIMED_OUT), backoff=HOUR)
    hand = run(rule, count=2, max_failures=0).end(0, failure)
    hand.say(e.StepFailed, 1, code="F320").settle()

    assert hand.state.results == {0: failure, 1: BAD}
    assert hand.state.details[0].endswith("; it was not tried again, as the run was ending")
    assert hand.state.status is RunStatus.FAILED


def test_who_waits_to_be_tried_again_is_given_up_by_a_stop() -> None:
    hand = run(retry(backoff=HOUR)).end(0, BAD)
    hand.ask("stop")

    hand.settle()

    assert (hand.state.status, hand.state.results) == (RunStatus.STOPPED, {0: BAD})


def test_whom_the_second_look_is_out_for_goes_on_after_a_stop() -> None:
    hand = again(run(retry()).end(0, BAD))
    hand.ask("stop")

    hand.settle()
    assert hand.in_flight == [0]
    hand.end(0)
    assert (hand.state.status, hand.state.results) == (RunStatus.STOPPED, {0: OK})


def test_who_waits_to_be_tried_again_goes_on_waiting_through_a_pause() -> None:
    hand = run(retry()).end(0, BAD)
    hand.ask("pause")

    again(hand).end(0)

    assert hand.state.results == {0: OK}


def test_whoever_takes_over_does_not_shorten_a_long_wait() -> None:
    """It is longer than the start deadline, which counts from its end."""
    hand = run(retry(backoff=8 * HOUR)).end(0, BAD)
    hand.now += HOUR
    hand.tell(event(e.RunTaken, at=hand.now)).settle()

    again(hand)

    assert hand.in_flight == [0]
    assert isinstance(hand.out[-1], Check)


def test_nor_is_one_late_that_nobody_was_there_for() -> None:
    hand = run(retry()).end(0, BAD)
    hand.now += 8 * HOUR
    hand.tell(event(e.RunTaken, at=hand.now)).settle()

    assert isinstance(hand.out[-1], Check)


def test_one_that_is_tried_again_keeps_its_slot() -> None:
    hand = run(retry(), count=2, at_once=1).end(0, BAD)

    assert hand.in_flight == [0]
    assert again(hand).end(0).in_flight == [1]


def test_strict_budgets_count_one_that_is_tried_again_as_in_flight() -> None:
    hand = run(retry(), count=3, max_failures=1, failure_mode=FailureMode.STRICT)

    assert hand.end(0, BAD).in_flight == [0, 1]


PUT = dataclasses.replace(
    PIN, verb=Verb.PUT, settings={}, why=f"{PIN.why}; put again, all of it", release_train="stable"
)
SECRET = dataclasses.replace(PIN, protected={"token": "T"})
HIDDEN = fleets.extension(protected_keys=("token",))


@pytest.mark.parametrize(
    ("made", "failure", "sent"),
    [
        pytest.param(target(), BAD, PUT, id="a failed patch is put again"),
        pytest.param(target(), LATE, PIN, id="one that timed out is not"),
        pytest.param(target(steps=(SECRET,)), BAD, SECRET, id="protected values are sent"),
        pytest.param(target(found=HIDDEN), BAD, PIN, id="protected values are there"),
    ],
)
def test_what_failed_is_put_again_where_that_loses_nothing(
    made: Any, failure: Result, sent: Step
) -> None:
    hand = run(retry(on=(FAILED, TIMED_OUT)), of=[made]).end(0, failure)

    assert hand.state.targets[0].steps == (sent,)


def test_only_the_step_that_failed_is_put_again() -> None:
    second = dataclasses.replace(PIN, version="1.3.0")
    hand = run(retry(), of=[target(steps=(PIN, second))])
    hand.accept(0, operation_sha256=None).say(e.StepProved, 0).settle()

    hand.end(0, BAD)

    assert hand.state.targets[0].steps[0] == PIN
    assert (hand.state.targets[0].steps[1].verb, hand.state.targets[0].steps[1].version) == (
        Verb.PUT,
        "1.3.0",
    )
    again(hand)
    assert isinstance(hand.out[-1], Check)
    assert (hand.out[-1].step, hand.out[-1].is_again) == (1, True)


@pytest.mark.parametrize(
    ("rule", "changes"),
    [
        pytest.param(None, {}, id="no rule"),
        pytest.param(retry(), {"retry": 2}, id="one too far"),
        pytest.param(retry(), {"retry": 0}, id="not counted"),
    ],
)
def test_a_journal_cannot_try_again_what_the_plan_does_not(
    rule: Retry | None, changes: dict[str, Any]
) -> None:
    hand = run(rule).say(e.StepFailed, 0)

    with pytest.raises(IllegalTransitionError, match="it is not tried again"):
        hand.say(e.TargetRetried, 0, **changes)


# --- another plan on the way --------------------------------------------------------------

REPLAN = {"on_drift": OnDrift.REPLAN}
NEW = target(steps=(dataclasses.replace(PIN, auto_upgrade=AutoUpgrade.PATCH),))


def changed(action: Action) -> Any:
    return target(steps=(), action=action, reason="it says hold")


def test_one_that_changed_begins_again_with_other_steps() -> None:
    hand = run(head=REPLAN).say(e.TargetReplanned, 0, plan=NEW).settle()

    assert hand.state.targets[0] == NEW
    check = hand.out[-1]
    assert isinstance(check, Check)
    assert (check.step, check.round, check.may_replan, check.is_again) == (0, 1, True, False)
    assert hand.end(0).state.status is RunStatus.SUCCEEDED


@pytest.mark.parametrize(
    ("action", "result", "detail"),
    [
        (Action.NO_CHANGE, Result.NO_OP, "it needs nothing any more: version was 1"),
        (
            Action.BLOCKED,
            Result.DRIFTED,
            "version was 1; now it is blocked: it says hold",
        ),
    ],
)
def test_one_that_needs_nothing_any_more_ends_and_one_that_may_not_is_drifted(
    action: Action, result: Result, detail: str
) -> None:
    hand = run(head=REPLAN).say(e.TargetReplanned, 0, plan=changed(action)).settle()

    assert (hand.state.results, hand.state.details) == ({0: result}, {0: detail})


def test_one_is_replanned_three_times_at_most() -> None:
    hand = run(head=REPLAN)
    for _ in range(3):
        assert isinstance(hand.out[-1], Check)
        assert hand.out[-1].may_replan
        hand.say(e.TargetReplanned, 0, plan=NEW).settle()

    assert isinstance(hand.out[-1], Check)
    assert not hand.out[-1].may_replan
    with pytest.raises(IllegalTransitionError, match="it is not planned anew"):
        hand.say(e.TargetReplanned, 0, plan=NEW)


@pytest.mark.parametrize(
    ("head", "new"),
    [
        pytest.param({}, NEW, id="a plan that fails what drifted"),
        pytest.param(
            REPLAN, dataclasses.replace(NEW, cluster_id=ClusterId("/c/9")), id="another cluster"
        ),
        pytest.param(REPLAN, dataclasses.replace(NEW, groups=(1,)), id="other groups"),
    ],
)
def test_a_journal_cannot_replan_what_is_not_the_same_target(head: Any, new: Any) -> None:
    hand = run(head=head)

    with pytest.raises(IllegalTransitionError, match="it is not planned anew"):
        hand.say(e.TargetReplanned, 0, plan=new)


# --- taking long --------------------------------------------------------------------------


def test_one_that_takes_long_is_named_once_and_not_when_it_is_done() -> None:
    hand = run(count=2, stalled_after=10 * MINUTE).accept(0).settle()
    assert rollout.decide(hand.state, now=hand.now).wake_at == T0 + 10 * MINUTE

    hand.settle(after=10 * MINUTE - fleets.seconds(1))
    assert hand.state.stalled == []
    hand.settle(after=fleets.seconds(1))
    assert hand.of(e.TargetStalled) == [e.TargetStalled(at=T0 + 10 * MINUTE, target=0)]
    assert hand.state.stalled == [0]

    hand.settle(after=5 * MINUTE)
    assert len(hand.of(e.TargetStalled)) == 1
    hand.say(e.OperationEnded, 0).settle()
    assert hand.state.stalled == [0]
    hand.say(e.StepProved, 0).settle()
    assert (hand.state.stalled, hand.state.results) == ([], {0: OK})


def test_one_that_is_done_in_time_is_never_named() -> None:
    hand = run(count=2, stalled_after=10 * MINUTE).accept(0).say(e.OperationEnded, 0)
    hand.say(e.StepProved, 0).settle(after=HOUR)

    assert not hand.of(e.TargetStalled)


def test_each_step_has_its_own_patience() -> None:
    hand = run(of=[target(steps=(PIN, PIN))], stalled_after=10 * MINUTE).accept(0)
    hand.settle(after=10 * MINUTE).say(e.OperationEnded, 0).say(e.StepProved, 0).settle()
    assert hand.state.stalled == []

    hand.accept(0).settle(after=10 * MINUTE)

    assert [one.at for one in hand.of(e.TargetStalled)] == [T0 + 10 * MINUTE, T0 + 20 * MINUTE]


def test_being_stalled_counts_nothing_and_stops_nothing() -> None:
    hand = run(count=2, at_once=1, stalled_after=MINUTE).accept(0).settle(after=MINUTE)

    assert (hand.state.failures, hand.state.is_held_back) == (0, False)
    assert hand.say(e.OperationEnded, 0).say(e.StepProved, 0).settle().in_flight == [1]


# --- how many must succeed ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("least", "ends", "status", "reason"),
    [
        (2, (OK, OK, BAD), RunStatus.SUCCEEDED, "2 succeeded, and 2 must: 1 failed"),
        (3, (OK, OK, BAD), RunStatus.SUCCEEDED_WITH_FAILURES, "2 succeeded, and 3 must: 1 failed"),
        (
            3,
            (OK, OK, Result.DRIFTED),
            RunStatus.SUCCEEDED_WITH_FAILURES,
            "2 succeeded, and 3 must: 1 drifted",
        ),
        (2, (OK, Result.NO_OP, OK), RunStatus.SUCCEEDED, "every target is as planned"),
        (1, (BAD, BAD, BAD), RunStatus.FAILED, "no target was changed: 3 failed"),
        (None, (OK, OK, BAD), RunStatus.SUCCEEDED_WITH_FAILURES, "1 failed"),
    ],
)
def test_enough_successes_are_success(
    least: int | None, ends: tuple[Result, ...], status: RunStatus, reason: str
) -> None:
    hand = run(count=3, min_success=least)
    for n, result in enumerate(ends):
        hand.end(n, result)

    assert (hand.state.status, hand.state.finish_reason) == (status, reason)


def test_enough_successes_do_not_mend_a_broken_budget() -> None:
    hand = run(count=2, min_success=1, max_failures=0, on_breach=OnBreach.STOP).end(0, OK)

    assert hand.end(1, BAD).state.status is RunStatus.FAILED
