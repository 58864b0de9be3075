"""Connections: made in time or not at all, through proxies, to whom is trusted.

Units:   seconds of the event loop.
Errors:  :exc:`InputError` for a file of authorities that cannot be used; aiohttp's own while a
         connection is made, which the caller words.
"""

from __future__ import annotations

import asyncio
import ssl
from asyncio.sslproto import SSLProtocol
from http import HTTPStatus
from typing import Any

import aiohttp

from fleet.errors import InputError
from fleet.net.network import Network


class SlowConnectionError(aiohttp.ClientError):
    """There was no connection in time. No TimeoutError: aiohttp would put the URL into those."""


def connector(
    network: Network,
    *,
    is_plain: bool = False,
    context: ssl.SSLContext | None = None,
    read_bytes: int | None = None,
) -> aiohttp.TCPConnector:
    """Return what makes connections.

    Args:
        network: How they are made.
        is_plain: Whether they are without TLS.
        context: Whom to trust instead of whom *network* does.
        read_bytes: What TLS reads ahead; ``None``: as asyncio does, 256 KB of each connection.
    """
    trusted = True if is_plain else context or trust(network)
    return _Connector(network.connect_limit_s, read_bytes, limit=network.connections, ssl=trusted)


def trust(network: Network) -> ssl.SSLContext:
    """Return a context that trusts the system's certificates, and those of *network*."""
    context = ssl.create_default_context()
    for path in network.authorities():
        try:
            if path.is_dir():
                context.load_verify_locations(capath=path)
            else:
                context.load_verify_locations(cafile=path)
        except OSError as error:
            message = f"the CA file {path} cannot be used: {error.strerror or error}"
            raise InputError(message, hint="It holds certificates as PEM text.") from error
    return context


def limits(network: Network) -> aiohttp.ClientTimeout:
    """Return the time limits of one call."""
    return aiohttp.ClientTimeout(total=network.call_limit_s, sock_read=network.read_limit_s)


class _Connector(aiohttp.TCPConnector):
    """Makes connections in time, or says that it was not in time.

    NB: aiohttp's own limit also counts the wait for a free connection, and its limits of a socket
    neither names that resolve slowly nor proxies that say nothing.
    """

    def __init__(self, limit_s: float, read_bytes: int | None, **given: Any) -> None:
        super().__init__(**given)
        self._limit_s = limit_s
        self._read_bytes = read_bytes

    async def _create_connection(
        self,
        req: aiohttp.ClientRequest,
        traces: Any,
        timeout: Any,  # noqa: ASYNC109 - aiohttp's own
    ) -> Any:
        try:
            async with asyncio.timeout(self._limit_s):
                made = await super()._create_connection(req, traces, timeout)
        except TimeoutError as error:
            message = f"no connection within {self._limit_s:g} s"
            raise SlowConnectionError(message) from error
        if self._read_bytes is not None:
            _narrow(made.transport, self._read_bytes)
        return made


def _narrow(transport: Any, read_bytes: int) -> None:
    """Let a connection read no more ahead than that."""
    if hasattr(transport, "set_read_buffer_limits"):  # else 256 KB more
        transport.set_read_buffer_limits(high=read_bytes)


def read_tls_by(read_bytes: int) -> None:
    """Let connections over TLS read no more than that at a time, all of this process.

    Source: asyncio/sslproto.py of 3.11 to 3.14: each takes a buffer of the class' size when it is
    made, 256 KB, and nobody can ask for another. Of a thousand that begin at once it is most.
    """
    SSLProtocol.max_size = read_bytes


def of_proxy(error: aiohttp.ClientHttpProxyError | aiohttp.ClientProxyConnectionError) -> str:
    """Return why a proxy was of no help, in words."""
    if isinstance(error, aiohttp.ClientProxyConnectionError):
        return f"no connection to the proxy: {reason(error)}"
    if error.status == HTTPStatus.PROXY_AUTHENTICATION_REQUIRED:
        return "the proxy wants another user and password (407)"
    return f"the proxy makes no connection, its answer was {error.status}"


def reason(error: Exception) -> str:
    """Return what broke, in words; never a URL or a header."""
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        error = error.certificate_error
    if isinstance(error, ssl.SSLCertVerificationError):
        return error.verify_message
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return type(error).__name__
