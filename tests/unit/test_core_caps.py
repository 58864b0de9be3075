"""Caps by label in a run: who is taken past whom, and who comes when a place is free."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from fleet.core import rollout
from fleet.core.caps import Caps
from fleet.model import events as e
from fleet.model.plan import CATCH_UP, Spread, SpreadGroup
from fleet.model.statuses import HoldReason, Result, RunStatus, WaveStatus
from fleet.model.strategy import FailureMode, OnBreach
from tests.rig import fleets
from tests.rig.byhand import Hand
from tests.rig.fleets import limits, opened, plan, target, wave

OK, BAD, LATE, AWAY = Result.SUCCEEDED, Result.FAILED, Result.TIMED_OUT, Result.DEFERRED


def spread(*groups: tuple[int | None, int | None], by: str = "tag:site") -> Spread:
    """A cap whose groups are called a, b, c, each with what may be changed and fail of it."""
    return Spread(
        by=by,
        groups=tuple(
            SpreadGroup(value=value, target_count=9, max_concurrency=many, max_failures=bad)
            for value, (many, bad) in zip("abc", groups, strict=False)
        ),
    )


def run(
    places: Sequence[tuple[int, ...]],
    *spreads: Spread,
    waves: list[int] | None = None,
    **changes: Any,
) -> Hand:
    """Open a run of one target for each of *places*: the groups that it is in."""
    sizes = waves or [len(places)]
    made = [wave(n, name=f"w{k}", max_failures=n) for k, n in enumerate(sizes)]
    targets = [target(n, groups=groups) for n, groups in enumerate(places)]
    return Hand(opened(plan(made, targets=targets, spreads=spreads, run=limits(**changes))))


ONE = (1, None)
FREE = (None, None)


def test_the_next_who_may_is_taken_past_those_held_up() -> None:
    hand = run([(0,), (0,), (1,), (0,), (1,), (2,)], spread(ONE, ONE, ONE)).settle()

    assert [one.target for one in hand.of(e.TargetStarted)] == [0, 2, 5]


def test_a_place_that_becomes_free_goes_to_the_first_that_waited_for_it() -> None:
    hand = run([(0,), (0,), (1,), (0,)], spread(ONE, ONE)).settle()
    assert hand.in_flight == [0, 2]

    assert hand.end(2).in_flight == [0]
    assert hand.end(0).in_flight == [1]
    assert hand.end(1, BAD).in_flight == [3]


def test_one_held_up_twice_waits_for_both_and_lets_others_pass() -> None:
    sites, regions = spread(ONE, ONE, FREE), spread(ONE, ONE, FREE, by="location")
    hand = run([(0, 2), (2, 0), (0, 0), (0, 1), (1, 0)], sites, regions).settle()
    assert hand.in_flight == [0, 1]

    # Site a is free, and the first that waits for it may not for its region: the next is taken.
    assert hand.end(0).in_flight == [1, 3]
    # The region is free, and the first of it may not for its site.
    assert hand.end(1).in_flight == [3, 4]
    assert hand.end(3).in_flight == [4]
    assert hand.end(4).in_flight == [2]


def test_two_of_one_value_at_once_where_two_may_be() -> None:
    hand = run([(0,)] * 5, spread((2, None))).settle()
    assert hand.in_flight == [0, 1]

    assert hand.end(1).in_flight == [0, 2]
    assert hand.end(0).in_flight == [2, 3]


def test_one_that_timed_out_keeps_its_place_until_its_operation_ends() -> None:
    hand = run([(0,), (0,), (1,)], spread(ONE, FREE)).settle()

    assert hand.end(0, LATE).in_flight == [2]
    assert (hand.state.in_flight, hand.state.caps.groups[0, 0].physical) == (1, 1)

    assert hand.say(e.OperationEnded, 0).settle().in_flight == [1, 2]


def test_an_operation_that_nobody_can_ask_about_any_more_is_over() -> None:
    for over in (e.StepHeld, e.StepUnknown):
        hand = run([(0,), (0,)], spread(ONE)).settle().end(0, LATE)

        assert hand.say(over, 0).settle().in_flight == [1]


def test_an_operation_of_an_earlier_wave_keeps_its_place_in_the_next() -> None:
    hand = run([(0,), (0,), (1,)], spread(ONE, FREE), waves=[1, 2]).settle()

    assert hand.end(0, LATE).in_flight == [2]
    assert hand.state.current == 1
    assert hand.say(e.OperationEnded, 0).settle().in_flight == [1, 2]


def test_a_run_that_waits_for_nothing_but_an_operation_that_timed_out_says_so() -> None:
    hand = run([(0,), (0,)], spread(ONE)).settle().end(0, LATE)

    assert rollout.decide(hand.state, now=hand.now).reasons == (
        "wave w0: 0 of 2 in flight",
        "all that wait are held up by spread caps",
        "waiting for operations that timed out to end: c0 (fleet skip takes out who waits)",
    )


def test_a_lost_operation_is_counted_once_when_it_is_found_again() -> None:
    """A refused write after an operation of somebody else: one place, however often it is told."""
    hand = run([(0,), (0,)], spread((2, None))).settle()
    hand.accept(0).say(e.StepHeld, 0, reason=HoldReason.CONFLICT).settle()

    assert hand.state.caps.groups[0, 0].physical == 2
    hand.now += fleets.seconds(10)
    assert hand.settle().end(0).state.caps.groups[0, 0].physical == 1


def test_one_that_is_put_off_makes_room_and_is_capped_in_the_catch_up_wave_too() -> None:
    hand = run([(0,), (0,), (1,)], spread(ONE, ONE)).settle()

    hand.end(0, AWAY)
    assert hand.in_flight == [1, 2]
    hand.end(1, AWAY).end(2)
    assert hand.state.waves[hand.state.current].planned.name == CATCH_UP
    assert hand.in_flight == [0]
    assert hand.end(0).in_flight == [1]
    assert hand.end(1).state.status is RunStatus.SUCCEEDED


def test_one_that_is_skipped_while_held_up_is_passed_over() -> None:
    hand = run([(0,), (0,), (0,)], spread(ONE)).settle()
    hand.ask("skip-target", "c1")

    assert hand.settle().end(0).in_flight == [2]
    assert hand.end(2).state.status_counts() == {"Skipped": 1, "Succeeded": 2}


# --- budgets of a label -------------------------------------------------------------------


def test_a_broken_budget_of_a_label_is_reported_with_its_name_and_ends_the_run() -> None:
    hand = run([(0,), (1,), (0,), (0,)], spread((1, 1), (None, 0))).settle()
    hand.end(0, BAD)
    assert not hand.of(e.BudgetBreached)

    hand.end(2, LATE)

    assert hand.of(e.BudgetBreached) == [
        e.BudgetBreached(
            at=hand.now, wave=0, level="label", failures=2, max_failures=1, label="tag:site=a"
        )
    ]
    assert hand.in_flight == [1]
    hand.end(1)
    assert (hand.state.status, hand.state.finish_reason) == (
        RunStatus.FAILED,
        "the failure budget was broken: 1 failed, 1 timed out",
    )
    assert hand.state.status_counts()["Pending"] == 1


def test_a_broken_budget_of_a_label_is_reported_once_however_many_more_fail() -> None:
    hand = run([(0,)] * 3, spread((None, 0))).settle().end(0, BAD).end(1, BAD).end(2, BAD)

    assert [one.failures for one in hand.of(e.BudgetBreached)] == [1]


def test_two_budgets_that_one_failure_breaks_are_both_reported() -> None:
    hand = run([(0, 0), (0, 0)], spread((1, 0)), spread(ONE, by="location")).settle()
    both = run([(0, 0), (0, 0)], spread((1, 0)), spread((1, 0), by="location")).settle()

    assert [one.label for one in hand.end(0, BAD).of(e.BudgetBreached)] == ["tag:site=a"]
    assert [one.label for one in both.end(0, BAD).of(e.BudgetBreached)] == [
        "tag:site=a",
        "location=a",
    ]


def test_a_label_breach_in_a_later_wave_is_reported_with_that_wave() -> None:
    hand = run([(0,), (0,)], spread((None, 1)), waves=[1, 1]).settle().end(0, BAD).end(1, BAD)

    assert [(one.wave, one.label) for one in hand.of(e.BudgetBreached)] == [(1, "tag:site=a")]


@pytest.mark.parametrize(("allowed", "starts"), [(0, [0, 4]), (1, [0, 1, 4]), (9, [0, 1, 2, 3, 4])])
def test_a_strict_budget_of_a_label_bounds_its_failures_beforehand(
    allowed: int, starts: list[int]
) -> None:
    groups = spread((None, allowed), FREE)
    hand = run([(0,)] * 4 + [(1,)], groups, failure_mode=FailureMode.STRICT).settle()

    assert hand.in_flight == starts


def test_a_strict_budget_of_a_label_shrinks_with_failures_and_not_with_successes() -> None:
    hand = run([(0,)] * 6, spread((None, 2)), failure_mode=FailureMode.STRICT).settle()
    assert hand.in_flight == [0, 1, 2]

    assert hand.end(0, BAD).in_flight == [1, 2]
    assert hand.end(1, OK).in_flight == [2, 3]
    assert hand.end(2, BAD).in_flight == [3]
    assert not hand.of(e.BudgetBreached)


def test_a_strict_budget_counts_slots_and_not_operations_that_timed_out() -> None:
    hand = run([(0,)] * 4, spread((None, 2)), failure_mode=FailureMode.STRICT).settle()

    assert hand.end(0, LATE).in_flight == [1, 2]
    assert hand.end(1).in_flight == [2, 3]


def test_a_pause_after_a_label_breach_and_a_resume_count_that_label_afresh() -> None:
    hand = run([(0,)] * 4, spread((1, 0)), on_breach=OnBreach.PAUSE).settle().end(0, BAD)
    assert hand.state.status is RunStatus.PAUSED

    hand.ask("resume")
    assert hand.settle().in_flight == [1]
    hand.end(1, BAD)

    assert hand.state.status is RunStatus.PAUSED
    assert [(one.failures, one.max_failures) for one in hand.of(e.BudgetBreached)] == [(1, 0)] * 2
    hand.ask("resume")
    hand.settle().end(2).end(3)
    assert (hand.state.status, hand.state.finish_reason) == (
        RunStatus.SUCCEEDED_WITH_FAILURES,
        "2 failed",
    )
    assert hand.state.waves[0].status is WaveStatus.SUCCEEDED_WITH_FAILURES


def test_all_that_a_strict_budget_held_up_are_looked_at_again_when_it_counts_afresh() -> None:
    strict: dict[str, Any] = {"failure_mode": FailureMode.STRICT, "on_breach": OnBreach.PAUSE}
    hand = run([(0,)] * 5, spread((None, 1)), **strict).settle().end(0, BAD).end(1, BAD)
    assert (hand.state.status, hand.in_flight) == (RunStatus.PAUSED, [])

    hand.ask("resume")

    assert hand.settle().in_flight == [2, 3]


def test_groups_that_came_up_since_are_told_with_those_of_the_plan() -> None:
    caps = Caps((spread(ONE, ONE), spread(FREE, by="location")))
    new = SpreadGroup(value="z", target_count=1, max_concurrency=1, max_failures=None)
    caps.add(0, new)
    caps.add(1, new)

    assert caps.grown() == (
        Spread(by="tag:site", groups=(*spread(ONE, ONE).groups, new)),
        Spread(by="location", groups=(*spread(FREE).groups, new)),
    )
    assert caps.label((0, 2)) == "tag:site=z"
    assert caps.sizes([1, 1]) == [3, 4]
