"""Times as people write them: local ones and absolute ones, times of day, days of the week, zones.

A local time has no offset: it is in the zone of the calendar that it stands in. An absolute
one has an offset, or a Z.

Errors:  those of :func:`fleet.spec.explanation.refusal`.
Source:  ISO 8601, as RFC 3339 and RFC 9557 narrow it; names of zones as IANA has them.
"""

from __future__ import annotations

import calendar
import datetime as dt
import re
from typing import Annotated, Any

from pydantic import PlainValidator, WithJsonSchema

from fleet import zones
from fleet.core import weekdays
from fleet.spec import flaws
from fleet.spec.amounts import shown
from fleet.spec.explanation import refusal
from fleet.spec.flaws import quoted

MIDNIGHT = "24:00"

_TIME = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])")
_MOMENT = re.compile(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})(?:[T ]([0-9]{2}):([0-9]{2})(?::([0-9]{2}))?)?"
    r"(Z|[+-][0-9]{2}:?[0-9]{2})?",
    re.ASCII,
)
_LOCAL_SCHEMA = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}(:[0-9]{2})?$"
_MOMENT_SCHEMA = _LOCAL_SCHEMA[:-1] + r"(Z|[+-][0-9]{2}:?[0-9]{2})$"
_TIME_SCHEMA = r"^([01][0-9]|2[0-3]):[0-5][0-9]$|^24:00$"
_EARLIEST, _LATEST = 2000, 2200
_MAX_OFFSET = dt.timedelta(hours=18)


def gap_at(local: dt.datetime, zone: dt.tzinfo) -> tuple[dt.datetime, dt.datetime] | None:
    """Return what clocks show before and after the gap that *local* falls into, if it does.

    >>> import zoneinfo
    >>> gap_at(dt.datetime(2026, 3, 29, 2, 30), zoneinfo.ZoneInfo("Europe/Berlin"))
    (datetime.datetime(2026, 3, 29, 2, 0), datetime.datetime(2026, 3, 29, 3, 0))
    """
    before, after = (local.replace(tzinfo=zone, fold=fold).utcoffset() for fold in (0, 1))
    if before is None or after is None or before >= after:
        return None
    # Two instants that clocks would show as it: one before they are changed, one after.
    low, high = (local - offset for offset in (after, before))
    while high - low > dt.timedelta(seconds=1):
        middle = low + (high - low) / 2
        middle = middle.replace(microsecond=0)
        is_before = middle.replace(tzinfo=dt.UTC).astimezone(zone).utcoffset() == before
        low, high = (middle, high) if is_before else (low, middle)
    return high + before, high + after


def _zone(value: Any) -> str:
    if not isinstance(value, str):
        raise refusal(f"expected a time zone, found {shown(value)}", "such as Europe/Berlin")
    if zones.found(value) is None:
        near = flaws.nearest(value, sorted(zones.names()))
        hint = f"did you mean {quoted(near)}?" if near else "an IANA name, such as Europe/Berlin"
        raise refusal(f"unknown time zone {quoted(value)}", hint)
    return value


def _time(value: Any) -> str:
    if isinstance(value, str) and (_TIME.fullmatch(value) or value == MIDNIGHT):
        return value
    raise refusal(f"expected a time of day, found {shown(value)}", 'write it as "22:00"')


def _local(value: Any) -> str:
    text = _read(value, example="2026-12-19T00:00")
    if _MOMENT.fullmatch(value)[7]:  # type: ignore[index]
        hint = "leave it out: a calendar's times are in its zone"
        raise refusal(f"{quoted(value)} has an offset", hint)
    return text.isoformat()


def _edge(value: Any) -> str:
    """Read a time of day or a local time: which of them belongs there, other keys tell."""
    if isinstance(value, str) and (_TIME.fullmatch(value) or value == MIDNIGHT):
        return value
    if isinstance(value, str) and re.match(r"[0-9]{4}-", value):
        return _local(value)
    message = f"expected a time of day or a date with a time, found {shown(value)}"
    raise refusal(message, 'write it as "22:00", or as 2026-12-19T00:00')


def _moment(value: Any) -> dt.datetime:
    local = _read(value, example="2026-12-01T02:00:00+01:00")
    offset = _MOMENT.fullmatch(value)[7]  # type: ignore[index]
    if not offset:
        hint = f"add it, such as {quoted(value + '+01:00')}, or Z for UTC"
        raise refusal(f"{quoted(value)} has no offset: it could be any of 24 hours", hint)
    return (local - _offset(offset)).replace(tzinfo=dt.UTC)


def _offset(text: str) -> dt.timedelta:
    if text == "Z":
        return dt.timedelta(0)
    hours, minutes = int(text[1:3]), int(text[-2:])
    found = dt.timedelta(hours=hours, minutes=minutes)
    if minutes > 59 or found > _MAX_OFFSET:  # noqa: PLR2004 - of an hour
        raise refusal(f"{quoted(text)} is no offset", "such as +01:00, or Z for UTC")
    return -found if text[0] == "-" else found


def _read(value: Any, *, example: str) -> dt.datetime:
    """Return the local time that *value* says, whatever offset follows it."""
    found = _MOMENT.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        message = f"expected a date with a time, found {shown(value)}"
        raise refusal(message, f"write it as {example}")
    year, month, day, hour, minute, second = (int(one or 0) for one in found.groups()[:6])
    if found[4] is None:
        raise refusal(f"{quoted(value)} has no time", f"write it as {example}")
    if not _EARLIEST <= year <= _LATEST:
        raise refusal(f"{quoted(value)} is not between {_EARLIEST} and {_LATEST}")
    try:
        return dt.datetime(year, month, day, hour, minute, second)  # noqa: DTZ001 - a local time
    except ValueError:
        raise refusal(f"{quoted(value)} does not exist", _why_not(year, month, day)) from None


def _why_not(year: int, month: int, day: int) -> str | None:
    if not 1 <= month <= 12:  # noqa: PLR2004 - months
        return "a year has 12 months"
    length = calendar.monthrange(year, month)[1]
    if not 1 <= day <= length:
        return f"{calendar.month_name[month]} {year} has {length} days"
    return "a day has 24 hours of 60 minutes"


def _days(value: Any) -> tuple[int, ...]:
    parts = value if isinstance(value, list) else [value]
    found: set[int] = set()
    for part in parts:
        if not isinstance(part, str):
            message = f"expected a day of the week, found {shown(part)}"
            raise refusal(message, "such as mon, Monday, mon-fri, weekdays or weekend")
        found |= set(_some_days(part))
    if not found:
        message = "may not be empty"
        raise refusal(message)
    return tuple(sorted(found))


def _some_days(text: str) -> tuple[int, ...]:
    days = weekdays.read(text)
    if days is None:
        word = next((one for one in weekdays.words(text) if weekdays.read(one) is None), text)
        near = flaws.nearest(word, weekdays.NAMES)
        hint = f"did you mean {quoted(near)}?" if near else "such as mon, mon-fri or weekend"
        raise refusal(f"{quoted(word)} is no day of the week", hint)
    return days


Zone = Annotated[
    str,
    PlainValidator(_zone),
    WithJsonSchema({"type": "string", "minLength": 1, "examples": ["Europe/Berlin", "UTC"]}),
]
"""A time zone, by its IANA name."""
TimeOfDay = Annotated[
    str, PlainValidator(_time), WithJsonSchema({"type": "string", "pattern": _TIME_SCHEMA})
]
LocalTime = Annotated[
    str, PlainValidator(_local), WithJsonSchema({"type": "string", "pattern": _LOCAL_SCHEMA})
]
"""ISO 8601 without an offset, in seconds."""
Edge = Annotated[
    str,
    PlainValidator(_edge),
    WithJsonSchema({"type": "string", "pattern": f"{_TIME_SCHEMA}|{_LOCAL_SCHEMA}"}),
]
Moment = Annotated[
    dt.datetime,
    PlainValidator(_moment),
    WithJsonSchema(
        {"type": "string", "pattern": _MOMENT_SCHEMA, "examples": ["2026-12-01T02:00:00+01:00"]}
    ),
]
"""Aware, in UTC."""
Days = Annotated[
    tuple[int, ...],
    PlainValidator(_days),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string", "minLength": 1},
                {"type": "array", "items": {"type": "string", "minLength": 1}, "minItems": 1},
            ],
            "examples": [["mon", "fri"], "mon-fri", "weekend"],
        }
    ),
]
"""0 is Monday; sorted."""
