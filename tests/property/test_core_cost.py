"""What a step costs does not grow with the fleet: work is counted, not time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NoReturn

import pytest

from fleet.core import fold, rollout
from fleet.core.state import RunState
from fleet.model import events as e
from fleet.model.commands import Check, Follow, Prove, Send
from fleet.model.plan import Spread, SpreadGroup
from tests.rig import fleets, samples, work

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


def spread_out(size: int, *, alike: int) -> RunState:
    """Open a run of which one of each *alike* neighbours may be changed at once, by two labels."""
    of_site = tuple(_group(f"{n}") for n in range(size // alike))
    of_row = tuple(_group(f"{n}") for n in range(size // alike))
    planned = fleets.plan(
        [fleets.wave(size, max_concurrency=PARALLEL, max_failures=size)],
        targets=[fleets.target(groups=(n // alike, n % len(of_row))) for n in range(size)],
        spreads=(Spread(by="tag:site", groups=of_site), Spread(by="tag:row", groups=of_row)),
    )
    state = fleets.opened(planned)
    state.targets = UnscannedList(state.targets)
    state.results, state.details = Unscanned(), Unscanned()
    state.caps.groups = Unscanned(state.caps.groups)
    return state


def _group(value: str) -> SpreadGroup:
    return SpreadGroup(value=value, target_count=9, max_concurrency=1, max_failures=9)


def outcome(command: Check | Send | Follow | Prove) -> e.Event:
    cls = {Check: e.StepChecked, Send: e.StepAccepted, Follow: e.OperationEnded}.get(
        type(command), e.StepProved
    )
    event: e.Event = samples.event(cls, target=command.target)
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
    playing = life(state)
    while next(playing) < WARM_UP:
        pass

    def play() -> None:
        while next(playing) < WARM_UP + COUNTED:
            pass

    return work.calls_of(play)


def test_twenty_times_the_fleet_is_the_same_work_per_event() -> None:
    small, large = calls_of(opened(1_000)), calls_of(opened(20_000))

    assert small == pytest.approx(large, rel=0.02)
    assert large / COUNTED < 400


@pytest.mark.parametrize("alike", [2, 10])
def test_twenty_times_the_groups_under_caps_are_the_same_work_per_event(alike: int) -> None:
    """Half of those that wait, or nine of ten, are held up; nobody looks through them."""
    small, large = (calls_of(spread_out(size, alike=alike)) for size in (1_000, 20_000))

    # Less is as well: of few groups more are full.
    assert large <= 1.05 * small
    assert large / COUNTED < 600


def test_all_held_up_by_one_group_are_looked_at_once_and_not_with_every_event() -> None:
    """The worst of all: one at a time of 20,000, and each that ends wakes one."""

    def held_up(size: int) -> RunState:
        spread = Spread(by="location", groups=(_group("westeurope"),))
        planned = fleets.plan(
            [fleets.wave(size, max_concurrency=PARALLEL, max_failures=size)],
            targets=[fleets.target(groups=(0,))] * size,
            spreads=(spread,),
        )
        return fleets.opened(planned)

    small, large = calls_of(held_up(1_000)), calls_of(held_up(20_000))

    assert small == pytest.approx(large, rel=0.05)


def test_what_is_kept_in_flight_does_not_grow_with_the_fleet() -> None:
    state = opened(5_000)
    playing = life(state)
    while next(playing) < 3 * WARM_UP:
        pass

    assert len(state.active) <= PARALLEL
    assert len(state.agenda) <= PARALLEL
    assert len(state.timers._heap) <= 2 * PARALLEL + 16
