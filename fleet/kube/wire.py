"""HTTP to one API server: kubernetes_asyncio's rest client, one exchange at a time.

A list is read as it comes, however long it is: a thousand clusters may send one at once.

Its requests are used as they are, over a session of ours: its own would follow
redirects with a write, take passwords out of ``~/.netrc``, let aiohttp send a
DELETE again whose connection broke, and read the system's certificates anew for
every cluster, which takes 60 ms of a processor.

Units:   seconds of the event loop.
Errors:  :exc:`Unanswered` where no answer came.
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping
from http import HTTPStatus
from typing import Any

import aiohttp
import orjson
from kubernetes_asyncio.client.rest import RESTClientObject
from multidict import CIMultiDict

from fleet import __version__
from fleet.errors import ClusterError, InputError
from fleet.kube import breaks, trust
from fleet.kube.breaks import BrokenWriteError, MovedError
from fleet.kube.credentials import Credentials
from fleet.kube.exchanges import Reply, Request, Unanswered
from fleet.kube.trust import Trust
from fleet.kube.turns import Turns
from fleet.kube.unwrapping import Unwrapper
from fleet.model.objects import Object
from fleet.net import connections
from fleet.net.network import Network

MOST_BYTES = 64_000_000
"""Of one answer: pages are small, and etcd takes no object of more than 1.5 MB."""
CHUNK = 4 * 1024
"""Read at a time: connections that wait keep such a buffer."""
_HEAD = 100
_AT_A_TIME = 4
"""Connections to one API server."""
_MOVED = frozenset({301, 302, 303, 307, 308})


class Page:
    """A page of a list, whose objects are read as they come."""

    def __init__(self, response: aiohttp.ClientResponse, request: Request, limit_s: float) -> None:
        self._response = response
        self._request = request
        self._limit_s = limit_s
        self.status = response.status
        self.headers = _headers_of(response)

    def close(self) -> None:
        """Let go of it: where it was not read to its end, of its connection as well."""
        self._response.close()

    async def objects(self) -> AsyncGenerator[Object | Reply, None]:
        """Yield the objects, and then what was answered besides; to be closed."""
        unwrapper, head, size = Unwrapper(), b"", 0
        async with self._response:
            async for part in _parts(self._response, self._request, self._limit_s):
                head, size = head or part[:_HEAD], size + len(part)
                for one in unwrapper.objects(part):
                    yield one
                    # NB: else it would be kept until the next part has come.
                    del one
        for one in unwrapper.objects(b"", is_last=True):
            yield one
        yield Reply(
            status=self.status,
            headers=self.headers,
            data=unwrapper.rest,
            head=head.strip(),
            size=size,
        )


class Wire:
    """The connections to one API server."""

    def __init__(self, client: Any, credentials: Credentials, limit_s: float, turns: Turns) -> None:
        self.turns = turns
        self._client = client
        self._credentials = credentials
        self._limit_s = limit_s
        self._timeout = aiohttp.ClientTimeout(total=limit_s)

    async def exchange(self, request: Request) -> Reply:
        """Send a request once, and return the answer, whatever its status."""
        response = await self._sent(request)
        return await self._whole(response, request)

    async def listing(self, request: Request) -> Page | Reply:
        """Send a request for a list once, and return its page, or what was answered instead."""
        response = await self._sent(request)
        if HTTPStatus.OK <= response.status < HTTPStatus.MULTIPLE_CHOICES:
            return Page(response, request, self._limit_s)
        return await self._whole(response, request)

    async def _sent(self, request: Request) -> aiohttp.ClientResponse:
        with _worded(request, self._limit_s):
            response: aiohttp.ClientResponse = await self._client.request(
                request.method,
                f"{self._credentials.configuration.host}{request.path}",
                query_params=request.query or None,
                headers=await self._headers(request),
                body=request.body,
                _preload_content=False,
                _request_timeout=self._timeout,
            )
        return response

    async def _whole(self, response: aiohttp.ClientResponse, request: Request) -> Reply:
        async with response:
            body = b"".join([part async for part in _parts(response, request, self._limit_s)])
        try:
            data = orjson.loads(body)
        except orjson.JSONDecodeError:
            data = None
        return Reply(
            status=response.status,
            headers=_headers_of(response),
            data=data,
            head=body[:_HEAD].strip(),
            size=len(body),
        )

    async def _headers(self, request: Request) -> CIMultiDict[str]:
        headers: CIMultiDict[str] = CIMultiDict(self._credentials.headers)
        headers["Content-Type"] = request.kind
        for one in (await self._credentials.configuration.auth_settings()).values():
            headers[one["key"]] = one["value"]
        return headers


class _Client(RESTClientObject):
    """The rest client, over a session of ours."""

    def __init__(self, configuration: Any, session: aiohttp.ClientSession) -> None:
        # NB: not the library's own beginning: it makes a session and its TLS.
        self.server_hostname = configuration.tls_server_name
        self.proxy = configuration.proxy
        self.proxy_headers = configuration.proxy_headers
        self.pool_manager = session


@contextlib.asynccontextmanager
async def opened(
    credentials: Credentials,
    *,
    network: Network,
    authorities: Trust,
    limit_s: float,
    turns: Turns,
) -> AsyncIterator[Wire]:
    """Connect to the server that *credentials* name; nothing is sent yet.

    NB: certificates are read here, so that their files may go before anything is sent.

    Args:
        credentials: Where to, and who we are.
        network: The way there, where the kubeconfig names no proxy.
        authorities: Whom to trust, where it names nobody.
        limit_s: Of one exchange.
        turns: To read lists, of all clusters together.
    """
    configuration = credentials.configuration
    try:
        connector = _connector(configuration, network, authorities, limit_s)
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
        read_bufsize=CHUNK,
        middlewares=(_once,),
    ) as session:
        yield Wire(_Client(configuration, session), credentials, limit_s, turns)


def _connector(
    configuration: Any, network: Network, authorities: Trust, limit_s: float
) -> aiohttp.TCPConnector:
    quick = dataclasses.replace(
        network, connections=_AT_A_TIME, connect_limit_s=min(network.connect_limit_s, limit_s)
    )
    if str(configuration.host).startswith("http:"):
        return connections.connector(quick, is_plain=True)
    try:
        context = authorities.context(configuration)
    except (OSError, ValueError) as error:
        message = f"a certificate or key of its kubeconfig cannot be used: {trust.words(error)}"
        raise ClusterError(message, hint=_CERTIFICATES) from None
    return connections.connector(quick, context=context, read_bytes=CHUNK)


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
        raise BrokenWriteError from error
    if response.status in _MOVED:
        response.close()
        raise MovedError
    return response


async def _parts(
    response: aiohttp.ClientResponse, request: Request, limit_s: float
) -> AsyncIterator[bytes]:
    size = 0
    with _worded(request, limit_s):
        async for part in response.content.iter_chunked(CHUNK):
            size += len(part)
            if size > MOST_BYTES:
                message = f"the answer is longer than {MOST_BYTES // 1_000_000} MB"
                raise Unanswered(message, may_pass=False)
            yield part


@contextlib.contextmanager
def _worded(request: Request, limit_s: float) -> Iterator[None]:
    try:
        yield
    except (aiohttp.ClientError, OSError, ValueError) as error:
        # NB: not chained: these may hold the URL and the headers.
        raise breaks.unanswered(error, request, limit_s) from None


def _headers_of(response: aiohttp.ClientResponse) -> Mapping[str, str]:
    return {name.lower(): value for name, value in response.headers.items()}
