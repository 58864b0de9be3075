"""The details of folding that the tables do not show."""

from __future__ import annotations

import dataclasses
import datetime as dt
from typing import Any

import pytest

from fleet.core import fold
from fleet.core.moves import Phase
from fleet.core.state import RunState
from fleet.errors import IllegalTransitionError
from fleet.model import events as e
from fleet.model.desired import OnDrift
from fleet.model.plan import Digest
from fleet.model.scope import Unreachable
from fleet.model.statuses import Finding, HoldReason, Result
from fleet.model.strategy import OnBreach
from tests.rig.fleets import T0, folded, limits, opened, opening, plan, seconds, snapshot, wave
from tests.rig.samples import event

DEADLINE = limits().progress_deadline
STARTED = [event(e.WaveOpened), event(e.TargetStarted)]
SENT = [*STARTED, event(e.StepChecked), event(e.StepIntended)]
ACCEPTED = [*SENT, event(e.StepAccepted)]


def life(*events: e.Event, steps: int = 1, **changes: Any) -> RunState:
    return folded(events, opened(plan([wave(3)], steps=steps, **changes)))


def refused(state: RunState, illegal: e.Event, match: str) -> None:
    before = snapshot(state)
    with pytest.raises(IllegalTransitionError, match=match):
        fold.apply(state, illegal)
    assert snapshot(state) == before


@pytest.mark.parametrize(
    ("illegal", "match"),
    [
        pytest.param(event(e.TargetStarted, target=2), "not its turn", id="out of turn"),
        pytest.param(event(e.TargetStarted, target=0), "not its turn", id="twice"),
        pytest.param(event(e.StepChecked, step=1), "of step 1 during step 0", id="other step"),
        pytest.param(event(e.StepChecked, target=9), "while it is Pending", id="no such target"),
        pytest.param(event(e.StepChecked, target=-1), "while it is Pending", id="negative"),
        pytest.param(event(e.StepProved, target=99), "while it is Pending", id="none to prove"),
        pytest.param(
            event(e.StepChecked, finding=Finding.BUSY), "is a hold, not a finding", id="busy"
        ),
        pytest.param(
            event(e.TargetFinished, result=Result.SUCCEEDED),
            "Succeeded is not what its steps came to",
            id="success out of nothing",
        ),
        pytest.param(event(e.WaveOpened, wave=1), "wave 0 is the current", id="other wave"),
    ],
)
def test_what_does_not_fit_is_refused_and_leaves_no_trace(illegal: e.Event, match: str) -> None:
    refused(life(*STARTED), illegal, match)


@pytest.mark.parametrize("attempt", [0, 2, 7])
def test_attempts_count_up_by_one(attempt: int) -> None:
    ready = life(*STARTED, event(e.StepChecked))

    refused(ready, event(e.StepIntended, attempt=attempt), f"attempt {attempt} follows 0")


@pytest.mark.parametrize("answer", [event(e.StepAccepted, attempt=2), event(e.StepLost, attempt=0)])
def test_an_answer_is_to_the_attempt_that_is_out(answer: e.Event) -> None:
    refused(life(*SENT), answer, "during attempt 1")


@pytest.mark.parametrize("level", ["wave", "run"])
def test_nothing_starts_after_a_breach(level: str) -> None:
    breached = life(*STARTED, event(e.BudgetBreached, level=level))

    refused(breached, event(e.TargetStarted, target=1), "nothing may start now")


# --- the header --------------------------------------------------------------------------


def test_a_plan_that_was_altered_is_not_planned() -> None:
    planned = plan([wave(2)])
    header, listed, done, *_ = opening(planned)
    other = Digest("sha256:" + "f" * 64)
    assert isinstance(header, e.RunCreated)
    assert isinstance(listed, e.TargetsListed)

    fewer = dataclasses.replace(listed, targets=listed.targets[:1])
    refused(folded([header, fewer]), done, "1 targets are listed, of 2")
    renamed = dataclasses.replace(header, plan_digest=other)
    refused(folded([renamed, listed]), done, f"not {other}")
    reworded = dataclasses.replace(header, plan=dataclasses.replace(header.plan, name="other"))
    refused(folded([reworded, listed]), done, "the plan's digest is")


def test_targets_are_listed_in_stretches_without_gaps() -> None:
    planned = plan([wave(2)])
    header = opening(planned)[0]

    refused(
        folded([header]),
        event(e.TargetsListed, first=1, targets=planned.targets[1:]),
        "targets from 1 follow 0 targets",
    )


# --- what a step came to -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("finding", "plan_says", "result"),
    [
        pytest.param(Finding.DRIFTED, {}, Result.DRIFTED, id="drift fails"),
        pytest.param(Finding.DRIFTED, {"on_drift": OnDrift.SKIP}, Result.SKIPPED, id="is skipped"),
        pytest.param(Finding.UNREACHABLE, {}, Result.DEFERRED, id="not connected"),
        pytest.param(
            Finding.UNREACHABLE,
            {"unreachable": Unreachable.FAIL},
            Result.FAILED,
            id="not connected fails",
        ),
        pytest.param(Finding.CLUSTER_MISSING, {}, Result.FAILED, id="cluster gone"),
        pytest.param(Finding.DONE, {}, Result.NO_OP, id="nothing to do"),
    ],
)
def test_what_a_check_ends_a_target_with(
    finding: Finding, plan_says: dict[str, Any], result: Result
) -> None:
    state = life(*STARTED, event(e.StepChecked, finding=finding, detail="why"), **plan_says)

    assert state.active[0].phase is Phase.ENDING
    assert state.active[0].ending == (result, "why")


def test_a_write_whose_answer_was_lost_and_took_effect_is_a_success() -> None:
    state = life(*SENT, event(e.StepLost), event(e.StepChecked, finding=Finding.DONE))

    assert state.active[0].ending == (Result.SUCCEEDED, "")


def test_a_target_goes_from_step_to_step_with_clean_hands() -> None:
    state = life(*ACCEPTED, event(e.OperationEnded, error="odd"), event(e.StepProved), steps=2)

    active = state.active[0]
    assert (active.phase, active.step, active.attempt) == (Phase.CHECKING, 1, 0)
    assert (active.mark_before, active.mark_accepted, active.deadline) == (None, None, None)
    assert (active.error, active.has_written) == (None, True)


def test_what_an_operation_said_is_kept_apart_from_what_a_person_should_know() -> None:
    held = event(e.StepHeld, reason=HoldReason.NOT_YET, message="it is still Updating")
    state = life(*ACCEPTED, event(e.OperationEnded, error="helm failed"), held)

    assert (state.active[0].error, state.active[0].message) == (
        "helm failed",
        "it is still Updating",
    )


def test_a_hold_leaves_no_error_behind() -> None:
    """Or the next reading would take the wait for a failure of the operation."""
    held = event(e.StepHeld, reason=HoldReason.NOT_YET, message="it is not there yet")
    lost = [*SENT, event(e.StepLost, message="reset"), event(e.StepChecked, detail="no effect")]
    again = [
        *lost,
        event(e.StepIntended, attempt=2),
        event(e.StepAccepted, attempt=2, operation_sha256=None),
    ]

    assert life(*again).active[0].error is None
    assert life(*again, held).active[0].error is None


# --- holds and deadlines -----------------------------------------------------------------


def held(**changes: Any) -> Any:
    return event(e.StepHeld, **{"until": T0 + dt.timedelta(days=1), **changes})


@pytest.mark.parametrize(
    ("before", "reason", "phase"),
    [
        pytest.param(STARTED, HoldReason.BUSY, Phase.CHECKING, id="before a write"),
        pytest.param(SENT, HoldReason.CONFLICT, Phase.CHECKING, id="a write that was refused"),
        pytest.param(
            [*SENT, event(e.StepLost)], HoldReason.BUSY, Phase.LOST, id="while looking it up"
        ),
        pytest.param(
            ACCEPTED, HoldReason.CONFLICT, Phase.CHECKING, id="an operation that met another"
        ),
        pytest.param(
            [*ACCEPTED, event(e.OperationEnded)], HoldReason.NOT_YET, Phase.PROVING, id="no proof"
        ),
    ],
)
def test_a_hold_wakes_no_later_than_the_deadline_that_applies(
    before: list[e.Event], reason: HoldReason, phase: Phase
) -> None:
    state = life(*before, held(reason=reason))

    assert (state.active[0].phase, state.active[0].held) == (phase, reason)
    assert 0 not in state.agenda
    assert state.timers.moments() == {0: T0 + DEADLINE}


def test_a_hold_after_the_deadline_of_a_proof_is_the_end() -> None:
    late = held(at=T0 + DEADLINE, reason=HoldReason.NOT_YET, message="it is still Updating")

    state = life(*ACCEPTED, late)

    assert state.active[0].ending == (
        Result.TIMED_OUT,
        "not proved in time: it is still Updating",
    )
    assert state.operations == {0: 0}


def test_a_lost_write_that_cannot_be_told_after_the_deadline_is_the_end() -> None:
    late = held(at=T0 + limits().start_deadline, reason=HoldReason.BUSY, message="it is Updating")

    state = life(*SENT, event(e.StepLost), late)

    assert state.active[0].ending == (
        Result.TIMED_OUT,
        "whether the write took effect was not seen in time: it is Updating",
    )


def test_a_timed_out_operation_is_remembered_with_its_own_step() -> None:
    late = T0 + DEADLINE
    state = life(
        *ACCEPTED,
        held(at=late, reason=HoldReason.NOT_YET),
        event(e.TargetFinished, at=late),
        steps=3,
    )

    assert state.operations == {0: 0}
    assert state.agenda == {0: None}


# --- takeover and resume -----------------------------------------------------------------


def test_what_was_read_before_a_takeover_is_read_again() -> None:
    state = life(*STARTED, event(e.StepChecked), event(e.RunTaken))

    assert state.active[0].phase is Phase.CHECKING
    assert state.agenda == {0: None}


@pytest.mark.parametrize(("before", "phase"), [(STARTED, Phase.CHECKING), (ACCEPTED, Phase.LOST)])
def test_a_bug_frees_the_slot_and_resuming_takes_it_again(
    before: list[e.Event], phase: Phase
) -> None:
    later = T0 + dt.timedelta(hours=9)
    state = life(*before, event(e.StepUnknown), event(e.RunPausing, is_bug=True))
    assert (state.in_flight, state.unknown, state.has_bug) == (0, {0}, True)

    fold.apply(state, event(e.RunResumed, at=later))

    active = state.active[0]
    assert (state.in_flight, state.unknown, state.has_bug) == (1, set(), False)
    assert (active.phase, active.step_began_at) == (phase, later)


def test_a_throttled_target_is_left_alone_for_as_long_as_the_service_says() -> None:
    """Even past a deadline: calling early restarts the service's wait."""
    state = life(*SENT, held(reason=HoldReason.THROTTLED))

    assert state.timers.moments() == {0: T0 + dt.timedelta(days=1)}


@pytest.mark.parametrize(
    ("on_breach", "is_forgiven"), [(OnBreach.PAUSE, True), (OnBreach.STOP, False)]
)
def test_resuming_forgives_a_breach_only_where_a_breach_means_pause(
    on_breach: OnBreach, is_forgiven: bool
) -> None:
    failed = [*STARTED, event(e.StepFailed), event(e.TargetFinished, result=Result.FAILED)]
    breaches = [event(e.BudgetBreached), event(e.BudgetBreached, level="run")]

    limit = limits(on_breach=on_breach)
    state = life(*failed, *breaches, event(e.RunPausing), event(e.RunResumed), run=limit)

    expected = (False, 1) if is_forgiven else (True, 0)
    assert (state.is_breached, state.forgiven) == expected
    assert (state.waves[0].is_breached, state.waves[0].forgiven) == expected


def test_only_failures_count_against_a_budget() -> None:
    ends = {
        0: (Finding.DRIFTED, Result.DRIFTED),
        1: (Finding.UNREACHABLE, Result.DEFERRED),
        2: (Finding.CLUSTER_MISSING, Result.FAILED),
    }
    events = [
        one
        for n, (finding, result) in ends.items()
        for one in (
            event(e.TargetStarted, target=n),
            event(e.StepChecked, target=n, finding=finding),
            event(e.TargetFinished, target=n, result=result),
        )
    ]

    state = life(event(e.WaveOpened), *events)

    assert (state.failures, state.waves[0].failures) == (1, 1)
    assert state.counts == {Result.DRIFTED: 1, Result.DEFERRED: 1, Result.FAILED: 1}
    assert state.waves[0].is_drained


def test_the_last_moment_is_the_last_events() -> None:
    assert life(*STARTED, event(e.StepChecked, at=T0 + seconds(7))).last_at == T0 + seconds(7)


def test_nobody_is_late_because_no_runner_was_alive() -> None:
    """A target for which nothing was sent starts its clock anew when a run is taken over."""
    later = T0 + dt.timedelta(hours=8)

    waiting = life(*STARTED, event(e.RunTaken, at=later))
    lost = life(*SENT, event(e.RunTaken, at=later))

    assert waiting.active[0].step_began_at == later
    assert lost.active[0].step_began_at == T0
