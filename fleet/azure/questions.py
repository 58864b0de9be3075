"""What is asked of Resource Graph: a query, and where it looks, in portions that one call takes.

Source:  a call takes 1,000 subscriptions; the Azure CLI sends no more than 10 management groups.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence

import orjson

SUBSCRIPTIONS_A_CALL = 1000
GROUPS_A_CALL = 10
WHAT = "asking Resource Graph"
_NAMED = 3


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A query over some places; without subscriptions and groups, over the whole tenant."""

    query: str
    authorization_scope: str
    subscriptions: Sequence[str] = ()
    management_groups: Sequence[str] = ()
    allows_partial: bool = False
    """Whether an answer that leaves something out will do."""
    correlation_id: str | None = None
    """What its requests are found by; ``None``: each has one of its own."""

    @property
    def what(self) -> str:
        """What it is for, to begin a message with."""
        places = [*self.subscriptions, *self.management_groups]
        if not places:
            return f"{WHAT} about the tenant"
        more = f" and {len(places) - _NAMED} more" if len(places) > _NAMED else ""
        return f"{WHAT} about {', '.join(places[:_NAMED])}{more}"

    def portions(self) -> Iterator[Question]:
        """Yield it for as many places as one call takes, each place once."""
        groups, subscriptions = _distinct(self.management_groups), _distinct(self.subscriptions)
        for part in _parts(subscriptions, SUBSCRIPTIONS_A_CALL):
            yield dataclasses.replace(self, subscriptions=part, management_groups=())
        for part in _parts(groups, GROUPS_A_CALL):
            yield dataclasses.replace(self, subscriptions=(), management_groups=part)
        if not (groups or subscriptions):
            yield self

    def body(self, *, size: int, token: str | None) -> bytes:
        """Return what is sent for a page of *size* rows, from *token* on."""
        options: dict[str, object] = {
            "$top": size,
            "resultFormat": "objectArray",
            "authorizationScopeFilter": self.authorization_scope,
        }
        if self.allows_partial:
            options["allowPartialScopes"] = True
        if token is not None:
            options["$skipToken"] = token
        places = {
            "subscriptions": list(self.subscriptions),
            "managementGroups": list(self.management_groups),
        }
        named = {name: ids for name, ids in places.items() if ids}
        return orjson.dumps({**named, "query": self.query, "options": options})


def _distinct(places: Sequence[str]) -> Sequence[str]:
    return list({one.lower(): one for one in reversed(places)}.values())[::-1]


def _parts(places: Sequence[str], size: int) -> Iterator[Sequence[str]]:
    for start in range(0, len(places), size):
        yield places[start : start + size]
