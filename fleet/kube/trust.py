"""Whom to trust: the authorities and certificates of kubeconfigs, and what went wrong with them."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Any
from weakref import WeakValueDictionary

import aiohttp

from fleet.net import connections
from fleet.net.network import Network


class Trust:
    """Whom to trust. Who names the same authority, or none, shares what is made of it."""

    def __init__(self, network: Network) -> None:
        self._network = network
        self._of_system: ssl.SSLContext | None = None
        """Read once: it takes 60 ms, and clusters may be visited one after another."""
        self._made: WeakValueDictionary[bytes, ssl.SSLContext] = WeakValueDictionary()
        """``{authorities as PEM: context}``, for as long as a cluster of theirs is open."""

    def context(self, configuration: Any) -> ssl.SSLContext:
        """Return the TLS of a cluster."""
        if configuration.cert_file or not configuration.verify_ssl:
            return self._own(configuration)
        if not configuration.ssl_ca_cert:
            self._of_system = self._of_system or self._own(configuration)
            return self._of_system
        key = Path(configuration.ssl_ca_cert).read_bytes()
        found = self._made.get(key)
        if found is None:
            found = self._made[key] = self._own(configuration)
        return found

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


def words(error: Exception) -> str:
    """Return why TLS failed; never a URL or a file's content."""
    inner = error.__cause__ or error
    if isinstance(error, aiohttp.ClientConnectorSSLError):
        inner = error.os_error
    if isinstance(inner, ssl.SSLError) and not isinstance(inner, ssl.SSLCertVerificationError):
        return (inner.reason or type(inner).__name__).replace("_", " ").lower()
    return connections.reason(error)
