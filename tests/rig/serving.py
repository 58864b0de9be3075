"""A simulated Azure over HTTP: in this process with a clock that is set by hand, or as a command.

Shapes:  a :class:`Caller` speaks for one client; an :class:`Heard` is one answer, whole.
Units:   the world's time moves only when a test moves it, or by the latency of requests.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import datetime as dt
import json
import ssl
from collections.abc import AsyncIterator, Mapping
from fractions import Fraction
from typing import Any
from urllib.parse import urlencode

import aiohttp
import orjson
import yarl

from fleet.sim import stock, worldfile
from fleet.sim.recipe import Faults, PatchSettings, Recipe, Span
from fleet.sim.server import serving
from fleet.sim.server.serving import Served
from tests.rig import commands
from tests.rig.commands import Living, Shell

TENANT = "11111111-2222-4333-8444-555555555555"
EXTENSIONS = "2023-05-01"
CLUSTERS = "2024-01-01"
GRAPH = "2024-04-01"

CALM: Recipe = dataclasses.replace(
    worldfile.default_recipe(),
    cluster_count=12,
    subscription_count=3,
    offline_ppm=0,
    patch_settings=PatchSettings.MERGE,
    extensions=(
        dataclasses.replace(
            stock.OSM,
            installed={"1.1.1": 1},
            auto_upgrade_ppm=0,
            failed_ppm=0,
            distribution_settings={},
            settings={"osm.a": "1"},
            protected_keys=("osm.key",),
        ),
    ),
    operation_s=Span(low=60, high=60),
    call_ms=Span(low=0, high=0),
)
"""Twelve clusters that all have OSM 1.1.1; nothing goes wrong, and requests take no time."""
NAMED: Recipe = dataclasses.replace(
    CALM,
    extensions=(dataclasses.replace(CALM.extensions[0], settings={"osm.osm.meshName": "one"}),),
)
"""The same with a setting that the chart has, for plan files that change it."""


def with_faults(faults: Faults) -> Recipe:
    """Return the calm world where that goes wrong."""
    return dataclasses.replace(CALM, faults=faults)


class HandClock:
    """Time that stands still until somebody moves it; whoever sleeps moves it."""

    def __init__(self, at: dt.datetime) -> None:
        self._at = at

    def now(self) -> dt.datetime:
        return self._at

    async def sleep(self, duration: dt.timedelta) -> None:
        self.move(max(duration, dt.timedelta(0)))
        await asyncio.sleep(0)

    def move(self, duration: dt.timedelta) -> None:
        """Let time pass."""
        self._at += duration


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """An answer."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body; it must be JSON."""
        return json.loads(self.body)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Somebody with a connection and, after :meth:`log_in`, with a token."""

    base: str
    session: aiohttp.ClientSession
    token: str | None = None

    async def send(
        self,
        method: str,
        path: str,
        *,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
        query: Mapping[str, str] | None = None,
        api_version: str | None = None,
    ) -> Heard:
        """Send a request; names in *query* have underscores for hyphens."""
        url = path if "://" in path else f"{self.base}{path}"
        given = dict(headers or {})
        if self.token is not None:
            given.setdefault("Authorization", f"Bearer {self.token}")
        if body is not None and not isinstance(body, bytes):
            body = orjson.dumps(body)
        if body is not None:
            given.setdefault("Content-Type", "application/json")
        params = {name.replace("_", "-"): value for name, value in (query or {}).items()}
        if api_version is not None:
            params["api-version"] = api_version
        if params:
            url = f"{url}?{urlencode(params)}"
        async with self.session.request(
            method,
            # Signed URLs are sent as they came.
            yarl.URL(url, encoded=True),
            data=body,
            headers=given,
            allow_redirects=False,
        ) as answer:
            content = await answer.read()
            return Heard(status=answer.status, headers=answer.headers.copy(), body=content)

    async def get(self, path: str, **query: str) -> Heard:
        """GET."""
        return await self.send("GET", path, query=query)

    async def log_in(self, client_id: str = "tester", *, scope: str | None = None) -> Caller:
        """Return a caller with a token."""
        form = {
            "grant_type": "client_credentials",
            "client_id": client_id,
            "client_secret": "any",
            "scope": scope or f"{self.base}/.default",
        }
        async with self.session.post(
            f"{self.base}/{TENANT}/oauth2/v2.0/token", data=form
        ) as answer:
            assert answer.status == 200, await answer.text()
            document = await answer.json()
        return dataclasses.replace(self, token=document["access_token"])

    async def ask(self, query: str, *, options: Any = None, **scope: Any) -> Heard:
        """Query Resource Graph."""
        body = {"query": query, "options": options or {}, **scope}
        path = "/providers/Microsoft.ResourceGraph/resources"
        return await self.send("POST", path, body=body, api_version=GRAPH)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """A server, its clock, and somebody who is logged in."""

    served: Served
    clock: HandClock
    stranger: Caller
    """Without a token."""
    caller: Caller

    @property
    def base(self) -> str:
        return self.served.endpoint

    def wait(self, **duration: float) -> None:
        """Let the world's time pass."""
        self.clock.move(dt.timedelta(**duration))

    def cluster(self, number: int = 0) -> str:
        """Return the id of a cluster."""
        world = self.served.plane.azure.world
        return next(world.clusters(self.clock.now(), [number])).id

    def extension(self, number: int = 0, *, name: str = "osm") -> str:
        """Return the id of an extension."""
        cluster = self.cluster(number)
        return f"{cluster}/providers/Microsoft.KubernetesConfiguration/extensions/{name}"


@contextlib.asynccontextmanager
async def staged(recipe: Recipe = CALM, *, has_tls: bool = False) -> AsyncIterator[Stage]:
    """Serve *recipe* in this process, on a clock that is set by hand."""
    clock = HandClock(recipe.epoch)
    async with (
        serving.serving(recipe, clock=clock, scale=Fraction(60), has_tls=has_tls) as served,
        connected(served.endpoint, ca_file=served.ca_file) as stranger,
    ):
        caller = await stranger.log_in()
        yield Stage(served=served, clock=clock, stranger=stranger, caller=caller)


@contextlib.asynccontextmanager
async def connected(endpoint: str, *, ca_file: Any = None) -> AsyncIterator[Caller]:
    """Yield a caller without a token."""
    context = None if ca_file is None else ssl.create_default_context(cafile=ca_file)
    connector = aiohttp.TCPConnector(ssl=context if context is not None else True)
    async with aiohttp.ClientSession(connector=connector) as session:
        yield Caller(base=endpoint, session=session)


def started(shell: Shell, *args: str) -> tuple[Living, Any]:
    """Start ``fleet sim serve --json``, and return it with what it says when it is ready."""
    living = shell.start("sim", "serve", "--json", *args)
    said = living._out
    commands.until(lambda: said.read_text().endswith("\n") or not living.is_alive, what="ready")
    assert said.read_text(), living.stderr
    return living, json.loads(said.read_text())
