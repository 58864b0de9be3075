"""What somebody agrees to who approves, whom it is refused to, and which wave is meant."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from fleet.core import appeals
from fleet.core.appeals import Appeal, Need
from fleet.errors import FleetError, InputError, RefusedError
from fleet.model import events as e
from fleet.model.approvals import ApprovalRule
from fleet.model.events import Actor
from fleet.model.gates import Moment
from tests.rig.byhand import Hand
from tests.rig.fleets import ALICE, opened, plan, wave

BEFORE = ApprovalRule(when=Moment.BEFORE)
AFTER = ApprovalRule(when=Moment.AFTER)
BOB = Actor(name="ops", host="h", pid=1, identity="bob@x.example")


def run(*waves: tuple[ApprovalRule, ...]) -> Hand:
    """A run of waves of one target, each with these rules."""
    made = [wave(1, name=f"w{n}", approvals=rules) for n, rules in enumerate(waves)]
    return Hand(opened(plan(made))).settle()


def asked(hand: Hand, actor: Actor = BOB, **given: Any) -> Appeal:
    return appeals.appeal(hand.state, actor, hand.now, **given)


def test_the_wave_that_waits_is_meant_with_all_that_it_does() -> None:
    hand = run((), (BEFORE,), (BEFORE,))

    assert asked(hand) == Appeal(
        wave=1,
        name="w1",
        when=Moment.BEFORE,
        needs=(Need(rule=BEFORE, given=(), barred=""),),
        targets=(hand.state.targets[1],),
        refusal="",
    )
    assert asked(hand).subject == "w1:before#0"
    assert asked(hand).needs[0].lack == 1


def test_what_has_been_agreed_to_is_passed_over_unless_it_is_named() -> None:
    hand = run((BEFORE, AFTER), (BEFORE,))
    hand.ask("approve", "w0", actor=BOB)
    hand.settle()

    assert asked(hand).subject == "w0:after#0", "the wave has opened meanwhile"
    hand.ask("approve", "w0:after", actor=BOB)
    assert asked(hand).subject == "w1:before#0"
    assert asked(hand, wave="w1").subject == "w1:before#0"


def test_after_a_wave_everybody_who_was_in_it_is_meant() -> None:
    hand = run((AFTER,))
    hand.end(0)

    assert asked(hand).targets == tuple(hand.state.targets)


@pytest.mark.parametrize(
    ("given", "error", "said"),
    [
        ({"wave": "w9"}, InputError, "no wave is called w9"),
        ({"wave": "w0"}, RefusedError, "wave w0 needs no approval"),
        (
            {"wave": "w1", "when": Moment.AFTER},
            RefusedError,
            "wave w1 needs no approval after it",
        ),
    ],
)
def test_what_nobody_need_agree_to_is_said_at_once(
    given: dict[str, Any], error: type[FleetError], said: str
) -> None:
    hand = run((), (BEFORE,))

    with pytest.raises(error, match=said):
        asked(hand, **given)


def test_where_all_have_agreed_nobody_is_asked() -> None:
    hand = run((BEFORE,), ())
    hand.ask("approve", actor=BOB)

    with pytest.raises(RefusedError, match="wave w0 has all approvals that it needs"):
        asked(hand)


def test_the_author_and_whoever_is_not_named_and_whoever_has_agreed_are_refused() -> None:
    hand = run((ApprovalRule(when=Moment.BEFORE, quorum=2, by=("Bob@x.example", "alice")),))

    assert asked(hand).refusal == ""
    assert asked(hand, ALICE).refusal == "alice began the run: somebody else has to agree"
    stranger = Actor(name="eve", host="h", pid=1)
    assert asked(hand, stranger).refusal.startswith("eve is not among those who may: ")
    hand.ask("approve", actor=BOB)
    assert asked(hand).refusal == "bob@x.example has approved it already"
    assert [one.actor for one in asked(hand).needs[0].given] == [BOB]
    assert asked(hand).needs[0].lack == 1


def test_an_approval_that_has_expired_is_needed_again() -> None:
    day = dt.timedelta(days=1)
    hand = run((ApprovalRule(when=Moment.BEFORE, quorum=2, life=day),))
    given = hand.ask("approve", actor=BOB)
    assert isinstance(given, e.ApprovalGiven)

    hand.now += day

    assert (asked(hand).needs[0].given, asked(hand).refusal) == ((), "")
