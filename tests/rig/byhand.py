"""A run driven by hand: its own decisions are folded, and what targets come to is said here."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any

from fleet.core import answers, fold, rollout
from fleet.core.state import RunState
from fleet.model import events as e
from fleet.model.commands import Command, WaveCommand
from fleet.model.events import Actor, Event
from fleet.model.statuses import Finding, HoldReason, Result
from tests.rig.fleets import ALICE, T0
from tests.rig.samples import event

MINUTE = dt.timedelta(minutes=1)


class Hand:
    """A run, the moment, and everything that was written down."""

    def __init__(self, state: RunState, *, now: dt.datetime = T0) -> None:
        self.state = state
        self.now = now
        self.events: list[Event] = []
        self.out: list[Command | WaveCommand] = []

    def settle(self, *, after: dt.timedelta = dt.timedelta(0)) -> Hand:
        """Decide and fold until nothing is left to decide."""
        self.now += after
        while not (decision := rollout.decide(self.state, now=self.now)).is_idle:
            self.tell(*decision.events)
            rollout.hand_out(self.state, decision)
            self.out += decision.commands
        return self

    def tell(self, *events: Event) -> Hand:
        """Fold *events*."""
        for one in events:
            fold.apply(self.state, one)
            self.events.append(one)
        return self

    def ask(self, asked: str, subject: str = "", *, actor: Actor = ALICE) -> Event:
        """Let a person ask, and return the answer."""
        answer = answers.answer(
            self.state,
            asked=asked,
            subject=subject,
            actor=actor,
            reason="because",
            request_id="q",
            now=self.now,
        )
        self.tell(answer)
        return answer

    def end(self, target: int, result: Result = Result.SUCCEEDED) -> Hand:
        """Bring *target*, which is being looked at, to that result, and settle."""
        if result is Result.TIMED_OUT:
            self.accept(target)
            self.now += self.state.plan.limits.progress_deadline
            self.say(e.StepHeld, target, reason=HoldReason.NOT_YET)
        elif result is Result.FAILED:
            self.say(e.StepFailed, target)
        elif result is Result.SUCCEEDED:
            self.accept(target, operation_sha256=None)
            self.say(e.StepProved, target)
        else:
            self.say(e.StepChecked, target, finding=_FINDINGS[result])
        return self.settle()

    def accept(self, target: int, **changes: Any) -> Hand:
        """Send *target*'s write, and let it be accepted."""
        self.say(e.StepChecked, target)
        attempt = self.state.active[target].attempt + 1
        self.say(e.StepIntended, target, attempt=attempt)
        return self.say(e.StepAccepted, target, attempt=attempt, **changes)

    def say(self, cls: type[Any], target: int, **changes: Any) -> Hand:
        """Fold one event of *target* now."""
        step = {"step": self.state.active[target].step} if target in self.state.active else {}
        return self.tell(event(cls, at=self.now, target=target, **{**step, **changes}))

    def kinds(self, *, since: int = 0) -> list[str]:
        """Return what kinds of events there were."""
        return [one.kind for one in self.events[since:]]

    def of(self, cls: type[Any]) -> Sequence[Any]:
        """Return all events of *cls*."""
        return [one for one in self.events if isinstance(one, cls)]

    @property
    def in_flight(self) -> list[int]:
        """Targets that have started and not ended."""
        return sorted(self.state.active)


_FINDINGS = {
    Result.NO_OP: Finding.DONE,
    Result.DRIFTED: Finding.DRIFTED,
    Result.DEFERRED: Finding.UNREACHABLE,
}
