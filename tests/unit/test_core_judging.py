"""Gates, soaks and looks: what a run does with what it measures."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from fleet.core import rollout
from fleet.model import events as e
from fleet.model.commands import Look, Measure, Watch
from fleet.model.gates import Gate, Moment, OnVerdict, Probe, ProbeKind, Verdict
from fleet.model.plan import Undo, Wave
from fleet.model.statuses import HoldReason, Result, RunStatus, WaitCause, WaveStatus
from fleet.model.strategy import OnBreach, RollbackScope
from tests.rig.byhand import MINUTE, Hand
from tests.rig.fleets import T0, limits, opened, plan, wave
from tests.rig.samples import event

HOUR = 60 * MINUTE
PROBE = Probe(kind=ProbeKind.PROMETHEUS, url="https://metrics.example", query="up")
ONCE = Gate(name="errors", probe=PROBE)
THRICE = Gate(name="errors", probe=PROBE, interval=5 * MINUTE, count=3)
ENDLESS = Gate(name="errors", probe=PROBE, interval=10 * MINUTE)


def run(*waves: Wave, gates: tuple[Gate, ...] = (), **run_limits: Any) -> Hand:
    return Hand(opened(plan(waves, run=limits(**run_limits), gates=gates)))


def measures(hand: Hand) -> list[tuple[Moment, int]]:
    return [(one.moment, one.number) for one in hand.out if isinstance(one, Measure)]


def measure(hand: Hand, verdict: Verdict = Verdict.PASS, **changes: Any) -> Hand:
    """Answer the last measurement that was asked for."""
    asked = [one for one in hand.out if isinstance(one, Measure)][-1]
    told = event(
        e.GateMeasured,
        at=hand.now,
        wave=asked.wave,
        moment=asked.moment,
        gate=asked.gate.name,
        number=asked.number,
        verdict=verdict,
        **changes,
    )
    return hand.tell(told).settle()


def wake(hand: Hand) -> dt.timedelta | None:
    at = rollout.decide(hand.state, now=hand.now).wake_at
    return None if at is None else at - T0


def status(hand: Hand) -> tuple[RunStatus, WaitCause | None]:
    return hand.state.status, hand.state.wait.cause if hand.state.wait else None


# --- before a wave -----------------------------------------------------------------------


def test_a_gate_before_a_wave_is_passed_before_it_opens() -> None:
    hand = run(wave(1, before_gates=("errors",)), gates=(ONCE,)).settle()
    assert (measures(hand), status(hand)) == ([(Moment.BEFORE, 1)], (RunStatus.RUNNING, None))

    measure(hand)

    assert hand.kinds()[-3:] == ["gate.ended", "wave.opened", "target.started"]


def test_a_gate_is_measured_as_often_as_it_says_and_the_run_waits_meanwhile() -> None:
    hand = run(wave(1, before_gates=("errors",)), gates=(THRICE,)).settle()
    measure(hand)
    assert (status(hand), wake(hand)) == ((RunStatus.WAITING, WaitCause.GATE), 5 * MINUTE)

    measure(hand.settle(after=5 * MINUTE))
    measure(hand.settle(after=5 * MINUTE))

    assert measures(hand) == [(Moment.BEFORE, 1), (Moment.BEFORE, 2), (Moment.BEFORE, 3)]
    assert hand.in_flight == [0]
    assert len(hand.of(e.RunWoken)) == 1, "it is measured without being woken"
    looks = [one.look_at and one.look_at - T0 for one in hand.of(e.RunWaiting)]
    assert looks == [5 * MINUTE, 10 * MINUTE], "whoever is away knows when to be back"


def test_the_first_measurement_waits_as_long_as_the_gate_says() -> None:
    late = Gate(name="errors", probe=PROBE, initial_delay=7 * MINUTE)
    hand = run(wave(1, before_gates=("errors",)), gates=(late,)).settle()
    assert (measures(hand), wake(hand)) == ([], 7 * MINUTE)

    assert measures(hand.settle(after=7 * MINUTE)) == [(Moment.BEFORE, 1)]


@pytest.mark.parametrize(
    ("verdict", "key"),
    [
        (Verdict.FAIL, "on_fail"),
        (Verdict.INCONCLUSIVE, "on_inconclusive"),
        (Verdict.NO_DATA, "on_no_data"),
    ],
)
@pytest.mark.parametrize("action", [OnVerdict.STOP, OnVerdict.PAUSE, OnVerdict.CONTINUE])
def test_a_gate_that_does_not_pass_leads_to_what_it_says(
    verdict: Verdict, key: str, action: OnVerdict
) -> None:
    gate = Gate(name="errors", probe=PROBE, **{key: action})  # type: ignore[arg-type]
    hand = run(wave(1, before_gates=("errors",)), gates=(gate,)).settle()

    measure(hand, verdict, detail="it is 0.2")

    expected = {
        OnVerdict.STOP: RunStatus.FAILED,
        OnVerdict.PAUSE: RunStatus.PAUSED,
        OnVerdict.CONTINUE: RunStatus.RUNNING,
    }
    assert hand.state.status is expected[action]
    if action is OnVerdict.STOP:
        assert hand.state.finish_reason == f"gate errors before wave w0: {verdict}: it is 0.2"
        assert hand.state.waves[0].status is WaveStatus.FAILED
        assert hand.of(e.TargetStarted) == []


def test_a_gate_whose_probe_does_not_answer_ends_after_five_times() -> None:
    hand = run(wave(1, before_gates=("errors",)), gates=(ONCE,)).settle()

    for _ in range(5):
        measure(hand, Verdict.ERROR, values=(), detail="no answer").settle(after=10 * MINUTE)

    assert hand.state.status is RunStatus.PAUSED
    (ended,) = hand.of(e.GateEnded)
    assert (ended.verdict, ended.action) == (Verdict.ERROR, OnVerdict.PAUSE)


def test_a_rehearsal_lets_the_run_go_on_whatever_it_comes_to() -> None:
    gate = Gate(name="errors", probe=PROBE, is_dry_run=True)
    hand = run(wave(1, before_gates=("errors",)), gates=(gate,)).settle()

    measure(hand, Verdict.FAIL)

    assert hand.in_flight == [0]


def test_who_resumes_a_run_that_a_gate_paused_has_it_measured_again() -> None:
    gate = Gate(name="errors", probe=PROBE, on_fail=OnVerdict.PAUSE)
    hand = run(wave(1, before_gates=("errors",)), gates=(gate,)).settle()
    measure(hand, Verdict.FAIL)

    hand.ask("resume")
    measure(hand.settle())

    assert measures(hand) == [(Moment.BEFORE, 1), (Moment.BEFORE, 1)]
    assert hand.in_flight == [0]


def test_a_person_lets_a_run_go_on_whatever_a_gate_says() -> None:
    gate = Gate(name="errors", probe=PROBE, on_fail=OnVerdict.PAUSE)
    hand = run(wave(1, before_gates=("errors",)), gates=(gate,)).settle()
    measure(hand, Verdict.FAIL)

    hand.ask("skip-gate", "errors")
    hand.ask("resume")

    assert hand.settle().in_flight == [0]
    refused = hand.ask("skip-gate", "errors")
    assert isinstance(refused, e.RequestRefused)
    assert refused.reason == "no gate called errors holds anything up"


def test_whoever_takes_over_measures_what_was_being_measured() -> None:
    hand = run(wave(1, before_gates=("errors",)), gates=(ONCE,)).settle()
    hand.state.measuring.clear()
    hand.tell(event(e.RunTaken, at=hand.now))

    assert measures(hand.settle()) == [(Moment.BEFORE, 1), (Moment.BEFORE, 1)]


# --- after a wave ------------------------------------------------------------------------


def test_a_gate_after_a_wave_is_passed_before_the_next_one_opens() -> None:
    hand = run(wave(1, after_gates=("errors",)), wave(1, name="w1"), gates=(ONCE,)).settle()
    hand.end(0)
    assert (hand.in_flight, measures(hand)) == ([], [(Moment.AFTER, 1)])

    assert measure(hand).in_flight == [1]


def test_a_gate_after_the_last_wave_decides_how_the_run_ends() -> None:
    hand = run(wave(1, after_gates=("errors",)), gates=(ONCE,)).settle().end(0)

    measure(hand, Verdict.FAIL)

    assert hand.state.status is RunStatus.FAILED


def test_a_gate_takes_back_what_was_changed() -> None:
    gate = Gate(name="errors", probe=PROBE, on_fail=OnVerdict.ROLLBACK)
    undo = Undo(scope=RollbackScope.RUN, max_concurrency=1)
    hand = run(
        wave(1),
        wave(1, name="w1", before_gates=("errors",), approvals=()),
        gates=(gate,),
        undo=undo,
        on_breach=OnBreach.STOP,
    ).settle()
    hand.end(0)

    measure(hand, Verdict.FAIL, detail="it is 0.2")

    (back,) = hand.of(e.RunRollingBack)
    assert back.reason == "gate errors before wave w1: Fail: it is 0.2"


# --- soak --------------------------------------------------------------------------------


def soaked(**changes: Any) -> Wave:
    defaults: dict[str, Any] = {"soak": HOUR, "observe_every": 20 * MINUTE}
    return wave(2, **(defaults | changes))


def look(hand: Hand, *relapsed: int, is_seen: bool = True) -> Hand:
    told = event(
        e.WaveObserved,
        at=hand.now,
        wave=hand.state.current,
        relapsed=relapsed,
        detail="c0: it is Failed" if relapsed else "",
        is_seen=is_seen,
    )
    return hand.tell(told).settle()


def looks(hand: Hand) -> list[Look]:
    return [one for one in hand.out if isinstance(one, Look)]


def test_all_that_a_wave_changed_is_looked_at_throughout_its_soak() -> None:
    hand = run(soaked(), wave(1, name="w1")).settle().end(0).end(1)
    assert (status(hand), wake(hand)) == ((RunStatus.WAITING, WaitCause.SOAK), 20 * MINUTE)

    look(hand.settle(after=20 * MINUTE))
    look(hand.settle(after=20 * MINUTE))
    hand.settle(after=20 * MINUTE)

    assert looks(hand) == [Look(wave=0, members=(0, 1))] * 2
    assert hand.in_flight == [2]


def test_a_relapse_counts_as_a_failure_and_starts_the_clock_again() -> None:
    hand = run(soaked(max_failures=1), wave(1, name="w1")).settle().end(0).end(1)

    look(hand.settle(after=20 * MINUTE), 0)

    assert hand.state.results == {0: Result.FAILED, 1: Result.SUCCEEDED}
    assert hand.state.waves[0].soaks_until == T0 + 80 * MINUTE
    assert hand.state.failures == 1
    hand.settle(after=20 * MINUTE)
    assert looks(hand)[-1] == Look(wave=0, members=(1,))
    look(hand).settle(after=40 * MINUTE)
    assert hand.in_flight == [2]
    assert hand.state.waves[0].status is WaveStatus.SUCCEEDED_WITH_FAILURES


def test_a_relapse_too_many_breaks_the_budget() -> None:
    hand = run(soaked(), wave(1, name="w1")).settle().end(0).end(1)

    look(hand.settle(after=20 * MINUTE), 0)

    assert hand.state.status is RunStatus.FAILED
    assert hand.state.details[0] == "it was as planned, and is not any more: c0: it is Failed"


def test_a_soak_ends_only_when_all_was_found_well_often_enough() -> None:
    hand = run(soaked(min_observations=4), wave(1, name="w1")).settle().end(0).end(1)
    for _ in range(3):
        look(hand.settle(after=20 * MINUTE))
    assert hand.state.wait is not None
    assert hand.state.wait.detail == "wave w0 soaks, until it was looked at 4 times"

    look(hand.settle(after=20 * MINUTE), is_seen=False)
    assert hand.in_flight == []
    look(hand.settle(after=20 * MINUTE))

    assert hand.in_flight == [2]


def test_a_person_ends_a_soak_however_seldom_it_was_looked() -> None:
    hand = run(soaked(min_observations=4), wave(1, name="w1")).settle().end(0).end(1)

    hand.ask("skip-soak")

    assert hand.settle().in_flight == [2]


def test_a_gate_without_an_end_is_measured_until_the_soak_is_over() -> None:
    hand = run(
        wave(1, soak=25 * MINUTE, soak_gates=("errors",)), wave(1, name="w1"), gates=(ENDLESS,)
    )
    hand.settle().end(0)
    for _ in range(3):
        measure(hand).settle(after=10 * MINUTE)

    assert len(measures(hand)) == 3
    (ended,) = hand.of(e.GateEnded)
    assert (ended.verdict, hand.in_flight) == (Verdict.PASS, [1])


def test_a_gate_that_fails_in_the_soak_stops_the_run_at_once() -> None:
    hand = run(wave(1, soak=HOUR, soak_gates=("errors",)), wave(1, name="w1"), gates=(ENDLESS,))
    hand.settle().end(0)
    measure(hand).settle(after=10 * MINUTE)

    measure(hand, Verdict.FAIL)

    assert hand.state.status is RunStatus.FAILED
    assert hand.state.finish_reason == "gate errors in the soak of wave w0: Fail"


def test_a_pause_counts_for_no_soak_in_which_somebody_looks() -> None:
    hand = run(soaked(), wave(1, name="w1")).settle().end(0).end(1)
    hand.ask("pause")
    hand.settle().settle(after=10 * HOUR)

    hand.ask("resume")

    assert hand.settle().state.waves[0].soaks_until == T0 + 11 * HOUR


def test_the_last_wave_soaks_where_something_is_looked_at() -> None:
    watched, plain = run(soaked()), run(soaked(observe_every=None))

    for hand in (watched, plain):
        hand.settle().end(0).end(1)

    assert [one.state.status for one in (watched, plain)] == [
        RunStatus.WAITING,
        RunStatus.SUCCEEDED,
    ]


# --- a target's own soak -----------------------------------------------------------------


def watched(**changes: Any) -> Wave:
    defaults: dict[str, Any] = {
        "min_success_time": 30 * MINUTE,
        "min_observations": 3,
        "max_concurrency": 1,
    }
    return wave(2, **(defaults | changes))


def watch(hand: Hand) -> Hand:
    """Find target 0 well."""
    return hand.say(e.TargetObserved, 0).settle()


def test_a_target_keeps_its_slot_until_it_has_stayed_well() -> None:
    hand = run(watched()).settle().end(0)
    assert (hand.in_flight, wake(hand)) == ([0], 10 * MINUTE)

    for _ in range(2):
        watch(hand.settle(after=10 * MINUTE))
        assert hand.in_flight == [0]
    watch(hand.settle(after=10 * MINUTE))

    assert [one for one in hand.out if isinstance(one, Watch)] == [
        Watch(target=0, step=0, held_count=0, since=T0)
    ] * 3
    assert hand.state.results == {0: Result.SUCCEEDED}
    assert hand.in_flight == [1]


def test_a_target_that_is_not_well_any_more_has_failed_and_frees_its_slot_at_once() -> None:
    hand = run(watched(max_failures=1)).settle().end(0)

    hand.settle(after=10 * MINUTE).say(e.StepFailed, 0).settle()

    assert hand.state.results == {0: Result.FAILED}
    assert hand.in_flight == [1]


def test_a_look_that_did_not_succeed_proves_nothing_and_is_made_again() -> None:
    hand = run(watched(min_observations=0)).settle().end(0)
    hand.settle(after=30 * MINUTE)

    hand.say(e.StepHeld, 0, reason=HoldReason.TRANSIENT, until=hand.now + MINUTE).settle()
    assert hand.in_flight == [0]
    watch(hand.settle(after=MINUTE))

    assert hand.state.results == {0: Result.SUCCEEDED}


def test_a_target_that_nobody_can_look_at_has_timed_out_in_the_end() -> None:
    hand = run(watched(max_failures=1)).settle().end(0)
    hand.settle(after=HOUR)

    hand.say(e.StepHeld, 0, reason=HoldReason.TRANSIENT, until=hand.now + MINUTE).settle()

    assert hand.state.results == {0: Result.TIMED_OUT}


def test_a_run_that_is_stopped_does_not_wait_for_targets_to_stay_well() -> None:
    hand = run(watched()).settle().end(0)
    hand.ask("stop")

    hand.settle(after=10 * MINUTE)

    assert (hand.state.results, hand.state.status) == (
        {0: Result.SUCCEEDED},
        RunStatus.STOPPED,
    )
