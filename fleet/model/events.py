"""Everything that is ever written to a journal.

An event says what has happened; its fields never change once a release wrote
them. A changed event gets ``v + 1``, and :data:`fleet.model.records.UPCASTS`
learns to lift the old fields. Targets are numbers: their place in the plan that
the journal opens with. Commands and views are derived from events, never stored.

Units:   ``at`` is the moment the event was decided or observed, by the run's clock.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Mapping
from typing import ClassVar

from fleet.model.cluster import nothing
from fleet.model.desired import FailureClass, RollbackScope
from fleet.model.plan import Digest, PlanHead, RunId, SpreadGroup, Target, Verb, Wave
from fleet.model.statuses import Finding, HoldReason, Result, RunStatus, WaveStatus


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Actor:
    """Who did it."""

    name: str
    host: str
    pid: int


# --- the run -----------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class RunCreated:
    """The header: all that a reader in a year needs to know about where this came from."""

    kind: ClassVar[str] = "run.created"
    v: ClassVar[int] = 3

    at: dt.datetime
    run_id: RunId
    actor: Actor
    release: str
    endpoint: str
    cloud: str
    tenant: str
    principals: tuple[str, ...]
    tzdata_version: str
    plan_digest: Digest
    plan_text: str
    """The plan file as written; empty where a saved plan was run."""
    target_count: int
    plan: PlanHead
    discovered_at: dt.datetime | None
    """When the plan's inventory was read; ``None`` where a saved plan does not tell."""
    api_version: str
    """In which extensions are spoken of, for as long as the run lives."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class TargetsListed:
    """A stretch of the plan's targets, in order."""

    kind: ClassVar[str] = "run.targetsListed"
    v: ClassVar[int] = 1

    at: dt.datetime
    first: int
    targets: tuple[Target, ...]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class RunPlanned:
    """The plan is complete in the journal, and its digest was recomputed from it."""

    kind: ClassVar[str] = "run.planned"
    v: ClassVar[int] = 1

    at: dt.datetime
    plan_digest: Digest


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class RunStarted:
    """Somebody said yes."""

    kind: ClassVar[str] = "run.started"
    v: ClassVar[int] = 1

    at: dt.datetime
    actor: Actor
    consent: str
    """How: ``prompt`` or ``--yes``."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class RunTaken:
    """A runner took the lease; from here on its epoch writes."""

    kind: ClassVar[str] = "run.taken"
    v: ClassVar[int] = 1

    at: dt.datetime
    actor: Actor
    release: str


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class RunPausing:
    """Nothing new starts; what is in flight finishes."""

    kind: ClassVar[str] = "run.pausing"
    v: ClassVar[int] = 1

    at: dt.datetime
    actor: Actor | None
    """``None``: the run itself."""
    reason: str
    request_id: str | None
    is_bug: bool = False


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class RunPaused:
    """Nothing is in flight any more."""

    kind: ClassVar[str] = "run.paused"
    v: ClassVar[int] = 1

    at: dt.datetime


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class RunResumed:
    """A pause was ended."""

    kind: ClassVar[str] = "run.resumed"
    v: ClassVar[int] = 1

    at: dt.datetime
    actor: Actor
    reason: str
    request_id: str


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class RunStopping:
    """The run ends early: nothing new starts; what is in flight finishes."""

    kind: ClassVar[str] = "run.stopping"
    v: ClassVar[int] = 1

    at: dt.datetime
    actor: Actor | None
    reason: str
    request_id: str | None


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class RequestRefused:
    """Somebody asked for what cannot be done now."""

    kind: ClassVar[str] = "run.requestRefused"
    v: ClassVar[int] = 1

    at: dt.datetime
    actor: Actor
    asked: str
    reason: str
    request_id: str


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class RunFinished:
    """The end."""

    kind: ClassVar[str] = "run.finished"
    v: ClassVar[int] = 1

    at: dt.datetime
    status: RunStatus
    reason: str
    counts: Mapping[str, int]
    """Targets by how they ended; ``Pending`` for those never begun."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class RunRollingBack:
    """A budget broke, and the plan says what is taken back; the waves for it follow."""

    kind: ClassVar[str] = "run.rollingBack"
    v: ClassVar[int] = 1

    at: dt.datetime
    reason: str
    scope: RollbackScope
    left: tuple[int, ...]
    """Targets that were changed and cannot be taken back."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class JoinedGroup:
    """A value of a label that came up after the plan was made; the next one of its spread cap."""

    spread: int
    group: SpreadGroup


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class RunSurveyed:
    """Before a wave opened, it was looked which clusters are meant now."""

    kind: ClassVar[str] = "run.surveyed"
    v: ClassVar[int] = 1

    at: dt.datetime
    wave: int
    left: tuple[int, ...]
    """Targets that are not meant any more; those that have not started are removed."""
    joined: tuple[Target, ...]
    """Those that were not meant before: they wait in the last wave."""
    groups: tuple[JoinedGroup, ...]
    """Of spread caps, what the plan did not know of."""
    problem: str
    """Why nobody knows; then the wave has the members that it had. Empty: all is known."""


# --- waves -------------------------------------------------------------------------------


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


# --- targets and their steps -------------------------------------------------------------


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class TargetStarted:
    """The target took a slot."""

    kind: ClassVar[str] = "target.started"
    v: ClassVar[int] = 1

    at: dt.datetime
    target: int


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class StepChecked:
    """A GET before the write, or instead of an answer that was lost."""

    kind: ClassVar[str] = "step.checked"
    v: ClassVar[int] = 1

    at: dt.datetime
    target: int
    step: int
    finding: Finding
    mark: str
    """A digest of the extension as read; a later read with another mark is another state."""
    detail: str = ""
    evidence: Mapping[str, str] = dataclasses.field(default_factory=nothing)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class StepIntended:
    """The write is about to leave. Durable before it does."""

    kind: ClassVar[str] = "step.intended"
    v: ClassVar[int] = 1

    at: dt.datetime
    target: int
    step: int
    attempt: int
    """From 1."""
    verb: Verb
    correlation_id: str
    client_request_id: str


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class StepAccepted:
    """The service took the write."""

    kind: ClassVar[str] = "step.accepted"
    v: ClassVar[int] = 1

    at: dt.datetime
    target: int
    step: int
    attempt: int
    operation_sha256: str | None
    """Of the operation's URL, which is a secret and lives in an erasable table; ``None``: the
    service finished at once."""
    mark: str | None
    """Of the extension as the write's own answer shows it."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class StepLost:
    """The write left and no answer came; the extension itself will be asked."""

    kind: ClassVar[str] = "step.lost"
    v: ClassVar[int] = 1

    at: dt.datetime
    target: int
    step: int
    attempt: int
    code: str
    message: str


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class StepHeld:
    """The target waits; its slot is kept, and no budget is touched."""

    kind: ClassVar[str] = "step.held"
    v: ClassVar[int] = 1

    at: dt.datetime
    target: int
    step: int
    reason: HoldReason
    until: dt.datetime
    code: str
    message: str


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class OperationEnded:
    """The service says that it has finished, well or badly; the extension has the last word."""

    kind: ClassVar[str] = "operation.ended"
    v: ClassVar[int] = 1

    at: dt.datetime
    target: int
    step: int
    status: str
    error: str | None
    poll_count: int
    """Reads it took."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class StepProved:
    """A GET newer than the write shows what the step was to bring about."""

    kind: ClassVar[str] = "step.proved"
    v: ClassVar[int] = 1

    at: dt.datetime
    target: int
    step: int
    evidence: Mapping[str, str]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class StepFailed:
    """The step cannot succeed."""

    kind: ClassVar[str] = "step.failed"
    v: ClassVar[int] = 1

    at: dt.datetime
    target: int
    step: int
    code: str
    message: str


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class StepUnknown:
    """A bug of ours hit this target: its outcome is unknown, and the run pauses."""

    kind: ClassVar[str] = "step.unknown"
    v: ClassVar[int] = 1

    at: dt.datetime
    target: int
    step: int
    message: str


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class TargetFinished:
    """The target's last word."""

    kind: ClassVar[str] = "target.finished"
    v: ClassVar[int] = 1

    at: dt.datetime
    target: int
    result: Result
    detail: str = ""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class TargetPutOff:
    """The target gave its slot back before anything was sent: its cluster is not connected.

    Its turn comes again in the catch-up wave.
    """

    kind: ClassVar[str] = "target.putOff"
    v: ClassVar[int] = 1

    at: dt.datetime
    target: int
    detail: str


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class TargetReplanned:
    """It had changed since the plan was made, and what it needs was worked out anew.

    An amendment under the plan's digest: nothing else of the plan is touched.
    """

    kind: ClassVar[str] = "target.replanned"
    v: ClassVar[int] = 1

    at: dt.datetime
    target: int
    step: int
    plan: Target
    detail: str
    """What had changed."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class TargetRetried:
    """It failed, and is tried again; its slot is kept, and no budget is touched."""

    kind: ClassVar[str] = "target.retried"
    v: ClassVar[int] = 1

    at: dt.datetime
    target: int
    step: int
    retry: int
    """From 1."""
    failure: FailureClass
    until: dt.datetime
    detail: str


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class TargetStalled:
    """It takes longer than the plan expects; nothing else follows from that."""

    kind: ClassVar[str] = "target.stalled"
    v: ClassVar[int] = 1

    at: dt.datetime
    target: int


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class TargetSkipped:
    """A person takes a target out before its turn; no budget is touched."""

    kind: ClassVar[str] = "target.skipped"
    v: ClassVar[int] = 1

    at: dt.datetime
    target: int
    actor: Actor
    reason: str
    request_id: str


RunEvent = (
    RunCreated
    | TargetsListed
    | RunPlanned
    | RunStarted
    | RunTaken
    | RunPausing
    | RunPaused
    | RunResumed
    | RunStopping
    | RequestRefused
    | RunRollingBack
    | RunSurveyed
    | RunFinished
)
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
TargetEvent = (
    TargetStarted
    | StepChecked
    | StepIntended
    | StepAccepted
    | StepLost
    | StepHeld
    | OperationEnded
    | StepProved
    | StepFailed
    | StepUnknown
    | TargetPutOff
    | TargetReplanned
    | TargetRetried
    | TargetStalled
    | TargetSkipped
    | TargetFinished
)
Event = RunEvent | WaveEvent | TargetEvent
