"""A run that takes back by itself what it changed, when its budget breaks."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import pytest

from fleet.core import rollout
from fleet.errors import IllegalTransitionError
from fleet.model import events as e
from fleet.model.commands import Check, Follow, Prove
from fleet.model.plan import Rollback, Spread, SpreadGroup, Target, Undo
from fleet.model.statuses import HoldReason, Result, RunStatus, WaveStatus
from fleet.model.strategy import FailureMode, OnBreach, RollbackScope
from tests.rig.byhand import MINUTE, Hand
from tests.rig.fleets import BACK, limits, opened, plan, target, wave
from tests.rig.samples import event

OK, BAD, LATE, BACK_AGAIN = Result.SUCCEEDED, Result.FAILED, Result.TIMED_OUT, Result.ROLLED_BACK
RUN, WAVE, TARGET = RollbackScope.RUN, RollbackScope.WAVE, RollbackScope.TARGET
WAY = Rollback(is_possible=True, note="pin 1.1.1", steps=(BACK,))
NONE = Rollback(is_possible=False, note="irreversible: not offered any more")


def run(
    sizes: Sequence[int] = (2, 3),
    *,
    scope: RollbackScope = RUN,
    irreversible: Sequence[int] = (),
    at_once: int = 9,
    failures: int = 0,
    targets: Sequence[Target] | None = None,
    spreads: tuple[Spread, ...] = (),
) -> Hand:
    """Open a run that goes back as soon as more than *failures* of a wave have failed."""
    waves = [wave(n, name=f"w{k}", max_failures=failures) for k, n in enumerate(sizes)]
    made = targets or [
        target(n, rollback=NONE if n in irreversible else WAY) for n in range(sum(sizes))
    ]
    rule = limits(on_breach=OnBreach.ROLLBACK, undo=Undo(scope=scope, max_concurrency=at_once))
    return Hand(opened(plan(waves, run=rule, targets=made, spreads=spreads))).settle()


def fail(hand: Hand, target: int) -> Hand:
    """Let the service refuse what was sent to *target*: it was touched."""
    return hand.accept(target).say(e.StepFailed, target).settle()


def broken(**changes: Any) -> Hand:
    """Two waves: the first well, and in the second one failed between two that are well."""
    hand = run(**changes).end(0).end(1).end(2)
    fail(hand, 3)
    return hand.end(4)


def back_waves(hand: Hand) -> dict[str, list[int]]:
    """Return who is to be taken back, wave by wave, in order."""
    found: dict[str, list[int]] = {}
    for added in hand.of(e.WaveAdded):
        found[added.planned.name] = [
            member.target
            for told in hand.of(e.WaveExtended)
            if told.wave == added.wave
            for member in told.members
        ]
    return found


@pytest.mark.parametrize(
    ("scope", "waves"),
    [
        (RUN, {"back-w1": [3, 4, 2], "back-w0": [1, 0]}),
        (WAVE, {"back-w1": [3, 4, 2]}),
        (TARGET, {"back-w1": [3]}),
    ],
)
def test_the_newest_wave_goes_back_first_and_in_it_the_failed_first(
    scope: RollbackScope, waves: dict[str, list[int]]
) -> None:
    hand = broken(scope=scope)

    assert back_waves(hand) == waves
    assert hand.of(e.RunRollingBack) == [
        e.RunRollingBack(
            at=hand.now, reason="more failures than the budget allows", scope=scope, left=()
        )
    ]
    assert hand.state.status is RunStatus.ROLLING_BACK
    assert hand.in_flight == sorted(waves["back-w1"])


def test_one_that_failed_in_an_earlier_wave_goes_back_with_the_others_that_failed() -> None:
    hand = run((2, 2), scope=TARGET, failures=1).end(0)
    fail(hand, 1)
    fail(hand, 2)
    fail(hand, 3)

    assert back_waves(hand) == {"back-w1": [2, 3], "back-w0": [1]}


def test_everything_taken_back_is_a_run_that_is_rolled_back() -> None:
    hand = broken()
    for n in (3, 4, 2, 1, 0):
        hand.end(n)

    assert (hand.state.status, hand.state.finish_reason) == (
        RunStatus.ROLLED_BACK,
        "the failure budget was broken; 5 taken back",
    )
    assert hand.state.status_counts() == {"RolledBack": 5}
    assert [one.status for one in hand.state.waves] == [
        WaveStatus.SUCCEEDED,
        WaveStatus.FAILED,
        WaveStatus.SUCCEEDED,
        WaveStatus.SUCCEEDED,
    ]


def test_one_that_is_as_it_was_already_is_taken_back() -> None:
    hand = broken(scope=TARGET).end(3, Result.NO_OP)

    assert (hand.state.status, hand.state.results[3]) == (RunStatus.ROLLED_BACK, BACK_AGAIN)


def test_what_cannot_be_taken_back_is_told_beforehand_and_at_the_end() -> None:
    hand = broken(irreversible=[0, 4])
    assert hand.of(e.RunRollingBack)[0].left == (4, 0)
    assert back_waves(hand) == {"back-w1": [3, 2], "back-w0": [1]}

    hand.end(3).end(2).end(1)

    assert (hand.state.status, hand.state.finish_reason) == (
        RunStatus.FAILED,
        "the failure budget was broken; 3 taken back, 2 not: c0, c4",
    )


@pytest.mark.parametrize("result", [BAD, LATE, Result.DRIFTED, Result.DEFERRED])
def test_one_that_does_not_go_back_keeps_nobody_else_from_it_and_is_named(result: Result) -> None:
    hand = broken().end(3, result).end(4).end(2).end(1).end(0)

    assert (hand.state.status, hand.state.finish_reason) == (
        RunStatus.FAILED,
        "the failure budget was broken; 4 taken back, 1 not: c3",
    )
    assert hand.state.status_counts() == {"RolledBack": 4, str(result): 1}
    assert not [one for one in hand.of(e.BudgetBreached) if one.wave > 1]
    # The way back has no budgets, and what fails on it is not counted for those of the way there.
    assert (hand.state.failures, [one.failures for one in hand.state.waves[:2]]) == (1, [0, 1])


def test_nobody_is_named_after_the_fifth() -> None:
    hand = run((8,), irreversible=range(7))
    for n in range(7):
        hand.end(n)
    fail(hand, 7)

    assert hand.end(7).state.finish_reason == (
        "the failure budget was broken; 1 taken back, 7 not: c0, c1, c2, c3, c4 and 2 more"
    )


def test_where_nothing_can_be_taken_back_the_run_fails_at_once() -> None:
    hand = run((1,), irreversible=[0])

    fail(hand, 0)

    assert (hand.state.status, hand.state.finish_reason) == (
        RunStatus.FAILED,
        "the failure budget was broken; 0 taken back, 1 not: c0",
    )


def test_one_to_which_nothing_was_sent_is_not_taken_back() -> None:
    hand = run((2,)).end(0).end(1, BAD)

    assert back_waves(hand) == {"back-w0": [0]}
    assert hand.end(0).state.status_counts() == {"Failed": 1, "RolledBack": 1}
    assert hand.state.status is RunStatus.ROLLED_BACK


def test_those_in_flight_end_before_anything_goes_back() -> None:
    hand = run((3,)).end(0)
    fail(hand, 1)
    assert hand.of(e.RunRollingBack) == []

    hand.end(2)

    assert back_waves(hand) == {"back-w0": [1, 2, 0]}


def test_as_many_go_back_at_once_as_the_plan_says_whatever_forward() -> None:
    hand = broken(at_once=2)
    assert hand.in_flight == [3, 4]
    assert hand.of(e.WaveAdded)[0].planned == dataclasses.replace(
        wave(3, name="w1"),
        name="back-w1",
        max_concurrency=2,
        effective_concurrency=2,
        max_failures=3,
        worst_case_failures=3,
        notes=("takes back what wave w1 changed",),
    )

    assert hand.end(3).in_flight == [2, 4]


def test_caps_by_label_hold_on_the_way_back_and_their_budgets_do_not() -> None:
    site = SpreadGroup(value="a", target_count=3, max_concurrency=1, max_failures=0)
    targets = [target(n, rollback=WAY, groups=(0,)) for n in range(2)]
    hand = run((2,), targets=targets, spreads=(Spread(by="tag:site", groups=(site,)),)).end(0)
    fail(hand, 1)

    assert hand.in_flight == [1]
    assert hand.end(1, BAD).in_flight == [0]


def test_a_strict_budget_of_a_label_that_broke_keeps_nobody_from_going_back() -> None:
    site = SpreadGroup(value="a", target_count=1, max_concurrency=None, max_failures=0)
    rule = limits(
        on_breach=OnBreach.ROLLBACK,
        undo=Undo(scope=RUN, max_concurrency=9),
        failure_mode=FailureMode.STRICT,
    )
    made = [target(n, rollback=WAY, groups=(0,)) for n in range(2)]
    spreads = (Spread(by="tag:site", groups=(site,)),)
    hand = Hand(opened(plan([wave(2)], run=rule, targets=made, spreads=spreads))).settle().end(0)

    fail(hand, 1)

    assert hand.in_flight == [0, 1]


def test_one_that_timed_out_is_looked_at_again_while_its_operation_goes_on() -> None:
    """It holds its place in its group once."""
    site = SpreadGroup(value="a", target_count=1, max_concurrency=1, max_failures=None)
    targets = [target(0, rollback=WAY, groups=(0,))]
    hand = run((1,), targets=targets, spreads=(Spread(by="tag:site", groups=(site,)),))

    hand.accept(0).settle().settle(after=limits().progress_deadline)
    hand.say(e.StepHeld, 0, reason=HoldReason.NOT_YET).settle()

    assert [type(one) for one in hand.out] == [Check, Follow, Prove, Follow, Check]
    assert (hand.in_flight, hand.state.caps.groups[0, 0].physical) == ([0], 1)
    assert hand.end(0).state.status is RunStatus.ROLLED_BACK
    assert hand.state.caps.groups[0, 0].physical == 0


def test_the_check_on_the_way_back_asks_whether_it_is_connected() -> None:
    check = broken().out[-1]

    assert isinstance(check, Check)
    assert (check.asks_connectivity, check.may_replan, check.round) == (True, False, 1)


# --- people, meanwhile --------------------------------------------------------------------


def test_a_pause_before_going_back_is_obeyed_first() -> None:
    hand = run((2,))
    hand.ask("pause")
    hand.end(0)
    fail(hand, 1)
    assert (hand.state.status, hand.of(e.RunRollingBack)) == (RunStatus.PAUSED, [])

    hand.ask("resume")

    assert hand.settle().state.status is RunStatus.ROLLING_BACK


def test_a_pause_while_going_back_and_a_resume_go_on_going_back() -> None:
    hand = broken(at_once=1)
    hand.ask("pause")
    assert hand.end(3).state.status is RunStatus.PAUSED

    hand.ask("resume")

    assert hand.settle().state.status is RunStatus.ROLLING_BACK
    assert hand.in_flight == [4]


def test_a_pause_with_nothing_left_to_take_back_ends_the_run() -> None:
    hand = broken(scope=TARGET)
    hand.ask("pause")

    assert hand.end(3).state.status is RunStatus.ROLLED_BACK


def test_a_stop_while_going_back_ends_where_it_is() -> None:
    hand = broken(at_once=1)
    hand.accept(3, operation_sha256=None)
    hand.ask("stop")
    hand.say(e.StepProved, 3).settle()

    assert (hand.state.status, hand.state.finish_reason) == (RunStatus.STOPPED, "stopped: because")
    assert hand.state.status_counts() == {"Succeeded": 4, "RolledBack": 1}


def test_a_wave_of_the_way_back_that_a_person_skips_is_left_as_it_is() -> None:
    hand = broken()
    hand.ask("skip-wave", "back-w0")
    for n in (3, 4, 2):
        hand.end(n)

    assert (hand.state.status, hand.state.finish_reason) == (
        RunStatus.FAILED,
        "the failure budget was broken; 3 taken back, 2 not: c0, c1",
    )
    assert hand.state.status_counts() == {"RolledBack": 3, "Succeeded": 2}


def test_a_bug_on_the_way_back_pauses_and_a_resume_looks_again() -> None:
    hand = broken(scope=TARGET).say(e.StepUnknown, 3, message="KeyError").settle()
    assert hand.state.status is RunStatus.PAUSED
    assert rollout.decide(hand.state, now=hand.now).reasons == ("the run is Paused",)

    hand.ask("resume")

    assert hand.settle().end(3).state.status is RunStatus.ROLLED_BACK


def test_a_wave_that_is_overdue_goes_back_too() -> None:
    rule = limits(on_breach=OnBreach.ROLLBACK, undo=Undo(scope=WAVE, max_concurrency=1))
    targets = [target(n, rollback=WAY) for n in range(2)]
    one = wave(2, max_concurrency=1, timeout=10 * MINUTE)
    hand = Hand(opened(plan([one], run=rule, targets=targets))).settle()

    hand.settle(after=10 * MINUTE).end(0)

    assert hand.of(e.RunRollingBack)[0].reason == "wave w0 was not done in its time"
    assert back_waves(hand) == {"back-w0": [0]}
    hand.end(0)
    assert (hand.state.status, hand.state.finish_reason) == (
        RunStatus.ROLLED_BACK,
        "wave w0 was not done in its time; 1 taken back",
    )
    assert hand.state.status_counts() == {"RolledBack": 1, "Pending": 1}


# --- what a journal may not say -----------------------------------------------------------


def test_nothing_goes_back_while_something_is_in_flight_or_nothing_has_failed() -> None:
    with pytest.raises(IllegalTransitionError, match="nothing is to be taken back now"):
        run((1,)).tell(event(e.RunRollingBack))
    late = run((1,)).accept(0).say(e.StepHeld, 0, reason=HoldReason.NOT_YET)
    with pytest.raises(IllegalTransitionError, match="nothing is to be taken back now"):
        late.tell(event(e.RunRollingBack))


def test_only_what_has_ended_can_wait_to_be_taken_back() -> None:
    hand = broken(scope=TARGET)
    stranger = e.Member(target=9, plan=target(9))

    with pytest.raises(IllegalTransitionError, match="it cannot wait in wave back-w1"):
        hand.tell(event(e.WaveExtended, wave=2, members=(stranger,)))
    ahead = wave(1, name="w1")
    forward = Hand(opened(plan([wave(1), ahead]))).settle()
    with pytest.raises(IllegalTransitionError, match="it cannot wait in wave w1"):
        forward.tell(event(e.WaveExtended, wave=1, members=(stranger,)))
    next_one = e.Member(target=2, plan=target(2))
    forward.tell(event(e.WaveExtended, wave=1, members=(next_one,)))
    assert list(forward.state.waves[1].line.waiting()) == [1, 2]
    with pytest.raises(IllegalTransitionError, match="wave 7 follows 3 waves"):
        hand.tell(event(e.WaveAdded, wave=7))
