"""A call to the service has an end, whoever does not answer.

Units:   seconds of the event loop, not of the run's clock: it is about this machine's network.
Errors:  :exc:`~fleet.errors.LostAnswerError` where the end came first.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

from fleet.errors import LostAnswerError

T = TypeVar("T")

CALL_LIMIT_S = 300
"""After so long, a call that never answers counts as lost."""


async def limited(call: Awaitable[T]) -> T:
    """Return what *call* returns, if it does in time."""
    try:
        async with asyncio.timeout(CALL_LIMIT_S):
            return await call
    except TimeoutError:
        message = f"no answer within {CALL_LIMIT_S} s"
        raise LostAnswerError(message) from None
