"""What the service asks of the next token when it takes this one no longer.

Continuous access evaluation: a token whose holder has changed (moved, lost a
device, had the password reset) is refused before its end, with the claims that
a new one must have been asked for.

Source:  RFC 9110 on WWW-Authenticate; Entra's claims challenge, ``error="insufficient_claims",
         claims="<base64>"``. Resource Manager also says ``invalid_token`` beside the claims.
"""

from __future__ import annotations

import base64
import binascii
import re

import orjson

from fleet.azure.answers import Answer

CAPABLE = {"access_token": {"xms_cc": {"values": ["CP1"]}}}
"""Says that a client answers challenges: without it, none is sent."""
_LONGEST = 16 * 1024
_CLAIMS = re.compile(r'\bBearer\b.*?[\s,]claims\s*=\s*"([A-Za-z0-9+/_=-]+)"', re.IGNORECASE)


def claims_of(answer: Answer) -> str | None:
    """Return the claims that *answer* asks for, as JSON; ``None``: it is no challenge."""
    found = _CLAIMS.search(answer.headers.get("www-authenticate", "")[:_LONGEST])
    if found is None:
        return None
    text = found[1].rstrip("=").translate(str.maketrans("-_", "+/"))
    try:
        decoded = base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
        asked = orjson.loads(decoded)
    except (binascii.Error, orjson.JSONDecodeError):
        return None
    # NB: whoever merges them into a request reckons with objects.
    if not isinstance(asked, dict) or not all(isinstance(one, dict) for one in asked.values()):
        return None
    return decoded.decode()


def capable(claims: str | None) -> str:
    """Return *claims*, with the word that further challenges will be answered."""
    asked = orjson.loads(claims) if claims else {}
    token = asked.get("access_token", {})
    return orjson.dumps({**asked, "access_token": {**token, **CAPABLE["access_token"]}}).decode()
