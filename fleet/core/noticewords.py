"""Which events people are told of, and in which words."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from fleet.model import events as e
from fleet.model.approvals import ApprovalRule
from fleet.model.events import Actor, Event
from fleet.model.gates import OnVerdict, Verdict
from fleet.model.notices import Topic
from fleet.model.statuses import RunStatus, WaitCause, WaveStatus

Halt = e.RunPausing | e.RunStopping | None
"""Who stopped a run last, and why."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What is said of one event."""

    kind: str
    """A stable word for programs: a new one may come, and none changes its meaning."""
    topic: Topic
    title: str
    reason: str = ""
    actor: Actor | None = None
    until: dt.datetime | None = None
    is_about_failures: bool = False
    is_counted: bool = False
    """Whether the title ends in how targets ended."""
    is_sized: bool = False
    """Whether it ends in how many targets the wave has."""
    commands: tuple[str, ...] = ()
    """What somebody may do, with ``{run}`` and ``{wave}``."""
    is_for_approvers: bool = False
    """Whether it is theirs to do, and not the owner's."""


def told(event: Event, *, halt: Halt) -> Told | None:
    """Return what is said of *event*; ``None``: nothing."""
    tell = _TOLD.get(type(event))
    return tell(event, halt) if tell else None


def approvers(rules: Sequence[ApprovalRule], *, author: str) -> str:
    """Return in words whose approval a wave needs.

    >>> from fleet.model.gates import Moment
    >>> rule = ApprovalRule(when=Moment.BEFORE, quorum=2, by=("ann", "bob"))
    >>> approvers([rule], author="eve"), approvers([], author="eve")
    ('2 of ann, bob, and not eve', 'whoever may approve')
    """
    found = []
    for rule in rules:
        whom = f"{rule.quorum} of {', '.join(rule.by)}" if rule.by else _people(rule.quorum)
        found.append(f"{whom}, and not {author}" if rule.not_author else whom)
    return "; ".join(dict.fromkeys(found)) or "whoever may approve"


def _people(count: int) -> str:
    return "anybody" if count == 1 else f"{count} people"


def _by(actor: Actor | None) -> str:
    return f" by {actor.called}@{actor.host}" if actor else ""


def _moment(at: dt.datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S}Z"


def _because(reason: str) -> str:
    return f": {reason}" if reason else ""


# --- the run -----------------------------------------------------------------------------


def _started(event: e.RunStarted, _: Halt) -> Told:
    return Told(
        kind="run.started", topic=Topic.RUN, title=f"started{_by(event.actor)}", actor=event.actor
    )


def _waiting(event: e.RunWaiting, _: Halt) -> Told:
    if event.cause is WaitCause.APPROVAL:
        return Told(
            kind="approval.needed",
            topic=Topic.APPROVAL,
            title=f"approval needed{_because(event.detail)}",
            reason=event.detail,
            until=event.until,
            commands=("approve {run} --wave {wave}",),
            is_for_approvers=True,
        )
    until = f" until {_moment(event.until)}" if event.until else ""
    return Told(
        kind="run.waiting",
        topic=Topic.RUN,
        title=f"waiting{until} ({event.cause}){_because(event.detail)}",
        reason=event.detail,
        until=event.until,
    )


def _woken(_event: e.RunWoken, _: Halt) -> Told:
    return Told(kind="run.woken", topic=Topic.RUN, title="goes on: what it waited for has come")


def _pausing(event: e.RunPausing, _: Halt) -> Told:
    why = "a bug in fleet: " if event.is_bug else ""
    return Told(
        kind="run.pausing",
        topic=Topic.RUN,
        title=f"pausing{_by(event.actor)}: {why}{event.reason}",
        reason=event.reason,
        actor=event.actor,
        is_about_failures=True,
    )


def _paused(_event: e.RunPaused, halt: Halt) -> Told:
    reason = halt.reason if halt else ""
    return Told(
        kind="run.paused",
        topic=Topic.RUN,
        title=f"paused, nothing is in flight{_because(reason)}",
        reason=reason,
        actor=halt.actor if halt else None,
        is_about_failures=True,
        commands=("resume {run}", "stop {run}"),
    )


def _resumed(event: e.RunResumed, _: Halt) -> Told:
    return Told(
        kind="run.resumed",
        topic=Topic.RUN,
        title=f"resumed{_by(event.actor)}: {event.reason}",
        reason=event.reason,
        actor=event.actor,
    )


def _stopping(event: e.RunStopping, _: Halt) -> Told:
    return Told(
        kind="run.stopping",
        topic=Topic.RUN,
        title=f"stopping{_by(event.actor)}: {event.reason}",
        reason=event.reason,
        actor=event.actor,
        is_about_failures=True,
    )


def _rolling_back(event: e.RunRollingBack, _: Halt) -> Told:
    left = f"; {len(event.left)} cannot be taken back" if event.left else ""
    return Told(
        kind="run.rollingBack",
        topic=Topic.RUN,
        title=f"rolling back ({event.scope}): {event.reason}{left}",
        reason=event.reason,
        is_about_failures=True,
    )


def _finished(event: e.RunFinished, _: Halt) -> Told:
    return Told(
        kind="run.finished",
        topic=Topic.RUN,
        title=f"{event.status}{_because(event.reason)}",
        reason=event.reason,
        is_counted=True,
        is_about_failures=event.status is not RunStatus.SUCCEEDED,
        commands=_ways_on(event),
    )


def _ways_on(event: e.RunFinished) -> tuple[str, ...]:
    """Return what may be done about a run that did not end well."""
    if event.status is RunStatus.ROLLED_BACK or not {"Failed", "TimedOut"} & event.counts.keys():
        return ()
    return "retry {run} --failed", "rollback {run} --plan-only"


def _overridden(event: e.WindowOverridden, _: Halt) -> Told:
    until = f" until {_moment(event.until)}" if event.until else ""
    return Told(
        kind="window.overridden",
        topic=Topic.RUN,
        title=f"windows overridden{until}{_by(event.actor)}: {event.reason}",
        reason=event.reason,
        actor=event.actor,
        until=event.until,
    )


# --- waves -------------------------------------------------------------------------------


def _opened(_event: e.WaveOpened, _: Halt) -> Told:
    return Told(kind="wave.opened", topic=Topic.WAVE, title="opened", is_sized=True)


def _soaking(event: e.WaveSoaking, _: Halt) -> Told:
    title = f"soaking until {_moment(event.until)}"
    return Told(kind="wave.soaking", topic=Topic.WAVE, title=title, until=event.until)


def _soak_skipped(event: e.SoakSkipped, _: Halt) -> Told:
    return Told(
        kind="wave.soakSkipped",
        topic=Topic.WAVE,
        title=f"soak ended{_by(event.actor)}: {event.reason}",
        reason=event.reason,
        actor=event.actor,
    )


def _wave_skipped(event: e.WaveSkipped, _: Halt) -> Told:
    return Told(
        kind="wave.skipped",
        topic=Topic.WAVE,
        title=f"skipped{_by(event.actor)}: {event.reason}",
        reason=event.reason,
        actor=event.actor,
    )


def _observed(event: e.WaveObserved, _: Halt) -> Told | None:
    if not event.relapsed:
        return None
    count = len(event.relapsed)
    return Told(
        kind="wave.relapsed",
        topic=Topic.WAVE,
        title=f"{count} relapsed during the soak{_because(event.detail)}",
        reason=event.detail,
        is_about_failures=True,
    )


def _closed(event: e.WaveClosed, _: Halt) -> Told:
    return Told(
        kind="wave.closed",
        topic=Topic.WAVE,
        title=f"closed, {event.status}",
        is_counted=True,
        is_about_failures=event.status is not WaveStatus.SUCCEEDED,
    )


# --- budgets, gates, approvals -----------------------------------------------------------


def _breached(event: e.BudgetBreached, _: Halt) -> Told:
    whose = event.label or event.level
    reason = f"{event.failures} failures, {event.max_failures} allowed"
    return Told(
        kind="budget.breached",
        topic=Topic.BREACH,
        title=f"{whose} budget broken: {reason}",
        reason=reason,
        is_about_failures=True,
    )


def _overdue(event: e.WaveOverdue, _: Halt) -> Told:
    reason = f"not done by {_moment(event.due_at)}"
    return Told(
        kind="wave.overdue",
        topic=Topic.BREACH,
        title=f"{reason}: nothing more starts",
        reason=reason,
        is_about_failures=True,
    )


def _gate_ended(event: e.GateEnded, _: Halt) -> Told:
    follows = "" if event.action is OnVerdict.CONTINUE else f", so {_FOLLOWS[event.action]}"
    return Told(
        kind="gate.passed" if event.verdict is Verdict.PASS else "gate.notPassed",
        topic=Topic.GATE,
        title=f"gate {event.gate} {_VERDICTS[event.verdict]}{follows}{_because(event.detail)}",
        reason=event.detail,
        commands=("resume {run}", "stop {run}") if event.action is OnVerdict.PAUSE else (),
    )


_FOLLOWS: Mapping[OnVerdict, str] = {
    OnVerdict.STOP: "the run stops",
    OnVerdict.PAUSE: "the run pauses",
    OnVerdict.ROLLBACK: "the run takes back what it changed",
}
_VERDICTS: Mapping[Verdict, str] = {
    Verdict.PASS: "passed",
    Verdict.FAIL: "failed",
    Verdict.INCONCLUSIVE: "is inconclusive",
    Verdict.NO_DATA: "has no data",
    Verdict.ERROR: "could not be measured",
}


def _gate_skipped(event: e.GateSkipped, _: Halt) -> Told:
    return Told(
        kind="gate.skipped",
        topic=Topic.GATE,
        title=f"gate {event.gate} skipped{_by(event.actor)}: {event.reason}",
        reason=event.reason,
        actor=event.actor,
    )


def _approved(event: e.ApprovalGiven, _: Halt) -> Told:
    return Told(
        kind="approval.given",
        topic=Topic.APPROVAL,
        title=f"approved ({event.when}){_by(event.actor)}{_because(event.reason)}",
        reason=event.reason,
        actor=event.actor,
    )


_TOLD: Mapping[type, Callable[[Any, Halt], Told | None]] = {
    e.RunStarted: _started,
    e.RunWaiting: _waiting,
    e.RunWoken: _woken,
    e.RunPausing: _pausing,
    e.RunPaused: _paused,
    e.RunResumed: _resumed,
    e.RunStopping: _stopping,
    e.RunRollingBack: _rolling_back,
    e.RunFinished: _finished,
    e.WindowOverridden: _overridden,
    e.WaveOpened: _opened,
    e.WaveSoaking: _soaking,
    e.SoakSkipped: _soak_skipped,
    e.WaveSkipped: _wave_skipped,
    e.WaveObserved: _observed,
    e.WaveClosed: _closed,
    e.BudgetBreached: _breached,
    e.WaveOverdue: _overdue,
    e.GateEnded: _gate_ended,
    e.GateSkipped: _gate_skipped,
    e.ApprovalGiven: _approved,
}
KINDS = frozenset(cls.kind for cls in _TOLD)  # type: ignore[attr-defined]
