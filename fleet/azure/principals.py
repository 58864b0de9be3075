"""As whom we speak: one identity, or several of one tenant that share the work.

Errors:  :exc:`RefusedError` for identities of different tenants, and what
         :mod:`fleet.azure.tokens` raises.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from fleet.azure.credentials import UNKNOWN, Credential, Identity
from fleet.azure.tokens import Tokens
from fleet.errors import RefusedError


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    """One of them."""

    credential: Credential
    tokens: Tokens

    @property
    def name(self) -> str:
        """What it is called here; whom its token names is known later."""
        return str(self.credential)


class Principals:
    """All of them; at least one."""

    def __init__(self, principals: Sequence[Principal]) -> None:
        self._by_name = {one.name: one for one in principals}

    @property
    def first(self) -> Principal:
        """The one that was named first."""
        return next(iter(self._by_name.values()))

    @property
    def names(self) -> Sequence[str]:
        """What they are called here."""
        return tuple(self._by_name)

    @property
    def credentials(self) -> Sequence[Credential]:
        """Where their tokens come from."""
        return tuple(one.credential for one in self._by_name.values())

    def tokens(self, name: str) -> Tokens:
        """Return the tokens of one."""
        return self._by_name[name].tokens

    def alone(self, name: str) -> Principals:
        """Return one of them, by itself."""
        return Principals([self._by_name[name]])

    async def identities(self) -> Sequence[Identity]:
        """Return whom the tokens name, ordered and distinct; of each, one is used from here on."""
        found: dict[Identity, Principal] = {}
        for one in self._by_name.values():
            identity = await one.tokens.identity()
            _require_one_tenant(identity, one, found)
            found.setdefault(identity, one)
        if not any(UNKNOWN in (identity.tenant, identity.principal) for identity in found):
            self._by_name = {one.name: one for one in found.values()}
        return sorted(found, key=lambda identity: identity.principal)


def _require_one_tenant(
    identity: Identity, principal: Principal, found: dict[Identity, Principal]
) -> None:
    for other, named in found.items():
        if other.tenant != identity.tenant:
            message = (
                f"the credentials {named.name} and {principal.name} belong to different tenants: "
                f"{other.tenant} and {identity.tenant}"
            )
            raise RefusedError(message, hint="Name credentials of one tenant.")
