"""When waves open and end, and when a target's turn comes, as far as anybody can tell beforehand.

Estimates for people: nothing acts on them. A target is taken to need what nine of ten needed so
far, or :data:`~fleet.core.waves.TYPICAL_TARGET`; places are filled in order; what gates, people and
failures add is not known. So every moment here is the earliest, and most are about right.

Nothing looks at more than a wave's targets once, however many windows they wait for.

Units:   moments are aware and UTC. ``None`` is never, as far as calendars are searched.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from fleet.core.hours import Hours
from fleet.core.waves import TYPICAL_TARGET
from fleet.core.windows import Zones
from fleet.model.calendars import Level
from fleet.model.gates import Gate, Moment
from fleet.model.plan import UNMEASURED_BUFFER, Plan, PlanHead, Target, Wave

Key = tuple[int, ...]
"""Calendars of the plan, by their places."""

_ZERO = dt.timedelta(0)
_MOST_WINDOWS = 1000
"""A wave that needs more windows than this has no end that anybody need know."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """The window that is open, or opens next."""

    opens_at: dt.datetime
    """The moment that was asked about, where it is open then."""
    closes_at: dt.datetime | None
    is_open: bool


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """What is to be expected of one wave."""

    wave: str
    opens_at: dt.datetime | None
    """The earliest start of its first target; of one that is open, of the next."""
    ends_at: dt.datetime | None
    """When its last target ends."""
    closes_at: dt.datetime | None
    """When its gates and its soak are over: then the next wave may open."""
    window: Window | None
    """Of the calendars that bind all of it; ``None``: none do, or they never open."""
    hangs_on: tuple[str, ...]
    """What else it waits for, in this order, for people."""
    is_after_approval: bool
    """Whether somebody has to agree to it, or to a wave before it, and has not."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Leg:
    """One wave that is not over, as a forecast sees it."""

    planned: Wave
    keys: Mapping[Key, int]
    """``{own calendars: how many of those that wait have them}``."""
    step_count: int
    """Writes of those that wait, all together."""
    in_flight: int = 0
    is_open: bool = False
    soaks_until: dt.datetime | None = None
    is_soaking: bool = False
    is_back: bool = False
    is_last: bool = False
    lacking: Mapping[Moment, int] = dataclasses.field(default_factory=dict)
    """``{before or after it: how many people have yet to agree}``."""

    @property
    def waiting_count(self) -> int:
        """Targets that have not started."""
        return sum(self.keys.values())


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What a forecast goes by."""

    now: dt.datetime
    head: PlanHead
    hours: Hours
    buffer: dt.timedelta
    typical: dt.timedelta

    def key_of(self, wave: Wave) -> Key:
        """Return the calendars that bind all of *wave*."""
        everybody = (Level.GLOBAL, Level.RUN)
        calendars = enumerate(self.head.calendars)
        return (*(n for n, one in calendars if one.level in everybody), *wave.calendars)


def of_plan(plan: Plan, *, zones: Zones, now: dt.datetime) -> tuple[Forecast, ...]:
    """Return what is to be expected of each wave of *plan*, were it begun at *now*."""
    terms = terms_of_plan(plan.head, zones=zones, now=now)
    return tuple(forecasts(terms, list(legs_of_plan(plan))))


def terms_of_plan(head: PlanHead, *, zones: Zones, now: dt.datetime) -> Terms:
    """Return what a forecast of a plan goes by that nobody has begun."""
    return Terms(
        now=now,
        head=head,
        hours=Hours(head.calendars, zones),
        buffer=UNMEASURED_BUFFER if head.start_buffer is None else head.start_buffer,
        typical=TYPICAL_TARGET,
    )


def legs_of_plan(plan: Plan) -> Iterator[Leg]:
    """Yield the waves of a plan that nobody has begun."""
    last = plan.head.waves[-1] if plan.head.waves else None
    for wave, targets in plan.by_wave():
        lacking: Counter[Moment] = Counter()
        for rule in wave.approvals:
            lacking[rule.when] = max(lacking[rule.when], rule.quorum)
        yield Leg(
            planned=wave,
            keys=Counter(target.calendars for target in targets),
            step_count=sum(len(target.steps) for target in targets),
            is_last=wave is last,
            lacking=lacking,
        )


def forecasts(terms: Terms, legs: Sequence[Leg]) -> Iterator[Forecast]:
    """Yield what is to be expected of each of *legs*, one after another."""
    since: dt.datetime | None = terms.now
    awaited: list[str] = []
    for leg in legs:
        found = _forecast(terms, leg, since, awaited)
        yield found
        since = found.closes_at
        awaited += [leg.planned.name] if any(leg.lacking.values()) else []


def start_of(
    terms: Terms, leg: Leg, found: Forecast, target: Target, *, place: int
) -> dt.datetime | None:
    """Return when the turn of *target* comes, at the earliest.

    Args:
        terms: What the forecast goes by.
        leg: Its wave.
        found: What is to be expected of that.
        target: One that waits in it.
        place: How many wait before it.
    """
    if found.opens_at is None:
        return None
    key = terms.key_of(leg.planned)
    turn_at = _nth_start(terms, leg, key, found.opens_at, place)
    return turn_at and _open_at(terms, (*key, *target.calendars), turn_at)


def window_of(terms: Terms, key: Key, since: dt.datetime) -> Window | None:
    """Return the window of *key* that is open at *since*, or the next; ``None``: none opens."""
    found = terms.hours.opening(key, since)
    opens_at = since if found.is_open else found.changes_at
    if opens_at is None:
        return None
    closes_at = found.changes_at if found.is_open else terms.hours.opening(key, opens_at).changes_at
    return Window(opens_at=opens_at, closes_at=closes_at, is_open=found.is_open)


def shortest(gate: Gate) -> dt.timedelta:
    """Return how long *gate* takes at least, if everything it measures is well."""
    count = gate.count or 1
    if gate.consecutive_success_limit and (gate.count or gate.interval):
        count = min(gate.consecutive_success_limit, gate.count or gate.consecutive_success_limit)
    return gate.initial_delay + (gate.interval or _ZERO) * (count - 1)


# --- one wave ----------------------------------------------------------------------------


def _forecast(
    terms: Terms, leg: Leg, since: dt.datetime | None, awaited: Sequence[str]
) -> Forecast:
    key, planned = terms.key_of(leg.planned), leg.planned
    reached_at = since
    hangs_on = [f"the approval of wave {name}" for name in awaited]
    if since is not None and not leg.is_open and not leg.is_back:
        reached_at = max(since, *_not_before(terms, planned))
        hangs_on += _hangs_on(terms, leg, key, since, reached_at)
    opens_at = reached_at and _opens_at(terms, leg, key, reached_at)
    ends_at = opens_at and _ends_at(terms, leg, key, opens_at)
    hangs_on += [_lack_text(leg, Moment.AFTER)] if leg.lacking.get(Moment.AFTER) else []
    return Forecast(
        wave=planned.name,
        opens_at=opens_at,
        ends_at=ends_at,
        closes_at=ends_at and _closes_at(terms, leg, ends_at),
        window=window_of(terms, key, reached_at) if reached_at and key else None,
        hangs_on=tuple(hangs_on),
        is_after_approval=bool(awaited) or bool(leg.lacking.get(Moment.BEFORE)),
    )


def _not_before(terms: Terms, wave: Wave) -> tuple[dt.datetime, ...]:
    moments = (terms.head.not_before, wave.not_before, terms.now)
    return tuple(one for one in moments if one is not None)


def _hangs_on(
    terms: Terms, leg: Leg, key: Key, since: dt.datetime, reached_at: dt.datetime
) -> Iterator[str]:
    if reached_at > since:
        yield f"not before {reached_at:%Y-%m-%d %H:%M}Z"
    if leg.lacking.get(Moment.BEFORE):
        yield _lack_text(leg, Moment.BEFORE)
    shut = [
        terms.head.calendars[n].name
        for n in key
        if not terms.hours.opening((n,), reached_at, buffer=terms.buffer).is_open
    ]
    if shut:
        yield f"the windows of {', '.join(shut)}"
    if leg.planned.before_gates:
        yield f"gates: {', '.join(leg.planned.before_gates)}"


def _lack_text(leg: Leg, moment: Moment) -> str:
    lack = leg.lacking[moment]
    return f"{'1 approval' if lack == 1 else f'{lack} approvals'} {moment} it"


def _opens_at(terms: Terms, leg: Leg, key: Key, since: dt.datetime) -> dt.datetime | None:
    opens_at = _open_at(terms, key, since)
    if leg.is_open or opens_at is None:
        return opens_at
    # Gates are measured once everything else lets it open, and it must still do so afterwards.
    return _open_at(terms, key, opens_at + _gates(terms, leg.planned.before_gates))


def _gates(terms: Terms, names: Sequence[str]) -> dt.timedelta:
    by_name = {one.name: one for one in terms.head.gates}
    return max((shortest(by_name[name]) for name in names if name in by_name), default=_ZERO)


def _ends_at(terms: Terms, leg: Leg, key: Key, opens_at: dt.datetime) -> dt.datetime | None:
    if leg.is_soaking:
        return opens_at
    if not leg.waiting_count:
        return opens_at + (_slot(terms, leg) if leg.in_flight else _ZERO)
    last = _nth_start(terms, leg, key, opens_at, leg.waiting_count - 1)
    for own, count in leg.keys.items():
        # NB: a search that finds nothing is a long one; and one is enough.
        if last is None:
            return None
        found = _nth_start(terms, leg, (*key, *own), opens_at, count - 1) if own else last
        last = found and max(last, found)
    return last and last + _slot(terms, leg)


def _closes_at(terms: Terms, leg: Leg, ends_at: dt.datetime) -> dt.datetime:
    planned = leg.planned
    if leg.is_soaking:
        return max(ends_at, leg.soaks_until or ends_at)
    gated_at = ends_at + _gates(terms, planned.after_gates)
    is_watched = planned.observe_every is not None or planned.soak_gates
    if not planned.soak or leg.is_back or (leg.is_last and not is_watched):
        return gated_at
    looks = (planned.observe_every or _ZERO) * planned.min_observations
    # NB: a soak counts from the last success, and gates are measured meanwhile.
    return max(gated_at, ends_at + max(planned.soak, looks, _gates(terms, planned.soak_gates)))


def _slot(terms: Terms, leg: Leg) -> dt.timedelta:
    """Return how long a target has its place."""
    count = max(leg.waiting_count, 1)
    work = terms.typical * max(leg.step_count, count) / count
    return work + (leg.planned.min_success_time or _ZERO)


def _nth_start(
    terms: Terms, leg: Leg, key: Key, since: dt.datetime, place: int
) -> dt.datetime | None:
    """Return when whoever has so many before them starts, if only *key* had its windows."""
    at_once = max(leg.planned.effective_concurrency, 1)
    free = max(at_once - leg.in_flight, 0)
    rounds = 0 if place < free else 1 + (place - free) // at_once
    slot = _slot(terms, leg)
    for _ in range(_MOST_WINDOWS):
        found = terms.hours.opening(key, since, buffer=terms.buffer)
        if not found.is_open:
            if found.changes_at is None:
                return None
            since = found.changes_at
            continue
        fit = -((since - found.changes_at) // slot) if found.changes_at else rounds + 1
        if rounds < fit or found.changes_at is None:
            return since + slot * rounds
        rounds -= fit
        since = max(found.changes_at, since + slot * fit)
    return None


def _open_at(terms: Terms, key: Key, since: dt.datetime) -> dt.datetime | None:
    found = terms.hours.opening(key, since, buffer=terms.buffer)
    return since if found.is_open else found.changes_at
