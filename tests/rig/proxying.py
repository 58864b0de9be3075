"""A proxy in front of a service: it forwards everything to the letter but what it is told to spoil.

It lives in a thread of its own, so that tests that start processes can use it,
and keeps what passed: each request, what the service said to it, and every
secret that went by, so that a test can look for those where they must not be.

Units:   ``_s`` are seconds of this machine.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import hashlib
import json
import re
import socket
import struct
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping
from urllib.parse import parse_qsl, urlsplit

import aiohttp
from aiohttp import web
from multidict import CIMultiDict
from yarl import URL

from tests.rig.background import in_a_thread
from tests.rig.trouble import TRAP, End, Reply, Trouble

_BETWEEN_TWO = frozenset({"connection", "content-length", "keep-alive", "transfer-encoding"})
_OWN_WORDS = ("User-Agent", "Accept", "Accept-Encoding", "Content-Type")
_CLUSTER = re.compile(r"/connectedClusters/([^/?]+)", re.IGNORECASE)
_WRITES = ("PUT", "PATCH", "DELETE")
_LONG_ENOUGH = 40
_DRIPS = 20


@dataclasses.dataclass(slots=True, kw_only=True)
class Got:
    """A request that arrived."""

    method: str
    path: str
    """With its query, not decoded."""
    headers: Mapping[str, str] = dataclasses.field(repr=False)
    """By lower-cased name."""
    body: bytes = dataclasses.field(repr=False)
    trouble: str | None = None
    """What it met."""
    status: int | None = None
    """What the service said; ``None``: it was not asked, or gave no answer."""
    at_s: float = 0.0
    """When it arrived, by the proxy's clock."""

    @property
    def correlation_id(self) -> str | None:
        """One for all requests of a step."""
        return self.headers.get("x-ms-correlation-request-id")

    @property
    def client_request_id(self) -> str | None:
        """One for each request."""
        return self.headers.get("x-ms-client-request-id")

    @property
    def has_token(self) -> bool:
        """Whether it bore a token."""
        return "authorization" in self.headers

    @property
    def body_sha256(self) -> str:
        """The body's digest."""
        return hashlib.sha256(self.body).hexdigest()

    @property
    def is_write(self) -> bool:
        """Whether it is to change an extension."""
        return self.method in _WRITES and self.cluster is not None

    @property
    def has_effect(self) -> bool:
        """Whether the service took it."""
        return self.status is not None and self.status < 300

    @property
    def cluster(self) -> str | None:
        """The name of the cluster that it is about."""
        match = _CLUSTER.search(self.path)
        return match[1] if match else None


@dataclasses.dataclass(slots=True, kw_only=True)
class Rule:
    """Which requests meet what."""

    methods: frozenset[str]
    """Empty: any."""
    path: re.Pattern[str]
    trouble: Trouble
    nth: int
    """The first of those that match, from 1."""
    count: int | None
    """How many of them in a row; ``None``: all."""
    seen: int = 0
    """Requests that matched."""
    met: int = 0
    """Requests that met it."""

    def is_about(self, got: Got) -> bool:
        """Count *got* where it matches, and tell whether it is one of those that are meant."""
        is_other = bool(self.methods) and got.method not in self.methods
        if is_other or not self.path.search(got.path):
            return False
        self.seen += 1
        is_meant = self.seen >= self.nth and (
            self.count is None or self.seen < self.nth + self.count
        )
        self.met += is_meant
        return is_meant


class Proxy:
    """What stands between a client and a service."""

    def __init__(self, upstream: str, session: aiohttp.ClientSession) -> None:
        self.upstream = upstream
        self.url = ""
        self.trap = ""
        """Another host, where nobody should ever come."""
        self.got: list[Got] = []
        self.trapped: list[Got] = []
        self._session = session
        self._rules: tuple[Rule, ...] = ()
        self._tokens: set[str] = set()
        self._signatures: set[str] = set()

    def on(
        self,
        methods: str,
        path: str,
        trouble: Trouble,
        *,
        nth: int = 1,
        count: int | None = None,
    ) -> Rule:
        """Let requests meet *trouble*; of several rules the first one that fits counts.

        Args:
            methods: Of the requests, between blanks; empty: any.
            path: What is found in their path and query, as a regular expression, without case.
            trouble: What they meet.
            nth: From which of them on, from 1.
            count: How many of them in a row; ``None``: all that follow.
        """
        rule = Rule(
            methods=frozenset(methods.split()),
            path=re.compile(path, re.IGNORECASE),
            trouble=trouble,
            nth=nth,
            count=count,
        )
        self._rules = (*self._rules, rule)
        return rule

    def clear(self) -> None:
        """Let everything pass again."""
        self._rules = ()

    def sent(self, methods: str = "", path: str = "") -> list[Got]:
        """Return what came, by the same rules as in :meth:`on`."""
        pattern, wanted = re.compile(path, re.IGNORECASE), methods.split()
        return [
            one
            for one in tuple(self.got)
            if (not wanted or one.method in wanted) and pattern.search(one.path)
        ]

    def effects(self) -> Counter[str | None]:
        """Return how many writes the service took, by the cluster's name."""
        return Counter(one.cluster for one in tuple(self.got) if one.is_write and one.has_effect)

    @property
    def tokens(self) -> frozenset[str]:
        """Parts of the tokens that went by: they may be told to nobody, and kept nowhere."""
        return frozenset(self._tokens)

    @property
    def signatures(self) -> frozenset[str]:
        """Parts of the signed URLs that went by: they may be told to nobody."""
        return frozenset(self._signatures)

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Take one request where it goes."""
        got = await _got(request)
        self.got.append(got)
        self._tokens |= _parts_of_token(got.headers.get("authorization", "").rpartition(" ")[2])
        trouble = next((one.trouble for one in self._rules if one.is_about(got)), None)
        if trouble is None:
            reply = await self._forwarded(got)
            return _hung_up(request) if reply is None else _response(reply)
        got.trouble = trouble.name
        return await self._spoiled(request, got, trouble)

    async def trapped_one(self, request: web.BaseRequest) -> web.StreamResponse:
        """Note somebody who came where nobody should."""
        self.trapped.append(await _got(request))
        return web.json_response({"status": "Succeeded", "value": []})

    async def _spoiled(
        self, request: web.BaseRequest, got: Got, trouble: Trouble
    ) -> web.StreamResponse:
        if trouble.meanwhile is not None:
            trouble.meanwhile()
        reply = await self._forwarded(got) if trouble.is_after else None
        reply = trouble.reply or reply
        if reply is not None and trouble.spoil is not None:
            reply = trouble.spoil(reply)
        if reply is not None:
            reply = _readdressed(reply, TRAP, self.trap)
        return await _ended(request, trouble, reply)

    async def _forwarded(self, got: Got) -> Reply | None:
        """Ask the service; ``None`` where it gives no answer."""
        headers = CIMultiDict(
            (name, value) for name, value in got.headers.items() if name not in _BETWEEN_TWO
        )
        try:
            async with self._session.request(
                got.method,
                # NB: encoded: a signed URL that is written anew is another URL.
                URL(f"{self.upstream}{got.path}", encoded=True),
                headers=headers,
                data=got.body or None,
                skip_auto_headers=_OWN_WORDS,
                allow_redirects=False,
            ) as response:
                body = await response.read()
        except aiohttp.ClientError:
            return None
        got.status = response.status
        found = response.headers.items()
        reply = Reply(
            status=response.status,
            headers=tuple(one for one in found if one[0].lower() not in _BETWEEN_TWO),
            body=body,
        )
        self._note(reply)
        return _readdressed(reply, self.upstream, self.url)

    def _note(self, reply: Reply) -> None:
        url = reply.header("Azure-AsyncOperation") or ""
        self._signatures |= _telling(value for _, value in parse_qsl(urlsplit(url).query))
        if b'"access_token"' in reply.body:
            self._tokens |= _parts_of_token(str(json.loads(reply.body)["access_token"]))


def _readdressed(reply: Reply, old: str, new: str) -> Reply:
    """Return *reply* with another address wherever the old one stands."""
    return dataclasses.replace(
        reply,
        headers=tuple((name, value.replace(old, new)) for name, value in reply.headers),
        body=reply.body.replace(old.encode(), new.encode()),
    )


def _parts_of_token(token: str) -> set[str]:
    # The first part is the same in all of them, and tells nothing.
    return _telling(token.split(".")[1:])


def _telling(parts: Iterable[str]) -> set[str]:
    # A beginning is enough to be told by, where a message is cut short.
    return {part[:_LONG_ENOUGH] for part in parts if len(part) >= _LONG_ENOUGH}


async def _got(request: web.BaseRequest) -> Got:
    return Got(
        method=request.method,
        path=request.raw_path,
        headers={name.lower(): value for name, value in request.headers.items()},
        body=await request.read(),
        at_s=asyncio.get_running_loop().time(),
    )


async def _ended(
    request: web.BaseRequest, trouble: Trouble, reply: Reply | None
) -> web.StreamResponse:
    match trouble.end:
        case End.HUNG:
            await asyncio.sleep(3600)  # until the client hangs up
        case End.RESET:
            _reset(request)
        case End.GARBLED if isinstance(request.transport, asyncio.Transport):
            request.transport.write(b"\x16\x03\x01 this is no HTTP\r\n\r\n")
            request.transport.close()
            return web.Response()
        case End.CUT | End.DRIPPED if reply is not None:
            return await _in_pieces(request, trouble, reply)
        case End.ANSWERED if reply is not None:
            return _response(reply)
    return _hung_up(request)


def _response(reply: Reply) -> web.Response:
    return web.Response(status=reply.status, headers=CIMultiDict(reply.headers), body=reply.body)


def _hung_up(request: web.BaseRequest) -> web.Response:
    if request.transport is not None:
        request.transport.abort()
    return web.Response()


def _reset(request: web.BaseRequest) -> None:
    """Let the kernel send RST instead of FIN when the connection is closed."""
    found = request.get_extra_info("socket")
    if found is not None:
        found.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


async def _in_pieces(
    request: web.BaseRequest, trouble: Trouble, reply: Reply
) -> web.StreamResponse:
    # NB: where there is no body to cut, one is promised.
    headers = CIMultiDict((*reply.headers, ("Content-Length", str(len(reply.body) or 10))))
    response = web.StreamResponse(status=reply.status, headers=headers)
    await response.prepare(request)
    if trouble.end is End.CUT:
        await response.write(reply.body[: len(reply.body) // 2])
        _hung_up(request)
        return response
    size = max(len(reply.body) // _DRIPS, 1)
    for start in range(0, len(reply.body), size):
        await response.write(reply.body[start : start + size])
        await asyncio.sleep(trouble.drip_s / _DRIPS)
    return response


# --- living ------------------------------------------------------------------------------


@contextlib.contextmanager
def proxying(upstream: str) -> Iterator[Proxy]:
    """Stand in front of *upstream* for a while."""
    with in_a_thread(lambda: _proxying(upstream)) as found:
        yield found


@contextlib.asynccontextmanager
async def _proxying(upstream: str) -> AsyncIterator[Proxy]:
    async with aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0, force_close=True),
        timeout=aiohttp.ClientTimeout(total=None),
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
        middlewares=(_once,),
        max_line_size=64 * 1024,
        max_field_size=64 * 1024,
    ) as session:
        proxy = Proxy(upstream, session)
        async with _listening(proxy.handle) as url, _listening(proxy.trapped_one) as trap:
            proxy.url, proxy.trap = url, trap
            yield proxy


async def _once(
    request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
) -> aiohttp.ClientResponse:
    # A service that hangs up is not asked twice behind the client's back: aiohttp would.
    try:
        return await handler(request)
    except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
        raise aiohttp.ClientPayloadError from error


@contextlib.asynccontextmanager
async def _listening(
    handle: Callable[[web.BaseRequest], Awaitable[web.StreamResponse]],
) -> AsyncIterator[str]:
    server = web.Server(
        handle,
        handler_cancellation=True,
        access_log=None,
        max_line_size=64 * 1024,
        max_field_size=64 * 1024,
    )
    runner = web.ServerRunner(server, shutdown_timeout=0.01)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()
