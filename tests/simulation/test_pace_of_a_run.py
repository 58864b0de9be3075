"""A run as large as the limits are small: nothing is sent that will be refused."""

from __future__ import annotations

import asyncio
import collections
import contextlib
import dataclasses
import datetime as dt
import itertools
from collections.abc import AsyncIterator, Mapping, Sequence
from fractions import Fraction
from typing import Any

import aiohttp
import pytest

from fleet.azure import clouds, pace, service, transport, wire
from fleet.azure.answers import Answer
from fleet.azure.credentials import named
from fleet.azure.requests import Request
from fleet.core import lifetimes
from fleet.core.buckets import Rate
from fleet.core.state import RunState
from fleet.engine import clock, history, opening
from fleet.engine.clock import Clock
from fleet.engine.recollection import Recollection
from fleet.engine.runner import Runner
from fleet.journal.memory import MemoryStore
from fleet.model import events as e
from fleet.model.statuses import RunStatus
from fleet.sim.server import serving
from fleet.sim.worldfile import WorldFile
from tests.rig import rollouts, runs

SCALE = 10
CLUSTERS = 300
WORLD: Mapping[str, Any] = {
    "apiVersion": "fleet/v1",
    "kind": "World",
    "clusters": CLUSTERS,
    "subscriptions": 1,
    "timeScale": SCALE,
    "offlineShare": 0,
    "distributions": {"rancher_rke": 1},
    "extensions": [{"type": "Microsoft.openservicemesh", "installed": {"1.2.3": 1}}],
    "durations": {"operation": {"min": 20, "max": 20}},
}
SLOW = Rate(burst=40, per_second=1, spare=2)
SPREAD = rollouts.strategy(
    max_concurrency=CLUSTERS,
    start_deadline=dt.timedelta(hours=3),
    progress_deadline=dt.timedelta(hours=3),
)


class _DeathError(Exception):
    """The end of a process."""


@dataclasses.dataclass(kw_only=True)
class Heard:
    """How requests to Resource Manager were answered."""

    statuses: collections.Counter[int] = dataclasses.field(default_factory=collections.Counter)
    clients: collections.Counter[str] = dataclasses.field(default_factory=collections.Counter)
    """``{authorization: requests}``."""


@pytest.fixture
def heard(monkeypatch: pytest.MonkeyPatch) -> Heard:
    """What is heard from now on, where operations are looked at soon."""
    found = Heard()

    async def exchange(
        opened: aiohttp.ClientSession, request: Request, headers: Mapping[str, str]
    ) -> Answer:
        answer = await transport.exchange(opened, request, headers)
        found.statuses[answer.status] += 1
        found.clients[headers["Authorization"]] += 1
        return answer

    monkeypatch.setattr(wire, "exchange", exchange)
    # The first read of an operation, which nothing has been learned for, comes sooner here.
    monkeypatch.setattr(lifetimes, "_GUESS_S", 30.0)
    return found


@contextlib.asynccontextmanager
async def _served(**world: Any) -> AsyncIterator[tuple[clouds.Place, Clock]]:
    recipe = WorldFile.model_validate({**WORLD, **world}).recipe()
    time = clock.scaled(recipe.epoch, SCALE)
    async with serving.serving(recipe, clock=time, scale=Fraction(SCALE)) as served:
        yield clouds.place(cloud=None, endpoint=served.endpoint, audience=None), time


async def _run(*credentials: str) -> RunState:
    async with (
        _served() as (place, time),
        service.connected(place, clock=time, credentials=named(credentials)) as azure,
        MemoryStore().hold(runs.RUN, actor=runs.ALICE, create=True) as journal,
    ):
        await azure.identities()
        plan = await runs.planned(rollouts.rollout(spread=SPREAD), azure)
        runner = await runs.begun(journal, plan, azure, clock=time)
        return await runner.run()


async def _taken_over(heard: Heard, *, remembers: bool) -> RunState:
    """Die when most of what may be written at once was written, and go on at once."""
    arm = {"writes": {"burst": SLOW.burst, "perSecond": SLOW.per_second}}
    async with _served(clusters=60, arm=arm) as (place, time):
        store = MemoryStore()
        async with (
            service.connected(place, clock=time) as azure,
            store.hold(runs.RUN, actor=runs.ALICE, create=True) as journal,
        ):
            plan = await runs.planned(rollouts.rollout(spread=SPREAD), azure)
            accepted = itertools.count(1)

            def observe(events: Sequence[e.Event], _: RunState) -> None:
                for one in events:
                    if isinstance(one, e.StepAccepted) and next(accepted) > SLOW.burst - 10:
                        raise _DeathError

            runner = await runs.begun(journal, plan, azure, clock=time, observe=observe)
            with pytest.raises(_DeathError):
                await runner.run()
        heard.statuses.clear()
        async with (
            service.connected(place, clock=time) as azure,
            store.hold(runs.RUN, actor=runs.ALICE) as journal,
        ):
            recollection = Recollection()
            state = history.load(journal, heed=recollection.note)
            if remembers:
                azure.remember(recollection.traces(state.targets, now=time.now()))
            await opening.take(journal, state, actor=runs.ALICE, release="0", now=time.now())
            runner = Runner(
                journal=journal,
                state=state,
                service=azure,
                clock=time,
                vault={},
                settings=runs.QUIET,
            )
            return await runner.run()


@pytest.mark.slow
@pytest.mark.parametrize("credentials", [("simulator",), ("simulator:blue", "simulator:green")])
def test_three_hundred_at_once_meet_no_refusal(credentials: tuple[str, ...], heard: Heard) -> None:
    state = asyncio.run(_run(*credentials))

    assert state.status is RunStatus.SUCCEEDED
    assert 429 not in heard.statuses
    assert heard.statuses.total() >= 4 * CLUSTERS
    assert len(heard.clients) == len(credentials)
    assert max(heard.clients.values()) < 1.2 * min(heard.clients.values())


@pytest.mark.slow
def test_without_a_pace_there_would_be_refusals(
    heard: Heard, monkeypatch: pytest.MonkeyPatch
) -> None:
    endless = Rate(burst=10**6, per_second=10**6)
    monkeypatch.setattr(pace, "RATES", dict.fromkeys(pace.RATES, endless))
    monkeypatch.setattr(pace, "_count", lambda _answer, _header: None)
    state = asyncio.run(_run())

    assert state.status is RunStatus.SUCCEEDED
    assert heard.statuses[429] > 0


@pytest.mark.slow
def test_whoever_takes_over_meets_no_refusal_because_it_remembers(
    heard: Heard, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And not because an answer told it, before it sent much, or because time had passed."""
    monkeypatch.setitem(pace.RATES, "writes", SLOW)
    monkeypatch.setattr(pace, "_count", lambda _answer, _header: None)
    state = asyncio.run(_taken_over(heard, remembers=True))

    assert state.status is RunStatus.SUCCEEDED
    assert 429 not in heard.statuses
