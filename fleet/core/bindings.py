"""Which calendars bind whom: a plan's, its waves' and its targets'.

All of a plan's calendars stand in its head, those of the world first, then the run's, the waves'
and the targets'; a wave and a target name theirs by their place there. Those of the world and the
run bind everybody, and nobody names them.

The catch-up wave is bound by every wave's calendars: who is changed there may have come from any.

Errors:  :exc:`~fleet.errors.InputError` for a calendar that never opens, or some that never do
         together: a run would wait for ever.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence

from fleet.core import windows
from fleet.core.assignment import Member
from fleet.core.hours import Hours
from fleet.core.maintenance import Found, Reader, called, said
from fleet.core.timetables import Zones
from fleet.errors import InputError, InvariantError
from fleet.model.calendars import Calendar, Level, Rule
from fleet.model.cluster import Cluster, ClusterId, nothing
from fleet.model.desired import Rollout, TagCalendars
from fleet.model.plan import (
    CATCH_UP,
    UNMEASURED_BUFFER,
    Action,
    PlanHead,
    Target,
    Wave,
)

_EVERYBODY = (Level.GLOBAL, Level.RUN)
_SHOWN = 5
_MOST_SEARCHED = 5_000
"""Of different calendars together: so many are worked out in two seconds."""
_CLOCK_CHANGE = dt.timedelta(hours=1)


def weighed(
    members: Sequence[Member], rollout: Rollout, zones: Zones | None
) -> tuple[list[Member], Mapping[ClusterId, tuple[Calendar, ...]]]:
    """Return *members* with those blocked whose tags cannot be read, and the others' calendars."""
    if zones is None and (rollout.calendars or rollout.tag_calendars):
        message = "calendars are planned with, and no zone data was given"
        raise InvariantError(message)
    if zones is None or not rollout.tag_calendars:
        return list(members), {}
    reader = Reader(rollout.tag_calendars, zones)
    found: list[Member] = []
    own: dict[ClusterId, tuple[Calendar, ...]] = {}
    for cluster, target in members:
        read = reader.read(cluster) if target.action.is_change else Found()
        found.append((cluster, _blocked(target, read.trouble) if read.trouble else target))
        if read.calendars:
            own[cluster.id] = read.calendars
    return found, own


def _blocked(target: Target, why: str) -> Target:
    return dataclasses.replace(
        target,
        action=Action.BLOCKED,
        reason=why,
        to_version=None,
        steps=(),
        owned=nothing(),
        diff=(),
        rollback=None,
    )


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Bindings:
    """The calendars of a plan, and who names which."""

    calendars: tuple[Calendar, ...] = ()
    waves: Mapping[str, tuple[int, ...]] = dataclasses.field(default_factory=dict)
    """By the wave's name."""
    own: Mapping[ClusterId, tuple[int, ...]] = dataclasses.field(default_factory=dict)
    """By the target's cluster."""
    warnings: tuple[str, ...] = ()


def resolved(
    rollout: Rollout,
    listed: Mapping[str, tuple[str, ...]],
    own: Mapping[ClusterId, tuple[Calendar, ...]],
) -> Bindings:
    """Return who is bound by what.

    Args:
        rollout: What is asked for.
        listed: ``{wave: the calendars that it lists}``, of the waves that anybody is in.
        own: What the tags of clusters say, of those that are changed.
    """
    used = {name for names in listed.values() for name in names}
    asked = {name for rule in rollout.strategy.waves for name in rule.calendars}
    shared = [one for one in rollout.calendars if one.level in _EVERYBODY]
    of_waves = [one for one in rollout.calendars if one.level is Level.WAVE and one.name in used]
    tagged = {one.name: one for some in own.values() for one in some}
    calendars = (*shared, *of_waves, *(tagged[name] for name in sorted(tagged)))
    places = {one.name: n for n, one in enumerate(calendars)}
    by_names: dict[tuple[str, ...], tuple[int, ...]] = {}
    waves = {
        wave: tuple(places[name] for name in (sorted(used) if wave == CATCH_UP else names))
        for wave, names in listed.items()
    }
    return Bindings(
        calendars=calendars,
        waves=waves,
        own={cluster: _places(some, places, by_names) for cluster, some in own.items()},
        warnings=tuple(_unused(rollout, asked)),
    )


def _places(
    some: tuple[Calendar, ...],
    places: Mapping[str, int],
    known: dict[tuple[str, ...], tuple[int, ...]],
) -> tuple[int, ...]:
    """Return where calendars stand: the same tuple for the same ones, of which there are few."""
    names = tuple(one.name for one in some)
    if names not in known:
        known[names] = tuple(places[name] for name in names)
    return known[names]


def _unused(rollout: Rollout, asked: set[str]) -> Iterable[str]:
    for one in rollout.calendars:
        if one.level is Level.WAVE and one.name not in asked:
            yield f"calendar {one.name}: no wave lists it, so it binds nobody"


def of_catch_up(waves: Iterable[Wave]) -> tuple[int, ...]:
    """Return the calendars of the wave of late clusters, beside the run's, as a run needs it."""
    return tuple(sorted({place for wave in waves for place in wave.calendars}))


# --- what never opens --------------------------------------------------------------------


def opened(
    head: PlanHead, targets: Sequence[Target], *, zones: Zones, at: dt.datetime | None
) -> PlanHead:
    """Return *head* with a warning for the targets that would wait for ever.

    Args:
        head: The plan's.
        targets: Those that are changed.
        zones: Zone data.
        at: When it is planned; ``None``: nobody knows, and nothing is looked at.

    Raises:
        InputError: A wave would.
    """
    if at is None or not head.calendars:
        return head
    at = max(at, head.not_before or at)
    _require_each(head.calendars, zones, at)
    search = _Search(head, Hours(head.calendars, zones), at)
    for wave in head.waves:
        search.require(wave)
    return dataclasses.replace(head, warnings=(*head.warnings, *search.stuck(targets)))


class _Search:
    """Looks which calendars of a plan are ever open together, long enough to start something."""

    def __init__(self, head: PlanHead, hours: Hours, at: dt.datetime) -> None:
        self._head = head
        self._hours = hours
        self._at = at
        self._buffer = UNMEASURED_BUFFER if head.start_buffer is None else head.start_buffer
        self._shared = tuple(n for n, one in enumerate(head.calendars) if one.level in _EVERYBODY)

    def require(self, wave: Wave) -> None:
        """Raise where a wave would wait for ever."""
        places = (*self._shared, *wave.calendars)
        if self._is_ever_open(places, max(self._at, wave.not_before or self._at)):
            return
        minutes = self._buffer // dt.timedelta(minutes=1)
        length = f" for longer than the start buffer of {minutes} min" if self._buffer else ""
        message = (
            f"wave {wave.name}: its calendars are never open at once{length}: {self._names(places)}"
        )
        hint = "Change one of them, or take one away; or lower startBuffer."
        raise InputError(message, hint=hint)

    def stuck(self, targets: Iterable[Target]) -> Iterator[str]:
        """Yield a warning for all targets that have calendars of their own which never open."""
        of_wave = {wave.name: wave.calendars for wave in self._head.waves}
        groups: dict[tuple[int, ...], list[Target]] = {}
        for one in targets:
            if one.calendars:
                places = (*self._shared, *of_wave.get(one.wave or "", ()), *one.calendars)
                groups.setdefault(places, []).append(one)
        # NB: thousands of windows take seconds; those that most targets have are looked at.
        ordered = sorted(groups.items(), key=lambda one: -len(one[1]))
        for places, members in itertools.islice(ordered, _MOST_SEARCHED):
            if not self._opens_weekly(places) and not self._is_ever_open(places, self._at):
                names = ", ".join(one.cluster_name for one in members[:_SHOWN])
                names += f" and {len(members) - _SHOWN} more" if len(members) > _SHOWN else ""
                which = self._names(places)
                yield f"{names}: never changed, since these are never open at once: {which}"

    def _opens_weekly(self, places: tuple[int, ...]) -> bool:
        """Tell whether no search is needed: one calendar alone, with a long span each week."""
        calendar = self._head.calendars[places[0]]
        if len(places) > 1 or not _is_weekly(calendar):
            return False
        return any(_length(rule) > self._buffer + _CLOCK_CHANGE for rule in calendar.allow)

    def _is_ever_open(self, places: tuple[int, ...], at: dt.datetime) -> bool:
        found = self._hours.opening(places, at, buffer=self._buffer)
        return found.is_open or found.changes_at is not None

    def _names(self, places: Iterable[int]) -> str:
        return ", ".join(self._head.calendars[place].name for place in places)


def _require_each(calendars: Sequence[Calendar], zones: Zones, at: dt.datetime) -> None:
    wrong = [
        f"calendar {one.name}: {problem}"
        for one in calendars
        if not _is_weekly(one)
        for problem in windows.problems(one, zones=zones, at=at)
    ]
    if wrong:
        more = len(wrong) - _SHOWN
        tail = [f"and {more} more"] if more > 0 else []
        hint = "Correct the calendar: a run that is bound by it would wait for ever."
        raise InputError("\n".join([*wrong[:_SHOWN], *tail]), hint=hint)


def _length(rule: Rule) -> dt.timedelta:
    """Return how long a weekly span is, by clocks that nobody changes."""
    at, until = (
        dt.timedelta(hours=int(text[:2]), minutes=int(text[3:])) for text in (rule.at, rule.until)
    )
    return until - at if until > at else until - at + dt.timedelta(days=1)


def _is_weekly(calendar: Calendar) -> bool:
    """Tell whether a target's calendar opens every week: there may be thousands of those."""
    return (
        calendar.level is Level.TARGET
        and bool(calendar.allow)
        and not calendar.deny
        and all(rule.days for rule in calendar.allow)
    )


# --- while a run goes on -----------------------------------------------------------------


def joining(
    cluster: Cluster, rules: Sequence[TagCalendars], calendars: Sequence[Calendar]
) -> tuple[int, ...] | None:
    """Return the calendars of a cluster that joins a run, by their places.

    A plan is frozen, its calendars with it. ``None``: the cluster's tags say what no target of
    the plan had said, or nothing that can be read; it is not changed by this run.
    """
    tags = {name.lower(): value for name, value in cluster.tags.items()}
    found: list[int] = []
    for rule in rules:
        value, zone = said(tags, rule)
        if value is None:
            if rule.must_be_tagged:
                return None
            continue
        name = called(rule, value, zone)
        place = next((n for n, one in enumerate(calendars) if one.name == name), None)
        if place is None:
            return None
        found.append(place)
    return tuple(found)


def under(head: PlanHead, shared: Sequence[Calendar]) -> PlanHead:
    """Return the head of a plan that was made from another with the calendars of today's world.

    Those of the same name take the place of the older ones; what is not there any more stays, as
    the plan that people agreed to had it.
    """
    new = {one.name: one for one in shared}
    taken = [one.name for one in head.calendars if one.level is not Level.GLOBAL]
    if clash := sorted(set(taken) & new.keys()):
        message = f"the plan has a calendar of its own that is called {clash[0]}"
        raise InputError(message, hint="Give the one that binds every run another name.")
    kept = [
        new.pop(one.name) if one.level is Level.GLOBAL and one.name in new else one
        for one in head.calendars
    ]
    # NB: at the end, since waves and targets name the others by their places.
    return dataclasses.replace(head, calendars=(*kept, *new.values()))
