"""What a rollout costs here: planning, carrying out, and memory in flight.

Prints one table, the median of several runs with their spread, and keeps it as
JSON. Times are of this machine on this day: compare within one run only.

Run:  python benchmarks/spine.py [--quick]
"""

from __future__ import annotations

import dataclasses
import gc
import resource
import sys
import tempfile
import time
import tracemalloc
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks import table
from benchmarks.table import Row
from fleet import zones
from fleet.core import planner
from fleet.core.state import RunState
from fleet.engine import virtual
from fleet.engine.runner import Runner
from fleet.journal.sqlite import SqliteStore
from fleet.model.desired import Rollout, TagCalendars
from fleet.model.strategy import WaveRule
from fleet.sim.ports import SimulatedAzure
from tests.rig import fleets, rollouts, runs

MB = 1024 * 1024


def world_file(clusters: int) -> dict[str, Any]:
    """A fleet where every mesh is two minors behind: two steps, 12 events a target."""
    return {
        "clusters": clusters,
        "seed": 7,
        "offlineShare": 0,
        "extensions": [
            {
                "type": "Microsoft.openservicemesh",
                "name": "osm",
                "namespace": "arc-osm-system",
                "installed": {"1.0.0": 1},
            }
        ],
    }


def asked(concurrency: int) -> Rollout:
    """Two steps for everybody, *concurrency* at once."""
    spread = rollouts.strategy(
        waves=(WaveRule(name="canary", size=1), WaveRule(name="rest", size="rest")),
        max_concurrency=concurrency,
    )
    return rollouts.rollout(spread=spread)


def plan_fleet(clusters: int) -> dict[str, float]:
    """Plan a discovered inventory; discovery itself is the simulator's cost, and not counted."""
    world = runs.world(**world_file(clusters))

    async def discover() -> Any:
        azure = SimulatedAzure(world, virtual.clock())
        return await azure.inventory(
            asked(50).scope, extension_type="Microsoft.openservicemesh", release_train=None
        )

    inventory = virtual.run(discover())
    gc.collect()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    began = time.process_time()
    made = planner.plan(asked(50), inventory)
    spent = time.process_time() - began
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert made.change_count == clusters
    return {"cpu_s": spent, "rss_mb": peak / 1024, "rss_before_mb": before / 1024}


def plan_windows(clusters: int, kinds: int) -> dict[str, float]:
    """Plan clusters whose tags name windows of their own: *kinds* different ones, evenly spread."""
    days = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
    some = sorted(zones.names())
    found = [
        fleets.cluster(
            f"store-{n:06}",
            fleets.extension("1.1.1"),
            tags={
                "maintenance": f"{days[k % 7]}-{k // 7 % 24:02}{k % 60:02}-{(k + 4) % 24:02}00",
                "timezone": some[k // 168 % len(some)],
            },
        )
        for n in range(clusters)
        for k in [n % kinds]
    ]
    inventory = dataclasses.replace(fleets.inventory(found), read_at=fleets.T0)
    bound = TagCalendars(name="stores", tag="maintenance", zone="UTC", zone_tag="timezone")
    wanted = dataclasses.replace(asked(50), tag_calendars=(bound,))
    gc.collect()
    began = time.process_time()
    made = planner.plan(wanted, inventory, zones=zones.zone)
    spent = time.process_time() - began
    assert made.change_count == clusters
    return {"cpu_s": spent, "calendars": len(made.head.calendars)}


def carry_out(clusters: int, concurrency: int) -> dict[str, float]:
    """Run through the ports on the virtual clock, the journal on disk."""

    async def work(folder: str) -> tuple[int, str]:
        azure = SimulatedAzure(runs.world(**world_file(clusters)), virtual.clock())
        made = await runs.planned(asked(concurrency), azure)
        gc.collect()
        began.append(time.process_time())
        async with SqliteStore(Path(folder)).hold(
            runs.RUN, actor=runs.ALICE, create=True
        ) as journal:
            runner = await runs.begun(journal, made, azure)
            gc.freeze()  # as `fleet run` does
            state = await runner.run()
            began.append(time.process_time())
            count = sum(1 for _ in journal.records())
        return count, str(state.status)

    began: list[float] = []
    with tempfile.TemporaryDirectory(dir=".") as folder:
        count, status = virtual.run(work(folder))
        size = sum(path.stat().st_size for path in Path(folder).rglob("journal.db"))
    assert status == "Succeeded", status
    cpu = began[1] - began[0]
    return {
        "cpu_s": cpu,
        "events": count,
        "us_per_event": cpu / count * 1e6,
        "events_per_target": count / clusters,
        "bytes_per_target": size / clusters,
        "rss_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def memory_in_flight(clusters: int) -> dict[str, float]:
    """Python memory of the engine with *clusters* targets in flight, against one."""

    async def held(count: int) -> int:
        azure = SimulatedAzure(runs.world(**world_file(clusters)), virtual.clock())
        made = await runs.planned(asked(count), azure)
        peak = 0

        def observe(_: Any, state: RunState) -> None:
            nonlocal peak
            if not peak and len(state.operations) >= count * 9 // 10:
                gc.collect()
                peak = tracemalloc.get_traced_memory()[0]
                runner.leave()

        with tempfile.TemporaryDirectory(dir=".") as folder:
            async with SqliteStore(Path(folder)).hold(
                runs.RUN, actor=runs.ALICE, create=True
            ) as journal:
                runner: Runner = await runs.begun(journal, made, azure, observe=observe)
                gc.collect()
                base = tracemalloc.get_traced_memory()[0]
                await runner.run()
        assert peak, "never so many in flight"
        return peak - base

    tracemalloc.start()
    grown = virtual.run(held(clusters))
    tracemalloc.stop()
    return {"kb_per_target": grown / clusters / 1024}


def measure(*, quick: bool) -> list[Row]:
    times, scale = (1, 10) if quick else (3, 1)
    fleet = 10_000 // scale
    planned = table.repeated(plan_fleet, times, fleet)
    bound = table.repeated(plan_windows, 1, 100_000 // scale, 100_000 // scale)
    alike = table.repeated(plan_windows, 1, 100_000 // scale, 500)
    ran = table.repeated(carry_out, times, fleet, 1_000)
    held = table.repeated(memory_in_flight, times, 1_000 // scale)
    return [
        Row(what=f"plan {fleet:,} clusters, CPU", unit="s", values=planned["cpu_s"], target="< 2"),
        Row(what="  peak RSS, inventory included", unit="MB", values=planned["rss_mb"],
            target="< 200"),
        Row(what=f"plan {100_000 // scale:,}, windows by tag, CPU", unit="s",
            values=alike["cpu_s"], target="< 20"),
        Row(what="  each with one of its own", unit="s", values=bound["cpu_s"], target="< 20"),
        Row(what=f"run {fleet:,} targets, CPU", unit="s", values=ran["cpu_s"], target="< 15"),
        Row(what="  events a target", unit="", values=ran["events_per_target"]),
        Row(what="  CPU an event, all included", unit="us", values=ran["us_per_event"]),
        Row(what="  journal", unit="B/target", values=ran["bytes_per_target"]),
        Row(what="  peak RSS, world included", unit="MB", values=ran["rss_mb"]),
        Row(what="in flight", unit="KB/target", values=held["kb_per_target"], target="<= 20"),
    ]  # fmt: skip


if __name__ == "__main__":
    table.command("spine", measure, globals())
