"""Spans of time, half-open and in UTC, and sums of them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from typing import NamedTuple


class Span(NamedTuple):
    """From :attr:`start` on, up to and without :attr:`end`."""

    start: dt.datetime
    end: dt.datetime


def touching(spans: Iterable[Span], bounds: Span) -> list[Span]:
    """Return, in order, those of *spans* that lie within *bounds* at least in part."""
    return sorted(one for one in spans if max(one.start, bounds.start) < min(one.end, bounds.end))


def merged(spans: Iterable[Span]) -> list[Span]:
    """Return spans, in whatever order, as few that neither meet nor overlap."""
    found: list[Span] = []
    for one in sorted(spans):
        if found and one.start <= found[-1].end:
            if one.end > found[-1].end:
                found[-1] = Span(found[-1].start, one.end)
        elif one.start < one.end:
            found.append(one)
    return found


def within(spans: Iterable[Span], bounds: Span) -> list[Span]:
    """Return what of *spans* lies within *bounds*."""
    cut = (Span(max(one.start, bounds.start), min(one.end, bounds.end)) for one in spans)
    return [one for one in cut if one.start < one.end]


def without(spans: Sequence[Span], taken: Sequence[Span]) -> list[Span]:
    """Return what is left of *spans* without *taken*; both merged."""
    found: list[Span] = []
    place = 0
    for start, end in spans:
        while place < len(taken) and taken[place].end <= start:
            place += 1
        at, left = place, start
        while at < len(taken) and taken[at].start < end:
            if taken[at].start > left:
                found.append(Span(left, taken[at].start))
            left = taken[at].end
            at += 1
        if left < end:
            found.append(Span(left, end))
    return found
