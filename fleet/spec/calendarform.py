"""What a file may say of calendars: rules, what they bind, and who may override them.

A rule is one of five: weekly, cron, rrule, once, or what an iCalendar file or public holidays
say. Which keys go together is in :mod:`fleet.spec.calendarrules`; what becomes of them in
:mod:`fleet.spec.calendarfile`.
"""

from __future__ import annotations

import datetime as dt
import re
import urllib.parse
from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Discriminator,
    Field,
    PlainValidator,
    Tag,
    WithJsonSchema,
)

from fleet.model.calendars import Overrun
from fleet.model.redaction import Redactor
from fleet.spec import calendarrules, flaws, publicholidays, recurrences
from fleet.spec.amounts import shown
from fleet.spec.explanation import FileModel, refusal
from fleet.spec.flaws import Flaw
from fleet.spec.moments import Days, Edge, LocalTime, Zone
from fleet.spec.values import Duration, Name, Text, Variable

# NB: strict mode takes no text for an enum; these fields read it by its value.
_BY_VALUE = Field(strict=False)
_SOME = Field(min_length=1)
LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")


def is_url(text: str) -> bool:
    """Tell whether *text* names something elsewhere, and no file beside the plan."""
    return _SCHEME.match(text) is not None


def _host(text: str) -> str | None:
    try:
        return urllib.parse.urlsplit(text).hostname
    except ValueError:
        return None


def is_url_allowed(text: str) -> bool:
    """Tell whether it may be asked for: https, or http on this machine."""
    host, scheme = _host(text), text.split(":", 1)[0].lower()
    return bool(host) and (scheme == "https" or (scheme == "http" and host in LOOPBACK))


def _cron(value: Any) -> str:
    if not isinstance(value, str):
        message = f"expected a cron expression, found {shown(value)}"
        raise refusal(message, 'write its five fields in quotes, such as "0 2 * * sun"')
    return recurrences.cron(value)


def _rrule(value: Any) -> str:
    if not isinstance(value, str):
        message = f"expected a rule of RFC 5545, found {shown(value)}"
        raise refusal(message, 'such as "FREQ=MONTHLY;BYDAY=2SU"')
    return recurrences.rrule(value)


def _ical(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    if not value.strip() or not value.isprintable():
        message = "expected the name of an iCalendar file"
        raise refusal(message, "such as maintenance.ics, or an https URL")
    if not is_url(value):
        return value
    # NB: not quoted: whoever pasted a secret here shall not find it in a log.
    if Redactor().text(value) != value or "@" in value.split("/", 3)[2]:
        message = "the URL holds what looks like a secret, and a plan file's text is kept"
        raise refusal(message, "write {fromEnv: NAME}, with the variable that holds the URL")
    if not is_url_allowed(value):
        scheme = value.split(":", 1)[0]
        is_whole = scheme not in ("https", "http") or _host(value)
        message = f"a calendar is not fetched by {scheme}" if is_whole else "this is no URL"
        raise refusal(message, "use an https URL, or a file beside the plan file")
    return value


def _country(value: Any) -> str:
    if not isinstance(value, str):
        message = f"expected a country, found {shown(value)}"
        hint = "quote it: " if value is False else "its ISO 3166 code, such as DE"
        raise refusal(message, hint)
    return publicholidays.country(value)


def _length(value: dt.timedelta) -> dt.timedelta:
    if not value:
        message = "a span cannot be empty"
        raise refusal(message, "write how long it is, such as 4h")
    return value


def _file_kind(value: Any) -> str:
    return "<variable>" if isinstance(value, dict) else "<file>"


class FeedFile(FileModel):
    """A URL that is a secret itself, as those of private calendars are."""

    from_env: Variable
    """The environment variable that holds it when the plan is made."""


Cron = Annotated[
    str,
    PlainValidator(_cron),
    WithJsonSchema({"type": "string", "minLength": 9, "examples": ["0 2 * * sun"]}),
]
Recurrence = Annotated[
    str,
    PlainValidator(_rrule),
    WithJsonSchema({"type": "string", "pattern": "FREQ=", "examples": ["FREQ=MONTHLY;BYDAY=2SU"]}),
]
"""The value of an RRULE."""
Length = Annotated[Duration, AfterValidator(_length)]
Ical = Annotated[
    Annotated[str, BeforeValidator(_ical), Tag("<file>")] | Annotated[FeedFile, Tag("<variable>")],
    Discriminator(_file_kind),
]
Country = Annotated[
    str,
    PlainValidator(_country),
    WithJsonSchema({"type": "string", "pattern": "^[A-Z]{2}$", "examples": ["DE"]}),
]


class RuleFile(FileModel):
    """Spans of time. It has exactly one of days, cron, rrule, ical and holidays; or from and to."""

    days: Days | None = None
    """Days of the week on which a span starts: mon, Monday, mon-fri, weekdays, weekend, daily."""
    start: Annotated[Edge | None, Field(alias="from", title="from")] = None
    """When it starts: a time of day beside days, else a date with a time, without an offset."""
    end: Annotated[Edge | None, Field(alias="to", title="to")] = None
    """When it ends; beside days the next day, where it is not later than from."""
    cron: Cron | None = None
    """Five fields that say when it starts: minute, hour, day of month, month, day of week."""
    rrule: Recurrence | None = None
    """A rule of RFC 5545 that says when it starts again."""
    starts: LocalTime | None = None
    """Beside rrule: when it starts for the first time (DTSTART)."""
    length: Annotated[Length | None, Field(alias="for", title="for")] = None
    """Beside cron or rrule: how long it lasts."""
    exceptions: Annotated[
        list[LocalTime] | None, Field(alias="except", title="except", min_length=1)
    ] = None
    """Beside rrule: starts that do not count (EXDATE)."""
    ical: Ical | None = None
    """An iCalendar file beside this file, or an https URL that is read when the plan is made."""
    holidays: Country | None = None
    """A country, by its ISO 3166 code: each of its public holidays, from midnight to midnight."""
    subdivision: Text | None = None
    """Beside holidays: the part of the country, such as BY for Bavaria."""


Rules = Annotated[list[RuleFile], _SOME]


class TagValueFile(FileModel):
    """What a tag's value means that is no span itself."""

    allow: Rules | None = None
    """Open in any of these; always, but for deny, where nothing is said."""
    deny: Rules | None = None
    """Closed in any of these."""


class CalendarFile(FileModel):
    """When a change may start. Several calendars must all be open; what denies wins."""

    name: Name
    """What it is called in plans, logs and commands."""
    zone: Zone
    """The time zone of its times, by its IANA name."""
    level: Literal["run", "wave"] | None = None
    """run: it binds the whole run, as where nothing is said. wave: the waves that list it."""
    allow: Rules | None = None
    """Open in any of these; always, but for deny, where nothing is said."""
    deny: Rules | None = None
    """Closed in any of these, whatever allow says."""
    by_tag: Text | None = None
    """Instead of allow and deny: the tag of a cluster that says when it may be changed."""
    zone_tag: Text | None = None
    """Beside byTag: the tag that holds a cluster's own time zone."""
    values: Annotated[dict[Text, TagValueFile], _SOME] | None = None
    """Beside byTag: what values mean that are no spans themselves, as sun-02-06 is."""
    untagged: Literal["leave", "allow"] | None = None
    """Beside byTag: whether clusters without the tag are left alone, as where nothing is said."""
    overrun: Annotated[Overrun, _BY_VALUE] = Overrun.FINISH
    """What is under way when it closes: is finished, or writes nothing more until it opens."""
    override: Annotated[list[Text], _SOME] | None = None
    """Who may override it with a reason; nobody where nothing is said."""


class CalendarsFile(FileModel):
    """Calendars that bind every run that is planned with them."""

    api_version: Literal["fleet/v1"]
    """The version of this format."""
    kind: Literal["Calendars"]
    """What the file describes."""
    calendars: Annotated[list[CalendarFile], _SOME]
    """The calendars themselves."""

    @classmethod
    def cross_check(cls, data: Any) -> Iterator[Flaw]:
        """Yield what is wrong between keys."""
        return calendarrules.check(("calendars",), flaws.below(data, "calendars"), is_global=True)
