"""What a run waits for while nothing is in flight, in the words of every view."""

from __future__ import annotations

import datetime as dt
from typing import Any

from fleet.model import codec
from fleet.model.events import RunWaiting
from fleet.model.statuses import WaitCause
from fleet.ui.spans import left_text

_FOR = {
    WaitCause.WINDOW: " for a change window",
    WaitCause.NOT_BEFORE: "",
    WaitCause.SOAK: "",
    WaitCause.GATE: " for a gate",
    WaitCause.APPROVAL: " for an approval",
}


def text(wait: RunWaiting, *, now: dt.datetime | None = None, has_local: bool = False) -> str:
    """Return the wait in one line.

    Args:
        wait: The wait.
        now: By the run's clock: how much of the wait is left is said with it.
        has_local: Whether its end is said by this machine's own zone, too.

    >>> begun = dt.datetime(2026, 11, 29, 18, tzinfo=dt.UTC)
    >>> until = dt.datetime(2026, 12, 1, 22, tzinfo=dt.UTC)
    >>> why = "wave rest: outside of the change windows of nights"
    >>> wait = RunWaiting(at=begun, cause=WaitCause.WINDOW, wave=0, until=until, detail=why)
    >>> text(wait, now=begun).split(": ")[0]
    'waits for a change window until 2026-12-01 22:00 UTC (in 2 d 4 h)'
    """
    until = f" until {moment_text(wait.until)}" if wait.until else ""
    local = local_text(wait.until) if wait.until and has_local else ""
    left = f"in {left_text(wait.until - now)}" if wait.until and now else ""
    aside = ", ".join(one for one in (local, left) if one)
    until += f" ({aside})" if aside else ""
    return f"waits{_FOR[wait.cause]}{until}" + (f": {wait.detail}" if wait.detail else "")


def moment_text(moment: dt.datetime) -> str:
    """Return a moment as it is said in prose; its seconds only where it has any."""
    form = "%Y-%m-%d %H:%M:%S" if moment.second else "%Y-%m-%d %H:%M"
    return f"{moment.astimezone(dt.UTC):{form}} UTC"


def local_text(moment: dt.datetime) -> str:
    """Return a moment by this machine's own zone; empty where that is UTC."""
    local = moment.astimezone()
    return f"{local:%Y-%m-%d %H:%M} {local.tzname()} here" if local.utcoffset() else ""


def document(wait: RunWaiting) -> dict[str, Any]:
    """Return the wait as JSON values; its keys are part of what is published."""
    return {
        "cause": wait.cause.value,
        "since": codec.utc_text(wait.at),
        "until": codec.utc_text(wait.until) if wait.until else None,
        "lookAt": codec.utc_text(wait.look_at) if wait.look_at else None,
        "detail": wait.detail,
    }
