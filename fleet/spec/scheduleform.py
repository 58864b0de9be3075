"""What a plan file may say of when it is run again: cron, or the value of an RRULE.

What is accepted is what :mod:`fleet.core.crons` and :mod:`fleet.core.rruletext` read; no occurrence
is computed here.
"""

from __future__ import annotations

import datetime as dt
import functools
import re
from collections.abc import Iterator
from importlib import resources
from typing import Annotated, Any

from pydantic import AfterValidator, Field, PlainValidator, WithJsonSchema

from fleet.core import crons, rruletext
from fleet.errors import InputError
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
    # NB: the package's alone, as when a schedule is looked at: a machine may know others.
    listed = resources.files("tzdata").joinpath("zones").read_text("utf-8")
    return frozenset(listed.split())


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


# --- occurrences ---------------------------------------------------------------------------

_ANY_DAY = dt.datetime(2000, 1, 1)  # noqa: DTZ001 - a local time
_CRON_HINT = 'five fields: minute, hour, day, month, weekday, such as "0 2 2 * *"'
_RRULE_HINT = "the value of an RRULE, such as FREQ=MONTHLY;BYDAY=2SU"


def _cron(value: Any) -> str:
    if not isinstance(value, str):
        raise refusal(f"expected a cron expression, found {shown(value)}", _CRON_HINT)
    text = " ".join(value.split())
    try:
        crons.read(text)
    except InputError as error:
        message = error.message
    else:
        return text
    raise refusal(_short(message), _CRON_HINT)


def _rrule(value: Any) -> str:
    if not isinstance(value, str):
        raise refusal(f"expected a recurrence, found {shown(value)}", _RRULE_HINT)
    text = "".join(value.upper().split()).removeprefix("RRULE:")
    try:
        rruletext.read(text, _ANY_DAY)
    except InputError as error:
        message = error.message
    else:
        return text
    raise refusal(_short(message), _RRULE_HINT)


def _short(message: str) -> str:
    """Return what may have a whole file's text in it, cut."""
    return message if len(message) <= _LONGEST else f"{message[:_LONGEST]}..."


_LONGEST = 300


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
