"""Tokens from a simulated control plane, which takes any client: nothing here is a secret."""

from __future__ import annotations

import datetime as dt
import re
import urllib.parse
import uuid
from collections.abc import Mapping
from http import HTTPStatus

import aiohttp

from fleet.azure import challenges
from fleet.azure.answers import problem_of, retry_after_s
from fleet.azure.clouds import Place
from fleet.azure.credentials import Token, scope_of
from fleet.azure.requests import Request
from fleet.azure.transport import exchange
from fleet.errors import AuthError, ThrottledError, TransientError, UnexpectedPayloadError
from fleet.ports import Clock

# No secrets: an endpoint on this machine that pretends to be Entra takes any.
TENANT = "00000000-0000-4000-8000-000000000001"
CLIENT = "00000000-0000-4000-8000-000000000002"
_PASSING = (HTTPStatus.REQUEST_TIMEOUT,)
_WHAT = "logging in"
_SECONDS = re.compile(r"[0-9]{1,8}")
_TOKEN = re.compile(r"[!-~]{1,65536}")
"""What a header can carry."""


class SimulatedIssuer:
    """The endpoint's own token service."""

    def __init__(
        self, place: Place, *, opened: aiohttp.ClientSession, clock: Clock, name: str | None = None
    ) -> None:
        self._place = place
        self._user = name if name is not None and "@" in name else None
        is_client = name is not None and self._user is None
        self._client = str(uuid.uuid5(uuid.UUID(CLIENT), name or "")) if is_client else CLIENT
        self._opened = opened
        self._clock = clock

    async def fetch(self, claims: str | None = None) -> Token:
        """Return a token; :exc:`AuthError` where the endpoint gives none."""
        form = {
            "grant_type": "password" if self._user else "client_credentials",
            "client_id": self._client,
            **self._who(),
            "claims": challenges.capable(claims),
            "scope": scope_of(self._place),
        }
        request = Request(
            method="POST",
            url=f"{self._place.url}/{TENANT}/oauth2/v2.0/token",
            what=_WHAT,
            body=urllib.parse.urlencode(form).encode(),
        )
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        asked_at = self._clock.now()
        answer = await exchange(self._opened, request, headers)
        wait_s = retry_after_s(answer, now=asked_at)
        if answer.status == HTTPStatus.TOO_MANY_REQUESTS:
            message = f"{_WHAT}: the endpoint asks for fewer requests"
            raise ThrottledError(message, status=answer.status, retry_after_s=wait_s)
        if answer.status >= HTTPStatus.INTERNAL_SERVER_ERROR or answer.status in _PASSING:
            message = f"{_WHAT}: the answer was {answer.status}"
            raise TransientError(message, status=answer.status, retry_after_s=wait_s)
        if answer.status != HTTPStatus.OK:
            said = problem_of(answer).text or answer.shape
            message = f"{_WHAT}: the answer was {answer.status}: {said}"
            hint = "Does the endpoint give tokens? Else name a credential and an audience."
            raise AuthError(message, hint=hint, status=answer.status)
        return _token(answer.object(what=_WHAT), asked_at)

    def _who(self) -> Mapping[str, str]:
        if self._user is None:
            return {"client_secret": "simulated"}
        return {"username": self._user, "password": "simulated"}


def _token(body: object, asked_at: dt.datetime) -> Token:
    text = body.get("access_token") if isinstance(body, dict) else None
    lasts_s = body.get("expires_in") if isinstance(body, dict) else None
    # Source: Entra writes expires_in as a number, older endpoints as text.
    is_known = isinstance(lasts_s, int | str) and _SECONDS.fullmatch(str(lasts_s))
    if not isinstance(text, str) or not _TOKEN.fullmatch(text) or not is_known:
        raise UnexpectedPayloadError(f"{_WHAT}: the answer holds no token that can be used")
    return Token(text=text, expires_at=asked_at + dt.timedelta(seconds=int(str(lasts_s))))
