"""What happens to a target and its steps."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Mapping
from typing import ClassVar

from fleet.model.cluster import nothing
from fleet.model.codec import SPARSE
from fleet.model.events.actors import Actor
from fleet.model.inside import CheckResult
from fleet.model.plan import Target, Verb
from fleet.model.statuses import Finding, HoldReason, Result
from fleet.model.strategy import FailureClass


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
    snapshot: str | None = dataclasses.field(default=None, metadata=SPARSE)
    """What a change must preserve, as it was before: a mesh's configuration, canonical JSON."""


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


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class TargetSoaking:
    """It is as planned, and must stay so; it keeps its slot."""

    kind: ClassVar[str] = "target.soaking"
    v: ClassVar[int] = 1

    at: dt.datetime
    target: int
    until: dt.datetime


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class TargetObserved:
    """It was looked at again, and is as it was proved to be."""

    kind: ClassVar[str] = "target.observed"
    v: ClassVar[int] = 1

    at: dt.datetime
    target: int
    step: int
    checks: tuple[CheckResult, ...] = dataclasses.field(default=(), metadata=SPARSE)
    """What was seen inside the cluster, with its evidence."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class TargetReturned:
    """Its window closed before anything was sent: it waits for its turn again."""

    kind: ClassVar[str] = "target.returned"
    v: ClassVar[int] = 1

    at: dt.datetime
    target: int
    detail: str


TargetEvent = (
    TargetSoaking
    | TargetObserved
    | TargetReturned
    | TargetStarted
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
