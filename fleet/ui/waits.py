"""What a run waits for while nothing is in flight, in the words of every view."""

from __future__ import annotations

import datetime as dt
from typing import Any

from fleet.core.state import RunState
from fleet.model import codec
from fleet.model.events import RunWaiting
from fleet.model.statuses import RunStatus, WaitCause
from fleet.ui.spans import left_text

_WHAT = {
    WaitCause.WINDOW: "a change window",
    WaitCause.NOT_BEFORE: "the time before which it may not begin",
    WaitCause.SOAK: "a soak",
    WaitCause.GATE: "a gate",
    WaitCause.APPROVAL: "an approval",
}


def of(state: RunState) -> RunWaiting | None:
    """Return what *state* waits for; ``None`` where it does not wait."""
    if state.status is not RunStatus.WAITING:
        return None
    # NB: folded by whoever folds `run.waiting`; a state that never waited has no such field.
    found: RunWaiting | None = getattr(state, "wait", None)
    return found


def text(wait: RunWaiting, *, now: dt.datetime | None = None) -> str:
    """Return the wait in one line; with *now*, how much of it is left.

    >>> begun = dt.datetime(2026, 11, 29, 18, tzinfo=dt.UTC)
    >>> until = dt.datetime(2026, 12, 1, 22, tzinfo=dt.UTC)
    >>> what = "a change window of nights"
    >>> wait = RunWaiting(at=begun, cause=WaitCause.WINDOW, wave=0, until=until, detail=what)
    >>> text(wait, now=begun)
    'waits for a change window of nights until 2026-12-01 22:00 UTC (in 2 d 4 h)'
    """
    what = wait.detail or _WHAT[wait.cause]
    if wait.until is None:
        return f"waits for {what}, with no end of its own"
    left = f" (in {left_text(wait.until - now)})" if now is not None else ""
    return f"waits for {what} until {moment_text(wait.until)}{left}"


def moment_text(moment: dt.datetime) -> str:
    """Return a moment as it is said in prose; its seconds only where it has any."""
    form = "%Y-%m-%d %H:%M:%S" if moment.second else "%Y-%m-%d %H:%M"
    return f"{moment.astimezone(dt.UTC):{form}} UTC"


def local_text(moment: dt.datetime) -> str:
    """Return a moment by this machine's own zone; empty where that is UTC."""
    local = moment.astimezone()
    return f"{local:%Y-%m-%d %H:%M} {local.tzname()}" if local.utcoffset() else ""


def document(state: RunState) -> dict[str, Any] | None:
    """Return the wait as JSON values; its keys are part of what is published."""
    wait = of(state)
    if wait is None:
        return None
    return {
        "cause": wait.cause.value,
        "for": wait.detail or _WHAT[wait.cause],
        "wave": state.waves[wait.wave].planned.name if wait.wave < len(state.waves) else None,
        "since": codec.utc_text(wait.at),
        "until": codec.utc_text(wait.until) if wait.until else None,
    }
