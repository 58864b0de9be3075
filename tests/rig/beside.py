"""Several runs beside each other on one virtual clock, in one world, with one file of locks.

What the service works on is told by the world itself, never by a journal.

Units:   moments are the world's.
"""

from __future__ import annotations

import asyncio
import dataclasses
import datetime as dt
from collections.abc import Callable, Coroutine, Iterable, Iterator, Mapping, Sequence
from typing import Any

from fleet.core.state import RunState
from fleet.engine import opening, virtual
from fleet.engine.runner import Observe, Runner
from fleet.engine.upkeep import LeaseKeeper
from fleet.journal import locks, pools
from fleet.journal.locks import SqliteLocks
from fleet.journal.memory import MemoryStore
from fleet.model.desired import Rollout
from fleet.model.plan import Plan, RunId
from fleet.ports import LockKey
from fleet.sim.calls import Call
from fleet.sim.ports import SimulatedAzure
from fleet.sim.world import World
from fleet.sim.writes import Heard
from tests.rig import runs

ENDPOINT = "world:test"
NEVER = dt.datetime.max.replace(tzinfo=dt.UTC)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """One operation, as the service lives through it."""

    cluster: str
    begins: dt.datetime
    ends: dt.datetime


class Witness(World):
    """A world that remembers from when to when it worked on what."""

    spans: list[Span]

    def hear(self, call: Call) -> Heard:
        heard = super().hear(call)
        operation = heard.operation
        if operation is not None and not operation.is_conflict:
            name = call.cluster_id.rpartition("/")[2]
            ends = operation.ends_at or NEVER
            self.__dict__.setdefault("spans", []).append(
                Span(cluster=name, begins=operation.at, ends=ends)
            )
        return heard


def most_at_once(spans: Iterable[Span], of: Callable[[str], str]) -> Mapping[str, int]:
    """Return how many clusters of each group were worked on at once, at the most.

    Args:
        spans: What the world did.
        of: ``cluster's name -> its group``.
    """
    most: dict[str, int] = {}
    known = list(spans)
    for one in known:
        group = of(one.cluster)
        there = {
            other.cluster
            for other in known
            if of(other.cluster) == group and other.begins <= one.begins < other.ends
        }
        most[group] = max(most.get(group, 0), len(there))
    return most


@dataclasses.dataclass(kw_only=True)
class Yard:
    """Where runs go on beside each other."""

    world: World
    held: SqliteLocks = dataclasses.field(default_factory=locks.in_memory)
    store: MemoryStore = dataclasses.field(default_factory=MemoryStore)
    states: dict[str, RunState] = dataclasses.field(default_factory=dict)

    async def run(
        self,
        name: str,
        asked: Rollout,
        *,
        after: dt.timedelta = dt.timedelta(0),
        observe: Observe = lambda _events, _state: None,
        azure: Callable[[], SimulatedAzure] | None = None,
    ) -> RunState:
        """Carry a plan file out to its end, a while from now."""
        clock = virtual.clock()
        await clock.sleep(after)
        service = azure() if azure else SimulatedAzure(self.world, clock)
        plan, run_id, now = await runs.planned(asked, service), RunId(name), clock.now()
        self.held.take(run_id, actor=runs.ALICE, keys=list(_keys(plan)), now=now, lease=LEASE)
        async with self.store.hold(run_id, actor=runs.ALICE, create=True) as journal:
            header = dataclasses.replace(runs.opening_of(), run_id=run_id)
            state = await opening.begin(journal, plan, header, now=now)
            runner = Runner(
                journal=journal,
                state=state,
                service=service,
                clock=clock,
                vault={},
                settings=runs.QUIET,
                observe=observe,
                upkeep=self.keeper(run_id, now),
            )
            self.states[name] = await runner.run()
        if self.states[name].status.is_terminal:
            self.held.finish(run_id)
        return self.states[name]

    def keeper(self, run_id: RunId, now: dt.datetime) -> LeaseKeeper:
        return LeaseKeeper(
            self.held,
            run_id=run_id,
            actor=runs.ALICE,
            endpoint=ENDPOINT,
            taken_at=now,
            pools=pools.in_memory(self.held),
            lease=LEASE,
        )


LEASE = dt.timedelta(minutes=15)


def _keys(plan: Plan) -> Iterator[LockKey]:
    return (
        LockKey(endpoint=ENDPOINT, cluster_id=one.cluster_id, extension=one.extension_name)
        for one in plan.targets
        if one.steps
    )


def together(*lives: Callable[[], Coroutine[Any, Any, object]]) -> Sequence[object]:
    """Live several lives on one virtual clock; return what each came to, in their order."""

    async def play() -> list[object]:
        async with asyncio.TaskGroup() as tasks:
            begun = [tasks.create_task(life()) for life in lives]
        return [one.result() for one in begun]

    return virtual.run(play())
