"""Spread caps, by what the world itself was doing when: never two clusters of a store at once."""

from __future__ import annotations

import asyncio
import dataclasses
import datetime as dt
from collections.abc import Mapping
from typing import Any

import pytest

from fleet.core import leftovers, rollout as deciding
from fleet.core.state import RunState
from fleet.engine import history, virtual
from fleet.engine.runner import Settings
from fleet.journal.memory import MemoryStore
from fleet.model.desired import Rollout
from fleet.model.statuses import RunStatus
from fleet.model.strategy import OnBreach, RetryRule, RollbackRule, RollbackScope, SpreadRule
from fleet.ports import Request
from fleet.sim.ports import SimulatedAzure
from tests.rig import beside, deaths, rollouts, runs
from tests.rig.beside import Witness
from tests.rig.cases import Case
from tests.rig.deaths import Deaths
from tests.simulation import test_runs_that_take_themselves_back as returning

FILE: Mapping[str, Any] = {
    "clusters": 16,
    "seed": 5,
    "offlineShare": 0,
    "distributions": {"aks": 1},
}
HOUR = dt.timedelta(hours=1)
WAITING = (
    "waiting for operations that timed out to end: store-0003-a (fleet skip takes out who waits)"
)
LOOKING = Settings(inbox_every_s=60, waits_when_paused=True)


def store_of(cluster: str) -> str:
    return cluster.rpartition("-")[0]


def asked(*more: SpreadRule, **changes: Any) -> Rollout:
    spread = (SpreadRule(by="tag:site", max_concurrency=1), *more)
    return rollouts.rollout(spread=rollouts.strategy(spread=spread, **changes))


def world(*rules: Mapping[str, Any], **keys: Any) -> Witness:
    return Witness(runs.recipe(*rules, **{**FILE, **keys}))


def lived(found: Witness, asked: Rollout, *lives: int) -> RunStatus:
    store = MemoryStore()
    virtual.run(
        deaths.play(store, found, Case(recipe=found.recipe, asked=asked), Deaths(lives=lives))
    )
    return history.load(store.read(runs.RUN)).status


def at_once_in_a_store(found: Witness) -> int:
    return max(beside.most_at_once(found.spans, store_of).values())


def test_without_a_cap_both_clusters_of_a_store_would_be_changed_together() -> None:
    found = world()

    lived(found, rollouts.rollout())

    assert at_once_in_a_store(found) == 2


@pytest.mark.parametrize(
    ("rules", "keys", "changes"),
    [
        pytest.param((), {}, {}, id="all well"),
        pytest.param(
            ({"fault": "operationFails", "share": "40%"},),
            {},
            {"retry": RetryRule(attempts=3)},
            id="failures and retries",
        ),
        pytest.param(
            ({"fault": "stuckOperation", "share": "30%"},),
            {},
            {"run_timeout": 6 * HOUR},
            id="operations that never end",
        ),
        pytest.param(
            ({"fault": "stuckOperation", "share": "30%"},),
            {},
            {
                "retry": RetryRule(attempts=1),
                "progress_deadline": dt.timedelta(minutes=10),
                "run_timeout": 6 * HOUR,
            },
            id="timeouts and retries",
        ),
        pytest.param(
            ({"fault": "lateConflict", "share": "30%"},), {}, {}, id="operations that cross"
        ),
        pytest.param(
            (),
            {"offlineShare": "40%", "offlineSeconds": {"min": 60, "max": 120}},
            {},
            id="catching up",
        ),
    ],
)
@pytest.mark.parametrize("lives", [(), (9, 6, 7)], ids=["one runner", "takeovers"])
def test_the_clusters_of_a_store_are_never_changed_together(
    rules: tuple[Mapping[str, Any], ...],
    keys: Mapping[str, Any],
    changes: Mapping[str, Any],
    lives: tuple[int, ...],
) -> None:
    found = world(*rules, **keys)

    status = lived(found, asked(**changes), *lives)

    assert status.is_terminal
    assert at_once_in_a_store(found) == 1
    # The cap holds nobody up who is alone: several stores are changed at once.
    assert beside.most_at_once(found.spans, lambda _name: "all")["all"] > 3


def test_who_shares_a_store_with_an_operation_that_never_ends_waits_by_name_until_skipped() -> None:
    """The cap is physical: only the end of the operation, of the wave, or a person lets go."""
    stuck = {"fault": "stuckOperation", "cluster": "store-0003-a"}
    found, store = world(stuck, clusters=6), MemoryStore()
    said: list[tuple[str, ...]] = []

    async def play() -> RunStatus:
        azure, clock = SimulatedAzure(found, virtual.clock()), virtual.clock()
        plan = await runs.planned(asked(), azure)
        async with store.hold(runs.RUN, actor=runs.ALICE, create=True) as journal:
            runner = await runs.begun(journal, plan, azure, settings=LOOKING)
            async with asyncio.TaskGroup() as tasks:
                running = tasks.create_task(runner.run())
                await clock.sleep(3 * HOUR)
                said.append(deciding.decide(runner.state, now=clock.now()).reasons)
                store.ask(runs.RUN, _skip("store-0003-b", clock.now()))
            return running.result().status

    status = virtual.run(play())

    assert said == [
        (
            "wave rest: 0 of 3 in flight",
            "all that wait are held up by spread caps",
            WAITING,
        )
    ]
    assert status is RunStatus.SUCCEEDED_WITH_FAILURES
    assert at_once_in_a_store(found) == 1


def _skip(name: str, at: dt.datetime) -> Request:
    return Request(
        id="r1", kind="skip-target", subject=name, actor=runs.ALICE, reason="a test", at=at
    )


def test_a_fifth_of_a_location_at_once_and_three_failures_there_end_the_run() -> None:
    places = {"northeurope": 1, "westeurope": 1}
    sick = {"fault": "operationFails", "share": "50%"}
    found = world(sick, clusters=40, locations=places)
    rule = SpreadRule(by="location", max_concurrency="20%", max_failures=2)
    store = MemoryStore()

    virtual.run(deaths.play(store, found, Case(recipe=found.recipe, asked=asked(rule))))

    state = history.load(store.read(runs.RUN))
    (group,) = (one for one in state.caps.groups.values() if one.is_broken)
    where = {one.name: one.location for one in found.clusters(found.last_at)}
    caps = {
        one.planned.value: one.planned.max_concurrency
        for (spread, _), one in state.caps.groups.items()
        if spread == 1
    }
    found_at_once = beside.most_at_once(found.spans, where.__getitem__)
    assert state.status is RunStatus.FAILED
    assert group.failures >= 3
    assert all(count <= (caps[place] or 0) for place, count in found_at_once.items())
    assert {place for place, count in found_at_once.items() if count == caps[place]}


async def _planned(found: Witness, rollout: Rollout) -> Any:
    return await runs.planned(rollout, SimulatedAzure(found, virtual.clock()))


def test_a_percentage_of_a_label_is_of_the_clusters_with_that_value() -> None:
    found = world(clusters=40)
    plan = virtual.run(_planned(found, asked(SpreadRule(by="location", max_concurrency="20%"))))

    (_, spread) = plan.head.spreads
    assert all(one.max_concurrency == max(1, one.target_count // 5) for one in spread.groups)


def going_back() -> Rollout:
    """A change of settings, which can be taken back."""
    rule = RollbackRule(scope=RollbackScope.RUN)
    found = asked(max_failures=0, on_breach=OnBreach.ROLLBACK, rollback=rule)
    return dataclasses.replace(found, desired=returning.OFF)


def test_the_way_back_keeps_the_caps_and_ends_though_an_operation_never_does() -> None:
    """Whoever is stuck is tried, and left; its neighbour is not changed beside it."""
    stuck = {"fault": "stuckOperation", "cluster": "store-0003-a"}
    found, store = world(stuck, clusters=6, extensions=returning.FILE["extensions"]), MemoryStore()
    wanted = going_back()

    async def play() -> None:
        async with asyncio.timeout(48 * 3600):
            await deaths.play(store, found, Case(recipe=found.recipe, asked=wanted))

    virtual.run(play())

    state = history.load(store.read(runs.RUN))
    left = {one.target.cluster_name for one in leftovers.leftovers(state)}
    assert state.status is RunStatus.FAILED
    assert "store-0003-a" in left
    assert at_once_in_a_store(found) == 1


def test_a_neighbour_of_what_is_stuck_goes_not_back_beside_it_and_can_be_let_go() -> None:
    stuck = {"fault": "stuckOperation", "cluster": "store-0003-b"}
    found, store = world(stuck, clusters=6, extensions=returning.FILE["extensions"]), MemoryStore()
    wanted = going_back()
    said: list[tuple[str, ...]] = []

    async def play() -> RunState:
        azure, clock = SimulatedAzure(found, virtual.clock()), virtual.clock()
        plan = await runs.planned(wanted, azure)
        async with store.hold(runs.RUN, actor=runs.ALICE, create=True) as journal:
            runner = await runs.begun(journal, plan, azure, settings=LOOKING)
            async with asyncio.timeout(48 * 3600), asyncio.TaskGroup() as tasks:
                running = tasks.create_task(runner.run())
                await clock.sleep(6 * HOUR)
                said.append(deciding.decide(runner.state, now=clock.now()).reasons)
                ask = dataclasses.replace(
                    _skip("back-rest", clock.now()), kind="skip-wave", id="r2"
                )
                store.ask(runs.RUN, ask)
            return running.result()

    state = virtual.run(play())

    left = {one.target.cluster_name: one.result for one in leftovers.leftovers(state)}
    assert any("fleet skip --wave back-rest takes out who waits" in one for one in said[0])
    assert state.status is RunStatus.FAILED
    assert left == {"store-0003-a": "NotStarted", "store-0003-b": "TimedOut"}
    assert at_once_in_a_store(found) == 1
