"""Requests under our identity, to one place and to no other.

The token never leaves for another host, whatever URL is asked for, and no
request is ever sent twice here: see :mod:`fleet.azure.retries` for reads.

Errors:  the RemoteErrors of :mod:`fleet.errors`; statuses below 300 are returned, and those asked
         for.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from http import HTTPStatus

import aiohttp

from fleet.azure.answers import Answer, retry_after_s
from fleet.azure.clouds import Place
from fleet.azure.credentials import Token
from fleet.azure.refusals import refusal
from fleet.azure.requests import Request
from fleet.azure.tokens import Tokens
from fleet.azure.transport import exchange
from fleet.errors import RemoteError
from fleet.ports import Clock, RequestIds

# An answer with one of these tells nothing of the token: it may have been given before anybody
# looked at it.
_UNJUDGED = frozenset({HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.REQUEST_TIMEOUT})


class Wire:
    """What all requests of a connection share."""

    def __init__(
        self, place: Place, *, opened: aiohttp.ClientSession, tokens: Tokens, clock: Clock
    ) -> None:
        self.place = place
        self.tokens = tokens
        self.clock = clock
        self.opened = opened

    async def call(self, request: Request, *, passing: Collection[int] = ()) -> Answer:
        """Send *request* once, and return the answer.

        Args:
            request: What to send.
            passing: Statuses from 400 up that the caller reads itself.
        """
        if not self.place.is_at(request.url):
            message = f"{request.what}: not sent, its URL is not at {self.place.url}"
            raise RemoteError(message, correlation_id=request.ids.correlation_id)
        token = await self.tokens.current()
        headers = {"Authorization": f"Bearer {token.text}", **id_headers(request.ids)}
        if request.body is not None:
            headers["Content-Type"] = "application/json"
        answer = await exchange(self.opened, request, headers)
        self.judge(answer, token, request.ids.correlation_id)
        if answer.status < HTTPStatus.MULTIPLE_CHOICES or answer.status in passing:
            return answer
        raise refusal(answer, request, now=self.clock.now())

    def judge(self, answer: Answer, token: Token, correlation_id: str | None) -> None:
        """Learn from *answer* how *token* fares; raise where it was refused."""
        if answer.status == HTTPStatus.UNAUTHORIZED:
            error = self.tokens.refused(token)
            error.correlation_id = answer.correlation_id or correlation_id
            error.retry_after_s = retry_after_s(answer, now=self.clock.now())
            raise error
        if answer.status < HTTPStatus.INTERNAL_SERVER_ERROR and answer.status not in _UNJUDGED:
            self.tokens.accepted(token)


def id_headers(ids: RequestIds) -> Mapping[str, str]:
    """Return the headers that carry *ids*."""
    return {
        "x-ms-correlation-request-id": ids.correlation_id,
        "x-ms-client-request-id": ids.client_request_id,
        "x-ms-return-client-request-id": "true",
    }
