"""What HTTP costs here: discovery against the SDK's own method, and a run against a simulator.

Both talk to a server on loopback in a process of its own, so that only the
client's CPU is counted. Times are of this machine on this day: compare within
one run only.

Run:  python benchmarks/wire.py [--quick]
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import gc
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import aiohttp.web
import orjson
from azure.mgmt.resourcegraph.models import QueryRequest, QueryRequestOptions

from benchmarks import table
from benchmarks.table import Row
from fleet.azure import clouds, kql, payloads, service
from fleet.azure.service import AzureService
from fleet.engine import clock
from fleet.journal.sqlite import SqliteStore
from fleet.model.desired import Rollout
from fleet.model.scope import Match
from fleet.model.strategy import WaveRule
from tests.rig import rollouts, runs

PAGE = 1000
SUBSCRIPTION = "00000000-0000-0000-0000-000000000001"


# --- discovery -------------------------------------------------------------------------------


def row(number: int) -> dict[str, Any]:
    """A cluster with two extensions, as Resource Graph shows it to our query."""
    cluster = (
        f"/subscriptions/{SUBSCRIPTION}/resourceGroups/rg-westeurope/providers/"
        f"Microsoft.Kubernetes/connectedClusters/store-{number:06d}"
    )
    return {
        "id": cluster,
        "name": f"store-{number:06d}",
        "location": "westeurope",
        "tags": {"env": "prod", "site": f"site-{number // 2}", "ring": "broad"},
        "distribution": "k3s",
        "kubernetesVersion": "1.31.4",
        "agentVersion": "1.28.0",
        "connectivityStatus": "Connected",
        "lastConnectivityTime": "2026-01-10T02:00:00.0000000Z",
        "extensions": [extension("osm", "microsoft.openservicemesh"), extension("flux", "flux")],
    }


def extension(name: str, kind: str) -> dict[str, Any]:
    """An extension in a row."""
    return {
        "name": name,
        "properties": {
            "extensionType": kind,
            "autoUpgradeMinorVersion": False,
            "releaseTrain": "Stable",
            "version": "1.1.1",
            "currentVersion": "1.1.1",
            "scope": {"cluster": {"releaseNamespace": f"arc-{name}-system"}},
            "configurationSettings": {f"{name}.a": "1", f"{name}.b": "two"},
            "configurationProtectedSettings": {},
            "provisioningState": "Succeeded",
            "statuses": [],
            "isSystemExtension": False,
        },
    }


def serve(rows: int) -> None:
    """Be the server."""
    asyncio.run(serve_pages(rows))


async def serve_pages(rows: int) -> None:
    """Answer every query with the next page of *rows* rows, made before anybody asks."""
    pages = []
    for start in range(0, rows, PAGE):
        data = [row(number) for number in range(start, min(start + PAGE, rows))]
        page = {"totalRecords": rows, "count": len(data), "data": data, "facets": []}
        page["resultTruncated"] = "false"
        if start + PAGE < rows:
            page["$skipToken"] = str(start // PAGE + 1)
        pages.append(orjson.dumps(page))

    async def answer(request: aiohttp.web.Request) -> aiohttp.web.Response:
        asked = orjson.loads(await request.read())
        number = int(asked["options"].get("$skipToken") or 0)
        return aiohttp.web.Response(body=pages[number], content_type="application/json")

    app = aiohttp.web.Application()
    app.router.add_post("/providers/Microsoft.ResourceGraph/resources", answer)
    app.router.add_post("/{tenant}/oauth2/v2.0/token", token)
    runner = aiohttp.web.AppRunner(app)
    await runner.setup()
    site = aiohttp.web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    print(json.dumps({"endpoint": f"http://127.0.0.1:{runner.addresses[0][1]}"}), flush=True)
    await asyncio.Event().wait()


async def token(_: aiohttp.web.Request) -> aiohttp.web.Response:
    """Answer with a token that says nothing."""
    body = {"access_token": "a.b.c", "expires_in": 3600, "token_type": "Bearer"}
    return aiohttp.web.json_response(body)


async def discover(endpoint: str, rows: int) -> dict[str, float]:
    """Read all rows three ways, in turn, and return the CPU seconds of each."""
    async with connected(endpoint) as azure:
        await azure.identity()
        query = kql.clusters(Match())
        spent: dict[str, float] = {}
        for name, way in (("raw", read_raw), ("model", read_model), ("sdk", read_by_sdk)):
            gc.collect()
            began = time.process_time()
            count = await way(azure, query)
            spent[name] = time.process_time() - began
            assert count == rows, (name, count)
    return {f"{name}_us": cpu / rows * 1e6 for name, cpu in spent.items()} | {
        "ratio": spent["sdk"] / spent["raw"],
        "model_ratio": spent["sdk"] / spent["model"],
    }


async def read_raw(azure: AzureService, query: str) -> int:
    """Our way, as far as the SDK's method goes: every page, decoded."""
    found = await azure.graph.resources(query, subscriptions=[SUBSCRIPTION], read=lambda _: None)
    return len(found)


async def read_model(azure: AzureService, query: str) -> int:
    """Our way to the end: checked, and as values of the model."""
    found = await azure.graph.resources(query, subscriptions=[SUBSCRIPTION], read=payloads.row)
    return len(found)


async def read_by_sdk(azure: AzureService, query: str) -> int:
    """The SDK's own method, over the same session."""
    client, count, skip = azure.graph._client, 0, None  # noqa: SLF001 - the same client as ours
    while True:
        options = QueryRequestOptions(top=PAGE, skip_token=skip, result_format="objectArray")
        request = QueryRequest(query=query, subscriptions=[SUBSCRIPTION], options=options)
        found = await client.resources(request)
        count += len(found.data)
        skip = found.skip_token
        if not skip:
            return count


# --- a run -----------------------------------------------------------------------------------


WORLD: dict[str, Any] = {
    "apiVersion": "fleet/v1",
    "kind": "World",
    "seed": 7,
    "subscriptions": 3,
    "timeScale": 10,
    "offlineShare": 0,
    "extensions": [
        {
            "type": "Microsoft.openservicemesh",
            "name": "osm",
            "namespace": "arc-osm-system",
            "installed": {"1.1.1": 1},
        }
    ],
}


def asked(concurrency: int) -> Rollout:
    """One step for everybody, *concurrency* at once."""
    waves = (WaveRule(name="canary", size=1), WaveRule(name="rest", size="rest"))
    return rollouts.rollout(spread=rollouts.strategy(waves=waves, max_concurrency=concurrency))


async def carry_out(endpoint: str, targets: int) -> dict[str, float]:
    """Run over HTTP with the journal on disk; the simulated clock is ten times as fast as ours."""
    place = clouds.place(cloud=None, endpoint=endpoint, audience=None)
    published = await service.published_time(place, clock=clock.real())
    assert published is not None
    shared = clock.scaled(published.now, published.scale)
    requests = 0

    async def count(*_: Any) -> None:
        nonlocal requests
        requests += 1

    trace = aiohttp.TraceConfig()
    trace.on_request_start.append(count)
    async with service.connected(place, clock=shared) as azure:
        made = await runs.planned(asked(targets // 4), azure)
        trace.freeze()
        azure.wire.opened.trace_configs.append(trace)
        with tempfile.TemporaryDirectory(dir=".") as folder:
            store = SqliteStore(Path(folder))
            async with store.hold(runs.RUN, actor=runs.ALICE, create=True) as journal:
                runner = await runs.begun(
                    journal, made, azure, clock=shared, discovered_at=shared.now()
                )
                gc.collect()
                gc.freeze()  # as `fleet run` does
                began, began_at = time.process_time(), shared.now()
                state = await runner.run()
                spent, took = time.process_time() - began, shared.now() - began_at
    assert str(state.status) == "Succeeded", state.status_counts()
    changed = made.change_count
    return {
        "ms_per_target": spent / changed * 1e3,
        "requests_per_target": requests / changed,
        "minutes": took / dt.timedelta(minutes=1),
    }


# --- both ------------------------------------------------------------------------------------


@contextlib.asynccontextmanager
async def connected(endpoint: str) -> AsyncIterator[AzureService]:
    """Speak to *endpoint* by this machine's clock."""
    place = clouds.place(cloud=None, endpoint=endpoint, audience=None)
    async with service.connected(place, clock=clock.real()) as azure:
        yield azure


@contextlib.contextmanager
def served(*order: str) -> Iterator[str]:
    """Run a server for a while; yields its endpoint."""
    with subprocess.Popen([sys.executable, *order], stdout=subprocess.PIPE) as server:  # noqa: S603
        try:
            assert server.stdout is not None
            yield json.loads(server.stdout.readline())["endpoint"]
        finally:
            server.terminate()


def discovery(rows: int) -> dict[str, float]:
    """Measure discovery once."""
    with served(__file__, "--only", "serve", str(rows)) as endpoint:
        return asyncio.run(discover(endpoint, rows))


def rollout(targets: int) -> dict[str, float]:
    """Measure a run once."""
    with tempfile.TemporaryDirectory() as folder:
        world = Path(folder) / "world.yaml"
        world.write_text(json.dumps(WORLD | {"clusters": targets}))
        order = ["sim", "serve", "--world", os.fspath(world), "--port", "0", "--json"]
        with served("-m", "fleet", *order) as endpoint:
            return asyncio.run(carry_out(endpoint, targets))


def measure(*, quick: bool) -> list[Row]:
    times, scale = (1, 10) if quick else (3, 1)
    rows, targets = 100_000 // scale, 1_000 // scale
    found = table.repeated(discovery, times, rows)
    ran = table.repeated(rollout, times, targets)
    return [
        Row(what=f"discover {rows:,} rows, bytes decoded", unit="us/row", values=found["raw_us"]),
        Row(what="  as values of the model", unit="us/row", values=found["model_us"]),
        Row(what="  by the SDK's own method", unit="us/row", values=found["sdk_us"]),
        Row(what="  SDK's method to bytes decoded", unit="x", values=found["ratio"],
            target=">= 8"),
        Row(what="  SDK's method to values of the model", unit="x", values=found["model_ratio"]),
        Row(what=f"run {targets:,} targets over HTTP, CPU", unit="ms/target",
            values=ran["ms_per_target"], target="< 8"),
        Row(what="  requests", unit="/target", values=ran["requests_per_target"],
            target="<= 6"),
        Row(what="  simulated time", unit="min", values=ran["minutes"]),
    ]  # fmt: skip


if __name__ == "__main__":
    table.command("wire", measure, globals())
