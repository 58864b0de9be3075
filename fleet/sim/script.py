"""Faults by script: which requests, writes and moments meet what.

Rules count what they are about and, where they say a share, draw a lot; of several that fit the
first counts. A tally is all that changes, and the same requests in the same order meet the same.
Reading a faults file is :mod:`fleet.sim.faultfile`'s business.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import enum
import fnmatch
from collections import Counter

from fleet.core import draws
from fleet.sim.breakage import Broken
from fleet.sim.repertoire import REPERTOIRE, Asked, Fault, Level

_UNLIMITED = 1_000_000_000
_AT_ONCE = dt.timedelta(0)


class Counted(enum.StrEnum):
    """What a rule counts together."""

    ALL = "all"
    CLUSTER = "cluster"
    """Each cluster's for themselves."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A request or a write, as rules look at it."""

    asked: Asked
    method: str
    at: dt.timedelta
    """Since the first request; of writes, since the first write."""
    lot: tuple[draws.Part, ...]
    """What tells it from others, for its draws."""
    cluster: str = ""
    """Its name; empty: it is about none."""
    subscription: str = ""
    name: str = ""
    """Of an extension's instance."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """Something that goes wrong, and when."""

    fault: Fault
    on: frozenset[Asked] = frozenset()
    """Empty: all that the fault is about."""
    methods: frozenset[str] = frozenset()
    """Empty: any."""
    cluster: str | None = None
    """A pattern with ``*``; so are these two."""
    subscription: str | None = None
    name: str | None = None
    first: int = 1
    """Of those that fit, from 1."""
    last: int = _UNLIMITED
    every: int = 1
    share_ppm: int = draws.CERTAIN_PPM
    """Of those that are left: how many, by lot."""
    counted: Counted = Counted.ALL
    after: dt.timedelta | None = None
    """As :attr:`Case.at`: earlier cases do not fit, and from :attr:`until` on none does."""
    until: dt.timedelta | None = None
    seconds: int | None = None
    retry_after_s: int | None = None
    status: int | None = None
    message: str | None = None
    """What the operation says, to the letter."""
    rows: int | None = None

    @property
    def level(self) -> Level:
        """Where it goes wrong."""
        return REPERTOIRE[self.fault].level

    @property
    def duration(self) -> dt.timedelta | None:
        """How long it takes; ``None``: the rule does not say."""
        return None if self.seconds is None else dt.timedelta(seconds=self.seconds)

    def fits(self, case: Case) -> bool:
        """Tell whether *case* is one that is counted."""
        on = self.on or REPERTOIRE[self.fault].about
        is_meant = case.asked in on and (not self.methods or case.method in self.methods)
        is_early = self.after is not None and case.at < self.after
        is_late = self.until is not None and case.at >= self.until
        return (
            is_meant
            and not (is_early or is_late)
            and _is_like(case.cluster, self.cluster)
            and _is_like(case.subscription, self.subscription)
            and _is_like(case.name, self.name)
        )

    def is_due(self, count: int) -> bool:
        """Tell whether the *count*-th that fits is one of those that are meant."""
        return self.first <= count <= self.last and (count - self.first) % self.every == 0


def _is_like(found: str, pattern: str | None) -> bool:
    return pattern is None or fnmatch.fnmatchcase(found.lower(), pattern.lower())


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """The rules of a faults file."""

    seed: int | None = None
    """For shares; ``None``: the world's."""
    rules: tuple[Rule, ...] = ()
    broken: tuple[Broken, ...] = ()
    """What is broken inside clusters, beside what the world file says."""

    def jump(self, at: dt.timedelta) -> dt.timedelta:
        """Return how far the service's clock is ahead, that long after the first request."""
        jumps = (
            one.duration or _AT_ONCE
            for one in self.rules
            if one.level is Level.CLOCK and at >= (one.after or _AT_ONCE)
        )
        return sum(jumps, _AT_ONCE)


NOTHING = Script()


class Tally:
    """What the rules of one level have counted so far."""

    def __init__(self, script: Script, level: Level, *, seed: int) -> None:
        self._seed = seed if script.seed is None else script.seed
        self._rules = [one for one in enumerate(script.rules) if one[1].level is level]
        self._counts: Counter[tuple[int, str]] = Counter()
        self._lots: Counter[tuple[int, tuple[draws.Part, ...]]] = Counter()
        self.met_counts: Counter[Fault] = Counter()
        """How often each fault was met."""

    def met(self, case: Case) -> Rule | None:
        """Count *case*, and return what it meets."""
        due = [rule for place, rule in self._rules if self._is_met(place, rule, case)]
        if not due:
            return None
        self.met_counts[due[0].fault] += 1
        return due[0]

    def _is_met(self, place: int, rule: Rule, case: Case) -> bool:
        if not rule.fits(case):
            return False
        key = place, case.cluster.lower() if rule.counted is Counted.CLUSTER else ""
        self._counts[key] += 1
        if not rule.is_due(self._counts[key]):
            return False
        # NB: each place has lots of its own: whoever else asks, and when, changes nothing.
        self._lots[place, case.lot] += 1
        lot = ("script", place, *case.lot, self._lots[place, case.lot])
        return draws.chance(rule.share_ppm, self._seed, *lot)
