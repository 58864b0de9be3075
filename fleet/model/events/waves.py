"""What happens to a wave."""

from __future__ import annotations

import dataclasses
import datetime as dt
from typing import ClassVar

from fleet.model.events.actors import Actor
from fleet.model.plan import Target, Wave
from fleet.model.statuses import WaveStatus


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class WaveAdded:
    """A wave that the plan did not foresee follows the others; its members are told next."""

    kind: ClassVar[str] = "wave.added"
    v: ClassVar[int] = 1

    at: dt.datetime
    wave: int
    """Its number: one more than the last one's."""
    planned: Wave


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """A target, and what is done to it in its wave."""

    target: int
    """Of the plan; or the next number after all there are: it joins the run."""
    plan: Target


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class WaveExtended:
    """More targets wait in a wave, after those that it had."""

    kind: ClassVar[str] = "wave.extended"
    v: ClassVar[int] = 1

    at: dt.datetime
    wave: int
    members: tuple[Member, ...]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class WaveOverdue:
    """The wave, or the run, has not ended in its time: nothing more starts."""

    kind: ClassVar[str] = "wave.overdue"
    v: ClassVar[int] = 1

    at: dt.datetime
    wave: int
    due_at: dt.datetime


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class WaveSkipped:
    """A person takes a wave out: its targets that have not started are skipped."""

    kind: ClassVar[str] = "wave.skipped"
    v: ClassVar[int] = 1

    at: dt.datetime
    wave: int
    actor: Actor
    reason: str
    request_id: str


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class SoakSkipped:
    """A person ends a soak early."""

    kind: ClassVar[str] = "wave.soakSkipped"
    v: ClassVar[int] = 1

    at: dt.datetime
    wave: int
    actor: Actor
    reason: str
    request_id: str


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class WaveOpened:
    """Targets of this wave may start."""

    kind: ClassVar[str] = "wave.opened"
    v: ClassVar[int] = 1

    at: dt.datetime
    wave: int


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class BudgetBreached:
    """More failures than allowed; nothing more starts."""

    kind: ClassVar[str] = "wave.breached"
    v: ClassVar[int] = 2

    at: dt.datetime
    wave: int
    level: str
    """``wave``, ``run`` or ``label``: whose budget it was."""
    failures: int
    max_failures: int
    label: str
    """Which, such as ``tag:site=042``; empty for the others."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class WaveSoaking:
    """All targets of the wave have ended; the next wave waits."""

    kind: ClassVar[str] = "wave.soaking"
    v: ClassVar[int] = 1

    at: dt.datetime
    wave: int
    until: dt.datetime


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class WaveClosed:
    """The wave is over."""

    kind: ClassVar[str] = "wave.closed"
    v: ClassVar[int] = 1

    at: dt.datetime
    wave: int
    status: WaveStatus


WaveEvent = (
    WaveOpened
    | WaveAdded
    | WaveExtended
    | BudgetBreached
    | WaveOverdue
    | WaveSkipped
    | WaveSoaking
    | SoakSkipped
    | WaveClosed
)
