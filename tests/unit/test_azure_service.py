from __future__ import annotations

import datetime as dt
from fractions import Fraction
from typing import Any

import pytest

from fleet.azure import clouds
from fleet.azure.credentials import Credential, Identity, Kind
from fleet.azure.service import PublishedTime, connected, published_time
from fleet.errors import RefusedError, TransientError, UnexpectedPayloadError
from fleet.ports import Discovery, Extensions
from tests.rig.scripted import (
    TOKEN_PATH,
    Say,
    SkippingClock,
    failure,
    jwt,
    serving,
    speaking,
    token,
)

NOW = "2026-01-10T02:00:00.000000Z"


def place(url: str) -> clouds.Place:
    return clouds.place(cloud=None, endpoint=url, audience=None)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (
            {"now": NOW, "epoch": NOW, "timeScale": "60", "seed": 7},
            PublishedTime(
                now=dt.datetime(2026, 1, 10, 2, tzinfo=dt.UTC), scale=Fraction(60), seed=7
            ),
        ),
        (
            {"now": "2026-01-10T03:00:00+01:00", "timeScale": "1/3"},
            PublishedTime(
                now=dt.datetime(2026, 1, 10, 2, tzinfo=dt.UTC), scale=Fraction(1, 3), seed=None
            ),
        ),
        (
            {"now": NOW, "timeScale": "0.5", "seed": None},
            PublishedTime(
                now=dt.datetime(2026, 1, 10, 2, tzinfo=dt.UTC), scale=Fraction(1, 2), seed=None
            ),
        ),
    ],
)
async def test_a_simulator_publishes_its_time_without_a_token(
    body: dict[str, Any], expected: PublishedTime
) -> None:
    async with serving() as server:
        server.on("GET", "/metadata/simulation", Say(body=body))

        assert await published_time(place(server.url), clock=SkippingClock()) == expected
        assert [(one.path, "authorization" in one.headers) for one in server.got] == [
            ("/metadata/simulation", False)
        ]


@pytest.mark.parametrize(
    "say", [Say(status=404), failure(401, "AuthenticationFailed"), failure(403, "No")]
)
async def test_what_is_no_simulator_publishes_no_time(say: Say) -> None:
    async with serving() as server:
        server.on("GET", "/metadata/simulation", say)

        assert await published_time(place(server.url), clock=SkippingClock()) is None


async def test_only_this_machine_is_asked_for_a_time() -> None:
    """The host does not exist: asking it would fail."""
    elsewhere = clouds.place(
        cloud=None, endpoint="https://host.invalid", audience="https://host.invalid"
    )

    assert await published_time(elsewhere, clock=SkippingClock()) is None


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"now": NOW},
        {"now": "2026-01-10T02:00:00", "timeScale": "1"},
        {"now": NOW, "timeScale": "0"},
        {"now": NOW, "timeScale": "1/0"},
        {"now": NOW, "timeScale": "max"},
        {"now": 1, "timeScale": "1"},
        {"now": "0001-01-01T00:00:00+23:59", "timeScale": "1"},
        {"now": "9999-12-31T23:59:59-23:59", "timeScale": "1"},
        {"now": NOW, "timeScale": "1e999999999"},
        {"now": NOW, "timeScale": "9" * 400},
        {"now": NOW, "timeScale": ["1"]},
        [],
    ],
)
async def test_a_time_that_cannot_be_read_is_an_error(body: object) -> None:
    async with serving() as server:
        server.on("GET", "/metadata/simulation", Say(body=body))
        with pytest.raises(UnexpectedPayloadError):
            await published_time(place(server.url), clock=SkippingClock())


@pytest.mark.parametrize("say", [Say(status=503), Say(hangs_up=True)])
async def test_a_simulator_in_trouble_is_told(say: Say) -> None:
    async with serving() as server:
        server.on("GET", "/metadata/simulation", say)
        with pytest.raises(TransientError):
            await published_time(place(server.url), clock=SkippingClock())

        # aiohttp itself repeats a GET whose connection was closed.
        assert len(server.got) in (3, 6)


async def test_a_connection_answers_both_ports_and_says_who_we_are() -> None:
    async with speaking() as line:
        discovery: Discovery = line.azure
        extensions: Extensions = line.azure
        line.server.on("POST", TOKEN_PATH, token(jwt(tid="t", appid="a")))

        assert [discovery, extensions] == [line.azure, line.azure]
        assert await line.azure.identity() == Identity(tenant="t", principal="a")


async def test_a_real_credential_is_refused_on_a_loopback_that_named_no_audience() -> None:
    async with serving() as server:
        with pytest.raises(RefusedError):
            async with connected(
                place(server.url), clock=SkippingClock(), credentials=[Credential(kind=Kind.CLI)]
            ):
                pass

        assert server.got == []
