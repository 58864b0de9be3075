"""Tokens for others than Resource Manager, under the same identity: logs and metrics.

Each audience has a token of its own, fetched when it is first wanted. Who may
be sent one is decided by whoever knows the hosts (:mod:`fleet.azure.monitors`).

Errors:  those of :mod:`fleet.azure.tokens`.
"""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Awaitable, Callable

from fleet.azure.credentials import Issuer, Token
from fleet.azure.tokens import Tokens
from fleet.ports import Clock

Opened = Callable[[str], Awaitable[Issuer]]
"""Opens whoever gives tokens for an audience."""


class Audiences:
    """The tokens of one identity, by whom they are meant for."""

    def __init__(self, opened: Opened, *, clock: Clock, hint: str) -> None:
        self._opened = opened
        self._clock = clock
        self._hint = hint
        self._lock = asyncio.Lock()
        self._issuers: dict[str, Issuer] = {}
        self._tokens: dict[str, Tokens] = {}

    async def token(self, audience: str, *, refused: str = "") -> str:
        """Return a token for *audience*.

        Args:
            audience: Whom it is meant for.
            refused: One from here that was not taken; empty: the last one was, or there was none.
        """
        async with self._lock:
            if audience not in self._issuers:
                self._issuers[audience] = await self._opened(audience)
            tokens = self._tokens.get(audience) or self._fresh(audience)
        found = await tokens.current()
        if found.text != refused:
            return found.text
        # NB: begun anew: what one answerer refuses, once an hour, adds up to no lockout.
        tokens = self._fresh(audience)
        tokens.refused(Token(text=refused, expires_at=self._clock.now() + dt.timedelta(hours=1)))
        return (await tokens.current()).text

    def _fresh(self, audience: str) -> Tokens:
        made = Tokens(self._issuers[audience], clock=self._clock, hint=self._hint)
        self._tokens[audience] = made
        return made
