"""Until when certificates are good: as much of X.509 as that takes, and no more.

Not here: whether anybody should trust them, and whom they are for.

Source:  RFC 5280, section 4.1; RFC 7468 for the text around them; X.690 for the encoding.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator

_PEM = re.compile(
    rb"-----BEGIN CERTIFICATE-----([A-Za-z0-9+/=\s]+)-----END CERTIFICATE-----", re.ASCII
)
_MOMENT = re.compile(rb"(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z")
_MOST = 20
"""Certificates in one text."""
_VERSION, _UTC_TIME = 0xA0, 0x17
_VALIDITY = 3
"""After serial number, algorithm and issuer."""


def good_until(bundle: str) -> str:
    """Return until when the longest of a bundle is good, such as ``2036-01-10T02:00:00Z``.

    Args:
        bundle: Certificates as text, in base64 once more.

    Returns:
        Empty, where that cannot be read of any.
    """
    try:
        text = base64.b64decode(bundle, validate=True)
    except ValueError:
        return ""
    found = _PEM.findall(text)[:_MOST]
    return max((_end(one) for one in found), default="")


def _end(body: bytes) -> str:
    try:
        return _not_after(base64.b64decode(body))
    except (ValueError, IndexError):
        return ""


def _not_after(content: bytes) -> str:
    (_, certificate), *_ = _elements(content)
    (_, inner), *_ = _elements(certificate)
    fields = [one for tag, one in _elements(inner) if tag != _VERSION]
    _, (tag, moment) = _elements(fields[_VALIDITY])
    # Source: RFC 5280, 4.1.2.5.1: two digits of a year below 50 are of this century.
    century = (b"20" if moment[:2] < b"50" else b"19") if tag == _UTC_TIME else b""
    match = _MOMENT.fullmatch(century + moment)
    if match is None:
        return ""
    year, month, day, hour, minute, second = (part.decode() for part in match.groups())
    return f"{year}-{month}-{day}T{hour}:{minute}:{second}Z"


def _elements(content: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield the elements one after another, each with its tag."""
    at = 0
    while at < len(content):
        tag, length, at = content[at], content[at + 1], at + 2
        if length & 0x80:
            size = length & 0x7F
            length, at = int.from_bytes(content[at : at + size]), at + size
        if at + length > len(content):
            message = "it ends within an element"
            raise ValueError(message)
        yield tag, content[at : at + length]
        at += length
