"""Who sent a webhook, and that nobody has changed it: signatures as Standard Webhooks has them.

Units:   moments are whole seconds since 1970, by the wall clock: receivers look at theirs.
Errors:  :exc:`ValueError` for a text that is no key; the text is not in it.
Source:  https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping

PREFIX = "whsec_"
# Source: "At least 24 bytes (192 bits, 512 maximum)".
_LEAST_BYTES, _MOST_BYTES = 24, 64


def key_of(text: str) -> bytes:
    """Return the key that *text* spells: base64 of 24 to 64 bytes, ``whsec_`` in front or not."""
    spelled = text.strip().removeprefix(PREFIX)
    try:
        key = base64.b64decode(spelled + "=" * (-len(spelled) % 4), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not _LEAST_BYTES <= len(key) <= _MOST_BYTES:
        message = f"a key is {PREFIX} and base64 of {_LEAST_BYTES} to {_MOST_BYTES} random bytes"
        raise ValueError(message)
    return key


def headers(key: bytes | None, *, message_id: str, at: int, body: bytes) -> Mapping[str, str]:
    """Return what a receiver tells repeats and forgeries by; unsigned where there is no key."""
    found = {"webhook-id": message_id, "webhook-timestamp": str(at)}
    if key is not None:
        signed = b".".join((message_id.encode(), str(at).encode(), body))
        mac = base64.b64encode(hmac.digest(key, signed, "sha256")).decode()
        found["webhook-signature"] = f"v1,{mac}"
    return found


def message_id(source: str, event_id: str) -> str:
    """Return what one event is called in headers, however often it is sent.

    NB: ids of runs may hold a dot, which would let what is signed be read in two ways.
    """
    digest = hashlib.sha256(f"{source}\n{event_id}".encode()).hexdigest()
    return f"fleet_{digest[:32]}"
