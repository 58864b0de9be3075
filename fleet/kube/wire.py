"""HTTP to one API server: kubernetes_asyncio's rest client, one exchange at a time.

Its requests are used as they are, over a session of ours: its own would follow
redirects with a write, take passwords out of ``~/.netrc``, let aiohttp send a
DELETE again whose connection broke, and read the system's certificates anew for
every cluster, which takes 60 ms of a processor.

Units:   seconds of the event loop.
Errors:  :exc:`Unanswered` where no answer came.
"""

from __future__ import annotations

import asyncio
import dataclasses
import os
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import aiohttp
import orjson
from kubernetes_asyncio.client.rest import RESTClientObject
from multidict import CIMultiDict

from fleet import __version__
from fleet.errors import ClusterError, InputError
from fleet.kube.credentials import Credentials
from fleet.net import connections
from fleet.net.connections import SlowConnectionError
from fleet.net.network import Network

MOST_BYTES = 64_000_000
"""Of one answer: pages are small, and etcd takes no object of more than 1.5 MB."""
_CHUNK = 16 * 1024
"""Read at a time: as much as a record of TLS holds."""
_LARGE = _CHUNK
_SHARE = 0.3
"""Of an exchange's time that is waited for a place."""
LARGE_AT_ONCE = 8
"""Answers larger than that are read on so many at once, whoever they come from.

Of all others the network keeps the rest meanwhile: a thousand clusters may send a list at once.
"""
_HEAD = 100
_AT_A_TIME = 4
"""Connections to one API server."""
_MOVED = frozenset({301, 302, 303, 307, 308})


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What is sent."""

    method: str
    path: str
    query: tuple[tuple[str, str], ...] = ()
    body: Any = None
    kind: str = "application/json"
    """The body's content type."""
    what: str
    """For messages: ``get of deployments``."""

    @property
    def is_write(self) -> bool:
        """Whether it may change something."""
        return self.method != "GET"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What was answered, read to its end."""

    status: int
    headers: Mapping[str, str]
    data: Any = dataclasses.field(repr=False)
    """Its JSON; ``None`` where it is none."""
    head: bytes = dataclasses.field(repr=False)
    """How it begins."""
    size: int


class Unanswered(Exception):  # noqa: N818 - caught at once, and worded for people
    """There was no answer."""

    def __init__(self, why: str, *, hint: str | None = None, may_pass: bool = True) -> None:
        super().__init__(why)
        self.why = why
        self.hint = hint
        self.may_pass = may_pass
        """Whether another try may help."""


class _BrokenWriteError(aiohttp.ClientError):
    """A connection broke under a write. No OSError, so aiohttp does not send again."""


class _MovedError(aiohttp.ClientError):
    """The answer was a redirect."""


class Wire:
    """The connections to one API server."""

    def __init__(
        self, client: Any, credentials: Credentials, limit_s: float, large: asyncio.Semaphore
    ) -> None:
        self._large = large
        self._client = client
        self._credentials = credentials
        self._limit_s = limit_s
        self._timeout = aiohttp.ClientTimeout(total=limit_s)

    async def exchange(self, request: Request) -> Reply:
        """Send a request once, and return the answer, whatever its status."""
        try:
            response = await self._client.request(
                request.method,
                f"{self._credentials.configuration.host}{request.path}",
                query_params=request.query or None,
                headers=await self._headers(request),
                body=request.body,
                _preload_content=False,
                _request_timeout=self._timeout,
            )
            async with response:
                return _reply(response, await self._body(response))
        except (aiohttp.ClientError, OSError, ValueError) as error:
            # NB: not chained: these may hold the URL and the headers.
            raise self._broken(error, request) from None

    async def _body(self, response: aiohttp.ClientResponse) -> bytes:
        parts, size = [], 0
        async with AsyncExitStack() as stack:
            async for part in response.content.iter_chunked(_CHUNK):
                parts.append(part)
                if size <= _LARGE < size + len(part):
                    await stack.enter_async_context(self._place())
                size += len(part)
                if size > MOST_BYTES:
                    message = f"the answer is longer than {MOST_BYTES // 1_000_000} MB"
                    raise Unanswered(message, may_pass=False)
            return b"".join(parts)

    @asynccontextmanager
    async def _place(self) -> AsyncIterator[None]:
        """Wait for a place among the large answers, and not for long: servers may be very slow."""
        try:
            async with asyncio.timeout(self._limit_s * _SHARE):
                await self._large.acquire()
        except TimeoutError:
            yield
            return
        try:
            yield
        finally:
            self._large.release()

    async def _headers(self, request: Request) -> CIMultiDict[str]:
        headers: CIMultiDict[str] = CIMultiDict(self._credentials.headers)
        headers["Content-Type"] = request.kind
        for one in (await self._credentials.configuration.auth_settings()).values():
            headers[one["key"]] = one["value"]
        return headers

    def _broken(self, error: Exception, request: Request) -> Unanswered:
        if isinstance(error, (ssl.SSLError, aiohttp.ClientSSLError, ssl.CertificateError)):
            return _untrusted(error)
        if isinstance(error, aiohttp.ClientConnectorDNSError):
            return Unanswered("its server's name cannot be resolved", hint=_REACHED)
        if isinstance(error, (aiohttp.ClientHttpProxyError, aiohttp.ClientProxyConnectionError)):
            return Unanswered(connections.of_proxy(error), hint=_PROXY)
        if isinstance(error, aiohttp.ClientConnectorError):
            # NB: asyncio's own words are of its calls, not of what happened.
            code = error.os_error.errno
            why = os.strerror(code) if code else connections.reason(error)
            return Unanswered(f"no connection: {why}", hint=_REACHED)
        if isinstance(error, SlowConnectionError):
            return Unanswered(str(error), hint=_REACHED)
        if isinstance(error, _MovedError):
            return Unanswered(
                "its server answers with a redirect, which Kubernetes does not",
                hint="Is it the API server's URL that the kubeconfig names?",
                may_pass=False,
            )
        if isinstance(error, ValueError):
            return Unanswered("nothing was sent, a header cannot be used", may_pass=False)
        why = (
            f"no answer within {self._limit_s:g} s"
            if isinstance(error, TimeoutError)
            else "the connection broke"
        )
        if request.is_write:
            why += "; whether it took effect is unknown"
        is_cut = isinstance(error, (aiohttp.ServerDisconnectedError, _BrokenWriteError))
        return Unanswered(f"{request.what}: {why}", hint=_CUT if is_cut else None)


_REACHED = "Is its API server reachable from here? clusterAccess says which kubeconfig is meant."
# NB: with TLS 1.3 a certificate of ours is refused after the handshake, and asyncio tells nobody.
_CUT = "Its server, or one before it, hangs up: does it want a client certificate, or https?"
_PROXY = "Look at proxy-url in its kubeconfig, at HTTPS_PROXY and at NO_PROXY."


def _untrusted(error: Exception) -> Unanswered:
    hint = (
        "Does its kubeconfig hold the cluster's CA and, where it names one, a client certificate "
        "that is valid now?"
    )
    return Unanswered(f"TLS failed: {_tls(error)}", hint=hint, may_pass=False)


def _tls(error: Exception) -> str:
    inner = error.__cause__ or error
    if isinstance(error, aiohttp.ClientConnectorSSLError):
        inner = error.os_error
    if isinstance(inner, ssl.SSLError) and not isinstance(inner, ssl.SSLCertVerificationError):
        return (inner.reason or type(inner).__name__).replace("_", " ").lower()
    return connections.reason(error)


class Trust:
    """Whom to trust where a kubeconfig names no authority: read once."""

    def __init__(self, network: Network) -> None:
        self._network = network
        self._shared: ssl.SSLContext | None = None

    def context(self, configuration: Any) -> ssl.SSLContext:
        """Return the TLS of a cluster."""
        is_own = configuration.ssl_ca_cert or configuration.cert_file
        if is_own or not configuration.verify_ssl:
            return self._own(configuration)
        if self._shared is None:
            self._shared = _lenient(connections.trust(self._network))
        return self._shared

    def _own(self, configuration: Any) -> ssl.SSLContext:
        if configuration.ssl_ca_cert or not configuration.verify_ssl:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        else:
            context = connections.trust(self._network)
        if not configuration.verify_ssl:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        elif configuration.ssl_ca_cert:
            context.load_verify_locations(cafile=configuration.ssl_ca_cert)
        if configuration.cert_file:
            # NB: without a password OpenSSL would ask for one at the terminal.
            context.load_cert_chain(
                configuration.cert_file, keyfile=configuration.key_file, password=""
            )
        return _lenient(context)


def _lenient(context: ssl.SSLContext) -> ssl.SSLContext:
    # NB: Python 3.13 misses extensions in certificates that neither Go nor kubeadm asks for.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    return context


class _Client(RESTClientObject):
    """The rest client, over a session of ours."""

    def __init__(self, configuration: Any, session: aiohttp.ClientSession) -> None:
        # NB: not the library's own beginning: it makes a session and its TLS.
        self.server_hostname = configuration.tls_server_name
        self.proxy = configuration.proxy
        self.proxy_headers = configuration.proxy_headers
        self.pool_manager = session


@asynccontextmanager
async def opened(
    credentials: Credentials,
    *,
    network: Network,
    trust: Trust,
    limit_s: float,
    large: asyncio.Semaphore,
) -> AsyncIterator[Wire]:
    """Connect to the server that *credentials* name; nothing is sent yet.

    NB: certificates are read here, so that their files may go before anything is sent.

    Args:
        credentials: Where to, and who we are.
        network: The way there, where the kubeconfig names no proxy.
        trust: Whom to trust, where it names nobody.
        limit_s: Of one exchange.
        large: Places for large answers, of :data:`LARGE_AT_ONCE`.
    """
    configuration = credentials.configuration
    try:
        connector = _connector(configuration, network, trust, limit_s)
        if configuration.proxy is None:
            configuration.proxy = network.proxy_for(configuration.host)
    except InputError as error:  # of --ca-file, --proxy, or variables of the environment
        raise ClusterError(error.message, hint=error.hint) from None
    if configuration.proxy and not str(configuration.proxy).startswith(("http://", "https://")):
        message = "proxy-url of its kubeconfig names a proxy that is not http"
        raise ClusterError(message, hint="Only http and https proxies are supported.")
    async with aiohttp.ClientSession(
        connector=connector,
        headers={"User-Agent": f"arc-fleet/{__version__}", "Accept": "application/json"},
        cookie_jar=aiohttp.DummyCookieJar(),
        read_bufsize=_CHUNK,
        middlewares=(_once,),
    ) as session:
        yield Wire(_Client(configuration, session), credentials, limit_s, large)


def _connector(
    configuration: Any, network: Network, trust: Trust, limit_s: float
) -> aiohttp.TCPConnector:
    quick = dataclasses.replace(
        network, connections=_AT_A_TIME, connect_limit_s=min(network.connect_limit_s, limit_s)
    )
    if str(configuration.host).startswith("http:"):
        return connections.connector(quick, is_plain=True)
    try:
        context = trust.context(configuration)
    except (OSError, ValueError) as error:
        message = f"a certificate or key of its kubeconfig cannot be used: {_tls(error)}"
        raise ClusterError(message, hint=_CERTIFICATES) from None
    return connections.connector(quick, context=context, read_bytes=_CHUNK)


_CERTIFICATES = (
    "They are PEM text, in base64; the key belongs to the certificate and has no password."
)


async def _once(
    request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
) -> aiohttp.ClientResponse:
    try:
        response = await handler(request)
    except aiohttp.ClientConnectorError:
        raise  # nothing was sent, and aiohttp does not try these again
    except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
        if request.method == "GET":
            raise
        # Source: aiohttp 3.14 client.py, retry_persistent_connection.
        raise _BrokenWriteError from error
    if response.status in _MOVED:
        response.close()
        raise _MovedError
    return response


def _reply(response: aiohttp.ClientResponse, body: bytes) -> Reply:
    try:
        data = orjson.loads(body)
    except orjson.JSONDecodeError:
        data = None
    return Reply(
        status=response.status,
        headers={name.lower(): value for name, value in response.headers.items()},
        data=data,
        head=body[:_HEAD].strip(),
        size=len(body),
    )
