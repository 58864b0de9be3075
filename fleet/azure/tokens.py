"""One token for all requests of a connection, fetched anew long before it ends.

Whoever comes while there is none waits for the one that is being fetched.
While the old one is good, one request renews it and all others go on with it,
so an issuer that is away for a while is noticed by nobody. A token that the
service refuses is dropped, and the next request gets another: one that was
accepted before has ended early, one that was not may have come out of an old
cache, and claims ask for it. Where a second one in a row is refused that was
never accepted, nobody here can help, and a person must log in again.

Units:   moments are those of the run's clock.
Errors:  :exc:`AuthError`, :exc:`TransientError`; never a token in a message.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import functools

from fleet.azure.credentials import UNKNOWN, Identity, Issuer, Token, identity_of
from fleet.azure.retries import reading
from fleet.errors import AuthError, RemoteError, TransientError
from fleet.ports import Clock

MARGIN = dt.timedelta(minutes=5)
"""A token that is never renewed before it has less than this left is a poor one."""
_RENEWED_AT = 4
"""A token is renewed when no more than one part in so many of its life is left."""
# Source: azure-identity and the Azure CLI give the token that they have out of their own cache,
# until it has less than 5 minutes to go.
_LATEST = MARGIN - dt.timedelta(seconds=10)
_GAP = dt.timedelta(seconds=30)
"""Between two attempts to replace a token that is still good."""
_TRIES = 4
_QUIET = dt.timedelta(minutes=10)
"""A token that the service took for so long has answered the challenge before it."""
_CHALLENGES = 3
"""In a row; one more, and no token of this identity will do."""


class Tokens:
    """The token, and how it fares."""

    def __init__(self, issuer: Issuer, *, clock: Clock, hint: str) -> None:
        self._issuer = issuer
        self._clock = clock
        self._hint = hint
        self._lock = asyncio.Lock()
        self._token: Token | None = None
        self._due_at: dt.datetime | None = None
        self._fetched_at: dt.datetime | None = None
        self._identity: Identity | None = None
        self._accepted: set[str] = set()
        self._refused: str | None = None
        self._pardoned: str | None = None
        """Refused, never accepted, and the first of its kind since one was."""
        self._claims: str | None = None
        self._challenges = 0

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
        if self._pardoned != token.text:
            self._pardoned = None

    def refused(self, token: Token, *, claims: str | None = None) -> RemoteError:
        """Drop *token*, which the service answered with 401, and return what that means.

        Args:
            token: Which was refused; nothing was done.
            claims: What the service wants the next one to be asked for with.
        """
        is_news = self._token is not None and self._token.text == token.text
        if is_news:
            self._token = None
        self._refused = token.text
        if claims is not None:
            return self._challenged(claims, is_news=is_news)
        # NB: one that ended on its way says nothing of whoever it was given to.
        if token.text in self._accepted or self._clock.now() >= token.expires_at:
            return TransientError("the service takes the token no longer: fetched anew", status=401)
        # NB: of many requests that were out with one token, all are told the same.
        self._pardoned = self._pardoned or token.text
        if self._pardoned == token.text:
            return TransientError("the service does not take the token: fetched anew", status=401)
        return self._unwelcome()

    def _challenged(self, claims: str, *, is_news: bool) -> RemoteError:
        # NB: of many requests that were out with one token, the first is news.
        if is_news:
            self._claims = claims
            lasted = self._clock.now() - self._fetched_at if self._fetched_at else _QUIET
            self._challenges = self._challenges + 1 if lasted < _QUIET else 1
        if self._challenges <= _CHALLENGES:
            message = "the service asks for a token with other claims: fetched anew"
            return TransientError(message, status=401)
        message = (
            f"the service asked {self._challenges} times in a row for a token with other claims, "
            "and took none of those that it got"
        )
        hint = "A conditional access policy keeps this identity out; whoever set it up can tell."
        return AuthError(message, hint=hint, status=401)

    def _good(self) -> Token | None:
        token = self._token
        return token if token is not None and self._clock.now() < token.expires_at else None

    def _is_due(self) -> bool:
        return self._due_at is not None and self._clock.now() >= self._due_at

    async def _renewed(self, old: Token | None) -> Token:
        fetch = functools.partial(self._issuer.fetch, self._claims)
        try:
            token = await reading(fetch, clock=self._clock, tries=1 if old else _TRIES)
            self._require_same(identity_of(token.text))
        except RemoteError:
            if old is None:
                raise
            self._due_at = self._clock.now() + _GAP
            return old
        if token.text == self._refused:
            # NB: credentials have caches of their own; asking again would go round in circles.
            raise self._unwelcome()
        self._keep(token, is_same=old is not None and old.text == token.text)
        return token

    def _keep(self, token: Token, *, is_same: bool) -> None:
        now = self._clock.now()
        left = token.expires_at - now
        # A cache that gave the same again will do so until shortly before its end.
        due_at = now + left / 2 if is_same else token.expires_at - left / _RENEWED_AT
        if is_same or left > MARGIN:
            due_at = min(due_at, token.expires_at - _LATEST)
        self._due_at = max(due_at, now + _GAP)
        if not is_same:
            self._fetched_at = now
            # NB: refusals of the last one may still be on their way; older ones are not kept.
            self._accepted &= {self._refused or "", self._token.text if self._token else ""}
        self._token, self._claims = token, None

    def _require_same(self, identity: Identity) -> None:
        """Refuse a token of somebody else: the run began as one identity, and ends as it."""
        if UNKNOWN in (identity.tenant, identity.principal):
            return
        if self._identity not in (None, identity):
            message = (
                f"the credential now speaks for principal {identity.principal} of tenant "
                f"{identity.tenant}, and spoke for another before"
            )
            raise AuthError(message, hint=self._hint)
        self._identity = identity

    def _unwelcome(self) -> AuthError:
        if self._claims is not None:
            message = "the credential gives the same token again, and the service asks for another"
            return AuthError(message, hint=self._hint, status=401)
        return AuthError("the service does not accept this identity's token", hint=self._hint)
