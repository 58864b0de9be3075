"""Open Cluster Management's view of one cluster under way, and when it looks again."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from fleet.core import rollout
from fleet.model import events as e
from fleet.model.commands import Prove
from fleet.model.statuses import HoldReason, Result
from tests.rig import peers
from tests.rig.byhand import Hand
from tests.rig.fleets import T0, limits, opened, plan, seconds, wave
from tests.rig.peers import Case

TABLES = peers.tables("ocm_helpers")

NO_SLOT = "the time after a success is the wave's soak: it holds up the next wave, and no slot"
DIFFERING = {
    "Succeeded status within the minSuccessTime": NO_SLOT,
    "Succeeded status with nil LastTransitionTime and minSuccessTime": NO_SLOT,
    "Failed status outside of the timeout duration": (
        "a failure is final at once, and frees its slot: it never becomes a time-out"
    ),
}


def _under_way(case: Case) -> Hand:
    """Bring a cluster to where the case has it, and let its time pass."""
    given = case["input"]
    run = limits(progress_deadline=seconds(case["timeoutSeconds"] or 3600))
    began = T0 + seconds(given.get("lastTransitionOffsetSeconds", 0))
    soak = seconds(case["minSuccessTimeSeconds"])
    waves = [wave(1, soak=soak), wave(1, name="next")]
    hand = Hand(opened(plan(waves, run=run)), now=began)
    if given["status"] == "Skip":
        hand.ask("skip-target", "c0")
    hand.settle()
    _bring(hand, given["status"])
    return hand


def _bring(hand: Hand, status: str) -> None:
    if status in ("Succeeded", "Failed", "TimeOut"):
        ends = {"Succeeded": Result.SUCCEEDED, "Failed": Result.FAILED}
        hand.end(0, ends.get(status, Result.TIMED_OUT))
    elif status == "Progressing" or status.startswith("Unknown"):
        # What a word that nobody knows says of a cluster is: not yet.
        hand.accept(0).settle()


def _looked_at(hand: Hand) -> dict[str, Any]:
    """Look at the cluster now: is it in flight, when is it looked at again, did it time out."""
    before = 0 in hand.state.results
    hand.now = max(T0, hand.now)
    hand.settle()
    if isinstance(hand.out[-1], Prove) and 0 in hand.state.active:
        hand.say(e.StepHeld, 0, reason=HoldReason.NOT_YET).settle()
    is_new = hand.state.results.get(0) is Result.TIMED_OUT and not before
    wake_at = hand.state.timers.next_at if 0 in hand.state.active else None
    return {
        "inFlight": 0 in hand.state.active,
        "recheck": (wake_at - T0).total_seconds() if wake_at else None,
        "timedOut": is_new,
    }


@pytest.mark.parametrize("case", peers.named(TABLES.get("determineRolloutStatus", ())))
def test_where_a_cluster_stands(case: Case) -> None:
    found = _looked_at(_under_way(case))

    theirs = {
        "inFlight": bool(case["expectInFlight"]),
        "recheck": next(
            (one.get("recheckAtOffsetSeconds") for one in case["expectInFlight"]), None
        ),
        "timedOut": bool(case["expectTimeOut"]),
    }
    peers.compare(case["name"], found, theirs, differing=DIFFERING)


@pytest.mark.parametrize("case", peers.named(TABLES.get("minRecheckAfter", ())))
def test_when_it_is_looked_again(case: Case) -> None:
    """Whoever has a moment of its own waits for it; the run wakes at the first of them."""
    count = len(case["inFlight"])
    hand = Hand(opened(plan([wave(count)] if count else []))).settle()
    for n, one in enumerate(case["inFlight"]):
        after: int | None = one.get("recheckAtOffsetSeconds")
        if after is not None:
            until = T0 + dt.timedelta(seconds=after)
            hand.say(e.StepHeld, n, reason=HoldReason.TRANSIENT, until=until)

    wake_at = rollout.decide(hand.settle().state, now=T0).wake_at

    found = (wake_at - T0).total_seconds() if wake_at else None
    peers.compare(case["name"], found, case["expectRecheckAfterSeconds"], differing=DIFFERING)


def test_every_difference_that_is_listed_is_a_case() -> None:
    names = {one["name"] for one in TABLES.get("determineRolloutStatus", ())}

    assert not TABLES or DIFFERING.keys() <= names
