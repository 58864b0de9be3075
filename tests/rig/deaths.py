"""Runners that die: a journal that ends its holder after a given append, as ``kill -9`` would."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import datetime as dt
import json
from collections.abc import AsyncIterator, Coroutine, Iterator, Mapping, Sequence
from typing import Any, TypeVar

from fleet.core.state import RunState
from fleet.engine import history, virtual
from fleet.engine.clock import Clock as EngineClock
from fleet.engine.runner import Runner
from fleet.journal.memory import MemoryStore
from fleet.model import codec
from fleet.model.cluster import ClusterId
from fleet.model.events import Actor, Event
from fleet.model.objects import Object
from fleet.model.plan import Plan
from fleet.model.statuses import RunStatus
from fleet.ports import (
    Accepted,
    Batch,
    ClusterApi,
    Clusters,
    ExtensionRef,
    Journal,
    JournalStore,
    OperationKey,
    Probes,
    Request,
    RequestIds,
    Service,
    StoredRecord,
    Write,
)
from fleet.sim.probes import SimulatedProbes
from fleet.sim.world import World
from tests.rig import cases, runs
from tests.rig.cases import Case, Shared

T = TypeVar("T")

_LONG_AFTER = dt.timedelta(days=30)
_AT_ONCE = dt.timedelta(0)


class KilledError(Exception):
    """The process is gone."""


class MortalJournal:
    """A journal whose holder dies right after an append became durable."""

    def __init__(self, inner: Journal, store: JournalStore, *, life: int) -> None:
        self._inner = inner
        self._store = store
        self.life = life
        """Appends it lives to see; the last one kills it."""
        self.append_count = 0

    @property
    def epoch(self) -> int:
        return self._inner.epoch

    async def append(self, batch: Batch) -> None:
        await self._inner.append(batch)
        self.append_count += 1
        if self.append_count == self.life:
            if isinstance(self._store, MemoryStore):
                self._store.kill(runs.RUN)
            raise KilledError

    def operations(self) -> Mapping[OperationKey, str]:
        return self._inner.operations()

    def has_news(self) -> bool:
        return self._inner.has_news()

    def requests(self) -> Sequence[Request]:
        return self._inner.requests()

    def records(self, *, after: int = 0) -> Iterator[StoredRecord]:
        return self._inner.records(after=after)

    def events(self, *, after: int = 0) -> Iterator[tuple[int, Event]]:
        return self._inner.events(after=after)

    def holder(self) -> Actor | None:
        return self._inner.holder()

    def told(self) -> Mapping[str, int]:
        return self._inner.told()

    def close(self) -> None:
        self._inner.close()


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Played:
    """How a run was carried to its end."""

    plan: Plan
    append_count: int
    runner_count: int
    asked: tuple[str, ...]
    """Ids of what people asked before it ended."""
    living: RunState | None
    """As the last runner had it; ``None`` where that died of the last append."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """A run to its end, over as many runners as it took."""

    played: Played
    state: RunState
    world: World
    records: tuple[StoredRecord, ...]
    events: tuple[Event, ...]

    @property
    def append_count(self) -> int:
        """Appends that it took, all runners together."""
        return self.played.append_count

    @property
    def runner_count(self) -> int:
        """Runners that it took."""
        return self.played.runner_count

    @property
    def results(self) -> dict[str, str]:
        """How each target ended, by the cluster's name."""
        return {
            self.state.targets[number].cluster_name: result.value
            for number, result in self.state.results.items()
        }

    @property
    def effects(self) -> list[tuple[str, str, str]]:
        """Every write that changed something: cluster, correlation id, what it carried."""
        return [
            (effect.call.cluster_id, effect.call.correlation_id, effect.digest)
            for effect in self.world.effects
            if effect.is_change
        ]

    @property
    def answers(self) -> dict[str, str]:
        """``{request: what it led to}``."""
        found = ((getattr(one, "request_id", None), one.kind) for one in self.events)
        return {request: kind for request, kind in found if request is not None}

    @property
    def held(self) -> dict[str, str]:
        """What the service holds of all extensions on each cluster, long after; not since when."""
        later = self.world.last_at + _LONG_AFTER
        found = {}
        for cluster in self.world.clusters(later):
            kept = [
                codec.to_json(dataclasses.replace(one, modified_at=None))
                for one in cluster.extensions
            ]
            found[cluster.name] = json.dumps(kept, sort_keys=True)
        return found


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Deaths:
    """When runners die, and how."""

    lives: Sequence[int] = ()
    """Appends that the n-th runner lives to see; 0: it does not die, nor do those that follow."""
    do_requests_arrive: bool = False
    """Whether writes that were on their way reach the service after the death."""
    gap: dt.timedelta = _AT_ONCE
    """How long nobody carries the run on."""

    def life(self, number: int) -> int:
        """Return how long a runner lives, from 0."""
        return self.lives[number] if number < len(self.lives) else 0


NONE = Deaths()


def told(case: Case, deaths: Deaths = NONE, *, store: JournalStore | None = None) -> Story:
    """Run *case* to its end, over as many runners as *deaths* make necessary."""
    world, store = World(case.recipe), store or MemoryStore()
    played = virtual.run(play(store, world, case, deaths))
    return story(store, world, played)


def story(store: JournalStore, world: World, played: Played) -> Story:
    """Return what *store* and *world* tell of a run that was played."""
    reader = store.read(runs.RUN)
    with contextlib.closing(reader):
        return Story(
            played=played,
            state=history.load(reader),
            world=world,
            records=tuple(reader.records()),
            events=tuple(event for _, event in reader.events()),
        )


async def play(store: JournalStore, world: World, case: Case, deaths: Deaths = NONE) -> Played:
    """Run *case* to its end on virtual time."""
    azure = case.service(world, virtual.clock())
    plan = await runs.planned(case.asked, azure)
    await cases.meddle(case, azure, plan)
    async with cases.sharing(case, plan, virtual.clock().now()) as shared:
        probes = SimulatedProbes(azure, virtual.clock(), extension_type=plan.head.extension_type)
        return await carried(store, azure, case, plan, deaths, shared, probes=probes)


async def carried(
    store: JournalStore,
    azure: Service,
    case: Case,
    plan: Plan,
    deaths: Deaths = NONE,
    shared: Shared | None = None,
    *,
    probes: Probes | None = None,
) -> Played:
    """Carry *plan* to the end of its run, by one runner after another."""
    append_count, number = 0, 0
    asked: list[str] = []
    async with people(store, case, asked), wired(azure, deaths) as wire:
        while True:
            life, number, living = deaths.life(number), number + 1, None
            async with _holding(store, case, number) as held:
                journal = MortalJournal(held, store, life=life)
                with contextlib.suppress(KilledError):
                    upkeep = shared.keeper(plan, virtual.clock().now()) if shared else None
                    runner = await _runner(
                        journal, wire, case, plan, number, upkeep=upkeep, probes=probes
                    )
                    living = await runner.run()
                append_count += journal.append_count
            if _status(store).is_terminal:
                return Played(
                    plan=plan,
                    append_count=append_count,
                    runner_count=number,
                    asked=tuple(asked),
                    living=living,
                )
            await virtual.clock().sleep(deaths.gap)


def _holding(
    store: JournalStore, case: Case, number: int
) -> contextlib.AbstractAsyncContextManager[Journal]:
    secrets = tuple(case.vault.values())
    return store.hold(runs.RUN, actor=runs.ALICE, create=number == 1, secrets=secrets)


class LongWire:
    """A service that hears a write to its end, whatever becomes of who sent it."""

    def __init__(self, inner: Service, tasks: asyncio.TaskGroup) -> None:
        self._tasks = tasks
        self._inner = inner
        self.inventory = inner.inventory
        self.cluster = inner.cluster
        self.get = inner.get
        self.operation = inner.operation
        self.unwell = inner.unwell
        self.world = getattr(inner, "world", None)

    def clusters(self, clock: EngineClock) -> Clusters | None:
        """The way into its clusters, which hear a change to its end too."""
        way = runs.inside(self._inner, clock)
        return LongClusters(way, self._tasks) if way else None

    async def write(self, ref: ExtensionRef, write: Write, ids: RequestIds) -> Accepted:
        """Send one write, once."""
        sent = self._tasks.create_task(self._heard(ref, write, ids))
        answer = await asyncio.shield(sent)
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def _heard(
        self, ref: ExtensionRef, write: Write, ids: RequestIds
    ) -> Accepted | Exception:
        try:
            return await self._inner.write(ref, write, ids)
        except Exception as error:  # noqa: BLE001 - told to whoever still listens
            return error


class LongClusters:
    """Clusters that hear a change to its end, whatever becomes of who sent it."""

    def __init__(self, inner: Clusters, tasks: asyncio.TaskGroup) -> None:
        self._inner = inner
        self._tasks = tasks

    @contextlib.asynccontextmanager
    async def open(self, cluster_id: ClusterId) -> AsyncIterator[ClusterApi]:
        """Open one."""
        async with self._inner.open(cluster_id) as api:
            yield LongApi(api, self._tasks)


class LongApi:
    """One of them."""

    def __init__(self, inner: ClusterApi, tasks: asyncio.TaskGroup) -> None:
        self._inner = inner
        self._tasks = tasks
        self.get = inner.get
        self.items = inner.items

    async def merge(self, *args: Any, **keys: Any) -> Object:
        """Send a merge patch, once."""
        return await self._heard(self._inner.merge(*args, **keys))

    async def create(self, *args: Any, **keys: Any) -> Object:
        """Create an object, once."""
        return await self._heard(self._inner.create(*args, **keys))

    async def delete(self, *args: Any, **keys: Any) -> None:
        """Delete an object, once."""
        await self._heard(self._inner.delete(*args, **keys))

    async def _heard(self, call: Coroutine[Any, Any, T]) -> T:
        answer = await asyncio.shield(self._tasks.create_task(_caught(call)))
        if isinstance(answer, Exception):
            raise answer
        return answer


async def _caught(call: Coroutine[Any, Any, T]) -> T | Exception:
    try:
        return await call
    except Exception as error:  # noqa: BLE001 - told to whoever still listens
        return error


@contextlib.asynccontextmanager
async def wired(azure: Service, deaths: Deaths) -> AsyncIterator[Service]:
    """Speak to *azure* by a wire that breaks with who speaks, or by one that does not."""
    if not deaths.do_requests_arrive:
        yield azure
        return
    async with asyncio.TaskGroup() as tasks:
        yield LongWire(azure, tasks)


@contextlib.asynccontextmanager
async def people(store: JournalStore, case: Case, asked: list[str]) -> AsyncIterator[None]:
    """Let people ask what they ask, each at its moment, until the run is over."""
    async with asyncio.TaskGroup() as tasks:
        asking = tasks.create_task(_ask(store, case, asked), name="people")
        yield
        asking.cancel()


async def _ask(store: JournalStore, case: Case, asked: list[str]) -> None:
    clock = virtual.clock()
    begun_at = clock.now()
    for number, one in enumerate(case.asks):
        await clock.sleep(begun_at + one.after - clock.now())
        request = one.request(number, at=clock.now())
        store.ask(runs.RUN, request)
        asked.append(request.id)


async def _runner(
    journal: Journal,
    azure: Service,
    case: Case,
    plan: Plan,
    number: int,
    **near: Any,
) -> Runner:
    settings, vault = case.settings, case.vault
    if number == 1:
        return await runs.begun(journal, plan, azure, settings=settings, vault=vault, **near)
    return await runs.taken(journal, azure, settings=settings, vault=vault, **near)


def _status(store: JournalStore) -> RunStatus:
    with contextlib.closing(store.read(runs.RUN)) as reader:
        return history.load(reader).status
