"""When a change may start: what calendars mean.

Spans are half-open, ``[start, end)``. A rule that denies wins; where any allows, one of them must;
several calendars must all be open, and none means always. Nothing here knows what time it is, and
zone data is handed in.

With a buffer, open means: open now, and still open that much later. So a window's last moment to
start something is the buffer before its end, and that moment itself is too late, as its end is
without a buffer.

For one question. Who asks many keeps :class:`fleet.core.hours.Hours`.

Units:   moments are aware and UTC.
Errors:  :exc:`~fleet.errors.InputError` for a rule that :func:`problems` tells of.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Iterator, Sequence

from fleet.core import timetables
from fleet.core.spans import Span
from fleet.core.timetables import Timetable
from fleet.model.calendars import Calendar, Rule

Zones = timetables.Zones
"""Zone data by name, from outside; an InputError for a name that is not known."""
NO_BUFFER = dt.timedelta(0)
_PIECE = dt.timedelta(days=32)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """Whether calendars are open."""

    is_open: bool
    changes_at: dt.datetime | None
    """The first later moment at which that is not so; ``None``: never, as far as is searched."""


def opening(
    calendars: Sequence[Calendar],
    now: dt.datetime,
    *,
    zones: Zones,
    buffer: dt.timedelta = NO_BUFFER,
) -> Opening:
    """Return whether *calendars* are all open, and when that changes."""
    tables = timetables.ordered(Timetable(one, zones) for one in calendars)
    limit = timetables.limit_of(tables, now)
    found = timetables.common(tables, now, limit, longer_than=buffer)
    return seen_from(now, found, limit=limit, buffer=buffer)


def seen_from(
    now: dt.datetime, found: Span | None, *, limit: dt.datetime, buffer: dt.timedelta
) -> Opening:
    """Return what the first span that is long enough means at a moment."""
    if found is None:
        return Opening(is_open=False, changes_at=None)
    if found.start > now:
        return Opening(is_open=False, changes_at=found.start)
    return Opening(is_open=True, changes_at=found.end - buffer if found.end < limit else None)


def next_open(
    calendars: Sequence[Calendar],
    after: dt.datetime,
    *,
    zones: Zones,
    buffer: dt.timedelta = NO_BUFFER,
) -> dt.datetime | None:
    """Return the first moment, *after* or later, at which all are open.

    ``None``: never before the horizon, which :mod:`fleet.core.timetables` has.
    """
    found = opening(calendars, after, zones=zones, buffer=buffer)
    return after if found.is_open else found.changes_at


def next_close(
    calendars: Sequence[Calendar], after: dt.datetime, *, zones: Zones
) -> dt.datetime | None:
    """Return when the window ends that is open, or else the one that opens next.

    ``None``: there is none, or it never ends, as far as is searched.
    """
    opens_at = next_open(calendars, after, zones=zones)
    return opens_at and opening(calendars, opens_at, zones=zones).changes_at


def spans(
    rule: Rule, zone: dt.tzinfo, *, after: dt.datetime, before: dt.datetime
) -> Iterator[Span]:
    """Yield the spans of one rule that lie between two moments at least in part.

    In order of their starts, each as the rule gives it: they may meet, and overlap.
    """
    from fleet.core import patterns  # noqa: PLC0415 - as in timetables

    pattern = patterns.read(rule, zone)
    begins = after
    while begins < before:
        piece = Span(begins, min(begins + _PIECE, before))
        for one in pattern.overlapping(piece):
            if begins == after or one.start >= begins:
                yield one
        begins = piece.end


def problems(calendar: Calendar, *, zones: Zones, at: dt.datetime) -> tuple[str, ...]:
    """Return what is wrong with *calendar*, for people; empty: from *at* on it can be used."""
    from fleet.core import misfits  # noqa: PLC0415 - plans are made with it, and nothing else

    return misfits.problems(calendar, zones=zones, at=at)
