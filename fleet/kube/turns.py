"""Turns: how many lists are asked for and how many are read at once, of all clusters together.

A list that is being read takes twice what its cluster takes otherwise, so few are. How far a
server is away does not count for that: whoever waits to read has an answer already that begins,
and the network keeps the rest of it. Nor may that take long, since a request has its time, so not
many more are asked for.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, ExitStack, asynccontextmanager

ASKED, READ = 64, 8
_LONGEST_S = 2.0
"""So long one counts, in seconds of the event loop: a server that is slower keeps nobody."""


class Turns:
    """Lets some in at a time."""

    def __init__(
        self, asked: int = ASKED, read: int = READ, *, longest_s: float = _LONGEST_S
    ) -> None:
        self._asked = asyncio.Semaphore(asked)
        self._read = asyncio.Semaphore(read)
        self._longest_s = longest_s

    def asking(self) -> AbstractAsyncContextManager[None]:
        """Wait for a turn to ask for a page, and have it while it is read as well."""
        return self._one(self._asked)

    def reading(self) -> AbstractAsyncContextManager[None]:
        """Wait for a turn to read the page that was asked for."""
        return self._one(self._read)

    @asynccontextmanager
    async def _one(self, places: asyncio.Semaphore) -> AsyncIterator[None]:
        await places.acquire()
        with ExitStack() as held:
            held.callback(places.release)
            over = asyncio.get_running_loop().call_later(self._longest_s, held.close)
            held.callback(over.cancel)
            yield
