"""A list, read page by page, and read on where that breaks off.

Errors:  :exc:`ClusterError`, without the cluster's name; :exc:`Unanswered`.
"""

from __future__ import annotations

import contextlib
from array import array
from collections.abc import AsyncGenerator, Callable

from fleet.errors import ClusterError
from fleet.kube import answers, reads
from fleet.kube.exchanges import Reply, Request, Unanswered
from fleet.kube.wire import Page, Wire
from fleet.model.objects import Object
from fleet.ports import Clock


class Listing:
    """One list, and how far it is read. What was yielded is not yielded again."""

    def __init__(self, wire: Wire, clock: Clock, request: Callable[[str], Request]) -> None:
        """Begin.

        Args:
            wire: The connection.
            clock: Waits between tries.
            request: Makes the request for the page that a token stands for; empty: the first.
        """
        self._wire = wire
        self._clock = clock
        self._request = request
        self._token = ""
        self._told = array("q")
        self._known: frozenset[int] = frozenset()
        self._is_more = True
        self._is_outdated = False
        self._breaks = 0

    async def objects(self) -> AsyncGenerator[Object, None]:
        """Yield them; none where the whole kind is not there.

        A list that changed too much while it was read (410) is read on with what the server
        offers for that; where it offers nothing, from the beginning, once. What came to be
        meanwhile may then be missing.
        """
        while self._is_more:
            async with self._wire.turns.asking(), contextlib.aclosing(self._page()) as page:
                async for one in page:
                    yield one
                    # NB: else it would be kept until the next one has come.
                    del one

    async def _page(self) -> AsyncGenerator[Object, None]:
        """Ask for the next page, and yield what is new of it."""
        request = self._request(self._token)
        found = await reads.reading(self._wire.listing, request, clock=self._clock)
        if isinstance(found, Reply):
            self._is_more = self._is_refusal_passed(found, request)
            return
        with contextlib.closing(found):
            async with (
                self._wire.turns.reading(),
                contextlib.aclosing(self._new(found, request)) as new,
            ):
                async for one in new:
                    yield one
                    del one

    async def _new(self, page: Page, request: Request) -> AsyncGenerator[Object, None]:
        """Yield what is new of *page*; where that breaks off, the same page is next."""
        try:
            async with contextlib.aclosing(page.objects()) as found:
                async for one in found:
                    if isinstance(one, Reply):
                        self._turn(one, request)
                    elif self._is_new(one):
                        yield one
                    del one
        except Unanswered as error:
            await self._broken(error)

    def _is_new(self, found: Object) -> bool:
        key = _key(found)
        if key in self._known:
            return False
        self._told.append(key)
        return True

    def _turn(self, reply: Reply, request: Request) -> None:
        answers.listed(reply, request)
        before, self._token = self._token, answers.token_of(reply)
        if self._token and self._token == before:
            message = f"{request.what}: its pages do not end"
            raise ClusterError(message, status=reply.status)
        self._is_more = bool(self._token)

    async def _broken(self, error: Unanswered) -> None:
        self._breaks += 1
        if self._breaks == reads.TRIES or not error.may_pass:
            raise error
        self._known = frozenset(self._told)
        await reads.pause(self._clock, self._breaks)

    def _is_refusal_passed(self, reply: Reply, request: Request) -> bool:
        if self._token and answers.is_outdated(reply) and not self._is_outdated:
            self._token, self._is_outdated = answers.token_of(reply), True
            self._known = frozenset(self._told)
            return True
        if answers.is_absent(reply):
            return False
        raise answers.refusal(reply, request)


def _key(found: Object) -> int:
    """Return what tells an object of a list from the others. NB: a list may be very long."""
    meta = found.get("metadata")
    meta = meta if isinstance(meta, dict) else {}
    return hash((str(meta.get("namespace", "")), str(meta.get("name", ""))))
