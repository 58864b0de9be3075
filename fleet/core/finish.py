"""How a run ends, from what its targets came to."""

from __future__ import annotations

import datetime as dt

from fleet.core.state import RunState
from fleet.model import events as e
from fleet.model.statuses import Result, RunStatus


def finished(state: RunState, *, now: dt.datetime) -> e.RunFinished:
    """Return the run's last event."""
    status, reason = outcome(state)
    return e.RunFinished(at=now, status=status, reason=reason, counts=state.status_counts())


def outcome(state: RunState) -> tuple[RunStatus, str]:
    """Return how the run ends if it ends now, and why.

    Nothing to do is success. Zero successes never are, where anything was tried.
    """
    counts = state.counts
    good = counts[Result.SUCCEEDED] + counts[Result.NO_OP]
    bad = {
        "failed": counts[Result.FAILED],
        "timed out": counts[Result.TIMED_OUT],
        "drifted": counts[Result.DRIFTED],
        "unknown": len(state.unknown),
    }
    said = ", ".join(f"{count} {name}" for name, count in bad.items() if count)
    if state.status is RunStatus.STOPPING:
        return RunStatus.STOPPED, f"stopped: {state.stopped_by[1] if state.stopped_by else ''}"
    if state.is_breached or any(wave.is_breached for wave in state.waves):
        return RunStatus.FAILED, f"the failure budget was broken: {said}"
    if not state.results and not state.unknown:
        return RunStatus.SUCCEEDED, "nothing to do"
    if not good:
        return RunStatus.FAILED, f"no target was changed: {said or _left_out(state)}"
    if said:
        return RunStatus.SUCCEEDED_WITH_FAILURES, said
    return RunStatus.SUCCEEDED, _left_out(state) or "every target is as planned"


def _left_out(state: RunState) -> str:
    left = {
        "not connected": state.counts[Result.DEFERRED],
        "skipped": state.counts[Result.SKIPPED],
    }
    return ", ".join(f"{count} {name}" for name, count in left.items() if count)
