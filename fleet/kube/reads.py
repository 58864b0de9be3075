"""Reads of API servers, tried again a bounded number of times; a write never passes here.

Tried again is what may pass: 429, 5xx, and connections that broke or never
came about. Whoever is told to wait longer than :data:`LONGEST_WAIT_S` is told so instead.

Units:   the clock's seconds.
Errors:  the last attempt's own; an answer is returned, whatever its status.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import TypeVar

from fleet.kube import answers
from fleet.kube.exchanges import Reply, Request, Unanswered
from fleet.kube.wire import Page
from fleet.ports import Clock

Answer = TypeVar("Answer", Reply, Reply | Page)

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


async def reading(
    ask: Callable[[Request], Awaitable[Answer]], request: Request, *, clock: Clock
) -> Answer:
    """Send a request that reads, and return the answer.

    NB: tenacity keeps 18 KB of every request that waits for its answer, which is a quarter of all
    that a cluster takes.
    """
    for attempt in range(1, TRIES):
        told_s = None
        try:
            found = await ask(request)
        except Unanswered as error:
            if not error.may_pass:
                raise
        else:
            if not _is_passing(found):
                return found
            told_s = answers.retry_after_s(found)
        await pause(clock, attempt, told_s=told_s)
    return await ask(request)


async def pause(clock: Clock, attempt: int, *, told_s: float | None = None) -> None:
    """Wait after attempt number *attempt*, from 1, as long as the server says where it does."""
    doubled_s = min(_FIRST_WAIT_S * 2.0 ** (attempt - 1), _BACKOFF_LIMIT_S)
    await clock.sleep(dt.timedelta(seconds=doubled_s if told_s is None else told_s))


def _is_passing(reply: Reply | Page) -> bool:
    if reply.status not in _PASSING:
        return False
    return (answers.retry_after_s(reply) or 0) <= LONGEST_WAIT_S
