"""By when a wave and a run must have ended, and what a pause does to it."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from fleet.core import rollout
from fleet.model import events as e
from fleet.model.plan import Wave
from fleet.model.statuses import RunStatus, WaveStatus
from fleet.model.strategy import OnBreach
from tests.rig.byhand import MINUTE, Hand
from tests.rig.fleets import T0, limits, opened, plan, seconds, wave


def run(*waves: Wave, **changes: Any) -> Hand:
    """Open a run whose targets take as long as they like."""
    long = {"progress_deadline": dt.timedelta(days=9), "start_deadline": dt.timedelta(days=9)}
    return Hand(opened(plan(waves, run=limits(**{**long, **changes}))))


def two(n: int = 0, **changes: Any) -> Wave:
    """Two targets, one after the other."""
    return wave(2, name=f"w{n}", max_concurrency=1, **changes)


def due(hand: Hand) -> dt.timedelta | None:
    """Return how long after the beginning the current wave must have ended."""
    at = hand.state.waves[hand.state.current].due_at
    return at - T0 if at else None


def test_a_wave_that_is_not_done_in_its_time_starts_nothing_more_and_ends_the_run() -> None:
    hand = run(two(timeout=40 * MINUTE)).settle()
    assert (due(hand), rollout.decide(hand.state, now=T0).wake_at) == (
        40 * MINUTE,
        T0 + 40 * MINUTE,
    )

    assert hand.settle(after=40 * MINUTE - seconds(1)).of(e.WaveOverdue) == []
    hand.settle(after=seconds(1))

    late = T0 + 40 * MINUTE
    assert hand.of(e.WaveOverdue) == [e.WaveOverdue(at=late, wave=0, due_at=late)]
    assert rollout.decide(hand.state, now=hand.now).reasons == (
        "wave w0 was not done in its time; 1 in flight finish first",
    )
    assert hand.end(0).in_flight == []
    assert (hand.state.status, hand.state.finish_reason) == (
        RunStatus.FAILED,
        "wave w0 was not done in its time: 1 not begun",
    )
    assert hand.state.waves[0].status is WaveStatus.FAILED


def test_a_wave_that_is_done_in_the_last_moment_is_done() -> None:
    hand = run(wave(1, timeout=40 * MINUTE)).settle()
    hand.now += 40 * MINUTE

    assert hand.end(0).state.status is RunStatus.SUCCEEDED
    assert not hand.of(e.WaveOverdue)


def test_a_wave_without_a_limit_may_take_all_the_time() -> None:
    hand = run(two()).settle(after=dt.timedelta(days=3))

    assert (due(hand), hand.of(e.WaveOverdue)) == (None, [])


@pytest.mark.parametrize(("count", "minutes"), [(1, 60), (2, 30), (3, 20)])
def test_the_runs_time_is_shared_among_its_waves(count: int, minutes: int) -> None:
    waves = [wave(1, name=f"w{n}") for n in range(count)]
    hand = run(*waves, run_timeout=60 * MINUTE).settle()

    assert (due(hand), hand.state.due_at) == (minutes * MINUTE, T0 + 60 * MINUTE)


def test_what_an_early_wave_leaves_the_later_ones_share_and_the_last_has_all() -> None:
    hand = run(*(wave(1, name=f"w{n}") for n in range(3)), run_timeout=60 * MINUTE).settle()
    assert due(hand) == 20 * MINUTE

    hand.now += 10 * MINUTE
    hand.end(0)
    assert due(hand) == (10 + 25) * MINUTE
    hand.now += 10 * MINUTE
    hand.end(1)
    assert due(hand) == 60 * MINUTE


def test_waves_that_a_person_skipped_have_no_share() -> None:
    hand = run(*(wave(1, name=f"w{n}") for n in range(3)), run_timeout=60 * MINUTE)
    hand.ask("skip-wave", "w1")

    hand.settle()

    assert due(hand) == 30 * MINUTE


def test_a_wave_has_its_own_time_but_never_more_than_the_run_has_left() -> None:
    waves = [wave(1, timeout=50 * MINUTE), wave(1, name="w1", timeout=50 * MINUTE)]
    hand = run(*waves, run_timeout=60 * MINUTE).settle()
    assert due(hand) == 50 * MINUTE

    hand.now += 20 * MINUTE
    hand.end(0)

    assert due(hand) == 60 * MINUTE


def test_a_run_that_is_late_between_two_waves_opens_the_next_and_begins_nothing() -> None:
    waves = [wave(1, soak=90 * MINUTE), wave(1, name="w1")]
    hand = run(*waves, run_timeout=60 * MINUTE).settle().end(0)

    hand.settle(after=90 * MINUTE)

    assert [one.wave for one in hand.of(e.WaveOverdue)] == [1]
    assert (hand.state.status, hand.state.pending_count) == (RunStatus.FAILED, 1)


# --- pauses -------------------------------------------------------------------------------


def paused(hand: Hand, span: dt.timedelta) -> Hand:
    """Pause a run in which nothing is in flight, and resume it after *span*."""
    hand.ask("pause")
    hand.settle()
    assert hand.state.status is RunStatus.PAUSED
    hand.now += span
    hand.ask("resume")
    return hand.settle()


def test_a_pause_costs_a_wave_and_a_run_none_of_their_time() -> None:
    hand = run(wave(1, soak=30 * MINUTE), two(1, timeout=40 * MINUTE), run_timeout=99 * MINUTE)
    hand.settle().end(0)
    assert hand.state.due_at == T0 + 99 * MINUTE

    paused(hand, 8 * 60 * MINUTE)

    assert hand.state.due_at == T0 + (99 + 480) * MINUTE
    assert due(hand) == 520 * MINUTE
    assert not hand.of(e.WaveOverdue)


def test_a_pause_in_a_wave_moves_its_end() -> None:
    hand = run(two(timeout=40 * MINUTE)).settle()
    hand.now += 30 * MINUTE
    hand.ask("pause")
    hand.end(0)
    assert hand.state.status is RunStatus.PAUSED
    hand.now += 120 * MINUTE
    hand.ask("resume")

    assert due(hand.settle()) == 160 * MINUTE
    assert hand.settle(after=9 * MINUTE).of(e.WaveOverdue) == []
    assert len(hand.settle(after=MINUTE).of(e.WaveOverdue)) == 1


def test_waiting_for_those_in_flight_is_no_pause_yet() -> None:
    hand = run(two(timeout=40 * MINUTE)).settle()
    hand.ask("pause")
    hand.settle(after=10 * MINUTE)
    hand.ask("resume")

    assert due(hand.settle()) == 40 * MINUTE


def overdue(*waves: Wave, **changes: Any) -> Hand:
    """Let the first wave's time pass, and its first target end: then the run has paused."""
    hand = run(*waves, on_breach=OnBreach.PAUSE, **changes).settle()
    hand.settle(after=40 * MINUTE)
    assert hand.kinds()[-1] == "run.pausing"
    hand.end(0)
    assert hand.state.status is RunStatus.PAUSED
    return hand


def test_one_who_resumes_an_overdue_wave_gives_it_its_time_again() -> None:
    hand = overdue(two(timeout=40 * MINUTE))
    assert hand.of(e.RunPausing)[0].reason == "wave w0 was not done in its time"

    hand.now += 60 * MINUTE
    hand.ask("resume")
    hand.settle()

    assert (hand.in_flight, due(hand)) == ([1], 140 * MINUTE)
    hand.settle(after=40 * MINUTE)
    assert len(hand.of(e.WaveOverdue)) == 2
    hand.end(1)
    hand.ask("resume")
    assert hand.settle().state.status is RunStatus.SUCCEEDED


def test_one_who_resumes_an_overdue_run_gives_it_its_time_again() -> None:
    hand = overdue(two(), run_timeout=40 * MINUTE)

    hand.now += 60 * MINUTE
    hand.ask("resume")
    hand.settle()

    assert (hand.state.due_at, due(hand)) == (T0 + 140 * MINUTE, 140 * MINUTE)


def test_a_wave_that_has_its_time_again_has_no_more_than_the_run_has_left() -> None:
    hand = overdue(two(timeout=40 * MINUTE), run_timeout=60 * MINUTE)

    hand.now += 10 * MINUTE
    hand.ask("resume")
    hand.settle()

    assert (hand.state.due_at, due(hand)) == (T0 + 70 * MINUTE, 70 * MINUTE)


def test_an_overdue_wave_that_somebody_pauses_for_another_reason_ends_all_the_same() -> None:
    hand = run(two(timeout=40 * MINUTE)).settle()
    hand.ask("pause")

    hand.settle(after=40 * MINUTE).end(0)

    assert hand.state.status is RunStatus.FAILED
