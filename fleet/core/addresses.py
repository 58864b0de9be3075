"""Addresses that others are to be called at: which will do, and what is wrong with those that not.

NB: whatever is wrong with one, it is not quoted: an address may be a secret itself.
"""

from __future__ import annotations

import ipaddress
import urllib.parse

LONGEST = 2_000


def flaw(url: str) -> str | None:
    """Return what is wrong with *url*; ``None`` where nothing is.

    >>> flaw("https://hooks.example/fleet"), flaw("http://[::1]:8080/")
    (None, None)
    >>> flaw("http://hooks.example/fleet")
    'it must begin with https://; http:// is for this machine only'
    """
    if len(url) > LONGEST:
        return f"it is longer than {LONGEST} characters"
    if not url.isascii() or not url.isprintable() or any(one in url for one in ' \\"<>'):
        return "it holds characters that no address has"
    try:
        parts = urllib.parse.urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return "it is no address"
    if not host or parts.scheme not in ("http", "https"):
        return "it must begin with https:// and a host's name"
    if "@" in parts.netloc:
        return "no user or password may stand in it"
    if "#" in url:
        return "nothing may follow a # in it"
    if parts.scheme == "http" and not is_loopback(host):
        return "it must begin with https://; http:// is for this machine only"
    return None


def is_loopback(host: str) -> bool:
    """Tell whether *host* is this machine, whatever a name server says.

    >>> is_loopback("localhost"), is_loopback("127.0.0.9"), is_loopback("localhost.example")
    (True, True, False)
    """
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
