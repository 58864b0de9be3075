"""Calendars: when a change may start, as frozen into a plan.

Values only, with everything that came from outside already in them: an iCalendar file became
rules, public holidays became dates. What they mean is in :mod:`fleet.core.windows`.

Units:   local times are ISO 8601 text without an offset, in the rule's zone or the calendar's.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import enum

from fleet.model.codec import SPARSE


class Level(enum.StrEnum):
    """Whom a calendar binds."""

    GLOBAL = "global"
    """Every run here: it came from outside the plan file."""
    RUN = "run"
    WAVE = "wave"
    """The waves that name it."""
    TARGET = "target"
    """The targets whose tag says so."""


class Overrun(enum.StrEnum):
    """What a window that closes does to targets that are being changed."""

    FINISH = "finish"
    """What has been begun goes on to its end, all of its steps and retries included."""
    STOP_STARTING = "stopStarting"
    """The write that is out ends; a further step of the same target waits for the next window."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """Spans of time: weekly, by cron, by RFC 5545, or once. Exactly one of the four shapes.

    * weekly: :attr:`days`, :attr:`at` and :attr:`until`; each span belongs to the day it starts;
    * cron: :attr:`cron` and :attr:`length`;
    * recurring: :attr:`starts`, :attr:`rrule` (or :attr:`also`, or both), with a length;
    * once: :attr:`starts` and :attr:`ends`.
    """

    days: tuple[int, ...] = dataclasses.field(default=(), metadata=SPARSE)
    """0 is Monday."""
    at: str = dataclasses.field(default="", metadata=SPARSE)
    """``HH:MM``."""
    until: str = dataclasses.field(default="", metadata=SPARSE)
    """``HH:MM``, or ``24:00``; not later than :attr:`at` means the next day."""
    cron: str = dataclasses.field(default="", metadata=SPARSE)
    """Five fields."""
    starts: str = dataclasses.field(default="", metadata=SPARSE)
    """``YYYY-MM-DDTHH:MM:SS``."""
    ends: str = dataclasses.field(default="", metadata=SPARSE)
    rrule: str = dataclasses.field(default="", metadata=SPARSE)
    """The value of an RRULE, such as ``FREQ=MONTHLY;BYDAY=2SU``."""
    except_at: tuple[str, ...] = dataclasses.field(default=(), metadata=SPARSE)
    """Starts that the rule would give and that do not count (EXDATE)."""
    also: tuple[str, ...] = dataclasses.field(default=(), metadata=SPARSE)
    """Further starts (RDATE); public holidays are these, with :attr:`whole_days`."""
    length: dt.timedelta | None = dataclasses.field(default=None, metadata=SPARSE)
    """As it passes, not as clocks show it."""
    whole_days: int = dataclasses.field(default=0, metadata=SPARSE)
    """Instead of a length: to local midnight so many days after the day of the start."""
    zone: str | None = dataclasses.field(default=None, metadata=SPARSE)
    """Its own, where it is not the calendar's; ``None``: the calendar's."""
    text: str = dataclasses.field(default="", metadata=SPARSE)
    """What people call it: a holiday's or an event's name."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Calendar:
    """When a change may start. A rule that denies wins; several calendars must all be open."""

    name: str
    level: Level
    zone: str
    """IANA, such as ``Europe/Berlin``."""
    allow: tuple[Rule, ...] = ()
    """Open in any of these; empty: always, but for :attr:`deny`."""
    deny: tuple[Rule, ...] = ()
    overrun: Overrun = Overrun.FINISH
    overriders: tuple[str, ...] = dataclasses.field(default=(), metadata=SPARSE)
    """Who may override it, as an actor is called."""
    source: str = dataclasses.field(default="", metadata=SPARSE)
    """Where it came from, where not from the plan file: a file's name or a URL, and a digest."""
    known_until: dt.datetime | None = dataclasses.field(default=None, metadata=SPARSE)
    """What comes later was not looked up: it counts as closed. ``None``: everything is known."""
