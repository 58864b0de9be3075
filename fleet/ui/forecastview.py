"""What is to be expected of waves, for people and as JSON values. Estimates, and called that."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fleet.core.forecast import Forecast, Window
from fleet.model import codec
from fleet.ui import moments


def start_text(found: Forecast) -> str:
    """Return when a wave starts at the earliest."""
    if found.opens_at is None:
        return moments.NEVER
    return moments.text(found.opens_at) + (" at the earliest" if found.is_after_approval else "")


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
