"""Cron expressions and the rules of RFC 5545, as far as windows and schedules take them.

What is accepted here is what :mod:`fleet.core.windows` reads. Refused is what nobody means by a
window: one that starts more often than every quarter of an hour on average, or whose count
would have to be counted for long.

Errors:  those of :func:`fleet.spec.explanation.refusal`.
Source:  crontab(5); RFC 5545, 3.3.10.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from fleet.spec import flaws
from fleet.spec.explanation import refusal
from fleet.spec.flaws import quoted

MOST_A_DAY = 96
"""One every quarter of an hour."""
MOST_COUNTED = 10_000
"""Of COUNT: somebody has to count them, each time."""

_FIELDS: tuple[tuple[str, int, int], ...] = (
    ("minute", 0, 59),
    ("hour", 0, 23),
    ("day of the month", 1, 31),
    ("month", 1, 12),
    ("day of the week", 0, 7),
)
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_WEEKDAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_NAMED: Mapping[str, tuple[tuple[str, ...], int]] = {
    "month": (_MONTHS, 1),
    "day of the week": (_WEEKDAYS, 0),
}
_CRON_PART = re.compile(r"(\*|[0-9a-z]+)(?:-([0-9a-z]+))?(?:/([0-9]+))?", re.ASCII)
_LONGEST = 500
_FREQUENCIES = ("YEARLY", "MONTHLY", "WEEKLY", "DAILY", "HOURLY")
_TOO_OFTEN = ("MINUTELY", "SECONDLY")
_RANGES: Mapping[str, tuple[int, int]] = {
    "COUNT": (1, MOST_COUNTED),
    "INTERVAL": (1, 1_000),
    "BYSECOND": (0, 59),
    "BYMINUTE": (0, 59),
    "BYHOUR": (0, 23),
    "BYMONTHDAY": (-31, 31),
    "BYYEARDAY": (-366, 366),
    "BYWEEKNO": (-53, 53),
    "BYMONTH": (1, 12),
    "BYSETPOS": (-366, 366),
}
_ONE = ("COUNT", "INTERVAL")
_KEYS = ("FREQ", "UNTIL", *_RANGES, "BYDAY", "WKST")
_BYDAY = re.compile(r"([+-]?[0-9]{1,2})?(MO|TU|WE|TH|FR|SA|SU)")
_UNTIL = re.compile(r"[0-9]{8}(T[0-9]{6}Z?)?")
_FORBIDDEN: Mapping[str, tuple[str, ...]] = {
    "BYWEEKNO": ("YEARLY",),
    "BYYEARDAY": ("YEARLY", "HOURLY"),
    "BYMONTHDAY": ("YEARLY", "MONTHLY", "DAILY", "HOURLY"),
}
"""``{part: frequencies that it goes with}``."""


def cron(text: str) -> str:
    """Return the cron expression *text*, tidied: single blanks, names in small letters."""
    fields = text.lower().split()
    if text.strip().startswith("@"):
        message = f"{quoted(text)} is no cron expression"
        raise refusal(message, 'write its five fields, such as "0 2 * * sun"')
    if len(fields) != len(_FIELDS):
        message = f"a cron expression has five fields, and {quoted(text)} has {len(fields)}"
        raise refusal(message, "minute, hour, day of month, month, day of week")
    sizes = [
        len(_cron_values(field, name, low, high))
        for field, (name, low, high) in zip(fields, _FIELDS, strict=True)
    ]
    _require_rare(sizes[0] * sizes[1], text)
    return " ".join(fields)


def rrule(text: str) -> str:
    """Return the rule *text*, tidied: in capitals, without RRULE: before it."""
    tidy = re.sub(r"\s", "", text.upper()).removeprefix("RRULE:").strip(";")
    if len(tidy) > _LONGEST:
        raise refusal(f"a rule has at most {_LONGEST} characters")
    parts = _rrule_parts(tidy)
    frequency = parts.get("FREQ", "")
    if frequency in _TOO_OFTEN:
        message = f"FREQ={frequency} would start windows all day long"
        raise refusal(message, "the shortest is HOURLY")
    if frequency not in _FREQUENCIES:
        found = f"FREQ={frequency} is unknown" if frequency else "FREQ is not said"
        raise refusal(f"{found} in {quoted(text)}", f"one of: {', '.join(_FREQUENCIES)}")
    for key, value in parts.items():
        _require_part(key, value, frequency)
    if "UNTIL" in parts and "COUNT" in parts:
        message = "UNTIL and COUNT exclude each other"
        raise refusal(message, "remove one")
    if "BYSETPOS" in parts and not any(k.startswith("BY") and k != "BYSETPOS" for k in parts):
        message = "BYSETPOS says nothing alone"
        raise refusal(message, "add BYDAY or another")
    _require_rare(_a_day(parts, frequency), text)
    return tidy


def _require_rare(count: int, text: str) -> None:
    if count > MOST_A_DAY:
        message = f"{quoted(text)} starts {count} windows a day: at most {MOST_A_DAY} make sense"
        raise refusal(message, "let it start less often, and last longer")


# --- cron --------------------------------------------------------------------------------


def _cron_values(field: str, name: str, low: int, high: int) -> set[int]:
    found: set[int] = set()
    for part in field.split(","):
        match = _CRON_PART.fullmatch(part)
        if match is None:
            message = f"{quoted(part)} is no {name} of a cron expression"
            raise refusal(message, f"{low} to {high}, *, a-b, */n, or several with commas")
        first, last, step = match.groups()
        start = low if first == "*" else _cron_number(first, name, low, high)
        end = _cron_number(last, name, low, high) if last else start
        if first == "*" or (step and not last):
            end = high
        if (first == "*" and last) or end < start:
            message = f"{quoted(part)} is no {name} of a cron expression"
            raise refusal(message, "a range goes from the smaller to the larger")
        if step == "0" or (step and int(step) > high):
            raise refusal(f"{quoted(part)} has no step that fits", f"1 to {high}")
        found |= set(range(start, end + 1, int(step or 1)))
    return found


def _cron_number(text: str, name: str, low: int, high: int) -> int:
    words, base = _NAMED.get(name, ((), 0))
    if text in words:
        return words.index(text) + base
    if text.isdecimal() and low <= int(text[:9]) <= high:
        return int(text)
    near = flaws.nearest(text, words) if words else None
    hint = f"did you mean {quoted(near)}?" if near else f"{low} to {high}"
    raise refusal(f"{quoted(text)} is no {name}", hint)


# --- RFC 5545 ----------------------------------------------------------------------------


def _rrule_parts(text: str) -> dict[str, str]:
    parts: dict[str, str] = {}
    for part in text.split(";"):
        key, equals, value = part.partition("=")
        if not equals or not value:
            message = f"{quoted(part)} is no part of a rule of RFC 5545"
            raise refusal(message, 'such as "FREQ=MONTHLY;BYDAY=2SU"')
        if key not in _KEYS:
            hint = flaws.suggestion(key, _KEYS)
            raise refusal(f"{quoted(key)} is no part of a rule of RFC 5545", hint)
        if key in parts:
            raise refusal(f"{key} stands there twice", "keep one")
        parts[key] = value
    return parts


def _require_part(key: str, value: str, frequency: str) -> None:
    allowed = _FORBIDDEN.get(key, _FREQUENCIES)
    if frequency not in allowed:
        raise refusal(
            f"{key} does not go with FREQ={frequency}", f"it goes with {', '.join(allowed)}"
        )
    if key in _RANGES:
        _require_numbers(key, value)
    if key == "WKST" and not re.fullmatch("MO|TU|WE|TH|FR|SA|SU", value):
        raise refusal(f"{quoted(value)} is no day of the week", "MO, TU, WE, TH, FR, SA or SU")
    if key == "UNTIL" and not _UNTIL.fullmatch(value):
        raise refusal(f"UNTIL={value[:40]} is no date", "such as 20261231T235959Z")
    if key == "BYDAY":
        _require_days(value, frequency)


def _require_numbers(key: str, value: str) -> None:
    low, high = _RANGES[key]
    for one in value.split(","):
        is_number = re.fullmatch(r"[+-]?[0-9]{1,9}", one) is not None
        if not is_number or not low <= int(one) <= high or (low < 0 and int(one) == 0):
            hint = f"{low} to {high}" + (", and not 0" if low < 0 else "")
            raise refusal(f"{key}={one[:40]} is not possible", hint)
        if key in _ONE and "," in value:
            raise refusal(f"{key} takes one number")


def _require_days(value: str, frequency: str) -> None:
    for one in value.split(","):
        match = _BYDAY.fullmatch(one)
        if match is None or (match[1] and not 1 <= abs(int(match[1])) <= 53):  # noqa: PLR2004 - weeks
            hint = "MO, TU, WE, TH, FR, SA or SU; with a number before it the nth: 2SU, -1FR"
            raise refusal(f"{quoted(one)} is no day of a rule", hint)
        if match[1] and frequency not in ("MONTHLY", "YEARLY"):
            hint = "it goes with MONTHLY and YEARLY"
            raise refusal(f"{one}: a number before a day does not go with {frequency}", hint)


def _a_day(parts: Mapping[str, str], frequency: str) -> int:
    hours = 24 if frequency == "HOURLY" else 1
    found = len(parts["BYHOUR"].split(",")) if "BYHOUR" in parts else hours
    for key in ("BYMINUTE", "BYSECOND"):
        found *= len(parts[key].split(",")) if key in parts else 1
    return found
