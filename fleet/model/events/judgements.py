"""What a run waits for, and what it is judged by: windows, gates, soaks, approvals."""

from __future__ import annotations

import dataclasses
import datetime as dt
from typing import ClassVar

from fleet.model.codec import SPARSE
from fleet.model.events.actors import Actor
from fleet.model.gates import Moment, OnVerdict, Verdict
from fleet.model.plan import Digest
from fleet.model.statuses import WaitCause


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class RunWaiting:
    """Nothing is in flight and nothing may start: the run waits, and nobody need be there."""

    kind: ClassVar[str] = "run.waiting"
    v: ClassVar[int] = 1

    at: dt.datetime
    cause: WaitCause
    wave: int
    until: dt.datetime | None
    """When it is over, as far as time ends it; ``None``: that does not, or nobody knows."""
    detail: str
    look_at: dt.datetime | None = dataclasses.field(default=None, metadata=SPARSE)
    """When something is to be measured or looked at meanwhile; ``None``: nothing is."""

    @property
    def due_at(self) -> dt.datetime | None:
        """When somebody must be there again; ``None``: when a person asks something of it."""
        return min((one for one in (self.until, self.look_at) if one is not None), default=None)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class RunWoken:
    """What the run waited for has come."""

    kind: ClassVar[str] = "run.woken"
    v: ClassVar[int] = 1

    at: dt.datetime


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class WindowOverridden:
    """A person whom the plan names lets changes start outside of a calendar's windows."""

    kind: ClassVar[str] = "window.overridden"
    v: ClassVar[int] = 1

    at: dt.datetime
    calendar: int
    """Of the plan's."""
    until: dt.datetime | None
    """``None``: as long as the run lives."""
    actor: Actor
    reason: str
    request_id: str


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalGiven:
    """A person agrees that a wave opens, or closes."""

    kind: ClassVar[str] = "approval.given"
    v: ClassVar[int] = 1

    at: dt.datetime
    wave: int
    when: Moment
    plan_digest: Digest
    """What was agreed to: it holds for no other plan."""
    actor: Actor
    reason: str
    request_id: str


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class WindowClosed:
    """Calendars let nothing start: found when somebody's turn came."""

    kind: ClassVar[str] = "window.closed"
    v: ClassVar[int] = 1

    at: dt.datetime
    calendars: tuple[int, ...]
    """Of the plan's: those of the run and the wave, or those of targets alike."""
    until: dt.datetime | None
    """When they let something start again; ``None``: never, as far as anybody can see."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class WindowOpened:
    """Calendars that were found closed let changes start again."""

    kind: ClassVar[str] = "window.opened"
    v: ClassVar[int] = 1

    at: dt.datetime
    calendars: tuple[int, ...]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class GatesEntered:
    """The gates of a moment in a wave's life begin, or begin anew."""

    kind: ClassVar[str] = "gate.entered"
    v: ClassVar[int] = 1

    at: dt.datetime
    wave: int
    moment: Moment


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class GateMeasured:
    """One measurement."""

    kind: ClassVar[str] = "gate.measured"
    v: ClassVar[int] = 1

    at: dt.datetime
    wave: int
    moment: Moment
    gate: str
    number: int
    """From 1, anew for each time that the gate is entered."""
    verdict: Verdict
    values: tuple[str, ...]
    """What was measured, as decimals; at most a few."""
    detail: str


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class GateEnded:
    """What a gate came to."""

    kind: ClassVar[str] = "gate.ended"
    v: ClassVar[int] = 1

    at: dt.datetime
    wave: int
    moment: Moment
    gate: str
    verdict: Verdict
    action: OnVerdict
    """What follows: ``continue`` where it passed, or is only a rehearsal."""
    detail: str


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class GateSkipped:
    """A person lets the run go on whatever a gate says."""

    kind: ClassVar[str] = "gate.skipped"
    v: ClassVar[int] = 1

    at: dt.datetime
    wave: int
    gate: str
    actor: Actor
    reason: str
    request_id: str


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class WaveObserved:
    """All that succeeded in a wave were looked at again, during its soak."""

    kind: ClassVar[str] = "wave.observed"
    v: ClassVar[int] = 1

    at: dt.datetime
    wave: int
    relapsed: tuple[int, ...]
    """Targets that are not as they were proved to be: they count as failed from now on."""
    detail: str
    """What is wrong with the first of them; or why nothing was seen."""
    is_seen: bool
    """Whether the look succeeded; one that did not proves nothing."""


JudgementEvent = (
    RunWaiting
    | RunWoken
    | WindowOverridden
    | ApprovalGiven
    | WindowClosed
    | WindowOpened
    | GatesEntered
    | GateMeasured
    | GateEnded
    | GateSkipped
    | WaveObserved
)
