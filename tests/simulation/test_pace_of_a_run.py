"""A run as large as the limits are small: nothing is sent that will be refused."""

from __future__ import annotations

import asyncio
import collections
import dataclasses
import datetime as dt
from collections.abc import Mapping
from fractions import Fraction
from typing import Any

import aiohttp
import pytest

from fleet.azure import clouds, pace, service, transport, wire
from fleet.azure.answers import Answer
from fleet.azure.credentials import named
from fleet.azure.requests import Request
from fleet.core import pacing
from fleet.core.buckets import Rate
from fleet.core.state import RunState
from fleet.engine import clock
from fleet.journal.memory import MemoryStore
from fleet.model.statuses import RunStatus
from fleet.sim.recipe import Recipe
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
SPREAD = rollouts.strategy(
    max_concurrency=CLUSTERS,
    start_deadline=dt.timedelta(hours=3),
    progress_deadline=dt.timedelta(hours=3),
)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Lived:
    """What came of a run, and how it was answered."""

    state: RunState
    statuses: Mapping[int, int]
    """``{status: answers}``."""
    clients: Mapping[str, int]
    """``{authorization: requests}``."""


async def _lived(recipe: Recipe, monkeypatch: pytest.MonkeyPatch, *credentials: str) -> Lived:
    statuses: collections.Counter[int] = collections.Counter()
    clients: collections.Counter[str] = collections.Counter()

    async def exchange(
        opened: aiohttp.ClientSession, request: Request, headers: Mapping[str, str]
    ) -> Answer:
        answer = await transport.exchange(opened, request, headers)
        statuses[answer.status] += 1
        clients[headers["Authorization"]] += 1
        return answer

    monkeypatch.setattr(wire, "exchange", exchange)
    # The first read of an operation, which nothing has been learned for, comes sooner here.
    monkeypatch.setattr(pacing, "_FIRST_POLL", dt.timedelta(seconds=30))
    time = clock.scaled(recipe.epoch, SCALE)
    async with serving.serving(recipe, clock=time, scale=Fraction(SCALE)) as served:
        place = clouds.place(cloud=None, endpoint=served.endpoint, audience=None)
        async with service.connected(place, clock=time, credentials=named(credentials)) as azure:
            await azure.identities()
            plan = await runs.planned(rollouts.rollout(spread=SPREAD), azure)
            async with MemoryStore().hold(runs.RUN, actor=runs.ALICE, create=True) as journal:
                runner = await runs.begun(journal, plan, azure, clock=time)
                state = await runner.run()
    return Lived(state=state, statuses=statuses, clients=clients)


@pytest.mark.slow
@pytest.mark.parametrize("credentials", [("simulator",), ("simulator:blue", "simulator:green")])
def test_three_hundred_at_once_meet_no_refusal(
    credentials: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    lived = asyncio.run(_lived(WorldFile.model_validate(WORLD).recipe(), monkeypatch, *credentials))

    assert lived.state.status is RunStatus.SUCCEEDED
    assert 429 not in lived.statuses
    assert sum(lived.statuses.values()) >= 4 * CLUSTERS
    assert len(lived.clients) == len(credentials)
    assert max(lived.clients.values()) < 1.2 * min(lived.clients.values())


@pytest.mark.slow
def test_without_a_pace_there_would_be_refusals(monkeypatch: pytest.MonkeyPatch) -> None:
    endless = Rate(burst=10**6, per_second=10**6)
    monkeypatch.setattr(pace, "RATES", dict.fromkeys(pace.RATES, endless))
    monkeypatch.setattr(pace, "_count", lambda _answer, _header: None)
    lived = asyncio.run(_lived(WorldFile.model_validate(WORLD).recipe(), monkeypatch))

    assert lived.state.status is RunStatus.SUCCEEDED
    assert lived.statuses[429] > 0
