"""Days of the week, in the forms that people write them.

>>> read("mon-wed"), read("Sa"), read("weekend"), read("fri-mon"), read("mittwoch")
((0, 1, 2), (5,), (5, 6), (0, 4, 5, 6), None)
"""

from __future__ import annotations

import re

_LONG = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_GROUPS = {
    "weekdays": (0, 1, 2, 3, 4),
    "weekday": (0, 1, 2, 3, 4),
    "workdays": (0, 1, 2, 3, 4),
    "weekend": (5, 6),
    "weekends": (5, 6),
    "daily": (0, 1, 2, 3, 4, 5, 6),
    "everyday": (0, 1, 2, 3, 4, 5, 6),
}
_DAYS = {
    word: n
    for n, name in enumerate(_LONG)
    for word in (name, f"{name}s", name[:2], name[:3])
} | {"tues": 1, "thur": 3, "thurs": 3}  # fmt: skip
NAMES = (*_LONG, *(name[:3] for name in _LONG), "weekdays", "weekend", "daily")
"""What is offered to whoever misspells one."""
_LISTED = re.compile(r"[,+]|\s+(?!-)(?<!-\s)")


def read(text: str) -> tuple[int, ...] | None:
    """Return the days that *text* means, 0 for Monday, sorted; ``None``: it means none.

    One, a range (``fri-mon`` goes over the weekend), a group, or several with ``,`` or ``+``.
    """
    found: set[int] = set()
    for part in filter(None, (one.strip() for one in _LISTED.split(text.lower()))):
        days = _part(part)
        if days is None:
            return None
        found |= set(days)
    return tuple(sorted(found)) or None


def words(text: str) -> list[str]:
    """Return the single words of *text*, to say which of them is wrong."""
    return [one for one in re.split(r"[,+\s–-]+", text) if one]  # noqa: RUF001


def _part(text: str) -> tuple[int, ...] | None:
    if text in _GROUPS:
        return _GROUPS[text]
    first, dash, last = (one.strip() for one in re.sub("[–]", "-", text).partition("-"))  # noqa: RUF001
    if first not in _DAYS or (dash and last not in _DAYS):
        return None
    start, end = _DAYS[first], _DAYS[last] if dash else _DAYS[first]
    return tuple(sorted((start + n) % 7 for n in range((end - start) % 7 + 1)))
