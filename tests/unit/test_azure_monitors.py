"""Tokens for logs and metrics: whom they are meant for, and where alone they may go."""

from __future__ import annotations

import datetime as dt

import pytest

from fleet.azure import clouds, monitors
from fleet.azure.audiences import Audiences
from fleet.azure.credentials import Issuer, Token
from fleet.azure.monitors import Monitor
from fleet.errors import AuthError
from tests.rig.scripted import SkippingClock, jwt, speaking

HOUR = dt.timedelta(hours=1)


def at(
    cloud: str | None = None, endpoint: str | None = None, audience: str | None = None
) -> Monitor:
    found = monitors.monitor(clouds.place(cloud=cloud, endpoint=endpoint, audience=audience))
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("cloud", "logs", "metrics"),
    [
        ("AzureCloud", "https://api.loganalytics.io", "https://prometheus.monitor.azure.com"),
        ("AzureUSGovernment", "https://api.loganalytics.us", "https://prometheus.monitor.azure.us"),
        (
            "AzureChinaCloud",
            "https://api.loganalytics.azure.cn",
            "https://prometheus.monitor.azure.cn",
        ),
    ],
)
def test_each_cloud_has_its_own_hosts_and_audiences(cloud: str, logs: str, metrics: str) -> None:
    found = at(cloud)

    assert (found.logs_url, found.logs_audience) == (logs, logs)
    assert found.metrics_audience == metrics
    host = metrics.removeprefix("https://")
    assert found.is_metrics(f"https://ws-abc.westeurope.{host}/api/v1/query?query=up")
    others = {"azure.com", "azure.us", "azure.cn"} - {host.removeprefix("prometheus.monitor.")}
    for other in others:
        assert not found.is_metrics(f"https://ws.x.prometheus.monitor.{other}/api/v1/query")


@pytest.mark.parametrize(
    "url",
    [
        "http://ws.westeurope.prometheus.monitor.azure.com/",
        "https://prometheus.monitor.azure.com/",
        "https://evilprometheus.monitor.azure.com/",
        "https://ws.prometheus.monitor.azure.com.evil.example/",
        "https://evil.example/ws.prometheus.monitor.azure.com",
        "https://evil.example#.prometheus.monitor.azure.com",
        "https://evil.example?.prometheus.monitor.azure.com",
        "https://ws.prometheus.monitor.azure.com@evil.example/",
        "https://user@ws.prometheus.monitor.azure.com/",
        "https://user:password@ws.prometheus.monitor.azure.com/",
        "https://ws.prometheus.monitor.azure.com:8443/",
        "https://evil.example\\.prometheus.monitor.azure.com/",
        "https://evil.example/\\@ws.prometheus.monitor.azure.com",
        "https://[",
        "ws.prometheus.monitor.azure.com",
        "",
    ],
)
def test_no_token_goes_to_what_only_looks_like_it(url: str) -> None:
    assert not at("AzureCloud").is_metrics(url)


def test_a_simulator_answers_for_all_of_them_and_for_nobody_else() -> None:
    found = at(endpoint="http://127.0.0.1:8080")

    assert found.logs_url == found.logs_audience == "http://127.0.0.1:8080"
    assert found.is_metrics("http://127.0.0.1:8080/api/v1/query?query=up")
    assert not found.is_metrics("http://127.0.0.1:8081/api/v1/query")
    assert not found.is_metrics("http://u@127.0.0.1:8080/api/v1/query")
    assert not found.is_metrics("https://ws.x.prometheus.monitor.azure.com/api/v1/query")


def test_of_a_cloud_that_nobody_named_nothing_is_known() -> None:
    place = clouds.place(cloud=None, endpoint="https://arm.example", audience="https://a.example")
    named = clouds.place(
        cloud="AzureUSGovernment", endpoint="https://arm.example", audience="https://a.example"
    )

    assert monitors.monitor(place) is None
    assert monitors.monitor(named) == monitors.monitor(named)
    assert at("usgov").logs_url == "https://api.loganalytics.us"


# --- tokens ----------------------------------------------------------------------------------


class Mint:
    """Gives tokens, the same until somebody says *moves*."""

    def __init__(self, clock: SkippingClock, audience: str, *, moves: bool = True) -> None:
        self._clock = clock
        self._audience = audience
        self._moves = moves
        self.count = 0

    async def fetch(self, claims: str | None = None) -> Token:
        del claims
        self.count += 1
        number = self.count if self._moves else 1
        text = jwt(tid="t", oid="o", aud=self._audience, n=number)
        return Token(text=text, expires_at=self._clock.now() + HOUR)


class Till:
    """Opens a mint for each audience, once."""

    def __init__(self, *, moves: bool = True) -> None:
        self.clock = SkippingClock()
        self.mints: dict[str, Mint] = {}
        self.moves = moves
        self.audiences = Audiences(self.open, clock=self.clock, hint="Log in.")

    async def open(self, audience: str) -> Issuer:
        assert audience not in self.mints
        self.mints[audience] = Mint(self.clock, audience, moves=self.moves)
        return self.mints[audience]


async def test_each_audience_has_a_token_of_its_own_and_keeps_it() -> None:
    till = Till()
    logs = [await till.audiences.token("https://logs") for _ in range(3)]
    metrics = await till.audiences.token("https://metrics")

    assert len(set(logs)) == 1
    assert metrics not in logs
    assert {name: mint.count for name, mint in till.mints.items()} == {
        "https://logs": 1,
        "https://metrics": 1,
    }


async def test_a_token_that_ends_is_fetched_anew() -> None:
    till = Till()
    first = await till.audiences.token("a")
    await till.clock.sleep(2 * HOUR)

    assert await till.audiences.token("a") != first


async def test_one_that_was_refused_is_replaced_however_often_that_happens() -> None:
    till = Till()
    token = await till.audiences.token("a")
    for _ in range(5):
        another = await till.audiences.token("a", refused=token)
        # Whoever comes late with the old one gets the new one, and no other.
        assert await till.audiences.token("a", refused=token) == another
        assert another != token
        token = another

    assert till.mints["a"].count == 6


async def test_a_credential_that_gives_the_refused_one_again_is_an_error() -> None:
    till = Till(moves=False)
    token = await till.audiences.token("a")

    with pytest.raises(AuthError, match="does not accept this identity's token"):
        await till.audiences.token("a", refused=token)


async def test_a_service_gives_tokens_for_others_too() -> None:
    async with speaking() as line:
        await line.azure.audiences.token("https://logs.example")
        (got,) = line.server.sent("POST", "/oauth2/v2.0/token")

    assert b"scope=https%3A%2F%2Flogs.example%2F.default" in got.body
