"""What people and other systems are told of a run, from its events.

An event says what happened, not to whom it matters, how far the run has come or who has to do
something now: an :class:`Account` knows, having read the events before it. Who is told, by which
way and how often it is tried, is in :mod:`fleet.engine.notifier` and :mod:`fleet.outside`.

A notice is a matter of the events up to it and of nothing else. Whoever takes a run over makes
the same notices, to the letter, and what is told twice can be told apart from what is new.
"""

from __future__ import annotations

import collections
import dataclasses
import datetime as dt
from collections.abc import Mapping

from fleet.core import noticewords
from fleet.core.noticewords import Told
from fleet.core.state import RunState
from fleet.errors import InvariantError
from fleet.model import events as e
from fleet.model.codec import SPARSE
from fleet.model.events import Actor, Event, RunCreated
from fleet.model.gates import Verdict
from fleet.model.notices import Topic
from fleet.model.plan import Digest, RunId
from fleet.model.statuses import Result

_SHOWN = 5
"""Failures that a notice names."""
_LONGEST = 500
"""Characters of what a service or a person said."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class AboutRun:
    """Which run it is."""

    id: RunId
    plan: str
    plan_digest: Digest
    change: str | None
    """The change record."""
    owner: str | None
    started_by: Actor


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class AboutWave:
    """Which wave it is."""

    name: str
    number: int
    """From 1."""
    targets: int
    """That the plan has in it."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """A target that did not end well."""

    cluster: str
    result: Result
    detail: str


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """Somebody has to do something, or the run stays where it is."""

    who: str
    commands: tuple[str, ...]
    """Any of which will do."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """One thing that somebody is told."""

    sequence: int
    """The event's place in the run's journal, from 1."""
    kind: str
    """Such as ``wave.opened``."""
    topic: Topic
    at: dt.datetime
    title: str
    """All of it in one line."""
    run: AboutRun
    wave: AboutWave | None
    counts: Mapping[str, int]
    """How targets ended so far: those of the wave where it has opened, else those of the run."""
    reason: str = dataclasses.field(default="", metadata=SPARSE)
    actor: Actor | None = dataclasses.field(default=None, metadata=SPARSE)
    """The person who did it; ``None``: the run itself."""
    until: dt.datetime | None = dataclasses.field(default=None, metadata=SPARSE)
    """When it goes on without anybody."""
    gate: str = dataclasses.field(default="", metadata=SPARSE)
    verdict: Verdict | None = dataclasses.field(default=None, metadata=SPARSE)
    """What the gate came to."""
    failures: tuple[Failure, ...] = dataclasses.field(default=(), metadata=SPARSE)
    """The first few of those that were counted, where that is what it is about."""
    call: Call | None = dataclasses.field(default=None, metadata=SPARSE)

    @property
    def id(self) -> str:
        """What it is called everywhere; told again, it is called the same."""
        return f"{self.run.id}/{self.sequence}"


@dataclasses.dataclass(slots=True)
class _Tally:
    """How targets ended."""

    results: dict[int, Result] = dataclasses.field(default_factory=dict)
    failures: dict[int, Failure] = dataclasses.field(default_factory=dict)
    """The first few."""

    def add(self, target: int, ended: Failure) -> None:
        self.results[target] = ended.result
        if ended.result.is_failure and len(self.failures) < _SHOWN:
            self.failures[target] = ended

    def counts(self) -> Mapping[str, int]:
        found = collections.Counter(str(one) for one in self.results.values())
        return dict(sorted(found.items()))


class Account:
    """A run as far as its events were read.

    Of *state* it looks only at what never changes: the header, and names. So it may be ahead.
    """

    def __init__(self, state: RunState) -> None:
        self._state = state
        self._run, self._wave = _Tally(), _Tally()
        self._opened: int | None = None
        """The wave that :attr:`_wave` is of."""
        self._halt: e.RunPausing | e.RunStopping | None = None
        """Who stopped it last, and why."""
        self._wait: e.RunWaiting | None = None
        """What it waits for."""

    def read(self, sequence: int, event: Event) -> Notice | None:
        """Take in the next event of :data:`KINDS`; return what is to be told of it, if anything."""
        match event:
            case e.TargetFinished():
                self._count(event.target, event.result, event.detail)
            case e.WaveObserved():
                for target in event.relapsed:
                    self._count(target, Result.FAILED, event.detail)
            case e.WaveOpened():
                self._wave, self._opened = _Tally(), event.wave
            case e.RunPausing() | e.RunStopping():
                self._halt, self._wait = event, None
            case e.RunWoken():
                self._wait = None
            case e.RunWaiting():
                # Written down again after each look, for timers: people know it already.
                before, self._wait = self._wait, event
                if before is not None and _is_told(before, event):
                    return None
            case _:
                pass
        told = noticewords.told(event, halt=self._halt)
        return None if told is None else self._notice(sequence, event, told)

    def _count(self, target: int, result: Result, detail: str) -> None:
        cluster = self._state.targets[target].cluster_name
        ended = Failure(cluster=cluster, result=result, detail=_cut(detail))
        self._run.add(target, ended)
        self._wave.add(target, ended)

    def _notice(self, sequence: int, event: Event, told: Told) -> Notice:
        header, wave = self._header(), getattr(event, "wave", None)
        about = self._about_wave(wave)
        tally = self._wave if about and wave == self._opened else self._run
        place = f"{header.plan.name}, wave {about.name}" if about else header.plan.name
        counts = getattr(event, "counts", None) or tally.counts()
        ending = _in_words(counts) if told.is_counted else ""
        if told.is_sized and about:
            ending = f", {about.targets} targets"
        return Notice(
            sequence=sequence,
            kind=told.kind,
            topic=told.topic,
            at=event.at,
            title=_cut(f"{place}: {told.title}") + ending,
            run=_about_run(header),
            wave=about,
            counts=counts,
            reason=_cut(told.reason),
            actor=told.actor,
            until=told.until,
            gate=getattr(event, "gate", ""),
            verdict=getattr(event, "verdict", None),
            failures=tuple(tally.failures.values()) if told.is_about_failures else (),
            call=self._call(told, about),
        )

    def _call(self, told: Told, wave: AboutWave | None) -> Call | None:
        if not told.commands:
            return None
        header, name = self._header(), wave.name if wave else ""
        commands = tuple(
            f"fleet {one.format(run=header.run_id, wave=name)}" for one in told.commands
        )
        rules = self._state.waves[wave.number - 1].planned.approvals if wave else ()
        if told.is_for_approvers:
            who = noticewords.approvers(rules, author=header.actor.called)
        else:
            who = header.plan.owner or header.actor.called
        return Call(who=who, commands=commands)

    def _about_wave(self, number: int | None) -> AboutWave | None:
        if number is None or number >= len(self._state.waves):
            return None
        planned = self._state.waves[number].planned
        return AboutWave(name=planned.name, number=number + 1, targets=planned.target_count)

    def _header(self) -> RunCreated:
        if self._state.header is None:
            message = "nobody is told of a run without a header"
            raise InvariantError(message)
        return self._state.header


KINDS = frozenset({*noticewords.KINDS, e.TargetFinished.kind})
"""Of the events that an :class:`Account` has to read; all others change nothing of it."""


def _about_run(header: RunCreated) -> AboutRun:
    plan = header.plan
    return AboutRun(
        id=header.run_id,
        plan=plan.name,
        plan_digest=header.plan_digest,
        change=plan.change,
        owner=plan.owner,
        started_by=header.actor,
    )


def _is_told(before: e.RunWaiting, event: e.RunWaiting) -> bool:
    same = dataclasses.replace(event, at=before.at, look_at=before.look_at)
    return same == before


def _in_words(counts: Mapping[str, int]) -> str:
    found = ", ".join(f"{count} {name}" for name, count in counts.items())
    return f" ({found})" if found else ""


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 3]}..."
