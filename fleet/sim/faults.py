"""What goes wrong, drawn from the seed or by script: how a write is answered, how it ends.

A draw is about one write: the cluster, the extension, and how many writes have
been heard for it. So a retry draws anew, other clusters change nothing, and a
replay of the same calls meets the same luck.
"""

from __future__ import annotations

import enum
from typing import TypeVar

from fleet.core import draws
from fleet.errors import ConflictError, LostAnswerError, RemoteError, ThrottledError, TransientError
from fleet.sim import messages
from fleet.sim.recipe import Faults
from fleet.sim.repertoire import Fault
from fleet.sim.script import Rule

T = TypeVar("T")


class Answer(enum.Enum):
    """How the service takes a request."""

    OK = "ok"
    THROTTLED = "throttled"
    TRANSIENT = "transient"
    RESET_BEFORE = "resetBefore"
    RESET_AFTER = "resetAfter"
    CONFLICT = "conflict"
    """At once, as a refusal."""
    LATE_CONFLICT = "lateConflict"
    """As the end of an operation that changed nothing."""


class Fate(enum.Enum):
    """How an operation goes."""

    SUCCEEDS = "succeeds"
    FAILS = "fails"
    STUCK = "stuck"
    FAILS_SILENTLY = "failsSilently"
    AGENT_LOST = "agentLost"
    REVERTED = "reverted"
    """It succeeds, and then somebody else puts back what was there before: by script only."""


_ANSWERS = {Fault.CONFLICT: Answer.CONFLICT, Fault.LATE_CONFLICT: Answer.LATE_CONFLICT}
_FATES = {
    Fault.OPERATION_FAILS: Fate.FAILS,
    Fault.STUCK_OPERATION: Fate.STUCK,
    Fault.SILENT_FAILURE: Fate.FAILS_SILENTLY,
    Fault.OFFLINE_MIDWAY: Fate.AGENT_LOST,
    Fault.REVERTED: Fate.REVERTED,
    Fault.LATE_READ: Fate.SUCCEEDS,
    Fault.RELAPSE: Fate.SUCCEEDS,
}


def scripted_answer(rule: Rule | None) -> Answer | None:
    """Return how a rule wants a write to be taken; ``None``: it does not say."""
    return None if rule is None else _ANSWERS.get(rule.fault)


def scripted_fate(rule: Rule | None) -> Fate | None:
    """Return how a rule wants an operation to go; ``None``: it does not say."""
    return None if rule is None else _FATES.get(rule.fault)


def answer(faults: Faults, seed: int, *parts: draws.Part) -> Answer:
    """Draw how a write is taken."""
    half = faults.conflict_ppm // 2
    lots = {
        Answer.THROTTLED: faults.throttled_ppm,
        Answer.TRANSIENT: faults.transient_error_ppm,
        Answer.RESET_BEFORE: faults.reset_before_ppm,
        Answer.RESET_AFTER: faults.reset_after_ppm,
        Answer.CONFLICT: half,
        Answer.LATE_CONFLICT: faults.conflict_ppm - half,
    }
    return _drawn(lots, Answer.OK, seed, "answer", *parts)


def read_answer(faults: Faults, seed: int, *parts: draws.Part) -> Answer:
    """Draw how a read is taken: what only writes can meet is left out."""
    lots = {
        Answer.THROTTLED: faults.throttled_ppm,
        Answer.TRANSIENT: faults.transient_error_ppm,
    }
    return _drawn(lots, Answer.OK, seed, "read", *parts)


def fate(faults: Faults, seed: int, *parts: draws.Part) -> Fate:
    """Draw how an operation goes."""
    lots = {
        Fate.FAILS: faults.operation_fails_ppm,
        Fate.STUCK: faults.stuck_operation_ppm,
        Fate.FAILS_SILENTLY: faults.silent_failure_ppm,
        Fate.AGENT_LOST: faults.offline_midway_ppm,
    }
    return _drawn(lots, Fate.SUCCEEDS, seed, "fate", *parts)


def error_of(answer: Answer, faults: Faults, *, correlation_id: str) -> RemoteError | None:
    """Return the error that an answer is to the caller; ``None`` where it is none."""
    match answer:
        case Answer.THROTTLED:
            return ThrottledError(
                messages.THROTTLED,
                status=429,
                retry_after_s=float(faults.retry_after_s),
                correlation_id=correlation_id,
            )
        case Answer.TRANSIENT:
            text = messages.UNAVAILABLE
            return TransientError(text, status=503, correlation_id=correlation_id)
        case Answer.RESET_BEFORE | Answer.RESET_AFTER:
            return LostAnswerError(messages.RESET, correlation_id=correlation_id)
        case Answer.CONFLICT:
            return ConflictError(messages.CONFLICT, status=409, correlation_id=correlation_id)
        case Answer.OK | Answer.LATE_CONFLICT:
            return None


def _drawn(lots: dict[T, int], otherwise: T, seed: int, *parts: draws.Part) -> T:
    if not any(lots.values()):
        return otherwise
    left = draws.fraction_ppm(seed, *parts)
    for one, ppm in lots.items():
        left -= ppm
        if left < 0:
            return one
    return otherwise
