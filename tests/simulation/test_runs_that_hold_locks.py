"""A whole run on virtual time, and its lease: renewed, and what happens where it is lost."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Sequence

import pytest

from fleet.core.state import RunState
from fleet.engine import history, virtual
from fleet.engine.upkeep import LEASE, LeaseKeeper
from fleet.errors import LostLocksError
from fleet.journal import locks
from fleet.journal.memory import MemoryStore
from fleet.model import events as e
from fleet.model.cluster import ClusterId
from fleet.model.events import Event
from fleet.model.statuses import RunStatus
from fleet.ports import LockKey
from fleet.sim.ports import SimulatedAzure
from tests.rig import rollouts, runs

MINUTE = dt.timedelta(minutes=1)
KEY = LockKey(endpoint="world:test", cluster_id=ClusterId("c"), extension="osm")
ONE_BY_ONE = rollouts.rollout(spread=rollouts.strategy(max_concurrency=1))
CALM = {"clusters": 30, "seed": 5, "offlineShare": 0}


@dataclasses.dataclass(slots=True, kw_only=True)
class Seen:
    """What a run left."""

    state: RunState
    store: MemoryStore
    error: LostLocksError | None = None
    lost_at: dt.datetime | None = None
    last_intent_at: dt.datetime | None = None
    leases: list[tuple[dt.datetime, dt.datetime]] = dataclasses.field(default_factory=list)
    """(of an event, the lease's end)."""


def played(*, lose_after: int | None = None) -> Seen:
    """A run that loses its locks once so many targets have ended."""
    held = locks.in_memory()

    async def play() -> Seen:
        store, azure = MemoryStore(), SimulatedAzure(runs.world(**CALM), virtual.clock())
        plan = await runs.planned(ONE_BY_ONE, azure)
        now = virtual.clock().now()
        held.take(runs.RUN, actor=runs.ALICE, keys=[KEY], now=now, lease=LEASE)
        seen = Seen(state=RunState(), store=store)

        def observe(events: Sequence[Event], state: RunState) -> None:
            for event in events:
                if isinstance(event, e.StepIntended):
                    seen.last_intent_at = event.at
            for one in held.holders():
                seen.leases.append((events[-1].at, one.leased_until))
            if lose_after is not None and len(state.results) >= lose_after and not seen.lost_at:
                held.finish(runs.RUN)
                seen.lost_at = events[-1].at

        async with store.hold(runs.RUN, actor=runs.ALICE, create=True) as journal:
            keeper = LeaseKeeper(
                held, run_id=runs.RUN, actor=runs.ALICE, endpoint="world:test", taken_at=now
            )
            runner = await runs.begun(journal, plan, azure, observe=observe, upkeep=keeper)
            try:
                await runner.run()
            except LostLocksError as error:
                seen.error = error
            seen.state = history.load(journal)
        return seen

    try:
        return virtual.run(play())
    finally:
        held.close()


def test_a_run_that_takes_hours_never_lets_its_lease_run_out() -> None:
    seen = played()

    moments = [at for at, _ in seen.leases]
    assert seen.state.status is RunStatus.SUCCEEDED
    assert moments[-1] - moments[0] > 3 * LEASE
    assert all(until > at for at, until in seen.leases)


def test_a_run_that_lost_its_locks_starts_nothing_more_and_can_be_taken_over() -> None:
    seen = played(lose_after=3)

    assert seen.error is not None
    assert "does not hold its locks any more" in seen.error.message
    assert f"fleet run --run-id {runs.RUN}" in (seen.error.hint or "")
    assert seen.lost_at is not None
    assert seen.last_intent_at is not None
    assert seen.last_intent_at < seen.lost_at + LEASE / 3 + MINUTE
    assert 3 <= len(seen.state.results) < 30
    assert not seen.state.status.is_terminal


async def test_the_lease_is_renewed_a_third_of_its_length_before_and_no_sooner() -> None:
    now = dt.datetime(2026, 1, 10, 2, tzinfo=dt.UTC)
    held = locks.in_memory()
    held.take("r", actor=runs.ALICE, keys=[KEY], now=now, lease=LEASE)
    keeper = LeaseKeeper(held, run_id="r", actor=runs.ALICE, endpoint="world:test", taken_at=now)

    async def tended(minutes: int) -> dt.datetime:
        await keeper.tend(now + minutes * MINUTE)
        return held.holders()[0].leased_until - LEASE

    found = [await tended(minutes) for minutes in (0, 4, 5, 9, 10, 60)]

    assert found == [now + minutes * MINUTE for minutes in (0, 0, 5, 5, 10, 60)]
    held.finish("r")
    await keeper.tend(now + 61 * MINUTE)
    with pytest.raises(LostLocksError):
        await keeper.tend(now + 65 * MINUTE)
    held.close()
