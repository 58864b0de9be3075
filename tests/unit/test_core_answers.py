"""What people ask of a run in every status, and whom and what they may skip."""

from __future__ import annotations

from typing import Any

import pytest

from fleet.core import answers
from fleet.errors import IllegalTransitionError
from fleet.model import events as e
from fleet.model.plan import CATCH_UP
from fleet.model.statuses import Finding, HoldReason, Result, RunStatus, WaveStatus
from tests.rig.byhand import MINUTE, Hand
from tests.rig.fleets import ALICE, T0, folded, opened, opening, plan, target, wave
from tests.rig.samples import event

WHO: dict[str, Any] = {"at": T0, "actor": ALICE, "reason": "because", "request_id": "q"}
PLAN = plan([wave(2, max_concurrency=1, max_failures=2), wave(1, name="w1")])


def run(*events: e.Event) -> Hand:
    """Open a run of three targets in two waves."""
    return Hand(folded(events, opened(PLAN))).settle()


def refused(asked: str, why: str) -> e.RequestRefused:
    """An answer that changes nothing."""
    return e.RequestRefused(at=T0, actor=ALICE, asked=asked, reason=why, request_id="q")


BACK = [
    event(e.WaveOpened),
    event(e.WaveClosed, status=WaveStatus.FAILED),
    event(e.RunRollingBack),
]
STATUSES: dict[RunStatus, list[e.Event]] = {
    RunStatus.RUNNING: [],
    RunStatus.PAUSING: [event(e.RunPausing)],
    RunStatus.PAUSED: [event(e.RunPausing), event(e.RunPaused)],
    RunStatus.STOPPING: [event(e.RunStopping)],
    RunStatus.ROLLING_BACK: BACK,
    RunStatus.STOPPED: [event(e.RunStopping), event(e.RunFinished, status=RunStatus.STOPPED)],
    RunStatus.SUCCEEDED: [event(e.RunFinished)],
    RunStatus.SUCCEEDED_WITH_FAILURES: [
        event(e.RunFinished, status=RunStatus.SUCCEEDED_WITH_FAILURES)
    ],
    RunStatus.FAILED: [event(e.RunFinished, status=RunStatus.FAILED)],
    RunStatus.ROLLED_BACK: [*BACK, event(e.RunFinished, status=RunStatus.ROLLED_BACK)],
}
MEANT = {
    "pause": (e.RunPausing, {RunStatus.RUNNING, RunStatus.ROLLING_BACK}),
    "resume": (e.RunResumed, {RunStatus.PAUSING, RunStatus.PAUSED}),
    "stop": (
        e.RunStopping,
        {RunStatus.RUNNING, RunStatus.ROLLING_BACK, RunStatus.PAUSING, RunStatus.PAUSED},
    ),
}


@pytest.mark.parametrize("status", STATUSES)
@pytest.mark.parametrize("asked", MEANT)
def test_a_pause_a_resume_and_a_stop_in_every_status(asked: str, status: RunStatus) -> None:
    state = folded(STATUSES[status], opened(PLAN))
    cls, statuses = MEANT[asked]

    found = answers.answer(
        state, asked=asked, actor=ALICE, reason="because", request_id="q", now=T0
    )

    is_done = status in statuses
    assert found == (cls(**WHO) if is_done else refused(asked, f"the run is {status}"))


@pytest.mark.parametrize("status", STATUSES)
@pytest.mark.parametrize(
    ("asked", "subject", "done"),
    [
        ("skip-target", "c2", e.TargetSkipped(target=2, **WHO)),
        ("skip-wave", "w1", e.WaveSkipped(wave=1, **WHO)),
        ("skip-soak", "", refused("skip-soak", "no wave is soaking")),
    ],
)
def test_skipping_in_every_status(
    asked: str, subject: str, done: e.Event, status: RunStatus
) -> None:
    state = folded(STATUSES[status], opened(PLAN))

    found = answers.answer(
        state,
        asked=asked,
        subject=subject,
        actor=ALICE,
        reason="because",
        request_id="q",
        now=T0,
    )

    is_over = status.is_terminal or status is RunStatus.STOPPING
    assert found == (refused(asked, f"the run is {status}") if is_over else done)


# --- a target -----------------------------------------------------------------------------


def test_one_that_waits_is_skipped_by_name_or_id_in_any_case_and_has_no_turn() -> None:
    hand = run()
    assert hand.ask("skip-target", "C1") == e.TargetSkipped(target=1, **WHO)
    assert hand.ask("skip-target", "/C/2") == e.TargetSkipped(target=2, **WHO)

    hand.end(0)

    assert (hand.state.status, hand.state.finish_reason) == (RunStatus.SUCCEEDED, "2 skipped")
    assert hand.state.results[1] is Result.SKIPPED
    assert (hand.state.details, hand.state.failures) == (
        {1: "because (by alice@ops-1)", 2: "because (by alice@ops-1)"},
        0,
    )
    assert [one.target for one in hand.of(e.TargetStarted)] == [0]


@pytest.mark.parametrize(
    ("before", "subject", "why"),
    [
        pytest.param([], "c0", "c0 is being changed: it cannot be skipped any more", id="begun"),
        pytest.param([], "c9", "no target is called c9", id="unknown"),
        pytest.param([], "", "no target is called ", id="nobody"),
        pytest.param(
            [event(e.StepFailed), event(e.TargetFinished, result=Result.FAILED)],
            "c0",
            "c0 is Failed already",
            id="ended",
        ),
        pytest.param(
            [event(e.TargetSkipped, target=1)], "c1", "c1 is Skipped already", id="skipped"
        ),
    ],
)
def test_who_cannot_be_skipped_and_why(before: list[e.Event], subject: str, why: str) -> None:
    hand = run().tell(*before)

    assert hand.ask("skip-target", subject) == refused("skip-target", why)


def test_one_of_two_with_one_name_is_skipped_by_its_id() -> None:
    twins = [target(0, cluster_name="twin"), target(1, cluster_name="twin")]
    hand = Hand(opened(plan([wave(2)], targets=twins)))

    assert hand.ask("skip-target", "twin") == refused(
        "skip-target", "2 targets are called twin: name it by its id"
    )
    assert hand.ask("skip-target", "/c/1") == e.TargetSkipped(target=1, **WHO)


def test_one_that_needs_no_change_is_not_skipped() -> None:
    targets = [target(0), target(1, steps=(), cluster_name="well")]
    hand = Hand(opened(plan([wave(1)], targets=targets)))

    assert hand.ask("skip-target", "well") == refused("skip-target", "well needs no change")


def test_one_that_waits_for_the_catch_up_wave_is_skipped() -> None:
    hand = run().end(0, Result.DEFERRED)
    assert hand.ask("skip-target", "c0") == e.TargetSkipped(target=0, **WHO)

    hand.settle().end(1).end(2)

    assert hand.state.status_counts() == {"Succeeded": 2, "Skipped": 1}


def test_a_journal_cannot_skip_one_that_has_begun() -> None:
    with pytest.raises(IllegalTransitionError, match="while it is not waiting"):
        run().tell(event(e.TargetSkipped, target=0))


# --- a wave -------------------------------------------------------------------------------


def test_a_wave_that_has_not_opened_is_skipped_whole() -> None:
    hand = run()
    assert hand.ask("skip-wave", "w1") == e.WaveSkipped(wave=1, **WHO)

    hand.end(0).end(1)

    assert [one.status for one in hand.state.waves] == [WaveStatus.SUCCEEDED, WaveStatus.SKIPPED]
    assert [one.wave for one in hand.of(e.WaveOpened)] == [0]
    assert (hand.state.status, hand.state.finish_reason) == (RunStatus.SUCCEEDED, "1 skipped")


def test_the_first_waves_are_skipped_and_the_next_opens() -> None:
    hand = Hand(opened(plan([wave(1, name=f"w{n}") for n in range(3)])))
    hand.ask("skip-wave", "w1")
    hand.ask("skip-wave", "w0")

    assert (hand.state.current, hand.settle().in_flight) == (2, [2])


def test_of_a_wave_that_is_open_those_in_flight_finish() -> None:
    hand = run()
    assert hand.ask("skip-wave", "w0") == e.WaveSkipped(wave=0, **WHO)
    assert (hand.settle().in_flight, hand.state.results) == ([0], {1: Result.SKIPPED})

    assert hand.end(0).in_flight == [2]
    assert hand.state.waves[0].status is WaveStatus.SUCCEEDED


@pytest.mark.parametrize(
    ("subject", "why"),
    [
        ("w9", "no wave is called w9: there are w0, w1"),
        ("W1", "no wave is called W1: there are w0, w1"),
        ("w0", "wave w0 is Succeeded already"),
    ],
)
def test_what_wave_cannot_be_skipped_and_why(subject: str, why: str) -> None:
    hand = run().end(0).end(1)

    assert hand.ask("skip-wave", subject) == refused("skip-wave", why)


def test_a_wave_is_skipped_once() -> None:
    hand = run()
    hand.ask("skip-wave", "w1")

    assert hand.ask("skip-wave", "w1") == refused("skip-wave", "wave w1 is Skipped already")


def test_a_run_of_which_every_wave_is_skipped_has_changed_nothing() -> None:
    hand = Hand(opened(plan([wave(1)])))
    hand.ask("skip-wave", "w0")

    assert hand.settle().state.status is RunStatus.FAILED
    assert hand.state.finish_reason == "no target was changed: 1 skipped"


def test_nobody_is_put_off_to_a_catch_up_wave_that_was_skipped() -> None:
    """It would never have its turn, and the run would have forgotten it."""
    hand = Hand(opened(plan([wave(2), wave(1, name=CATCH_UP)]))).settle()
    hand.ask("skip-wave", CATCH_UP)

    hand.end(0, Result.DEFERRED).end(1)

    assert (hand.of(e.TargetPutOff), hand.state.pending_count) == ([], 0)
    assert hand.state.results[0] is Result.DEFERRED
    assert (hand.state.status, hand.state.finish_reason) == (
        RunStatus.SUCCEEDED,
        "1 not connected, 1 skipped",
    )


def test_a_journal_cannot_put_off_to_a_catch_up_wave_that_was_skipped() -> None:
    hand = Hand(opened(plan([wave(2), wave(1, name=CATCH_UP)]))).settle()
    hand.ask("skip-wave", CATCH_UP)

    with pytest.raises(IllegalTransitionError, match="it cannot be put off"):
        hand.say(e.StepChecked, 0, finding=Finding.UNREACHABLE).tell(event(e.TargetPutOff))


# --- a soak -------------------------------------------------------------------------------


def test_a_soak_is_skipped_once_and_the_next_wave_opens() -> None:
    hand = Hand(opened(plan([wave(1, soak=60 * MINUTE), wave(1, name="w1")]))).settle().end(0)
    assert hand.state.waves[0].status is WaveStatus.SOAKING

    assert hand.ask("skip-soak") == e.SoakSkipped(wave=0, **WHO)

    assert hand.settle().in_flight == [1]
    assert hand.ask("skip-soak") == refused("skip-soak", "no wave is soaking")


def test_a_soaking_wave_is_not_skipped_any_more() -> None:
    hand = Hand(opened(plan([wave(1, soak=60 * MINUTE), wave(1, name="w1")]))).settle().end(0)

    assert hand.ask("skip-wave", "w0") == refused("skip-wave", "wave w0 is Soaking already")


def test_a_paused_soak_that_is_skipped_opens_nothing_before_the_resume() -> None:
    hand = Hand(opened(plan([wave(1, soak=60 * MINUTE), wave(1, name="w1")]))).settle().end(0)
    hand.ask("pause")
    hand.settle()
    hand.ask("skip-soak")

    assert hand.settle().in_flight == []
    hand.ask("resume")
    assert hand.settle().in_flight == [1]


# --- repeats ------------------------------------------------------------------------------


def test_a_request_for_what_is_so_already_changes_nothing() -> None:
    hand = run()
    hand.ask("pause")

    assert hand.ask("pause") == refused("pause", "the run is Pausing")
    assert hand.state.stopped_by == (ALICE, "because")


def test_a_stop_ends_a_pause_and_what_was_not_sent_is_skipped() -> None:
    hand = run().say(e.StepHeld, 0, reason=HoldReason.BUSY, until=T0 + MINUTE)
    hand.ask("pause")
    hand.settle()
    hand.ask("stop")

    hand.settle(after=MINUTE)

    assert (hand.state.status, hand.state.results) == (RunStatus.STOPPED, {0: Result.SKIPPED})


def test_before_the_yes_everything_is_refused() -> None:
    state = folded(opening(PLAN)[:3])

    for asked in ("pause", "resume", "stop", "skip-wave"):
        found = answers.answer(
            state,
            asked=asked,
            subject="w0",
            actor=ALICE,
            reason="because",
            request_id="q",
            now=T0,
        )
        assert found == refused(asked, "the run is Planned")
