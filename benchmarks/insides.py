"""What looking into clusters costs: checks, plan time looks, and memory of clusters that are open.

Every cluster is alike, so that one cluster's recorded answers can be given in place of a
simulator's: what is left is the client's own. Answers come by the port; over HTTP from a simulator
in a process of its own; and over TLS from a server that knows the recorded answers alone.

Memory is that of this process while so many clusters are open at once, each with a connection of
its own: over TLS, with 100 pods of 8 KB in the mesh of each; what was there before is not counted.

Run:  python benchmarks/insides.py [--quick]
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import gc
import json
import os
import pickle
import resource
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import trustme
from aiohttp import web

from benchmarks import table
from benchmarks.table import Row
from fleet.core import checkups, nameplates
from fleet.core.checkups import Tally
from fleet.core.looks import Subject, namespaces
from fleet.engine import clock, foreseeing, inspecting, virtual
from fleet.engine.inspecting import Inspector
from fleet.model.cluster import Cluster
from fleet.model.desired import Rollout
from fleet.model.inside import AccessKind, ClusterAccess
from fleet.ports import Clusters
from fleet.sim.inside import kubeconfigs
from fleet.sim.inside.clusters import SimulatedClusters
from fleet.sim.world import World
from fleet.spec import planfile
from tests.rig import canned, runs
from tests.rig.canned import Canned, Record

WORKERS = 50
PODS = 100
POD_BYTES = 8_000
FILE: dict[str, Any] = {
    "apiVersion": "fleet/v1",
    "kind": "World",
    "seed": 7,
    "timeScale": 1,
    "offlineShare": 0,
    "distributions": {"k3s": 1},
    "extensions": [
        {
            "type": "Microsoft.openservicemesh",
            "installed": {"1.2.6": 1},
            "autoUpgrade": 0,
            "failedShare": 0,
        }
    ],
}
PLAN = """\
apiVersion: fleet/v1
kind: Rollout
metadata: {name: insides}
spec:
  targets: {tenant: true}
  extension:
    profile: osm
    version: 1.2.6
    meshConfig: {observability: {osmLogLevel: debug}}
    namespaces: {add: [default]}
  strategy: standard
  clusterAccess: {kubeconfig: {}}
"""


def asked() -> Rollout:
    """Return what is wanted inside."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "plan.yaml"
        path.write_text(PLAN)
        return planfile.load_rollout(path)


def world(clusters: int) -> World:
    """Return a world where nothing is broken."""
    return runs.world(**{**FILE, "timeScale": "max", "clusters": clusters})


@dataclasses.dataclass(frozen=True, kw_only=True)
class Found:
    """What checking many clusters took."""

    cpu_s: float
    wall_s: float
    passed: int


async def check(port: Clusters, subjects: Sequence[Subject], workers: int) -> Found:
    """Check all of them, as ``fleet check`` does."""
    told: list[Tally] = []
    rules = checkups.rules_of(asked())
    gc.collect()
    wall, cpu = time.perf_counter(), time.process_time()
    await inspecting.check_all(
        iter(subjects), rules, inspector=Inspector(port), workers=workers, tell=told.append
    )
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    assert len(told) == len(subjects)
    assert all(one.is_reached for one in told), next(one for one in told if not one.is_reached)
    return Found(cpu_s=cpu, wall_s=wall, passed=sum(one.passed for one in told))


def subjects_of(found: World) -> list[Subject]:
    """Return all clusters of a world as looks are told of them."""
    now = found.recipe.epoch
    return list(checkups.subjects(found.clusters(now), asked(), now=now))


async def recorded(*, is_planned: bool = False) -> Record:
    """Return what one cluster answers, to checks or to a plan's looks."""
    record, found = Record(), world(1)

    class Port(SimulatedClusters):
        @contextlib.asynccontextmanager
        async def open(self, cluster_id: Any) -> Any:
            async with super().open(cluster_id) as api:
                yield canned.Recording(api, record)

    port = Port(found, virtual.clock())
    if is_planned:
        await foresee(port, list(found.clusters(found.recipe.epoch)))
    else:
        await check(port, subjects_of(found), 1)
    # Where all answer alike, none can say which it is: then it is asked, and not refused.
    plate = nameplates.CONFIG_MAPS.path(nameplates.NAMESPACE, nameplates.NAME)
    assert record.objects[plate] is not None
    record.objects[plate] = None
    return record


def a_record(*, is_planned: bool = False) -> Record:
    """Return the same, on virtual time."""
    return virtual.run(recorded(is_planned=is_planned), start_at=world(1).recipe.epoch)


# --- by the port -----------------------------------------------------------------------------


def by_simulator(clusters: int) -> dict[str, float]:
    """Check simulated clusters in this process."""
    found = world(clusters)
    subjects = subjects_of(found)

    async def work() -> Found:
        port = SimulatedClusters(found, virtual.clock(), max_concurrency=WORKERS)
        return await check(port, subjects, WORKERS)

    spent = virtual.run(work(), start_at=found.recipe.epoch)
    requests = sum(one.asked_count for one in found.interiors.values())
    return costs(spent, clusters) | {"requests": requests / clusters}


def by_record(clusters: int) -> dict[str, float]:
    """Check clusters that all answer alike: what is read, judged and kept, and nothing else."""
    record, subjects = a_record(), subjects_of(world(clusters))
    found = asyncio.run(check(Canned(record), subjects, WORKERS))
    return costs(found, clusters) | {
        "requests": record.request_count,
        "answers_kb": record.size / 1024,
    }


def costs(found: Found, clusters: int) -> dict[str, float]:
    """Return what one cluster took."""
    return {
        "cpu_ms": found.cpu_s / clusters * 1e3,
        "wall_s": found.wall_s,
        "passed": found.passed / clusters,
        "rss_mb": peak_kb() / 1024,
    }


def peak_kb() -> float:
    """Return the most memory that this process had."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


# --- before a plan ---------------------------------------------------------------------------


async def foresee(port: Clusters, clusters: Sequence[Cluster]) -> Found:
    """Look inside, as planning does."""
    works = asked().inside.works
    gc.collect()
    wall, cpu = time.perf_counter(), time.process_time()
    found = await foreseeing.foreseen(clusters, works, port=port, width=WORKERS)
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    assert len(found) == len(clusters)
    assert all(one.is_seen and not one.refused and len(one.changes) == 2 for one in found.values())
    return Found(cpu_s=cpu, wall_s=wall, passed=0)


def plan_by_simulator(clusters: int) -> dict[str, float]:
    """Look into simulated clusters in this process."""
    found = world(clusters)
    every = list(found.clusters(found.recipe.epoch))

    async def work() -> Found:
        port = SimulatedClusters(found, virtual.clock(), max_concurrency=WORKERS)
        return await foresee(port, every)

    spent = virtual.run(work(), start_at=found.recipe.epoch)
    requests = sum(one.asked_count for one in found.interiors.values())
    return costs(spent, clusters) | {"requests": requests / clusters}


def plan_by_record(clusters: int) -> dict[str, float]:
    """Look into clusters that all answer alike."""
    record, found = a_record(is_planned=True), world(clusters)
    every = list(found.clusters(found.recipe.epoch))
    return costs(asyncio.run(foresee(Canned(record), every)), clusters)


# --- over HTTP -------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True, kw_only=True)
class Server:
    """A process that serves."""

    pid: int
    endpoint: str

    @property
    def cpu_s(self) -> float:
        """How much it has computed."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextlib.contextmanager
def served(*order: str) -> Iterator[Server]:
    """Run a server for a while."""
    with subprocess.Popen([sys.executable, *order], stdout=subprocess.PIPE) as process:  # noqa: S603
        try:
            assert process.stdout is not None
            endpoint = json.loads(process.stdout.readline())["endpoint"]
            yield Server(pid=process.pid, endpoint=endpoint)
        finally:
            process.terminate()


async def check_by(
    kubeconfig: Path, subjects: Sequence[Subject], at_once: int
) -> tuple[Found, float]:
    """Check clusters by contexts of a kubeconfig, and tell how many KB that took for a while."""
    port = port_of(kubeconfig, at_once)
    await check(port, subjects[:1], 1)
    gc.collect()
    before = now_kb()
    reset_peak()
    found = await check(port, subjects, at_once)
    return found, most_kb() - before


def port_of(kubeconfig: Path, at_once: int) -> Clusters:
    """Return the way in, as a plan file names it."""
    from fleet.kube.clusters import clusters_of  # noqa: PLC0415 - it loads 40 MB

    access = ClusterAccess(
        kind=AccessKind.KUBECONFIG, path=str(kubeconfig), max_concurrency=at_once
    )
    return clusters_of(access, base=kubeconfig.parent, clock=clock.real())


def against_simulator(clusters: int, at_once: int = WORKERS) -> dict[str, float]:
    """Check clusters of ``fleet sim serve``."""
    subjects = subjects_of(world(clusters))
    with tempfile.TemporaryDirectory() as folder:
        recipe, kubeconfig = Path(folder) / "world.yaml", Path(folder) / "kubeconfig"
        recipe.write_text(json.dumps(FILE | {"clusters": clusters}))
        order = ["sim", "serve", "--world", os.fspath(recipe), "--port", "0", "--json"]
        with served("-m", "fleet", *order, "--kubeconfig", os.fspath(kubeconfig)) as server:
            began = server.cpu_s
            found, kb = asyncio.run(check_by(kubeconfig, subjects, at_once))
            theirs = server.cpu_s - began
    return costs(found, clusters) | {"server_ms": theirs / clusters * 1e3, "kb": kb / at_once}


def serve(place: str) -> None:
    """Serve a record over TLS, whichever cluster is asked for; *place* is a folder with it."""
    folder = Path(place)
    record: Record = pickle.loads((folder / "record").read_bytes())  # noqa: S301 - ours
    authority = trustme.CA()
    authority.cert_pem.write_to_path(folder / "ca.pem")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)

    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        # Such as /kubernetes/NAME/api/v1/nodes.
        path = "/" + request.path.split("/", 3)[3]
        query = request.query
        status, body = record.reply(path, query.get("labelSelector", ""), query.get("continue", ""))
        return web.Response(status=status, body=body, content_type="application/json")

    async def work() -> None:
        _allow_files()
        runner = web.ServerRunner(web.Server(answer))
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context, backlog=4096).start()
        endpoint = f"https://127.0.0.1:{runner.addresses[0][1]}"
        print(json.dumps({"endpoint": endpoint}), flush=True)
        await asyncio.Event().wait()

    asyncio.run(work())


@contextlib.contextmanager
def recorded_served(record: Record, names: Sequence[str]) -> Iterator[tuple[Server, Path]]:
    """Serve a record in a process of its own; yields that and a kubeconfig."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "record").write_bytes(pickle.dumps(record))
        with served(__file__, "--only", "serve", folder) as server:
            kubeconfig = Path(folder) / "kubeconfig"
            kubeconfigs.write(
                kubeconfig,
                names,
                endpoint=server.endpoint,
                seed=FILE["seed"],
                user="admin",
                ca_file=Path(folder) / "ca.pem",
            )
            yield server, kubeconfig


def over_tls(clusters: int) -> dict[str, float]:
    """Check clusters over TLS that all answer alike."""
    subjects = subjects_of(world(clusters))
    with recorded_served(a_record(), [one.cluster_name for one in subjects]) as (server, way):
        began = server.cpu_s
        found, _ = asyncio.run(check_by(way, subjects, WORKERS))
        theirs = server.cpu_s - began
    return costs(found, clusters) | {"server_ms": theirs / clusters * 1e3}


# --- memory ----------------------------------------------------------------------------------


def in_flight(at_once: int) -> dict[str, float]:
    """Return how much a cluster takes of this process' memory while so many are open at once."""
    _allow_files()
    subjects = subjects_of(world(at_once))
    record = a_record().crowded(PODS, each=POD_BYTES)
    with recorded_served(record, [one.cluster_name for one in subjects]) as (_, way):
        found, kb = asyncio.run(check_by(way, subjects, at_once))
    return {"kb": kb / at_once, "mb": kb / 1024, "wall_s": found.wall_s}


def waiting(at_once: int) -> dict[str, float]:
    """Return the same of clusters that have answered once, and of which nothing is being read."""
    _allow_files()
    subjects = subjects_of(world(at_once))
    with recorded_served(a_record(), [one.cluster_name for one in subjects]) as (_, way):

        async def work() -> float:
            port = port_of(way, at_once)
            await check(port, subjects[:1], 1)
            gc.collect()
            before = now_kb()
            async with contextlib.AsyncExitStack() as stack:
                for one in subjects:
                    api = await stack.enter_async_context(port.open(one.cluster_id))
                    await api.get(namespaces.NAMESPACES, "kube-system")
                gc.collect()
                return now_kb() - before

        grown = asyncio.run(work())
    return {"kb": grown / at_once}


def now_kb() -> float:
    """Return how much memory this process has."""
    return _status("VmRSS")


def most_kb() -> float:
    """Return the most that it had since :func:`reset_peak`."""
    return _status("VmHWM")


def reset_peak() -> None:
    """Forget the most memory that this process had."""
    Path("/proc/self/clear_refs").write_text("5")


def _status(key: str) -> float:
    lines = Path("/proc/self/status").read_text().splitlines()
    return float(next(one for one in lines if one.startswith(key)).split()[1])


def _allow_files() -> None:
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


# --- all -------------------------------------------------------------------------------------


def measure(*, quick: bool) -> list[Row]:
    times, scale = (1, 10) if quick else (3, 1)
    fleet, some = 5_000 // scale, 300 // scale
    simulated = table.repeated(by_simulator, 1, fleet)
    ours = table.repeated(by_record, times, fleet)
    http = table.repeated(against_simulator, 1, fleet)
    tls = table.repeated(over_tls, 1, some)
    looked = table.repeated(plan_by_simulator, 1, fleet)
    planned = table.repeated(plan_by_record, times, fleet)
    rows = [
        Row(what=f"check {fleet:,}, simulator included, CPU", unit="ms/cluster",
            values=simulated["cpu_ms"]),
        Row(what="  requests", unit="/cluster", values=simulated["requests"]),
        Row(what="  by the clock", unit="s", values=simulated["wall_s"]),
        Row(what="  peak RSS, world included", unit="MB", values=simulated["rss_mb"]),
        Row(what="  recorded answers instead, CPU", unit="ms/cluster", values=ours["cpu_ms"]),
        Row(what="  of so much JSON", unit="KB/cluster", values=ours["answers_kb"]),
        Row(what=f"check {fleet:,} over HTTP, CPU", unit="ms/cluster", values=http["cpu_ms"]),
        Row(what="  of the simulator", unit="ms/cluster", values=http["server_ms"]),
        Row(what="  by the clock", unit="s", values=http["wall_s"]),
        Row(what="  peak RSS", unit="MB", values=http["rss_mb"]),
        Row(what=f"  {WORKERS} at once, beyond what was there before", unit="KB/cluster",
            values=http["kb"], target="<= 64"),
        Row(what=f"check {some:,} over TLS, recorded, CPU", unit="ms/cluster",
            values=tls["cpu_ms"]),
        Row(what="  by the clock", unit="s", values=tls["wall_s"]),
        Row(what="  peak RSS", unit="MB", values=tls["rss_mb"]),
        Row(what=f"look before a plan of {fleet:,}, CPU", unit="ms/cluster",
            values=looked["cpu_ms"]),
        Row(what="  requests", unit="/cluster", values=looked["requests"]),
        Row(what="  recorded answers instead, CPU", unit="ms/cluster", values=planned["cpu_ms"]),
    ]  # fmt: skip
    for at_once in (50, 200, 1_000):
        idle = table.repeated(waiting, times, at_once // scale)
        name = f"{at_once // scale:,} open at once, waiting"
        rows.append(Row(what=name, unit="KB/cluster", values=idle["kb"], target="<= 64"))
        held = table.repeated(in_flight, min(times, 1_000 // at_once), at_once // scale)
        name = f"  all read their {PODS} pods at once"
        rows.append(Row(what=name, unit="KB/cluster", values=held["kb"]))
    return rows


if __name__ == "__main__":
    table.command("insides", measure, globals())
