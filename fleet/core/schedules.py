"""Which occurrence of a plan file's schedule is due: arithmetic over what was begun already.

An occurrence is known by the run that it became, and the run by its name: so whoever looks,
however often and on however many machines, finds that it was begun. Only the latest start up to now
is ever looked at. What a rule's starts are is :mod:`fleet.core.windows`'s business.

* Begun at most once, and never an earlier one than the latest that was begun.
* Within its time, it is due. After that it was *missed*: left out, or, with ``missed: latest``,
  begun late; where no occurrence of the file was ever begun, a missed one is always left out.
* While an earlier one's run is under way, none is due. One that came meanwhile is left out, or,
  with ``overlap: queue``, due when that run has ended: its time is counted from then.

Units:   moments are aware and in UTC; an occurrence is named by the minute that it begins.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import enum
import re
from collections.abc import Iterable, Sequence

from fleet.core import timetables, windows
from fleet.core.windows import Zones
from fleet.model.desired import Missed, Overlap, ScheduleRule
from fleet.model.plan import RunId

_RUN_ID = re.compile(r"(?P<stem>.+)-(?P<at>[0-9]{8}T[0-9]{4}Z)", re.ASCII)
_STAMP = "%Y%m%dT%H%MZ"
_LONGEST_STEM = 80
"""With the moment behind it, an id of this length is still one."""


_BACK = (
    dt.timedelta(days=2),
    dt.timedelta(days=64),
    dt.timedelta(days=500),
    timetables.FAR_HORIZON,
)
"""How far back a start is looked for: a little, and further where none was found."""
_A_MOMENT = dt.timedelta(microseconds=1)


class Standing(enum.StrEnum):
    """What is to be said of the latest occurrence of a schedule."""

    DUE = "due"
    NONE_YET = "noneYet"
    """The schedule has not come to its first occurrence."""
    BEGUN = "begun"
    MISSED = "missed"
    OVERLAPPED = "overlapped"
    """It is left out: an earlier one's run was under way when it came."""
    QUEUED = "queued"
    """It is begun when an earlier one's run has ended."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Begun:
    """An occurrence that became a run."""

    at: dt.datetime
    """When the occurrence was, not when its run began."""
    ended_at: dt.datetime | None
    """``None``: its run is under way."""


def standing(
    schedule: ScheduleRule,
    *,
    latest: dt.datetime | None,
    begun: Sequence[Begun],
    now: dt.datetime,
) -> Standing:
    """Say how the latest occurrence stands.

    Args:
        schedule: Of the plan file.
        latest: The last start that is not after *now*; ``None``: there was none.
        begun: Every occurrence of the file that became a run.
        now: The moment.
    """
    if latest is None:
        return Standing.NONE_YET
    if any(one.at >= minute(latest) for one in begun):
        return Standing.BEGUN
    # NB: for as long as a run lasts, it lasts past every start that has come.
    is_queued = any(one.ended_at is None for one in begun)
    ends = [one.ended_at for one in begun if one.ended_at is not None and one.ended_at > latest]
    if (is_queued or ends) and schedule.overlap is Overlap.SKIP:
        return Standing.OVERLAPPED
    if is_queued:
        return Standing.QUEUED
    return _in_time(schedule, ready_at=max([latest, *ends]), is_first=not begun, now=now)


def _in_time(
    schedule: ScheduleRule, *, ready_at: dt.datetime, is_first: bool, now: dt.datetime
) -> Standing:
    is_late = now >= ready_at + (schedule.rule.length or dt.timedelta(0))
    if is_late and (is_first or schedule.missed is Missed.SKIP):
        return Standing.MISSED
    return Standing.DUE


# --- starts --------------------------------------------------------------------------------


def latest(schedule: ScheduleRule, now: dt.datetime, *, zones: Zones) -> dt.datetime | None:
    """Return the last start that is not after *now*; ``None``: there was none in nine years."""
    zone = zones(schedule.zone)
    for back in _BACK:
        found = windows.spans(schedule.rule, zone, after=now - back, before=now + _A_MOMENT)
        if starts := [one.start for one in found if one.start <= now]:
            return max(starts)
    return None


def upcoming(schedule: ScheduleRule, now: dt.datetime, *, zones: Zones) -> dt.datetime | None:
    """Return the first start after *now*; ``None``: there is none in nine years."""
    zone, until = zones(schedule.zone), now + timetables.FAR_HORIZON
    found = windows.spans(schedule.rule, zone, after=now, before=until)
    return next((one.start for one in found if one.start > now), None)


# --- names ---------------------------------------------------------------------------------


def run_id_of(stem: str, at: dt.datetime) -> RunId:
    """Return what the run of an occurrence is called.

    >>> run_id_of("osm monthly", dt.datetime(2026, 12, 2, 2, tzinfo=dt.UTC))
    'osm-monthly-20261202T0200Z'
    """
    return RunId(f"{name_of(stem)}-{at.astimezone(dt.UTC):{_STAMP}}")


def at_of(stem: str, run_id: str) -> dt.datetime | None:
    """Return which occurrence of a file a run is; ``None`` for one that is none of it."""
    match = _RUN_ID.fullmatch(run_id)
    if match is None or match["stem"] != name_of(stem):
        return None
    try:
        return dt.datetime.strptime(match["at"], _STAMP).replace(tzinfo=dt.UTC)
    except ValueError:  # somebody named a run so, on the 31st of February
        return None


def runs_of(stem: str, run_ids: Iterable[str]) -> dict[str, dt.datetime]:
    """Return which of *run_ids* are occurrences of a file, and which."""
    found = ((run_id, at_of(stem, run_id)) for run_id in run_ids)
    return {run_id: at for run_id, at in found if at is not None}


def name_of(stem: str) -> str:
    """Return a file's name, without its ending, as it stands in a run's id."""
    plain = "".join(c if c.isascii() and (c.isalnum() or c in ".-_") else "-" for c in stem)
    return plain.lstrip(".")[:_LONGEST_STEM] or "-"


def minute(moment: dt.datetime) -> dt.datetime:
    """Return the minute that *moment* lies in."""
    return moment.replace(second=0, microsecond=0)
