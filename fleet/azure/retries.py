"""Reads, tried again a bounded number of times; a write never passes here.

Units:   the clock's seconds.
Errors:  the last attempt's own.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Awaitable, Callable
from typing import TypeVar

import tenacity

from fleet.azure.answers import GarbledError
from fleet.errors import LostAnswerError, RemoteError, ThrottledError, TransientError
from fleet.ports import Clock

T = TypeVar("T")

TRIES = 8
"""Where nobody waits for a quick word."""
LONGEST_WAIT_S = 300.0
"""Whoever is told to wait longer than this is told so, instead of waiting."""
_FIRST_WAIT_S = 1.0
_BACKOFF_LIMIT_S = 30.0
_PASSING = (TransientError, ThrottledError, LostAnswerError, GarbledError)


async def reading(read: Callable[[], Awaitable[T]], *, clock: Clock, tries: int = TRIES) -> T:
    """Return what *read* returns, trying again while what stops it may pass."""

    async def pause(seconds: float) -> None:
        await clock.sleep(dt.timedelta(seconds=seconds))

    attempts = tenacity.AsyncRetrying(
        sleep=pause,
        stop=tenacity.stop_after_attempt(tries),
        wait=_wait_s,
        retry=tenacity.retry_if_exception(_may_pass),
        reraise=True,
    )
    return await attempts(read)


def _may_pass(error: BaseException) -> bool:
    if not isinstance(error, _PASSING):
        return False
    return (error.retry_after_s or 0) <= LONGEST_WAIT_S


def _wait_s(state: tenacity.RetryCallState) -> float:
    failed = state.outcome.exception() if state.outcome else None
    if isinstance(failed, RemoteError) and failed.retry_after_s is not None:
        return failed.retry_after_s
    doubled: float = _FIRST_WAIT_S * 2.0 ** (state.attempt_number - 1)
    return min(doubled, _BACKOFF_LIMIT_S)
