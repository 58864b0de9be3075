from __future__ import annotations

import pytest

from fleet.core import finish
from fleet.core.lines import Line
from fleet.core.state import RunState
from fleet.model.events import RunFinished
from fleet.model.statuses import Result, RunStatus
from tests.rig.fleets import ALICE, T0, opened, plan, wave

OK, NO_OP, FAILED = Result.SUCCEEDED, Result.NO_OP, Result.FAILED
GOOD, MIXED, BAD = RunStatus.SUCCEEDED, RunStatus.SUCCEEDED_WITH_FAILURES, RunStatus.FAILED


def ended(*results: Result) -> RunState:
    state = opened(plan([wave(len(results))] if results else []))
    state.results = dict(enumerate(results))
    state.counts.update(results)
    for one in state.waves:
        one.line = Line(one.end, one.end)
    return state


@pytest.mark.parametrize(
    ("results", "status", "reason"),
    [
        pytest.param((), GOOD, "nothing to do", id="nothing to do"),
        pytest.param((OK, OK), GOOD, "every target is as planned", id="all well"),
        pytest.param((NO_OP, NO_OP), GOOD, "every target is as planned", id="all well before"),
        pytest.param((OK, FAILED, Result.TIMED_OUT), MIXED, "1 failed, 1 timed out", id="some"),
        pytest.param((OK, Result.DRIFTED), MIXED, "1 drifted", id="drift is no success"),
        pytest.param((FAILED, FAILED), BAD, "no target was changed: 2 failed", id="none"),
        pytest.param((Result.DRIFTED,), BAD, "no target was changed: 1 drifted", id="all drifted"),
        pytest.param(
            (Result.DEFERRED,), BAD, "no target was changed: 1 not connected", id="none connected"
        ),
        pytest.param((OK, Result.DEFERRED), GOOD, "1 not connected", id="some not connected"),
        pytest.param((OK, Result.SKIPPED), GOOD, "1 skipped", id="some skipped"),
    ],
)
def test_how_a_run_ends(results: tuple[Result, ...], status: RunStatus, reason: str) -> None:
    assert finish.outcome(ended(*results)) == (status, reason)


def test_a_broken_budget_fails_a_run_whatever_succeeded() -> None:
    state = ended(OK, FAILED)
    state.waves[0].is_breached = True

    assert finish.outcome(state) == (BAD, "the failure budget was broken: 1 failed")


def test_an_unknown_outcome_is_no_success() -> None:
    state = ended(OK)
    state.unknown = {1}

    assert finish.outcome(state) == (MIXED, "1 unknown")


def test_a_stop_is_a_stop() -> None:
    state = ended(OK, FAILED)
    state.status, state.stopped_by = RunStatus.STOPPING, (ALICE, "wrong change")

    assert finish.outcome(state) == (RunStatus.STOPPED, "stopped: wrong change")


def test_the_last_event_counts_everything() -> None:
    state = ended(OK, OK, FAILED)
    state.waves[0].line = Line(2, 3)

    assert finish.finished(state, now=T0) == RunFinished(
        at=T0,
        status=MIXED,
        reason="1 failed",
        counts={"Failed": 1, "Succeeded": 2, "Pending": 1},
    )
