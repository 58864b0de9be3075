"""Random histories of runs, played without an event loop: whatever happens, the laws hold.

A life asks the core what to do, makes something of each command by lot, folds
every event through its stored form, dies and is taken over, is paused, stopped and thinned out by
people, and has its clock stepped. The laws, :mod:`tests.rig.books`, keep their own books.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
from typing import Any, assert_never

import orjson

from fleet import zones
from fleet.core import answers, chain, draws, fold, rollout, targets
from fleet.core.rollout import Decision
from fleet.core.state import RunState
from fleet.model import events as e, records
from fleet.model.commands import Check, Command, Follow, Look, Measure, Prove, Send, Survey, Watch
from fleet.model.plan import Action, Plan, Target
from fleet.model.statuses import Finding, HoldReason, RunStatus
from tests.rig import fleets, samples
from tests.rig.books import Books

MOST_TURNS = 5000

# Weights of what a command comes to; "never" is no answer at all, which only a Follow may give.
KIND = {"good": 80, "done": 8, "hold": 6, "fail": 4, "drift": 2}
ROUGH = {"good": 40, "done": 8, "hold": 20, "fail": 12, "drift": 5, "lost": 12, "bug": 3}
ROTTEN = {"good": 15, "hold": 40, "fail": 15, "drift": 5, "lost": 15, "bug": 10, "never": 10}


class Life:
    """One run, from yes to its end, with everything by lot."""

    def __init__(self, plan: Plan, *, seed: int, luck: dict[str, int], unrest: int) -> None:
        self.seed, self.luck, self.unrest = seed, luck, unrest
        self.turn = 0
        self.now = fleets.T0
        self.state = RunState(zones=zones.zone)
        self.books = self.laws(plan)
        self.records: list[bytes] = []
        self.out: dict[int, Command] = {}
        self.survey: Survey | None = None
        self.judged: list[Measure | Look] = []
        for event in fleets.opening(plan, discovered_at=None if seed % 2 else fleets.T0):
            self.record(event)

    def laws(self, plan: Plan) -> Books:
        """Return what checks every event."""
        return Books(plan=plan)

    def run(self) -> None:
        """Live until the end, or until a pause that nobody ends."""
        while not self.state.status.is_terminal:
            self.turn += 1
            assert self.turn < MOST_TURNS, "the history does not end"
            if self.survey is not None and self.state.status is RunStatus.PAUSED:
                self.answer_survey(self.survey)
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
            if isinstance(command, Survey):
                self.survey = command
            elif isinstance(command, Measure | Look):
                self.judged.append(command)
            else:
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
        ends = Prove | Check if self.state.is_rolling_back else Prove
        assert before is None or (isinstance(before, Follow) and isinstance(command, ends))
        self.out[command.target] = command

    def wait(self, decision: Decision) -> None:
        """Let time pass, or an answer come; with neither to come, the run would hang."""
        answering = {
            target: command
            for target, command in self.out.items()
            if not (isinstance(command, Follow) and self.never(target))
        }
        if self.survey is not None:
            self.answer_survey(self.survey)
            return
        if self.judged and self.chance("judged now", 500_000):
            self.judge(self.judged.pop(0))
            return
        is_out = any(not isinstance(one, Follow) for one in self.out.values())
        # A run waits for ever only where the service never ends an operation, and says so.
        is_named = any("to end" in reason for reason in decision.reasons)
        is_named = is_named or bool(self.state.wait and self.state.wait.until is None)
        assert decision.wake_at or is_out or is_named or self.judged, (
            f"{self.state.status} with nothing due and nothing out: {decision.reasons}"
        )
        if is_named and not (decision.wake_at or is_out or answering or self.judged):
            self.give_in()
            return
        assert decision.wake_at is None or decision.wake_at > self.now
        if answering and not (decision.wake_at and self.may_sleep(decision.wake_at)):
            self.now += dt.timedelta(seconds=draws.between(0, 90, self.seed, "lag", self.turn))
            for target in sorted(answering):
                if self.chance("answers now", 500_000, target) or len(answering) == 1:
                    self.answer(self.out.pop(target))
        elif decision.wake_at is not None:
            self.now = decision.wake_at

    def give_in(self) -> None:
        """Nothing goes on by itself."""
        self.ask("stop")

    def judge(self, command: Measure | Look) -> None:
        """Say what a gate's probe says, or how a wave is."""
        raise NotImplementedError(command)

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
            case Watch():
                event = self.watched(command, lot)
            case _:
                assert_never(command)
        self.record(event)
        if not isinstance(event, e.StepUnknown) or self.chance("death after a bug", 200_000):
            return
        if self.state.status in (RunStatus.RUNNING, RunStatus.PAUSING):
            self.record(samples.event(e.RunPausing, at=self.now, actor=None, is_bug=True))

    def checked(self, command: Check, lot: str) -> e.Event:
        if lot == "hold":
            reasons = [HoldReason.BUSY, HoldReason.THROTTLED, HoldReason.TRANSIENT]
            reasons += [HoldReason.IDENTITY]
            return self.held(command, reasons[self.turn % 4])
        if lot == "bug":
            return self.made(e.StepUnknown, command)
        if lot == "fail" and not command.is_in_doubt:
            return self.made(e.StepFailed, command)
        if lot == "drift" and command.may_replan:
            return self.replanned(command)
        finding = {
            "done": Finding.DONE,
            "drift": Finding.DRIFTED,
            "fail": Finding.FAILED,
            "never": Finding.CLUSTER_MISSING,
        }.get(lot, Finding.PROCEED)
        if lot == "lost" and command.asks_connectivity:
            finding = Finding.UNREACHABLE
        return self.made(e.StepChecked, command, finding=finding, detail="as read")

    def replanned(self, command: Check) -> e.Event:
        """Something else is needed now, or nothing, or nothing may be done."""
        old = self.state.targets[command.target]
        action = [old.action, old.action, Action.NO_CHANGE, Action.BLOCKED][self.turn % 4]
        steps = old.steps[self.turn % 2 :] if action.is_change else ()
        new = dataclasses.replace(old, action=action, steps=steps or old.steps[-1:])
        new = new if action.is_change else dataclasses.replace(new, steps=())
        return self.made(e.TargetReplanned, command, plan=new)

    def answer_survey(self, command: Survey) -> None:
        """Some have left, some have come, some with a label that nobody knew."""
        self.survey = None
        count, spreads = len(self.state.targets), self.state.plan.spreads
        left = tuple(n for n in range(count) if self.chance("leaves", 60_000, n))
        groups: list[e.JoinedGroup] = []
        joined: list[Target] = []
        for n in range(draws.between(0, 2, self.seed, "joins", self.turn)):
            is_new = bool(spreads) and self.chance("a new label", 300_000, n)
            places = [0] * len(spreads)
            if is_new:
                known = self.state.caps.sizes(one.spread for one in groups)
                group = dataclasses.replace(spreads[0].groups[0], value=f"new-{self.turn}-{n}")
                groups.append(e.JoinedGroup(spread=0, group=group))
                places[0] = known[0]
            joined.append(fleets.target(count + n, groups=tuple(places)))
        event = e.RunSurveyed(
            at=self.now,
            wave=command.wave,
            left=left,
            joined=tuple(joined),
            groups=tuple(groups),
            problem="",
        )
        if targets.is_expected(self.state, event):  # the runner drops what comes too late
            self.record(event)

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

    def watched(self, command: Watch, lot: str) -> e.Event:
        if lot in ("hold", "lost", "never"):
            return self.held(command, HoldReason.TRANSIENT)
        cls = {"bug": e.StepUnknown, "fail": e.StepFailed}.get(lot, e.TargetObserved)
        return self.made(cls, command)

    def held(self, command: Command, reason: HoldReason) -> e.Event:
        wait = draws.between(1, 900, self.seed, "hold", command.target, self.turn)
        until = self.now + dt.timedelta(seconds=wait)
        return self.made(e.StepHeld, command, reason=reason, until=until)

    def made(self, cls: type[Any], command: Command, **changes: Any) -> e.Event:
        event: e.Event = samples.event(
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
        for asked in ("skip-target", "skip-wave", "skip-soak"):
            if self.chance(asked, self.unrest):
                self.ask(asked, self.subject(asked))

    def subject(self, asked: str) -> str:
        """Somebody, or some wave, whether it may be skipped or not."""
        if asked == "skip-target" and self.state.targets:
            n = draws.between(0, len(self.state.targets) - 1, self.seed, "whom", self.turn)
            return self.state.targets[n].cluster_name
        if asked == "skip-wave" and self.state.waves:
            n = draws.between(0, len(self.state.waves) - 1, self.seed, "which", self.turn)
            return self.state.waves[n].planned.name
        return "nobody"

    def ask(self, asked: str, subject: str = "", *, actor: e.Actor = fleets.ALICE) -> None:
        event = answers.answer(
            self.state,
            asked=asked,
            subject=subject,
            actor=actor,
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
        self.judged.clear()
        self.survey = None
        if state.status.is_terminal:
            return
        self.record(samples.event(e.RunTaken, at=self.now))
        waiting = state.agenda.keys() | state.timers.moments().keys()
        assert state.active.keys() - state.unknown <= waiting


def history_of(state: RunState) -> dict[str, Any]:
    """What is history: not who works on what at the moment, and not what wakes whom.

    A check that was handed out is no longer due to the living, and is due to the next runner.
    """
    kept = fleets.snapshot(state)
    del kept["agenda"], kept["timers"], kept["is_surveying"], kept["room"]
    del kept["measuring"], kept["is_looking"]
    return kept
