"""When one calendar is open, and when several are: worked out piece by piece, and kept.

A piece is two weeks or so, and worked out when somebody asks about it; so a question about tonight
costs what two weeks do, however old a rule is and however long it goes on.

Units:   moments are aware and UTC.
"""

from __future__ import annotations

import bisect
import datetime as dt
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Protocol

from fleet.core import spans
from fleet.core.spans import Span
from fleet.core.wallclock import EPOCH, UTC
from fleet.model.calendars import Calendar, Rule

if TYPE_CHECKING:
    from fleet.core.patterns import Pattern

Zones = Callable[[str], dt.tzinfo]
"""Zone data by name, from outside."""

HORIZON = dt.timedelta(days=800)
"""How far a search goes: a year of frozen changes, and another for a window to come in."""
FAR_HORIZON = dt.timedelta(days=9 * 368)
"""The same where windows may be years apart: there are eight from one 29th of February to the next
around 2100, and four elsewhere."""
_PIECE = dt.timedelta(days=16)
_FOREVER = dt.datetime.max.replace(tzinfo=UTC)


class Table(Protocol):
    """When something is open."""

    @property
    def is_sparse(self) -> bool:
        """Whether years may lie between two of its spans."""

    @property
    def is_mostly_open(self) -> bool:
        """Whether it says when it is closed, and not when it is open."""

    def span(self, after: dt.datetime, limit: dt.datetime, enough: dt.datetime) -> Span | None:
        """Return the first open span that ends later than *after*, as far as *enough*."""


class Timetable:
    """When one calendar is open."""

    __slots__ = ("_allow", "_deny", "_is_sparse", "_known_until", "_pieces")

    def __init__(self, calendar: Calendar, zones: Zones) -> None:
        """Read every rule.

        Raises:
            InputError: One cannot be read, or its zone is not known.
        """
        # Whoever only looks at a run has no use for what reads rules.
        from fleet.core import patterns  # noqa: PLC0415

        self._allow = _read(calendar.allow, calendar, zones)
        self._deny = _read(calendar.deny, calendar, zones)
        self._known_until = calendar.known_until or _FOREVER
        self._pieces: dict[int, tuple[list[Span], list[dt.datetime]]] = {}
        self._is_sparse = bool(calendar.allow) and all(map(patterns.is_sparse, calendar.allow))

    @property
    def is_sparse(self) -> bool:
        """Whether years may lie between two of its spans."""
        return self._is_sparse

    @property
    def is_mostly_open(self) -> bool:
        """Whether it says when it is closed, and not when it is open."""
        return not self._allow

    def span(self, after: dt.datetime, limit: dt.datetime, enough: dt.datetime) -> Span | None:
        """Return the first open span that ends later than *after*.

        Args:
            after: It may have begun before.
            limit: One that begins then, or later, is not found.
            enough: One that goes on then may end there, or later, in what is returned.
        """
        number = (after - EPOCH) // _PIECE
        while (begins := EPOCH + number * _PIECE) < limit:
            found, ends = self._piece(number, begins)
            at = bisect.bisect_right(ends, after)
            if at < len(ends):
                return self._whole(found[at], number, min(enough, limit))
            number += 1
        return None

    def _whole(self, span: Span, number: int, enough: dt.datetime) -> Span:
        """Return a span with what of it is in the pieces that follow."""
        start, end = span
        while end < enough and end == (begins := EPOCH + (number := number + 1) * _PIECE):
            found, _ = self._piece(number, begins)
            if not found or found[0].start > end:
                break
            end = found[0].end
        return Span(start, end)

    def _piece(self, number: int, begins: dt.datetime) -> tuple[list[Span], list[dt.datetime]]:
        """Return the spans of a piece, and their ends beside them."""
        if number not in self._pieces:
            found = self._worked_out(Span(begins, begins + _PIECE))
            self._pieces[number] = (found, [one.end for one in found])
        return self._pieces[number]

    def _worked_out(self, bounds: Span) -> list[Span]:
        known = Span(bounds.start, min(bounds.end, self._known_until))
        allowed = _sum(self._allow, bounds) if self._allow else [bounds]
        return spans.without(spans.within(allowed, known), _sum(self._deny, bounds))


def ordered(tables: Iterable[Table]) -> list[Table]:
    """Return several in the order in which they are asked: how long may be known before long."""
    return sorted(tables, key=lambda one: one.is_mostly_open)


def limit_of(tables: Iterable[Table], after: dt.datetime) -> dt.datetime:
    """Return up to where the spans of several are looked for: the same until :func:`review_at`.

    So an answer depends on the moment that is asked about, and never on what was asked before.
    """
    is_far = any(one.is_sparse for one in tables)
    return (
        EPOCH
        + ((after - EPOCH) // _PIECE + (FAR_HORIZON if is_far else HORIZON) // _PIECE) * _PIECE
    )


def review_at(after: dt.datetime) -> dt.datetime:
    """Return when to look further ahead than from *after*."""
    return EPOCH + ((after - EPOCH) // _PIECE + 1) * _PIECE


def common(
    tables: Sequence[Table],
    after: dt.datetime,
    limit: dt.datetime,
    *,
    longer_than: dt.timedelta = dt.timedelta(0),
) -> Span | None:
    """Return the first span in which all are open that ends later than *after*.

    Args:
        tables: None: always open. Faster with those in front that are mostly closed.
        after: What lies before it is left out of the span.
        limit: Where the search ends; a span that ends there, or later, may go on.
        longer_than: What is not longer than that, from *after* on, is passed over.
    """
    at = after
    while at < limit:
        start, end = at, limit
        for one in tables:
            found = one.span(at, limit, end)
            if found is None:
                return None
            start, end = max(start, found.start), min(end, found.end)
        if start >= end or start > at:
            # Not all of them are open at that moment, or not yet: look there again.
            at = start
        elif end - start > longer_than:
            return Span(start, end)
        else:
            at = end
    return None


def _read(rules: Iterable[Rule], calendar: Calendar, zones: Zones) -> tuple[Pattern, ...]:
    from fleet.core import patterns  # noqa: PLC0415 - as above

    return tuple(patterns.read(one, zones(one.zone or calendar.zone)) for one in rules)


def _sum(all_of: Iterable[Pattern], bounds: Span) -> list[Span]:
    return spans.merged(span for one in all_of for span in one.overlapping(bounds))
