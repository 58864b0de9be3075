"""What clocks on a wall show, and when: local times to UTC and back, by a zone that is handed in.

Once a year clocks leave something out, and once they show something twice. Three readings of a
local time, for three kinds of people who write one:

* :func:`first_at`: somebody who says "from 02:30 on"; what is left out comes as soon as it can;
* :func:`exactly`: a rule that gives many; what is left out is not given;
* :func:`as_given`: somebody who names one moment; what is left out is read by the offset before.

What is shown twice is the first of the two for all of them.

Units:   local times are naive, moments aware and UTC.
"""

from __future__ import annotations

import datetime as dt

UTC = dt.UTC
EPOCH = dt.datetime(1970, 1, 1, tzinfo=UTC)
_LOCAL_EPOCH = dt.datetime(1970, 1, 1)  # noqa: DTZ001 - as clocks show it
_NONE = dt.timedelta(0)
_SECOND = dt.timedelta(seconds=1)


def local(moment: dt.datetime, zone: dt.tzinfo) -> dt.datetime:
    """Return what clocks in *zone* show at *moment*."""
    return moment.astimezone(zone).replace(tzinfo=None, fold=0)


def as_given(shown: dt.datetime, zone: dt.tzinfo) -> dt.datetime:
    """Return the moment; in a gap as if clocks had not been put forward yet.

    # Source: RFC 5545, 3.3.5, of a DATE-TIME that does not occur, or twice.
    """
    return _before(shown, zone.utcoffset(shown))


def exactly(shown: dt.datetime, zone: dt.tzinfo) -> dt.datetime | None:
    """Return the first moment at which clocks show this; ``None``: they never do.

    # Source: RFC 5545, 3.3.10: what a rule gives and does not exist is ignored.
    """
    offset = zone.utcoffset(shown)
    moment = _before(shown, offset)
    return moment if moment.astimezone(zone).utcoffset() == offset else None


def first_at(shown: dt.datetime, zone: dt.tzinfo) -> dt.datetime:
    """Return the first moment at which clocks show this, or something later: a gap's end."""
    return exactly(shown, zone) or _gap_end(shown, zone)


def _before(shown: dt.datetime, offset: dt.timedelta | None) -> dt.datetime:
    """Return a local time, less its offset.

    Sums, and no ``replace(tzinfo=...)``: that takes longer than all the rest of a span.
    """
    return EPOCH + (shown - _LOCAL_EPOCH - (offset or _NONE))


def _gap_end(shown: dt.datetime, zone: dt.tzinfo) -> dt.datetime:
    """Return the first moment after the gap that *shown* lies in."""
    # The offset after the gap gives a moment before it, and the offset before it one after it.
    early = shown.replace(tzinfo=zone, fold=1).astimezone(UTC)
    late = as_given(shown, zone)
    while late - early > _SECOND:
        middle = early + (late - early) // _SECOND // 2 * _SECOND
        if local(middle, zone) < shown:
            early = middle
        else:
            late = middle
    return late
