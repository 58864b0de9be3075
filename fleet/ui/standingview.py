"""Where one target stands, for people and as JSON values."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from fleet.core.standing import Hold, Standing
from fleet.model import codec
from fleet.ui import forecastview, moments, people, timesview
from fleet.ui.tables import Table


def lines(found: Standing) -> Iterator[str]:
    """Yield what is known of a target, the most important first."""
    target = found.target
    wave = f", wave {found.wave}" if found.wave else ""
    yield f"{target.cluster_name}: {found.status}{wave}"
    yield f"{target.action} {target.from_version or '(none)'} -> {target.to_version or '(none)'}"
    yield from (f"why: {text}" for text in found.why)
    if found.ahead:
        yield f"before it: {'; '.join(found.ahead)}"
    if found.has_turn:
        after = " at the earliest: somebody has to agree first" if found.is_after_approval else ""
        yield f"estimated start: {moments.text(found.starts_at)}{after}"
    for hold in found.holds:
        if hold.override is not None:
            yield f"overridden: {hold.calendar.name}{_override_text(hold)}"


def holds(found: Standing) -> Table:
    """Return the calendars that bind a target, with their next opening and close."""
    return Table(
        title="Windows",
        header=timesview.CALENDAR_HEADER,
        rows=[timesview.calendar_row(one.calendar, one.window) for one in found.holds],
    )


def document(found: Standing) -> dict[str, Any]:
    """Return it as JSON values; its keys are part of what is published."""
    target = found.target
    return {
        "apiVersion": "fleet/v1",
        "kind": "Standing",
        "clusterId": target.cluster_id,
        "clusterName": target.cluster_name,
        "action": target.action.value,
        "from": target.from_version,
        "to": target.to_version,
        "status": found.status,
        "why": list(found.why),
        "wave": found.wave,
        "ahead": list(found.ahead),
        "hasTurn": found.has_turn,
        "estimatedStart": codec.utc_text(found.starts_at) if found.starts_at else None,
        "isAfterApproval": found.is_after_approval,
        "windows": [_hold_document(one) for one in found.holds],
    }


def _override_text(hold: Hold) -> str:
    override = hold.override
    if override is None:
        return ""
    until = f" until {moments.text(override.until)}" if override.until else ""
    return f"{until} by {people.named(override.actor)}: {override.reason}"


def _hold_document(hold: Hold) -> dict[str, Any]:
    override = hold.override
    return {
        "name": hold.calendar.name,
        "level": hold.calendar.level.value,
        "zone": hold.calendar.zone,
        "window": forecastview.window_document(hold.window),
        "override": override
        and {
            "by": people.document(override.actor),
            "at": codec.utc_text(override.at),
            "until": codec.utc_text(override.until) if override.until else None,
            "reason": override.reason,
        },
    }
