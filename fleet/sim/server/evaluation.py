"""Continuous access evaluation: tokens that were good are not any more, and what they lack.

Only clients that say they can answer a challenge are sent one, in the words of
the ``claims`` that their next request for a token is to carry; others are told
that their token is no good.

Source:  OpenID Connect's ``claims`` parameter as Entra takes it: ``acrs`` names an authentication
         context, ``nbf`` a moment; ``xms_cc`` with CP1 says that a client answers challenges. Codes
         and messages as users report them.
"""

from __future__ import annotations

import base64
import dataclasses
import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from fleet.sim.recipe import Challenge

_CAPABLE = "CP1"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Lacking:
    """What a token lacks, as the service says it."""

    code: str
    message: str
    challenge: str
    """The part of a ``WWW-Authenticate`` header that tells."""


class Evaluation:
    """The challenges of a world."""

    def __init__(self, challenges: Sequence[Challenge], *, since: dt.datetime) -> None:
        self._challenges = tuple(challenges)
        self._since = since

    def lacking(
        self, claims: Mapping[str, Any], *, method: str, now: dt.datetime
    ) -> Lacking | None:
        """Return what a token with *claims* lacks; ``None``: it is good."""
        for one in self._challenges:
            begun_at = self._since + dt.timedelta(seconds=one.after_s)
            is_meant = not one.methods or method in one.methods
            if is_meant and now >= begun_at and not _is_met(one, claims, begun_at):
                return _lacking(one, claims, begun_at)
        return None

    def granted(self, demand: str) -> Mapping[str, Any]:
        """Return the claims that a token gets because they were asked for."""
        asked = _asked(demand) or {}
        context = _value(asked.get("acrs"))
        found: dict[str, Any] = {}
        if context is not None:
            found["acrs"] = [context]
        if _CAPABLE in _values(asked.get("xms_cc")):
            found["xms_cc"] = [_CAPABLE]
        return found


def is_demand(text: str) -> bool:
    """Tell whether *text* can be a ``claims`` parameter; none at all is one."""
    return not text or _asked(text) is not None


def _is_met(one: Challenge, claims: Mapping[str, Any], begun_at: dt.datetime) -> bool:
    if not one.is_met:
        return False
    if one.context is None:
        return bool(claims["iat"] >= begun_at.timestamp())
    return one.context in claims.get("acrs", ())


def _lacking(one: Challenge, claims: Mapping[str, Any], begun_at: dt.datetime) -> Lacking:
    code = "TokenIssuedBeforeRevocationTimestamp" if one.context is None else "InsufficientClaims"
    message = (
        "Continuous access evaluation resulted in challenge with result: InteractionRequired and "
        f"code: {code}"
    )
    if _CAPABLE not in claims.get("xms_cc", ()):
        return Lacking(code=code, message=message, challenge='error="invalid_token"')
    name, value = ("acrs", one.context) if one.context else ("nbf", f"{begun_at.timestamp():.0f}")
    demand = {"access_token": {name: {"essential": True, "value": value}}}
    encoded = base64.b64encode(orjson.dumps(demand)).decode()
    return Lacking(
        code=code,
        message=message,
        challenge=f'error="insufficient_claims", claims="{encoded}"',
    )


def _asked(text: str) -> Mapping[str, Any] | None:
    try:
        found = orjson.loads(text)
    except orjson.JSONDecodeError:
        return None
    asked = found.get("access_token", {}) if isinstance(found, dict) else None
    return asked if isinstance(asked, dict) else None


def _value(member: object) -> str | None:
    found = member.get("value") if isinstance(member, dict) else None
    return found if isinstance(found, str) else None


def _values(member: object) -> Sequence[object]:
    found = member.get("values") if isinstance(member, dict) else None
    return found if isinstance(found, list) else ()
