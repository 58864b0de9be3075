"""Spans of time, as a person writes them."""

from __future__ import annotations

import datetime as dt


def span_text(span: dt.timedelta) -> str:
    """Return a duration as a person writes it.

    >>> span_text(dt.timedelta(minutes=90)), span_text(dt.timedelta(0))
    ('1h30m', '-')
    """
    seconds = int(span.total_seconds())
    parts = (
        (seconds // 86400, "d"),
        (seconds // 3600 % 24, "h"),
        (seconds // 60 % 60, "m"),
        (seconds % 60, "s"),
    )
    return "".join(f"{number}{unit}" for number, unit in parts if number) or "-"
