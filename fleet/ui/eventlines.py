"""One line for each event worth telling: what `fleet run` says on stderr and `fleet log` prints."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from fleet.core import causes
from fleet.core.causes import Cause
from fleet.core.state import RunState
from fleet.model import events as e
from fleet.model.events import Event
from fleet.model.gates import OnVerdict, Verdict
from fleet.model.statuses import Result
from fleet.ui import insideview, people, waits


def cause(event: Event) -> Cause | None:
    """Return what a failure comes from, where its words are known."""
    match event:
        case e.StepFailed() | e.StepHeld():
            return causes.cause_of(event.message)
        case e.TargetFinished(result=result) if result in _FAILURES:
            return causes.cause_of(event.detail)
        case _:
            return None


def line(event: Event, state: RunState, *, is_full: bool) -> str | None:
    """Return *event* as a line; ``None`` for one that only a full log shows."""
    if not is_full and (isinstance(event, _QUIET) or _is_one_of_many(event, state)):
        return None
    return f"{event.at:%Y-%m-%d %H:%M:%S}Z  {_who(event, state)}{_what(event, state)}"


def _is_one_of_many(event: Event, state: RunState) -> bool:
    """Whether all is well again, or a target says once more that it waits, or is warned of.

    Of its holds the 1st, 2nd, 4th, 8th time are told.
    """
    if isinstance(event, e.GateMeasured):
        return event.verdict is Verdict.PASS
    if isinstance(event, e.WaveObserved):
        return event.is_seen and not event.relapsed
    if not isinstance(event, e.StepHeld | e.TargetObserved):
        return False
    active = state.active.get(event.target)
    if isinstance(event, e.TargetObserved):
        is_first = active is None or active.observations <= 1
        return not (is_first and insideview.warnings(event.checks))
    count = active.held_count if active else 0
    return bool(count & (count - 1))


_Asked = (
    e.RunPausing
    | e.RunStopping
    | e.RunResumed
    | e.RequestRefused
    | e.WaveSkipped
    | e.SoakSkipped
    | e.TargetSkipped
    | e.WindowOverridden
    | e.ApprovalGiven
    | e.GateSkipped
)
_FAILURES = (Result.FAILED, Result.TIMED_OUT, Result.DEFERRED, Result.DRIFTED)
_QUIET = (
    e.RunCreated,
    e.TargetsListed,
    e.RunPlanned,
    e.TargetStarted,
    e.StepChecked,
    e.StepIntended,
    e.StepAccepted,
    e.OperationEnded,
    e.StepProved,
    e.StepFailed,
    e.WaveExtended,
    e.TargetSoaking,
    e.GatesEntered,
)


def _who(event: Event, state: RunState) -> str:
    target = getattr(event, "target", None)
    if isinstance(target, int):
        return f"{state.targets[target].cluster_name}  "
    # NB: what a run waits for says itself which wave it is about.
    wave = None if isinstance(event, e.RunWaiting) else getattr(event, "wave", None)
    return f"wave {state.waves[wave].planned.name}  " if isinstance(wave, int) else ""


def _what(event: Event, state: RunState) -> str:
    tell = _TOLD.get(type(event))
    return tell(event, state) if tell else event.kind


def _aside(detail: str) -> str:
    return f" ({detail})" if detail else ""


def _of_other(event: e.StepIntended, state: RunState) -> str:
    other = state.targets[event.target].steps[event.step].other
    return f" of {other.name}" if other else ""


def _created(event: e.RunCreated, _: RunState) -> str:
    return (
        f"run {event.run_id} created by {people.named(event.actor)}, fleet "
        f"{event.release}: {event.target_count} targets, plan {event.plan_digest}"
    )


def _finished(event: e.TargetFinished, state: RunState) -> str:
    target = state.targets[event.target]
    if event.result is Result.SUCCEEDED:
        versions = f"{target.from_version or '(none)'} -> {target.to_version or '(none)'}"
        return f"Succeeded: {target.action} {versions}"
    if event.result is Result.ROLLED_BACK:
        return f"RolledBack: {target.reason or target.action}"
    known = cause(event)
    aside = f" [{known.code}: {known.what}; {known.advice}]" if known else ""
    return f"{event.result}: {event.detail}{aside}"


def _left(event: e.RunRollingBack) -> str:
    return f"; {len(event.left)} cannot be taken back" if event.left else ""


def _by(event: _Asked) -> str:
    return f" by {people.named(event.actor)}"


def _closed(event: e.WindowClosed, state: RunState) -> str:
    until = f" until {event.until:%Y-%m-%d %H:%M:%S}Z" if event.until else ""
    return f"windows closed{until}: {_calendars(event, state)}"


def _calendars(event: e.WindowClosed | e.WindowOpened, state: RunState) -> str:
    return ", ".join(state.plan.calendars[number].name for number in event.calendars)


def _overridden(event: e.WindowOverridden, state: RunState) -> str:
    until = f" until {event.until:%Y-%m-%d %H:%M:%S}Z" if event.until else ""
    name = state.plan.calendars[event.calendar].name
    return f"windows of {name} overridden{until}{_by(event)}: {event.reason}"


def _measured(event: e.GateMeasured, _: RunState) -> str:
    values = f": {', '.join(event.values)}" if event.values else ""
    return f"{_gate(event)} {event.number}. {event.verdict}{values}{_aside(event.detail)}"


def _gate_ended(event: e.GateEnded, _: RunState) -> str:
    follows = "" if event.action is OnVerdict.CONTINUE else f"; {event.action} follows"
    return f"{_gate(event)} came to {event.verdict}{_aside(event.detail)}{follows}"


def _gate(event: e.GateMeasured | e.GateEnded) -> str:
    return f"gate {event.gate} ({event.moment})"


def _observed(event: e.WaveObserved, _: RunState) -> str:
    if not event.is_seen:
        return f"was to be looked at again, and was not seen: {event.detail}"
    if not event.relapsed:
        return "looked at again: all are as they were proved to be"
    return f"looked at again: {len(event.relapsed)} relapsed: {event.detail}"


def _because(detail: str) -> str:
    return f": {detail}" if detail else ""


def _ended(event: e.RunFinished, _: RunState) -> str:
    counts = ", ".join(f"{count} {name}" for name, count in event.counts.items())
    return f"run {event.status}: {event.reason} ({counts})"


_TOLD: Mapping[type, Callable[[Any, RunState], str]] = {
    e.RunCreated: _created,
    e.TargetsListed: lambda v, _: f"targets {v.first} to {v.first + len(v.targets) - 1} listed",
    e.RunPlanned: lambda v, _: f"plan complete: {v.plan_digest}",
    e.RunStarted: lambda v, _: f"run started by {people.named(v.actor)} ({v.consent})",
    e.RunTaken: lambda v, _: f"run taken by {people.named(v.actor)}, pid {v.actor.pid}",
    e.RunPausing: lambda v, _: f"pausing{_by(v)}: {v.reason}",
    e.RunPaused: lambda _v, _: "run paused: nothing is in flight",
    e.RunResumed: lambda v, _: f"resumed{_by(v)}: {v.reason}",
    e.RunStopping: lambda v, _: f"stopping{_by(v)}: {v.reason}",
    e.RequestRefused: lambda v, _: f"{v.asked}{_by(v)} refused: {v.reason}",
    e.RunFinished: _ended,
    e.RunWaiting: lambda v, _: waits.text(v, now=v.at),
    e.RunWoken: lambda _v, _: "the wait is over",
    e.WaveOpened: lambda v, s: f"opened, {s.waves[v.wave].target_count} targets",
    e.WaveAdded: lambda v, _: f"added: {v.planned.target_count} targets",
    e.WaveExtended: lambda v, _: f"{len(v.members)} targets listed",
    e.BudgetBreached: lambda v, _: (
        f"{v.label or v.level} budget broken: {v.failures} failures, {v.max_failures} allowed"
    ),
    e.WaveOverdue: lambda v, _: f"not done by {v.due_at:%Y-%m-%d %H:%M:%S}Z: nothing more starts",
    e.WaveSkipped: lambda v, _: f"skipped{_by(v)}: {v.reason}",
    e.SoakSkipped: lambda v, _: f"soak ended{_by(v)}: {v.reason}",
    e.RunRollingBack: lambda v, _: f"rolling back ({v.scope}): {v.reason}{_left(v)}",
    e.RunSurveyed: lambda v, _: (
        v.problem
        or f"looked who is meant now: {len(v.joined)} joined, {len(v.left)} are not meant any more"
    ),
    e.WaveSoaking: lambda v, _: f"soaking until {v.until:%Y-%m-%d %H:%M:%S}Z",
    e.WaveClosed: lambda v, _: f"closed: {v.status}",
    e.TargetStarted: lambda _v, _: "started",
    e.StepChecked: lambda v, _: f"step {v.step + 1} checked: {v.finding}{_aside(v.detail)}",
    e.StepIntended: lambda v, s: (
        f"step {v.step + 1} attempt {v.attempt}: {v.verb.upper()}{_of_other(v, s)} leaves, "
        f"correlation {v.correlation_id}"
    ),
    e.StepAccepted: lambda v, _: f"step {v.step + 1} accepted",
    e.StepLost: lambda v, _: f"step {v.step + 1}: no answer, will be looked up: {v.message}",
    e.StepHeld: lambda v, _: (
        f"step {v.step + 1} waits ({v.reason}) until {v.until:%H:%M:%S}Z: {v.message}"
    ),
    e.OperationEnded: lambda v, _: (
        f"step {v.step + 1} operation {v.status} after {v.poll_count} reads"
    ),
    e.StepProved: lambda v, _: f"step {v.step + 1} proved",
    e.StepFailed: lambda v, _: f"step {v.step + 1} failed ({v.code}): {v.message}",
    e.StepUnknown: lambda v, _: f"step {v.step + 1} outcome unknown, a bug in fleet: {v.message}",
    e.TargetPutOff: lambda v, _: f"put off to the catch-up wave: {v.detail}",
    e.TargetReplanned: lambda v, _: (
        f"planned anew ({v.detail}): {v.plan.action} to {v.plan.to_version or '(none)'}"
    ),
    e.TargetRetried: lambda v, _: (
        f"tried again ({v.retry}) at {v.until:%H:%M:%S}Z, after {v.failure}: {v.detail}"
    ),
    e.TargetStalled: lambda _v, _: "stalled: it takes longer than the plan expects",
    e.TargetSkipped: lambda v, _: f"skipped{_by(v)}: {v.reason}",
    e.TargetFinished: _finished,
    e.TargetSoaking: lambda v, _: f"as planned; has to stay so until {v.until:%H:%M:%S}Z",
    e.TargetObserved: lambda v, _: (
        insideview.line(v.checks) if v.checks else f"step {v.step + 1} is as it was proved to be"
    ),
    e.TargetReturned: lambda v, _: f"waits for its turn again: {v.detail}",
    e.WindowOverridden: _overridden,
    e.ApprovalGiven: lambda v, _: f"approved ({v.when}){_by(v)}{_because(v.reason)}",
    e.WindowClosed: _closed,
    e.WindowOpened: lambda v, s: f"windows open again: {_calendars(v, s)}",
    e.GatesEntered: lambda v, _: f"gates {v.moment} begin",
    e.GateMeasured: _measured,
    e.GateEnded: _gate_ended,
    e.GateSkipped: lambda v, _: f"gate {v.gate} skipped{_by(v)}: {v.reason}",
    e.WaveObserved: _observed,
}
