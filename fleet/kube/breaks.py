"""What breaks between here and an API server, in words.

NB: none holds a URL or a header.
"""

from __future__ import annotations

import os
import ssl

import aiohttp

from fleet.kube import trust
from fleet.kube.exchanges import Request, Unanswered
from fleet.net import connections
from fleet.net.connections import SlowConnectionError

_REACHED = "Is its API server reachable from here? clusterAccess says which kubeconfig is meant."
# NB: with TLS 1.3 a certificate of ours is refused after the handshake, and asyncio tells nobody.
_CUT = "Its server, or one before it, hangs up: does it want a client certificate, or https?"
_PROXY = "Look at proxy-url in its kubeconfig, at HTTPS_PROXY and at NO_PROXY."


class BrokenWriteError(aiohttp.ClientError):
    """A connection broke under a write. No OSError, so aiohttp does not send again."""


class MovedError(aiohttp.ClientError):
    """The answer was a redirect."""


def unanswered(error: Exception, request: Request, limit_s: float) -> Unanswered:
    """Return in words why *request* was not answered within *limit_s*."""
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
    if isinstance(error, MovedError):
        return Unanswered(
            "its server answers with a redirect, which Kubernetes does not",
            hint="Is it the API server's URL that the kubeconfig names?",
            may_pass=False,
        )
    if isinstance(error, ValueError):
        return Unanswered("nothing was sent, a header cannot be used", may_pass=False)
    why = (
        f"no answer within {limit_s:g} s"
        if isinstance(error, TimeoutError)
        else "the connection broke"
    )
    if request.is_write:
        why += "; whether it took effect is unknown"
    is_cut = isinstance(error, (aiohttp.ServerDisconnectedError, BrokenWriteError))
    return Unanswered(f"{request.what}: {why}", hint=_CUT if is_cut else None)


def _untrusted(error: Exception) -> Unanswered:
    hint = (
        "Does its kubeconfig hold the cluster's CA and, where it names one, a client certificate "
        "that is valid now?"
    )
    return Unanswered(f"TLS failed: {trust.words(error)}", hint=hint, may_pass=False)
