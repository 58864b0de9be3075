"""Bringing a notice to somebody who may be busy, broken or gone: tried again, for a bounded time.

One try is somebody else's (:mod:`fleet.outside.webhooks`, :mod:`fleet.outside.messengers`); here
is when there is another. What was not taken after that is the notifier's business.

Units:   seconds of the event loop.
Errors:  the last try's own.
"""

from __future__ import annotations

import asyncio
import dataclasses
import time
from collections.abc import Awaitable, Callable

import tenacity

from fleet import log
from fleet.core.notices import Notice
from fleet.errors import RemoteError, ThrottledError, TransientError
from fleet.ports import Pause

Try = Callable[[Notice], Awaitable[None]]
"""Brings a notice once. Raises :exc:`TransientError` or :exc:`ThrottledError` where another try may
help, :exc:`RemoteError` where none will."""

_PASSING = (TransientError, ThrottledError)
_FIRST_WAIT_S = 1.0
_LONGEST_BACKOFF_S = 60.0
LONGEST_WAIT_S = 3600.0
"""Whoever asks for a longer wait is tried again after this one."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """A :class:`fleet.ports.Messenger`."""

    once: Try
    limit_s: float = 3600.0
    """From the first try; after it there is none."""
    tries: int = 1000

    async def bring(self, notice: Notice, pause: Pause) -> None:
        """Bring *notice*, trying again while that may help."""
        began_s = _loop_s()

        def is_over(state: tenacity.RetryCallState) -> bool:
            left_s = began_s + self.limit_s - _loop_s()
            return state.attempt_number >= self.tries or _wait_s(state) > left_s

        async def wait(state: tenacity.RetryCallState) -> None:
            _log_retry(notice, state)
            await pause(_wait_s(state), is_asked_for=_asked_for_s(state) is not None)

        attempts = tenacity.AsyncRetrying(
            before_sleep=wait,
            stop=is_over,
            retry=tenacity.retry_if_exception_type(_PASSING),
            reraise=True,
        )
        await attempts(self.once, notice)


def aside(once: Try, *, budget_s: float = 20.0) -> Try:
    """Return *once* on a thread and a loop of its own: where virtual time would not wait for it.

    Time stands still meanwhile, and somebody watches. So whoever took *budget_s* of real seconds
    in all their tries together is left alone.
    """
    spent_s = 0.0

    async def apart(notice: Notice) -> None:
        nonlocal spent_s
        if spent_s >= budget_s:
            raise TransientError(f"it took {budget_s:g} s while time stood still: not tried again")

        async def attempt() -> None:
            await once(notice)

        began_s = time.monotonic()
        try:
            loop = asyncio.get_running_loop()
            await loop.run_in_executor(None, lambda: asyncio.run(attempt()))
        finally:
            spent_s += time.monotonic() - began_s

    return apart


def _log_retry(notice: Notice, state: tenacity.RetryCallState) -> None:
    failed = state.outcome.exception() if state.outcome else None
    reason = failed.message if isinstance(failed, RemoteError) else ""
    log.logger().warning(
        log.Event.NOTICE_RETRIED,
        notice=notice.id,
        kind=notice.kind,
        reason=reason,
        wait_s=_wait_s(state),
    )


def _wait_s(state: tenacity.RetryCallState) -> float:
    asked_for_s = _asked_for_s(state)
    if asked_for_s is not None:
        return min(asked_for_s, LONGEST_WAIT_S)
    doubled: float = _FIRST_WAIT_S * 2.0 ** min(state.attempt_number - 1, 10)
    return min(doubled, _LONGEST_BACKOFF_S)


def _asked_for_s(state: tenacity.RetryCallState) -> float | None:
    failed = state.outcome.exception() if state.outcome else None
    return failed.retry_after_s if isinstance(failed, RemoteError) else None


def _loop_s() -> float:
    return asyncio.get_running_loop().time()
