"""An iCalendar file as rules: its events, each as it was written, never expanded.

What counts is when events are: DTSTART, DTEND or DURATION, RRULE, EXDATE, RDATE, single
occurrences that were moved or cancelled (RECURRENCE-ID), whole days. Times with a TZID are in that
zone, those with a Z in UTC, and floating ones in the file's X-WR-TIMEZONE, or else the calendar's.
Cancelled events do not count; whether an event is called busy or free does not matter.

Bounded before anything is parsed: by bytes, and by the number of components.

Errors:  those of :func:`fleet.spec.explanation.refusal`, in words for whoever keeps the calendar.
Source:  RFC 5545; X-WR-TIMEZONE as Google, Apple and Microsoft write it.
"""

from __future__ import annotations

import collections
import dataclasses
import datetime as dt
import functools
import re
import warnings
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

from pydantic_core import PydanticCustomError

from fleet import zones
from fleet.model.calendars import Rule
from fleet.spec import explanation, recurrences
from fleet.spec.explanation import refusal
from fleet.spec.flaws import quoted

if TYPE_CHECKING:
    from icalendar import Event

Moment = TypeVar("Moment")

MAX_BYTES = 2_000_000
MAX_EVENTS = 2_000
_MAX_PARTS = 3 * MAX_EVENTS
"""Of events, their alarms and time zones: whatever has a BEGIN."""
_MAX_LINES = 100_000
_MAX_DATES = 2_000
"""Of EXDATE and RDATE, in one event."""
_MAX_LENGTH = dt.timedelta(days=366)
_LONGEST_NAME = 80
_BEGIN = re.compile(r"^BEGIN:([A-Z-]*)", re.MULTILINE | re.IGNORECASE)


@functools.lru_cache(maxsize=4)
def rules(text: str) -> tuple[Rule, ...]:
    """Return the events of the iCalendar file *text*, in its order."""
    _require_bounds(text)
    found, events = _parsed(text)
    own_zone = _own_zone(found.get("X-WR-TIMEZONE"))
    by_uid: dict[str, list[_Occurrence]] = {}
    for n, event in enumerate(events):
        uid = str(event.get("UID", f"no id: {n}"))
        by_uid.setdefault(uid, []).append(_occurrence(event, own_zone))
    made = tuple(rule for some in by_uid.values() for rule in _rules(some))
    if not made:
        message = "the calendar has no event that is not cancelled"
        raise refusal(message, "write an event into it, or remove it here")
    return made


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class _Occurrence:
    """An event of the file: one that stands for itself, or one occurrence of such a one."""

    rule: Rule
    name: str
    is_cancelled: bool
    instead_of: dt.datetime | dt.date | None
    """The start that it stands for (RECURRENCE-ID)."""
    sequence: int


def _require_bounds(text: str) -> None:
    if len(text.encode("utf-8", "surrogatepass")) > MAX_BYTES:
        message = f"the calendar is larger than {MAX_BYTES // 1_000_000} MB"
        raise refusal(message, "keep maintenance in a calendar of its own")
    if not text.lstrip("\ufeff \t\r\n")[:20].upper().startswith("BEGIN:VCALENDAR"):
        is_page = text.lstrip()[:200].lower().startswith(("<!doctype", "<html"))
        hint = "it is a web page: does it ask for a login?" if is_page else None
        message = "this is no iCalendar file: it does not begin with BEGIN:VCALENDAR"
        raise refusal(message, hint)
    begun = collections.Counter(part.upper() for part in _BEGIN.findall(text))
    is_long = begun.total() > _MAX_PARTS or text.count("\n") > _MAX_LINES
    if begun["VEVENT"] > MAX_EVENTS or is_long:
        message = f"the calendar has more than {MAX_EVENTS} events"
        raise refusal(message, "keep maintenance in a calendar of its own")


def _parsed(text: str) -> tuple[Any, list[Event]]:
    import icalendar  # noqa: PLC0415 - most plan files name no iCalendar file

    try:
        with warnings.catch_warnings():
            # NB: it tells of zones that it guesses; what they mean is decided here.
            warnings.simplefilter("ignore")
            (found,) = icalendar.Calendar.from_ical(text.lstrip("\ufeff"), multiple=True)
        events = [one for one in found.walk("VEVENT") if isinstance(one, icalendar.Event)]
    # NB: the parser's own words quote the file; and what it raises is not always its own.
    except (ValueError, KeyError, IndexError, TypeError, AttributeError, RecursionError):
        message = "this is no iCalendar file: it cannot be parsed"
        raise refusal(message, "export it again from the program that keeps it") from None
    return found, events


def _own_zone(value: object) -> str | None:
    if value is None or not str(value).strip():
        return None
    return _zone(str(value).strip(), "the calendar")


# --- one event ---------------------------------------------------------------------------


def _occurrence(event: Event, own_zone: str | None) -> _Occurrence:
    name = _name(event)
    for key in ("RRULE", "DTSTART", "DTEND", "DURATION", "RECURRENCE-ID"):
        if isinstance(event.get(key), list):
            _refuse(name, f"has more than one {key}")
    if "EXRULE" in event:
        _refuse(name, "has an EXRULE, which is not read", "list the dates as EXDATE")
    instead_of = event.get("RECURRENCE-ID")
    if instead_of is not None and "RANGE" in instead_of.params:
        message = "changes all that follow at once (RANGE), which is not read"
        _refuse(name, message, "end it there, and write a new event")
    start = _moment(event, "DTSTART", name)
    if start is None:
        _refuse(name, "has no start (DTSTART)")
    zone = _zone_of(event["DTSTART"], start, own_zone, name)
    reader = _Reader(name=name, zone=zone, start=_local(start, zone))
    return _Occurrence(
        rule=reader.rule(event, start),
        name=name,
        is_cancelled=str(event.get("STATUS", "")).upper() == "CANCELLED",
        instead_of=_moment(event, "RECURRENCE-ID", name),
        sequence=_sequence(event),
    )


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class _Reader:
    """Reads the rest of an event whose start is known."""

    name: str
    zone: str | None
    """``None``: floating."""
    start: dt.datetime
    """Local."""

    def rule(self, event: Event, start: dt.datetime | dt.date) -> Rule:
        is_whole = not isinstance(start, dt.datetime)
        end = self._end(event, start)
        length = self._length(end, is_whole=is_whole)
        recurrence = self._recurrence(event)
        also = self._dates(event, "RDATE")
        shared: dict[str, Any] = {"zone": self.zone, "text": self.name, "starts": _text(self.start)}
        if not recurrence and not also and not is_whole:
            return Rule(ends=_text(end), **shared)
        if length > _MAX_LENGTH:
            _refuse(self.name, f"comes again, and is longer than {_MAX_LENGTH.days} days")
        if recurrence and not recurrences.gives(recurrence, self.start):
            # What other programs show too: DTSTART counts, whether the rule gives it or not.
            also = (_text(self.start), *also)
        return Rule(
            rrule=recurrence,
            except_at=self._dates(event, "EXDATE"),
            also=also,
            length=None if is_whole else length,
            whole_days=length.days if is_whole else 0,
            **shared,
        )

    def _end(self, event: Event, start: dt.datetime | dt.date) -> dt.datetime:
        """Return when it ends, local."""
        if "DTEND" in event and "DURATION" in event:
            _refuse(self.name, "has both DTEND and DURATION")
        end = _moment(event, "DTEND", self.name)
        duration = _value(event, "DURATION", self.name)
        if end is not None:
            return _local(end, self.zone)
        if isinstance(duration, dt.timedelta):
            return _later(self.start, duration, self.zone)
        if isinstance(start, dt.datetime):
            _refuse(self.name, "has no end (DTEND or DURATION)")
        return self.start + dt.timedelta(days=1)

    def _length(self, end: dt.datetime, *, is_whole: bool) -> dt.timedelta:
        """Return how long it is: as it passes, or in whole days."""
        length = end - self.start
        if not is_whole:
            length = _aware(end, self.zone) - _aware(self.start, self.zone)
        if length <= dt.timedelta(0):
            _refuse(self.name, "ends when it starts" if not length else "ends before it starts")
        if is_whole and length % dt.timedelta(days=1):
            _refuse(self.name, "starts with a day and ends within one")
        return length

    def _recurrence(self, event: Event) -> str:
        value = _value(event, "RRULE", self.name)
        if value is None:
            return ""
        try:
            return recurrences.rrule(value.to_ical().decode())
        except PydanticCustomError as error:
            found = explanation.of_refusal(error, ())
            _refuse(self.name, f"comes again by a rule that is not read: {found.message}")

    def _dates(self, event: Event, key: str) -> tuple[str, ...]:
        found: list[str] = []
        value = event.get(key)
        for some in value if isinstance(value, list) else [value] if value is not None else ():
            _require_whole(some, key, self.name)
            found += [
                _text(self._date(_rezoned(one.dt, some.params, self.name), key)) for one in some.dts
            ]
        if len(found) > _MAX_DATES:
            _refuse(self.name, f"has more than {_MAX_DATES} dates in {key}")
        return tuple(dict.fromkeys(found))

    def _date(self, value: object, key: str) -> dt.datetime:
        if not isinstance(value, dt.date):
            _refuse(self.name, f"has a period in {key}, which is not read", "write an event for it")
        return self.at(value)

    def at(self, value: dt.datetime | dt.date) -> dt.datetime:
        """Return a start; a day, as some programs write it, means that day's."""
        if isinstance(value, dt.datetime):
            return _local(value, self.zone)
        return dt.datetime.combine(value, self.start.time())


def _value(event: Event, key: str, name: str) -> Any:
    """Return the value of *key*; ``None``: it is not there."""
    found = event.get(key)
    if found is None:
        return None
    _require_whole(found, key, name)
    return getattr(found, "dt", found)


def _require_whole(value: object, key: str, name: str) -> None:
    # NB: the package keeps what it cannot parse, and raises wherever that is looked at.
    if type(value).__name__ == "vBroken":
        _refuse(name, f"has no {key} that can be read")


def _moment(event: Event, key: str, name: str) -> dt.datetime | dt.date | None:
    value = _value(event, key, name)
    if value is not None and not isinstance(value, dt.date):
        _refuse(name, f"has no {key} that is a time")
    moment: dt.datetime | dt.date | None = value
    return moment if moment is None else _rezoned(moment, event[key].params, name)


def _name(event: Event) -> str:
    text = "".join(c if c.isprintable() else " " for c in str(event.get("SUMMARY", "")))
    return " ".join(text.split())[:_LONGEST_NAME] or "(without a name)"


def _sequence(event: Event) -> int:
    text = str(event.get("SEQUENCE", 0))
    return int(text) if text.isdecimal() and len(text) < _LONGEST_NAME else 0


def _refuse(name: str, what: str, hint: str | None = None) -> NoReturn:
    raise refusal(f"the event {quoted(name)} {what}", hint)


# --- zones -------------------------------------------------------------------------------


def _zone_of(
    written: Any, start: dt.datetime | dt.date, own_zone: str | None, name: str
) -> str | None:
    """Return the zone of an event; ``None``: whichever the calendar has here."""
    if not isinstance(start, dt.datetime):
        return own_zone
    if "TZID" in written.params:
        return _zone(str(written.params["TZID"]), name)
    return own_zone if start.tzinfo is None else "UTC"


def _zone(text: str, name: str) -> str:
    """Return the IANA name of a zone: a file has it, or Windows' own, or one after a path."""
    from icalendar.timezone.windows_to_olson import WINDOWS_TO_OLSON  # noqa: PLC0415

    plain = text.strip().strip('"')
    parts = plain.split("/")
    tails = ["/".join(parts[n:]) for n in range(len(parts))] if plain.startswith("/") else [plain]
    for one in (*tails, WINDOWS_TO_OLSON.get(plain, "")):
        if one and zones.found(one) is not None:
            return one
    whose = name if name == "the calendar" else f"the event {quoted(name)}"
    message = f"{whose} is in an unknown time zone: {quoted(text)}"
    raise refusal(message, "use a zone that IANA names, such as Europe/Berlin")


def _rezoned(value: Moment, params: Any, name: str) -> Moment:
    """Return a moment in the zone that its TZID names, by our zone data, not the machine's."""
    if not isinstance(value, dt.datetime) or "TZID" not in params:
        return value
    zone = _info(_zone(str(params["TZID"]), name))
    return value.replace(tzinfo=zone)


def _local(value: dt.datetime | dt.date, zone: str | None) -> dt.datetime:
    """Return *value* as clocks in *zone* show it."""
    if not isinstance(value, dt.datetime):
        return dt.datetime.combine(value, dt.time())
    if value.tzinfo is None or zone is None:
        return value.replace(tzinfo=None)
    return value.astimezone(_info(zone)).replace(tzinfo=None)


def _aware(local: dt.datetime, zone: str | None) -> dt.datetime:
    return local.replace(tzinfo=_info(zone)).astimezone(dt.UTC)


def _later(local: dt.datetime, duration: dt.timedelta, zone: str | None) -> dt.datetime:
    try:
        return (_aware(local, zone) + duration).astimezone(_info(zone)).replace(tzinfo=None)
    except OverflowError:
        return local


def _info(zone: str | None) -> dt.tzinfo:
    return (zones.found(zone) if zone else None) or dt.UTC


def _text(local: dt.datetime) -> str:
    return local.replace(microsecond=0, fold=0).isoformat()


# --- what belongs together ---------------------------------------------------------------


def _rules(same: Sequence[_Occurrence]) -> Iterator[Rule]:
    """Yield the rules of the events of one UID: the event itself, and what differs from it."""
    main = [one for one in same if one.instead_of is None]
    others = [one for one in same if one.instead_of is not None]
    if main:
        newest = max(main, key=lambda one: one.sequence)
        if newest.is_cancelled:
            return
        yield _without(newest.rule, others)
    yield from (one.rule for one in others if not one.is_cancelled)


def _without(rule: Rule, others: Iterable[_Occurrence]) -> Rule:
    """Return *rule* without the starts that other events stand for."""
    if not others or not (rule.rrule or rule.also):
        return rule
    reader = _Reader(name="", zone=rule.zone, start=dt.datetime.fromisoformat(rule.starts))
    moved = [_text(reader.at(one.instead_of)) for one in others if one.instead_of is not None]
    return dataclasses.replace(rule, except_at=tuple(dict.fromkeys((*rule.except_at, *moved))))
