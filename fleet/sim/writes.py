"""Writes: what reaches the service, what it makes of them, and how it answers.

Values alone; :mod:`fleet.sim.world` hears them.
"""

from __future__ import annotations

import dataclasses

from fleet.errors import RemoteError
from fleet.model.cluster import Extension
from fleet.model.plan import Digest
from fleet.sim.calls import Call
from fleet.sim.operations import Operation
from fleet.sim.recipe import Faults, Span
from fleet.sim.script import Rule


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """A write that the service took: for tests that ask whether anything happened twice."""

    call: Call
    order: int
    """Which of the writes heard for this extension it was, from 1; refused ones count."""
    is_change: bool
    """Whether there was anything to do."""

    @property
    def digest(self) -> Digest:
        """What tells one body from another."""
        return self.call.body.digest


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """How a write was answered."""

    error: RemoteError | None = None
    operation: Operation | None = None
    extension: Extension | None = None


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Hearing:
    """A write that reached the service, and what it made of it: the caller may never have known."""

    call: Call
    heard: Heard


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Write:
    """A call, with what is known of the place it goes to."""

    call: Call
    number: int
    faults: Faults
    operation_s: Span
    order: int
    rule: Rule | None = None
    """What the script has for it."""

    @property
    def lot(self) -> tuple[str, str, int]:
        """What every draw about this write is made with."""
        return self.call.cluster_id.lower(), self.call.name.lower(), self.order
