"""What locks and pools do: one suite, on a file and in memory."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime as dt
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from fleet.journal import locks, pools
from fleet.journal.locks import SqliteLocks
from fleet.journal.pools import SqlitePools
from fleet.model.cluster import ClusterId
from fleet.model.events import Actor
from fleet.ports import Conflict, LockHolder, LockKey, Locks, Pools, Release, Taking

AT = dt.datetime(2026, 1, 10, 2, tzinfo=dt.UTC)
MINUTE = dt.timedelta(minutes=1)
LEASE = 15 * MINUTE
OVER = AT + LEASE
ANN = Actor(name="ann", host="hosta", pid=1)
BOB = Actor(name="bob", host="hostb", pid=2)
CLUSTERS = "/subscriptions/s1/resourcegroups/rg/providers/microsoft.kubernetes/connectedclusters"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Locks, with who is alive."""

    locks: SqliteLocks
    pools: SqlitePools
    alive: set[str]


@pytest.fixture(params=["file", "memory"])
def place(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Place]:
    alive: set[str] = set()
    with contextlib.ExitStack() as stack:
        if request.param == "file":
            monkeypatch.setattr(locks, "_is_carried_on", lambda _root, run: run in alive)
            held = stack.enter_context(locks.opened(tmp_path / "fleet"))
            shared = stack.enter_context(pools.opened(tmp_path / "fleet"))
        else:
            held = locks.in_memory(is_alive=lambda run: run in alive)
            stack.callback(held.close)
            shared = pools.in_memory(held)
        yield Place(locks=held, pools=shared, alive=alive)


def key(name: str, *, extension: str = "osm", endpoint: str = "https://arm") -> LockKey:
    cluster_id = ClusterId(f"{CLUSTERS}/{name}")
    return LockKey(endpoint=endpoint, cluster_id=cluster_id, extension=extension)


def take(
    place: Place, run: str, *keys: LockKey, now: dt.datetime = AT, actor: Actor = ANN
) -> Taking:
    return place.locks.take(run, actor=actor, keys=keys, now=now, lease=LEASE)


def holder(
    run: str, *, actor: Actor = ANN, at: dt.datetime = AT, alive: bool = False
) -> LockHolder:
    return LockHolder(
        run_id=run, actor=actor, leased_at=at, leased_until=at + LEASE, is_alive=alive
    )


def test_locks_and_pools_are_what_the_ports_ask_for(place: Place) -> None:
    """Checked by mypy, too."""
    as_locks: Locks = place.locks
    as_pools: Pools = place.pools

    assert as_locks.holders() == ()
    assert as_pools.reserve("p", run_id="a", in_use=0, wanted=1, cap=1, now=AT) == 0


def test_runs_of_disjoint_targets_hold_their_locks_side_by_side(place: Place) -> None:
    assert take(place, "a", key("x"), key("y")) == Taking()
    assert take(place, "b", key("z")) == Taking()

    assert place.locks.holders() == (holder("a"), holder("b"))
    assert place.locks.keys("a") == (key("x"), key("y"))


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(key("x", extension="flux"), id="another extension"),
        pytest.param(key("x", endpoint="https://sim"), id="another service"),
        pytest.param(key("y"), id="another cluster"),
    ],
)
def test_what_differs_in_any_part_is_another_lock(place: Place, other: LockKey) -> None:
    take(place, "a", key("x"))

    assert take(place, "b", other) == Taking()


def test_ids_are_the_same_whatever_their_case(place: Place) -> None:
    take(place, "a", key("x"))
    quiet = key("x")
    loud = LockKey(
        endpoint=quiet.endpoint.upper(),
        cluster_id=ClusterId(quiet.cluster_id.upper()),
        extension=quiet.extension.upper(),
    )

    found = place.locks.conflicts("b", keys=[loud], now=AT)

    assert found == (Conflict(holder=holder("a"), count=1, first=(quiet,)),)


def test_takes_all_or_nothing_and_says_who_holds_what_and_until_when(place: Place) -> None:
    take(place, "a", *(key(name) for name in "tuvwx"))
    take(place, "b", key("y"), actor=BOB)

    taking = take(place, "c", *(key(name) for name in "uvwxyz"))

    assert taking.taken_over == ()
    assert taking.conflicts == (
        Conflict(holder=holder("a"), count=4, first=(key("u"), key("v"), key("w"))),
        Conflict(holder=holder("b", actor=BOB), count=1, first=(key("y"),)),
    )
    assert [one.run_id for one in place.locks.holders()] == ["a", "b"]
    assert take(place, "d", key("z")) == Taking()


def test_looking_takes_nothing(place: Place) -> None:
    assert place.locks.conflicts("a", keys=[key("x")], now=AT) == ()

    assert place.locks.holders() == ()
    assert take(place, "b", key("x")) == Taking()


def test_a_run_takes_its_own_locks_again_for_a_new_process(place: Place) -> None:
    take(place, "a", key("x"), key("y"))

    assert take(place, "a", key("x"), key("z"), now=AT + MINUTE, actor=BOB) == Taking()

    assert place.locks.holders() == (holder("a", actor=BOB, at=AT + MINUTE),)
    assert place.locks.keys("a") == (key("x"), key("y"), key("z"))


def test_a_lease_that_is_over_is_taken_over_whole_and_that_is_told(place: Place) -> None:
    take(place, "a", key("x"), key("y"))
    assert take(place, "b", key("x"), now=OVER - MINUTE).conflicts

    taking = take(place, "b", key("x"), now=OVER)

    assert taking == Taking(taken_over=(Conflict(holder=holder("a"), count=1, first=(key("x"),)),))
    assert place.locks.keys("a") == ()
    assert not place.locks.renew("a", now=OVER, lease=LEASE)
    assert take(place, "a", key("x"), now=OVER).conflicts


def test_nothing_is_taken_from_a_run_that_a_process_carries_on(place: Place) -> None:
    """Its process may be stopped, or its machine's clock set: what it sent goes on all the same."""
    take(place, "a", key("x"))
    place.alive.add("a")

    taking = take(place, "b", key("x"), now=OVER + LEASE)

    (found,) = taking.conflicts
    assert found.holder == holder("a", alive=True)
    place.alive.clear()
    assert take(place, "b", key("x"), now=OVER + LEASE).taken_over


def test_a_lease_from_a_clock_that_was_far_ahead_is_over(place: Place) -> None:
    take(place, "a", key("x"), now=AT + dt.timedelta(days=400))

    assert take(place, "b", key("x")).taken_over


def test_clocks_that_differ_by_less_than_a_lease_do_no_harm(place: Place) -> None:
    take(place, "a", key("x"), now=AT + LEASE)

    assert take(place, "b", key("x"), now=AT).conflicts


def test_renewing_extends_the_lease(place: Place) -> None:
    take(place, "a", key("x"))

    assert place.locks.renew("a", now=AT + 10 * MINUTE, lease=LEASE)

    assert take(place, "b", key("x"), now=OVER + 9 * MINUTE).conflicts
    assert place.locks.holders() == (holder("a", at=AT + 10 * MINUTE),)


def test_a_lease_that_is_over_and_that_nobody_wanted_is_renewed(place: Place) -> None:
    take(place, "a", key("x"))

    assert place.locks.renew("a", now=OVER + LEASE, lease=LEASE)


def test_what_is_released_is_free_and_the_rest_is_kept(place: Place) -> None:
    take(place, "a", key("x"), key("y"))
    take(place, "b", key("z"))

    place.locks.release("a", keys=[key("x"), key("z")])

    assert take(place, "c", key("x")) == Taking()
    assert place.locks.keys("a") == (key("y"),)
    assert place.locks.keys("b") == (key("z"),)


def test_a_run_that_is_finished_holds_nothing(place: Place) -> None:
    take(place, "a", key("x"), key("y"))
    place.pools.reserve("p", run_id="a", in_use=0, wanted=3, cap=3, now=AT)

    place.locks.finish("a")
    place.locks.finish("a")

    assert place.locks.holders() == ()
    assert place.locks.places("a") == {}
    assert take(place, "b", key("x"), key("y")) == Taking()


def test_what_is_still_at_work_when_a_run_is_finished_stays_locked_until_its_lease_is_over(
    place: Place,
) -> None:
    take(place, "a", key("x"), key("y"))

    place.locks.finish("a", keep=[key("y")])

    assert take(place, "b", key("x")) == Taking()
    assert take(place, "c", key("y")).conflicts
    assert take(place, "c", key("y"), now=OVER).taken_over


def test_a_release_by_force_is_kept_with_its_reason(place: Place) -> None:
    take(place, "a", key("x"))

    assert place.locks.release_by_force("a", by=BOB, reason="host burnt; password=hunter2", at=AT)

    assert not place.locks.release_by_force("a", by=BOB, reason="again", at=AT)
    assert take(place, "b", key("x")) == Taking()
    assert place.locks.releases() == (
        Release(run_id="a", holder=ANN, actor=BOB, reason="host burnt; password=***", at=AT),
    )


def test_nothing_is_released_by_force_from_a_run_that_a_process_carries_on(place: Place) -> None:
    take(place, "a", key("x"))
    place.alive.add("a")

    assert not place.locks.release_by_force("a", by=BOB, reason="in my way", at=AT)

    assert place.locks.renew("a", now=AT, lease=LEASE)
    assert place.locks.releases() == ()


def test_a_hundred_thousand_locks_are_taken_and_looked_up_in_a_few_seconds(place: Place) -> None:
    """Each other fleet is as large: joining them one by one would take hours."""
    mine = [key(f"store-{n:06}") for n in range(100_000)]
    take(place, "other", *(key(f"site-{n:06}") for n in range(100_000)))
    started = time.process_time()

    assert take(place, "a", *mine) == Taking()
    (found,) = place.locks.conflicts("b", keys=mine, now=AT)
    place.locks.finish("a")

    assert found.count == 100_000
    assert time.process_time() - started < 10


# --- pools -------------------------------------------------------------------------------


def reserve(
    place: Place,
    run: str,
    *,
    wanted: int,
    in_use: int = 0,
    cap: int = 10,
    now: dt.datetime = AT,
    pool: str = "registry",
    since: dt.datetime | None = None,
) -> int:
    return place.pools.reserve(
        pool, run_id=run, in_use=in_use, wanted=wanted, cap=cap, now=now, since=since
    )


@pytest.fixture
def both(place: Place) -> Place:
    """Two runs."""
    take(place, "a", key("x"))
    take(place, "b", key("y"))
    return place


def test_runs_share_the_places_of_a_pool(both: Place) -> None:
    assert reserve(both, "a", wanted=7) == 7
    assert reserve(both, "b", wanted=7) == 3
    assert reserve(both, "b", wanted=7, pool="another") == 7

    assert both.locks.places("b") == {"another": 7, "registry": 3}


def test_asking_again_for_the_same_is_no_second_reservation(both: Place) -> None:
    """So whoever takes a run over says what is in flight, and the count is right."""
    assert reserve(both, "a", wanted=7) == 7
    assert reserve(both, "a", wanted=7) == 7

    assert reserve(both, "b", wanted=9) == 3


def test_wanting_fewer_gives_places_back(both: Place) -> None:
    reserve(both, "a", wanted=10)
    assert reserve(both, "b", wanted=1) == 0

    assert reserve(both, "a", wanted=4, in_use=4) == 4

    assert reserve(both, "b", wanted=10) == 6


def test_what_is_in_flight_has_its_places_whatever_the_cap(both: Place) -> None:
    reserve(both, "a", wanted=10)

    assert reserve(both, "b", in_use=2, wanted=5) == 2
    assert reserve(both, "a", in_use=1, wanted=10) == 8


def test_what_becomes_free_is_left_to_who_waits_until_it_has_its_share(both: Place) -> None:
    reserve(both, "a", wanted=10)
    reserve(both, "b", wanted=10, since=AT)

    left = [reserve(both, "a", in_use=n, wanted=10) for n in (9, 8, 5)]
    got = reserve(both, "b", wanted=10, since=AT)

    assert left == [9, 8, 5]
    assert got == 5
    # It has its share, though it would like more: what the other gives back is the other's.
    assert reserve(both, "a", in_use=4, wanted=10) == 5


def test_of_two_that_wait_the_one_that_waits_longer_comes_first(both: Place) -> None:
    assert reserve(both, "a", wanted=1, cap=1, since=AT + MINUTE) == 1
    assert reserve(both, "a", wanted=0, cap=1, since=AT + MINUTE) == 0
    assert reserve(both, "b", wanted=0, cap=1, since=AT) == 0

    assert reserve(both, "a", wanted=1, cap=1, since=AT + MINUTE) == 0
    assert reserve(both, "b", wanted=1, cap=1, since=AT) == 1


def test_who_waits_no_more_holds_nobody_up(both: Place) -> None:
    reserve(both, "b", wanted=0, since=AT)
    reserve(both, "b", wanted=0)

    assert reserve(both, "a", wanted=10) == 10


def test_each_run_keeps_to_its_own_cap_over_all(both: Place) -> None:
    reserve(both, "a", wanted=6)

    assert reserve(both, "b", wanted=6, cap=8) == 2


def test_places_of_a_dead_run_are_free_once_its_lease_is_over(both: Place) -> None:
    reserve(both, "a", wanted=10)
    both.locks.renew("b", now=OVER, lease=LEASE)

    assert reserve(both, "b", wanted=10, now=OVER - MINUTE) == 0
    both.alive.add("a")
    assert reserve(both, "b", wanted=10, now=OVER) == 0
    both.alive.clear()
    assert reserve(both, "b", wanted=10, now=OVER) == 10


def test_a_run_without_locks_has_no_places(both: Place) -> None:
    assert reserve(both, "c", wanted=1) == 0
