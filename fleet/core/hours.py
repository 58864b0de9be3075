"""A plan's calendars, for the decisions of a run: asked about often, worked out seldom.

What was found for some calendars together holds until one of their spans ends; so does it for every
buffer, which changes with each duration that is measured. Moments may come in any order, though
going back costs the work again.

Units:   moments are aware and UTC.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

from fleet.core import timetables
from fleet.core.spans import Span
from fleet.core.timetables import Table, Timetable, Zones
from fleet.core.windows import NO_BUFFER, Opening, seen_from
from fleet.model.calendars import Calendar


class Hours:
    """When changes may start, by which calendars bind them."""

    __slots__ = ("_applied", "_found", "_next", "_plain", "_tables", "overridden")

    def __init__(self, calendars: Sequence[Calendar], zones: Zones) -> None:
        """Read every calendar.

        Raises:
            InputError: One cannot be read, or its zone is not known.
        """
        self.overridden: dict[int, dt.datetime | None] = {}
        """Calendars that count as open: until a moment, or for good."""
        self._plain = [Timetable(one, zones) for one in calendars]
        self._tables: list[Table] = list(self._plain)
        self._applied: dict[int, dt.datetime | None] = {}
        self._found: dict[tuple[int, ...], _Found] = {}
        self._next: tuple[dt.datetime, dt.timedelta, dt.datetime | None] | None = None

    def opening(
        self, indices: tuple[int, ...], now: dt.datetime, *, buffer: dt.timedelta = NO_BUFFER
    ) -> Opening:
        """Return whether the calendars at *indices* are all open, and when that changes."""
        if self.overridden != self._applied:
            self._apply()
        found = self._found.get(indices)
        if found is None or not found.since <= now < found.until:
            tables = [self._tables[index] for index in indices]
            found = self._found[indices] = _Found(tables, now)
        return found.opening(now, buffer)

    def next_change(
        self, now: dt.datetime, *, buffer: dt.timedelta = NO_BUFFER
    ) -> dt.datetime | None:
        """Return a moment before which no opening changes, whichever calendars are asked about.

        Nothing may change then either. ``None``: nothing ever does, as far as is searched.
        """
        if self.overridden != self._applied:
            self._apply()
        if self._next is None or not self._holds(self._next, now, buffer):
            limit = timetables.limit_of(self._plain, now)
            changes = [at for one in self._tables for at in _changes(one, now, limit, buffer)]
            self._next = (now, buffer, min(changes, default=None))
        return self._next[2]

    @staticmethod
    def _holds(
        kept: tuple[dt.datetime, dt.timedelta, dt.datetime | None],
        now: dt.datetime,
        buffer: dt.timedelta,
    ) -> bool:
        since, its_buffer, at = kept
        until = timetables.review_at(since)
        return buffer == its_buffer and since <= now < min(at or until, until)

    def _apply(self) -> None:
        """Forget what was found without the overrides that there are now, or with others."""
        self._applied = dict(self.overridden)
        self._tables = [
            Overridden(one, self._applied[index]) if index in self._applied else one
            for index, one in enumerate(self._plain)
        ]
        self._found.clear()
        self._next = None


class Overridden:
    """A calendar that counts as open."""

    __slots__ = ("_table", "_until")

    def __init__(self, table: Timetable, until: dt.datetime | None) -> None:
        self._table = table
        self._until = until

    @property
    def is_sparse(self) -> bool:
        """Whether years may lie between two of its spans."""
        return self._table.is_sparse

    @property
    def is_mostly_open(self) -> bool:
        """Whether it says when it is closed, and not when it is open."""
        return self._until is None or self._table.is_mostly_open

    def span(self, after: dt.datetime, limit: dt.datetime, enough: dt.datetime) -> Span | None:
        """Return the first open span that ends later than *after*, as far as *enough*."""
        if self._until is None:
            return Span(after, limit)
        if self._until <= after:
            return self._table.span(after, limit, enough)
        found = self._table.span(self._until, limit, enough)
        is_open_then = found is not None and found.start <= self._until
        return Span(after, found.end if found and is_open_then else self._until)


class _Found:
    """The spans, from a moment on, in which some calendars are all open: so far as was asked."""

    __slots__ = ("_answer", "_limit", "_spans", "_tables", "since", "until")

    def __init__(self, tables: Sequence[Table], since: dt.datetime) -> None:
        self.since, self.until = since, timetables.review_at(since)
        """Between which moments it may be asked."""
        self._tables = timetables.ordered(tables)
        self._limit = timetables.limit_of(tables, since)
        self._spans: list[Span] = []
        self._answer: tuple[dt.datetime, dt.timedelta, Opening] | None = None

    def opening(self, now: dt.datetime, buffer: dt.timedelta) -> Opening:
        """Return how it is at *now*."""
        if self._answer is not None:
            asked_at, its_buffer, answer = self._answer
            if its_buffer == buffer and asked_at <= now < (answer.changes_at or self.until):
                return answer
        self._leave_behind(now)
        found = self._long_enough(now, buffer)
        answer = seen_from(now, found, limit=self._limit, buffer=buffer)
        self._answer = (now, buffer, answer)
        return answer

    def _leave_behind(self, now: dt.datetime) -> None:
        """Forget what is over: who goes back in time begins anew."""
        while self._spans and self._spans[0].end <= now:
            self._spans.pop(0)
            self.since = now

    def _long_enough(self, now: dt.datetime, buffer: dt.timedelta) -> Span | None:
        """Return the first span that has more than *buffer* left."""
        at = 0
        while (span := self._at(at)) is not None:
            if span.end - max(span.start, now) > buffer:
                return span
            at += 1
        return None

    def _at(self, at: int) -> Span | None:
        if at == len(self._spans):
            after = self._spans[-1].end if self._spans else self.since
            found = timetables.common(self._tables, after, self._limit)
            if found is None:
                return None
            self._spans.append(found)
        return self._spans[at]


def _changes(
    table: Table, now: dt.datetime, limit: dt.datetime, buffer: dt.timedelta
) -> list[dt.datetime]:
    found = table.span(now, limit, limit)
    if found is None:
        return []
    ends = [found.end - buffer, found.end] if found.end < limit else []
    return [at for at in (found.start, *ends) if at > now]
