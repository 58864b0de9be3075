"""Calendars at a URL, read once, when a plan is made.

Only https, and http on this machine; so after every redirection too, of which there are few. The
time and the size of an answer have limits, whatever the other side does. What is sent is the
request alone: no token, no cookie, nobody's name.

Units:   seconds and bytes.
Errors:  :exc:`~fleet.errors.RemoteError`, and :exc:`~fleet.errors.InputError` for a URL that is
         not asked; neither has anything of the URL.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import ssl
from collections.abc import AsyncIterator, Callable

import aiohttp
from yarl import URL

from fleet.errors import InputError, RemoteError

TIME_LIMIT_S = 30.0
MAX_BYTES = 2_000_000
MOST_REDIRECTIONS = 5

_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_OK = 200
_REDIRECTIONS = frozenset({301, 302, 303, 307, 308})
_LOGIN = frozenset({401, 403})
_HINT = "Is it there, and may it be read without logging in? A file beside the plan file will do."


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """How requests get there."""

    tls: ssl.SSLContext | None = None
    """Whom to trust; ``None``: whom the system trusts."""
    proxy_for: Callable[[str], URL | None] = lambda _: None
    """Returns the proxy for a URL."""
    time_limit_s: float = TIME_LIMIT_S
    """For all of it: redirections, and the answer to its last byte."""


async def text(url: str, *, called: str, way: Way) -> str:
    """Return what is found at *url*.

    Args:
        url: Where it is; it may be a secret.
        called: What people are told instead.
        way: How to get there.
    """
    try:
        async with asyncio.timeout(way.time_limit_s):
            content = await _followed(url, called, way)
    except TimeoutError:
        message = f"{called} did not answer within {way.time_limit_s:g} s"
        raise RemoteError(message, hint=_HINT) from None
    # NB: whoever reads it says what is wrong with it; a wrong letter shall not hide the rest.
    return content.decode("utf-8-sig", "replace")


async def _followed(url: str, called: str, way: Way) -> bytes:
    """Return the content, from wherever it was moved to."""
    at = _allowed(url, called)
    connector = aiohttp.TCPConnector(ssl=way.tls or True)
    async with aiohttp.ClientSession(
        connector=connector, cookie_jar=aiohttp.DummyCookieJar(), auto_decompress=False
    ) as session:
        for _ in range(MOST_REDIRECTIONS + 1):
            async with _answer(session, at, way, called) as answer:
                if answer.status not in _REDIRECTIONS:
                    return await _content(answer, called)
                at = _allowed(
                    _next(at, answer.headers.get("Location", ""), called), called, is_moved=True
                )
    message = f"{called} redirects more than {MOST_REDIRECTIONS} times"
    raise RemoteError(message, hint=_HINT)


@contextlib.asynccontextmanager
async def _answer(
    session: aiohttp.ClientSession, at: URL, way: Way, called: str
) -> AsyncIterator[aiohttp.ClientResponse]:
    try:
        async with session.get(
            at,
            allow_redirects=False,
            proxy=way.proxy_for(str(at)),
            # NB: what is packed could be of any size once it is unpacked.
            headers={"Accept": "text/calendar, */*;q=0.5", "Accept-Encoding": "identity"},
        ) as answer:
            yield answer
    except aiohttp.ClientError as error:
        # NB: its words may hold the whole URL.
        message = f"{called} cannot be read: {_reason(error)}"
        raise RemoteError(message, hint=_HINT) from None


async def _content(answer: aiohttp.ClientResponse, called: str) -> bytes:
    if answer.status != _OK:
        login = ": it wants a login" if answer.status in _LOGIN else ""
        message = f"{called} answers {answer.status}{login}"
        raise RemoteError(message, hint=_HINT, status=answer.status)
    if answer.headers.get("Content-Encoding", "identity").lower() != "identity":
        message = f"{called} answers packed, which was not asked for"
        raise RemoteError(message, hint=_HINT)
    found = bytearray()
    async for part in answer.content.iter_chunked(64 * 1024):
        found += part
        if len(found) > MAX_BYTES:
            message = f"{called} is larger than {MAX_BYTES // 1_000_000} MB"
            raise InputError(message, hint="Keep maintenance in a calendar of its own.")
    return bytes(found)


def _next(at: URL, location: str, called: str) -> str:
    try:
        return str(at.join(URL(location)))
    except ValueError:
        message = f"{called} redirects to what is no URL"
    raise RemoteError(message, hint=_HINT)


def _allowed(target: str, called: str, *, is_moved: bool = False) -> URL:
    try:
        found = URL(target)
    except ValueError:
        message = f"{called} is no URL that can be asked"
        raise InputError(message) from None
    host = found.host or ""
    if host and (found.scheme == "https" or (found.scheme == "http" and host in _LOOPBACK)):
        return found
    where = "" if not is_moved else f": it redirects to {found.scheme or 'no scheme'}"
    message = f"{called} is not asked{where}; only https is safe from being changed on the way"
    raise InputError(message, hint="Use an https URL, or a file beside the plan file.")


def _reason(error: aiohttp.ClientError) -> str:
    match error:
        case aiohttp.ClientConnectorCertificateError():
            return "its certificate is not trusted (see --ca-file)"
        case aiohttp.ClientConnectorDNSError():
            return "its name cannot be resolved"
        case aiohttp.ClientConnectorError():
            return f"no connection: {error.os_error.strerror or 'no reason is given'}"
        case aiohttp.ClientPayloadError() | aiohttp.ServerDisconnectedError():
            return "the connection was cut"
        case _:
            return type(error).__name__
