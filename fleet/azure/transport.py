"""HTTP as far as it goes without knowing who we are: a session, one exchange, what broke.

No redirect is followed, no status raises, and a write leaves once: aiohttp
repeats a request whose kept-alive connection turns out to be closed, and the
middleware of our sessions keeps writes from that.

Units:   seconds of the event loop.
Errors:  broken before anything was sent: :exc:`TransientError`, and :exc:`RemoteError` where TLS
         fails; after that :exc:`LostAnswerError` for a write, :exc:`TransientError` for a read.
"""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from http import HTTPStatus

import aiohttp
from yarl import URL

from fleet import __version__
from fleet.azure.answers import Answer, headers_of
from fleet.azure.clouds import Place
from fleet.azure.requests import Request
from fleet.errors import LostAnswerError, RemoteError, TransientError
from fleet.net.connections import SlowConnectionError, connector, limits, of_proxy, reason
from fleet.net.network import Network

AGENT = f"arc-fleet/{__version__}"
# Source: operation URLs of 3.3 KB were seen; aiohttp's own limit is 8 KB a line.
_LONGEST_HEADER_BYTES = 64 * 1024


_PROXY_HINT = "Check HTTPS_PROXY or --proxy, and NO_PROXY; a password goes before the host, with @."


class _BrokenWriteError(aiohttp.ClientError):
    """A connection broke under a write. No OSError, so aiohttp does not send again."""


@asynccontextmanager
async def session(place: Place, *, network: Network) -> AsyncIterator[aiohttp.ClientSession]:
    """Open the session that all requests to *place* share.

    Args:
        place: Where they go.
        network: How they get there.
    """
    # NB: not trust_env: it would also read passwords out of ~/.netrc.
    async with aiohttp.ClientSession(
        connector=connector(network, is_plain=place.is_plain),
        timeout=limits(network),
        headers={"User-Agent": AGENT, "Accept": "application/json"},
        cookie_jar=aiohttp.DummyCookieJar(),
        middlewares=(_once,),
        proxy=network.proxy_for(place.url),
        max_line_size=_LONGEST_HEADER_BYTES,
        max_field_size=_LONGEST_HEADER_BYTES,
    ) as opened:
        yield opened


async def exchange(
    opened: aiohttp.ClientSession, request: Request, headers: Mapping[str, str]
) -> Answer:
    """Send *request* and return the answer, whatever its status."""
    try:
        # NB: encoded: a signed URL that is written anew is another URL.
        url = URL(request.url, encoded=True)
        async with opened.request(
            request.method, url, headers=headers, data=request.body, allow_redirects=False
        ) as response:
            return Answer(
                status=response.status,
                headers=headers_of(response.headers.items()),
                body=await _body(response),
            )
    except (aiohttp.ClientResponseError, aiohttp.InvalidURL) as error:
        # NB: not chained: these hold the URL, which may be signed, and the headers.
        raise broken(error, request) from None
    except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
        raise broken(error, request) from error


def broken(error: Exception, request: Request) -> RemoteError:
    """Return what an exchange that came to no answer means."""
    ids = request.ids.correlation_id
    if isinstance(error, (ssl.SSLError, aiohttp.ClientSSLError, ssl.CertificateError)):
        message = f"{request.what}: nothing was sent, TLS failed: {reason(error)}"
        hint = "Is a proxy in between, or the CA a private one? Name its file: --ca-file."
        return RemoteError(message, hint=hint, correlation_id=ids)
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        message = f"{request.what}: nothing was sent, the host's name cannot be resolved"
        hint = "Check the endpoint, the network and HTTPS_PROXY."
        return TransientError(message, hint=hint, correlation_id=ids)
    if isinstance(error, (aiohttp.ClientHttpProxyError, aiohttp.ClientProxyConnectionError)):
        message = f"{request.what}: nothing was sent, {of_proxy(error)}"
        return TransientError(message, hint=_PROXY_HINT, correlation_id=ids)
    if isinstance(error, aiohttp.ClientConnectorError):
        message = f"{request.what}: nothing was sent, no connection: {reason(error)}"
        hint = "Check the endpoint, the network and HTTPS_PROXY."
        return TransientError(message, hint=hint, correlation_id=ids)
    if isinstance(error, (SlowConnectionError, aiohttp.ConnectionTimeoutError)):
        # NB: aiohttp's own words hold the URL, which may be signed.
        why = str(error) if isinstance(error, SlowConnectionError) else "no connection in time"
        message = f"{request.what}: nothing was sent, {why}"
        hint = "Check the endpoint, the network and HTTPS_PROXY; --connect-timeout allows more."
        return TransientError(message, hint=hint, correlation_id=ids)
    if isinstance(error, (aiohttp.InvalidURL, ValueError)):
        return RemoteError(f"{request.what}: nothing was sent, the URL is not one")
    why = "no answer in time" if isinstance(error, TimeoutError) else "the connection broke"
    if request.is_write:
        message = f"{request.what}: {why}; whether it took effect is unknown"
        return LostAnswerError(message, correlation_id=ids)
    return TransientError(f"{request.what}: {why}", correlation_id=ids)


async def _once(
    request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
) -> aiohttp.ClientResponse:
    try:
        return await handler(request)
    except aiohttp.ClientConnectorError:
        raise  # nothing was sent, and aiohttp does not try these again
    except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
        if request.method in ("GET", "HEAD"):
            raise
        # Source: aiohttp 3.14 client.py, retry_persistent_connection: PUT and DELETE count as
        # idempotent, and go out again after exactly these two.
        raise _BrokenWriteError(str(error)) from error


async def _body(response: aiohttp.ClientResponse) -> bytes:
    try:
        return await response.read()
    except (aiohttp.ClientError, TimeoutError, OSError):
        if response.status >= HTTPStatus.BAD_REQUEST:
            return b""  # the status says enough
        raise
