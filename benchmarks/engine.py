"""What the engine costs by itself: an event decided and folded, the journal, and taking a run over.

Deciding and folding is played against immediate answers, with no IO at all: once plainly, and once
with every index at work: two clusters a site of which one is changed at a time, a fifth of a
location at once, strict budgets of run and location, a tenth that fails and is tried again. A
quarter of the fleet may be in flight, so the caps hold most of it up at every size.

Taking over is measured in a process that did nothing before, from opening the journal on disk to
the first call that a command makes.

Run:  python benchmarks/engine.py [--quick]
"""

from __future__ import annotations

import asyncio
import dataclasses
import datetime as dt
import gc
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks import spine, table
from benchmarks.table import Row
from fleet.core import fold, planner, rollout
from fleet.core.state import RunState
from fleet.engine import opening, virtual
from fleet.engine.runner import Runner
from fleet.journal.sqlite import SqliteStore
from fleet.model import events as e
from fleet.model.commands import Check, Command, Follow, Prove, Send, Watch
from fleet.model.events import Event
from fleet.model.plan import Plan, PlanHead, Retry, Spread, SpreadGroup, Target
from fleet.model.statuses import Finding
from fleet.model.strategy import FailureClass, FailureMode
from fleet.sim.ports import SimulatedAzure
from tests.rig import runs

START = dt.datetime(2026, 1, 10, 2, tzinfo=dt.UTC)
LOCATIONS = 10
BAD = 10
"""One target in so many fails once; one in so many of those fails for good."""


# --- decide and apply ------------------------------------------------------------------------


class Driver:
    """Plays decide and apply against immediate answers."""

    def __init__(self, made: Plan, *, is_rough: bool) -> None:
        self.state = RunState()
        self.now = START
        self.count = 0
        self._is_rough = is_rough
        self._failed: set[int] = set()
        for event in opening._first_events(made, runs.opening_of(), START):  # noqa: SLF001
            fold.apply(self.state, event)

    def run(self) -> float:
        """Play the run to its end; return the CPU seconds it took."""
        began = time.process_time()
        waiting: list[Event] = []
        while not self.state.status.is_terminal:
            self.now += dt.timedelta(seconds=1)
            for event in waiting:
                self._apply(event)
            waiting = [self._outcome(command) for command in self._round()]
        return time.process_time() - began

    def _round(self) -> list[Command]:
        """Decide until nothing is left to decide, as a runner does."""
        commands: list[Command] = []
        while not (decision := rollout.decide(self.state, now=self.now)).is_idle:
            for event in decision.events:
                self._apply(event)
            rollout.hand_out(self.state, decision)
            commands += [one for one in decision.commands if isinstance(one, Command)]
        return commands

    def _apply(self, event: Event) -> None:
        fold.apply(self.state, event)
        self.count += 1

    def _outcome(self, command: Command) -> Event:
        at, target, step = self.now, command.target, command.step
        match command:
            case Check():
                return e.StepChecked(
                    at=at, target=target, step=step, finding=Finding.PROCEED, mark="m"
                )
            case Send():
                return e.StepAccepted(
                    at=at,
                    target=target,
                    step=step,
                    attempt=command.attempt,
                    operation_sha256="0" * 64,
                    mark="n",
                )
            case Follow():
                return e.OperationEnded(
                    at=at, target=target, step=step, status="Succeeded", error=None, poll_count=1
                )
            case Prove() | Watch():
                return self._proof(target, step)

    def _proof(self, target: int, step: int) -> Event:
        is_bad = self._is_rough and target % BAD == 0
        is_bad_again = target % (BAD * BAD) == 0 or target not in self._failed
        if is_bad and is_bad_again:
            self._failed.add(target)
            return e.StepFailed(at=self.now, target=target, step=step, code="F360", message="bad")
        return e.StepProved(at=self.now, target=target, step=step, evidence={})


def plain(clusters: int) -> dict[str, float]:
    """Cost of an event with no caps, 50 at once."""
    return _played(_grown(clusters), is_rough=False)


def rough(clusters: int) -> dict[str, float]:
    """Cost of an event with caps, budgets and retries."""
    return _played(_capped(_grown(clusters)), is_rough=True)


def _played(made: Plan, *, is_rough: bool) -> dict[str, float]:
    driver = Driver(made, is_rough=is_rough)
    gc.collect()
    gc.freeze()  # as `fleet run` does
    spent = driver.run()
    ended = driver.state.counts
    assert ended.total() == len(made.targets), ended
    return {
        "us_per_event": spent / driver.count * 1e6,
        "events_per_s": driver.count / spent,
        "events": driver.count,
        "failed": sum(count for result, count in ended.items() if result.is_failure),
        "rss_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def _grown(clusters: int) -> Plan:
    """A plan of a thousand clusters, for more; planning them is measured elsewhere."""

    async def discover() -> Plan:
        azure = SimulatedAzure(runs.world(**spine.world_file(1_000)), virtual.clock())
        return await runs.planned(spine.asked(50), azure)

    small = virtual.run(discover())
    first, last = small.head.waves[0], small.head.waves[-1]
    waves = (first, dataclasses.replace(last, target_count=clusters - first.target_count))
    head: PlanHead = dataclasses.replace(small.head, waves=waves)
    base = small.targets
    targets = [
        dataclasses.replace(base[n % len(base)], cluster_name=f"c{n}") for n in range(clusters)
    ]
    return planner.sealed(head, targets)


def _capped(made: Plan) -> Plan:
    """The same, capped as told above."""
    clusters = len(made.targets)
    head, each = made.head, clusters // LOCATIONS
    canary, rest = head.waves
    rest = dataclasses.replace(rest, max_concurrency=clusters // 4, max_failures=clusters // 4)
    limits = dataclasses.replace(
        head.limits,
        max_concurrency=clusters // 4,
        max_failures=clusters // 4,
        failure_mode=FailureMode.STRICT,
        retry=Retry(attempts=1, backoff=dt.timedelta(seconds=30), on=(FailureClass.FAILED,)),
    )
    sites = [_group(f"site-{n}", 2, 1, None) for n in range(clusters // 2)]
    places = [_group(f"place-{n}", each, each // 5, each // 4) for n in range(LOCATIONS)]
    spreads = (_spread("tag:site", sites), _spread("location", places))
    head = dataclasses.replace(head, waves=(canary, rest), limits=limits, spreads=spreads)
    return planner.sealed(head, [_placed(one, n, each) for n, one in enumerate(made.targets)])


def _group(value: str, count: int, most: int, failures: int | None) -> SpreadGroup:
    return SpreadGroup(value=value, target_count=count, max_concurrency=most, max_failures=failures)


def _spread(by: str, groups: Sequence[SpreadGroup]) -> Spread:
    return Spread(by=by, groups=tuple(groups))


def _placed(target: Target, number: int, each: int) -> Target:
    return dataclasses.replace(target, groups=(number // 2, min(number // each, LOCATIONS - 1)))


# --- taking over -----------------------------------------------------------------------------


def leave_half(folder: str, clusters: int) -> None:
    """Carry out half of a run, and leave it to the next runner."""
    virtual.run(_half(Path(folder), clusters))


async def _half(folder: Path, clusters: int) -> None:
    azure = SimulatedAzure(runs.world(**spine.world_file(clusters)), virtual.clock())
    made = await runs.planned(spine.asked(clusters // 10), azure)

    def observe(_: Any, state: RunState) -> None:
        if len(state.results) >= clusters // 2:
            runner.leave()

    async with SqliteStore(folder).hold(runs.RUN, actor=runs.ALICE, create=True) as journal:
        runner: Runner = await runs.begun(journal, made, azure, observe=observe)
        gc.freeze()
        await runner.run()


class Waiting(SimulatedAzure):
    """Notes when it was first called, and never answers."""

    called: asyncio.Event

    async def _travel(self, place: str, *, trips: int = 1) -> None:  # noqa: ARG002
        self.called.set()
        await asyncio.Event().wait()


async def take_over(folder: Path) -> tuple[dict[str, float], RunState]:
    """Carry on what lies in *folder*, to the first call."""
    azure = Waiting(runs.world(**spine.world_file(1)), virtual.clock())
    azure.called = asyncio.Event()
    wall, cpu = time.perf_counter(), time.process_time()
    async with SqliteStore(folder).hold(runs.RUN, actor=runs.ALICE) as journal:
        runner = await runs.taken(journal, azure)
        loaded = time.process_time()
        async with asyncio.TaskGroup() as tasks:
            running = tasks.create_task(runner.run())
            await azure.called.wait()
            spent = {
                "wall_s": time.perf_counter() - wall,
                "cpu_s": time.process_time() - cpu,
                "load_cpu_s": loaded - cpu,
            }
            running.cancel()
    return spent, runner.state


def resume(clusters: int) -> dict[str, float]:
    """Take over a run of which half is done."""
    with tempfile.TemporaryDirectory(dir=".") as name:
        order = [sys.executable, __file__, "--only", "leave_half", name, str(clusters)]
        subprocess.run(order, check=True)  # noqa: S603
        size = sum(path.stat().st_size for path in Path(name).rglob("journal.db"))
        spent, state = virtual.run(take_over(Path(name)))
    assert clusters * 0.5 <= len(state.results) < clusters * 0.7, len(state.results)
    return spent | {"journal_mb": size / 1e6, "rss_mb": _peak_mb()}


def _peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


# --- all -------------------------------------------------------------------------------------


def measure(*, quick: bool) -> list[Row]:
    times, scale = (1, 10) if quick else (3, 1)
    sizes = [1_000 // scale, 10_000 // scale, 100_000 // scale]
    rows: list[Row] = []
    for what, way in (("", plain), (", caps and retries", rough)):
        found = [table.repeated(way, times, size) for size in sizes]
        costs = [one["us_per_event"] for one in found]
        for size, cost in zip(sizes, costs, strict=True):
            name = f"decide + apply, {size:,} targets{what}"
            rows.append(Row(what=name, unit="us/event", values=cost))
        ratio = tuple(high / low for low, high in zip(costs[0], costs[-1], strict=True))
        rows.append(Row(what="  largest to smallest", unit="", values=ratio, target="<= 2"))
        rates = found[-1]["events_per_s"]
        rows.append(Row(what="  events at the largest", unit="/s", values=rates))
    half = 10_000 // scale
    taken = table.repeated(resume, times, half)
    return [
        *rows,
        Row(what=f"take over {half:,}, half done, CPU", unit="s", values=taken["cpu_s"]),
        Row(what="  by the clock", unit="s", values=taken["wall_s"], target="< 3"),
        Row(what="  of that reading and folding, CPU", unit="s", values=taken["load_cpu_s"]),
        Row(what="  journal", unit="MB", values=taken["journal_mb"]),
        Row(what="  peak RSS", unit="MB", values=taken["rss_mb"]),
    ]


if __name__ == "__main__":
    table.command("engine", measure, globals())
