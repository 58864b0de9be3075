"""How measurements add up: when a gate has seen enough, and what it then comes to.

A :class:`Tally` counts; nothing here measures or waits. Beside the other engine's verdicts stands
one more: missing data. It counts as inconclusive, and keeps its name where nothing else was.

Source:  Argo Rollouts, ``analysis/analysis.go``: the limits, the order they are looked at, and
         that an error is no measurement, so that it does not bring a gate nearer to its count.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
from typing import assert_never

from fleet.model.gates import Gate, OnVerdict, Verdict

UNLIMITED = -1
"""As a gate's failure limit: no number of failed measurements fails it."""
# Source: Argo Rollouts, DefaultErrorRetryInterval.
AFTER_ERROR = dt.timedelta(seconds=10)
"""Before a gate without an interval is asked again that got no answer."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """What a gate's measurements came to so far, since it was entered."""

    successful: int = 0
    failed: int = 0
    inconclusive: int = 0
    no_data: int = 0
    error: int = 0
    consecutive_success: int = 0
    consecutive_error: int = 0
    count: int = 0
    """Those that were answered: all but the errors."""

    def with_(self, verdict: Verdict) -> Tally:
        """Return the tally with one measurement more.

        >>> Tally().with_(Verdict.PASS).with_(Verdict.ERROR).count
        1
        """
        is_pass, is_error = verdict is Verdict.PASS, verdict is Verdict.ERROR
        return Tally(
            successful=self.successful + is_pass,
            failed=self.failed + (verdict is Verdict.FAIL),
            inconclusive=self.inconclusive + (verdict is Verdict.INCONCLUSIVE),
            no_data=self.no_data + (verdict is Verdict.NO_DATA),
            error=self.error + is_error,
            consecutive_success=self.consecutive_success + 1 if is_pass else 0,
            consecutive_error=self.consecutive_error + 1 if is_error else 0,
            count=self.count + (not is_error),
        )

    @property
    def number(self) -> int:
        """How many measurements were made, answered or not."""
        return self.count + self.error


def wanted(gate: Gate) -> int | None:
    """Return how many answered measurements end a gate; ``None``: it goes on while it is asked."""
    if gate.count is None and gate.interval is None:
        return 1
    return gate.count


def assess(gate: Gate, tally: Tally, *, is_terminating: bool = False) -> Verdict | None:
    """Return what *gate* has come to; ``None``: go on measuring.

    Args:
        gate: Whose limits hold.
        tally: What was measured since it was entered.
        is_terminating: Whether no more will be measured: the soak is over. What has been seen
            decides then; of a gate that has seen nothing, nothing good is said.
    """
    if broken := _broken(gate, tally):
        return broken
    if 0 < gate.consecutive_success_limit <= tally.consecutive_success:
        return Verdict.PASS
    most = wanted(gate)
    if most is not None and tally.count >= most:
        return _counted_out(gate, tally)
    return _cut_short(tally) if is_terminating else None


def _broken(gate: Gate, tally: Tally) -> Verdict | None:
    """Return the verdict of the first limit that is exceeded."""
    if gate.failure_limit >= 0 and tally.failed > gate.failure_limit:
        return Verdict.FAIL
    if tally.inconclusive + tally.no_data > gate.inconclusive_limit:
        return _unclear(tally)
    if tally.consecutive_error > gate.consecutive_error_limit:
        return Verdict.ERROR
    return None


def _counted_out(gate: Gate, tally: Tally) -> Verdict:
    """Return what a gate comes to that was measured as often as it wants, within its limits."""
    if gate.consecutive_success_limit <= 0:
        return Verdict.PASS
    # Neither so many passed in a row, nor too many failed: with one of the two to judge by, that is
    # an answer.
    return Verdict.FAIL if gate.failure_limit < 0 else _unclear(tally)


def _unclear(tally: Tally) -> Verdict:
    return Verdict.NO_DATA if tally.no_data and not tally.inconclusive else Verdict.INCONCLUSIVE


def _cut_short(tally: Tally) -> Verdict:
    """Return what a gate comes to that nobody can ask any more, within its limits."""
    if tally.count:
        return Verdict.PASS
    return Verdict.ERROR if tally.error else Verdict.NO_DATA


def action(gate: Gate, verdict: Verdict) -> OnVerdict:
    """Return what follows: nothing where the gate passed, or is only a rehearsal."""
    if gate.is_dry_run:
        return OnVerdict.CONTINUE
    match verdict:
        case Verdict.PASS:
            return OnVerdict.CONTINUE
        case Verdict.FAIL:
            return gate.on_fail
        case Verdict.INCONCLUSIVE:
            return gate.on_inconclusive
        case Verdict.NO_DATA:
            return gate.on_no_data
        case Verdict.ERROR:
            return gate.on_error
        case never:
            assert_never(never)


def next_at(
    gate: Gate, tally: Tally, entered_at: dt.datetime, last_at: dt.datetime | None
) -> dt.datetime:
    """Return when to measure next, of a gate that goes on.

    Args:
        gate: The gate.
        tally: What was measured since it was entered.
        entered_at: When that was.
        last_at: When the last measurement ended; looked at where there was one.
    """
    if last_at is None or not tally.number:
        return entered_at + gate.initial_delay
    return last_at + (AFTER_ERROR if gate.interval is None else gate.interval)
