"""One question over HTTP, and its answer within bounds: of time, of bytes, of trust.

Nothing is asked twice, no redirect is followed, and nothing that may be a
secret (a header, a query, a user in a URL) is in a message. A body is read to
:data:`MOST_BYTES` and no further, packed or not.

Units:   seconds are the caller's: whoever asks sets a limit around it.
Errors:  :exc:`InputError` for a URL that cannot be asked, :exc:`RefusedError` where a secret would
         be readable on its way, :exc:`RemoteError` and :exc:`TransientError` for what broke.
"""

from __future__ import annotations

import dataclasses
import ssl
import zlib
from collections.abc import Mapping
from typing import Any

import aiohttp
import orjson
from yarl import URL

from fleet import __version__
from fleet.errors import InputError, RefusedError, RemoteError, TransientError
from fleet.model.cluster import nothing
from fleet.net import connections
from fleet.net.connections import SlowConnectionError
from fleet.net.network import Network, is_loopback
from fleet.net.words import line

MOST_BYTES = 5_000_000
_CHUNK = 64 * 1024
_AUTO = 47
"""zlib's word for: gzip or deflate, whichever it is."""
_PACKED = ("gzip", "x-gzip", "deflate")


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What is asked."""

    method: str = "GET"
    url: str = dataclasses.field(repr=False)
    what: str
    """Who is asked, to begin a message with: ``Prometheus``."""
    headers: Mapping[str, str] = dataclasses.field(default_factory=nothing, repr=False)
    secrets: Mapping[str, str] = dataclasses.field(default_factory=nothing, repr=False)
    """Headers that nobody else may read."""
    body: bytes | None = dataclasses.field(default=None, repr=False)

    @property
    def who(self) -> str:
        """Who is asked, and where."""
        return f"{self.what} at {origin(self.url)}"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """An answer, read to its end."""

    who: str
    status: int
    kind: str
    """Its content type, lower case."""
    body: bytes = dataclasses.field(repr=False)

    def json(self) -> Any:
        """Return the body as JSON."""
        try:
            return orjson.loads(self.body)
        except orjson.JSONDecodeError:
            message = f"{self.who}: the answer ({self.status}) is {self.shape}, not JSON"
            raise RemoteError(message, status=self.status) from None

    @property
    def shape(self) -> str:
        """What kind of body it is, in words."""
        if not self.body.strip():
            return "empty"
        if "html" in self.kind or self.body.lstrip()[:1] == b"<":
            return "an HTML page"
        return f"{len(self.body)} bytes that cannot be read"


async def reply(question: Question, *, network: Network) -> Reply:
    """Send *question* once, and return the answer, whatever its status."""
    url = checked(question.url, what=question.what, is_secret=bool(question.secrets))
    headers = {
        "User-Agent": f"arc-fleet/{__version__}",
        "Accept": "application/json",
        # NB: what is not packed cannot unpack to more than was sent.
        "Accept-Encoding": "identity",
        **question.headers,
        **question.secrets,
    }
    try:
        async with (
            aiohttp.ClientSession(
                connector=connections.connector(network, is_plain=url.scheme == "http"),
                timeout=aiohttp.ClientTimeout(total=None),
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
            ) as opened,
            opened.request(
                question.method,
                url,
                headers=headers,
                data=question.body,
                allow_redirects=False,
                proxy=network.proxy_for(question.url),
            ) as response,
        ):
            return Reply(
                who=question.who,
                status=response.status,
                kind=response.headers.get("Content-Type", "").lower(),
                body=await _body(response, question.who),
            )
    except (aiohttp.ClientError, OSError, ValueError) as error:
        # NB: not chained: these may hold the URL and the headers.
        raise _broken(error, question.who) from None


def checked(url: str, *, what: str, is_secret: bool) -> URL:
    """Return *url*, if it can be asked and, where *is_secret*, be told secrets.

    Args:
        url: As somebody wrote it.
        what: Who is there, for messages.
        is_secret: Whether something goes along that nobody else may read.
    """
    try:
        found = URL(url.strip())
        port = found.port
    except ValueError:
        raise InputError(f"{what}: its address is no URL") from None
    if found.scheme not in ("http", "https") or not found.host or not port:
        message = f"{what}: its address is no http or https URL with a host"
        raise InputError(message)
    if found.user is not None or found.password is not None:
        message = f"{what}: its address holds a user name or a password"
        raise InputError(message, hint="Name a header, and the variable that holds its value.")
    if is_secret and found.scheme == "http" and not is_loopback(found.host):
        message = f"{what} at {origin(url)}: not asked, headers would be readable on their way"
        raise RefusedError(message, hint="Use https.")
    return found


def origin(url: str) -> str:
    """Return scheme, host and port of *url*: what of it may be shown."""
    try:
        return str(URL(url.strip()).origin())
    except ValueError:
        return "an address that is no URL"


async def _body(response: aiohttp.ClientResponse, who: str) -> bytes:
    parts, size = [], 0
    async for part in response.content.iter_chunked(_CHUNK):
        size += len(part)
        if size > MOST_BYTES:
            raise _too_long(who)
        parts.append(part)
    packing = response.headers.get("Content-Encoding", "identity").strip().lower()
    whole = b"".join(parts)
    return whole if packing in ("identity", "") else _unpacked(whole, packing, who)


def _unpacked(whole: bytes, packing: str, who: str) -> bytes:
    if packing not in _PACKED:
        raise RemoteError(f"{who}: the answer is packed as {line(packing, longest=40)}")
    opened = zlib.decompressobj(_AUTO)
    try:
        found = opened.decompress(whole, MOST_BYTES + 1)
    except zlib.error:
        raise RemoteError(f"{who}: the answer cannot be unpacked") from None
    if len(found) > MOST_BYTES:
        raise _too_long(who)
    if not opened.eof:
        raise TransientError(f"{who}: the answer was cut off")
    return found


def _too_long(who: str) -> RemoteError:
    return RemoteError(f"{who}: the answer is longer than {MOST_BYTES // 1_000_000} MB")


def _broken(error: Exception, who: str) -> RemoteError:
    """Return what came of a question without an answer, in words without secrets."""
    if isinstance(error, (ssl.SSLError, aiohttp.ClientSSLError, ssl.CertificateError)):
        hint = "Is the CA a private one? Name its file: --ca-file."
        return RemoteError(f"{who}: TLS failed: {connections.reason(error)}", hint=hint)
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return TransientError(f"{who}: the host's name cannot be resolved")
    if isinstance(error, (aiohttp.ClientHttpProxyError, aiohttp.ClientProxyConnectionError)):
        return TransientError(f"{who}: {connections.of_proxy(error)}")
    if isinstance(error, aiohttp.ClientConnectorError):
        return TransientError(f"{who}: no connection: {connections.reason(error)}")
    if isinstance(error, SlowConnectionError):
        return TransientError(f"{who}: {error}")
    if isinstance(error, ValueError):
        return RemoteError(f"{who}: nothing was sent, a header or the address cannot be used")
    return TransientError(f"{who}: the connection broke")
