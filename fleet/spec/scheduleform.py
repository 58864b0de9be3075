"""What a plan file may say of when it is run again: cron, or the value of an RRULE.

What these may be is said in :mod:`fleet.spec.calendarform`; no occurrence is computed here.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import Annotated, Any

from pydantic import AfterValidator, Field

from fleet.model.calendars import Rule
from fleet.model.desired import Missed, Overlap, ScheduleRule
from fleet.spec import flaws
from fleet.spec.calendarform import Cron, Recurrence
from fleet.spec.explanation import FileModel, refusal
from fleet.spec.flaws import Flaw, Path
from fleet.spec.moments import LocalTime, Zone
from fleet.spec.values import Duration

_BY_VALUE = Field(strict=False)


def _some(within: dt.timedelta) -> dt.timedelta:
    if not within:
        message = "within no time nothing can begin"
        raise refusal(message, "write how late it may be, such as 4h")
    return within


class ScheduleFile(FileModel):
    """When the file is run again and again, by fleet run --due: by cron, or by rrule and starts."""

    cron: Cron | None = None
    """Five fields: minute, hour, day of the month, month, day of the week."""
    rrule: Recurrence | None = None
    """The value of an RRULE of RFC 5545, counted from starts."""
    starts: LocalTime | None = None
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
        yield Flaw(
            path=(*path, "starts"),
            message=message,
            hint="write the first, such as 2026-01-11T02:00",
        )
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
