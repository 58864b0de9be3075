"""What becomes of a person's approval, override, or word against a gate.

Each is an event, or the reason why it is none; part of :mod:`fleet.core.answers`.

Shapes:  an approval is about ``WAVE`` or ``WAVE:before``, ``WAVE:after``, with ``#2`` where what
         was shown had changed twice since the plan; an override about ``CALENDAR`` or
         ``CALENDAR@2026-12-01T02:00:00Z``.
"""

from __future__ import annotations

import datetime as dt

from fleet.core import consents
from fleet.core.state import RunState
from fleet.model import events as e
from fleet.model.approvals import ApprovalRule
from fleet.model.events import Actor
from fleet.model.gates import Moment
from fleet.model.statuses import WaveStatus


def approved(
    state: RunState, subject: str, *, actor: Actor, reason: str, request_id: str, now: dt.datetime
) -> e.ApprovalGiven | str:
    """Return the approval, or why it does not count."""
    place, _, content = subject.partition("#")
    found = _place(state, place, now)
    if isinstance(found, str):
        return found
    number, when = found
    if content and content != str(consents.content(state, number)):
        name = state.waves[number].planned.name
        return f"what wave {name} does has changed since it was shown: look at it again"
    rules = [one for one in state.waves[number].planned.approvals if one.when is when]
    if refusal := _refusal(state, number, rules, actor, now):
        return refusal
    return e.ApprovalGiven(
        at=now,
        wave=number,
        when=when,
        plan_digest=state.header.plan_digest if state.header else state.plan.inventory_digest,
        actor=actor,
        reason=reason,
        request_id=request_id,
    )


def _refusal(
    state: RunState, number: int, rules: list[ApprovalRule], actor: Actor, now: dt.datetime
) -> str:
    name = state.waves[number].planned.name
    if not rules:
        return f"wave {name} needs no such approval"
    barred = [consents.barred(state, rule, actor) for rule in rules]
    if all(barred):
        return barred[0]
    known = [one for rule in rules for one in consents.given(state, number, rule, now=now)]
    if any(one.actor.is_same_person(actor) for one in known):
        return f"{actor.called} has approved wave {name} already"
    return ""


def _place(state: RunState, subject: str, now: dt.datetime) -> tuple[int, Moment] | str:
    """Return which wave is meant, and which of its two approvals."""
    name, _, when = subject.partition(":")
    ahead = range(state.current, len(state.waves))
    numbers = [n for n in ahead if name in ("", state.waves[n].planned.name)]
    if not numbers:
        return f"no wave that is to come is called {name}"
    moments = [Moment(when)] if when in (Moment.BEFORE, Moment.AFTER) else []
    wanted = moments or [Moment.BEFORE, Moment.AFTER]
    for number in numbers:
        for moment in wanted:
            if any(consents.missing(state, number, moment, now=now)) and _may_come(
                state, number, moment
            ):
                return number, moment
    for number in numbers:
        for rule in state.waves[number].planned.approvals:
            if rule.when in wanted:
                return f"wave {state.waves[number].planned.name} has all approvals that it needs"
    return f"wave {name} needs no approval" if name else "no approval is needed"


def _may_come(state: RunState, number: int, moment: Moment) -> bool:
    status = state.waves[number].status
    is_to_come = status is WaveStatus.NOT_STARTED
    return is_to_come if moment is Moment.BEFORE else status is not WaveStatus.SKIPPED


def overridden(
    state: RunState, subject: str, *, actor: Actor, reason: str, request_id: str, now: dt.datetime
) -> e.WindowOverridden | str:
    """Return the override, or why *actor* may not."""
    names = {one.name for one in state.plan.calendars}
    name, _, text = (subject, "", "") if subject in names else subject.rpartition("@")
    name, text = (name, text) if name else (text, "")
    numbers = [n for n, one in enumerate(state.plan.calendars) if one.name == name]
    if not numbers:
        known = ", ".join(one.name for one in state.plan.calendars) or "none"
        return f"no calendar of this run is called {name}: there are {known}"
    may = state.plan.calendars[numbers[0]].overriders
    if actor.called.lower() not in {one.lower() for one in may}:
        who = f"may: {', '.join(may)}" if may else "may: the plan names nobody"
        return f"{actor.called} may not override {name}; {who}"
    until = _moment(text)
    if text and until is None:
        return f"{text} is no moment such as 2026-12-01T02:00:00Z"
    if until is not None and until <= now:
        return f"{text} is over"
    return e.WindowOverridden(
        at=now,
        calendar=numbers[0],
        until=until,
        actor=actor,
        reason=reason,
        request_id=request_id,
    )


def _moment(text: str) -> dt.datetime | None:
    try:
        found = dt.datetime.fromisoformat(text)
    except ValueError:
        return None
    return found.astimezone(dt.UTC) if found.tzinfo else None


def skipped_gate(
    state: RunState, subject: str, *, actor: Actor, reason: str, request_id: str, now: dt.datetime
) -> e.GateSkipped | str:
    """Return that a gate is heeded no more, or why there is nothing to skip."""
    wave = state.waves[state.current] if state.current < len(state.waves) else None
    found = [one for (_, name), one in wave.gates.items() if name == subject] if wave else []
    if not any(one.ended is None or one.bars is not None for one in found):
        return f"no gate called {subject} holds anything up"
    return e.GateSkipped(
        at=now,
        wave=state.current,
        gate=subject,
        actor=actor,
        reason=reason,
        request_id=request_id,
    )
