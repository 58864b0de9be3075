from __future__ import annotations

import asyncio
import datetime as dt
from fractions import Fraction

import pytest

from fleet.engine import clock, virtual
from fleet.engine.clock import Clock

BASE = dt.datetime(2026, 1, 10, 2, tzinfo=dt.UTC)


class Loop:
    """A loop's time, moved by hand."""

    def __init__(self, passed_s: float) -> None:
        self.passed_s = passed_s

    def time(self) -> float:
        return self.passed_s


@pytest.mark.parametrize(
    ("scale", "passed"),
    [
        pytest.param(1, dt.timedelta(seconds=90), id="real"),
        pytest.param(60, dt.timedelta(minutes=90), id="fast"),
        pytest.param(Fraction(1, 3), dt.timedelta(seconds=30), id="slow"),
    ],
)
def test_the_moment_moves_with_the_loop(scale: int | Fraction, passed: dt.timedelta) -> None:
    loop = Loop(1000.0)
    one = Clock(BASE, loop_time=loop.time, scale=scale)
    loop.passed_s += 90

    assert one.now() == BASE + passed


def test_a_base_in_another_zone_reads_in_utc() -> None:
    base = BASE.astimezone(dt.timezone(dt.timedelta(hours=5)))

    assert Clock(base, loop_time=Loop(0).time).now().isoformat() == "2026-01-10T02:00:00+00:00"


def test_a_base_without_a_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="time zone"):
        Clock(BASE.replace(tzinfo=None), loop_time=Loop(0).time)


@pytest.mark.parametrize("scale", [0, -1])
def test_time_cannot_stand_or_run_backwards(scale: int) -> None:
    with pytest.raises(ValueError, match="times as fast"):
        Clock(BASE, loop_time=Loop(0).time, scale=scale)


def test_a_scaled_clock_waits_less_than_it_says() -> None:
    async def main() -> tuple[dt.timedelta, dt.timedelta]:
        outside, inside = virtual.clock(), clock.scaled(BASE, 60)
        began = outside.now()
        await inside.sleep(dt.timedelta(hours=1))
        return outside.now() - began, inside.now() - BASE

    assert virtual.run(main()) == (dt.timedelta(minutes=1), dt.timedelta(hours=1))


def test_no_time_passes_where_nothing_is_waited_for() -> None:
    async def main() -> list[str]:
        here = virtual.clock()
        seen: list[str] = []
        asyncio.get_running_loop().call_soon(seen.append, "turned")
        await here.sleep(dt.timedelta(0))
        await here.sleep(dt.timedelta(seconds=-5))
        return list(seen)

    assert virtual.run(main()) == []


async def test_the_real_clock_starts_at_the_wall_moment() -> None:
    before = clock.wall()
    now = clock.real().now()

    assert abs(now - before) < dt.timedelta(seconds=5)
