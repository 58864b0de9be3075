"""A server by hand: it answers what a test scripts, misbehaves on demand, and keeps what it got.

It knows nothing of Azure: paths are matched as text, so a test sees exactly
what was sent. What no route answers gets a 501, which no test expects.
"""

from __future__ import annotations

import asyncio
import base64
import dataclasses
import datetime as dt
import json
import ssl
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from aiohttp import web

from fleet.azure import clouds
from fleet.azure.credentials import named
from fleet.azure.service import AzureService, connected
from fleet.net.network import Network
from fleet.ports import RequestIds

TOKEN_PATH = "/oauth2/v2.0/token"  # noqa: S105 - a path


IDS = RequestIds(
    correlation_id="11111111-1111-4111-8111-111111111111",
    client_request_id="22222222-2222-4222-8222-222222222222",
)


class SkippingClock:
    """A clock whose sleeps take no time, and are noted."""

    def __init__(self) -> None:
        self.moment = dt.datetime(2026, 1, 10, 2, tzinfo=dt.UTC)
        self.slept_s: list[float] = []

    def now(self) -> dt.datetime:
        """Return the moment."""
        return self.moment

    async def sleep(self, duration: dt.timedelta) -> None:
        """Skip ahead."""
        if duration > dt.timedelta(0):
            self.slept_s.append(duration.total_seconds())
            self.moment += duration
        await asyncio.sleep(0)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Got:
    """A request, as it arrived."""

    method: str
    path: str
    """With its query, not decoded."""
    headers: Mapping[str, str]
    """By lower-cased name."""
    body: bytes
    connection: int
    """Which connection it came by."""

    @property
    def json(self) -> Any:
        """The body, read."""
        return json.loads(self.body)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Say:
    """An answer, or what happens instead of one."""

    status: int = 200
    body: Any = None
    """JSON where it is no ``bytes``; ``None``: empty."""
    headers: Mapping[str, str] = dataclasses.field(default_factory=dict)
    hangs_up: bool = False
    """Close the connection without a word."""
    breaks_off: bool = False
    """Promise more of a body than is sent."""
    stalls: bool = False
    """Never answer."""
    drips: bool = False
    """Send a blank each second, and never end."""


Script = Say | list[Say] | Callable[[Got], Say]


class Scripted:
    """The server, its script and its record."""

    def __init__(self) -> None:
        self.got: list[Got] = []
        self.url = ""
        self.lasts_s = 0.0
        """How long an answer takes."""
        self.most_open = 0
        """Connections at a time."""
        self.server: web.Server | None = None
        self._routes: list[tuple[str, str, Script]] = []
        self._connections: dict[int, int] = {}

    def on(self, method: str, part: str, script: Script) -> None:
        """Answer requests whose path contains *part*; a list is used up, its last one stays."""
        self._routes.insert(0, (method, part, script))

    def sent(self, method: str | None = None, part: str = "") -> list[Got]:
        """Return what came, without requests for tokens unless they are asked for."""
        return [
            one
            for one in self.got
            if (method is None or one.method == method)
            and part in one.path
            and (TOKEN_PATH in part or TOKEN_PATH not in one.path)
        ]

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request."""
        transport = request.transport
        number = self._connections.setdefault(id(transport), len(self._connections) + 1)
        got = Got(
            method=request.method,
            path=request.raw_path,
            headers={name.lower(): value for name, value in request.headers.items()},
            body=await request.read(),
            connection=number,
        )
        self.got.append(got)
        if self.server is not None:
            self.most_open = max(self.most_open, len(self.server.connections))
        if self.lasts_s:
            await asyncio.sleep(self.lasts_s)
        return await _carried_out(self._say(got), request)

    def _say(self, got: Got) -> Say:
        for method, part, script in self._routes:
            if method == got.method and part in got.path:
                if isinstance(script, list):
                    return script.pop(0) if len(script) > 1 else script[0]
                return script if isinstance(script, Say) else script(got)
        return Say(status=501, body={"error": {"code": "NotScripted", "message": got.path}})


async def _carried_out(say: Say, request: web.BaseRequest) -> web.StreamResponse:
    transport = request.transport
    assert transport is not None
    if say.stalls:
        await asyncio.sleep(3600)  # until the client hangs up
    if say.hangs_up:
        transport.abort()
        return web.Response()
    body = b"" if say.body is None else say.body
    is_json = not isinstance(body, bytes)
    payload = json.dumps(body).encode() if is_json else body
    headers = {"Content-Type": "application/json; charset=utf-8", **say.headers}
    if say.drips:
        slow = web.StreamResponse(status=say.status, headers=headers)
        await slow.prepare(request)
        while True:  # until the client hangs up
            await slow.write(b" ")
            await asyncio.sleep(1)
    if say.breaks_off:
        response = web.StreamResponse(
            status=say.status, headers={**headers, "Content-Length": str(len(payload) + 100)}
        )
        await response.prepare(request)
        await response.write(payload)
        transport.abort()
        return response
    return web.Response(status=say.status, body=payload, headers=headers)


@asynccontextmanager
async def serving(*, tls: ssl.SSLContext | None = None) -> AsyncIterator[Scripted]:
    """Serve on a free port of loopback, with a token for whoever asks."""
    scripted = Scripted()
    scripted.on("POST", TOKEN_PATH, token())
    scripted.server = web.Server(scripted.handle, handler_cancellation=True)
    runner = web.ServerRunner(scripted.server, shutdown_timeout=0.01)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls)
    await site.start()
    port = runner.addresses[0][1]
    scripted.url = f"{'https' if tls else 'http'}://127.0.0.1:{port}"
    try:
        yield scripted
    finally:
        await runner.cleanup()


def token(text: str | None = None, *, lasts_s: int = 3600) -> Say:
    """Answer with a token that names a tenant and a principal."""
    return Say(
        body={
            "token_type": "Bearer",
            "expires_in": lasts_s,
            "access_token": text or jwt(tid="tenant-1", oid="principal-1"),
        }
    )


def jwt(**claims: object) -> str:
    """Return something shaped like a token."""
    return ".".join(
        base64.urlsafe_b64encode(part).rstrip(b"=").decode()
        for part in (b'{"alg":"none"}', json.dumps(claims).encode(), b"signature")
    )


def failure(status: int, code: str, message: str = "It did not work.", **headers: str) -> Say:
    """Answer with an error as Resource Manager words them; underscores in headers are hyphens."""
    return Say(
        status=status,
        body={"error": {"code": code, "message": message}},
        headers={name.replace("_", "-"): value for name, value in headers.items()},
    )


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A client, and the server that it speaks to."""

    server: Scripted
    azure: AzureService
    clock: SkippingClock


@asynccontextmanager
async def speaking(
    *,
    tls: ssl.SSLContext | None = None,
    ca_file: Path | None = None,
    call_limit_s: float = 5.0,
    url: str | None = None,
    credentials: Sequence[str] = (),
    network: Network | None = None,
) -> AsyncIterator[Line]:
    """Serve, and connect a client to it, or to *url*."""
    clock = SkippingClock()
    async with serving(tls=tls) as server:
        place = clouds.place(cloud=None, endpoint=url or server.url, audience=None)
        async with connected(
            place,
            clock=clock,
            credentials=named(credentials),
            network=network or Network(ca_file=ca_file, call_limit_s=call_limit_s),
        ) as azure:
            yield Line(server=server, azure=azure, clock=clock)
