"""What must hold between the keys of calendars: of each, of their rules, and of their names.

As in :mod:`fleet.spec.rules`, anything may have any shape here.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from fleet import zones
from fleet.spec import flaws, moments, publicholidays
from fleet.spec.flaws import Flaw, Path, below, quoted

KINDS: Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "days": (("from", "to"), ()),
    "cron": (("for",), ()),
    "rrule": (("starts", "for"), ("except",)),
    "ical": ((), ()),
    "holidays": ((), ("subdivision",)),
    "from": (("to",), ()),
}
"""``{key: (keys that it needs, keys that it may have)}``; the first that is there counts."""
_SAID = "add days with from and to, cron with for, rrule with starts and for, ical, or holidays"
_ONLY_BY_TAG = ("zoneTag", "values", "untagged")
_NOT_BY_TAG = ("level", "allow", "deny")
_TIME = re.compile(r"[0-9]{2}:[0-9]{2}")
# What a date with a time looks like that was not refused by itself.
_LOCAL = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}(?::[0-9]{2})?")


def check(path: Path, calendars: Any, *, is_global: bool = False) -> Iterator[Flaw]:
    """Yield every broken rule of the calendars at *path*."""
    if not isinstance(calendars, list):
        return
    for n, calendar in enumerate(calendars):
        if isinstance(calendar, dict):
            yield from _calendar((*path, n), calendar, is_global=is_global)
    yield from _names(path, calendars)


def check_waves(path: Path, waves: Any, calendars: Any) -> Iterator[Flaw]:
    """Yield every calendar that a wave lists and cannot have."""
    some = calendars if isinstance(calendars, list) else []
    levels = {
        below(one, "name"): "byTag" if below(one, "byTag") else below(one, "level") or "run"
        for one in some
        if isinstance(below(one, "name"), str)
    }
    for n, wave in enumerate(waves if isinstance(waves, list) else ()):
        listed = below(wave, "calendars")
        for m, name in enumerate(listed if isinstance(listed, list) else ()):
            place = (*path, n, "calendars", m)
            if isinstance(name, str) and levels.get(name) != "wave":
                yield _no_wave_calendar(place, name, levels)
            if isinstance(name, str) and name in listed[:m]:
                yield Flaw(path=place, message=f"{quoted(name)} stands there twice")


def _no_wave_calendar(path: Path, name: str, levels: Mapping[str, str]) -> Flaw:
    if name not in levels:
        known = [one for one, level in levels.items() if level == "wave"]
        hint = flaws.suggestion(name, known) or "add it to spec.calendars, with level: wave"
        return Flaw(path=path, message=f"there is no calendar {quoted(name)}", hint=hint)
    if levels[name] == "byTag":
        message = f"{quoted(name)} binds clusters by their tags, whichever wave they are in"
        return Flaw(path=path, message=message, hint="remove it here")
    message = f"{quoted(name)} binds the whole run"
    return Flaw(path=path, message=message, hint="give it level: wave, or remove it here")


def _names(path: Path, calendars: Sequence[Any]) -> Iterator[Flaw]:
    seen: dict[str, int] = {}
    for n in range(len(calendars)):
        name = below(calendars, n, "name")
        if isinstance(name, str):
            first = seen.setdefault(name.lower(), n)
            if first != n:
                message = f"two calendars are called {quoted(name)}"
                hint = f"the first is {path[-1]}[{first}]"
                yield Flaw(path=(*path, n, "name"), message=message, hint=hint)


# --- one calendar ------------------------------------------------------------------------


def _calendar(path: Path, calendar: dict[str, Any], *, is_global: bool) -> Iterator[Flaw]:
    if "byTag" in calendar:
        for key in _NOT_BY_TAG:
            if key in calendar:
                yield flaws.excluded(path, key, by="byTag")
    else:
        for key in _ONLY_BY_TAG:
            if key in calendar:
                message = f"{key} says nothing without byTag"
                yield Flaw(path=(*path, key), message=message, hint="add byTag", is_about_key=True)
        yield from _says_when(path, calendar)
    if is_global and "level" in calendar:
        message = "a calendar of this file binds every run"
        yield Flaw(path=(*path, "level"), message=message, hint="remove it", is_about_key=True)
    # NB: where clusters have zones of their own, nobody can say what does not exist there.
    zone = None if "zoneTag" in calendar else calendar.get("zone")
    yield from _lists(path, calendar, zone)
    if isinstance(values := calendar.get("values"), dict):
        yield from _values((*path, "values"), values, zone)


def _says_when(path: Path, calendar: dict[str, Any]) -> Iterator[Flaw]:
    if not calendar.keys() & {"allow", "deny"}:
        or_by_tag = "" if "values" in path else "; or byTag"
        message, hint = "when it is open is not said", f"add allow, deny, or both{or_by_tag}"
        yield Flaw(path=path, message=message, hint=hint, is_absence=True)


def _values(path: Path, values: dict[str, Any], zone: Any) -> Iterator[Flaw]:
    seen: dict[str, str] = {}
    for value, meaning in values.items():
        place = (*path, value)
        other = seen.setdefault(value.strip().lower(), value)
        if other != value:
            message = f"the same as {quoted(other)}: tags' values are compared without case"
            yield Flaw(path=place, message=message, hint="keep one", is_about_key=True)
        if isinstance(meaning, dict):
            yield from _says_when(place, meaning)
            yield from _lists(place, meaning, zone)


def _lists(path: Path, holder: dict[str, Any], zone: Any) -> Iterator[Flaw]:
    for key in ("allow", "deny"):
        rules = holder.get(key)
        for n, rule in enumerate(rules if isinstance(rules, list) else ()):
            if isinstance(rule, dict):
                yield from check_rule((*path, key, n), rule, zone)


# --- one rule ----------------------------------------------------------------------------


def check_rule(path: Path, rule: dict[str, Any], zone: Any) -> Iterator[Flaw]:
    """Yield what is wrong between the keys of the rule at *path*; *zone*: that of its times."""
    kind = next((one for one in KINDS if one in rule), None)
    if kind is None:
        yield Flaw(path=path, message="when is not said", hint=_SAID, is_absence=True)
        return
    needed, possible = KINDS[kind]
    for key in needed:
        if key not in rule:
            beside = kind if kind != "from" else "from"
            message = f"{key} is missing beside {beside}"
            yield Flaw(path=path, message=message, hint=f"add {key}", is_absence=True)
    for key in rule:
        if key not in (kind, *needed, *possible) and key in KEYS:
            yield flaws.excluded(path, key, by=kind)
    if kind == "days":
        yield from _weekly(path, rule)
    elif kind == "from":
        yield from _once(path, rule, zone)
    elif kind == "rrule":
        yield from _exists((*path, "starts"), rule.get("starts"), zone)
        yield from _until(path, rule)
    elif kind == "holidays":
        yield from _holidays(path, rule)


KEYS = frozenset(
    key for kind, (needed, possible) in KINDS.items() for key in (kind, *needed, *possible)
)


def _weekly(path: Path, rule: dict[str, Any]) -> Iterator[Flaw]:
    for key in ("from", "to"):
        if _local(rule.get(key)):
            message = f"{key} is a time of day beside days, and no date"
            hint = 'write it as "22:00", or remove days'
            yield Flaw(path=(*path, key), message=message, hint=hint)
    if rule.get("from") == moments.MIDNIGHT:
        message = "no span starts at 24:00"
        yield Flaw(path=(*path, "from"), message=message, hint='"00:00" of the next day is meant?')


def _once(path: Path, rule: dict[str, Any], zone: Any) -> Iterator[Flaw]:
    for key in ("from", "to"):
        if isinstance(rule.get(key), str) and _TIME.fullmatch(rule[key]):
            message = f"{key} is a time of day, and on which days is not said"
            hint = "add days, such as days: daily, or write a date with the time"
            yield Flaw(path=(*path, key), message=message, hint=hint)
    start, end = _local(rule.get("from")), _local(rule.get("to"))
    if start and end and end <= start:
        message = "it ends when it starts" if start == end else "it ends before it starts"
        yield Flaw(path=(*path, "to"), message=message, hint=f"from is {rule['from']}")
        return
    for key in ("from", "to"):
        yield from _exists((*path, key), rule.get(key), zone)


def _exists(path: Path, value: Any, zone: Any) -> Iterator[Flaw]:
    """Yield a flaw for a time that clocks never show: they are put forward over it."""
    local = _local(value)
    found = zones.found(zone) if isinstance(zone, str) else None
    gap = moments.gap_at(local, found) if local and found else None
    if gap:
        before, after = gap
        message = (
            f"{value} does not exist in {zone}: clocks go from {before:%H:%M} to {after:%H:%M}"
        )
        hint = f"{after:%Y-%m-%dT%H:%M} is when they are put forward"
        yield Flaw(path=path, message=message, hint=hint)


def _until(path: Path, rule: dict[str, Any]) -> Iterator[Flaw]:
    starts, text = _local(rule.get("starts")), rule.get("rrule")
    found = re.search(r"UNTIL=([0-9]{8})", text.upper()) if isinstance(text, str) else None
    if starts and found and found[1] < f"{starts:%Y%m%d}":
        message = "the rule ends (UNTIL) before it starts"
        yield Flaw(path=(*path, "rrule"), message=message, hint=f"starts is {rule['starts']}")


def _holidays(path: Path, rule: dict[str, Any]) -> Iterator[Flaw]:
    country, part = rule.get("holidays"), rule.get("subdivision")
    if isinstance(country, str) and isinstance(part, str):
        found = publicholidays.subdivision_flaw(part, of=country)
        if found:
            message, hint = found
            yield Flaw(path=(*path, "subdivision"), message=message, hint=hint)


def _local(value: Any) -> dt.datetime | None:
    if not isinstance(value, str) or not _LOCAL.fullmatch(value):
        return None
    try:
        return dt.datetime.fromisoformat(value)
    except ValueError:
        return None
