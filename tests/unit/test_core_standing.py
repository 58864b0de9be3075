"""Why a cluster is not being changed now: every reason there is, each by a run that has it."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from fleet import zones
from fleet.core import standing
from fleet.core.forecast import Window
from fleet.core.standing import Hold, Standing
from fleet.core.waves import TYPICAL_TARGET
from fleet.errors import InputError
from fleet.model import events as e
from fleet.model.approvals import ApprovalRule
from fleet.model.calendars import Calendar, Level, Rule
from fleet.model.gates import Moment
from fleet.model.plan import Action, Spread, SpreadGroup
from fleet.model.statuses import HoldReason, Result
from tests.rig.byhand import Hand
from tests.rig.fleets import ALICE, T0, opened, plan, target, wave
from tests.rig.samples import event

HOUR = dt.timedelta(hours=1)
NIGHT = Rule(days=tuple(range(7)), at="22:00", until="23:00")
TONIGHT = T0.replace(hour=22)
NIGHTS = Calendar(name="nights", level=Level.RUN, zone="UTC", allow=(NIGHT,), overriders=("alice",))
SITE = Calendar(name="site 7", level=Level.TARGET, zone="UTC", allow=(NIGHT,))


def run(*waves: Any, **changes: Any) -> Hand:
    return Hand(opened(plan(waves, **changes))).settle()


def of(hand: Hand, name: str) -> Standing:
    return standing.of_run(hand.state, name, hand.now)


def window(*, is_open: bool = False) -> Window:
    return Window(opens_at=TONIGHT, closes_at=TONIGHT + HOUR, is_open=is_open)


def test_who_waits_for_a_window_is_told_which_and_when_it_opens_and_closes() -> None:
    hand = run(wave(1), wave(2, name="w1", effective_concurrency=1), calendars=(NIGHTS,))

    assert of(hand, "c2") == Standing(
        target=hand.state.targets[2],
        status="Pending",
        why=(
            "wave w0 comes before its own",
            "wave w0: outside of the change windows of nights until 2026-01-10 22:00:00Z",
        ),
        wave="w1",
        ahead=("wave w0", "1 of wave w1, 1 at once"),
        holds=(Hold(calendar=NIGHTS, window=window()),),
        starts_at=TONIGHT + 2 * TYPICAL_TARGET,
        has_turn=True,
    )


def test_an_override_is_told_with_the_calendar_and_opens_it() -> None:
    hand = run(wave(1), wave(1, name="w1"), calendars=(NIGHTS,))
    given = hand.ask("override", "nights")
    hand.settle()

    found = of(hand, "c1")

    (hold,) = found.holds
    assert hold.override == given
    assert hold.window is not None
    assert hold.window.is_open
    assert found.starts_at == hand.now + TYPICAL_TARGET


def test_own_windows_are_told_apart_from_the_runs() -> None:
    targets = [target(0), target(1, calendars=(0,))]
    hand = run(wave(2), targets=targets, calendars=(SITE,))

    found = of(hand, "c1")

    assert found.why[-1] == "outside of its own windows: site 7"
    assert (found.starts_at, found.holds) == (TONIGHT, (Hold(calendar=SITE, window=window()),))


def test_people_who_have_yet_to_agree_are_waited_for() -> None:
    rule = ApprovalRule(when=Moment.BEFORE, quorum=2)
    hand = run(wave(1, approvals=(rule,)), wave(1, name="w1"))

    first, second = of(hand, "c0"), of(hand, "c1")

    assert first.why == ("wave w0: 2 approvals are needed before it",)
    assert second.why[-1] == "its wave waits: the approval of wave w0"
    assert first.is_after_approval
    assert second.is_after_approval


def test_full_places_of_a_label_are_named() -> None:
    spread = Spread(
        by="tag:site",
        groups=(SpreadGroup(value="7", target_count=2, max_concurrency=1, max_failures=None),),
    )
    targets = [target(n, groups=(0,)) for n in range(2)]
    hand = run(wave(2), targets=targets, spreads=(spread,))

    assert "all places of tag:site=7 are taken" in of(hand, "c1").why


def test_a_pause_comes_first() -> None:
    hand = run(wave(1), wave(1, name="w1"))
    hand.ask("pause")

    assert of(hand, "c1").why[0] == "the run is Pausing"


@pytest.mark.parametrize(
    ("result", "why"),
    [
        (Result.SUCCEEDED, "its turn is over: Succeeded"),
        (Result.FAILED, "its turn is over: Failed: "),
        (Result.NO_OP, "its turn is over: NoOp"),
    ],
)
def test_who_has_ended_is_told_how(result: Result, why: str) -> None:
    hand = run(wave(2, max_failures=2))
    hand.end(0, result)

    found = of(hand, "c0")

    assert (found.status, found.has_turn, found.starts_at) == (str(result), False, None)
    assert found.why[0].startswith(why)


def test_who_is_being_changed_is_told_what_it_waits_for() -> None:
    hand = run(wave(1))
    started = of(hand, "c0")
    until = hand.now + HOUR
    hand.tell(
        event(e.StepHeld, target=0, reason=HoldReason.THROTTLED, until=until, message="too many")
    )

    held = of(hand, "c0")

    assert (started.status, started.why) == (
        "InProgress",
        ("it is being changed: step 1 of 1 (Checking)",),
    )
    assert (held.status, held.why) == (
        "Waiting(throttled)",
        (
            "it was begun, and waits (throttled) until 2026-01-10 03:00:00Z: step 1 of 1",
            "too many",
        ),
    )


@pytest.mark.parametrize(
    ("action", "reason"),
    [
        (Action.SKIP, "held by its tag rollout=hold"),
        (Action.SKIP, "not connected"),
        (Action.NO_CHANGE, "it is as wished"),
        (Action.BLOCKED, "a policy holds another version"),
    ],
)
def test_who_is_never_changed_is_told_why_in_a_plan_and_in_a_run(
    action: Action, reason: str
) -> None:
    left = target(1, action=action, reason=reason, wave=None, steps=())
    made = plan([wave(1)], targets=[target(0), left])
    expected = Standing(
        target=left, status=str(action), why=(f"nothing is done to it ({action}): {reason}",)
    )

    assert standing.of_plan(made, "c1", zones=zones.zone, now=T0) == expected
    assert of(Hand(opened(made)).settle(), "C1") == expected


def test_a_plan_is_explained_as_if_it_were_begun_now() -> None:
    made = plan(
        [wave(1, soak=HOUR), wave(4, name="w1", effective_concurrency=2)], calendars=(NIGHTS,)
    )

    found = standing.of_plan(made, "/c/4", zones=zones.zone, now=TONIGHT - 25 * HOUR)

    # The night after: an hour's soak ends when the window does.
    opens_at = TONIGHT
    assert found == Standing(
        target=made.targets[4],
        status="Planned",
        why=(
            "the plan was not begun",
            "its wave waits: the windows of nights",
        ),
        wave="w1",
        ahead=("wave w0", "3 of wave w1, 2 at once"),
        holds=(
            Hold(
                calendar=NIGHTS,
                window=Window(
                    opens_at=TONIGHT - 24 * HOUR, closes_at=TONIGHT - 23 * HOUR, is_open=False
                ),
            ),
        ),
        starts_at=opens_at + TYPICAL_TARGET,
        has_turn=True,
    )


def test_a_name_that_nobody_has_or_several_is_bad_input() -> None:
    made = plan([wave(3)], targets=[target(0), target(1, cluster_name="c0"), target(2)])

    for name, said in (("c9", "no target is called c9"), ("c0", "2 targets are called c0")):
        with pytest.raises(InputError, match=said):
            standing.of_plan(made, name, zones=zones.zone, now=T0)
    assert standing.number_of(made.targets, "/C/1") == 1


def test_explaining_changes_nothing() -> None:
    hand = run(wave(1), wave(2, name="w1"), calendars=(NIGHTS,))
    before = hand.ask("override", "nights")
    hand.settle()
    decided = [one.kind for one in hand.events]

    of(hand, "c2")
    hand.settle()

    assert isinstance(before, e.WindowOverridden)
    assert before.actor == ALICE
    assert [one.kind for one in hand.events] == decided
