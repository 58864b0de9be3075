from __future__ import annotations

import asyncio
import datetime as dt
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from fleet.core import draws
from fleet.engine import clock, virtual
from fleet.engine.virtual import VirtualLoop
from fleet.errors import InvariantError

START = dt.datetime(2026, 1, 10, 2, tzinfo=dt.UTC)


def test_hours_pass_in_the_time_their_work_takes() -> None:
    async def main() -> dt.datetime:
        await virtual.clock().sleep(dt.timedelta(hours=8))
        return virtual.clock().now()

    assert virtual.run(main(), start_at=START) == START + dt.timedelta(hours=8)


def test_sleepers_wake_in_order_and_at_their_moment() -> None:
    async def sleeper(seen: list[tuple[int, float]], n: int) -> None:
        for _ in range(3):
            await asyncio.sleep(draws.between(1, 10_000, 1, "nap", n, len(seen)))
            seen.append((n, asyncio.get_running_loop().time()))

    async def main() -> list[tuple[int, float]]:
        seen: list[tuple[int, float]] = []
        async with asyncio.TaskGroup() as tasks:
            for n in range(50):
                tasks.create_task(sleeper(seen, n))
        return seen

    first, second = virtual.run(main()), virtual.run(main())

    assert first == second
    assert [at for _, at in first] == sorted(at for _, at in first)


@pytest.mark.parametrize("own_executor", [True, False], ids=["own executor", "default executor"])
def test_time_stands_still_while_a_job_runs(own_executor: bool) -> None:
    """A slow disk must not look like a deadline that has passed."""

    async def main(executor: ThreadPoolExecutor | None) -> tuple[str, float]:
        loop = asyncio.get_running_loop()
        timer = loop.call_later(1, lambda: None)
        answer = await loop.run_in_executor(executor, _slow, "done")
        timer.cancel()
        return answer, loop.time()

    with ThreadPoolExecutor(1) as executor:
        assert virtual.run(main(executor if own_executor else None)) == ("done", 0.0)


def test_time_stands_still_for_a_job_nobody_waits_for_any_more() -> None:
    async def main(job: threading.Event) -> tuple[float, bool]:
        loop = asyncio.get_running_loop()
        waiting = loop.run_in_executor(None, _slow, "done", job)
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.sleep(1)
        return loop.time(), job.is_set()

    assert virtual.run(main(threading.Event())) == (1.0, True)


def test_time_goes_on_after_a_job_has_failed() -> None:
    async def main() -> float:
        with pytest.raises(ZeroDivisionError):
            await asyncio.to_thread(lambda: 1 // 0)
        await asyncio.sleep(5)
        return asyncio.get_running_loop().time()

    assert virtual.run(main()) == 5.0


def test_time_can_be_held_for_work_outside() -> None:
    async def main() -> float:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        done = asyncio.Event()
        with loop.standing_still():
            thread = threading.Thread(target=_announce, args=(loop, done))
            thread.start()
            loop.call_later(60, lambda: None)
            await done.wait()
            thread.join()
        return loop.time()

    assert virtual.run(main()) == 0.0


def test_a_deadline_strikes_at_its_virtual_moment() -> None:
    async def main() -> float:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(1800):
                await asyncio.Event().wait()
        return asyncio.get_running_loop().time()

    assert virtual.run(main()) == 1800.0


def test_a_loop_that_nothing_can_wake_says_so() -> None:
    async def main() -> None:
        asyncio.current_task().set_name("the one that waits")  # type: ignore[union-attr]
        await asyncio.Event().wait()

    with pytest.raises(InvariantError, match=r"Nothing can happen.*\(1\): the one that waits"):
        virtual.run(main())


def test_what_a_task_raises_comes_out() -> None:
    async def main() -> None:
        await asyncio.sleep(3600)
        message = "as expected"
        raise KeyError(message)

    with pytest.raises(KeyError, match="as expected"):
        virtual.run(main())


def test_waits_longer_than_a_day_end_at_their_moment() -> None:
    async def main() -> float:
        await asyncio.sleep(10 * 86_400)
        return asyncio.get_running_loop().time()

    assert virtual.run(main()) == pytest.approx(10 * 86_400, abs=1e-6)


async def test_a_real_loop_has_no_virtual_clock() -> None:
    with pytest.raises(InvariantError, match="real time"):
        virtual.clock()


def test_ten_thousand_sleepers_cost_seconds_for_eight_hours() -> None:
    async def sleeper(n: int) -> None:
        for turn in range(8):
            await asyncio.sleep(draws.between(1, 3600, 1, n, turn))

    async def main() -> None:
        async with asyncio.TaskGroup() as tasks:
            for n in range(10_000):
                tasks.create_task(sleeper(n))

    began_s = time.process_time()
    virtual.run(main())

    assert time.process_time() - began_s < 20


def test_a_clock_on_the_loop_starts_where_it_is_told() -> None:
    async def main() -> dt.datetime:
        return clock.scaled(START, 1).now()

    assert virtual.run(main(), start_at=START - dt.timedelta(days=1)) == START


def _slow(answer: str, done: threading.Event | None = None) -> str:
    time.sleep(0.05)
    if done is not None:
        done.set()
    return answer


def _announce(loop: asyncio.AbstractEventLoop, done: asyncio.Event) -> None:
    time.sleep(0.05)
    loop.call_soon_threadsafe(done.set)
