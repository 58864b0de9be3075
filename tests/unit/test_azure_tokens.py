from __future__ import annotations

import asyncio
import datetime as dt

import pytest

from fleet.azure.credentials import Identity, Token
from fleet.azure.tokens import Tokens
from fleet.errors import (
    AuthError,
    FleetError,
    RemoteError,
    ThrottledError,
    TransientError,
    UnexpectedPayloadError,
)
from tests.rig.scripted import TOKEN_PATH, Say, SkippingClock, failure, jwt, speaking, token

FIRST = dt.datetime(2026, 1, 10, 2, tzinfo=dt.UTC)


class Issuer:
    """Gives tokens that last, or raises what it is told to."""

    def __init__(self, clock: SkippingClock, *, lasts_s: int = 3600) -> None:
        self.clock = clock
        self.lasts_s = lasts_s
        self.count = 0
        self.errors: list[FleetError] = []
        self.text: str | None = None
        self.claims: list[str | None] = []

    async def fetch(self, claims: str | None = None) -> Token:
        self.claims.append(claims)
        await asyncio.sleep(0)
        self.count += 1
        if self.errors:
            raise self.errors.pop(0)
        return Token(
            text=self.text or f"token {self.count}",
            expires_at=self.clock.now() + dt.timedelta(seconds=self.lasts_s),
        )


def made(*, lasts_s: int = 3600) -> tuple[Tokens, Issuer, SkippingClock]:
    clock = SkippingClock()
    issuer = Issuer(clock, lasts_s=lasts_s)
    return Tokens(issuer, clock=clock, hint="log in"), issuer, clock


async def test_many_that_come_at_once_share_one_fetch() -> None:
    tokens, issuer, _ = made()

    async with asyncio.TaskGroup() as tasks:
        asked = [tasks.create_task(tokens.current()) for _ in range(50)]

    assert {one.result().text for one in asked} == {"token 1"}
    assert issuer.count == 1


async def test_a_fetch_that_is_cancelled_is_taken_over_by_the_next_in_line() -> None:
    tokens, _, _ = made()

    async with asyncio.TaskGroup() as tasks:
        first = tasks.create_task(tokens.current())
        second = tasks.create_task(tokens.current())
        await asyncio.sleep(0)
        first.cancel()

    assert second.result().text == "token 1"


async def test_a_token_is_replaced_when_a_quarter_of_its_life_is_left() -> None:
    tokens, _, clock = made()

    texts = []
    for minute in (0, 44, 45, 46):
        clock.moment = FIRST + dt.timedelta(minutes=minute)
        texts.append((await tokens.current()).text)

    assert texts == ["token 1", "token 1", "token 2", "token 2"]


async def test_a_token_of_a_minute_is_not_fetched_for_every_request() -> None:
    tokens, _, clock = made(lasts_s=60)

    texts = []
    for second in (0, 44, 45, 46):
        clock.moment = FIRST + dt.timedelta(seconds=second)
        texts.append((await tokens.current()).text)

    assert texts == ["token 1", "token 1", "token 2", "token 2"]


async def test_a_failed_replacement_leaves_the_old_token_in_use_until_it_ends() -> None:
    tokens, issuer, clock = made()
    await tokens.current()
    clock.moment = FIRST + dt.timedelta(minutes=57)
    issuer.errors = [AuthError("gone"), AuthError("gone")]

    assert (await tokens.current()).text == "token 1"
    assert (await tokens.current()).text == "token 1"
    assert issuer.count == 2

    clock.moment = FIRST + dt.timedelta(minutes=60)
    with pytest.raises(AuthError, match="gone"):
        await tokens.current()


async def test_what_may_pass_is_tried_four_times_by_the_clock() -> None:
    tokens, issuer, clock = made()
    issuer.errors = [
        TransientError("503"),
        ThrottledError("429", retry_after_s=20),
        TransientError("503"),
    ]

    assert (await tokens.current()).text == "token 4"
    assert clock.slept_s == [1.0, 20.0, 4.0]

    tokens, issuer, clock = made()
    issuer.errors = [TransientError("503") for _ in range(9)]
    with pytest.raises(TransientError):
        await tokens.current()
    assert issuer.count == 4


async def test_a_wait_that_is_too_long_is_told_instead_of_waited() -> None:
    tokens, issuer, clock = made()
    issuer.errors = [ThrottledError("429", retry_after_s=3000)]

    with pytest.raises(ThrottledError) as caught:
        await tokens.current()

    assert (caught.value.retry_after_s, clock.slept_s) == (3000, [])


async def test_a_refused_token_that_had_been_accepted_is_fetched_anew() -> None:
    tokens, _, _ = made()
    one = await tokens.current()
    tokens.accepted(one)

    # Two requests were out with it.
    errors = [tokens.refused(one), tokens.refused(one)]

    assert [(type(error), error.status) for error in errors] == [(TransientError, 401)] * 2
    assert (await tokens.current()).text == "token 2"


async def test_a_late_refusal_of_an_old_token_does_not_drop_the_new_one() -> None:
    tokens, issuer, _ = made()
    old = await tokens.current()
    tokens.accepted(old)
    tokens.refused(old)
    await tokens.current()

    assert isinstance(tokens.refused(old), TransientError)
    assert (await tokens.current()).text == "token 2"
    assert issuer.count == 2


async def test_a_token_that_was_never_accepted_is_fetched_anew_once() -> None:
    """It may be one out of a cache that was revoked, or a clock may have jumped."""
    tokens, issuer, _ = made()
    first = await tokens.current()

    errors = [tokens.refused(first), tokens.refused(first)]
    second = await tokens.current()
    last = tokens.refused(second)

    assert [(type(one), one.status) for one in errors] == [(TransientError, 401)] * 2
    assert (second.text, issuer.count) == ("token 2", 2)
    assert (type(last), last.hint) == (AuthError, "log in")
    assert isinstance(tokens.refused(first), TransientError)


async def test_what_was_accepted_in_between_makes_a_refusal_the_first_again() -> None:
    tokens, _, _ = made()
    tokens.refused(await tokens.current())
    good = await tokens.current()
    tokens.accepted(good)
    tokens.refused(good)

    assert isinstance(tokens.refused(await tokens.current()), TransientError)
    assert isinstance(tokens.refused(await tokens.current()), AuthError)


async def test_a_credential_that_gives_the_refused_token_again_needs_a_person() -> None:
    tokens, issuer, _ = made()
    issuer.text = "cached"
    one = await tokens.current()
    tokens.accepted(one)
    tokens.refused(one)

    with pytest.raises(AuthError):
        await tokens.current()


async def test_no_token_shows_in_a_repr() -> None:
    assert "very secret" not in repr(Token(text="very secret", expires_at=FIRST))


async def test_the_simulators_token_is_asked_for_as_entra_wants_it() -> None:
    async with speaking() as line:
        assert await line.azure.identity() == Identity(tenant="tenant-1", principal="principal-1")
        asked = line.server.sent(part=TOKEN_PATH)

    assert [(one.method, one.headers["content-type"]) for one in asked] == [
        ("POST", "application/x-www-form-urlencoded")
    ]
    assert asked[0].body.startswith(b"grant_type=client_credentials&client_id=")
    host = line.server.url.replace("://", "%3A%2F%2F").replace("1:", "1%3A").encode()
    assert asked[0].body.endswith(b"&scope=" + host + b"%2F.default")


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (failure(400, "invalid_client"), AuthError),
        (Say(status=400, body={"error": "invalid_client", "error_description": "no"}), AuthError),
        (Say(status=404, body=b"<html>", headers={"Content-Type": "text/html"}), AuthError),
        (failure(429, "slow_down"), ThrottledError),
        (failure(503, "busy"), TransientError),
        (Say(hangs_up=True), TransientError),
        (Say(body={"access_token": "x"}), RemoteError),
        (Say(body={"expires_in": 3600}), RemoteError),
        (token(lasts_s=10**9), UnexpectedPayloadError),
        (Say(body={"access_token": "a", "expires_in": "9" * 400}), UnexpectedPayloadError),
        (Say(body={"access_token": "a", "expires_in": "9" * 5000}), UnexpectedPayloadError),
        (Say(body={"access_token": "a", "expires_in": True}), UnexpectedPayloadError),
        (Say(body={"access_token": "a", "expires_in": [60]}), UnexpectedPayloadError),
        (Say(body={"access_token": "a\r\nb: c", "expires_in": 60}), UnexpectedPayloadError),
        (Say(body={"access_token": "ü", "expires_in": 60}), UnexpectedPayloadError),
        (Say(body={"access_token": "a" * 100_000, "expires_in": 60}), UnexpectedPayloadError),
        (Say(body=b"nothing"), RemoteError),
        (Say(body=[]), RemoteError),
    ],
)
async def test_a_token_endpoint_in_trouble_is_told_by_kind(
    answer: Say, error: type[RemoteError]
) -> None:
    async with speaking() as line:
        line.server.on("POST", TOKEN_PATH, answer)
        with pytest.raises(error) as caught:
            await line.azure.identity()

    assert "html" not in caught.value.message.replace("an HTML page", "")
    assert caught.value.__class__ is error or error is RemoteError


async def test_a_token_that_ends_during_a_run_is_replaced() -> None:
    async with speaking() as line:
        texts = [jwt(tid="t", oid="1", iat=1), jwt(tid="t", oid="1", iat=2)]
        line.server.on("POST", TOKEN_PATH, [token(one) for one in texts])
        first = await line.azure.wire.tokens.current()
        line.clock.moment += dt.timedelta(minutes=56)

        assert [first.text, (await line.azure.wire.tokens.current()).text] == texts
