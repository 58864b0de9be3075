"""Which event may follow in which state: the whole machine, as tables.

Everything that decides whether an event is legal stands here; the fold asks
these tables before it changes anything. The diagrams in ``docs/states.md`` are
drawn from them. To allow a move, add it here first.

Shapes:  ``{state: {kind of event: states it may lead to}}``.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping

from fleet.errors import IllegalTransitionError
from fleet.model.statuses import RunStatus as R, WaveStatus as W

Moves = Mapping[str, Mapping[str, frozenset[str]]]


class Phase(enum.StrEnum):
    """Where a target stands between its first and its last event."""

    PENDING = "Pending"
    CHECKING = "Checking"
    """A GET is due: is the extension still as planned?"""
    READY = "Ready"
    """It is; the write may be sent."""
    WRITING = "Writing"
    """The intent is durable; the write is out."""
    LOST = "Lost"
    """No answer came; a GET decides what happened."""
    FOLLOWING = "Following"
    """The service works on it."""
    PROVING = "Proving"
    """A GET must show what the step was to bring about."""
    UNKNOWN = "Unknown"
    """A bug of ours; holds no slot, and is checked again when the run is resumed."""
    SOAKING = "Soaking"
    """It is proved, and must stay so for a while; it is looked at again."""
    ENDING = "Ending"
    """The result is known and not yet written."""
    ENDED = "Ended"


P = Phase


def _to(*states: str) -> frozenset[str]:
    return frozenset(states)


_UNKNOWN = {"step.unknown": _to(P.UNKNOWN)}
# It had changed since it was planned: what it needs was worked out anew.
_REPLANNED = {"target.replanned": _to(P.CHECKING, P.ENDING)}
_RETRIED = {"target.retried": _to(P.CHECKING)}


def _judged(at: W) -> dict[str, frozenset[str]]:
    """Return what people and gates say of a wave; it leads nowhere by itself."""
    said = ("gate.entered", "gate.measured", "gate.ended", "gate.skipped", "approval.given")
    return {kind: _to(at) for kind in said}


TARGET_MOVES: Moves = {
    P.PENDING: {"target.started": _to(P.CHECKING), "target.skipped": _to(P.ENDED)},
    P.CHECKING: {
        "step.checked": _to(P.READY, P.CHECKING, P.ENDING),
        "step.held": _to(P.CHECKING),
        "step.failed": _to(P.ENDING),
        "target.finished": _to(P.ENDED),
        **_REPLANNED,
        **_RETRIED,
        **_UNKNOWN,
    },
    P.READY: {
        "step.intended": _to(P.WRITING),
        # Its window closed: between two of its writes, or before the first.
        "step.held": _to(P.CHECKING),
        "target.returned": _to(P.PENDING),
        "target.finished": _to(P.ENDED),
        **_RETRIED,
        # What the last runner read before the write died with it.
        "run.taken": _to(P.CHECKING),
    },
    P.WRITING: {
        "step.accepted": _to(P.FOLLOWING, P.PROVING),
        "step.held": _to(P.CHECKING),
        "step.lost": _to(P.LOST),
        "step.failed": _to(P.ENDING),
        **_UNKNOWN,
    },
    P.LOST: {
        "step.checked": _to(P.READY, P.CHECKING, P.ENDING),
        # ENDING: the start deadline is over, and the one GET after it did not tell either.
        "step.held": _to(P.LOST, P.ENDING),
        "step.failed": _to(P.ENDING),
        **_REPLANNED,
        **_UNKNOWN,
    },
    P.FOLLOWING: {
        "operation.ended": _to(P.PROVING),
        "step.held": _to(P.CHECKING, P.FOLLOWING, P.ENDING),
        "step.proved": _to(P.CHECKING, P.ENDING),
        "step.failed": _to(P.ENDING),
        "target.stalled": _to(P.FOLLOWING),
        **_UNKNOWN,
    },
    P.PROVING: {
        "step.proved": _to(P.CHECKING, P.ENDING),
        "step.held": _to(P.PROVING, P.ENDING),
        "step.failed": _to(P.ENDING),
        "target.stalled": _to(P.PROVING),
        **_UNKNOWN,
    },
    P.UNKNOWN: {"run.resumed": _to(P.CHECKING, P.LOST)},
    P.SOAKING: {
        "target.observed": _to(P.SOAKING, P.ENDING),
        # ENDING: for too long, nobody could look.
        "step.held": _to(P.SOAKING, P.ENDING),
        "step.failed": _to(P.ENDING),
        # The run is being stopped: it was as planned for as long as it was looked at.
        "target.finished": _to(P.ENDED),
        **_UNKNOWN,
    },
    P.ENDING: {
        "target.soaking": _to(P.SOAKING),
        "target.finished": _to(P.ENDED),
        # Not connected, and nothing was sent: it waits for the catch-up wave.
        "target.putOff": _to(P.PENDING),
        **_RETRIED,
    },
    # A target that timed out is followed until its operation ends: it is still physical work.
    P.ENDED: {
        # In a wave that takes back what an earlier one changed.
        "target.started": _to(P.CHECKING),
        "operation.ended": _to(P.ENDED),
        "step.held": _to(P.ENDED),
        "step.unknown": _to(P.ENDED),
    },
}

WAVE_MOVES: Moves = {
    W.NOT_STARTED: {
        "wave.opened": _to(W.RUNNING),
        "wave.extended": _to(W.NOT_STARTED),
        "wave.skipped": _to(W.SKIPPED),
        **_judged(W.NOT_STARTED),
        # A gate before it stops the run.
        "wave.closed": _to(W.FAILED),
    },
    W.RUNNING: {
        "wave.extended": _to(W.RUNNING),
        "wave.breached": _to(W.RUNNING),
        "wave.overdue": _to(W.RUNNING),
        # Those in flight finish first.
        "wave.skipped": _to(W.RUNNING),
        "wave.soaking": _to(W.SOAKING),
        "wave.closed": _to(W.SUCCEEDED, W.SUCCEEDED_WITH_FAILURES, W.FAILED),
        "window.closed": _to(W.RUNNING),
        "window.opened": _to(W.RUNNING),
        **_judged(W.RUNNING),
    },
    W.SOAKING: {
        "wave.soakSkipped": _to(W.SOAKING),
        "wave.observed": _to(W.SOAKING),
        "wave.breached": _to(W.SOAKING),
        "wave.closed": _to(W.SUCCEEDED, W.SUCCEEDED_WITH_FAILURES, W.FAILED),
        **_judged(W.SOAKING),
    },
    W.SUCCEEDED: {},
    W.SUCCEEDED_WITH_FAILURES: {},
    W.FAILED: {},
    W.SKIPPED: {},
}

_ENDS = _to(R.SUCCEEDED, R.SUCCEEDED_WITH_FAILURES, R.FAILED)
_BACK = _to(R.ROLLED_BACK, R.FAILED)

RUN_MOVES: Moves = {
    R.DRAFT: {
        "run.created": _to(R.DRAFT),
        "run.targetsListed": _to(R.DRAFT),
        "run.planned": _to(R.PLANNED),
    },
    R.PLANNED: {"run.started": _to(R.RUNNING), "run.taken": _to(R.PLANNED)},
    R.RUNNING: {
        "run.taken": _to(R.RUNNING),
        "run.pausing": _to(R.PAUSING),
        "run.stopping": _to(R.STOPPING),
        "run.requestRefused": _to(R.RUNNING),
        "run.surveyed": _to(R.RUNNING),
        "run.waiting": _to(R.WAITING),
        "window.overridden": _to(R.RUNNING),
        "approval.given": _to(R.RUNNING),
        "run.rollingBack": _to(R.ROLLING_BACK),
        "run.finished": _ENDS,
    },
    R.WAITING: {
        "run.taken": _to(R.WAITING),
        "run.woken": _to(R.RUNNING, R.ROLLING_BACK),
        "run.waiting": _to(R.WAITING),
        "run.pausing": _to(R.PAUSING),
        "run.stopping": _to(R.STOPPING),
        "run.requestRefused": _to(R.WAITING),
        "window.overridden": _to(R.WAITING),
        "approval.given": _to(R.WAITING),
    },
    R.PAUSING: {
        "window.overridden": _to(R.PAUSING),
        "approval.given": _to(R.PAUSING),
        "run.taken": _to(R.PAUSING),
        "run.pausing": _to(R.PAUSING),
        "run.paused": _to(R.PAUSED),
        "run.resumed": _to(R.RUNNING, R.ROLLING_BACK),
        "run.stopping": _to(R.STOPPING),
        "run.requestRefused": _to(R.PAUSING),
        "run.surveyed": _to(R.PAUSING),
        "run.finished": _ENDS | _BACK,
    },
    R.ROLLING_BACK: {
        "run.taken": _to(R.ROLLING_BACK),
        "run.pausing": _to(R.PAUSING),
        "run.stopping": _to(R.STOPPING),
        "run.requestRefused": _to(R.ROLLING_BACK),
        "wave.added": _to(R.ROLLING_BACK),
        "run.waiting": _to(R.WAITING),
        "window.overridden": _to(R.ROLLING_BACK),
        "run.finished": _BACK,
    },
    R.PAUSED: {
        "window.overridden": _to(R.PAUSED),
        "approval.given": _to(R.PAUSED),
        "run.taken": _to(R.PAUSED),
        "run.resumed": _to(R.RUNNING, R.ROLLING_BACK),
        "run.stopping": _to(R.STOPPING),
        "run.requestRefused": _to(R.PAUSED),
        "run.surveyed": _to(R.PAUSED),
    },
    R.STOPPING: {
        "run.taken": _to(R.STOPPING),
        "run.requestRefused": _to(R.STOPPING),
        "run.surveyed": _to(R.STOPPING),
        "run.finished": _to(R.STOPPED),
    },
    R.STOPPED: {},
    R.SUCCEEDED: {},
    R.SUCCEEDED_WITH_FAILURES: {},
    R.FAILED: {},
    R.ROLLED_BACK: {},
}


def require(moves: Moves, *, state: str, kind: str, to: str, what: str) -> None:
    """Raise :exc:`IllegalTransitionError` unless *moves* has this move."""
    if to not in moves[state].get(kind, ()):
        message = f"{what}: {kind} cannot lead from {state} to {to}"
        raise IllegalTransitionError(message)
