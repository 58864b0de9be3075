"""Turns: how many lists are read at once, whichever clusters they come from.

A list that is being read takes twice what its cluster takes otherwise. Whoever waits has an answer
already that begins, so what counts is how long it takes to read, and not how far a server is away;
the network keeps the rest of it meanwhile.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager

AT_ONCE = 8
_LONGEST_S = 2.0
"""So long a list counts, in seconds of the event loop: a server that is slower keeps nobody."""


class Turns:
    """Lets some in at a time."""

    def __init__(self, count: int = AT_ONCE, *, longest_s: float = _LONGEST_S) -> None:
        self._places = asyncio.Semaphore(count)
        self._longest_s = longest_s

    @asynccontextmanager
    async def one(self) -> AsyncIterator[None]:
        """Wait for a turn, and have it until the block ends, or for as long as it counts."""
        await self._places.acquire()
        with ExitStack() as held:
            held.callback(self._places.release)
            over = asyncio.get_running_loop().call_later(self._longest_s, held.close)
            held.callback(over.cancel)
            yield
