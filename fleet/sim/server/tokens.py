"""Tokens: who may speak, until when, in the world's time.

Any client with any secret gets one: what is tried here is the way to a token,
not who is allowed what. Tokens are signed with a key that lives as long as
this server, so those of an earlier one are refused.

Source:  the errors' numbers and words are Entra's and Resource Manager's own.
"""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import hmac
import json
import re
import secrets
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl

import orjson

from fleet.core import draws
from fleet.sim.server import answers, evaluation
from fleet.sim.server.answers import Answer, RefusalError
from fleet.sim.server.asks import Ask
from fleet.sim.server.evaluation import Evaluation

_GUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_AZURE = frozenset(
    {
        "https://management.azure.com",
        "https://management.core.windows.net",
        "https://management.core.usgovcloudapi.net",
        "https://management.usgovcloudapi.net",
        "https://management.core.chinacloudapi.cn",
        "https://management.chinacloudapi.cn",
    }
)
"""Audiences that Resource Manager takes, whatever it is called."""
_SUFFIX = "/.default"
_NEEDED = ("grant_type", "client_id", "scope")
# Source: "OAuth 2.0 Resource Owner Password Credentials", as Entra takes it. Any password will do.
_BY_PASSWORD = "password"  # noqa: S105 - a grant
_HEADER = {"typ": "JWT", "alg": "HS256", "kid": "simulated"}


class Tokens:
    """The token endpoint, and the check of what it gave out."""

    def __init__(self, *, seed: int, tenant: str, lifetime_s: int, evaluation: Evaluation) -> None:
        self._seed = seed
        self._tenant = tenant
        self._lifetime_s = lifetime_s
        self._evaluation = evaluation
        self._key = secrets.token_bytes(32)

    def issue(self, ask: Ask, tenant: str, *, now: dt.datetime) -> Answer:
        """Answer a request for a token."""
        form = dict(parse_qsl(ask.body.decode("utf-8", "replace"), keep_blank_values=True))
        problem = _problem(form)
        if problem is not None:
            return _denied(ask, *problem, now=now)
        tenant = tenant.lower() if _GUID.fullmatch(tenant.lower()) else self._tenant
        claims = self._claims(form, tenant, ask=ask, now=now)
        document = {
            "token_type": "Bearer",
            "expires_in": self._lifetime_s,
            "ext_expires_in": self._lifetime_s,
            "access_token": self._signed(claims),
        }
        return answers.found(document, headers={"Cache-Control": "no-store, no-cache"})

    def principal(self, ask: Ask, *, now: dt.datetime) -> tuple[str, str]:
        """Return tenant and object id of whoever asks; refuse who may not."""
        scheme, _, token = ask.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            message = "Authentication failed. The 'Authorization' header is missing."
            if scheme:
                message = "Authentication failed. The 'Authorization' header is provided in an "
                message += "invalid format."
            raise self._unknown(ask, "AuthenticationFailed", message)
        claims = self._read(token.strip())
        if claims is None:
            raise self._unknown(ask, "InvalidAuthenticationToken", "The access token is invalid.")
        if claims["exp"] <= now.timestamp():
            raise self._unknown(ask, "ExpiredAuthenticationToken", _expired(claims, now))
        audience = claims["aud"].rstrip("/")
        if audience not in _AZURE and audience != ask.base:
            message = (
                "The access token has been obtained for wrong audience or resource "
                f"'{claims['aud']}'. It should exactly match with one of the allowed audiences "
                f"'{ask.base}/','https://management.azure.com/'."
            )
            raise self._unknown(ask, "InvalidAuthenticationTokenAudience", message)
        lacking = self._evaluation.lacking(claims, method=ask.method, now=now)
        if lacking is not None:
            raise self._unknown(ask, lacking.code, lacking.message, challenge=lacking.challenge)
        return claims["tid"], claims["oid"]

    def _claims(
        self, form: Mapping[str, str], tenant: str, *, ask: Ask, now: dt.datetime
    ) -> dict[str, Any]:
        issued = int(now.timestamp())
        return {
            "aud": form["scope"].split()[0].removesuffix(_SUFFIX),
            "iss": f"{ask.base}/{tenant}/v2.0",
            "iat": issued,
            "nbf": issued,
            "exp": issued + self._lifetime_s,
            "appid": form["client_id"],
            **self._who(form),
            "tid": tenant,
            "uti": ask.id,
            "ver": "1.0",
            **self._evaluation.granted(form.get("claims", "")),
        }

    def _who(self, form: Mapping[str, str]) -> Mapping[str, str]:
        """Return whom a token is for: the client itself, or the user who logs in by it."""
        user = form["username"] if form["grant_type"] == _BY_PASSWORD else None
        oid = draws.guid(self._seed, "principal", user.lower() if user else form["client_id"])
        if user is None:
            return {"idtyp": "app", "oid": oid, "sub": oid}
        return {
            "idtyp": "user",
            "name": user.partition("@")[0],
            "oid": oid,
            "scp": "user_impersonation",
            "sub": oid,
            "unique_name": user,
            "upn": user,
        }

    def _signed(self, claims: Mapping[str, Any]) -> str:
        text = b".".join(_encoded(orjson.dumps(part)) for part in (_HEADER, claims))
        return b".".join((text, _encoded(self._seal(text)))).decode()

    def _seal(self, text: bytes) -> bytes:
        return hmac.digest(self._key, text, hashlib.sha256)

    def _read(self, token: str) -> dict[str, Any] | None:
        """Return the claims of a token of ours; ``None`` for anything else."""
        text, _, seal = token.encode("ascii", "replace").rpartition(b".")
        if not hmac.compare_digest(_encoded(self._seal(text)), seal):
            return None
        body = text.partition(b".")[2]
        claims: dict[str, Any] = json.loads(base64.urlsafe_b64decode(body + b"=="))
        return claims

    def _unknown(
        self, ask: Ask, code: str, message: str, *, challenge: str = 'error="invalid_token"'
    ) -> RefusalError:
        said = (
            f'Bearer authorization_uri="{ask.base}/{self._tenant}", {challenge}, '
            f'error_description="{message}"'
        )
        headers = {"WWW-Authenticate": said}
        return RefusalError(answers.by_gateway(401, code, message, headers=headers))


def _problem(form: Mapping[str, str]) -> tuple[int, str, int, str] | None:
    """Return status, error, number and words for a form that gets no token."""
    is_user = form.get("grant_type") == _BY_PASSWORD
    for name in (*_NEEDED, *(("username", "password") if is_user else ())):
        if not form.get(name):
            text = f"The request body must contain the following parameter: '{name}'."
            return 400, "invalid_request", 900144, text
    if form["grant_type"] not in ("client_credentials", _BY_PASSWORD):
        text = f"The app requested an unsupported grant type '{form['grant_type']}'."
        return 400, "unsupported_grant_type", 70003, text
    if not is_user and not (form.get("client_secret") or form.get("client_assertion")):
        text = (
            "The request body must contain the following parameter: 'client_assertion' or "
            "'client_secret'."
        )
        return 401, "invalid_client", 7000218, text
    if not evaluation.is_demand(form.get("claims", "")):
        text = "Invalid request. The claims parameter is malformed or invalid."
        return 400, "invalid_request", 9002313, text
    if len(form["scope"].split()) != 1 or not form["scope"].strip().endswith(_SUFFIX):
        text = (
            f"The provided value for the input parameter 'scope' is not valid. The scope "
            f"{form['scope']} is not valid."
        )
        return 400, "invalid_scope", 1002012, text
    return None


def _denied(
    ask: Ask, status: int, error: str, number: int, text: str, *, now: dt.datetime
) -> Answer:
    stamp = f"{now:%Y-%m-%d %H:%M:%SZ}"
    correlation_id = ask.ids.client_request_id
    description = (
        f"AADSTS{number}: {text} Trace ID: {ask.id} Correlation ID: {correlation_id} "
        f"Timestamp: {stamp}"
    )
    document = {
        "error": error,
        "error_description": description,
        "error_codes": [number],
        "timestamp": stamp,
        "trace_id": ask.id,
        "correlation_id": correlation_id,
        "error_uri": f"{ask.base}/error?code={number}",
    }
    return answers.found(document, status=status)


def _expired(claims: Mapping[str, Any], now: dt.datetime) -> str:
    ended = dt.datetime.fromtimestamp(claims["exp"], dt.UTC)
    return (
        f"The access token expiry UTC time '{_american(ended)}' is earlier than current UTC time "
        f"'{_american(now)}'."
    )


def _american(moment: dt.datetime) -> str:
    """Return *moment* as the service's own culture has it."""
    return f"{moment.month}/{moment.day}/{moment.year} {moment:%I:%M:%S %p}".replace(" 0", " ")


def _encoded(content: bytes) -> bytes:
    return base64.urlsafe_b64encode(content).rstrip(b"=")
