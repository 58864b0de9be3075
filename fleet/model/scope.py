"""Which clusters a plan file means: where to look, and a selector."""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Mapping


class Unreachable(enum.StrEnum):
    """What to do with a cluster whose agents are not connected."""

    DEFER = "defer"
    """Try it again in a catch-up wave at the end."""
    SKIP = "skip"
    FAIL = "fail"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """A selector: every field that is given must hold; each is a list of alternatives."""

    tags: Mapping[str, tuple[str, ...]] = dataclasses.field(default_factory=dict)
    locations: tuple[str, ...] = ()
    distributions: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    """Shell-style patterns over the cluster's name, such as ``store-01*``."""

    @property
    def is_empty(self) -> bool:
        """Whether it says nothing (as ``match`` it takes all, as ``exclude`` none)."""
        return not (self.tags or self.locations or self.distributions or self.names)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """Where to look for clusters, and which of them are meant."""

    subscriptions: tuple[str, ...] = ()
    management_groups: tuple[str, ...] = ()
    """Their ids, without a path. Neither these nor subscriptions: the whole tenant."""
    match: Match = Match()
    exclude: Match = Match()
    kql: str | None = None
    """What else must hold, as a clause of the query; only discovery can tell whether it does."""
    allows_partial: bool = False
    """Whether an answer that leaves something out will do."""
    unreachable: Unreachable = Unreachable.DEFER
