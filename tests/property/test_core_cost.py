"""What a step costs does not grow with the fleet: work is counted, not time."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from types import FrameType
from typing import Any, NoReturn

import pytest

from fleet.core import fold, rollout
from fleet.core.state import RunState
from fleet.model import events as e
from fleet.model.commands import Check, Follow, Prove, Send
from tests.rig import fleets

PARALLEL = 50
WARM_UP, COUNTED = 200, 400


class Unscanned(dict[Any, Any]):
    """A map that may be asked for one key, and never gone through."""

    def __iter__(self) -> NoReturn:
        raise AssertionError

    keys = values = items = copy = __iter__


class UnscannedList(list[Any]):
    """The same for a list."""

    def __iter__(self) -> NoReturn:
        raise AssertionError


def opened(size: int) -> RunState:
    target = fleets.target()
    planned = fleets.plan(
        [fleets.wave(size, max_concurrency=PARALLEL, max_failures=size)], targets=[target] * size
    )
    state = fleets.opened(planned)
    state.targets = UnscannedList(state.targets)
    state.results, state.details = Unscanned(), Unscanned()
    return state


def outcome(command: Check | Send | Follow | Prove) -> e.Event:
    cls = {Check: e.StepChecked, Send: e.StepAccepted, Follow: e.OperationEnded}.get(
        type(command), e.StepProved
    )
    event: e.Event = fleets.event(cls, target=command.target)
    return event


def life(state: RunState) -> Iterator[int]:
    """Play one event after another, and yield after each how many have been."""
    count = 0
    waiting: list[Any] = []
    while True:
        decision = rollout.decide(state, now=fleets.T0)
        for event in decision.events:
            fold.apply(state, event)
            count += 1
            yield count
        rollout.hand_out(state, decision)
        waiting += decision.commands
        if decision.is_idle:
            fold.apply(state, outcome(waiting.pop(0)))
            count += 1
            yield count


def calls_of(state: RunState) -> int:
    """Count every call, of Python and of C, of some hundred events in the middle of a run."""
    count = 0

    def note(_frame: FrameType, event: str, _arg: Any) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    playing = life(state)
    while next(playing) < WARM_UP:
        pass
    sys.setprofile(note)
    try:
        while next(playing) < WARM_UP + COUNTED:
            pass
    finally:
        sys.setprofile(None)
    return count


def test_twenty_times_the_fleet_is_the_same_work_per_event() -> None:
    small, large = calls_of(opened(1_000)), calls_of(opened(20_000))

    assert small == pytest.approx(large, rel=0.02)
    assert large / COUNTED < 400


def test_what_is_kept_in_flight_does_not_grow_with_the_fleet() -> None:
    state = opened(5_000)
    playing = life(state)
    while next(playing) < 3 * WARM_UP:
        pass

    assert len(state.active) <= PARALLEL
    assert len(state.agenda) <= PARALLEL
    assert len(state.timers._heap) <= 2 * PARALLEL + 16
