"""The way to a service, as somebody set it: proxies, authorities to trust, limits.

Pure but for the environment's variables, which are read when a way is asked
for; connections are made by :mod:`fleet.net.connections`. The same way leads
to Resource Manager, to Resource Graph, to whoever gives tokens and to everybody else.

Units:   seconds.
Errors:  :exc:`InputError` for a proxy or a file that cannot be used; a proxy's password is in none.
Source:  the habits of curl and of Python's requests, which the Azure CLI shares.
"""

from __future__ import annotations

import dataclasses
import ipaddress
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from yarl import URL

from fleet.errors import InputError

_SCHEMES = ("http", "https")
_BUNDLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
_TRUSTED_ANYWAY = ("SSL_CERT_FILE", "SSL_CERT_DIR")


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """How requests get to where they go."""

    ca_file: Path | None = None
    """Certificate authorities to trust beside the system's; ``None``: what the environment says."""
    proxy: str | None = dataclasses.field(default=None, repr=False)
    """What all requests go through; ``None``: what the environment says."""
    connect_limit_s: float = 10.0
    """For a connection to be there: name, TCP, proxy and TLS."""
    read_limit_s: float | None = None
    """For the next part of an answer; ``None``: as long as the call may last."""
    call_limit_s: float = 90.0
    """For a call. NB: Resource Manager gives a provider 60 s, and says 504 then."""
    connections: int = 0
    """At a time, to a service; 0: as many as there are requests under way."""

    def __post_init__(self) -> None:
        if self.proxy:
            _proxy(self.proxy, "--proxy")

    def proxy_for(self, url: str) -> URL | None:
        """Return the proxy for *url*; none on this machine, for its link, or where it is excused.

        NB: it may hold a password: see :func:`shown`.
        """
        target = URL(url, encoded=True)
        host = target.host or ""
        if is_loopback(host) or _is_link_local(host) or _is_excused(target, _variable("no_proxy")):
            return None
        if self.proxy:
            return _proxy(self.proxy, "--proxy")
        for name in (f"{target.scheme}_proxy", "all_proxy"):
            if text := _variable(name):
                return _proxy(text, name.upper())
        return None

    def authorities(self) -> Iterator[Path]:
        """Yield the files and folders of authorities to trust beside the system's."""
        if self.ca_file is not None:
            yield self.ca_file
            return
        # OpenSSL takes these by itself, and says nothing where they are not there.
        for name in _TRUSTED_ANYWAY:
            for part in os.environ.get(name, "").split(os.pathsep):
                if part and not Path(part).exists():
                    raise InputError(f"{name} names {part}, which is not there")
        for name in _BUNDLES:
            if text := os.environ.get(name):
                yield Path(text)
                return


def is_loopback(host: str) -> bool:
    """Whether *host* is this machine, by its name or address alone."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def shown(proxy: URL) -> str:
    """Return *proxy* as people may see it."""
    return str(proxy.origin())


def _variable(name: str, variables: Mapping[str, str] | None = None) -> str:
    # NB: in small letters first, as everybody does it.
    found = os.environ if variables is None else variables
    return (found.get(name) or found.get(name.upper()) or "").strip()


def _proxy(text: str, name: str) -> URL:
    hint = "It looks like http://proxy.example:3128, or http://user:password@proxy.example:3128."
    message = f"{name} is no URL of a proxy"  # NB: not quoted: it may hold a password.
    try:
        found = URL(text if "://" in text else f"http://{text}")
        has_place = bool(found.host and (found.port or found.scheme not in _SCHEMES))
    except ValueError:
        raise InputError(message, hint=hint) from None
    if not has_place:
        raise InputError(message, hint=hint)
    if found.scheme not in _SCHEMES:
        message = f"{name} names a proxy of the kind {found.scheme}, which is not supported"
        raise InputError(message, hint=hint)
    return found.with_path("/").with_query(None).with_fragment(None)


def _is_link_local(host: str) -> bool:
    # Source: the metadata services that give managed identities their tokens live there.
    try:
        return ipaddress.ip_address(host).is_link_local
    except ValueError:
        return False


def _is_excused(target: URL, excused: str) -> bool:
    host, port = (target.host or "").lower().rstrip("."), target.port
    return any(_fits(host, port, part.strip().lower()) for part in excused.split(",") if part)


def _fits(host: str, port: int | None, part: str) -> bool:
    if part in ("*", ""):
        return part == "*"
    name, separator, number = part.rpartition(":")
    if separator and number.isdecimal() and (name.endswith("]") or ":" not in name):
        if int(number) != port:
            return False
        part = name
    part = part.strip("[]")
    try:
        network = ipaddress.ip_network(part, strict=False)
    except ValueError:
        bare = part.removeprefix("*").lstrip(".")
        return bool(bare) and (host == bare or host.endswith(f".{bare}"))
    try:
        return ipaddress.ip_address(host) in network
    except ValueError:
        return False
