"""What is to be expected of waves, for people and as JSON values. Estimates, and called that."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fleet.core.forecast import Forecast, Window
from fleet.model import codec
from fleet.model.plan import PlanHead
from fleet.ui import moments
from fleet.ui.tables import Table


def line(found: Forecast) -> str:
    """Return what is to be expected of a wave in one line."""
    after = "; after approval, so at the earliest" if found.is_after_approval else ""
    if found.opens_at is None:
        return f"{found.wave}: {moments.NEVER}{_hangs(found)}"
    end = moments.text(found.ends_at, never="(unknown)")
    return f"{found.wave}: {moments.text(found.opens_at)} to about {end}{after}{_hangs(found)}"


def window_text(found: Window | None) -> str:
    """Return when a wave's window is open."""
    if found is None:
        return "-"
    until = moments.text(found.closes_at, never="further notice")
    return f"open until {until}" if found.is_open else f"{moments.text(found.opens_at)} to {until}"


def is_timed(head: PlanHead) -> bool:
    """Tell whether anything but places decides when a plan's waves begin."""
    is_late = head.not_before or any(wave.not_before for wave in head.waves)
    is_judged = any(wave.approvals or wave.before_gates or wave.after_gates for wave in head.waves)
    return bool(head.calendars or is_late or is_judged)


def table(title: str, found: Sequence[Forecast]) -> Table:
    """Return one row a wave: when it starts and ends at the earliest, and what it waits for."""
    return Table(
        title=title,
        header=("wave", "earliest start", "about until", "window", "waits for"),
        rows=[
            (
                one.wave,
                moments.text(one.opens_at),
                moments.text(one.ends_at, never="-"),
                window_text(one.window),
                ", ".join(one.hangs_on) or "-",
            )
            for one in found
        ],
        spare=("window", "about until"),
    )


def document(found: Forecast) -> Mapping[str, Any]:
    """Return a forecast as JSON values; its keys are part of what is published."""
    window = found.window
    return {
        "earliestStart": _moment(found.opens_at),
        "estimatedEnd": _moment(found.ends_at),
        "estimatedClose": _moment(found.closes_at),
        "isAfterApproval": found.is_after_approval,
        "hangsOn": list(found.hangs_on),
        "window": window_document(window),
    }


def window_document(window: Window | None) -> Mapping[str, Any] | None:
    """Return a window as JSON values; ``None``: there is none, or it never opens."""
    if window is None:
        return None
    return {
        "isOpen": window.is_open,
        "opensAt": _moment(window.opens_at),
        "closesAt": _moment(window.closes_at),
    }


def _hangs(found: Forecast) -> str:
    return f"; waits for {', '.join(found.hangs_on)}" if found.hangs_on else ""


def _moment(moment: Any) -> str | None:
    return None if moment is None else codec.utc_text(moment)
