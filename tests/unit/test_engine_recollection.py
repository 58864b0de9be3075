from __future__ import annotations

from typing import Any

import pytest

from fleet.engine.recollection import Recollection
from fleet.model import events as e
from fleet.model.plan import Verb
from fleet.model.statuses import HoldReason
from fleet.model.traces import Trace
from tests.rig.fleets import ALICE, T0, seconds, target
from tests.rig.samples import event

TARGETS = [target(number, subscription=f"s-{number}") for number in range(3)]


def intended(at_s: float, number: int = 0, verb: Verb = Verb.PATCH) -> e.StepIntended:
    found: e.StepIntended = event(
        e.StepIntended, at=T0 + seconds(at_s), target=number, step=0, verb=verb
    )
    return found


def held(
    at_s: float, number: int = 0, *, until_s: float, reason: HoldReason = HoldReason.THROTTLED
) -> e.StepHeld:
    found: e.StepHeld = event(
        e.StepHeld,
        at=T0 + seconds(at_s),
        target=number,
        step=0,
        reason=reason,
        until=T0 + seconds(until_s),
    )
    return found


def other(cls: type[Any], at_s: float, number: int = 0) -> Any:
    return event(cls, at=T0 + seconds(at_s), target=number, step=0)


def sent(at_s: float, number: int = 0, verb: Verb | None = Verb.PATCH) -> Trace:
    return Trace(subscription=f"s-{number}", verb=verb, at=T0 + seconds(at_s))


def recalled(*events: e.Event, now_s: float) -> list[Trace]:
    recollection = Recollection()
    for one in events:
        recollection.note(one)
    return list(recollection.traces(TARGETS, now=T0 + seconds(now_s)))


def test_writes_of_the_last_minutes_are_told_in_order() -> None:
    events = [intended(0), intended(100, 1, Verb.PUT), intended(110, 2, Verb.DELETE)]

    assert recalled(*events, now_s=310) == [sent(100, 1, Verb.PUT), sent(110, 2, Verb.DELETE)]


def test_reads_that_came_to_something_are_told() -> None:
    ended = event(
        e.OperationEnded, at=T0 + seconds(2), target=1, step=0, status="x", error=None, poll_count=3
    )
    events = [other(e.StepChecked, 1), ended, other(e.StepProved, 3), other(e.StepAccepted, 4)]

    assert recalled(*events, now_s=9) == [sent(1, 0, None), sent(2, 1, None), sent(3, 0, None)]


def test_writes_are_kept_no_longer_than_they_count() -> None:
    recollection = Recollection()
    for number in range(1000):
        recollection.note(intended(number))

    assert len(recollection._sent) == 301


def test_what_happens_to_the_run_or_a_wave_says_nothing_of_requests() -> None:
    assert recalled(event(e.RunTaken, actor=ALICE, release="1"), now_s=0) == []


@pytest.mark.parametrize(
    ("before", "verb"),
    [
        ([intended(1, verb=Verb.DELETE)], Verb.DELETE),
        ([intended(1), other(e.StepAccepted, 2)], None),
        ([intended(1), other(e.StepLost, 2)], None),
        ([other(e.StepChecked, 1)], None),
        ([intended(1, 1)], None),
        ([], None),
    ],
)
def test_who_was_throttled_was_writing_if_its_write_had_no_answer_yet(
    before: list[e.Event], verb: Verb | None
) -> None:
    throttled = Trace(
        subscription="s-0", verb=verb, at=T0 + seconds(3), throttled_until=T0 + seconds(900)
    )

    assert recalled(*before, held(3, until_s=900), now_s=890) == [throttled]
    assert recalled(*before, held(3, until_s=900), now_s=4)[-1] == throttled


def test_a_throttle_that_is_over_and_other_holds_say_nothing() -> None:
    events = [held(3, until_s=30), held(3, 1, until_s=900, reason=HoldReason.CONFLICT)]

    assert recalled(*events, now_s=30) == []


def test_of_each_target_the_last_throttle_counts() -> None:
    found = recalled(held(3, until_s=30), held(31, until_s=50), now_s=40)

    assert [one.throttled_until for one in found] == [T0 + seconds(50)]
