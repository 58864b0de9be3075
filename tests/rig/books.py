"""What the laws of a run remember, from its events alone, and what they forbid.

Nothing here asks the state: two sets of books, kept apart, must agree.
"""

from __future__ import annotations

import collections
import dataclasses
from collections.abc import Mapping

from fleet.core import bindings, waves
from fleet.model import events as e
from fleet.model.desired import OnDrift
from fleet.model.plan import CATCH_UP, Plan, SpreadGroup, Target, Wave
from fleet.model.scope import Unreachable
from fleet.model.statuses import Finding, HoldReason, Result, RunStatus
from fleet.model.strategy import FailureMode, OnBreach

_NOT_KEPT = (e.TargetStarted, e.TargetReturned, e.TargetPutOff, e.TargetSkipped)
_OPERATION_OVER = (e.OperationEnded, e.StepProved, e.StepFailed, e.StepChecked, e.TargetReplanned)


@dataclasses.dataclass(kw_only=True)
class Books:
    """The laws, one run's worth."""

    plan: Plan
    plans: list[Target] = dataclasses.field(default_factory=list)
    """What is planned for each target now."""
    in_flight: set[int] = dataclasses.field(default_factory=set)
    physical: set[int] = dataclasses.field(default_factory=set)
    """Targets that the service may be working on, slot or no slot."""
    operating: set[int] = dataclasses.field(default_factory=set)
    """Targets whose operation was not seen to end."""
    results: dict[int, Result] = dataclasses.field(default_factory=dict)
    failures: collections.Counter[str] = dataclasses.field(default_factory=collections.Counter)
    reported: set[str] = dataclasses.field(default_factory=set)
    said: dict[int, list[e.Event]] = dataclasses.field(default_factory=dict)
    """Each target's events, and the takeovers in between."""
    retries: collections.Counter[int] = dataclasses.field(default_factory=collections.Counter)
    wave_of: list[int] = dataclasses.field(default_factory=list)
    waves: list[Wave] = dataclasses.field(default_factory=list)
    """As planned, and those that became necessary."""
    groups: list[list[SpreadGroup]] = dataclasses.field(default_factory=list)
    back_to: list[int] = dataclasses.field(default_factory=list)
    """Numbers of the waves that take back."""
    skipped: set[int] = dataclasses.field(default_factory=set)
    is_back: bool = False
    joined: int = 0

    def __post_init__(self) -> None:
        self.plans += self.plan.targets
        self.waves += self.plan.head.waves
        self.groups += [list(spread.groups) for spread in self.plan.head.spreads]
        for n, wave in enumerate(self.waves):
            self.wave_of += [n] * wave.target_count

    def note(self, event: e.Event) -> None:
        """Check *event* against everything before it, then remember it."""
        law = _LAWS.get(type(event))
        if law is not None:
            getattr(self, law)(event)
        self._keep(event)

    def _keep(self, event: e.Event) -> None:
        if isinstance(event, e.RunTaken):
            for said in self.said.values():
                said.append(event)
        if isinstance(event, e.TargetEvent) and not isinstance(event, _NOT_KEPT):
            self.said.setdefault(event.target, []).append(event)
        is_conflict = isinstance(event, e.StepHeld) and event.reason is HoldReason.CONFLICT
        if isinstance(event, _OPERATION_OVER) or is_conflict:
            self.operating.discard(event.target)  # type: ignore[union-attr]
            self._let_go(event.target)  # type: ignore[union-attr]
        elif isinstance(event, e.StepHeld) and event.target in self.results:
            self.operating.discard(event.target)
            self._let_go(event.target)

    def _let_go(self, target: int) -> None:
        """Of one that has ended, the last word of its operation is the end of all work on it."""
        if target in self.results and target not in self.in_flight:
            self.operating.discard(target)
            self.physical.discard(target)

    # --- starting ------------------------------------------------------------------------

    def _has_started(self, event: e.TargetStarted) -> None:
        target = event.target
        is_again = target in self.results
        assert is_again == (self.is_back and target in self.said)
        if is_again:
            assert self.results.pop(target) in (Result.SUCCEEDED, Result.FAILED, Result.TIMED_OUT)
        self.operating.discard(target)
        self.said[target] = []
        self.in_flight.add(target)
        self.physical.add(target)
        self._may_start(target)

    def _may_start(self, target: int) -> None:
        """Never more than any cap, never after a breach."""
        n = self.wave_of[target]
        wave, run = self.waves[n], self.plan.head.limits
        mates = [one for one in self.in_flight if self.wave_of[one] == n]
        assert len(mates) <= wave.max_concurrency
        self._is_within_spreads(target)
        if self.is_back:
            assert n in self.back_to
            return
        assert len(self.in_flight) <= run.max_concurrency
        assert self.failures["run"] <= run.max_failures
        assert self.failures[f"wave {n}"] <= wave.max_failures
        assert not self.reported
        if run.failure_mode is FailureMode.STRICT:
            assert len(mates) <= wave.max_failures + 1 - self.failures[f"wave {n}"]
            assert len(self.in_flight) <= run.max_failures + 1 - self.failures["run"]

    def _is_within_spreads(self, target: int) -> None:
        for n, g in enumerate(self.plans[target].groups):
            group = self.groups[n][g]
            label = self._label(n, g)
            alike = [one for one in self.physical if self.plans[one].groups[n] == g]
            slots = [one for one in self.in_flight if self.plans[one].groups[n] == g]
            if group.max_concurrency is not None:
                assert len(alike) <= group.max_concurrency
            if group.max_failures is None or self.is_back:
                continue
            assert self.failures[label] <= group.max_failures
            if self.plan.head.limits.failure_mode is FailureMode.STRICT:
                assert len(slots) <= group.max_failures + 1 - self.failures[label]

    def _label(self, n: int, g: int) -> str:
        return f"{self.plan.head.spreads[n].by}={self.groups[n][g].value}"

    def _may_write(self, event: e.StepIntended) -> None:
        """Only straight after a look, by the same runner, that said: as planned."""
        said = self.said[event.target]
        assert isinstance(said[-1], e.StepChecked)
        assert said[-1].finding is Finding.PROCEED
        assert event.step < len(self.plans[event.target].steps)
        earlier = [
            one.attempt
            for one in said
            if isinstance(one, e.StepIntended) and one.step == event.step
        ]
        assert event.attempt == len(earlier) + 1
        assert earlier == list(range(1, len(earlier) + 1))

    # --- ending --------------------------------------------------------------------------

    def _has_ended(self, event: e.TargetFinished) -> None:
        target = event.target
        assert target not in self.results
        self.results[target] = event.result
        self.in_flight.discard(target)
        if target not in self.operating:
            self.physical.discard(target)
        if event.result in (Result.SUCCEEDED, Result.ROLLED_BACK):
            assert self._proven(target) == len(self.plans[target].steps)
        if event.result is Result.NO_OP and self.plans[target].action.is_change:
            assert self._proven(target) == len(self.plans[target].steps)
            assert not any(isinstance(one, e.StepIntended) for one in self.said[target])
        assert (event.result is Result.ROLLED_BACK) <= self.is_back
        if event.result.is_failure and not self.is_back:
            self.failures["run"] += 1
            self.failures[f"wave {self.wave_of[target]}"] += 1
            for n, g in enumerate(self.plans[target].groups):
                self.failures[self._label(n, g)] += 1

    def _proven(self, target: int) -> int:
        return len(
            {
                one.step
                for one in self.said[target]
                if isinstance(one, e.StepProved)
                or (isinstance(one, e.StepChecked) and one.finding is Finding.DONE)
            }
        )

    def _is_put_off(self, event: e.TargetPutOff) -> None:
        """Once, with nothing sent, from an earlier wave to the last."""
        target = event.target
        assert self.plan.head.unreachable is Unreachable.DEFER
        assert not any(isinstance(one, e.StepIntended) for one in self.said[target])
        assert self.waves[self.wave_of[target]].name != CATCH_UP
        if self.waves[-1].name != CATCH_UP:
            own = bindings.of_catch_up(self.plan.head.waves)
            self.waves.append(waves.catch_up(self.plan.head.limits, calendars=own))
        self.wave_of[target] = len(self.waves) - 1
        self.in_flight.discard(target)
        self.physical.discard(target)
        del self.said[target], self.retries[target]

    def _is_out(self, event: e.TargetSkipped) -> None:
        """Only who waits may be taken out."""
        assert event.target not in self.results
        assert event.target not in self.in_flight
        assert event.target not in self.said
        self.results[event.target] = Result.SKIPPED

    def _wave_is_out(self, event: e.WaveSkipped) -> None:
        self.skipped.add(event.wave)
        for target, n in enumerate(self.wave_of):
            if n == event.wave and target not in self.results and target not in self.said:
                self.results[target] = Result.SKIPPED

    # --- other ways ----------------------------------------------------------------------

    def _is_replanned(self, event: e.TargetReplanned) -> None:
        assert self.plan.head.on_drift is OnDrift.REPLAN
        self.plans[event.target] = event.plan
        # Its steps are others now, and count afresh; takeovers and all else go on.
        self.said[event.target] = [
            one for one in self.said[event.target] if not isinstance(one, e.StepIntended)
        ]
        self.said[event.target] = [
            one
            for one in self.said[event.target]
            if not isinstance(one, e.StepProved | e.StepChecked)
        ]

    def _is_retried(self, event: e.TargetRetried) -> None:
        rule = self.plan.head.limits.retry
        assert rule is not None
        assert event.failure in rule.on
        self.retries[event.target] += 1
        assert self.is_back or self.retries[event.target] <= rule.attempts
        assert self.is_back or not self.reported

    def _is_surveyed(self, event: e.RunSurveyed) -> None:
        for target in event.left:
            if target not in self.results and target not in self.said:
                self.results[target] = Result.REMOVED
        for grown in event.groups:
            self.groups[grown.spread].append(grown.group)
        open_ones = set(range(event.wave, len(self.waves))) - self.skipped
        ahead = sorted(n for n in open_ones if self.waves[n].name != CATCH_UP)
        while len(self.wave_of) < len(self.plans):
            self.wave_of.append(-1)  # those of the plan that need nothing
        for joined in event.joined:
            self.plans.append(joined)
            self.wave_of.append(ahead[-1] if ahead else len(self.waves) - 1)
        self.joined += len(event.joined)

    def _is_breached(self, event: e.BudgetBreached) -> None:
        level = {"run": "run", "label": event.label}.get(event.level, f"wave {event.wave}")
        assert event.failures == self.failures[level] > event.max_failures
        self.reported.add(level)

    def _is_accepted(self, event: e.StepAccepted) -> None:
        if event.operation_sha256 is not None:
            self.operating.add(event.target)

    def _is_unknown(self, event: e.StepUnknown) -> None:
        self.in_flight.discard(event.target)
        self._let_go(event.target)

    def _is_overdue(self, event: e.WaveOverdue) -> None:
        assert event.at >= event.due_at
        self.reported.add("time")

    def _has_more(self, event: e.WaveAdded) -> None:
        self.back_to.append(len(self.waves))
        self.waves.append(event.planned)

    def _goes_back(self, _: e.RunRollingBack) -> None:
        assert self.plan.head.limits.on_breach is OnBreach.ROLLBACK
        assert self.reported
        assert not self.in_flight
        self.is_back = True
        self.retries.clear()

    def _are_to_go_back(self, event: e.WaveExtended) -> None:
        """Only what was changed; newest wave first."""
        for member in event.members:
            said = self.said[member.target]
            assert any(isinstance(one, e.StepIntended | e.StepProved) for one in said)
            assert self.wave_of[member.target] < event.wave
            self.plans[member.target] = member.plan
            self.wave_of[member.target] = event.wave

    def _forgive(self, _: e.RunResumed) -> None:
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

    # --- the end -------------------------------------------------------------------------

    def _is_over(self, event: e.RunFinished) -> None:
        counts = collections.Counter(str(one) for one in self.results.values())
        told = dict(event.counts)
        left = told.pop("Pending", 0) + told.pop("Unknown", 0) + told.pop("InProgress", 0)
        assert told == counts
        if self.is_back:
            self._is_back_or_not(event, counts)
            return
        assert left + len(self.results) == self.plan.change_count + self.joined
        if event.status is RunStatus.STOPPED:
            return
        for level, allowed in self._budgets():
            assert (level in self.reported) == (self.failures[level] > allowed)
        if self.reported:
            assert event.status is RunStatus.FAILED
            return
        assert not left
        self._is_deserved(event, counts)

    def _is_deserved(self, event: e.RunFinished, counts: collections.Counter[str]) -> None:
        """Zero successes are never success, nor are failures but where so many were allowed."""
        good = counts["Succeeded"] + counts["NoOp"]
        if self.results and not good:
            assert event.status is RunStatus.FAILED
        least = self.plan.head.limits.min_success
        if event.status is RunStatus.SUCCEEDED and least is None:
            bad = {Result.FAILED, Result.TIMED_OUT, Result.DRIFTED}
            assert not bad & set(self.results.values())
        if event.status is RunStatus.SUCCEEDED and self.results:
            assert good >= (least or 1)

    def _is_back_or_not(self, event: e.RunFinished, counts: collections.Counter[str]) -> None:
        """Taken back means: nothing that was changed is left as it was changed to."""
        if event.status is not RunStatus.ROLLED_BACK:
            assert event.status in (RunStatus.FAILED, RunStatus.STOPPED)
            return
        members = [n for n, wave in enumerate(self.wave_of) if wave in self.back_to]
        assert all(self.results[n] is Result.ROLLED_BACK for n in members)
        assert counts["RolledBack"] == len(members)

    def _budgets(self) -> list[tuple[str, int]]:
        numbered = enumerate(self.waves)
        run = self.plan.head.limits.max_failures
        labels = [
            (self._label(n, g), group.max_failures)
            for n, groups in enumerate(self.groups)
            for g, group in enumerate(groups)
            if group.max_failures is not None
        ]
        own = [(f"wave {n}", wave.max_failures) for n, wave in numbered]
        return [("run", run), *own, *labels]


_LAWS: Mapping[type, str] = {
    e.TargetStarted: "_has_started",
    e.StepIntended: "_may_write",
    e.StepAccepted: "_is_accepted",
    e.StepUnknown: "_is_unknown",
    e.TargetFinished: "_has_ended",
    e.TargetPutOff: "_is_put_off",
    e.TargetSkipped: "_is_out",
    e.TargetReplanned: "_is_replanned",
    e.TargetRetried: "_is_retried",
    e.WaveSkipped: "_wave_is_out",
    e.RunSurveyed: "_is_surveyed",
    e.BudgetBreached: "_is_breached",
    e.WaveOverdue: "_is_overdue",
    e.RunRollingBack: "_goes_back",
    e.WaveAdded: "_has_more",
    e.WaveExtended: "_are_to_go_back",
    e.RunResumed: "_forgive",
    e.RunFinished: "_is_over",
}
