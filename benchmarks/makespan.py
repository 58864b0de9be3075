"""How near a run comes to the shortest time there is, by how many requests, and against peers.

A thousand clusters in four subscriptions change one version; an operation takes 60 to 400 s; the
buckets are the documented ones (benchmarks/makespan.yaml). The shortest time is no plan of ours, it
follows from the world alone: a subscription's k-th write can go once its bucket has a token for it
(at once for the first 200, then ten a second), not before one GET; at best the longest operation
gets the first token, the second longest the next, and so on:

    bound = max over subscriptions, max over k of
            (least latency of a GET) + max(0, (k - burst) / rate) + (k-th longest operation)

Our run and the asyncio peers live on a virtual clock, server and client in one process over real
sockets: time moves only when nothing is left to do, so a busy machine changes hardly anything.
Threads cannot do that: their world is a process of its own, ten times as fast as ours, and what
Retry-After and the poller's interval say is divided by ten. Every seed is a world of its own, and
the spread is over seeds.

Run:  python benchmarks/makespan.py [--quick]
"""

from __future__ import annotations

import asyncio
import collections
import contextlib
import datetime as dt
import gc
import json
import os
import resource
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import aiohttp
from ruamel.yaml import YAML

from benchmarks import peers, table
from benchmarks.peers import Found
from benchmarks.table import Row
from benchmarks.wire import served
from fleet.azure import clouds, service
from fleet.azure.service import AzureService
from fleet.engine import clock
from fleet.engine.clock import Clock
from fleet.journal.sqlite import SqliteStore
from fleet.model.strategy import WaveRule
from fleet.sim.recipe import Recipe
from fleet.sim.world import World
from fleet.sim.worldfile import WorldFile
from tests.rig import loopback, rollouts, runs

WORLD: Mapping[str, Any] = YAML(typ="safe").load(Path(__file__).with_suffix(".yaml"))
HTTP_SCALE, THREADS_SCALE = 2, 10
HALF = dt.timedelta(hours=2)
RIVAL_READS, RIVAL_WRITES = 12.5, 5.0
"""A second and subscription: half of what comes back."""


def recipe(seed: int, clusters: int) -> Recipe:
    """The world of a seed."""
    return WorldFile.model_validate({**WORLD, "seed": seed, "clusters": clusters}).recipe()


def bound_s(made: Recipe) -> float:
    """Return the shortest makespan that the buckets and the durations allow, see above."""
    lasts: dict[str, list[int]] = collections.defaultdict(list)
    for one in World(made).clusters(made.epoch):
        lot = (one.id.lower(), "osm", 1)
        lasts[one.subscription].append(made.operation_s.drawn(made.seed, "lasts", *lot))
    writes = made.wire.writes
    return made.call_ms.low / 1000 + max(
        max(0, place - writes.burst) / writes.per_second + one_s
        for of_one in lasts.values()
        for place, one_s in enumerate(sorted(of_one, reverse=True), start=1)
    )


def summary(found: Found, made: Recipe) -> dict[str, float]:
    """Return a run in numbers to be compared."""
    bound = bound_s(made)
    return {
        "bound_s": bound,
        "ratio": found.makespan_s / bound,
        "requests": found.requests / made.cluster_count,
        "refused": found.refused,
        "refused_permille": found.refused / found.requests * 1000,
        "failed": found.failed,
        "cpu_ms": found.cpu_s / made.cluster_count * 1000,
    }


# --- ours ------------------------------------------------------------------------------------


async def carry_out(azure: AzureService, time_: Clock, clusters: int) -> Found:
    """Discover, plan and run, everybody at once; the journal on disk."""
    statuses: collections.Counter[int] = collections.Counter()

    async def count(_: Any, __: Any, ended: aiohttp.TraceRequestEndParams) -> None:
        statuses[ended.response.status] += 1

    trace = aiohttp.TraceConfig()
    trace.on_request_end.append(count)
    trace.freeze()
    azure.wire.opened.trace_configs.append(trace)
    spread = rollouts.strategy(
        waves=(WaveRule(name="all", size="rest"),),
        max_concurrency=clusters,
        start_deadline=HALF,
        progress_deadline=HALF,
    )
    made = await runs.planned(rollouts.rollout(spread=spread), azure)
    assert made.change_count == clusters, made.change_count
    with tempfile.TemporaryDirectory(dir=".") as folder:
        async with SqliteStore(Path(folder)).hold(
            runs.RUN, actor=runs.ALICE, create=True
        ) as journal:
            runner = await runs.begun(journal, made, azure, clock=time_, discovered_at=time_.now())
            gc.collect()
            gc.freeze()  # as `fleet run` does
            began_at, cpu_s = time_.now(), time.process_time()
            state = await runner.run()
            took, cpu_s = time_.now() - began_at, time.process_time() - cpu_s
    assert str(state.status) == "Succeeded", state.status_counts()
    return Found(
        makespan_s=took.total_seconds(),
        requests=statuses.total(),
        refused=statuses[429],
        failed=0,
        cpu_s=cpu_s,
    )


# --- somebody else with the same identity ----------------------------------------------------


class Rival:
    """Reads and writes at half the rate at which the buckets fill, and waits when told to."""

    def __init__(self, azure: AzureService, time_: Clock) -> None:
        self.sent = 0
        self.refused = 0
        self._azure = azure
        self._clock = time_
        self._closed_until: dict[tuple[str, str], dt.datetime] = {}

    async def run(self, made: Recipe) -> None:
        """Go on until cancelled."""
        clusters: dict[str, str] = {}
        for one in World(made).clusters(made.epoch):
            clusters.setdefault(one.subscription, one.id)
        token = (await self._azure.wire.tokens.current()).text
        headers = {"Authorization": f"Bearer {token}"}
        base = self._azure.wire.place.url
        async with (
            aiohttp.ClientSession(headers=headers) as session,
            asyncio.TaskGroup() as tasks,
        ):
            query = "api-version=2024-01-01"
            for cluster in clusters.values():
                read = f"{base}{cluster}?{query}"
                write = f"{base}{cluster}/listClusterUserCredential?{query}"
                tasks.create_task(self._keep(tasks, session, "GET", read, RIVAL_READS))
                tasks.create_task(self._keep(tasks, session, "POST", write, RIVAL_WRITES))

    async def _keep(
        self,
        tasks: asyncio.TaskGroup,
        session: aiohttp.ClientSession,
        method: str,
        url: str,
        rate: float,
    ) -> None:
        """Send so many a second, evenly, whatever becomes of them; but not while told to wait."""
        due_at = self._clock.now()
        while True:
            if due_at >= self._closed_until.get((method, url), due_at):
                tasks.create_task(self._send(session, method, url))
            due_at += dt.timedelta(seconds=1 / rate)
            await self._clock.sleep(due_at - self._clock.now())

    async def _send(self, session: aiohttp.ClientSession, method: str, url: str) -> None:
        """Send one request. NB: the POST counts as a write, and changes nothing."""
        body = {"authenticationMethod": "Token", "clientProxy": False} if method == "POST" else None
        self.sent += 1
        async with session.request(method, url, json=body) as answer:
            await answer.read()
        if answer.status == 429:
            self.refused += 1
            wait = dt.timedelta(seconds=int(answer.headers["Retry-After"]))
            self._closed_until[method, url] = self._clock.now() + wait
        else:
            assert answer.status == 200, answer.status


# --- worlds in this process ------------------------------------------------------------------


def on_virtual_time(work: Any) -> Any:
    """Run *work* on a virtual clock, over sockets of this machine."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    return loopback.run(work)


def alone(seed: int, clusters: int) -> dict[str, float]:
    """Our run, with the world to itself."""
    made = recipe(seed, clusters)

    async def work() -> Found:
        async with loopback.living(made) as (_, azure, time_):
            return await carry_out(azure, time_, clusters)

    return summary(on_virtual_time(work()), made)


def beside_a_rival(seed: int, clusters: int) -> dict[str, float]:
    """Our run, while somebody eats half of the budget."""
    made = recipe(seed, clusters)

    async def work() -> tuple[Found, Rival]:
        async with loopback.living(made) as (_, azure, time_), asyncio.TaskGroup() as tasks:
            rival = Rival(azure, time_)
            busy = tasks.create_task(rival.run(made))
            found = await carry_out(azure, time_, clusters)
            busy.cancel()
        return found, rival

    found, rival = on_virtual_time(work())
    return summary(found, made) | {
        "rival_sent": rival.sent,
        "rival_refused_permille": rival.refused / rival.sent * 1000,
    }


def sdk_asyncio(seed: int, clusters: int, at_once: int) -> dict[str, float]:
    """The SDK's own pollers, under asyncio with a semaphore."""
    made = recipe(seed, clusters)

    async def work() -> Found:
        async with loopback.living(made) as (_, azure, _):
            token = (await azure.wire.tokens.current()).text
            endpoint = azure.wire.place.url
            return await peers.by_asyncio(endpoint, token, at_once=at_once, scale=1)

    return summary(on_virtual_time(work()), made)


# --- worlds in a process of their own --------------------------------------------------------


@contextlib.contextmanager
def world_process(seed: int, clusters: int, scale: int) -> Any:
    """Serve a world by the command; yields its endpoint."""
    with tempfile.TemporaryDirectory() as folder:
        world = Path(folder) / "world.yaml"
        file = {**WORLD, "seed": seed, "clusters": clusters, "timeScale": scale}
        world.write_text(json.dumps(file))
        order = ["sim", "serve", "--world", os.fspath(world), "--port", "0", "--json"]
        with served("-m", "fleet", *order) as endpoint:
            yield endpoint


@contextlib.asynccontextmanager
async def spoken_to(endpoint: str) -> AsyncIterator[tuple[AzureService, Clock]]:
    """Speak to a simulator by its own clock."""
    place = clouds.place(cloud=None, endpoint=endpoint, audience=None)
    told = await service.published_time(place, clock=clock.real())
    assert told is not None
    time_ = clock.scaled(told.now, told.scale)
    async with service.connected(place, clock=time_) as azure:
        yield azure, time_


def over_http(seed: int, clusters: int, scale: int) -> dict[str, float]:
    """Our run against a simulator in another process: what a busy machine makes of it, and CPU."""

    async def work(endpoint: str) -> Found:
        async with spoken_to(endpoint) as (azure, time_):
            return await carry_out(azure, time_, clusters)

    with world_process(seed, clusters, scale) as endpoint:
        return summary(asyncio.run(work(endpoint)), recipe(seed, clusters))


def sdk_threads(seed: int, clusters: int, at_once: int) -> dict[str, float]:
    """The synchronous SDK in a pool of threads."""

    async def token(endpoint: str) -> str:
        async with spoken_to(endpoint) as (azure, _):
            return (await azure.wire.tokens.current()).text

    with world_process(seed, clusters, THREADS_SCALE) as endpoint:
        text = asyncio.run(token(endpoint))
        found = peers.by_threads(endpoint, text, at_once=at_once, scale=THREADS_SCALE)
    return summary(found, recipe(seed, clusters))


# --- all -------------------------------------------------------------------------------------


def rows_of(what: str, found: Mapping[str, tuple[float, ...]], **targets: str) -> list[Row]:
    """Return the rows of one way to do it."""
    units = {"ratio": "x bound", "requests": "/target", "refused_permille": "429s/1000"}
    names = {"ratio": what, "requests": "  requests, all told", "refused_permille": "  refused"}
    rows = [
        Row(what=names[key], unit=unit, values=found[key], target=targets.get(key, ""))
        for key, unit in units.items()
    ]
    if any(found["failed"]):
        rows.append(Row(what="  targets that failed", unit="", values=found["failed"]))
    return rows


def measure(*, quick: bool) -> list[Row]:
    seeds, clusters = ((7,), 100) if quick else ((7, 8, 9), 1_000)
    few, threads = (clusters // 10, clusters // 16 + 2)
    each = [(seed, clusters) for seed in seeds]
    ours = table.each(alone, each)
    beside = table.each(beside_a_rival, each)
    semaphore = table.each(sdk_asyncio, [(*one, few) for one in each])
    all_at_once = table.each(sdk_asyncio, [(*one, clusters) for one in each])
    pool = table.each(sdk_threads, [(*each[0], threads)])
    http = table.each(over_http, [(*each[0], HTTP_SCALE)])
    return [
        Row(what="shortest time there is", unit="s", values=ours["bound_s"]),
        *rows_of(f"fleet, {clusters:,} at once", ours, ratio="<= 1.05", requests="<= 6",
                 refused_permille="0"),
        *rows_of("  half of the budget eaten", beside, refused_permille="<= 1"),
        *rows_of(f"  simulator elsewhere, {HTTP_SCALE} times as fast", http),
        Row(what="  CPU", unit="ms/target", values=http["cpu_ms"]),
        *rows_of(f"SDK under asyncio, {few} at once", semaphore),
        *rows_of(f"SDK under asyncio, {clusters:,} at once", all_at_once),
        *rows_of(f"SDK in {threads} threads", pool),
        Row(what="  CPU", unit="ms/target", values=pool["cpu_ms"]),
    ]  # fmt: skip


if __name__ == "__main__":
    table.command("makespan", measure, globals())
