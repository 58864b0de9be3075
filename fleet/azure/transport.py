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
import urllib.request
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from http import HTTPStatus
from pathlib import Path

import aiohttp
from yarl import URL

from fleet import __version__
from fleet.azure.answers import Answer
from fleet.azure.clouds import Place
from fleet.azure.requests import Request
from fleet.errors import InputError, LostAnswerError, RemoteError, TransientError

AGENT = f"arc-fleet/{__version__}"
CONNECT_LIMIT_S = 10.0
# Source: operation URLs of 3.3 KB were seen; aiohttp's own limit is 8 KB a line.
_LONGEST_HEADER_BYTES = 64 * 1024


class _BrokenWriteError(aiohttp.ClientError):
    """A connection broke under a write. No OSError, so aiohttp does not send again."""


@asynccontextmanager
async def session(
    place: Place, *, ca_file: Path | None, call_limit_s: float
) -> AsyncIterator[aiohttp.ClientSession]:
    """Open the session that all requests to *place* share.

    Args:
        place: Where they go; a proxy of the environment is used, but not on this machine.
        ca_file: Certificates to trust beside the system's.
        call_limit_s: For a whole call.
    """
    # NB: not trust_env: it would also read passwords out of ~/.netrc.
    async with aiohttp.ClientSession(
        connector=connector(place, ca_file),
        timeout=limits(call_limit_s),
        headers={"User-Agent": AGENT, "Accept": "application/json"},
        cookie_jar=aiohttp.DummyCookieJar(),
        middlewares=(_once,),
        proxy=_proxy(place),
        max_line_size=_LONGEST_HEADER_BYTES,
        max_field_size=_LONGEST_HEADER_BYTES,
    ) as opened:
        yield opened


def connector(place: Place, ca_file: Path | None) -> aiohttp.TCPConnector:
    """Return what makes connections; how many is decided by whoever sends."""
    if place.is_plain:
        return aiohttp.TCPConnector(limit=0)
    return aiohttp.TCPConnector(limit=0, ssl=trust(ca_file))


def trust(ca_file: Path | None) -> ssl.SSLContext:
    """Return a context that trusts the system's certificates, and those in *ca_file*."""
    context = ssl.create_default_context()
    if ca_file is not None:
        try:
            context.load_verify_locations(cafile=ca_file)
        except OSError as error:
            message = f"the CA file {ca_file} cannot be used: {error.strerror or error}"
            raise InputError(message, hint="It holds certificates as PEM text.") from error
    return context


def limits(call_limit_s: float) -> aiohttp.ClientTimeout:
    """Return the time limits of one call."""
    return aiohttp.ClientTimeout(
        total=call_limit_s, connect=CONNECT_LIMIT_S, sock_connect=CONNECT_LIMIT_S
    )


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
                headers={name.lower(): value for name, value in response.headers.items()},
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
        message = f"{request.what}: nothing was sent, TLS failed: {_reason(error)}"
        hint = "Is a proxy in between, or the CA a private one? Name its file: --ca-file."
        return RemoteError(message, hint=hint, correlation_id=ids)
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        message = f"{request.what}: nothing was sent, the host's name cannot be resolved"
        hint = "Check the endpoint, the network and HTTPS_PROXY."
        return TransientError(message, hint=hint, correlation_id=ids)
    if isinstance(error, (aiohttp.ClientConnectorError, aiohttp.ClientHttpProxyError)):
        message = f"{request.what}: nothing was sent, no connection: {_reason(error)}"
        hint = "Check the endpoint, the network and HTTPS_PROXY."
        return TransientError(message, hint=hint, correlation_id=ids)
    if isinstance(error, aiohttp.ConnectionTimeoutError):
        message = f"{request.what}: nothing was sent, no connection within {CONNECT_LIMIT_S:g} s"
        return TransientError(message, correlation_id=ids)
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


def _proxy(place: Place) -> str | None:
    url = URL(place.url)
    if place.is_loopback or urllib.request.proxy_bypass(url.host or ""):
        return None
    return urllib.request.getproxies().get(url.scheme)


def _reason(error: Exception) -> str:
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        error = error.certificate_error
    if isinstance(error, ssl.SSLCertVerificationError):
        return error.verify_message
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return type(error).__name__
