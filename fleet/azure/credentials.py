"""Which credential is used at a place, and who a token says we are.

Names and rules only, so that the command line can offer them without loading
an SDK; tokens are fetched by :mod:`fleet.azure.entra` and
:mod:`fleet.azure.simulated`, and kept by :mod:`fleet.azure.tokens`.

Errors:  :exc:`RefusedError` where a token would go where it may not.
"""

from __future__ import annotations

import base64
import binascii
import dataclasses
import datetime as dt
import enum
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

import orjson

from fleet.azure.clouds import Place
from fleet.errors import InputError, RefusedError

UNKNOWN = "unknown"
_CLAIM = re.compile(r"[!-~]{1,128}")
_JWT_PARTS = 3
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}(@[A-Za-z0-9][A-Za-z0-9.-]{0,62})?")
_OF_A_USER = ("upn", "unique_name", "preferred_username", "email", "oid")
_OF_AN_APPLICATION = ("appid", "azp", "oid")


class Kind(enum.StrEnum):
    """Where tokens come from."""

    DEFAULT = "default"
    """The first that works: environment, workload, managed identity, the Azure CLI, ..."""
    CLI = "cli"
    """Whoever is logged in to the Azure CLI."""
    WORKLOAD = "workload"
    """A federated token in a file, as in Kubernetes."""
    MANAGED = "managed"
    """The identity of the machine."""
    ENV = "env"
    """A service principal in ``AZURE_*`` variables."""
    SIMULATOR = "simulator"
    """The endpoint's own token service, with an identity that is no secret."""


_HINTS = {
    Kind.DEFAULT: "Log in with: az login. Or say whose token: --credential env, managed, ... .",
    Kind.CLI: "Log in with: az login. The Azure CLI must be on the PATH.",
    Kind.WORKLOAD: "It needs AZURE_TENANT_ID, AZURE_CLIENT_ID and AZURE_FEDERATED_TOKEN_FILE.",
    Kind.MANAGED: "It works on machines in Azure that have a managed identity (AZURE_CLIENT_ID).",
    Kind.ENV: "It needs AZURE_TENANT_ID, AZURE_CLIENT_ID and a secret or certificate.",
    Kind.SIMULATOR: "It works where the endpoint gives tokens itself.",
}


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Credential:
    """A way to a token, as the command line names it."""

    kind: Kind
    name: str | None = None
    """Which of the simulator's clients, or, with an ``@``, which of its users; of all other kinds
    there is one."""

    def __str__(self) -> str:
        return self.kind.value if self.name is None else f"{self.kind.value}:{self.name}"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Who a token says we are; not verified, as only the service can."""

    tenant: str
    principal: str
    name: str = dataclasses.field(default=UNKNOWN, compare=False)
    """What people and rules call it: a user's name, or an application's id. A user who is renamed
    stays the same."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """A bearer token."""

    text: str = dataclasses.field(repr=False)
    expires_at: dt.datetime


class Issuer(Protocol):
    """Whoever gives tokens."""

    async def fetch(self, claims: str | None = None) -> Token:
        """Return a token; :exc:`AuthError` where there is none to be had.

        Args:
            claims: What the service wants it to be asked for with, as JSON.
        """


def named(texts: Iterable[str]) -> tuple[Credential, ...]:
    """Return the credentials that *texts* name, each once; one text may hold several.

    >>> [str(one) for one in named(["env,managed", "simulator:blue", "env"])]
    ['env', 'managed', 'simulator:blue']
    """
    parts = (part.strip() for text in texts for part in text.split(","))
    return tuple(dict.fromkeys(_named(part) for part in parts if part))


def credentials_at(place: Place, chosen: Sequence[Credential]) -> tuple[Credential, ...]:
    """Return whom to use at *place*: those *chosen*, or what suits it."""
    if not chosen:
        return (Credential(kind=kind_at(place, None)),)
    for one in chosen:
        kind_at(place, one.kind)
    return tuple(chosen)


def kind_at(place: Place, kind: Kind | None) -> Kind:
    """Return the credential to use at *place*; refuse one that may not be used there."""
    chosen = kind or (Kind.SIMULATOR if place.is_loopback else Kind.DEFAULT)
    if chosen is Kind.SIMULATOR:
        if not place.is_loopback:
            message = f"the simulator's credential is not for {place.url}"
            raise RefusedError(message, hint="It is for endpoints on this machine.")
        return chosen
    if place.is_plain:
        message = f"a real token is never sent to {place.url}: it is not encrypted"
        raise RefusedError(message, hint="Use https, or --credential simulator.")
    if place.audience is None:
        message = f"a real token is never sent to {place.url}: its audience is not named"
        raise RefusedError(message, hint="Name it: --audience https://... .")
    return chosen


def hint_of(kind: Kind) -> str:
    """Return what a person can do where a credential of *kind* gives no token."""
    return _HINTS[kind]


def scope_of(place: Place) -> str:
    """Return the scope that a token for *place* is asked for."""
    return f"{place.audience or place.url}/.default"


def identity_of(token: str) -> Identity:
    """Return whom *token* names; what cannot be read is ``unknown``."""
    claims = _claims(token)
    principal = claims.get("oid") or claims.get("appid")
    return Identity(
        tenant=_claim(claims.get("tid")), principal=_claim(principal), name=_called(claims)
    )


def _called(claims: Mapping[str, object]) -> str:
    # Source: idtyp is an optional claim; a token of a user has scp, one of an application has not.
    # NB: a user's token has an appid too: that of the Azure CLI, which is nobody.
    is_like_one = "scp" in claims or any(one in claims for one in _OF_A_USER[:-1])
    is_user = {"user": True, "app": False}.get(str(claims.get("idtyp")), is_like_one)
    found = (_claim(claims.get(one)) for one in (_OF_A_USER if is_user else _OF_AN_APPLICATION))
    return next((one for one in found if one != UNKNOWN), UNKNOWN)


def _claim(value: object) -> str:
    return value if isinstance(value, str) and _CLAIM.fullmatch(value) else UNKNOWN


def _named(text: str) -> Credential:
    word, separator, name = text.partition(":")
    kind = next((one for one in Kind if one.value == word.lower()), None)
    if kind is None:
        kinds = ", ".join(one.value for one in Kind)
        raise InputError(f"no credential is called {text!r}", hint=f"There are {kinds}.")
    if not separator:
        return Credential(kind=kind)
    if kind is not Kind.SIMULATOR or not _NAME.fullmatch(name):
        message = f"the credential {text!r} cannot be used"
        hint = (
            "Only the simulator's takes a name, of letters and digits, or a user's: "
            "simulator:blue, simulator:ada@contoso.example."
        )
        raise InputError(message, hint=hint)
    return Credential(kind=kind, name=name)


def _claims(token: str) -> dict[str, object]:
    parts = token.split(".")
    if len(parts) != _JWT_PARTS:
        return {}
    try:
        body = base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4))
        found = orjson.loads(body)
    except (binascii.Error, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
