"""Azure Kubernetes Fleet Manager's update runs: states, roll-ups, and what a budget comes to."""

from __future__ import annotations

from typing import Any

import pytest

from fleet.core.moves import RUN_MOVES
from fleet.model.statuses import Result, RunStatus as R, WaveStatus
from tests.rig import peers
from tests.rig.byhand import Hand
from tests.rig.fleets import limits, opened, plan, wave
from tests.rig.peers import Case

TABLES = peers.tables("aks_fleet_examples")
THEIRS = TABLES.get("runTransitions", {})

CALLED = {
    R.DRAFT: "NotStarted",
    R.PLANNED: "NotStarted",
    R.RUNNING: "Running",
    R.WAITING: "Running",
    R.ROLLING_BACK: "Running",
    R.PAUSING: "Stopping",
    R.PAUSED: "Stopped",
    R.STOPPING: "Stopping",
    R.STOPPED: "Stopped",
    R.SUCCEEDED: "Completed",
    R.SUCCEEDED_WITH_FAILURES: "Completed",
    R.FAILED: "Failed",
    R.ROLLED_BACK: "Failed",
}
"""What they would call it. They have one word for a pause and for the end of it."""

DIFFERING = {
    ("Running", "Completed"): "their table leaves out how a run ends well",
    ("Running", "Stopping"): "their table leaves out how a run begins to stop",
    ("Stopping", "Running"): "a pause that is taken back before all in flight have ended",
    ("Stopping", "Completed"): "a pause with nothing left to do ends the run",
    ("Stopped", "Stopping"): "a run that is paused can be stopped for good",
}


def _ours() -> set[tuple[str, str]]:
    moves = {
        (CALLED[R(one)], CALLED[R(to)])
        for one, kinds in RUN_MOVES.items()
        for some in kinds.values()
        for to in some
    }
    return {(one, to) for one, to in moves if one != to}


@pytest.mark.skipif(not TABLES, reason="the cases of other engines are not at hand")
@pytest.mark.parametrize("move", sorted(_ours()), ids=" ".join)
def test_our_machine_makes_no_other_move_than_theirs(move: tuple[str, str]) -> None:
    one, to = move

    peers.compare(move_name(move), to in THEIRS[one], True, differing=_NAMED)


def move_name(move: tuple[str, str]) -> str:
    """Return how a move is called in a list of differences."""
    return " ".join(move)


_NAMED = {move_name(move): why for move, why in DIFFERING.items()}


def test_what_has_ended_is_not_begun_again() -> None:
    """Theirs goes on after a failure; ours is followed by a run of its own (``fleet retry``)."""
    ended = [one for one in R if one.is_terminal]

    assert [one for one in ended if RUN_MOVES[one]] == []


# --- roll-ups -----------------------------------------------------------------------------


def _rolled_up(members: tuple[str, ...]) -> Any:
    """Return what a wave, or its run, is called whose targets are so."""
    count = len(members)
    hand = Hand(opened(plan([wave(count)], run=limits(max_failures=0))))
    if set(members) == {"Skipped"}:
        hand.ask("skip-wave", "w0")
        return str(hand.state.waves[0].status)
    hand.settle()
    for n, status in enumerate(members):
        if status == "Failed":
            hand.end(n, Result.FAILED)
    return CALLED[hand.state.status]


ROLLUP_NOT_BUILT = {("Pending", "NotStarted"): "windows: nobody waits for one yet"}
ROLLUP_DIFFERING = {
    "Failed Running": "it runs until those in flight have ended, and says that nothing starts",
}


@pytest.mark.parametrize(
    "case", peers.named(TABLES.get("rollup", ()), lambda one: " ".join(one["members"]))
)
def test_what_members_make_of_their_group(case: Case) -> None:
    members = tuple(case["members"])
    if members in ROLLUP_NOT_BUILT:
        assert "Waiting" not in [str(one) for one in WaveStatus], ROLLUP_NOT_BUILT[members]
        return
    theirs = case.get("expectGroup") or case["expectRun"]

    peers.compare(" ".join(members), _rolled_up(members), theirs, differing=ROLLUP_DIFFERING)


# --- budgets ------------------------------------------------------------------------------

OUTCOMES = TABLES.get("maxAllowedFailures", {}).get("outcomes", ())
OUTCOMES_DIFFERING = {"4 of 4, 4 allowed": "where nothing succeeded nothing is a success"}


def _outcome_name(case: Case) -> str:
    return f"{case['failed']} of {case['clusters']}, {case['maxAllowedFailures']} allowed"


@pytest.mark.parametrize("case", peers.named(OUTCOMES, _outcome_name))
def test_how_a_group_ends_in_which_some_failed(case: Case) -> None:
    allowed, count = int(case["maxAllowedFailures"]), case["clusters"]
    hand = Hand(opened(plan([wave(count, max_failures=allowed)]))).settle()
    for n in range(count):
        hand.end(n, Result.FAILED if n < case["failed"] else Result.SUCCEEDED)

    name = _outcome_name(case)
    peers.compare(
        name, CALLED[hand.state.status], case["expectGroupState"], differing=OUTCOMES_DIFFERING
    )


def test_failures_may_exceed_a_soft_budget_as_those_in_flight_finish() -> None:
    hand = Hand(opened(plan([wave(4)]))).settle()
    for n in range(4):
        hand.end(n, Result.FAILED)

    assert (hand.state.failures, hand.state.plan.waves[0].max_failures) == (4, 0)


def test_every_difference_that_is_listed_is_a_case() -> None:
    assert DIFFERING.keys() <= _ours()
    assert not TABLES or OUTCOMES_DIFFERING.keys() <= set(map(_outcome_name, OUTCOMES))
    assert not TABLES or ROLLUP_DIFFERING.keys() <= {
        " ".join(one["members"]) for one in TABLES["rollup"]
    }
