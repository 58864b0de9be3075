"""An event loop whose time is virtual: hours pass in the time their work takes.

Where nothing is ready, the loop does not wait for the next timer, it jumps to
it. While a job runs in an executor (the journal commits on a thread) time
stands still and the loop really waits, so that a slow disk never looks like
a deadline that passed. A loop with nothing left that could ever wake it says
so, instead of hanging.

Not for sockets: they are polled, and time does not wait for them.

Units:   loop seconds, ``float``, from 0; :attr:`VirtualLoop.clock` makes moments of them.
Errors:  :exc:`~fleet.errors.InvariantError` where nothing can happen any more.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import selectors
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from typing import Any, TypeVar, TypeVarTuple

from fleet.engine.clock import Clock
from fleet.errors import InvariantError

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

START_AT = dt.datetime(2026, 1, 10, 2, tzinfo=dt.UTC)
"""Where virtual time begins unless told: a Saturday, at 02:00."""


def run(coroutine: Coroutine[Any, Any, T], *, start_at: dt.datetime = START_AT) -> T:
    """Run *coroutine* to its end on a new virtual loop, as :func:`asyncio.run` would."""
    with asyncio.Runner(loop_factory=lambda: VirtualLoop(start_at=start_at)) as runner:
        return runner.run(coroutine)


def clock() -> Clock:
    """Return the clock of the running loop, which must be virtual."""
    loop = asyncio.get_running_loop()
    if not isinstance(loop, VirtualLoop):
        message = "this loop keeps real time: use fleet.engine.clock.real()"
        raise InvariantError(message)
    return loop.clock


_GLANCE_EVERY = 64
"""Turns of the loop between two looks at the wake-up pipe, where signals arrive."""


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop that jumps from timer to timer."""

    def __init__(self, *, start_at: dt.datetime = START_AT) -> None:
        self._passed_s = 0.0
        self._job_count = 0
        self._job_pool: ThreadPoolExecutor | None = None
        super().__init__(_Leaping(self))
        self.clock = Clock(start_at, loop_time=self.time)

    def time(self) -> float:
        """Return the virtual seconds since the loop was made."""
        return self._passed_s

    @contextlib.contextmanager
    def standing_still(self) -> Iterator[None]:
        """Keep time where it is, for work outside that the loop cannot see."""
        self._job_count += 1
        try:
            yield
        finally:
            self._job_count -= 1

    def run_in_executor(
        self,
        executor: Executor | None,
        func: Callable[[*Ts], T],
        *args: *Ts,
    ) -> asyncio.Future[T]:
        """Run *func* on a thread; no virtual time passes until it has ended."""
        job = (executor or self._default_pool()).submit(func, *args)
        self._job_count += 1
        waiting = asyncio.wrap_future(job, loop=self)
        # NB: after wrap_future, so that the result is delivered before time may move. And on the
        # thread's own future: a cancelled wait does not end the job.
        job.add_done_callback(self._count_down)
        return waiting

    async def shutdown_default_executor(self, *args: Any, **kwargs: Any) -> None:
        """Wait for the default executor's threads, really."""
        with self.standing_still():
            await super().shutdown_default_executor(*args, **kwargs)

    def leap(self, seconds: float) -> None:
        """Let virtual time pass."""
        self._passed_s += seconds

    def may_leap(self) -> bool:
        """Tell whether nothing outside is being waited for."""
        return self._job_count == 0

    def _default_pool(self) -> Executor:
        if self._job_pool is None:
            self._job_pool = ThreadPoolExecutor(thread_name_prefix="virtual")
            self.set_default_executor(self._job_pool)
        return self._job_pool

    def _count_down(self, _: Future[Any]) -> None:
        # A job may outlive the loop that started it; then nobody is waiting.
        with contextlib.suppress(RuntimeError):
            self.call_soon_threadsafe(self._end_job)

    def _end_job(self) -> None:
        self._job_count -= 1


class _Leaping(selectors.DefaultSelector):
    """Where the loop would sleep, let its time pass instead."""

    def __init__(self, loop: VirtualLoop) -> None:
        super().__init__()
        self._loop = loop
        self._glances = 0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Return what is ready; *timeout* is virtual, ``None`` means that no timer is set."""
        if timeout is not None and timeout <= 0:
            return self._glance()
        if not self._loop.may_leap():
            return super().select(None)
        if timeout is None:
            return self._last_hope()
        self._loop.leap(timeout)
        return self._glance()

    def _glance(self) -> list[tuple[selectors.SelectorKey, int]]:
        """Look at what is ready; mostly nothing can be, and asking the kernel costs most of all."""
        self._glances += 1
        if self._glances % _GLANCE_EVERY and len(self.get_map()) == 1:
            return []
        return super().select(0)

    def _last_hope(self) -> list[tuple[selectors.SelectorKey, int]]:
        # The loop's own wake-up pipe is always registered; anything more may still speak.
        if len(self.get_map()) > 1:
            return super().select(None)
        raise InvariantError(_stuck(self._loop))


def _stuck(loop: VirtualLoop) -> str:
    tasks = [task for task in asyncio.all_tasks(loop) if not task.done()]
    names = ", ".join(sorted(task.get_name() for task in tasks)[:10])
    return (
        "Nothing can happen any more: no task is ready, no timer is set and no job is running. "
        f"Waiting for ever ({len(tasks)}): {names}."
    )
