"""One try to bring a notice to a webhook: a POST, signed, with an end.

Nothing but the status of the answer counts, and nothing else of it is read. A redirect is not
followed: what is meant for one address goes to no other.

NB: no error holds the address or the key, nor words of the HTTP library, which hold addresses.

Units:   seconds of the event loop; the moment that is signed is the wall clock's.
Errors:  :exc:`~fleet.errors.TransientError` and :exc:`~fleet.errors.ThrottledError` where another
         try may help; :exc:`~fleet.errors.RemoteError` where none will.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import email.utils
import os
import ssl
from collections.abc import Callable
from http import HTTPStatus

import aiohttp
from yarl import URL

from fleet.core.notices import Notice
from fleet.errors import RemoteError, ThrottledError, TransientError
from fleet.outside import cloudevents, signatures

# Source: Standard Webhooks: "somewhere between 15 and 30s".
LIMIT_S = 20.0
_CONNECT_LIMIT_S = 10.0
_AGENT = "arc-fleet"
_PASSING = frozenset(
    {
        HTTPStatus.REQUEST_TIMEOUT,
        HTTPStatus.TOO_EARLY,
        HTTPStatus.TOO_MANY_REQUESTS,
    }
)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Webhook:
    """Where notices are sent, and what proves that they come from us."""

    name: str
    url: str = dataclasses.field(repr=False)
    key: bytes | None = dataclasses.field(default=None, repr=False)
    """``None``: nothing is signed."""
    wall: Callable[[], dt.datetime]
    proxy: URL | None = dataclasses.field(default=None, repr=False)
    trust: ssl.SSLContext | None = None
    """Whose certificates count; ``None``: the system's."""
    limit_s: float = LIMIT_S

    async def send(self, notice: Notice) -> None:
        """Send *notice* once."""
        status, retry_after = await self._post(notice)
        if HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
            return
        message = f"{self.name} answered {status}"
        after_s = _seconds(retry_after, now=self.wall())
        if status in _PASSING or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            kind = TransientError if after_s is None else ThrottledError
            raise kind(message, status=status, retry_after_s=after_s)
        raise RemoteError(message, status=status)

    async def _post(self, notice: Notice) -> tuple[int, str | None]:
        """Return the status of the answer, and how long it asks to wait."""
        body = cloudevents.encoded(notice)
        try:
            # One session for each try: they are few and far between, and nothing stays open.
            async with (
                aiohttp.ClientSession(
                    connector=aiohttp.TCPConnector(ssl=self.trust or True),
                    timeout=aiohttp.ClientTimeout(total=self.limit_s, connect=_CONNECT_LIMIT_S),
                    cookie_jar=aiohttp.DummyCookieJar(),
                ) as session,
                session.post(
                    # NB: encoded: an address that is written anew may be another one.
                    URL(self.url, encoded=True),
                    data=body,
                    headers=self._headers(notice, body),
                    allow_redirects=False,
                    proxy=self.proxy,
                ) as answer,
            ):
                return answer.status, answer.headers.get("Retry-After")
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            # NB: not chained: these hold the address.
            raise TransientError(f"{self.name}: {_why(error)}") from None

    def _headers(self, notice: Notice, body: bytes) -> dict[str, str]:
        source = f"{cloudevents.SOURCE}{notice.run.id}"
        return {
            "Content-Type": cloudevents.CONTENT_TYPE,
            "User-Agent": _AGENT,
            **signatures.headers(
                self.key,
                message_id=signatures.message_id(source, notice.id),
                at=int(self.wall().timestamp()),
                body=body,
            ),
        }


def _why(error: Exception) -> str:
    """Return why there was no answer, in words without an address."""
    if isinstance(error, ssl.SSLError | aiohttp.ClientSSLError | ssl.CertificateError):
        return "TLS failed: is its certificate one that this machine trusts?"
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return "the host's name cannot be resolved"
    if isinstance(error, aiohttp.ClientHttpProxyError | aiohttp.ClientProxyConnectionError):
        return "the proxy makes no connection"
    if isinstance(error, aiohttp.ConnectionTimeoutError):
        return "no connection in time"
    if isinstance(error, aiohttp.ClientConnectorError):
        # NB: by its number: the words that it brings along may hold the address.
        return f"no connection ({os.strerror(error.os_error.errno or 0)})"
    if isinstance(error, TimeoutError):
        return "no answer in time"
    return "the connection broke"


def _seconds(retry_after: str | None, *, now: dt.datetime) -> float | None:
    """Return how long an answer asks to wait; ``None`` where it does not, or nobody can read it."""
    text = (retry_after or "").strip()
    if text.isascii() and text.isdigit():
        return float(text[:9])
    try:
        moment = email.utils.parsedate_to_datetime(text)
    except (ValueError, IndexError):
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=dt.UTC)
    return max((moment - now).total_seconds(), 0.0)
