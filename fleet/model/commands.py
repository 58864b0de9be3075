"""What the performer is told to do: one command, one call, one outcome event.

A command is never stored. Its intent is: a write's in ``step.intended``, a
read's in the ``target.started`` that it belongs to.
"""

from __future__ import annotations

import dataclasses
import datetime as dt

from fleet.model.gates import Gate, Moment
from fleet.model.plan import Spread


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """GET the extension, before a write or instead of its lost answer."""

    target: int
    step: int
    is_in_doubt: bool
    """Whether a write is out whose effect is unknown."""
    asks_connectivity: bool
    """Whether the cluster must be asked too if it is connected."""
    mark_before: str | None
    held_count: int
    round: int = 0
    """How often the target's steps were set anew; part of its ids."""
    is_again: bool = False
    """Whether it follows a failure of ours: then the state that this left is no drift."""
    may_replan: bool = False
    """Whether drift is answered by working out anew what the target needs."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Send:
    """Send the write whose intent was just made durable."""

    target: int
    step: int
    attempt: int
    correlation_id: str
    client_request_id: str


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Follow:
    """Read the operation, at learned intervals, until it ends."""

    target: int
    step: int
    accepted_at: dt.datetime
    held_count: int
    round: int = 0


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Prove:
    """GET the extension after the write; ends any following of its operation."""

    target: int
    step: int
    mark_before: str | None
    mark_accepted: str | None
    error: str | None
    """What the operation said, if it failed."""
    held_count: int
    round: int = 0


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Survey:
    """Look which clusters the selector means now, before a wave opens."""

    wave: int
    spreads: tuple[Spread, ...]
    """The plan's caps by label, with the groups that came up since."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Watch:
    """Look at a target after it was proved: is it as planned, inside its cluster as well?"""

    target: int
    step: int
    held_count: int
    round: int = 0
    snapshot: str | None = None
    """What the change must have preserved."""
    since: dt.datetime | None = None
    """When Azure's own word proved it."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """Ask a gate's probe once."""

    wave: int
    moment: Moment
    gate: Gate
    number: int
    """From 1."""
    since: dt.datetime | None
    """When the wave opened; ``None``: it has not."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """Look at all that a wave changed, and GET what seems not to be in order."""

    wave: int
    members: tuple[int, ...]


Command = Check | Send | Follow | Prove | Watch
"""Of one target."""

WaveCommand = Survey | Measure | Look
"""Of a wave."""
