"""Who did something, as a person reads it: by what Azure calls them, or the operating system."""

from __future__ import annotations

from typing import Any

from fleet.model import codec
from fleet.model.events import Actor


def named(actor: Actor | None) -> str:
    """Return who it was, and by which kind of identity they are known.

    >>> named(Actor(name="ops", host="jump-1", pid=7, identity="ada@contoso.example"))
    'ada@contoso.example (Azure; ops@jump-1)'
    >>> named(Actor(name="ops", host="jump-1", pid=7))
    'ops@jump-1 (OS user)'
    """
    if actor is None:
        return "fleet"
    here = f"{actor.name}@{actor.host}"
    return f"{actor.identity} (Azure; {here})" if actor.identity else f"{here} (OS user)"


def document(actor: Actor) -> dict[str, Any]:
    """Return who it was as JSON values; its keys are part of what is published."""
    kind = "azure" if actor.identity else "osUser"
    return {"called": actor.called, "identityKind": kind, **codec.to_json(actor)}
