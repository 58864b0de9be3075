"""Tokens through runs of days, on a clock that skips: issuers with caches, or that fail."""

from __future__ import annotations

import dataclasses
import datetime as dt

import pytest

from fleet.azure.credentials import Token
from fleet.azure.tokens import Tokens
from fleet.errors import AuthError, TransientError
from tests.rig.scripted import SkippingClock, jwt

DAYS = 3
STEP = dt.timedelta(seconds=30)
HOUR = dt.timedelta(hours=1)


@dataclasses.dataclass(kw_only=True)
class Cached:
    """Gives a token that lasts, the same one until it has little left; and is away at times."""

    clock: SkippingClock
    lasts: dt.timedelta
    cached_until: dt.timedelta | None
    """How much a token has left when the cache gives another; ``None``: there is no cache."""
    away: dt.timedelta = dt.timedelta(0)
    """Out of every hour, at its end."""
    fetches: int = 0
    held: Token | None = None

    async def fetch(self, claims: str | None = None) -> Token:
        assert claims is None
        self.fetches += 1
        now = self.clock.now()
        past_the_hour = dt.timedelta(minutes=now.minute, seconds=now.second)
        if past_the_hour >= HOUR - self.away:
            raise TransientError(status=503)
        old = self.held
        if old and self.cached_until is not None and old.expires_at - now >= self.cached_until:
            return old
        self.held = Token(text=f"{self.fetches}", expires_at=now + self.lasts)
        return self.held


async def _least_left(issuer: Cached) -> dt.timedelta:
    """Ask for the token every half a minute for days, and return the least that it had left."""
    clock = issuer.clock
    tokens = Tokens(issuer, clock=clock, hint="log in")
    began_at, least = clock.now(), dt.timedelta.max
    while clock.now() - began_at < dt.timedelta(days=DAYS):
        token = await tokens.current()
        tokens.accepted(token)
        least = min(least, token.expires_at - clock.now())
        clock.moment += STEP
    return least


FIVE = dt.timedelta(minutes=5)


@pytest.mark.parametrize(
    ("lasts_min", "cached", "least_min", "most_fetches"),
    [
        pytest.param(60, None, 15, 24 * DAYS * 4 // 3 + 1, id="a service principal"),
        pytest.param(75, FIVE, 4.5, 24 * DAYS * 4, id="the Azure CLI and its cache"),
        pytest.param(24 * 60, dt.timedelta(hours=12), 6 * 60, DAYS * 2, id="a managed identity"),
        pytest.param(27 * 60, None, 6.75 * 60, DAYS * 2, id="continuous access evaluation"),
        pytest.param(10, None, 4.5, 24 * DAYS * 12, id="ten minutes"),
    ],
)
async def test_a_token_is_renewed_long_before_it_ends_and_not_asked_for_all_the_time(
    lasts_min: int, cached: dt.timedelta | None, least_min: float, most_fetches: int
) -> None:
    issuer = Cached(
        clock=SkippingClock(), lasts=dt.timedelta(minutes=lasts_min), cached_until=cached
    )
    least = await _least_left(issuer)

    assert least >= dt.timedelta(minutes=least_min) - STEP
    assert DAYS * 24 * 60 // lasts_min <= issuer.fetches <= most_fetches
    assert issuer.clock.slept_s == [], "nobody waited"


@pytest.mark.parametrize(
    ("cached", "away_min"), [(None, 14), (FIVE, 4)], ids=["without a cache", "with one"]
)
async def test_an_issuer_that_is_away_every_hour_is_noticed_by_nobody(
    cached: dt.timedelta | None, away_min: int
) -> None:
    issuer = Cached(
        clock=SkippingClock(), lasts=HOUR, cached_until=cached, away=dt.timedelta(minutes=away_min)
    )
    least = await _least_left(issuer)

    assert least > dt.timedelta(0)
    assert issuer.clock.slept_s == [], "nobody waited"


async def test_somebody_else_s_token_is_not_used_while_a_run_lasts() -> None:
    """``az login`` as another, in another terminal, while a run of days is under way."""
    clock = SkippingClock()
    people = [jwt(tid="t", oid="alice"), jwt(tid="t", oid="bob")]

    class Login:
        async def fetch(self, claims: str | None = None) -> Token:
            del claims
            text = people.pop(0) if len(people) > 1 else people[0]
            return Token(text=text, expires_at=clock.now() + HOUR)

    tokens = Tokens(Login(), clock=clock, hint="log in")
    first = await tokens.current()
    clock.moment += dt.timedelta(minutes=50)
    still = await tokens.current()
    clock.moment += dt.timedelta(minutes=10)
    with pytest.raises(AuthError) as caught:
        await tokens.current()

    assert still == first
    assert caught.value.message == (
        "the credential now speaks for principal bob of tenant t, and spoke for another before"
    )
