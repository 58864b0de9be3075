"""What a plan file may say of when it is run again: cron, or the value of an RRULE.

Written down strictly, and no occurrence is computed here: what a rule means is
:mod:`fleet.core.windows`'s business.

Source:  https://pubs.opengroup.org/onlinepubs/9799919799/utilities/crontab.html, and of names of
         months and days, steps, and 7 for Sunday, cron of Vixie and ISC.
Source:  https://www.rfc-editor.org/rfc/rfc5545#section-3.3.10
"""

from __future__ import annotations

import calendar
import datetime as dt
import functools
import re
import zoneinfo
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any

from pydantic import AfterValidator, Field, PlainValidator, WithJsonSchema

from fleet.model.calendars import Rule
from fleet.model.desired import Missed, Overlap, ScheduleRule
from fleet.spec import flaws
from fleet.spec.amounts import shown
from fleet.spec.explanation import FileModel, refusal
from fleet.spec.flaws import Flaw, Path, quoted
from fleet.spec.values import Duration

_BY_VALUE = Field(strict=False)
_MOMENT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}")
_MOMENT_HINT = "write it as 2026-01-11T02:00, without an offset: the zone says which"

# --- zones and local moments ---------------------------------------------------------------


def _zone(value: Any) -> str:
    if not isinstance(value, str):
        raise refusal(f"expected a time zone, found {shown(value)}", "such as Europe/Berlin")
    if value in _zones():
        return value
    near = flaws.nearest(value, _zones())
    hint = f"did you mean {quoted(near)}?" if near else "an IANA name, such as Europe/Berlin or UTC"
    raise refusal(f"{quoted(value)} is not a time zone", hint)


@functools.cache
def _zones() -> frozenset[str]:
    return frozenset(zoneinfo.available_timezones())


def _local(value: Any) -> str:
    if not isinstance(value, str) or not _MOMENT.fullmatch(value):
        raise refusal(f"expected a local date and time, found {shown(value)}", _MOMENT_HINT)
    try:
        return dt.datetime.fromisoformat(value).isoformat(timespec="seconds")
    except ValueError:
        raise refusal(f"{quoted(value)} is not in the calendar", _MOMENT_HINT) from None


def _some(within: dt.timedelta) -> dt.timedelta:
    if not within:
        message = "within no time nothing can begin"
        raise refusal(message, "write how late it may be, such as 4h")
    return within


# --- cron ----------------------------------------------------------------------------------

_MONTHS = {name.upper(): n for n, name in enumerate(calendar.month_abbr) if n}
_WEEKDAYS = {name: n for n, name in enumerate(("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"))}
_CRON_FIELDS: Sequence[tuple[str, int, int, Mapping[str, int]]] = (
    ("minute", 0, 59, {}),
    ("hour", 0, 23, {}),
    ("day of the month", 1, 31, {}),
    ("month", 1, 12, _MONTHS),
    ("day of the week", 0, 7, _WEEKDAYS),
)
_CRON_ITEM = re.compile(r"(?:\*|([0-9A-Z]{1,4})(?:-([0-9A-Z]{1,4}))?)(?:/([0-9]{1,4}))?")
_CRON_HINT = 'five fields: minute, hour, day, month, weekday, such as "0 2 2 * *"'
_LONGEST = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)


def _cron(value: Any) -> str:
    if not isinstance(value, str):
        raise refusal(f"expected a cron expression, found {shown(value)}", _CRON_HINT)
    parts = value.upper().split()
    if len(parts) != len(_CRON_FIELDS):
        raise refusal(f"{quoted(value)} is not a cron expression", _CRON_HINT)
    days = [_cron_field(part, *field) for part, field in zip(parts, _CRON_FIELDS, strict=True)]
    fields, (_, _, month_days, months, _) = [one for one, _ in days], [one for _, one in days]
    is_by_weekday = not parts[4].startswith("*")
    if not is_by_weekday and not any(min(month_days) <= _LONGEST[one - 1] for one in months):
        raise refusal(f"{quoted(value)} never comes: no such month has that day")
    return " ".join(fields)


def _cron_field(
    text: str, what: str, least: int, most: int, names: Mapping[str, int]
) -> tuple[str, list[int]]:
    """Return a field in numbers only, and the values that it stands for."""
    items, values = list[str](), list[int]()
    for item in text.split(","):
        match = _CRON_ITEM.fullmatch(item)
        bounds = [_cron_number(one, names) for one in (match[1], match[2]) if one] if match else []
        step = int(match[3]) if match and match[3] else 1
        is_well = match and all(n is not None and least <= n <= most for n in bounds)
        first, last = bounds[0] if bounds else least, bounds[-1] if bounds else most
        # NB: "5/10" means different things to different crons, so it means nothing here.
        is_alone = len(bounds) == 1 and match is not None and match[3] is not None
        if not is_well or first is None or last is None or first > last or not step or is_alone:
            hint = f"it takes {least} to {most}, as *, 5, 1-5, 1,15, */2 or 0-30/10"
            raise refusal(f"{quoted(item)} cannot be the {what}", hint)
        values += range(first, last + 1, step)
        tail = f"/{step}" if match and match[3] else ""
        items.append(("-".join(str(n) for n in bounds) or "*") + tail)
    return ",".join(items), values


def _cron_number(text: str, names: Mapping[str, int]) -> int | None:
    return int(text) if text.isdigit() else names.get(text)


# --- recurrences ---------------------------------------------------------------------------

_DAY = r"(?:MO|TU|WE|TH|FR|SA|SU)"
_PARTS: Mapping[str, str] = {
    "FREQ": r"YEARLY|MONTHLY|WEEKLY|DAILY|HOURLY",
    "INTERVAL": r"[1-9][0-9]{0,3}",
    "COUNT": r"[1-9][0-9]{0,4}",
    "UNTIL": r"[0-9]{8}(?:T[0-9]{6}Z?)?",
    "BYMONTH": r"(?:[1-9]|1[0-2])",
    "BYMONTHDAY": r"-?(?:[1-9]|[12][0-9]|3[01])",
    "BYDAY": rf"(?:[+-]?[1-9][0-9]?)?{_DAY}",
    "BYSETPOS": r"-?[1-9][0-9]{0,2}",
    "BYHOUR": r"(?:1?[0-9]|2[0-3])",
    "BYMINUTE": r"[1-5]?[0-9]",
    "WKST": _DAY,
}
_LISTS = frozenset(name for name in _PARTS if name.startswith("BY"))
_RRULE_HINT = "the value of an RRULE, such as FREQ=MONTHLY;BYDAY=2SU"


def _rrule(value: Any) -> str:
    if not isinstance(value, str):
        raise refusal(f"expected a recurrence, found {shown(value)}", _RRULE_HINT)
    text = value.upper().removeprefix("RRULE:")
    seen: dict[str, str] = {}
    for part in text.split(";"):
        name, equals, given = part.partition("=")
        if name not in _PARTS or not equals:
            known = ", ".join(_PARTS)
            raise refusal(f"{quoted(part)} is no part of a recurrence", f"one of: {known}")
        if name in seen:
            raise refusal(f"{name} stands twice in {quoted(value)}", "keep one")
        entries = given.split(",") if name in _LISTS else [given]
        if not all(re.fullmatch(_PARTS[name], one) for one in entries):
            raise refusal(f"{quoted(given)} cannot be the {name} of a recurrence", _RRULE_HINT)
        seen[name] = given
    if "FREQ" not in seen:
        raise refusal(f"{quoted(value)} does not say how often", "add FREQ=MONTHLY, for one")
    if "COUNT" in seen and "UNTIL" in seen:
        message = "COUNT and UNTIL exclude each other"
        raise refusal(message, "remove one")
    return text


# --- the block -----------------------------------------------------------------------------

Zone = Annotated[
    str,
    PlainValidator(_zone),
    WithJsonSchema({"type": "string", "examples": ["Europe/Berlin", "UTC"]}),
]
LocalMoment = Annotated[
    str,
    PlainValidator(_local),
    WithJsonSchema({"type": "string", "pattern": f"^{_MOMENT.pattern}$"}),
]
Cron = Annotated[
    str, PlainValidator(_cron), WithJsonSchema({"type": "string", "examples": ["0 2 2 * *"]})
]
Recurrence = Annotated[
    str,
    PlainValidator(_rrule),
    WithJsonSchema({"type": "string", "examples": ["FREQ=MONTHLY;BYDAY=2SU"]}),
]


class ScheduleFile(FileModel):
    """When the file is run again and again, by fleet run --due: by cron, or by rrule and starts."""

    cron: Cron | None = None
    """Five fields: minute, hour, day of the month, month, day of the week."""
    rrule: Recurrence | None = None
    """The value of an RRULE of RFC 5545, counted from starts."""
    starts: LocalMoment | None = None
    """The first occurrence of rrule, in the zone's own time."""
    zone: Zone
    """Whose clocks are meant: an IANA name, such as Europe/Berlin."""
    within: Annotated[Duration, AfterValidator(_some)]
    """How late an occurrence may begin; after that it was missed."""
    missed: Annotated[Missed, _BY_VALUE] = Missed.SKIP
    """skip: what was missed is left out. latest: the last that was missed begins late."""
    overlap: Annotated[Overlap, _BY_VALUE] = Overlap.SKIP
    """While an earlier occurrence's run is under way: skip this one, or queue it until then."""


def check(path: Path, schedule: dict[str, Any]) -> Iterator[Flaw]:
    """Yield what is wrong between the keys of the schedule at *path*."""
    if "cron" in schedule and "rrule" in schedule:
        yield flaws.excluded(path, "rrule", by="cron")
    elif "cron" in schedule and "starts" in schedule:
        message, hint = "starts says nothing of cron", "remove it, or write an rrule"
        yield Flaw(path=(*path, "starts"), message=message, hint=hint, is_about_key=True)
    elif "rrule" in schedule and "starts" not in schedule:
        message = "this key is required beside rrule"
        yield Flaw(path=(*path, "starts"), message=message, hint=_MOMENT_HINT)
    elif "cron" not in schedule and "rrule" not in schedule:
        hint = 'add cron, such as "0 2 2 * *", or rrule and starts'
        yield Flaw(path=path, message="when is not said", hint=hint, is_absence=True)


def rule_of(file: ScheduleFile) -> ScheduleRule:
    """Return what a checked block means."""
    return ScheduleRule(
        zone=file.zone,
        rule=Rule(
            cron=file.cron or "",
            starts=file.starts or "",
            rrule=file.rrule or "",
            length=file.within,
        ),
        missed=file.missed,
        overlap=file.overlap,
    )
