"""How a run ends, from what its targets came to."""

from __future__ import annotations

import datetime as dt

from fleet.core import gatework, undo
from fleet.core.state import RunState, WaveState
from fleet.model import events as e
from fleet.model.gates import Moment, OnVerdict
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
    if state.is_rolling_back:
        return _back(state)
    if late := _late(state):
        left = f"{state.pending_count} not begun" if state.pending_count else ""
        what = ", ".join(one for one in (said, left) if one)
        return RunStatus.FAILED, f"{late}: {what}"
    if gate := _barring(state):
        return RunStatus.FAILED, f"{gate}: {said}" if said else gate
    if state.is_breached or state.caps.is_breached or any(w.is_breached for w in state.waves):
        return RunStatus.FAILED, f"{_BROKEN}: {said}"
    if not state.results and not state.unknown:
        return RunStatus.SUCCEEDED, "nothing to do"
    if not good:
        return RunStatus.FAILED, f"no target was changed: {said or _left_out(state)}"
    return _of_some(state, good, said)


_BROKEN = "the failure budget was broken"


def _late(state: RunState) -> str:
    """Return which wave took too long; empty: none did."""
    late = (wave.planned.name for wave in state.waves if wave.is_overdue)
    return next((f"wave {name} was not done in its time" for name in late), "")


def _barring(state: RunState) -> str:
    """Return which gate ended the run; empty: none did."""
    for wave in state.waves:
        barring = gatework.barring(wave)
        if barring is not None and barring.action is not OnVerdict.PAUSE:
            return barred(wave, barring)
    return ""


def barred(wave: WaveState, ended: e.GateEnded) -> str:
    """Say which gate does not let the run go on, and why."""
    where = "in the soak of" if ended.moment is Moment.SOAK else ended.moment
    detail = f": {ended.detail}" if ended.detail else ""
    return f"gate {ended.gate} {where} wave {wave.planned.name}: {ended.verdict}{detail}"


def _of_some(state: RunState, good: int, said: str) -> tuple[RunStatus, str]:
    """Return how a run ends in which something succeeded, and no budget broke."""
    least = state.plan.limits.min_success
    if least is not None and good < least:
        few = f"{good} succeeded, and {least} must: {said or _left_out(state)}"
        return RunStatus.SUCCEEDED_WITH_FAILURES, few
    if said and least is None:
        return RunStatus.SUCCEEDED_WITH_FAILURES, said
    if said:
        return RunStatus.SUCCEEDED, f"{good} succeeded, and {least} must: {said}"
    return RunStatus.SUCCEEDED, _left_out(state) or "every target is as planned"


def _back(state: RunState) -> tuple[RunStatus, str]:
    """Return how a run ends that took back what it had changed."""
    back = state.counts[Result.ROLLED_BACK]
    why, stuck = why_back(state), undo.left(state)
    if not stuck:
        return RunStatus.ROLLED_BACK, f"{why}; {back} taken back"
    names = ", ".join(state.targets[n].cluster_name for n in stuck[:_SHOWN])
    more = f" and {len(stuck) - _SHOWN} more" if len(stuck) > _SHOWN else ""
    partial = sum(state.results.get(n) is Result.ROLLED_BACK for n in stuck)
    part = f", {partial} in part" if partial else ""
    said = f"{back - partial} taken back{part}, {len(stuck) - partial} not: {names}{more}"
    return RunStatus.FAILED, f"{why}; {said}"


def why_back(state: RunState) -> str:
    """Return why a run takes back what it changed."""
    return _late(state) or _barring(state) or _BROKEN


_SHOWN = 5


def _left_out(state: RunState) -> str:
    left = {
        "not connected": state.counts[Result.DEFERRED],
        "skipped": state.counts[Result.SKIPPED],
        "removed": state.counts[Result.REMOVED],
    }
    return ", ".join(f"{count} {name}" for name, count in left.items() if count)
