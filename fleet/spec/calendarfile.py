"""Calendars, from the form that people fill in to what a plan freezes.

What lies elsewhere comes in as text: iCalendar files beside the plan file are read here, those at
a URL by whoever may ask for them. Public holidays become dates. Where nothing is known, since
nobody asked, the calendar counts as closed: :attr:`~fleet.model.calendars.Calendar.known_until`.

Errors:  :exc:`~fleet.spec.problems.SpecError` with everything that is wrong at once.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import hashlib
import urllib.parse
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path as FilePath
from typing import Any

from pydantic_core import PydanticCustomError

from fleet import zones
from fleet.model.calendars import Calendar, Level, Rule
from fleet.model.desired import TagCalendars
from fleet.spec import calendarform, document as documents, explanation, icalendars, publicholidays
from fleet.spec.calendarform import CalendarFile, FeedFile, RuleFile
from fleet.spec.document import Document
from fleet.spec.flaws import Flaw, Path, below, quoted
from fleet.spec.problems import Problem, SpecError

NEVER_KNOWN = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
"""Nothing was looked up: the calendar is closed at all times."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Feed:
    """An iCalendar file elsewhere."""

    url: str | None = dataclasses.field(default=None, repr=False)
    """Where it is; ``None``: the environment variable says."""
    variable: str | None = None

    @property
    def key(self) -> str:
        """What it is called in :class:`Surroundings`."""
        return self.url or f"${self.variable}"

    @property
    def shown(self) -> str:
        """What people are told of it: nothing that may be a secret."""
        return shown(self.url) if self.url else f"the URL in {self.variable}"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """What was found at a feed."""

    text: str = dataclasses.field(repr=False)
    shown: str
    """Where, without secrets."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What calendars need to know that no file says."""

    now: dt.datetime | None = None
    """When the plan is made; ``None``: nobody plans, and no holiday is looked up."""
    feeds: Mapping[str, Fetched] = dataclasses.field(default_factory=dict)
    """By :attr:`Feed.key`; what is not there was not asked for."""


OFFLINE = Surroundings()
_NOTHING = ""


def shown(url: str) -> str:
    """Return *url* without what may be secret in it: user, query and fragment.

    >>> shown("https://me:pw@calendar.example:8443/ops.ics?token=1#x")
    'https://calendar.example:8443/ops.ics'
    """
    parts = urllib.parse.urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


# --- reading -----------------------------------------------------------------------------


def files(document: Document, path: Path) -> tuple[dict[str, str], list[Problem]]:
    """Return the iCalendar files that the calendars at *path* name, and what is wrong with them.

    ``{name as written: text}``; each was parsed once, to tell.
    """
    texts: dict[str, str] = {}
    problems: list[Problem] = []
    for place, name in _named(below(document.data, *path), path):
        if not isinstance(name, str) or not name or calendarform.is_url(name) or name in texts:
            continue
        try:
            texts[name] = documents.text_of(document.path.parent / name)
            icalendars.rules(texts[name])
        except SpecError as error:
            found = error.problems[0]
            message = f"the calendar {quoted(name)} cannot be used: {found.message}"
            hint = found.hint or "its path starts where this file is"
            problems.append(document.problem(Flaw(path=place, message=message, hint=hint)))
        except PydanticCustomError as error:
            flaw = explanation.of_refusal(error, place)
            problems.append(document.problem(flaw))
    return texts, problems


def feeds(calendars: Sequence[CalendarFile]) -> tuple[Feed, ...]:
    """Return the iCalendar files elsewhere that *calendars* name, each once."""
    found = [_feed(rule.ical) for rule in _rules_of(calendars) if rule.ical is not None]
    return tuple(dict.fromkeys(one for one in found if one is not None))


def _feed(ical: str | FeedFile) -> Feed | None:
    if isinstance(ical, FeedFile):
        return Feed(variable=ical.from_env)
    return Feed(url=ical) if calendarform.is_url(ical) else None


def _rules_of(calendars: Sequence[CalendarFile]) -> Iterator[RuleFile]:
    for one in calendars:
        yield from (*(one.allow or ()), *(one.deny or ()))
        for value in (one.values or {}).values():
            yield from (*(value.allow or ()), *(value.deny or ()))


def _named(data: Any, path: Path) -> Iterator[tuple[Path, Any]]:
    """Yield everything that stands under the key ``ical``, whatever shape the rest has."""
    if isinstance(data, dict):
        for key, value in data.items():
            if key == "ical":
                yield (*path, key), value
            else:
                yield from _named(value, (*path, key))
    elif isinstance(data, list):
        for n, value in enumerate(data):
            yield from _named(value, (*path, n))


# --- freezing ----------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Frozen:
    """The calendars of a file, as a plan has them."""

    calendars: tuple[Calendar, ...]
    by_tag: tuple[TagCalendars, ...]


def frozen(
    document: Document,
    path: Path,
    calendars: Sequence[CalendarFile],
    *,
    files: Mapping[str, str],
    around: Surroundings,
    is_global: bool = False,
) -> Frozen:
    """Return the *calendars* that stand at *path* of *document*, with what they name in them."""
    made = [
        _Freezer(file=one, texts=files, around=around, path=(*path, n))
        for n, one in enumerate(calendars)
    ]
    plain = [one.calendar(is_global=is_global) for one in made if one.file.by_tag is None]
    tagged = [one.by_tag() for one in made if one.file.by_tag is not None]
    if wrong := [flaw for one in made for flaw in one.flaws]:
        raise SpecError(map(document.problem, wrong))
    return Frozen(calendars=tuple(plain), by_tag=tuple(tagged))


@dataclasses.dataclass(slots=True, kw_only=True)
class _Freezer:
    """Makes one calendar; what it meets on the way is gathered."""

    file: CalendarFile
    texts: Mapping[str, str]
    around: Surroundings
    path: Path
    flaws: list[Flaw] = dataclasses.field(default_factory=list)
    sources: list[str] = dataclasses.field(default_factory=list)
    known_until: dt.datetime | None = None

    def calendar(self, *, is_global: bool) -> Calendar:
        level = Level(self.file.level or Level.RUN)
        allow, deny = self._both(self.file.allow, self.file.deny, self.path)
        return Calendar(
            name=self.file.name,
            level=Level.GLOBAL if is_global else level,
            zone=self.file.zone,
            allow=allow,
            deny=deny,
            overrun=self.file.overrun,
            overriders=tuple(self.file.override or ()),
            source="; ".join(self.sources),
            known_until=self.known_until,
        )

    def by_tag(self) -> TagCalendars:
        values = self.file.values or {}
        named = {
            value.strip().lower(): self._both(one.allow, one.deny, (*self.path, "values", value))
            for value, one in values.items()
        }
        return TagCalendars(
            name=self.file.name,
            tag=self.file.by_tag or "",
            zone=self.file.zone,
            zone_tag=self.file.zone_tag,
            named=named,
            must_be_tagged=self.file.untagged != "allow",
            overrun=self.file.overrun,
            overriders=tuple(self.file.override or ()),
            source="; ".join(self.sources),
            known_until=self.known_until,
        )

    def _both(
        self, allow: list[RuleFile] | None, deny: list[RuleFile] | None, path: Path
    ) -> tuple[tuple[Rule, ...], tuple[Rule, ...]]:
        return self._rules(allow, (*path, "allow")), self._rules(deny, (*path, "deny"))

    def _rules(self, rules: list[RuleFile] | None, path: Path) -> tuple[Rule, ...]:
        return tuple(
            made for n, one in enumerate(rules or ()) for made in self._made(one, (*path, n))
        )

    def _made(self, rule: RuleFile, path: Path) -> tuple[Rule, ...]:
        if rule.ical is not None:
            return self._events(rule.ical, (*path, "ical"))
        if rule.holidays is not None:
            return self._holidays(rule.holidays, rule.subdivision, (*path, "holidays"))
        return (plain(rule),)

    def _events(self, ical: str | FeedFile, path: Path) -> tuple[Rule, ...]:
        feed = _feed(ical)
        fetched = self.around.feeds.get(feed.key) if feed else None
        if feed and fetched is None:
            self.known_until = NEVER_KNOWN
            return ()
        text = fetched.text if fetched else self.texts.get(str(ical), _NOTHING)
        try:
            found = icalendars.rules(text)
        except PydanticCustomError as error:
            self.flaws.append(explanation.of_refusal(error, path))
            return ()
        digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
        name = fetched.shown if fetched else str(ical)
        self.sources.append(f"{name} sha256:{digest}")
        return found

    def _holidays(self, country: str, subdivision: str | None, path: Path) -> tuple[Rule, ...]:
        if self.around.now is None:
            self.known_until = NEVER_KNOWN
            return ()
        zone = zones.found(self.file.zone) or dt.UTC
        year = self.around.now.astimezone(zone).year
        found = publicholidays.dates(country, subdivision, first_year=year)
        if not found:
            last = year + publicholidays.YEARS - 1
            message = f"the public holidays of {country} are not known for {year} to {last}"
            self.flaws.append(Flaw(path=path, message=message, hint="list the days yourself"))
            return ()
        end = dt.datetime(year + publicholidays.YEARS, 1, 1, tzinfo=zone).astimezone(dt.UTC)
        self.known_until = min(end, self.known_until or end)
        return tuple(_on_days(name, days) for name, days in found.items())


def plain(rule: RuleFile) -> Rule:
    """Return a rule that says itself when it is: weekly, by cron, by RFC 5545, or once."""
    if rule.days is not None:
        return Rule(days=rule.days, at=rule.start or "", until=rule.end or "")
    if rule.cron is not None:
        return Rule(cron=rule.cron, length=rule.length)
    if rule.rrule is not None:
        return Rule(
            starts=rule.starts or "",
            rrule=rule.rrule,
            except_at=tuple(rule.exceptions or ()),
            length=rule.length,
        )
    return Rule(starts=rule.start or "", ends=rule.end or "")


def _on_days(name: str, days: Sequence[dt.date]) -> Rule:
    first, *more = (dt.datetime.combine(day, dt.time()).isoformat() for day in days)
    return Rule(starts=first, also=tuple(more), whole_days=1, text=name)


# --- a file of calendars -----------------------------------------------------------------


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class CalendarsDocument:
    """A file of calendars that was checked, before what they name elsewhere was read."""

    document: Document
    calendars: tuple[CalendarFile, ...]
    files: Mapping[str, str] = dataclasses.field(repr=False)

    @property
    def feeds(self) -> tuple[Feed, ...]:
        """What has to be fetched first."""
        return feeds(self.calendars)

    def frozen(self, around: Surroundings) -> Frozen:
        """Return its calendars, which bind every run."""
        return frozen(
            self.document,
            ("calendars",),
            self.calendars,
            files=self.files,
            around=around,
            is_global=True,
        )


def is_one(path: FilePath) -> bool:
    """Tell whether a file claims to be one of calendars; not where it cannot be read."""
    try:
        kind = below(documents.read(path).data, "kind")
    except SpecError:
        return False
    return isinstance(kind, str) and kind == "Calendars"


def read(path: FilePath) -> CalendarsDocument:
    """Read and check a file of calendars."""
    document = documents.read(path)
    texts, problems = files(document, ("calendars",))
    file = documents.validate(document, calendarform.CalendarsFile, more=problems)
    return CalendarsDocument(document=document, calendars=tuple(file.calendars), files=texts)
