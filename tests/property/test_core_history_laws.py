"""Random histories of runs, played without an event loop: whatever happens, the laws hold.

A life asks the core what to do, makes something of each command by lot, folds
every event through its stored form, dies and is taken over, is paused and
stopped by people, and has its clock stepped. The laws keep their own books.
"""

from __future__ import annotations

import collections
import dataclasses
import datetime as dt
from typing import Any, assert_never

import orjson
from hypothesis import given, settings
from hypothesis import strategies as st

from fleet.core import answers, chain, draws, fold, rollout, waves
from fleet.core.moves import Phase
from fleet.core.rollout import Decision
from fleet.core.state import RunState
from fleet.model import events as e
from fleet.model import records
from fleet.model.commands import Check, Command, Follow, Prove, Send
from fleet.model.desired import FailureMode, OnBreach, Unreachable
from fleet.model.plan import CATCH_UP, Plan, Wave
from fleet.model.statuses import Finding, HoldReason, Result, RunStatus
from tests.rig import fleets

MOST_TURNS = 5000

# Weights of what a command comes to; "never" is no answer at all, which only a Follow may give.
KIND = {"good": 80, "done": 8, "hold": 6, "fail": 4, "drift": 2}
ROUGH = {"good": 40, "done": 8, "hold": 20, "fail": 12, "drift": 5, "lost": 12, "bug": 3}
ROTTEN = {"good": 15, "hold": 40, "fail": 15, "drift": 5, "lost": 15, "bug": 10, "never": 10}


@dataclasses.dataclass(kw_only=True)
class Books:
    """What the laws remember, from the events alone."""

    plan: Plan
    in_flight: set[int] = dataclasses.field(default_factory=set)
    results: dict[int, Result] = dataclasses.field(default_factory=dict)
    failures: collections.Counter[str] = dataclasses.field(default_factory=collections.Counter)
    reported: set[str] = dataclasses.field(default_factory=set)
    ever_reported: set[str] = dataclasses.field(default_factory=set)
    said: dict[int, list[e.Event]] = dataclasses.field(default_factory=dict)
    """Each target's events, and the takeovers in between."""
    wave_of: list[int] = dataclasses.field(default_factory=list)
    waves: list[Wave] = dataclasses.field(default_factory=list)
    """As planned, and the catch-up wave that becomes necessary where none was."""

    def __post_init__(self) -> None:
        self.waves += self.plan.head.waves
        for n, wave in enumerate(self.waves):
            self.wave_of += [n] * wave.target_count

    def note(self, event: e.Event) -> None:
        """Check *event* against everything before it, then remember it."""
        match event:
            case e.TargetStarted():
                assert event.target not in self.said
                self.said[event.target] = []
                self.in_flight.add(event.target)
                self._may_start(event.target)
            case e.StepIntended():
                self._may_write(event)
            case e.StepUnknown():
                self.in_flight.discard(event.target)
            case e.TargetFinished():
                self._has_ended(event)
            case e.TargetPutOff():
                self._is_put_off(event.target)
            case e.BudgetBreached():
                level = "run" if event.level == "run" else f"wave {event.wave}"
                assert event.failures == self.failures[level] > event.max_failures
                self.reported.add(level)
                self.ever_reported.add(level)
            case e.RunResumed():
                self._forgive()
            case e.RunFinished():
                self._is_over(event)
            case _:
                pass
        self._keep(event)

    def _keep(self, event: e.Event) -> None:
        if isinstance(event, e.RunTaken):
            for said in self.said.values():
                said.append(event)
        if isinstance(event, e.TargetEvent) and not isinstance(event, _NOT_KEPT):
            self.said[event.target].append(event)

    def _may_start(self, target: int) -> None:
        """Never more than any cap, never after a breach."""
        n = self.wave_of[target]
        wave, run = self.waves[n], self.plan.head.limits
        mates = [one for one in self.in_flight if self.wave_of[one] == n]
        assert len(self.in_flight) <= run.max_concurrency
        assert len(mates) <= wave.max_concurrency
        assert self.failures["run"] <= run.max_failures
        assert self.failures[f"wave {n}"] <= wave.max_failures
        assert not self.reported
        if run.failure_mode is FailureMode.STRICT:
            assert len(mates) <= wave.max_failures + 1 - self.failures[f"wave {n}"]
            assert len(self.in_flight) <= run.max_failures + 1 - self.failures["run"]

    def _may_write(self, event: e.StepIntended) -> None:
        """Only straight after a look, by the same runner, that said: as planned."""
        said = self.said[event.target]
        assert isinstance(said[-1], e.StepChecked)
        assert said[-1].finding is Finding.PROCEED
        earlier = [
            one.attempt
            for one in said
            if isinstance(one, e.StepIntended) and one.step == event.step
        ]
        assert event.attempt == len(earlier) + 1
        assert earlier == list(range(1, len(earlier) + 1))

    def _has_ended(self, event: e.TargetFinished) -> None:
        assert event.target not in self.results
        self.results[event.target] = event.result
        self.in_flight.discard(event.target)
        if event.result in (Result.SUCCEEDED, Result.NO_OP):
            assert self._proven(event.target) == len(self.plan.targets[event.target].steps)
        if event.result is Result.NO_OP:
            assert not any(isinstance(one, e.StepIntended) for one in self.said[event.target])
        if event.result.is_failure:
            self.failures["run"] += 1
            self.failures[f"wave {self.wave_of[event.target]}"] += 1

    def _is_put_off(self, target: int) -> None:
        """Once, with nothing sent, from an earlier wave to the last."""
        assert self.plan.head.unreachable is Unreachable.DEFER
        assert not any(isinstance(one, e.StepIntended) for one in self.said[target])
        assert self.waves[self.wave_of[target]].name != CATCH_UP
        if self.waves[-1].name != CATCH_UP:
            self.waves.append(waves.catch_up(self.plan.head.limits))
        self.wave_of[target] = len(self.waves) - 1
        self.in_flight.discard(target)
        del self.said[target]

    def _proven(self, target: int) -> int:
        return len(
            {
                one.step
                for one in self.said[target]
                if isinstance(one, e.StepProved)
                or (isinstance(one, e.StepChecked) and one.finding is Finding.DONE)
            }
        )

    def _forgive(self) -> None:
        if self.plan.head.limits.on_breach is OnBreach.PAUSE:
            for level in self.reported:
                self.failures[level] = 0
            self.reported.clear()
        unknown = {
            target
            for target, said in self.said.items()
            if target not in self.results and target not in self.in_flight and said
        }
        self.in_flight |= unknown

    def _is_over(self, event: e.RunFinished) -> None:
        counts = collections.Counter(str(one) for one in self.results.values())
        good = counts["Succeeded"] + counts["NoOp"]
        told = dict(event.counts)
        left = told.pop("Pending", 0) + told.pop("Unknown", 0) + told.pop("InProgress", 0)
        assert told == counts
        assert left + len(self.results) == self.plan.change_count
        if event.status is RunStatus.STOPPED:
            return
        for level, allowed in self._budgets():
            assert (level in self.reported) == (self.failures[level] > allowed)
        if self.reported:
            assert event.status is RunStatus.FAILED
            return
        assert not left
        if self.results and not good:
            assert event.status is RunStatus.FAILED
        if event.status is RunStatus.SUCCEEDED:
            assert not {Result.FAILED, Result.TIMED_OUT, Result.DRIFTED} & set(
                self.results.values()
            )

    def _budgets(self) -> list[tuple[str, int]]:
        numbered = enumerate(self.waves)
        run = self.plan.head.limits.max_failures
        return [("run", run), *((f"wave {n}", wave.max_failures) for n, wave in numbered)]


_NOT_KEPT = (e.TargetStarted, e.TargetPutOff)


class Life:
    """One run, from yes to its end, with everything by lot."""

    def __init__(self, plan: Plan, *, seed: int, luck: dict[str, int], unrest: int) -> None:
        self.seed, self.luck, self.unrest = seed, luck, unrest
        self.turn = 0
        self.now = fleets.T0
        self.state = RunState()
        self.books = Books(plan=plan)
        self.records: list[bytes] = []
        self.out: dict[int, Command] = {}
        for event in fleets.opening(plan, discovered_at=None if seed % 2 else fleets.T0):
            self.record(event)

    def run(self) -> None:
        """Live until the end, or until a pause that nobody ends."""
        while not self.state.status.is_terminal:
            self.turn += 1
            assert self.turn < MOST_TURNS, "the history does not end"
            if self.state.status is RunStatus.PAUSED and not self.someone_returns():
                return
            self.disturb()
            if self.state.status is not RunStatus.PAUSED:
                self.one_turn()

    def one_turn(self) -> None:
        decision = self.decide()
        for event in decision.events:
            self.record(event)
        if decision.events and self.chance("death between", 10 * self.unrest):
            self.die()
            return
        rollout.hand_out(self.state, decision)
        for command in decision.commands:
            self.hand_to_performer(command)
        if decision.is_idle:
            self.wait(decision)

    def decide(self) -> Decision:
        """Ask twice: the answer is the same, and asking changes nothing."""
        if self.turn % 7:  # copying the state is what costs
            return rollout.decide(self.state, now=self.now)
        before = fleets.snapshot(self.state)
        decision = rollout.decide(self.state, now=self.now)
        assert rollout.decide(self.state, now=self.now) == decision
        assert fleets.snapshot(self.state) == before
        return decision

    def record(self, event: e.Event) -> None:
        """Store *event*, and fold what is read back."""
        body = chain.canonical(records.to_record(event, seq=len(self.records) + 1, epoch=1))
        stored = records.from_record(orjson.loads(body))
        assert stored == event
        fold.apply(self.state, stored)
        self.records.append(body)
        self.books.note(stored)
        assert self.state.in_flight == len(self.books.in_flight)
        assert self.state.in_flight == sum(wave.in_flight for wave in self.state.waves)

    def hand_to_performer(self, command: Command) -> None:
        """At most one command is out for a target; a GET ends the following of its operation."""
        before = self.out.get(command.target)
        assert before is None or (isinstance(before, Follow) and isinstance(command, Prove))
        self.out[command.target] = command

    def wait(self, decision: Decision) -> None:
        """Let time pass, or an answer come; with neither to come, the run would hang."""
        answering = {
            target: command
            for target, command in self.out.items()
            if not (isinstance(command, Follow) and self.never(target))
        }
        assert decision.wake_at or any(not isinstance(one, Follow) for one in self.out.values()), (
            f"{self.state.status} with nothing due and nothing out: {decision.reasons}"
        )
        assert decision.wake_at is None or decision.wake_at > self.now
        if answering and not (decision.wake_at and self.may_sleep(decision.wake_at)):
            self.now += dt.timedelta(seconds=draws.between(0, 90, self.seed, "lag", self.turn))
            for target in sorted(answering):
                if self.chance("answers now", 500_000, target) or len(answering) == 1:
                    self.answer(self.out.pop(target))
        elif decision.wake_at is not None:
            self.now = decision.wake_at

    def may_sleep(self, until: dt.datetime) -> bool:
        """No call takes longer than five minutes."""
        is_soon = until - self.now < dt.timedelta(minutes=5)
        are_calls_out = any(not isinstance(one, Follow) for one in self.out.values())
        return (is_soon or not are_calls_out) and self.chance("sleep", 300_000)

    def never(self, target: int) -> bool:
        begun = len(self.books.said[target])
        return draws.pick(self.luck, self.seed, "never", target, begun) == "never"

    # --- what commands come to -----------------------------------------------------------

    def answer(self, command: Command) -> None:
        lot = draws.pick(self.luck, self.seed, "lot", command.target, self.turn)
        match command:
            case Check():
                event = self.checked(command, lot)
            case Send():
                event = self.sent(command, lot)
            case Follow():
                event = self.followed(command, lot)
            case Prove():
                event = self.proved(command, lot)
            case _:
                assert_never(command)
        self.record(event)
        if not isinstance(event, e.StepUnknown) or self.chance("death after a bug", 200_000):
            return
        if self.state.status in (RunStatus.RUNNING, RunStatus.PAUSING):
            self.record(fleets.event(e.RunPausing, at=self.now, actor=None, is_bug=True))

    def checked(self, command: Check, lot: str) -> e.Event:
        if lot == "hold":
            reasons = [HoldReason.BUSY, HoldReason.THROTTLED, HoldReason.TRANSIENT]
            reasons += [HoldReason.IDENTITY]
            return self.held(command, reasons[self.turn % 4])
        if lot == "bug":
            return self.made(e.StepUnknown, command)
        if lot == "fail" and not command.is_in_doubt:
            return self.made(e.StepFailed, command)
        finding = {
            "done": Finding.DONE,
            "drift": Finding.DRIFTED,
            "fail": Finding.FAILED,
            "never": Finding.CLUSTER_MISSING,
        }.get(lot, Finding.PROCEED)
        if lot == "lost" and command.asks_connectivity:
            finding = Finding.UNREACHABLE
        return self.made(e.StepChecked, command, finding=finding, detail="as read")

    def sent(self, command: Send, lot: str) -> e.Event:
        if lot == "hold":
            reasons = [HoldReason.CONFLICT, HoldReason.THROTTLED, HoldReason.TRANSIENT]
            reasons += [HoldReason.IDENTITY]
            return self.held(command, reasons[self.turn % 4])
        cls = {"bug": e.StepUnknown, "fail": e.StepFailed, "lost": e.StepLost}.get(lot)
        if cls is e.StepLost:
            return self.made(cls, command, attempt=command.attempt)
        if cls is not None:
            return self.made(cls, command)
        url = None if lot == "done" else "ab"
        return self.made(e.StepAccepted, command, attempt=command.attempt, operation_sha256=url)

    def followed(self, command: Follow, lot: str) -> e.Event:
        if lot == "hold":
            return self.held(command, HoldReason.CONFLICT)
        if lot == "bug":
            return self.made(e.StepUnknown, command)
        error = "it went wrong" if lot == "fail" else None
        return self.made(e.OperationEnded, command, error=error)

    def proved(self, command: Prove, lot: str) -> e.Event:
        if lot in ("hold", "lost", "never"):
            is_barred = self.turn % 5 == 0
            return self.held(command, HoldReason.IDENTITY if is_barred else HoldReason.NOT_YET)
        cls = {"bug": e.StepUnknown, "fail": e.StepFailed}.get(lot, e.StepProved)
        return self.made(cls, command)

    def held(self, command: Command, reason: HoldReason) -> e.Event:
        wait = draws.between(1, 900, self.seed, "hold", command.target, self.turn)
        until = self.now + dt.timedelta(seconds=wait)
        return self.made(e.StepHeld, command, reason=reason, until=until)

    def made(self, cls: type[Any], command: Command, **changes: Any) -> e.Event:
        event: e.Event = fleets.event(
            cls, at=self.now, target=command.target, step=command.step, **changes
        )
        return event

    # --- what people and machines do -----------------------------------------------------

    def chance(self, what: str, ppm: int, part: int = 0) -> bool:
        return draws.chance(ppm, self.seed, what, self.turn, part)

    def disturb(self) -> None:
        if self.chance("death", 10 * self.unrest):
            self.die()
        if self.chance("clock", 10 * self.unrest):
            self.now += dt.timedelta(minutes=draws.between(-90, 90, self.seed, "step", self.turn))
        for asked in ("pause", "resume", "stop"):
            if self.chance(asked, self.unrest if asked == "stop" else 5 * self.unrest):
                self.ask(asked)

    def ask(self, asked: str) -> None:
        event = answers.answer(
            self.state,
            asked=asked,
            actor=fleets.ALICE,
            reason="asked",
            request_id=f"{asked} {self.turn}",
            now=self.now,
        )
        self.record(event)

    def someone_returns(self) -> bool:
        """Nobody, one time in five; else one who resumes, or who stops."""
        lot = draws.pick({"nobody": 1, "resume": 3, "stop": 1}, self.seed, "returns", self.turn)
        if lot != "nobody":
            self.now += dt.timedelta(minutes=draws.between(0, 90, self.seed, "lunch", self.turn))
            self.ask(lot)
        return lot != "nobody"

    def die(self) -> None:
        """Replaying equals living; then another runner looks up everything that is in flight."""
        state = fleets.folded(records.from_record(orjson.loads(body)) for body in self.records)
        assert history_of(state) == history_of(self.state)
        self.state = state
        self.out.clear()
        if state.status.is_terminal:
            return
        self.record(fleets.event(e.RunTaken, at=self.now))
        waiting = state.agenda.keys() | state.timers.moments().keys()
        assert state.active.keys() - state.unknown <= waiting


def history_of(state: RunState) -> dict[str, Any]:
    """What is history: not who works on what at the moment, and not what wakes whom.

    A check that was handed out is no longer due to the living, and is due to the next runner.
    """
    kept = fleets.snapshot(state)
    del kept["agenda"], kept["timers"]
    return kept


LUCK = st.sampled_from([KIND, ROUGH, ROTTEN])
SEEDS = st.integers(0, 2**32)


@settings(max_examples=1500, deadline=None)
@given(plan=fleets.run_plans(), seed=SEEDS, luck=LUCK, unrest=st.sampled_from([0, 0, 2000, 8000]))
def test_every_history_ends_and_breaks_no_law(
    plan: Plan, seed: int, luck: dict[str, int], unrest: int
) -> None:
    life = Life(plan, seed=seed, luck=luck, unrest=unrest)

    life.run()

    status = life.state.status
    assert status.is_terminal or status is RunStatus.PAUSED
    replayed = fleets.folded(records.from_record(orjson.loads(body)) for body in life.records)
    assert history_of(replayed) == history_of(life.state)
    assert rollout.decide(life.state, now=life.now).is_idle


@settings(max_examples=300, deadline=None)
@given(plan=fleets.run_plans(), seed=SEEDS)
def test_a_history_without_mishaps_succeeds(plan: Plan, seed: int) -> None:
    life = Life(plan, seed=seed, luck={"good": 9, "done": 1}, unrest=0)

    life.run()

    assert life.state.status is RunStatus.SUCCEEDED
    assert not life.state.pending_count
    assert not life.state.active


@settings(max_examples=300, deadline=None)
@given(plan=fleets.run_plans(), seed=SEEDS, luck=LUCK)
def test_a_death_after_every_decision_changes_no_law(
    plan: Plan, seed: int, luck: dict[str, int]
) -> None:
    """Every second runner dies at once, between what it decided and what it would have done."""
    life = Life(plan, seed=seed, luck=luck, unrest=0)
    alive = life.one_turn

    def dying() -> None:
        alive()
        if not life.state.status.is_terminal and life.turn % 3 == 0:
            life.die()

    life.one_turn = dying  # type: ignore[method-assign]
    life.run()

    assert life.state.status.is_terminal or life.state.status is RunStatus.PAUSED
    assert all(one.phase is Phase.UNKNOWN for one in life.state.active.values())
