"""When a cluster's own tag says that it may be changed.

A value that the plan file lists means what is listed there. Any other is a span itself: days, a
start and an end, such as ``sun-02-06``, ``sat-2230-0400`` or ``mon-fri-22-05``; several stand with
a ``;`` between them. A span belongs to the day it starts, and an end that is not later than its
start is the next day's. Values are compared without case.

A cluster whose tag cannot be read is changed by no plan: whoever tagged it wanted something.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping, Sequence

from fleet.core import weekdays
from fleet.core.timetables import Zones
from fleet.errors import InputError
from fleet.model.calendars import Calendar, Level, Rule
from fleet.model.cluster import Cluster
from fleet.model.desired import TagCalendars

_SPAN = re.compile(r"(.+?)-([0-9]{2}):?([0-9]{2})?-([0-9]{2}):?([0-9]{2})?", re.ASCII)
_EXAMPLES = "sun-02-06, sat-2230-0400 or mon-fri-22-05"
_LONGEST = 256
"""Of a value: as many characters as Azure allows."""
_LAST_HOUR, _LAST_MINUTE = 23, 59


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What a cluster's tags say."""

    calendars: tuple[Calendar, ...] = ()
    trouble: str = ""
    """Why that cannot be told, and whose move it is; empty: it can."""


class Reader:
    """Reads the tags of many clusters; what several have in common is worked out once."""

    def __init__(self, rules: Sequence[TagCalendars], zones: Zones) -> None:
        self._rules = rules
        self._zones = zones
        self._names = tuple(
            name.lower() for one in rules for name in (one.tag, one.zone_tag) if name
        )
        self._found: dict[tuple[str | None, ...], Found] = {}
        self._known: dict[tuple[int, str, str], Calendar | str] = {}

    def read(self, cluster: Cluster) -> Found:
        """Return the calendars that *cluster*'s tags name, one for each rule that binds it."""
        tags = {name.lower(): value for name, value in cluster.tags.items()}
        told = tuple(map(tags.get, self._names))
        if told not in self._found:
            self._found[told] = self._read(tags)
        return self._found[told]

    def _read(self, tags: Mapping[str, str]) -> Found:
        found: list[Calendar] = []
        for n, rule in enumerate(self._rules):
            value, zone = said(tags, rule)
            if value is None:
                if rule.must_be_tagged:
                    return Found(trouble=_untagged(rule))
                continue
            key = (n, value, zone)
            if key not in self._known:
                self._known[key] = _calendar(rule, value, zone, self._zones)
            calendar = self._known[key]
            if isinstance(calendar, str):
                return Found(trouble=calendar)
            found.append(calendar)
        return Found(calendars=tuple(found))


def said(tags: Mapping[str, str], rule: TagCalendars) -> tuple[str | None, str]:
    """Return a tag's value, in lower case, and the zone that it is meant in.

    Args:
        tags: By name, in lower case.
        rule: Which tags count.

    Returns:
        ``None`` for the value: the cluster does not have the tag.
    """
    value = tags.get(rule.tag.lower())
    zone = tags.get(rule.zone_tag.lower(), "").strip() if rule.zone_tag else ""
    return None if value is None else " ".join(value.lower().split()), zone or rule.zone


def called(rule: TagCalendars, value: str, zone: str) -> str:
    """Return the name of the calendar of one value, and one zone.

    >>> from fleet.model.desired import TagCalendars
    >>> rule = TagCalendars(name="stores", tag="maintenance", zone="Europe/Berlin")
    >>> called(rule, "sun-02-06", "Europe/Berlin"), called(rule, "sun-02-06", "Europe/Lisbon")
    ('stores:sun-02-06', 'stores:sun-02-06@Europe/Lisbon')
    """
    return f"{rule.name}:{value}" + ("" if zone == rule.zone else f"@{zone}")


def spans(value: str) -> tuple[Rule, ...] | None:
    """Return the weekly spans that *value* is; ``None``: it is none.

    >>> [(one.days, one.at, one.until) for one in spans("sun-02-06") or ()], spans("sunday")
    ([((6,), '02:00', '06:00')], None)
    """
    found = [_span(part.strip()) for part in value.split(";")]
    rules = tuple(one for one in found if one is not None)
    return rules if len(rules) == len(found) and len(value) <= _LONGEST else None


def _span(text: str) -> Rule | None:
    match = _SPAN.fullmatch(text)
    days = weekdays.read(match[1]) if match else None
    if match is None or days is None:
        return None
    at, until = (f"{match[n]}:{match[n + 1] or '00'}" for n in (2, 4))
    is_end = _is_time(until) or until == "24:00"
    return Rule(days=days, at=at, until=until) if _is_time(at) and is_end else None


def _is_time(text: str) -> bool:
    return int(text[:2]) <= _LAST_HOUR and int(text[3:]) <= _LAST_MINUTE


def _calendar(rule: TagCalendars, value: str, zone: str, zones: Zones) -> Calendar | str:
    """Return the calendar of a value; or why there is none."""
    try:
        zones(zone)
    except InputError as error:
        hint = f" ({error.hint.rstrip('.')})" if error.hint else ""
        what = f"its tag {rule.zone_tag}={_shown(zone)} is no time zone{hint}"
        return f"{what}: its owner can correct it"
    lists = rule.named.get(value)
    allow, deny = lists if lists is not None else (spans(value) or (), ())
    if lists is None and not allow:
        return (
            f"its tag {rule.tag}={_shown(value)} is no time that can be read, "
            f"such as {_EXAMPLES}: {_ask(rule)}"
        )
    return Calendar(
        name=called(rule, value, zone),
        level=Level.TARGET,
        zone=zone,
        allow=allow,
        deny=deny,
        overrun=rule.overrun,
        overriders=rule.overriders,
        source=rule.source if lists is not None else "",
        known_until=rule.known_until if lists is not None else None,
    )


def _untagged(rule: TagCalendars) -> str:
    what = f"it has no tag {rule.tag}, which says when it may be changed ({rule.name})"
    return f"{what}: its owner can set it, or the plan file can say untagged: allow"


def _ask(rule: TagCalendars) -> str:
    return f"its owner can correct it, or the plan file can list it under {rule.name}"


def _shown(text: str) -> str:
    cut = text if len(text) <= _SHOWN else text[: _SHOWN - 3] + "..."
    return repr(cut)


_SHOWN = 60
