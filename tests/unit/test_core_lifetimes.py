"""When an operation is read: laws over whole fleets, and what a single one meets."""

from __future__ import annotations

import dataclasses
import datetime as dt
import heapq
import itertools
import statistics
from collections.abc import Sequence

import pytest
from hypothesis import given, settings, strategies as st

from fleet.core import draws, lifetimes
from fleet.core.lifetimes import Lifetimes
from tests.rig.fleets import seconds

_SEEN_AFTER_S = 0.2
"""How long a read takes."""


@dataclasses.dataclass(slots=True)
class Life:
    """An operation, and how it was read."""

    begins_s: float
    lasts_s: float
    ran_s: float = 0.0
    eagerness: float = 1.0
    reads_s: list[float] = dataclasses.field(default_factory=list)
    """At what ages."""

    @property
    def delay_s(self) -> float:
        """From its end until it was seen."""
        return self.ran_s - self.lasts_s


def followed(lasts_s: Sequence[float], *, at_once: int) -> list[Life]:
    """Follow operations that last so long, so many *at_once*, as the poller does; to their ends."""
    known, lives = Lifetimes(), list[Life]()
    heap: list[tuple[float, int, Life, bool]] = []
    left, turn, running = list(reversed(lasts_s)), 0, 0

    def begin(now_s: float) -> None:
        nonlocal running
        life = Life(now_s, left.pop(), eagerness=known.eagerness())
        lives.append(life)
        known.begin()
        running += 1
        ask(life, now_s)

    def ask(life: Life, now_s: float) -> None:
        nonlocal turn
        turn += 1
        due = known.next_read(
            seconds(life.ran_s), eagerness=life.eagerness, running_count=running
        ).total_seconds()
        wait_s = life.begins_s + due - now_s
        if wait_s > 1e-3:
            pause_s = min(wait_s, max(wait_s / 4, 5))
            heapq.heappush(heap, (now_s + pause_s, turn, life, False))
        else:
            known.spend()
            life.reads_s.append(now_s - life.begins_s)
            heapq.heappush(heap, (now_s + _SEEN_AFTER_S, turn, life, True))

    for _ in range(min(at_once, len(left))):
        begin(0.0)
    while heap:
        now_s, _, life, is_answer = heapq.heappop(heap)
        if not is_answer:
            ask(life, now_s)
            continue
        age_s = now_s - life.begins_s
        has_ended = life.lasts_s <= life.reads_s[-1]
        known.saw(seconds(life.ran_s), seconds(age_s), has_ended=has_ended)
        life.ran_s = age_s
        if not has_ended:
            life.eagerness = known.eagerness()
            ask(life, now_s)
            continue
        running -= 1
        if left:
            begin(now_s)
    return lives


def reads_each(lives: Sequence[Life]) -> float:
    return statistics.mean(len(life.reads_s) for life in lives)


def drawn(low_s: int, high_s: int, *, count: int, seed: int) -> list[float]:
    return [float(draws.between(low_s, high_s, seed, number)) for number in range(count)]


def uniform(seed: int, count: int) -> list[float]:
    return drawn(60, 400, count=count, seed=seed)


def bimodal(seed: int, count: int) -> list[float]:
    short, long = drawn(60, 100, count=count, seed=seed), drawn(700, 900, count=count, seed=~seed)
    pairs = zip(short, long, strict=True)
    return [two[draws.between(0, 3, seed, "mode", n) == 0] for n, two in enumerate(pairs)]


def heavy_tailed(seed: int, count: int) -> list[float]:
    """One in a hundred lasts ten times as long as half of them do, and there is no end to it."""
    return [60_000.0 / one for one in drawn(2, 1000, count=count, seed=seed)]


def constant(seed: int, count: int) -> list[float]:
    return [drawn(20, 1200, count=1, seed=seed)[0]] * count


FLEETS = pytest.mark.parametrize("fleet", [uniform, bimodal, heavy_tailed, constant])


@FLEETS
@pytest.mark.parametrize("at_once", [20, 300])
@settings(max_examples=5, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_operations_take_few_reads_however_long_they_last(
    fleet: object, at_once: int, seed: int
) -> None:
    """Whether the first have ended before the last begin, or all run at once."""
    assert callable(fleet)
    lives = followed(fleet(seed, 300), at_once=at_once)

    assert reads_each(lives) <= 3


@settings(max_examples=40, deadline=None)
@given(
    lasts_s=st.lists(st.floats(1, 20_000), min_size=20, max_size=80),
    at_once=st.integers(1, 80),
)
def test_whatever_happens_reads_stay_few_on_average(lasts_s: list[float], at_once: int) -> None:
    """Few operations can surprise: a whole fleet's worth of reads is not there to draw on yet.

    Durations that were picked to fall just after each read cost more than any that come about. But
    waits grow with age: one that lasts 20,000 s takes about ten reads, and all together take fewer.
    """
    lives = followed(lasts_s, at_once=at_once)

    assert reads_each(lives) <= 8


@pytest.mark.parametrize("seed", range(5))
def test_the_last_of_all_that_run_at_once_are_seen_soon(seed: int) -> None:
    """The end of a run is the end of its slowest: nothing was known of their age before."""
    lives = followed(uniform(seed, 1000), at_once=1000)
    slowest = max(life.lasts_s for life in lives)

    assert max(life.lasts_s + life.delay_s for life in lives) <= 1.03 * slowest
    assert reads_each(lives) <= lifetimes.READS_EACH


@pytest.mark.parametrize("seed", range(5))
def test_what_was_learned_shortens_the_delays_of_those_that_come_later(seed: int) -> None:
    """A wave of fifty after the other, all about as long."""
    lives = followed(drawn(90, 100, count=600, seed=seed), at_once=50)

    assert statistics.mean(life.delay_s for life in lives[:50]) > 10
    assert statistics.mean(life.delay_s for life in lives[300:]) < 4


@pytest.mark.parametrize("fleet", [uniform, heavy_tailed, constant])
def test_an_end_is_seen_soon_for_the_age_at_which_it_came(fleet: object) -> None:
    assert callable(fleet)
    for seed in range(3):
        for life in followed(fleet(seed, 300), at_once=50):
            assert life.delay_s <= 1.5 * life.lasts_s + 250


def test_an_end_that_was_just_missed_is_seen_when_the_others_end_at_the_latest() -> None:
    for seed in range(3):
        for life in followed(bimodal(seed, 300), at_once=50):
            assert life.lasts_s + life.delay_s <= 1.5 * 900 + 150


@FLEETS
@pytest.mark.parametrize("seed", range(3))
def test_nobody_is_read_before_the_fastest_tenth(fleet: object, seed: int) -> None:
    """As soon as it is known when that is."""
    assert callable(fleet)
    lasts_s = sorted(fleet(seed, 500))
    known = Lifetimes()
    for one in lasts_s:
        known.saw(seconds(one - 1), seconds(one), has_ended=True)
        known.saw(seconds(0), seconds(one - 1), has_ended=False)

    # All reads there are, for few operations: nobody is read as early as then.
    known._left = 10.0**6
    first = known.next_read(seconds(0), eagerness=0.65, running_count=1)

    bin_s = 5 + lasts_s[50] / 50
    assert first.total_seconds() >= lasts_s[50] - bin_s


@pytest.mark.parametrize("lasts_s", [20, 92, 122, 300, 900])
def test_a_single_one_that_nothing_is_known_of_takes_few_reads(lasts_s: int) -> None:
    """92 s and 122 s are what installs and uninstalls took where it was recorded."""
    (life,) = followed([lasts_s], at_once=1)

    assert len(life.reads_s) <= 5
    assert life.delay_s <= max(120, lasts_s / 2)


def test_one_that_never_ends_is_read_ever_more_rarely() -> None:
    lives = followed([*uniform(1, 300), 24 * 3600.0], at_once=50)

    assert len(lives[-1].reads_s) < 80
    assert reads_each(lives) <= 3


def test_reads_of_one_operation_are_never_close_together() -> None:
    for life in followed(uniform(2, 300), at_once=300):
        moments = [0.0, *life.reads_s]
        gaps = [after - before for before, after in itertools.pairwise(moments)]
        assert min(gaps) >= 5


@pytest.mark.parametrize(("since_s", "until_s"), [(0, 0), (9, 9), (9, 8), (-5, -1), (0, -600)])
def test_a_clock_that_was_set_back_teaches_nothing(since_s: int, until_s: int) -> None:
    known, other = Lifetimes(), Lifetimes()
    known.saw(seconds(since_s), seconds(until_s), has_ended=True)

    def first(one: Lifetimes) -> dt.timedelta:
        return one.next_read(seconds(-600), eagerness=1.0, running_count=1)

    assert first(known) == first(other) > dt.timedelta(0)


def test_an_age_beyond_all_tables_is_still_read_again() -> None:
    since = dt.timedelta(days=30)
    known = Lifetimes()
    known.saw(dt.timedelta(0), since, has_ended=False)

    assert known.next_read(since, eagerness=1.0, running_count=1) > since
