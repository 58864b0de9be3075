"""Runners that die: a journal that ends its holder after a given append, as ``kill -9`` would."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence

from fleet.core.state import RunState
from fleet.engine import history, virtual
from fleet.journal.memory import MemoryStore
from fleet.model.desired import Rollout
from fleet.model.events import Actor, Event
from fleet.ports import Batch, Journal, JournalStore, OperationKey, Request, StoredRecord
from fleet.sim.ports import SimulatedAzure
from fleet.sim.recipe import Recipe
from fleet.sim.world import World
from tests.rig import runs


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

    def close(self) -> None:
        self._inner.close()


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """A run to its end, over as many runners as it took."""

    state: RunState
    world: World
    append_count: int
    runner_count: int
    events: tuple[Event, ...]

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


def told(
    recipe: Recipe,
    asked: Rollout,
    *,
    lives: Sequence[int] = (),
    store: JournalStore | None = None,
) -> Story:
    """Run *asked* to its end; the n-th runner dies after ``lives[n]`` appends."""
    world, store = World(recipe), store or MemoryStore()
    append_count, runner_count = virtual.run(play(store, world, asked, lives))
    return Story(
        state=history.load(store.read(runs.RUN)),
        world=world,
        append_count=append_count,
        runner_count=runner_count,
        events=tuple(event for _, event in store.read(runs.RUN).events()),
    )


async def play(
    store: JournalStore, world: World, asked: Rollout, lives: Sequence[int]
) -> tuple[int, int]:
    """Run *asked* to its end; return how many appends and how many runners it took."""
    azure = SimulatedAzure(world, virtual.clock())
    plan = await runs.planned(asked, azure)
    append_count, number = 0, 0
    while True:
        life = lives[number] if number < len(lives) else 0
        number += 1
        async with store.hold(runs.RUN, actor=runs.ALICE, create=number == 1) as held:
            journal = MortalJournal(held, store, life=life)
            try:
                if number == 1:
                    runner = await runs.begun(journal, plan, azure)
                else:
                    runner = await runs.taken(journal, azure)
                await runner.run()
            except KilledError:
                pass
            append_count += journal.append_count
        if history.load(store.read(runs.RUN)).status.is_terminal:
            return append_count, number
