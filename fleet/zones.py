"""Zone data, by name: the package's, whose version every run's header names.

The core is handed it; plan files are checked with it. Python looks into the machine's own files
first, wherever ``TZPATH`` points. Those may be of any year, so they are not looked at.

Errors:  :exc:`~fleet.errors.InputError` for a zone that nobody knows.
"""

from __future__ import annotations

import datetime as dt
import difflib
import functools
from importlib import resources

from fleet.errors import InputError


def zone(name: str) -> dt.tzinfo:
    """Return a zone by its IANA name.

    Raises:
        InputError: There is none of that name.
    """
    there = found(name)
    if there is None:
        raise _unknown(name)
    return there


@functools.cache
def found(name: str) -> dt.tzinfo | None:
    """Return the zone that IANA calls *name*, as it is spelt there; ``None``: there is none."""
    from zoneinfo import ZoneInfo  # noqa: PLC0415 - few runs have calendars

    if name not in names():
        return None
    with resources.files("tzdata").joinpath("zoneinfo", *name.split("/")).open("rb") as data:
        return ZoneInfo.from_file(data, key=name)


@functools.cache
def names() -> frozenset[str]:
    """Return the name of every zone there is."""
    listed = resources.files("tzdata").joinpath("zones").read_text("utf-8")
    return frozenset(listed.split())


def _unknown(name: str) -> InputError:
    shown = {one.lower(): one for one in sorted(names())}
    # People write the city alone, or with a blank in it.
    wanted = name.strip().lower().replace(" ", "_")
    same = [one for one in shown if wanted in (one, one.rpartition("/")[2])]
    near = same or difflib.get_close_matches(wanted, shown, n=2, cutoff=0.8)
    hint = f"Did you mean {', or '.join(shown[one] for one in near)}?" if near else _HINT
    return InputError(f"there is no time zone {name!r}", hint=hint)


_HINT = "Write an IANA name, such as Europe/Berlin or UTC."
