"""Moments, as a person writes them."""

from __future__ import annotations

import datetime as dt

NEVER = "never, as far as is known"


def text(moment: dt.datetime | None, *, never: str = NEVER) -> str:
    """Return a moment to the minute, in UTC; *never* where there is none.

    >>> text(dt.datetime(2026, 1, 10, 22, 30, 59, tzinfo=dt.UTC))
    '2026-01-10 22:30Z'
    """
    return never if moment is None else f"{moment.astimezone(dt.UTC):%Y-%m-%d %H:%M}Z"


def local_text(moment: dt.datetime | None, zone: dt.tzinfo, name: str) -> str:
    """Return a moment in UTC, and as the clocks of a zone show it.

    >>> from fleet import zones
    >>> at = dt.datetime(2026, 1, 10, 23, 30, tzinfo=dt.UTC)
    >>> local_text(at, zones.zone("Europe/Berlin"), "Europe/Berlin")
    '2026-01-10 23:30Z (Sun 00:30 Europe/Berlin)'
    """
    if moment is None or name == "UTC":
        return text(moment)
    return f"{text(moment)} ({moment.astimezone(zone):%a %H:%M} {name})"
