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


def left_text(span: dt.timedelta) -> str:
    """Return how long something is away, in the two units that matter.

    >>> left_text(dt.timedelta(days=2, hours=4, minutes=9)), left_text(dt.timedelta(seconds=70))
    ('2 d 4 h', '1 min 10 s')
    >>> left_text(dt.timedelta(hours=3)), left_text(dt.timedelta(seconds=-5))
    ('3 h', '0 s')
    """
    seconds = max(int(span.total_seconds()), 0)
    units = (
        (seconds // 86400, "d"),
        (seconds // 3600 % 24, "h"),
        (seconds // 60 % 60, "min"),
        (seconds % 60, "s"),
    )
    first = next((n for n, (count, _) in enumerate(units) if count), len(units) - 1)
    shown = [f"{count} {unit}" for count, unit in units[first : first + 2] if count]
    return " ".join(shown) or "0 s"
