"""What keeps a run from starting: calendars, moments and people. And what it says it waits for."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from fleet.core import rollout
from fleet.model import events as e
from fleet.model.approvals import ApprovalRule
from fleet.model.calendars import Calendar, Level, Overrun, Rule
from fleet.model.desired import Membership
from fleet.model.events import Actor
from fleet.model.gates import Moment
from fleet.model.plan import Target, Wave
from fleet.model.statuses import HoldReason, Result, RunStatus, WaitCause
from tests.rig.byhand import MINUTE, Hand
from tests.rig.fleets import ALICE, PIN, T0, opened, plan, target, wave
from tests.rig.samples import event

HOUR = 60 * MINUTE
BUFFER = 10 * MINUTE


def span(start: dt.timedelta, end: dt.timedelta) -> Rule:
    """Once, so long after the tests' first moment."""
    return Rule(starts=text(T0 + start), ends=text(T0 + end))


def text(moment: dt.datetime) -> str:
    return moment.replace(tzinfo=None).isoformat(timespec="seconds")


def calendar(*allow: Rule, level: Level = Level.RUN, name: str = "nights", **more: Any) -> Calendar:
    return Calendar(name=name, level=level, zone="UTC", allow=allow, **more)


def run(*waves: Wave, targets: list[Target] | None = None, **head: Any) -> Hand:
    return Hand(opened(plan(waves, targets=targets, start_buffer=BUFFER, **head)))


def starts(hand: Hand) -> list[tuple[int, dt.timedelta]]:
    return [(one.target, one.at - T0) for one in hand.of(e.TargetStarted)]


def waiting(hand: Hand) -> tuple[WaitCause, dt.timedelta | None]:
    assert hand.state.status is RunStatus.WAITING
    assert hand.state.wait is not None
    until = hand.state.wait.until
    return hand.state.wait.cause, None if until is None else until - T0


def wake(hand: Hand) -> dt.timedelta | None:
    at = rollout.decide(hand.state, now=hand.now).wake_at
    return None if at is None else at - T0


# --- calendars of the run ----------------------------------------------------------------


def test_a_run_waits_until_its_window_opens_and_wakes_by_itself() -> None:
    hand = run(wave(1), calendars=(calendar(span(8 * HOUR, 10 * HOUR)),)).settle()
    assert waiting(hand) == (WaitCause.WINDOW, 8 * HOUR)
    assert wake(hand) == 8 * HOUR
    assert rollout.decide(hand.state, now=hand.now).reasons == (
        "wave w0: outside of the change windows of nights until 2026-01-10 10:00:00Z",
    )

    hand.settle(after=8 * HOUR)

    assert hand.state.status is RunStatus.RUNNING
    assert starts(hand) == [(0, 8 * HOUR)]


def test_nothing_starts_that_would_not_end_before_the_window_closes() -> None:
    windows = calendar(span(0 * HOUR, HOUR), span(24 * HOUR, 25 * HOUR))
    hand = run(wave(2, max_concurrency=1), calendars=(windows,)).settle()
    hand.now += HOUR - BUFFER

    hand.end(0)

    assert starts(hand) == [(0, 0 * HOUR)]
    assert waiting(hand) == (WaitCause.WINDOW, 24 * HOUR)
    hand.settle(after=24 * HOUR - (HOUR - BUFFER))
    assert starts(hand) == [(0, 0 * HOUR), (1, 24 * HOUR)]


def test_how_long_targets_take_is_measured_and_heeded_before_a_window_closes() -> None:
    """Ten of them took 20 minutes: with 19 minutes left, the eleventh waits for the next night."""
    windows = calendar(span(0 * HOUR, 40 * MINUTE), span(24 * HOUR, 25 * HOUR))
    hand = Hand(opened(plan([wave(11, max_concurrency=10)], calendars=(windows,)))).settle()
    for target_ in range(10):
        hand.accept(target_, operation_sha256=None)
    hand.now += 20 * MINUTE
    for target_ in range(10):
        hand.say(e.StepProved, target_)
    hand.settle(after=MINUTE)

    assert len(hand.state.results) == 10
    assert waiting(hand) == (WaitCause.WINDOW, 24 * HOUR)
    assert hand.of(e.TargetStarted)[-1].target == 9


def test_what_is_in_flight_when_the_window_closes_goes_on_to_its_end() -> None:
    hand = run(wave(1), calendars=(calendar(span(0 * HOUR, HOUR)),)).settle()
    hand.accept(0, operation_sha256=None)
    hand.now += 2 * HOUR

    hand.say(e.StepProved, 0).settle()

    assert hand.state.status is RunStatus.SUCCEEDED


def test_a_target_whose_window_closed_before_its_write_waits_for_its_turn_again() -> None:
    windows = calendar(span(0 * HOUR, 20 * MINUTE), span(24 * HOUR, 25 * HOUR))
    hand = run(wave(1), calendars=(windows,)).settle()
    hand.now += 20 * MINUTE

    hand.say(e.StepChecked, 0).settle()

    assert [one.kind for one in hand.events[-3:]] == [
        "target.returned",
        "window.closed",
        "run.waiting",
    ]
    assert (hand.in_flight, hand.state.in_flight) == ([], 0)
    hand.settle(after=24 * HOUR - 20 * MINUTE)
    hand.end(0)
    assert hand.state.status is RunStatus.SUCCEEDED


@pytest.mark.parametrize(
    ("overrun", "goes_on"), [(Overrun.FINISH, True), (Overrun.STOP_STARTING, False)]
)
def test_a_second_step_outside_of_the_window_goes_by_what_overrun_says(
    overrun: Overrun, goes_on: bool
) -> None:
    windows = calendar(span(0 * HOUR, 20 * MINUTE), span(24 * HOUR, 25 * HOUR), overrun=overrun)
    steps = [target(0, steps=(PIN, PIN))]
    hand = run(wave(1), targets=steps, calendars=(windows,)).settle()
    hand.accept(0, operation_sha256=None)
    hand.say(e.StepProved, 0).settle()
    hand.now += 20 * MINUTE

    hand.say(e.StepChecked, 0).settle()

    if goes_on:
        assert hand.kinds()[-1] == "step.intended"
        return
    assert hand.state.active[0].held is HoldReason.WINDOW
    assert waiting(hand) == (WaitCause.WINDOW, 24 * HOUR)
    hand.settle(after=24 * HOUR - 20 * MINUTE)
    assert hand.kinds()[-1] == "run.waiting", "a GET comes first, and needs nobody to be woken"
    hand.say(e.StepChecked, 0).settle()
    assert hand.kinds()[-2:] == ["run.woken", "step.intended"]


def test_a_closed_window_costs_a_target_none_of_its_time() -> None:
    windows = calendar(
        span(0 * HOUR, 20 * MINUTE), span(24 * HOUR, 25 * HOUR), overrun=Overrun.STOP_STARTING
    )
    hand = run(wave(1), targets=[target(0, steps=(PIN, PIN))], calendars=(windows,)).settle()
    hand.accept(0, operation_sha256=None)
    hand.say(e.StepProved, 0).settle()
    hand.now += 20 * MINUTE
    hand.say(e.StepChecked, 0).settle()

    hand.settle(after=24 * HOUR - 20 * MINUTE)
    hand.now += 29 * MINUTE
    hand.say(e.StepHeld, 0, until=hand.now + HOUR, reason=HoldReason.TRANSIENT).settle()
    assert 0 in hand.state.active
    hand.settle(after=MINUTE)

    assert hand.state.results[0] is Result.TIMED_OUT


def test_a_run_whose_window_never_opens_says_so_and_can_be_stopped() -> None:
    hand = run(wave(1), calendars=(calendar(span(-2 * HOUR, -HOUR)),)).settle()
    assert waiting(hand) == (WaitCause.WINDOW, None)
    assert wake(hand) is None

    hand.ask("stop")

    assert hand.settle().state.status is RunStatus.STOPPED


def test_several_calendars_must_all_be_open_and_a_wave_adds_its_own() -> None:
    calendars = (
        calendar(span(0 * HOUR, 9 * HOUR)),
        calendar(span(2 * HOUR, 5 * HOUR), level=Level.WAVE, name="second"),
        calendar(span(0 * HOUR, 1 * HOUR), level=Level.WAVE, name="nobody's"),
    )
    hand = run(wave(1), wave(1, name="w1", calendars=(1,)), calendars=calendars).settle().end(0)

    assert waiting(hand) == (WaitCause.WINDOW, 2 * HOUR)
    assert starts(hand.settle(after=2 * HOUR)) == [(0, 0 * HOUR), (1, 2 * HOUR)]


# --- calendars of targets ----------------------------------------------------------------


def by_targets(*keys: tuple[int, ...]) -> list[Target]:
    return [target(n, steps=(PIN,), calendars=key) for n, key in enumerate(keys)]


EARLY = calendar(span(HOUR, 2 * HOUR), level=Level.TARGET, name="early")
LATE = calendar(span(3 * HOUR, 4 * HOUR), level=Level.TARGET, name="late")


def test_who_may_start_goes_before_who_may_not_and_everybody_gets_a_turn() -> None:
    hand = run(
        wave(4, max_concurrency=1),
        targets=by_targets((1,), (0,), (), (0,)),
        calendars=(EARLY, LATE),
    ).settle()
    hand.end(2)
    assert waiting(hand) == (WaitCause.WINDOW, HOUR)

    hand.settle(after=HOUR).end(1).end(3)
    assert waiting(hand) == (WaitCause.WINDOW, 3 * HOUR)
    hand.settle(after=2 * HOUR).end(0)

    assert starts(hand) == [(2, 0 * HOUR), (1, HOUR), (3, HOUR), (0, 3 * HOUR)]
    assert hand.state.status is RunStatus.SUCCEEDED


def test_a_window_that_opens_while_others_are_in_flight_lets_its_targets_start() -> None:
    hand = run(wave(2), targets=by_targets((), (0,)), calendars=(EARLY,)).settle()
    assert (hand.in_flight, wake(hand)) == ([0], HOUR)

    hand.settle(after=HOUR)

    assert hand.in_flight == [0, 1]


def test_one_that_is_skipped_outside_of_its_window_is_waited_for_no_more() -> None:
    hand = run(wave(2), targets=by_targets((0,), (1,)), calendars=(EARLY, LATE)).settle()
    hand.ask("skip-target", "c1")

    hand.settle(after=HOUR).end(0)

    assert hand.state.status is RunStatus.SUCCEEDED


# --- overrides ---------------------------------------------------------------------------


def test_a_person_whom_the_plan_names_overrides_a_window() -> None:
    closed = calendar(span(8 * HOUR, 9 * HOUR), overriders=(ALICE.name,))
    hand = run(wave(1), calendars=(closed,)).settle()

    answer = hand.ask("override", "nights")

    assert isinstance(answer, e.WindowOverridden)
    assert starts(hand.settle()) == [(0, 0 * HOUR)]


def test_an_override_of_targets_windows_wakes_them() -> None:
    early = calendar(
        span(HOUR, 2 * HOUR), level=Level.TARGET, name="early", overriders=(ALICE.name,)
    )
    hand = run(wave(2), targets=by_targets((), (0,)), calendars=(early,)).settle()

    hand.ask("override", "early")

    assert hand.settle().in_flight == [0, 1]


def test_an_override_ends_when_it_was_said_to() -> None:
    closed = calendar(span(8 * HOUR, 9 * HOUR), overriders=(ALICE.name,))
    hand = run(wave(2, max_concurrency=1), calendars=(closed,)).settle()
    hand.ask("override", f"nights@{(T0 + HOUR).isoformat()}")
    hand.settle()
    hand.now += HOUR

    hand.end(0)

    assert waiting(hand) == (WaitCause.WINDOW, 8 * HOUR)


@pytest.mark.parametrize(
    ("subject", "said"),
    [
        ("nights", "alice may not override nights; may: bob"),
        ("days", "no calendar of this run is called days: there are nights, mine"),
        ("mine@soon", "soon is no moment such as 2026-12-01T02:00:00Z"),
        ("mine@2020-01-01T00:00:00Z", "2020-01-01T00:00:00Z is over"),
    ],
)
def test_an_override_by_anybody_else_or_of_nothing_is_refused(subject: str, said: str) -> None:
    calendars = (
        calendar(span(8 * HOUR, 9 * HOUR), overriders=("bob",)),
        calendar(span(8 * HOUR, 9 * HOUR), name="mine", overriders=("ALICE",)),
    )
    hand = run(wave(1), calendars=calendars).settle()

    answer = hand.ask("override", subject)

    assert isinstance(answer, e.RequestRefused)
    assert answer.reason == said


# --- moments -----------------------------------------------------------------------------


def test_neither_a_run_nor_a_wave_opens_before_its_moment() -> None:
    hand = run(wave(1), wave(1, name="w1", not_before=T0 + 3 * HOUR), not_before=T0 + HOUR).settle()
    assert waiting(hand) == (WaitCause.NOT_BEFORE, HOUR)

    hand.settle(after=HOUR).end(0)
    assert waiting(hand) == (WaitCause.NOT_BEFORE, 3 * HOUR)
    hand.settle(after=2 * HOUR)

    assert starts(hand) == [(0, HOUR), (1, 3 * HOUR)]


def test_a_run_that_waits_can_be_paused_and_goes_on_waiting_afterwards() -> None:
    hand = run(wave(1), not_before=T0 + HOUR).settle()
    hand.ask("pause")
    assert hand.settle().state.status is RunStatus.PAUSED

    hand.ask("resume")

    assert waiting(hand.settle()) == (WaitCause.NOT_BEFORE, HOUR)


# --- approvals ---------------------------------------------------------------------------

BOB = Actor(name="bob", host="desk", pid=1)
CAROL = Actor(name="carol", host="desk", pid=2)
TWO = ApprovalRule(when=Moment.BEFORE, quorum=2, life=dt.timedelta(days=7))


def approve(hand: Hand, actor: Actor, subject: str = "") -> e.Event:
    return hand.ask("approve", subject, actor=actor)


def test_a_wave_opens_when_enough_people_have_approved_it() -> None:
    hand = run(wave(1, approvals=(TWO,))).settle()
    assert waiting(hand) == (WaitCause.APPROVAL, None)
    assert hand.state.wait is not None
    assert hand.state.wait.detail == "wave w0: 2 approvals are needed before it"

    approve(hand, BOB)
    assert hand.settle().state.wait is not None
    assert hand.state.wait.detail == "wave w0: 1 approval is needed before it"
    approve(hand, CAROL)

    assert hand.settle().in_flight == [0]


def test_the_author_does_not_count_nor_does_anybody_twice() -> None:
    hand = run(wave(1, approvals=(TWO,))).settle()

    own = approve(hand, ALICE)
    approve(hand, BOB)
    again = approve(hand, BOB)

    assert [one.reason for one in (own, again) if isinstance(one, e.RequestRefused)] == [
        "alice began the run: somebody else has to agree",
        "bob has approved wave w0 already",
    ]
    assert waiting(hand.settle()) == (WaitCause.APPROVAL, None)


def test_azure_decides_who_is_who_where_it_named_both() -> None:
    robot = Actor(name="bob", host="desk", pid=1, identity="bob@contoso.example")
    other = Actor(name="bob", host="desk", pid=1, identity="Carol@contoso.example")
    hand = run(wave(1, approvals=(TWO,))).settle()

    approve(hand, robot)
    approve(hand, other)

    assert hand.settle().in_flight == [0]


def test_only_those_count_whom_the_plan_names() -> None:
    rule = ApprovalRule(when=Moment.BEFORE, by=("carol",))
    hand = run(wave(1, approvals=(rule,))).settle()

    refused = approve(hand, BOB)

    assert isinstance(refused, e.RequestRefused)
    assert refused.reason == "bob is not among those who may: carol"
    approve(hand, CAROL)
    assert hand.settle().in_flight == [0]


def test_an_approval_given_early_counts_until_it_is_too_old() -> None:
    second = wave(1, name="w1", approvals=(ApprovalRule(when=Moment.BEFORE, life=HOUR),))
    hand = run(wave(1), second).settle()
    approve(hand, BOB, "w1")

    hand.now += HOUR
    hand.end(0)
    assert waiting(hand) == (WaitCause.APPROVAL, None)
    approve(hand, BOB)

    assert hand.settle().in_flight == [1]


def test_an_approval_after_a_wave_may_come_beside_its_soak_and_both_are_needed() -> None:
    after = ApprovalRule(when=Moment.AFTER)
    hand = run(wave(1, soak=HOUR, approvals=(after,)), wave(1, name="w1")).settle().end(0)
    assert waiting(hand) == (WaitCause.SOAK, HOUR)

    hand.settle(after=HOUR)
    assert waiting(hand) == (WaitCause.APPROVAL, None)
    approve(hand, BOB)
    assert hand.settle().in_flight == [1]

    early = run(wave(1, soak=HOUR, approvals=(after,)), wave(1, name="w1")).settle().end(0)
    approve(early, BOB, "w0:after")
    assert waiting(early.settle()) == (WaitCause.SOAK, HOUR)
    assert early.settle(after=HOUR).in_flight == [1]


@pytest.mark.parametrize(
    ("subject", "said"),
    [
        ("w9", "no wave that is to come is called w9"),
        ("w1", "wave w1 needs no approval"),
        ("w0:after", "wave w0 needs no approval"),
    ],
)
def test_an_approval_of_what_needs_none_is_refused(subject: str, said: str) -> None:
    hand = run(wave(1, approvals=(TWO,)), wave(1, name="w1")).settle()

    answer = approve(hand, BOB, subject)

    assert isinstance(answer, e.RequestRefused)
    assert answer.reason == said


def test_what_joins_a_wave_voids_what_was_agreed_and_what_was_shown() -> None:
    second = wave(1, name="w1", approvals=(ApprovalRule(when=Moment.BEFORE),))
    hand = run(wave(1), second, membership=Membership.FOLLOW).settle()
    approve(hand, BOB, "w1:before#0")
    assert hand.state.approvals

    joined = (target(2, steps=(PIN,)),)
    hand.tell(event(e.RunSurveyed, at=hand.now, wave=0, joined=joined)).settle().end(0)

    assert hand.state.approvals == {}
    hand.tell(
        event(e.RunSurveyed, at=hand.now, wave=1)
    ).settle() if hand.state.is_surveying else None
    stale = approve(hand, CAROL, "w1:before#0")
    assert isinstance(stale, e.RequestRefused)
    assert stale.reason == "what wave w1 does has changed since it was shown: look at it again"
    assert isinstance(approve(hand, CAROL, "w1:before#1"), e.ApprovalGiven)


def test_azures_name_goes_before_the_machines_where_the_plan_names_people() -> None:
    """A shared account of the machine does not make everybody somebody."""
    rule = ApprovalRule(when=Moment.BEFORE, by=("bob",))
    hand = run(wave(1, approvals=(rule,))).settle()

    refused = approve(hand, Actor(name="bob", host="desk", pid=1, identity="eve@contoso.example"))

    assert isinstance(refused, e.RequestRefused)
    assert refused.reason == "eve@contoso.example is not among those who may: bob"
