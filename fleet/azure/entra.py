"""Tokens from Entra ID, by the credentials of azure-identity.

Loaded only where a real identity is used: the SDK takes its time.

Errors:  :exc:`AuthError` where there is no identity, with what to do; :exc:`TransientError` where
         Entra cannot be reached or is busy. The SDK's own messages may quote what it was given,
         so :mod:`fleet.azure.lockouts` tells what they mean in words of ours.
"""

from __future__ import annotations

import asyncio
import base64
import datetime as dt
import logging
import os
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Any

import aiohttp
from azure.core.credentials_async import AsyncTokenCredential
from azure.core.exceptions import (
    AzureError,
    HttpResponseError,
    ServiceRequestError,
    ServiceResponseError,
)
from azure.core.pipeline.transport import AioHttpTransport
from azure.identity import CredentialUnavailableError
from azure.identity.aio import (
    AzureCliCredential,
    DefaultAzureCredential,
    EnvironmentCredential,
    ManagedIdentityCredential,
    WorkloadIdentityCredential,
)

from fleet.azure import lockouts, transport
from fleet.azure.clouds import Place
from fleet.azure.credentials import Kind, Token, hint_of, scope_of
from fleet.azure.lockouts import Lockout
from fleet.azure.requests import Request
from fleet.errors import AuthError, RemoteError, ThrottledError, TransientError
from fleet.net import connections
from fleet.net.network import Network

_LIMIT_S = 60.0
_CLI_LIMIT_S = 45
# Source: azure-identity serves no request for claims out of its cache, which would hold on to a
# token until 5 minutes before its end. The Azure CLI refuses claims, and Azure's machines have
# caches of their own.
_CACHED = frozenset({Kind.ENV, Kind.WORKLOAD})
_NONE = "{}"
_LOGINS = frozenset({Kind.CLI, Kind.DEFAULT})

Ahead = Callable[[], dt.timedelta]


def _level() -> dt.timedelta:
    return dt.timedelta(0)


# Without a handler, the SDK's warnings would go to stderr by themselves.
logging.getLogger("azure").addHandler(logging.NullHandler())


class EntraIssuer:
    """A credential of azure-identity."""

    def __init__(
        self, credential: AsyncTokenCredential, *, kind: Kind, scope: str, ahead: Ahead = _level
    ) -> None:
        self._credential = credential
        self._kind = kind
        self._scope = scope
        self._ahead = ahead

    async def fetch(self, claims: str | None = None) -> Token:
        """Return a token; from the credential's own cache, where that cannot be helped."""
        lacking = lockouts.unset(self._kind, os.environ)
        if lacking is not None:
            raise _locked_out(self._kind, [lacking])
        asked = claims or (_NONE if self._kind in _CACHED else None)
        try:
            async with asyncio.timeout(_LIMIT_S):
                found = await self._credential.get_token(self._scope, claims=asked, enable_cae=True)
        except TimeoutError:
            message = f"no token within {_LIMIT_S:g} s (credential: {self._kind})"
            raise AuthError(message, hint=hint_of(self._kind)) from None
        except (AzureError, ValueError, OSError) as error:
            told = translated(error, self._kind)
            if claims and self._kind in _LOGINS and isinstance(told, AuthError):
                told.hint = _login(claims, self._scope)
            # NB: not chained: what the SDK says and keeps may hold what it was given.
            raise told from None
        # Source: azure-identity adds what Entra calls `expires_in` to this machine's wall clock.
        expires_at = dt.datetime.fromtimestamp(found.expires_on, dt.UTC) + self._ahead()
        return Token(text=found.token, expires_at=expires_at)


@asynccontextmanager
async def issuer(
    place: Place, *, kind: Kind, network: Network, ahead: Ahead = _level
) -> AsyncIterator[EntraIssuer]:
    """Open the credential that *kind* names, for tokens of *place*.

    Args:
        place: What the tokens are for.
        kind: The credential.
        network: How to get to whoever gives them.
        ahead: How far the run's clock is ahead of this machine's, by which the SDK tells ends.
    """
    # Its own session: not only Entra is asked, but also what gives this machine its identity.
    async with aiohttp.ClientSession(
        connector=connections.connector(network),
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
    ) as opened:
        shared = _Transport(network, opened)
        try:
            credential = _credential(kind, place, shared)
        except (ValueError, OSError):
            lacking = lockouts.unset(kind, os.environ)
            if lacking is not None:
                raise _locked_out(kind, [lacking]) from None
            message = f"the credential {kind} cannot be set up"
            raise AuthError(message, hint=hint_of(kind)) from None
        async with credential:
            yield EntraIssuer(credential, kind=kind, scope=scope_of(place), ahead=ahead)


def translated(error: Exception, kind: Kind) -> RemoteError:
    """Return what a credential's failure means."""
    status = error.status_code if isinstance(error, HttpResponseError) else None
    cause = error.inner_exception if isinstance(error, AzureError) else None
    if isinstance(cause, (aiohttp.ClientError, TimeoutError)):
        asking = Request(method="POST", url="", what=f"asking for a token (credential: {kind})")
        return transport.broken(cause, asking)
    if isinstance(error, (ServiceRequestError, ServiceResponseError)):
        message = f"no connection to whoever gives tokens (credential: {kind})"
        hint = "Check the network and HTTPS_PROXY; a private CA is named by --ca-file."
        return TransientError(message, hint=hint)
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        return ThrottledError("Entra ID asks for fewer requests", status=status)
    if status is not None and status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return TransientError(f"Entra ID answered {status}", status=status)
    found = lockouts.told(str(error))
    if found:
        return _locked_out(kind, found, status=status)
    what = "is not available here" if isinstance(error, CredentialUnavailableError) else "failed"
    return AuthError(f"the credential {kind} {what}", hint=hint_of(kind), status=status)


def _login(claims: str, scope: str) -> str:
    # Source: azure-identity's own advice; it takes the Azure CLI 2.76.
    encoded = base64.b64encode(claims.encode()).decode()
    return f"Log in again: az login --claims-challenge {encoded} --scope {scope}"


def _locked_out(kind: Kind, found: Sequence[Lockout], *, status: int | None = None) -> RemoteError:
    message = f"the credential {kind}: {'; '.join(one.why for one in found)}"
    hint = found[0].hint if len(found) == 1 else hint_of(kind)
    is_passing = all(one.is_passing for one in found)
    return (TransientError if is_passing else AuthError)(message, hint=hint, status=status)


class _Transport(AioHttpTransport):  # type: ignore[misc]
    """Sends each request by the way that leads to its host."""

    def __init__(self, network: Network, opened: aiohttp.ClientSession) -> None:
        super().__init__(
            session=opened,
            session_owner=False,
            connection_timeout=network.connect_limit_s,
            read_timeout=network.read_limit_s or network.call_limit_s,
        )
        self._network = network

    async def send(self, request: Any, **config: Any) -> Any:
        """Send *request*."""
        proxy = self._network.proxy_for(request.url)
        return await super().send(request, proxy=proxy, **config)


def _credential(kind: Kind, place: Place, shared: AioHttpTransport) -> Any:
    common: dict[str, Any] = {"transport": shared, "retry_total": 0}
    if place.authority:
        common["authority"] = place.authority
    match kind:
        case Kind.CLI:
            return AzureCliCredential(process_timeout=_CLI_LIMIT_S)
        case Kind.WORKLOAD:
            return WorkloadIdentityCredential(**common)
        case Kind.MANAGED:
            client = os.environ.get("AZURE_CLIENT_ID") or None
            return ManagedIdentityCredential(client_id=client, transport=shared, retry_total=1)
        case Kind.ENV:
            return EnvironmentCredential(**common)
        case _:
            return DefaultAzureCredential(process_timeout=_CLI_LIMIT_S, **common)
