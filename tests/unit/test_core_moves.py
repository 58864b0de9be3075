"""The whole machine: what is in the tables happens, and what is not is refused without a trace."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, get_args

import pytest

from fleet.core import fold, moves
from fleet.core.moves import Moves, Phase
from fleet.core.state import RunState
from fleet.errors import IllegalTransitionError
from fleet.model import events as e, records
from fleet.model.statuses import HoldReason, Result, RunStatus, WaveStatus
from tests.rig.fleets import T0, folded, limits, opened, opening, plan, snapshot, wave
from tests.rig.samples import event

LATE = T0 + limits().progress_deadline
PLAN = plan([wave(2), wave(1, name="w1")], run=limits())
OPEN = [event(e.WaveOpened)]
CHECKING = [*OPEN, event(e.TargetStarted)]
READY = [*CHECKING, event(e.StepChecked)]
WRITING = [*READY, event(e.StepIntended)]
FOLLOWING = [*WRITING, event(e.StepAccepted)]
PROVING = [*FOLLOWING, event(e.OperationEnded)]
LATE_HOLD = event(e.StepHeld, at=LATE, reason=HoldReason.NOT_YET)
UNKNOWN = [*CHECKING, event(e.StepUnknown), event(e.RunPausing), event(e.RunPaused)]
ENDED = [*CHECKING, event(e.StepFailed), event(e.TargetFinished, result=Result.FAILED)]

PATHS: dict[Phase, Sequence[e.Event]] = {
    Phase.PENDING: OPEN,
    Phase.CHECKING: CHECKING,
    Phase.READY: READY,
    Phase.WRITING: WRITING,
    Phase.LOST: [*WRITING, event(e.StepLost)],
    Phase.FOLLOWING: FOLLOWING,
    Phase.PROVING: PROVING,
    Phase.UNKNOWN: UNKNOWN,
    Phase.SOAKING: [*PROVING, event(e.StepProved), event(e.TargetSoaking)],
    Phase.ENDING: [*CHECKING, event(e.StepFailed)],
    Phase.ENDED: ENDED,
}
TIMED_OUT = [*FOLLOWING, LATE_HOLD, event(e.TargetFinished, at=LATE)]
"""Ended, and its operation was not seen to."""

BACK = [
    event(e.WaveOpened),
    event(e.WaveClosed, status=WaveStatus.FAILED),
    event(e.RunRollingBack),
]
RUN_PATHS: dict[RunStatus, Sequence[e.Event]] = {
    RunStatus.RUNNING: [],
    RunStatus.WAITING: [event(e.RunWaiting)],
    RunStatus.PAUSING: [event(e.RunPausing)],
    RunStatus.PAUSED: [event(e.RunPausing), event(e.RunPaused)],
    RunStatus.STOPPING: [event(e.RunStopping)],
    RunStatus.STOPPED: [event(e.RunStopping), event(e.RunFinished, status=RunStatus.STOPPED)],
    RunStatus.SUCCEEDED: [event(e.RunFinished)],
    RunStatus.SUCCEEDED_WITH_FAILURES: [
        event(e.RunFinished, status=RunStatus.SUCCEEDED_WITH_FAILURES)
    ],
    RunStatus.FAILED: [event(e.RunFinished, status=RunStatus.FAILED)],
    RunStatus.ROLLING_BACK: BACK,
    RunStatus.ROLLED_BACK: [*BACK, event(e.RunFinished, status=RunStatus.ROLLED_BACK)],
}
OF_RUNS = (e.RunWaiting, e.RunWoken, e.WindowOverridden)
OF_WAVES = tuple(cls for cls in get_args(e.JudgementEvent) if cls not in OF_RUNS)
SOAKING = [event(e.WaveOpened), event(e.WaveSoaking)]
WAVE_PATHS: dict[WaveStatus, Sequence[e.Event]] = {
    WaveStatus.NOT_STARTED: [],
    WaveStatus.RUNNING: OPEN,
    WaveStatus.SOAKING: SOAKING,
}


def phase_of(state: RunState) -> Phase:
    if 0 in state.active:
        return state.active[0].phase
    return Phase.ENDED if 0 in state.results else Phase.PENDING


def run_at(status: RunStatus) -> RunState:
    if status is RunStatus.DRAFT:
        return folded(opening(PLAN)[:2])
    if status is RunStatus.PLANNED:
        return folded(opening(PLAN)[:3])
    return folded(RUN_PATHS[status], opened(PLAN))


def refuses(state: RunState, refused: e.Event) -> None:
    before = snapshot(state)
    with pytest.raises(IllegalTransitionError):
        fold.apply(state, refused)
    assert snapshot(state) == before


@pytest.mark.parametrize("phase", Phase)
def test_every_phase_is_reached(phase: Phase) -> None:
    assert phase_of(folded(PATHS[phase], opened(PLAN))) is phase


@pytest.mark.parametrize("status", RunStatus)
def test_every_status_of_a_run_is_reached(status: RunStatus) -> None:
    assert run_at(status).status is status


@pytest.mark.parametrize(
    ("phase", "cls"),
    [
        (phase, cls)
        for phase in Phase
        for cls in get_args(e.TargetEvent)
        if cls.kind not in moves.TARGET_MOVES[phase] or phase is Phase.ENDED
    ],
)
def test_an_event_of_a_target_that_is_not_in_the_table_changes_nothing(
    phase: Phase, cls: type[Any]
) -> None:
    refuses(folded(PATHS[phase], opened(PLAN)), event(cls))


@pytest.mark.parametrize(
    "cls",
    [one for one in get_args(e.TargetEvent) if one.kind not in moves.TARGET_MOVES[Phase.ENDED]],
)
def test_a_target_that_timed_out_hears_of_its_operation_only(cls: type[Any]) -> None:
    refuses(folded(TIMED_OUT, opened(PLAN)), event(cls))


@pytest.mark.parametrize(
    "last",
    [
        event(e.OperationEnded),
        event(e.StepHeld, reason=HoldReason.CONFLICT),
        event(e.StepUnknown),
    ],
)
def test_a_target_that_timed_out_is_let_go_once(last: e.Event) -> None:
    """Whatever its operation came to, a conflict or a bug of ours: the run goes on."""
    state = folded(TIMED_OUT, opened(PLAN))
    assert state.operations == {0: 0}

    fold.apply(state, last)

    assert (state.operations, state.agenda, state.unknown) == ({}, {}, set())
    assert state.results == {0: Result.TIMED_OUT}
    refuses(state, last)


@pytest.mark.parametrize(
    ("status", "cls"),
    [
        (status, cls)
        for status in RunStatus
        for cls in (*get_args(e.RunEvent), *OF_RUNS)
        if cls.kind not in moves.RUN_MOVES[status] and cls is not e.RunCreated
    ],
)
def test_an_event_of_a_run_that_is_not_in_the_table_changes_nothing(
    status: RunStatus, cls: type[Any]
) -> None:
    refuses(run_at(status), event(cls))


@pytest.mark.parametrize("status", RunStatus)
def test_a_second_header_is_refused(status: RunStatus) -> None:
    refuses(run_at(status), opening(PLAN)[0])


@pytest.mark.parametrize(
    ("status", "cls"),
    [
        (status, cls)
        for status in WAVE_PATHS
        for cls in (*get_args(e.WaveEvent), *OF_WAVES)
        if cls.kind not in moves.WAVE_MOVES[status]
    ],
)
def test_an_event_of_a_wave_that_is_not_in_the_table_changes_nothing(
    status: WaveStatus, cls: type[Any]
) -> None:
    refuses(folded(WAVE_PATHS[status], opened(PLAN)), event(cls))


@pytest.mark.parametrize(
    "early",
    [event(cls) for cls in get_args(e.Event) if cls is not e.RunCreated],
    ids=lambda early: early.kind,
)
def test_nothing_comes_before_the_header(early: e.Event) -> None:
    refuses(RunState(), early)


def ends(table: Moves, terminal: Callable[[Any], bool]) -> None:
    for state, kinds in table.items():
        leads_on = {to for several in kinds.values() for to in several} - {state}
        assert bool(leads_on) is not terminal(state), state


def test_terminal_states_are_terminal_and_all_others_lead_on() -> None:
    waves = (
        WaveStatus.SUCCEEDED,
        WaveStatus.SUCCEEDED_WITH_FAILURES,
        WaveStatus.FAILED,
        WaveStatus.SKIPPED,
    )

    ends(moves.RUN_MOVES, lambda status: RunStatus(status).is_terminal)
    ends(moves.WAVE_MOVES, lambda status: status in waves)
    # One that has ended starts again only in a wave that takes back what it changed.
    ended = {**moves.TARGET_MOVES[Phase.ENDED]}
    assert ended.pop("target.started") == {Phase.CHECKING}
    ends({**moves.TARGET_MOVES, Phase.ENDED: ended}, lambda phase: phase is Phase.ENDED)


@pytest.mark.parametrize(
    ("table", "states", "first"),
    [
        pytest.param(moves.RUN_MOVES, RunStatus, RunStatus.DRAFT, id="run"),
        pytest.param(moves.WAVE_MOVES, WaveStatus, WaveStatus.NOT_STARTED, id="wave"),
        pytest.param(moves.TARGET_MOVES, Phase, Phase.PENDING, id="target"),
    ],
)
def test_every_state_is_in_the_table_and_can_be_reached(
    table: Moves, states: Any, first: str
) -> None:
    reached, open_ones = {first}, [first]
    while open_ones:
        found = {to for several in table[open_ones.pop()].values() for to in several}
        open_ones += found - reached
        reached |= found

    assert reached == set(table) == set(states)


def test_every_kind_in_the_tables_is_an_event() -> None:
    tables = (moves.RUN_MOVES, moves.WAVE_MOVES, moves.TARGET_MOVES)

    assert {kind for one in tables for kinds in one.values() for kind in kinds} == set(
        records.KINDS
    )
