"""The text of a recurrence rule, such as ``FREQ=MONTHLY;BYDAY=2SU``, read strictly.

What the RFC forbids is refused, and so is what it allows and nobody means: a start each minute.

Errors:  :exc:`~fleet.errors.InputError`, naming the part.
Source:  https://www.rfc-editor.org/rfc/rfc5545#section-3.3.10
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Mapping
from typing import Any

from fleet.core.recurrences import MOST_A_DAY, MOST_COUNTED, Frequency, Parts, Recurrence
from fleet.core.wallclock import UTC
from fleet.errors import InputError

_WEEK_DAYS = {name: at for at, name in enumerate(("MO", "TU", "WE", "TH", "FR", "SA", "SU"))}
_WEEK_DAY = re.compile(r"([+-]?\d{1,2})?(MO|TU|WE|TH|FR|SA|SU)", re.ASCII)
_MOMENT = re.compile(r"(\d{4})(\d\d)(\d\d)(?:T(\d\d)(\d\d)(\d\d)(Z?))?", re.ASCII)
_NUMBER = re.compile(r"[+-]?\d{1,5}", re.ASCII)
_MOST_INTERVAL = 10_000
_TOO_OFTEN = ("MINUTELY", "SECONDLY")


def read(text: str, start: dt.datetime) -> Recurrence:
    """Return what a rule means that starts at *start*, a local time.

    Raises:
        InputError: It is no rule, or it gives too much.
    """
    try:
        found = Recurrence(parts(text), start)
    except InputError as error:
        message = f"{text!r} is no recurrence rule: {error.message}"
        raise InputError(message, hint=error.hint) from None
    if found.count_a_day > MOST_A_DAY:
        message = f"{text!r} starts {found.count_a_day} times a day; at most {MOST_A_DAY} are read"
        raise InputError(message, hint="Say how long one window is, and start it once.")
    return found


def parts(text: str) -> Parts:
    """Return the parts of a rule.

    Raises:
        InputError: There is something that the RFC does not know, or does not allow.
    """
    said: dict[str, str] = {}
    for pair in text.upper().split(";"):
        name, equals, value = pair.partition("=")
        if not equals or not value or name in said:
            raise _refused(pair, "is no part of its own, as in FREQ=DAILY")
        if name not in _READERS:
            raise _refused(pair, "is not known")
        said[name] = value
    if "FREQ" not in said:
        message = "it does not say FREQ"
        raise InputError(message)
    found = Parts(**{_READERS[name][0]: _READERS[name][1](one) for name, one in said.items()})
    _must_fit(said, found)
    return found


def _must_fit(said: Mapping[str, str], found: Parts) -> None:
    """Refuse parts that do not go together."""
    for name, allowed in _ONLY_WITH.items():
        if name in said and found.frequency not in allowed:
            raise _refused(name, f"does not go with FREQ={said['FREQ']}")
    counts_in = found.frequency <= Frequency.MONTHLY and not found.weeks
    if any(number for _, number in found.week_days) and not counts_in:
        raise _refused(f"BYDAY={said['BYDAY']}", "has a number that counts in nothing")
    if found.count is not None and found.until is not None:
        message = "COUNT and UNTIL exclude each other"
        raise InputError(message)
    if found.places and not any(name.startswith("BY") for name in said if name != "BYSETPOS"):
        message = "BYSETPOS needs another part that begins with BY"
        raise InputError(message)


def _frequency(text: str) -> Frequency:
    if text in _TOO_OFTEN:
        raise _refused(f"FREQ={text}", "starts too often to be a window")
    try:
        return Frequency[text]
    except KeyError:
        raise _refused(f"FREQ={text}", "is not known") from None


def _numbers(low: int, high: int, *, is_signed: bool = False) -> Callable[[str], tuple[int, ...]]:
    """Return a reader of a list of numbers; signed ones have no zero."""

    def read_them(text: str) -> tuple[int, ...]:
        found = tuple(sorted({_number(one) for one in text.split(",")}))
        for one in found:
            if not (low <= abs(one) <= high and (one >= 0 or is_signed)):
                raise _refused(str(one), f"is not from {low} to {high}")
        return found

    return read_them


def _number(text: str) -> int:
    if _NUMBER.fullmatch(text) is None:
        raise _refused(text, "is no number")
    return int(text)


def _one(low: int, high: int) -> Callable[[str], int]:
    def read_it(text: str) -> int:
        if not low <= (found := _number(text)) <= high:
            raise _refused(text, f"is not from {low:,} to {high:,}")
        return found

    return read_it


def _week_days(text: str) -> tuple[tuple[int, int], ...]:
    found = []
    for one in text.split(","):
        match = _WEEK_DAY.fullmatch(one)
        if match is None or (match[1] and not 1 <= abs(int(match[1])) <= 53):  # noqa: PLR2004
            raise _refused(one, "is no day of the week, as in MO or 2SU")
        found.append((_WEEK_DAYS[match[2]], int(match[1] or 0)))
    return tuple(found)


def _week_start(text: str) -> int:
    if text not in _WEEK_DAYS:
        raise _refused(text, "is no day of the week, as in MO")
    return _WEEK_DAYS[text]


def _until(text: str) -> dt.datetime:
    """Return the last moment; all of the day where only a day is named."""
    found = _MOMENT.fullmatch(text)
    if found is None:
        raise _refused(f"UNTIL={text}", "is no moment, as in 20261231T230000Z")
    year, month, day, hour, minute, second = (int(one or 0) for one in found.groups()[:6])
    try:
        moment = dt.datetime(year, month, day, hour, minute, second)  # noqa: DTZ001 - maybe local
    except ValueError:
        raise _refused(f"UNTIL={text}", "does not exist") from None
    if found[4] is None:
        return moment.replace(hour=23, minute=59, second=59)
    return moment.replace(tzinfo=UTC) if found[7] else moment


def _refused(part: str, why: str) -> InputError:
    return InputError(f"{part} {why}")


_READERS: Mapping[str, tuple[str, Callable[[str], Any]]] = {
    "FREQ": ("frequency", _frequency),
    "INTERVAL": ("interval", _one(1, _MOST_INTERVAL)),
    "COUNT": ("count", _one(1, MOST_COUNTED)),
    "UNTIL": ("until", _until),
    "WKST": ("week_start", _week_start),
    "BYMONTH": ("months", _numbers(1, 12)),
    "BYWEEKNO": ("weeks", _numbers(1, 53, is_signed=True)),
    "BYYEARDAY": ("year_days", _numbers(1, 366, is_signed=True)),
    "BYMONTHDAY": ("month_days", _numbers(1, 31, is_signed=True)),
    "BYDAY": ("week_days", _week_days),
    "BYHOUR": ("hours", _numbers(0, 23)),
    "BYMINUTE": ("minutes", _numbers(0, 59)),
    "BYSECOND": ("seconds", _numbers(0, 59)),
    "BYSETPOS": ("places", _numbers(1, 366, is_signed=True)),
}
_ONLY_WITH: Mapping[str, tuple[Frequency, ...]] = {
    "BYWEEKNO": (Frequency.YEARLY,),
    "BYYEARDAY": (Frequency.YEARLY, Frequency.HOURLY),
    "BYMONTHDAY": (Frequency.YEARLY, Frequency.MONTHLY, Frequency.DAILY, Frequency.HOURLY),
}
