"""Random histories of runs that are judged: calendars, gates, soaks, moments and approvals.

The laws keep their own books of what is open, what was measured and who agreed, from events alone.
"""

from __future__ import annotations

import collections
import dataclasses
import datetime as dt
from collections.abc import Sequence
from typing import Any, cast

from hypothesis import strategies as st

from fleet import zones
from fleet.core import draws, judgefold, planner, windows
from fleet.model import events as e
from fleet.model.approvals import ApprovalRule
from fleet.model.calendars import Calendar, Level, Overrun, Rule
from fleet.model.commands import Look, Measure
from fleet.model.events import Actor
from fleet.model.gates import Gate, Moment, OnVerdict, Probe, ProbeKind, Verdict
from fleet.model.plan import Plan, Undo
from fleet.model.statuses import Result, WaveStatus
from fleet.model.strategy import OnBreach, RollbackScope
from tests.rig import drawn, fleets, samples
from tests.rig.books import Books
from tests.rig.histories import Life

MINUTE = dt.timedelta(minutes=1)
EVERY_DAY = tuple(range(7))
PEOPLE = tuple(Actor(name=name, host="desk", pid=1) for name in ("alice", "bob", "carol", "dave"))
PROBE = Probe(kind=ProbeKind.PROMETHEUS, url="https://metrics.example", query="up")
NAMES = ("once", "often", "endless")


# --- what is drawn -----------------------------------------------------------------------


def judged_plans() -> st.SearchStrategy[Plan]:
    """Small plans as for other histories, with all that may hold them up."""
    return st.builds(
        _judged,
        drawn.run_plans(),
        calendars=st.lists(calendars(), max_size=3).map(tuple),
        gates=st.tuples(*[_gates(name) for name in NAMES]),
        waves=st.lists(_wave_keys(), min_size=4, max_size=4),
        not_before=st.none() | st.none() | _moments(),
        start_buffer=st.none() | st.integers(0, 90).map(lambda n: n * MINUTE),
    )


def calendars() -> st.SearchStrategy[Calendar]:
    """Windows of every day, with an hour of every day denied now and then."""
    return st.builds(
        Calendar,
        name=st.sampled_from(["nights", "days"]),
        level=st.sampled_from([Level.GLOBAL, Level.RUN, Level.WAVE, Level.TARGET, Level.TARGET]),
        zone=st.sampled_from(["UTC", "Europe/Berlin", "Australia/Lord_Howe"]),
        allow=st.lists(_daily(), max_size=2).map(tuple),
        deny=st.lists(_daily(most=2), max_size=1).map(tuple),
        overrun=st.sampled_from(Overrun),
        overriders=st.sampled_from([(), ("alice",)]),
    )


def _daily(most: int = 12) -> st.SearchStrategy[Rule]:
    return st.builds(
        lambda at, length: Rule(
            days=EVERY_DAY, at=f"{at:02}:00", until=f"{(at + length) % 24:02}:30"
        ),
        st.integers(0, 23),
        st.integers(1, most),
    )


def _moments() -> st.SearchStrategy[dt.datetime]:
    return st.integers(-60, 3000).map(lambda n: fleets.T0 + n * MINUTE)


def _gates(name: str) -> st.SearchStrategy[Gate]:
    actions = st.sampled_from(OnVerdict)
    return st.builds(
        Gate,
        name=st.just(name),
        probe=st.just(PROBE),
        interval=st.just(None if name == "once" else 7 * MINUTE),
        count=st.just(3 if name == "often" else None),
        initial_delay=st.sampled_from([0, 11]).map(lambda n: n * MINUTE),
        failure_limit=st.integers(0, 1),
        is_dry_run=st.sampled_from([False, False, True]),
        on_fail=actions,
        on_inconclusive=actions,
        on_no_data=actions,
        on_error=actions,
    )


def _wave_keys() -> st.SearchStrategy[dict[str, Any]]:
    minutes = st.none() | st.integers(5, 40).map(lambda n: n * MINUTE)
    ended = st.lists(st.sampled_from(NAMES[:2]), max_size=1, unique=True).map(tuple)
    rule = st.builds(
        ApprovalRule,
        when=st.sampled_from([Moment.BEFORE, Moment.AFTER]),
        quorum=st.integers(1, 2),
        not_author=st.booleans(),
        life=st.integers(30, 3000).map(lambda n: n * MINUTE),
    )
    return st.fixed_dictionaries(
        {
            "not_before": st.none() | _moments(),
            "min_success_time": minutes,
            "min_observations": st.integers(0, 3),
            "observe_every": minutes,
            "before_gates": ended,
            "soak_gates": st.lists(st.sampled_from(NAMES), max_size=2, unique=True).map(tuple),
            "after_gates": ended,
            "approvals": st.lists(rule, max_size=1).map(tuple),
        }
    )


def _judged(
    plan: Plan,
    *,
    calendars: tuple[Calendar, ...],
    waves: Sequence[dict[str, Any]],
    **head: Any,
) -> Plan:
    """Bind every third target and every second wave by the calendars of their level."""
    of_waves = tuple(n for n, one in enumerate(calendars) if one.level is Level.WAVE)
    of_targets = tuple(n for n, one in enumerate(calendars) if one.level is Level.TARGET)
    made = tuple(
        dataclasses.replace(one, calendars=of_waves if n % 2 else (), **keys)
        for n, (one, keys) in enumerate(zip(plan.head.waves, waves, strict=False))
    )
    bound = [
        dataclasses.replace(one, calendars=of_targets[: n % 3])
        for n, one in enumerate(plan.targets)
    ]
    limits = plan.head.limits
    if limits.undo is None:
        undo = Undo(scope=RollbackScope.RUN, max_concurrency=2)
        limits = dataclasses.replace(limits, undo=undo)
    changed = dataclasses.replace(plan.head, waves=made, calendars=calendars, limits=limits, **head)
    return planner.sealed(changed, bound)


# --- the laws ----------------------------------------------------------------------------


@dataclasses.dataclass(kw_only=True)
class JudgedBooks(Books):
    """The laws of a run, and of what holds it up."""

    overrides: dict[int, dt.datetime | None] = dataclasses.field(default_factory=dict)
    gates: dict[tuple[int, Moment], dict[str, e.GateEnded | e.GateSkipped | None]] = (
        dataclasses.field(default_factory=dict)
    )
    approvals: dict[tuple[int, Moment], list[e.ApprovalGiven]] = dataclasses.field(
        default_factory=lambda: collections.defaultdict(list)
    )
    soaks: dict[int, dt.datetime] = dataclasses.field(default_factory=dict)
    looks: collections.Counter[int] = dataclasses.field(default_factory=collections.Counter)
    watched: dict[int, list[dt.datetime]] = dataclasses.field(default_factory=dict)
    skipped_soaks: set[int] = dataclasses.field(default_factory=set)
    at: dt.datetime = fleets.T0

    def note(self, event: e.Event) -> None:
        """Check *event* against everything before it, then remember it."""
        self.at = event.at
        law = getattr(self, _JUDGED.get(type(event), ""), None)
        if law is not None:
            law(event)
        super().note(event)

    def _is_open(self, numbers: Sequence[int], at: dt.datetime) -> bool:
        open_ones = {n for n, until in self.overrides.items() if until is None or at < until}
        found = [self.plan.head.calendars[n] for n in numbers if n not in open_ones]
        return windows.opening(found, at, zones=zones.zone).is_open

    def _bound(self, target: int) -> list[int]:
        levels = (Level.GLOBAL, Level.RUN)
        run = [n for n, one in enumerate(self.plan.head.calendars) if one.level in levels]
        wave = self.waves[self.wave_of[target]]
        return [*run, *wave.calendars, *self.plans[target].calendars]

    def _starts_in_a_window(self, event: e.TargetStarted) -> None:
        assert self._is_open(self._bound(event.target), event.at)
        self.watched.pop(event.target, None)

    def _writes_in_a_window(self, event: e.StepIntended) -> None:
        bound = self._bound(event.target)
        if any(isinstance(one, e.StepAccepted) for one in self.said[event.target]):
            stops = Overrun.STOP_STARTING
            bound = [n for n in bound if self.plan.head.calendars[n].overrun is stops]
        is_proven = any(isinstance(one, e.StepProved) for one in self.said[event.target])
        has_done = any(
            isinstance(one, e.StepChecked) and one.finding.value == "done"
            for one in self.said[event.target]
        )
        # What was found done after a lost answer was written too: then later steps are no start.
        assert self._is_open(bound, event.at) or (has_done and not is_proven)

    def _is_returned(self, event: e.TargetReturned) -> None:
        assert not any(isinstance(one, e.StepIntended) for one in self.said[event.target])
        assert not self._is_open(self._bound(event.target), event.at)
        self.in_flight.discard(event.target)
        self.physical.discard(event.target)
        del self.said[event.target]

    def _is_overridden(self, event: e.WindowOverridden) -> None:
        calendar = self.plan.head.calendars[event.calendar]
        assert {event.actor.name, event.actor.identity} & {*calendar.overriders}
        self.overrides[event.calendar] = event.until

    # --- waves -----------------------------------------------------------------------------

    def _opens(self, event: e.WaveOpened) -> None:
        wave = self.waves[event.wave]
        if event.wave in self.back_to:
            return
        for moment in (self.plan.head.not_before, wave.not_before):
            assert moment is None or event.at >= moment
        self._has_passed(event.wave, Moment.BEFORE, wave.before_gates)
        self._has_agreed(event.wave, Moment.BEFORE, event.at)

    def _closes(self, event: e.WaveClosed) -> None:
        wave = self.waves[event.wave]
        if event.status is WaveStatus.FAILED or event.wave in self.back_to:
            return
        self._has_passed(event.wave, Moment.AFTER, wave.after_gates)
        self._has_agreed(event.wave, Moment.AFTER, event.at)
        if event.wave in self.soaks and event.wave not in self.skipped_soaks:
            assert event.at >= self.soaks[event.wave]
            if wave.observe_every is not None:
                assert self.looks[event.wave] >= wave.min_observations
        if event.wave in self.soaks:
            self._has_passed(event.wave, Moment.SOAK, wave.soak_gates)

    def _has_passed(self, wave: int, moment: Moment, names: Sequence[str]) -> None:
        found = self.gates.get((wave, moment), {})
        for name in names:
            ended = found[name]
            assert ended is not None
            assert isinstance(ended, e.GateSkipped) or ended.action is OnVerdict.CONTINUE

    def _has_agreed(self, wave: int, moment: Moment, at: dt.datetime) -> None:
        for rule in self.waves[wave].approvals:
            people = {
                one.actor.name
                for one in self.approvals[wave, moment]
                if one.at <= at < one.at + rule.life
                and not (rule.not_author and one.actor.name == "alice")
            }
            assert rule.when is not moment or len(people) >= rule.quorum

    def _is_agreed(self, event: e.ApprovalGiven) -> None:
        assert event.plan_digest == self.plan.digest
        self.approvals[event.wave, event.when].append(event)

    def _void(self, wave: int) -> None:
        for moment in Moment:
            self.approvals.pop((wave, moment), None)

    def _is_surveyed(self, event: e.RunSurveyed) -> None:
        super()._is_surveyed(event)
        if event.joined:
            self._void(self.wave_of[-1])

    def _is_replanned(self, event: e.TargetReplanned) -> None:
        super()._is_replanned(event)
        self._void(self.wave_of[event.target])

    def _are_entered(self, event: e.GatesEntered) -> None:
        wave = self.waves[event.wave]
        names = {
            Moment.BEFORE: wave.before_gates,
            Moment.SOAK: wave.soak_gates,
            Moment.AFTER: wave.after_gates,
        }[event.moment]
        self.gates[event.wave, event.moment] = dict.fromkeys(names)

    def _has_judged(self, event: e.GateEnded) -> None:
        gates = self.gates[event.wave, event.moment]
        assert gates[event.gate] is None
        gates[event.gate] = event
        if event.action in (OnVerdict.STOP, OnVerdict.ROLLBACK):
            self.reported.add("gate")

    def _is_let_go(self, event: e.GateSkipped) -> None:
        for (wave, _), gates in self.gates.items():
            found = gates.get(event.gate)
            is_barring = isinstance(found, e.GateEnded) and found.action is not OnVerdict.CONTINUE
            if wave == event.wave and event.gate in gates and (found is None or is_barring):
                gates[event.gate] = event
        ended = [one for gates in self.gates.values() for one in gates.values()]
        bars = (OnVerdict.STOP, OnVerdict.ROLLBACK)
        if not any(isinstance(one, e.GateEnded) and one.action in bars for one in ended):
            self.reported.discard("gate")

    def _soaks(self, event: e.WaveSoaking) -> None:
        self.soaks[event.wave] = event.until
        self.looks[event.wave] = 0

    def _soak_is_out(self, event: e.SoakSkipped) -> None:
        self.skipped_soaks.add(event.wave)

    def _is_seen(self, event: e.WaveObserved) -> None:
        self.looks[event.wave] += event.is_seen
        for target in event.relapsed:
            assert self.results[target] is Result.SUCCEEDED
            self.results[target] = Result.FAILED
            self.failures["run"] += 1
            self.failures[f"wave {event.wave}"] += 1
            for n, g in enumerate(self.plans[target].groups):
                self.failures[self._label(n, g)] += 1
        if event.relapsed:
            self.looks[event.wave] = 0
            self.soaks[event.wave] = event.at + self.waves[event.wave].soak

    # --- targets ---------------------------------------------------------------------------

    def _must_stay_well(self, event: e.TargetSoaking) -> None:
        self.watched[event.target] = [event.at]

    def _is_well(self, event: e.TargetObserved) -> None:
        self.watched[event.target].append(event.at)

    def _stayed_well(self, event: e.TargetFinished) -> None:
        wave = self.waves[self.wave_of[event.target]]
        is_watched = wave.min_success_time is not None and event.result is Result.SUCCEEDED
        if not is_watched or event.at != self.at or self.is_stopping:
            return
        began, *looks = self.watched[event.target]
        assert wave.min_success_time is not None
        assert looks[-1] >= began + wave.min_success_time
        assert len(looks) >= wave.min_observations

    is_stopping: bool = False

    def _stops(self, _: e.RunStopping) -> None:
        self.is_stopping = True

    def _is_tried_again(self, event: e.TargetRetried) -> None:
        self.watched.pop(event.target, None)

    # --- the run ---------------------------------------------------------------------------

    def _waits(self, _: e.RunWaiting) -> None:
        held = {
            target
            for target in self.in_flight
            if isinstance(self.said[target][-1], e.StepHeld | e.RunTaken)
        }
        assert self.in_flight <= held

    def _goes_back(self, _: e.RunRollingBack) -> None:
        assert self.reported
        assert "gate" in self.reported or self.plan.head.limits.on_breach is OnBreach.ROLLBACK
        assert not self.in_flight
        self.is_back = True
        self.retries.clear()


_JUDGED: dict[type, str] = {
    e.TargetStarted: "_starts_in_a_window",
    e.StepIntended: "_writes_in_a_window",
    e.TargetReturned: "_is_returned",
    e.WindowOverridden: "_is_overridden",
    e.WaveOpened: "_opens",
    e.WaveClosed: "_closes",
    e.ApprovalGiven: "_is_agreed",
    e.GatesEntered: "_are_entered",
    e.GateEnded: "_has_judged",
    e.GateSkipped: "_is_let_go",
    e.WaveSoaking: "_soaks",
    e.SoakSkipped: "_soak_is_out",
    e.WaveObserved: "_is_seen",
    e.TargetSoaking: "_must_stay_well",
    e.TargetObserved: "_is_well",
    e.TargetFinished: "_stayed_well",
    e.TargetRetried: "_is_tried_again",
    e.RunStopping: "_stops",
    e.RunWaiting: "_waits",
}


# --- a life ------------------------------------------------------------------------------

VERDICTS = {"Pass": 30, "Fail": 3, "Inconclusive": 2, "NoData": 1, "Error": 4}


class JudgedLife(Life):
    """One run with everything by lot, judged by lot."""

    def laws(self, plan: Plan) -> Books:
        """Return what checks every event."""
        return JudgedBooks(plan=plan)

    def judge(self, command: Measure | Look) -> None:
        """Say what a gate's probe says, or how a wave is."""
        self.now += dt.timedelta(seconds=draws.between(0, 90, self.seed, "judging", self.turn))
        event = self._measured(command) if isinstance(command, Measure) else self._seen(command)
        if judgefold.is_expected(self.state, event):
            self.record(event)

    def _measured(self, command: Measure) -> e.GateMeasured:
        lot = draws.pick(VERDICTS, self.seed, "verdict", self.turn)
        return cast(
            "e.GateMeasured",
            samples.event(
                e.GateMeasured,
                at=self.now,
                wave=command.wave,
                moment=command.moment,
                gate=command.gate.name,
                number=command.number,
                verdict=Verdict(lot),
            ),
        )

    def _seen(self, command: Look) -> e.WaveObserved:
        relapsed = tuple(n for n in command.members if self.chance("relapse", 30_000, n))
        return e.WaveObserved(
            at=self.now,
            wave=command.wave,
            relapsed=relapsed,
            detail="it is Failed" if relapsed else "",
            is_seen=not self.chance("unseen", 100_000),
        )

    def give_in(self) -> None:
        """Only a person can help: somebody agrees, or ends it."""
        if self.chance("agrees", 800_000):
            self.meet("approve")
        else:
            self.ask("stop")

    def disturb(self) -> None:
        """Let people and machines do what they do."""
        super().disturb()
        if self.state.status.is_terminal:
            return
        if self.chance("approve", 30_000):
            self.meet("approve")
        if self.chance("override", 2 * self.unrest):
            self.meet("override", "nights")
        if self.chance("skip-gate", 5 * self.unrest):
            self.meet(
                "skip-gate", draws.pick(dict.fromkeys(NAMES, 1), self.seed, "gate", self.turn)
            )

    def meet(self, asked: str, subject: str = "") -> None:
        """Let somebody ask; who it is, is by lot too."""
        who = draws.between(0, len(PEOPLE) - 1, self.seed, "who", self.turn)
        self.ask(asked, subject, actor=PEOPLE[who])
