"""Reads of API servers, tried again a bounded number of times; a write never passes here.

Tried again is what may pass: 429, 5xx, and connections that broke or never
came about. Whoever is told to wait longer than :data:`LONGEST_WAIT_S` is told so instead.

Units:   the clock's seconds.
Errors:  the last attempt's own; an answer is returned, whatever its status.
"""

from __future__ import annotations

import datetime as dt
from http import HTTPStatus

import tenacity

from fleet.kube import answers
from fleet.kube.wire import Reply, Request, Unanswered, Wire
from fleet.ports import Clock

TRIES = 4
LONGEST_WAIT_S = 60.0
_FIRST_WAIT_S = 0.5
_BACKOFF_LIMIT_S = 8.0
_PASSING = frozenset(
    {
        HTTPStatus.TOO_MANY_REQUESTS,
        HTTPStatus.INTERNAL_SERVER_ERROR,
        HTTPStatus.BAD_GATEWAY,
        HTTPStatus.SERVICE_UNAVAILABLE,
        HTTPStatus.GATEWAY_TIMEOUT,
    }
)


async def reading(wire: Wire, request: Request, *, clock: Clock) -> Reply:
    """Send a request that reads, and return the answer."""

    async def pause(seconds: float) -> None:
        await clock.sleep(dt.timedelta(seconds=seconds))

    attempts = tenacity.AsyncRetrying(
        sleep=pause,
        stop=tenacity.stop_after_attempt(TRIES),
        wait=_wait_s,
        retry=tenacity.retry_if_exception(_may_pass) | tenacity.retry_if_result(_is_passing),
        retry_error_callback=_last,
    )
    return await attempts(wire.exchange, request)


def _last(state: tenacity.RetryCallState) -> Reply:
    assert state.outcome is not None  # noqa: S101 - tenacity's promise
    found: Reply = state.outcome.result()
    return found


def _may_pass(error: BaseException) -> bool:
    return isinstance(error, Unanswered) and error.may_pass


def _is_passing(reply: Reply) -> bool:
    if reply.status not in _PASSING:
        return False
    return (answers.retry_after_s(reply) or 0) <= LONGEST_WAIT_S


def _wait_s(state: tenacity.RetryCallState) -> float:
    if state.outcome is not None and not state.outcome.failed:
        told_s = answers.retry_after_s(state.outcome.result())
        if told_s is not None:
            return told_s
    doubled: float = _FIRST_WAIT_S * 2.0 ** (state.attempt_number - 1)
    return min(doubled, _BACKOFF_LIMIT_S)
