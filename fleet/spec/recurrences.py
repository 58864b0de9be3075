"""Cron expressions and the rules of RFC 5545, with the hint for whoever gets them wrong.

What is accepted is what :mod:`fleet.core.crons` and :mod:`fleet.core.rruletext` read.

Errors:  those of :func:`fleet.spec.explanation.refusal`.
"""

from __future__ import annotations

import datetime as dt
import re

from fleet.core import crons, rruletext
from fleet.core.recurrences import MOST_COUNTED
from fleet.errors import InputError
from fleet.spec import flaws
from fleet.spec.explanation import refusal
from fleet.spec.flaws import quoted

_LONGEST = 500
_DIGITS = 9
_WORDS = (
    *("sun", "mon", "tue", "wed", "thu", "fri", "sat"),
    *("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"),
)
_PARTS = ("FREQ", "UNTIL", "COUNT", "INTERVAL", "BYSECOND", "BYMINUTE", "BYHOUR", "BYDAY",
          "BYMONTHDAY", "BYYEARDAY", "BYWEEKNO", "BYMONTH", "BYSETPOS", "WKST")  # fmt: skip
_ANY_DAY = dt.datetime(2000, 1, 1)  # noqa: DTZ001 - a local time


def cron(text: str) -> str:
    """Return the cron expression *text*, with single blanks."""
    tidy = " ".join(text.split())
    _require_short(tidy)
    try:
        crons.read(tidy)
    except InputError as error:
        message, hint = error.message, _inside(error.hint) or _cron_hint(tidy)
    else:
        return tidy
    raise refusal(message, hint)


def rrule(text: str) -> str:
    """Return the rule *text*, in capitals, without blanks, and without RRULE: before it."""
    tidy = re.sub(r"\s", "", text.upper()).removeprefix("RRULE:").strip(";")
    _require_short(tidy)
    _require_known(tidy)
    try:
        rruletext.read(tidy, _ANY_DAY)
    except InputError as error:
        message, hint = error.message, _inside(error.hint)
    else:
        return tidy
    raise refusal(message, hint or 'such as "FREQ=MONTHLY;BYDAY=2SU"')


def gives(rule: str, start: dt.datetime) -> bool:
    """Tell whether *rule* itself gives the local time that it starts at."""
    found = rruletext.read(rule, start)
    return any(True for _ in found.between(start, start + dt.timedelta(seconds=1)))


def _inside(hint: str | None) -> str:
    """Return a hint that was a sentence as a part of one."""
    return hint[:1].lower() + hint[1:].rstrip(".") if hint else ""


def _require_short(text: str) -> None:
    if len(text) > _LONGEST:
        raise refusal(f"more than {_LONGEST} characters")


def _cron_hint(text: str) -> str:
    words = re.findall(r"[a-z]{3,}", text.lower())
    wrong = next((word for word in words if word not in _WORDS), None)
    near = flaws.nearest(wrong, _WORDS) if wrong else None
    if near:
        return f"did you mean {quoted(near)}?"
    return "minute, hour, day of the month, month, day of the week: 0 2 * * sun"


def _require_known(text: str) -> None:
    for part in text.split(";"):
        key, equals, _ = part.partition("=")
        if equals and key not in _PARTS:
            hint = flaws.suggestion(key, _PARTS)
            raise refusal(f"{quoted(key)} is no part of a rule of RFC 5545", hint)
    count = re.search(r"(?:^|;)COUNT=([0-9]+)(?:;|$)", text)
    if count and (len(count[1]) > _DIGITS or int(count[1]) > MOST_COUNTED):
        message = f"{count[0].strip(';')} is more than anybody counts: at most {MOST_COUNTED:,}"
        raise refusal(message, "say UNTIL, or nothing")
