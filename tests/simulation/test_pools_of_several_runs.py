"""Pools that runs share: never more than there are places, and nobody starves."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from fleet.core import rollout as deciding
from fleet.core.state import RunState
from fleet.engine import virtual
from fleet.engine.runner import Observe
from fleet.model import events as e
from fleet.model.desired import Rollout
from fleet.model.events import Event
from fleet.model.scope import Match, Scope, Unreachable
from fleet.model.statuses import RunStatus
from fleet.model.strategy import PoolRule
from fleet.sim.world import World
from fleet.sim.worldfile import WorldFile
from tests.rig import beside, rollouts
from tests.rig.beside import Witness, Yard

FILE: Mapping[str, Any] = {
    "apiVersion": "fleet/v1",
    "kind": "World",
    "timeScale": "max",
    "clusters": 30,
    "seed": 5,
    "offlineShare": 0,
    "distributions": {"aks": 1},
    "durations": {"operation": {"min": 60, "max": 300}},
}
MINUTE = dt.timedelta(minutes=1)


def world(**keys: Any) -> Witness:
    return Witness(WorldFile.model_validate({**FILE, **keys}).recipe())


def asked(side: str, *, places: int, pools: Sequence[str] = ("registry",)) -> Rollout:
    """The clusters of one side of each store, ten at once but for the pool."""
    found = rollouts.rollout(
        spread=rollouts.strategy(
            pools=tuple(PoolRule(name=name, max_concurrency=places) for name in pools)
        ),
        scope=Scope(unreachable=Unreachable.DEFER, match=Match(names=(f"*-{side}",))),
    )
    return dataclasses.replace(found, name=side)


def busy_at_once(found: World) -> int:
    assert isinstance(found, Witness)
    return beside.most_at_once(found.spans, lambda _name: "all")["all"]


@pytest.mark.parametrize("places", [1, 3, 4])
def test_two_runs_never_have_more_in_flight_than_the_pool_has_places(places: int) -> None:
    yard = Yard(world=world())

    beside.together(
        lambda: yard.run("a", asked("a", places=places)),
        lambda: yard.run("b", asked("b", places=places), after=10 * MINUTE),
    )

    assert {one.status for one in yard.states.values()} == {RunStatus.SUCCEEDED}
    assert busy_at_once(yard.world) == places
    assert yard.held.holders() == ()


@pytest.mark.parametrize("places", [1, 2, 5])
@pytest.mark.parametrize("pools", [("registry",), ("registry", "egress")])
def test_who_comes_later_gets_its_share_long_before_the_first_is_done(
    places: int, pools: tuple[str, ...]
) -> None:
    yard = Yard(world=world())
    firsts: dict[str, dt.datetime] = {}
    lasts: dict[str, dt.datetime] = {}

    def noting(name: str) -> Observe:
        def observe(events: Sequence[Event], _state: RunState) -> None:
            for event in events:
                if isinstance(event, e.TargetStarted):
                    firsts.setdefault(name, event.at)
                    lasts[name] = event.at

        return observe

    beside.together(
        lambda: yard.run("a", asked("a", places=places, pools=pools), observe=noting("a")),
        lambda: yard.run(
            "b",
            asked("b", places=places, pools=tuple(reversed(pools))),
            after=MINUTE,
            observe=noting("b"),
        ),
    )

    waited = firsts["b"] - firsts["a"]
    assert waited < 12 * MINUTE  # a target may take two operations of five minutes
    assert firsts["b"] < lasts["a"] - 2 * MINUTE
    assert {one.status for one in yard.states.values()} == {RunStatus.SUCCEEDED}


def test_a_killed_run_gives_its_places_back_when_its_lease_is_over() -> None:
    """Its operations never end: what it had in flight may be at work for all that anybody knows."""
    yard = Yard(world=world())
    began: list[dt.datetime] = []

    def dies(events: Sequence[Event], state: RunState) -> None:
        if state.in_flight == 2 and any(isinstance(one, e.StepAccepted) for one in events):
            raise InterruptedError

    async def dead() -> None:
        with pytest.raises(InterruptedError):
            await yard.run("dead", asked("a", places=2), observe=dies)

    def note(events: Sequence[Event], _state: RunState) -> None:
        began.extend(one.at for one in events if isinstance(one, e.TargetStarted))

    beside.together(dead, lambda: yard.run("b", asked("b", places=2), after=MINUTE, observe=note))

    leased_from = yard.store.read("dead").events().__next__()[1].at
    assert yard.states["b"].status is RunStatus.SUCCEEDED
    assert beside.LEASE <= began[0] - leased_from < beside.LEASE + MINUTE


def test_a_full_pool_with_nothing_in_flight_is_a_named_wait_and_no_hang() -> None:
    yard = Yard(world=world())
    seen: list[RunState] = []
    said: list[tuple[int, Sequence[str]]] = []

    async def ask() -> None:
        await virtual.clock().sleep(3 * MINUTE)
        (state,) = seen
        said.append((state.in_flight, deciding.decide(state, now=virtual.clock().now()).reasons))

    beside.together(
        lambda: yard.run("a", asked("a", places=1)),
        lambda: yard.run(
            "b",
            asked("b", places=1),
            after=MINUTE,
            observe=lambda _events, state: None if seen else seen.append(state),
        ),
        ask,
    )

    assert said == [
        (
            0,
            (
                "wave rest: 0 of 1 in flight",
                "full, shared with other runs: pools registry",
            ),
        )
    ]
    assert yard.states["b"].status is RunStatus.SUCCEEDED
