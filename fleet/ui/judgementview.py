"""What a run waits for and is judged by: what lies ahead, gates, and who agreed."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import Any

from fleet.core import consents, outlook
from fleet.core.forecast import Forecast
from fleet.core.state import GateState, RunState, WaveState
from fleet.model import codec
from fleet.model.approvals import ApprovalRule
from fleet.model.events import ApprovalGiven, GateEnded, GateSkipped
from fleet.model.gates import Moment
from fleet.model.statuses import WaveStatus
from fleet.ui import forecastview, moments, people
from fleet.ui.tables import Table


def tables(state: RunState, now: dt.datetime) -> list[Table]:
    """Return what there is to be told at *now*; of what a plan has none of, nothing."""
    plan = state.plan if state.header else None
    if plan is None:
        return []
    found = []
    if is_timed(state) and (ahead := outlook.of_run(state, now)):
        found.append(forecastview.table("Ahead", list(ahead.values())))
    if plan.gates:
        found.append(_gates(state))
    if any(wave.planned.approvals for wave in state.waves):
        found.append(_approvals(state, now))
    return [one for one in found if one.rows]


def is_timed(state: RunState) -> bool:
    """Tell whether anything but places decides when the run's waves begin."""
    return forecastview.is_timed(state.plan) if state.header else False


def overrides(state: RunState) -> Iterator[str]:
    """Yield one line for each calendar that somebody overrode."""
    for number, one in state.overrides.items():
        until = f" until {moments.text(one.until)}" if one.until else ""
        name = state.plan.calendars[number].name
        yield f"windows of {name} overridden{until} by {people.named(one.actor)}: {one.reason}"


def _gates(state: RunState) -> Table:
    return Table(
        title="Gates",
        header=("wave", "gate", "when", "verdict", "measured", "last", "at"),
        rows=[
            (
                wave.planned.name,
                name,
                moment.value,
                _verdict(found),
                str(found.tally.number),
                ", ".join(found.last.values) if found.last and found.last.values else "-",
                moments.text(found.last.at) if found.last else "-",
            )
            for wave in state.waves
            for (moment, name), found in wave.gates.items()
        ],
        numbers=frozenset({"measured"}),
        spare=("at", "measured"),
    )


def _verdict(found: GateState) -> str:
    match found.ended:
        case GateEnded():
            return f"{found.ended.verdict} ({found.ended.action})"
        case GateSkipped():
            return "skipped"
        case _:
            last = f", last {found.last.verdict}" if found.last else ""
            return f"being measured{last}"


def _approvals(state: RunState, now: dt.datetime) -> Table:
    return Table(
        title="Approvals",
        header=("wave", "when", "given/needed", "by", "until"),
        rows=[
            (
                wave.planned.name,
                rule.when.value,
                f"{len(given)}/{rule.quorum}",
                ", ".join(one.actor.called for one in given) or "-",
                moments.text(min((one.at + rule.life for one in given), default=None), never="-"),
            )
            for number, wave, rule in _rules(state)
            for given in [_given(state, number, rule, now)]
        ],
        numbers=frozenset({"given/needed"}),
    )


def _given(
    state: RunState, number: int, rule: ApprovalRule, now: dt.datetime
) -> tuple[ApprovalGiven, ...]:
    """Return the approvals that count, or did: what has opened or closed a wave expires no more."""
    status = state.waves[number].status
    is_open = status in (WaveStatus.RUNNING, WaveStatus.SOAKING)
    is_to_come = status is WaveStatus.NOT_STARTED or (is_open and rule.when is Moment.AFTER)
    if not is_to_come:
        now = max((one.at for one in state.approvals.get((number, rule.when), ())), default=now)
    return consents.given(state, number, rule, now=now)


def _rules(state: RunState) -> Iterator[tuple[int, WaveState, ApprovalRule]]:
    for number, wave in enumerate(state.waves):
        for rule in wave.planned.approvals:
            yield number, wave, rule


# --- as JSON values ----------------------------------------------------------------------


def override_documents(state: RunState) -> list[dict[str, Any]]:
    """Return who overrode which calendar."""
    return [
        {
            "calendar": state.plan.calendars[number].name,
            "by": people.document(one.actor),
            "at": codec.utc_text(one.at),
            "until": codec.utc_text(one.until) if one.until else None,
            "reason": one.reason,
        }
        for number, one in state.overrides.items()
    ]


def wave_document(
    state: RunState, number: int, expected: Forecast | None, now: dt.datetime
) -> dict[str, Any]:
    """Return what is judged of a wave, and when it is to be expected."""
    wave = state.waves[number]
    return {
        "forecast": forecastview.document(expected) if expected else None,
        "gates": [
            _gate_document(name, moment, found) for (moment, name), found in wave.gates.items()
        ],
        "approvals": [
            _approval_document(state, number, rule, now) for rule in wave.planned.approvals
        ],
    }


def _gate_document(name: str, moment: Moment, found: GateState) -> dict[str, Any]:
    ended, last = found.ended, found.last
    return {
        "gate": name,
        "when": moment.value,
        "measured": found.tally.number,
        "lastValues": list(last.values) if last else [],
        "lastVerdict": last.verdict.value if last else None,
        "lastAt": codec.utc_text(last.at) if last else None,
        "verdict": ended.verdict.value if isinstance(ended, GateEnded) else None,
        "action": ended.action.value if isinstance(ended, GateEnded) else None,
        "skippedBy": people.document(ended.actor) if isinstance(ended, GateSkipped) else None,
    }


def _approval_document(
    state: RunState, number: int, rule: ApprovalRule, now: dt.datetime
) -> dict[str, Any]:
    return {
        "when": rule.when.value,
        "needed": rule.quorum,
        "given": [
            {
                **people.document(one.actor),
                "at": codec.utc_text(one.at),
                "expiresAt": codec.utc_text(one.at + rule.life),
                "comment": one.reason,
            }
            for one in _given(state, number, rule, now)
        ],
    }
