"""Where runs, waves and targets stand, and what is found of them: the words of every view."""

from __future__ import annotations

import enum


class RunStatus(enum.StrEnum):
    """Where a run stands."""

    DRAFT = "Draft"
    PLANNED = "Planned"
    RUNNING = "Running"
    WAITING = "Waiting"
    """Nothing is in flight and nothing may start, for a reason that has a name."""
    PAUSING = "Pausing"
    PAUSED = "Paused"
    STOPPING = "Stopping"
    STOPPED = "Stopped"
    SUCCEEDED = "Succeeded"
    SUCCEEDED_WITH_FAILURES = "SucceededWithFailures"
    FAILED = "Failed"
    ROLLING_BACK = "RollingBack"
    ROLLED_BACK = "RolledBack"

    @property
    def is_terminal(self) -> bool:
        """Whether nothing can follow."""
        return self in _TERMINAL_RUN


class WaitCause(enum.StrEnum):
    """What a run waits for while nothing is in flight."""

    WINDOW = "window"
    NOT_BEFORE = "notBefore"
    SOAK = "soak"
    GATE = "gate"
    APPROVAL = "approval"


class WaveStatus(enum.StrEnum):
    """Where a wave stands."""

    NOT_STARTED = "NotStarted"
    RUNNING = "Running"
    SOAKING = "Soaking"
    SUCCEEDED = "Succeeded"
    SUCCEEDED_WITH_FAILURES = "SucceededWithFailures"
    FAILED = "Failed"
    SKIPPED = "Skipped"
    """By a person, before it opened."""


class Result(enum.StrEnum):
    """How a target ended."""

    SUCCEEDED = "Succeeded"
    NO_OP = "NoOp"
    """It was as wished when its turn came; nothing was sent."""
    FAILED = "Failed"
    TIMED_OUT = "TimedOut"
    DRIFTED = "Drifted"
    SKIPPED = "Skipped"
    DEFERRED = "Deferred"
    """Not connected, in the catch-up wave too."""
    REMOVED = "Removed"
    """The selector does not mean it any more; nothing was sent."""
    ROLLED_BACK = "RolledBack"
    """It was changed, and changed back."""

    @property
    def is_failure(self) -> bool:
        """Whether it counts against a budget."""
        return self in (Result.FAILED, Result.TIMED_OUT)

    @property
    def is_success(self) -> bool:
        """Whether something was changed, and proved."""
        return self in (Result.SUCCEEDED, Result.ROLLED_BACK)


class Finding(enum.StrEnum):
    """What a GET before a write, or instead of a lost answer, says of a step."""

    PROCEED = "proceed"
    """As planned: the write may be sent."""
    DONE = "done"
    """What the step would do is true already."""
    BUSY = "busy"
    """An operation is in progress on it."""
    DRIFTED = "drifted"
    UNREACHABLE = "unreachable"
    CLUSTER_MISSING = "clusterMissing"
    FAILED = "failed"
    """The write that was sent took effect, and failed."""


class HoldReason(enum.StrEnum):
    """Why a target waits; none of them is a failure."""

    BUSY = "busy"
    THROTTLED = "throttled"
    CONFLICT = "conflict"
    TRANSIENT = "transient"
    IDENTITY = "identity"
    """The service accepts nobody's token: this process leaves, and the next one goes on."""
    NOT_YET = "notYet"
    """The operation ended and the extension does not show it yet."""
    RETRY = "retry"
    """It failed, and is tried again."""
    WINDOW = "window"
    """A change window closed between two of its writes."""


_TERMINAL_RUN = frozenset(
    {
        RunStatus.STOPPED,
        RunStatus.SUCCEEDED,
        RunStatus.SUCCEEDED_WITH_FAILURES,
        RunStatus.FAILED,
        RunStatus.ROLLED_BACK,
    }
)
