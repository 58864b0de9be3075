"""Real credentials where this machine's clock is set by hours: they tell ends by it."""

from __future__ import annotations

import dataclasses
import datetime as dt
from typing import Any

import pytest
from azure.core.credentials import AccessToken

from fleet.azure.credentials import Kind
from fleet.azure.entra import EntraIssuer
from fleet.azure.tokens import Tokens
from tests.rig.scripted import SkippingClock

HOUR = dt.timedelta(hours=1)
EVERY = dt.timedelta(seconds=30)
LASTS = 12
"""Hours of a run; the clock is set after two of them."""


@dataclasses.dataclass(kw_only=True)
class Login:
    """Gives tokens of an hour, and tells their ends by this machine's clock, as the SDK does."""

    clock: SkippingClock
    off: dt.timedelta = dt.timedelta(0)
    ends: dict[str, dt.datetime] = dataclasses.field(default_factory=dict)
    """When they end indeed."""

    def wall(self) -> dt.datetime:
        return self.clock.now() + self.off

    async def get_token(self, *_scopes: str, **_options: Any) -> AccessToken:
        text = f"token {len(self.ends)}"
        self.ends[text] = self.clock.now() + HOUR
        return AccessToken(text, int((self.wall() + HOUR).timestamp()))

    async def close(self) -> None:
        """Nothing is held."""

    async def __aenter__(self) -> Any:
        return self

    async def __aexit__(self, *_details: object) -> None:
        """Nothing is held."""


@pytest.mark.parametrize("hours", [-24 * 365, -5, -1, 0, 1, 5, 24 * 365])
async def test_tokens_are_renewed_in_time_and_not_for_every_request(hours: int) -> None:
    clock = SkippingClock()
    login = Login(clock=clock)
    issuer = EntraIssuer(
        login,
        kind=Kind.MANAGED,
        scope="https://x/.default",
        ahead=lambda: clock.now() - login.wall(),
    )
    tokens, began_at = Tokens(issuer, clock=clock, hint="log in"), clock.now()

    while clock.now() - began_at < LASTS * HOUR:
        if clock.now() - began_at >= 2 * HOUR:
            login.off = hours * HOUR
        token = await tokens.current()
        assert login.ends[token.text] > clock.now(), "a token that has ended"
        tokens.accepted(token)
        clock.moment += EVERY

    # Each is renewed when a quarter of its life is left.
    assert LASTS <= len(login.ends) <= LASTS * 4 // 3 + 1
