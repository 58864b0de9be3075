"""One token for all requests of a connection, fetched anew before it ends.

Whoever comes while it is being fetched waits for that one; nobody waits while
the old one is still good. A token that the service refuses is dropped: had it
been accepted before, the next request gets a fresh one; if not, nobody here
can help, and a person must log in again.

Units:   moments are those of the run's clock.
Errors:  :exc:`AuthError`, :exc:`TransientError`; never a token in a message.
"""

from __future__ import annotations

import asyncio
import datetime as dt

from fleet.azure.credentials import Identity, Issuer, Token, identity_of
from fleet.azure.retries import reading
from fleet.errors import AuthError, RemoteError, TransientError
from fleet.ports import Clock

MARGIN = dt.timedelta(minutes=5)
"""How long before its end a token is replaced."""
_GAP = dt.timedelta(seconds=30)
"""Between two attempts to replace a token that is still good."""
_TRIES = 4


class Tokens:
    """The token, and how it fares."""

    def __init__(self, issuer: Issuer, *, clock: Clock, hint: str) -> None:
        self._issuer = issuer
        self._clock = clock
        self._hint = hint
        self._lock = asyncio.Lock()
        self._token: Token | None = None
        self._due_at: dt.datetime | None = None
        self._accepted: set[str] = set()
        self._refused: str | None = None

    async def current(self) -> Token:
        """Return a token that is good by the clock."""
        token = self._good()
        if token is not None and (not self._is_due() or self._lock.locked()):
            return token
        async with self._lock:
            token = self._good()
            if token is not None and not self._is_due():
                return token
            return await self._renewed(token)

    async def identity(self) -> Identity:
        """Return whom the token names."""
        return identity_of((await self.current()).text)

    def accepted(self, token: Token) -> None:
        """Note that the service took *token*."""
        self._accepted.add(token.text)

    def refused(self, token: Token) -> RemoteError:
        """Drop *token*, which the service answered with 401, and return what that means."""
        if self._token is not None and self._token.text == token.text:
            self._token = None
        self._refused = token.text
        # NB: one that ended on its way says nothing of whoever it was given to.
        if token.text in self._accepted or self._clock.now() >= token.expires_at:
            return TransientError("the service takes the token no longer: fetched anew", status=401)
        return self._unwelcome()

    def _good(self) -> Token | None:
        token = self._token
        return token if token is not None and self._clock.now() < token.expires_at else None

    def _is_due(self) -> bool:
        return self._due_at is not None and self._clock.now() >= self._due_at

    async def _renewed(self, old: Token | None) -> Token:
        try:
            token = await reading(self._issuer.fetch, clock=self._clock, tries=1 if old else _TRIES)
        except RemoteError:
            if old is None:
                raise
            self._due_at = self._clock.now() + _GAP
            return old
        if token.text == self._refused:
            # NB: credentials have caches of their own; asking again would go round in circles.
            raise self._unwelcome()
        self._token = token
        self._due_at = max(token.expires_at - MARGIN, self._clock.now() + _GAP)
        return token

    def _unwelcome(self) -> AuthError:
        return AuthError("the service does not accept this identity's token", hint=self._hint)
