"""Requests under our identity, to one place and to no other.

The token never leaves for another host, whatever URL is asked for, and no
request is ever sent twice here: see :mod:`fleet.azure.retries` for reads.

Errors:  the RemoteErrors of :mod:`fleet.errors`; statuses below 300 are returned, and those asked
         for.
"""

from __future__ import annotations

import asyncio
import contextlib
import copy
import functools
from collections.abc import Awaitable, Callable, Collection, Mapping
from http import HTTPStatus

import aiohttp

from fleet.azure import challenges
from fleet.azure.answers import Answer, problem_of, retry_after_s
from fleet.azure.clouds import Place
from fleet.azure.credentials import Token
from fleet.azure.pace import Pace
from fleet.azure.principals import Principals
from fleet.azure.refusals import refusal
from fleet.azure.requests import Request
from fleet.azure.tokens import Tokens
from fleet.azure.transport import exchange
from fleet.errors import RemoteError
from fleet.net.network import Network
from fleet.ports import Clock, RequestIds

Send = Callable[[Mapping[str, str]], Awaitable[Answer]]
"""Sends a request with the headers that it is given."""

# An answer with one of these tells nothing of the token: it may have been given before anybody
# looked at it.
_UNJUDGED = frozenset({HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.REQUEST_TIMEOUT})


class Wire:
    """What all requests of a connection share."""

    def __init__(
        self,
        place: Place,
        *,
        opened: aiohttp.ClientSession,
        principals: Principals,
        clock: Clock,
        network: Network,
    ) -> None:
        self.place = place
        self.principals = principals
        self.clock = clock
        self.opened = opened
        self.pace = Pace(clock)
        self.network = network
        # NB: who waits for a connection inside the session does so in the time of its call.
        most = network.connections
        self._lines = asyncio.Semaphore(most) if most else contextlib.nullcontext()

    def alone(self, principal: str) -> Wire:
        """Return the same for one of the principals, at the same pace as before."""
        found = copy.copy(self)
        found.principals = self.principals.alone(principal)
        return found

    @property
    def tokens(self) -> Tokens:
        """Those of the principal that was named first."""
        return self.principals.first.tokens

    async def call(self, request: Request, *, passing: Collection[int] = ()) -> Answer:
        """Send *request* once, and return the answer.

        Args:
            request: What to send.
            passing: Statuses from 400 up that the caller reads itself.
        """
        if not self.place.is_at(request.url):
            message = f"{request.what}: not sent, its URL is not at {self.place.url}"
            raise RemoteError(message, correlation_id=request.ids.correlation_id)
        answer = await self.sent(request, functools.partial(exchange, self.opened, request))
        if answer.status < HTTPStatus.MULTIPLE_CHOICES or answer.status in passing:
            return answer
        raise refusal(answer, request, now=self.clock.now())

    async def sent(self, request: Request, send: Send) -> Answer:
        """Wait for *request*'s turn, *send* it as whoever's turn it is, and learn from the answer.

        Raises:
            ThrottledError: Its turn is far away, and nothing was sent.
        """
        with self.pace.turn(request, among=self.principals.names) as turn:
            tokens = self.principals.tokens(turn.principal)
            # NB: fetched before the wait: fetching takes long, and would let turns pile up.
            await tokens.current()
            await turn.comes()
            token = await tokens.current()
            headers = {"Authorization": f"Bearer {token.text}", **id_headers(request.ids)}
            if request.body is not None:
                headers["Content-Type"] = "application/json"
            async with self._lines:
                answer = await send(headers)
            turn.heard(answer)
        self._judge(answer, tokens, token, request.ids.correlation_id)
        return answer

    def _judge(
        self, answer: Answer, tokens: Tokens, token: Token, correlation_id: str | None
    ) -> None:
        """Learn from *answer* how *token* fares; raise where it was refused."""
        if answer.status == HTTPStatus.UNAUTHORIZED:
            error = tokens.refused(token, claims=challenges.claims_of(answer))
            if said := problem_of(answer).text:
                error.message = f"{error.message}; it said: {said}"
            error.correlation_id = answer.correlation_id or correlation_id
            error.retry_after_s = retry_after_s(answer, now=self.clock.now())
            raise error
        if answer.status < HTTPStatus.INTERNAL_SERVER_ERROR and answer.status not in _UNJUDGED:
            tokens.accepted(token)


def id_headers(ids: RequestIds) -> Mapping[str, str]:
    """Return the headers that carry *ids*."""
    return {
        "x-ms-correlation-request-id": ids.correlation_id,
        "x-ms-client-request-id": ids.client_request_id,
        "x-ms-return-client-request-id": "true",
    }
