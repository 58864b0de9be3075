"""Claims challenges: read from an answer, answered by a token, given up in the end."""

from __future__ import annotations

import base64
import datetime as dt
import json

import pytest
from hypothesis import given, strategies as st

from fleet.azure import challenges
from fleet.azure.answers import Answer
from fleet.azure.credentials import Token
from fleet.azure.tokens import Tokens
from fleet.errors import AuthError, RemoteError, TransientError
from tests.rig.scripted import SkippingClock

CLAIMS = '{"access_token":{"nbf":{"essential":true, "value":"1603742800"}}}'
ENCODED = base64.b64encode(CLAIMS.encode()).decode()
URI = 'authorization_uri="https://login.microsoftonline.com/common"'
WHY = 'error_description="User session has been revoked"'
HOUR = dt.timedelta(hours=1)


def refused_with(header: str) -> Answer:
    return Answer(status=401, headers={"www-authenticate": header}, body=b"")


def encoded(claims: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (f'Bearer realm="", {URI}, error="insufficient_claims", claims="{ENCODED}"', CLAIMS),
        (f'Bearer {URI}, error="invalid_token", {WHY}, claims="{ENCODED}"', CLAIMS),
        (f'bearer error="insufficient_claims",Claims="{ENCODED.rstrip("=")}"', CLAIMS),
        (f'PoP x="y", Bearer claims="{ENCODED}"', CLAIMS),
        ('Bearer error="invalid_token"', None),
        (f'Basic claims="{ENCODED}"', None),
        ('Bearer error="insufficient_claims", claims="!!"', None),
        ('Bearer error="insufficient_claims", claims=""', None),
        (f'Bearer claims="{encoded([1])}"', None),
        (f'Bearer claims="{encoded({"access_token": 1})}"', None),
        ("", None),
    ],
)
def test_claims_are_read_from_the_header_that_asks_for_them(
    header: str, expected: str | None
) -> None:
    assert challenges.claims_of(refused_with(header)) == expected


@given(st.text(st.characters(codec="latin-1"), max_size=200), st.binary(max_size=100))
def test_no_header_whatever_breaks_the_reading(text: str, content: bytes) -> None:
    garbled = base64.b64encode(content).decode()
    for header in (text, f'Bearer claims="{text}"', f'Bearer claims="{garbled}"'):
        found = challenges.claims_of(refused_with(header))
        assert found is None or isinstance(json.loads(challenges.capable(found)), dict)


def test_what_is_asked_for_goes_with_the_word_that_challenges_are_answered() -> None:
    assert json.loads(challenges.capable(CLAIMS)) == {
        "access_token": {
            "nbf": {"essential": True, "value": "1603742800"},
            "xms_cc": {"values": ["CP1"]},
        }
    }
    assert json.loads(challenges.capable(None)) == challenges.CAPABLE


class Issuer:
    """Gives a new token each time, or the same."""

    def __init__(self, clock: SkippingClock, *, is_stubborn: bool = False) -> None:
        self.clock = clock
        self.asked: list[str | None] = []
        self.is_stubborn = is_stubborn

    async def fetch(self, claims: str | None = None) -> Token:
        self.asked.append(claims)
        text = "same" if self.is_stubborn else f"token {len(self.asked)}"
        return Token(text=text, expires_at=self.clock.now() + HOUR)


def made(*, is_stubborn: bool = False) -> tuple[Tokens, Issuer, SkippingClock]:
    clock = SkippingClock()
    issuer = Issuer(clock, is_stubborn=is_stubborn)
    return Tokens(issuer, clock=clock, hint="log in"), issuer, clock


async def test_the_next_token_is_asked_for_with_the_claims_and_the_one_after_without() -> None:
    tokens, issuer, clock = made()
    error = tokens.refused(await tokens.current(), claims=CLAIMS)
    answered = await tokens.current()
    tokens.accepted(answered)
    clock.moment += HOUR
    await tokens.current()

    assert (type(error), error.status) == (TransientError, 401)
    assert issuer.asked == [None, CLAIMS, None]


async def test_many_requests_with_one_token_are_one_challenge() -> None:
    tokens, issuer, _ = made()
    one = await tokens.current()
    errors: list[RemoteError] = [tokens.refused(one, claims=CLAIMS) for _ in range(50)]
    late = tokens.refused(await tokens.current(), claims=CLAIMS)
    await tokens.current()

    assert {type(error) for error in (*errors, late)} == {TransientError}
    assert issuer.asked == [None, CLAIMS, CLAIMS]


async def test_a_challenge_that_repeats_for_ever_ends_in_words() -> None:
    tokens, issuer, _ = made()
    errors = [tokens.refused(await tokens.current(), claims=CLAIMS) for _ in range(5)]

    assert [type(one) for one in errors] == [TransientError] * 3 + [AuthError] * 2
    assert errors[3].message == (
        "the service asked 4 times in a row for a token with other claims, "
        "and took none of those that it got"
    )
    assert "conditional access" in str(errors[3].hint)
    assert issuer.asked == [None, *[CLAIMS] * 4]


async def test_challenges_of_days_are_not_added_up() -> None:
    tokens, _, clock = made()
    errors = []
    for _ in range(20):
        errors.append(tokens.refused(await tokens.current(), claims=CLAIMS))
        await tokens.current()
        clock.moment += dt.timedelta(minutes=11)

    assert {type(one) for one in errors} == {TransientError}


async def test_reads_that_are_taken_do_not_hide_writes_that_are_challenged_for_ever() -> None:
    tokens, _, clock = made()
    errors = []
    for _ in range(4):
        token = await tokens.current()
        tokens.accepted(token)
        clock.moment += dt.timedelta(minutes=2)
        errors.append(tokens.refused(token, claims=CLAIMS))

    assert isinstance(errors[-1], AuthError)


async def test_a_credential_that_gives_the_challenged_token_again_is_told() -> None:
    tokens, _, _ = made(is_stubborn=True)
    tokens.refused(await tokens.current(), claims=CLAIMS)
    with pytest.raises(AuthError) as caught:
        await tokens.current()

    assert caught.value.message == (
        "the credential gives the same token again, and the service asks for another"
    )
    assert caught.value.hint == "log in"
