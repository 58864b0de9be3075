"""What ``fleet run --due`` did, and what it left: one row a run, one a plan file."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

from fleet.cli import context, ending, mishaps
from fleet.cli.duties import Duty, Findings, Idle, Scheduled
from fleet.model import codec
from fleet.model.events import Event, RunFinished, RunPaused, RunWaiting
from fleet.model.statuses import RunStatus
from fleet.ui import output, waits
from fleet.ui.output import Format
from fleet.ui.tables import Table


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """A run that was begun or gone on with, as far as it went."""

    duty: Duty
    status: int
    """What its process exited with."""
    last: Event | None
    """The newest thing that happened to it; ``None``: it was not begun."""


def show(findings: Findings, done: Sequence[Done], *, form: Format) -> None:
    """Print what was done on stdout; on stderr, where that is nothing, what comes next."""
    if form in (Format.JSON, Format.YAML):
        output.print_document(document(findings, done), form=form)
    elif form is Format.NAME:
        output.print_names([one.duty.run_id for one in done])
    elif done:
        output.print_tables([_table(done)], form=form)
    if not done:
        for line in nothing(findings):
            output.say(context.DISCRETION.text(line), on=context.errors())


def nothing(findings: Findings) -> list[str]:
    """Return what to say where nothing was due."""
    idle = [
        f"run {one.run_id} {waits.text(one.wait, now=one.now)}"
        for one in sorted(findings.idle, key=lambda one: one.run_id)
    ]
    upcoming = [
        f"{one.file.name} comes at {waits.moment_text(one.upcoming)}"
        for one in findings.scheduled
        if one.upcoming is not None
    ]
    return ["Nothing is due.", *idle, *upcoming]


def document(findings: Findings, done: Sequence[Done]) -> dict[str, Any]:
    """Return all of it as JSON values; its keys are part of what is published."""
    return {
        "apiVersion": "fleet/v1",
        "kind": "DueRuns",
        "runs": [_run(one) for one in done],
        "waiting": [_idle(one) for one in findings.idle],
        "schedules": [_scheduled(one) for one in findings.scheduled],
        "problems": [
            {"about": one.about, "code": one.error.code, "message": mishaps.clean(one.error)}
            for one in findings.problems
        ],
    }


def _table(done: Sequence[Done]) -> Table:
    rows = [
        (
            one.duty.run_id,
            "begun" if one.duty.file else "gone on with",
            _standing(one),
            str(one.status),
            _until(one.last),
        )
        for one in done
    ]
    header = ("run", "done", "status", "exit", "until")
    return Table(title="Due", header=header, rows=rows, numbers=frozenset({"exit"}))


def _standing(one: Done) -> str:
    match one.last:
        case RunFinished(status=status):
            return status.value
        case RunWaiting():
            return RunStatus.WAITING.value
        case RunPaused():
            return RunStatus.PAUSED.value
        case None:
            return "not begun"
        case _:
            return "left" if one.status == ending.EXIT_WAITING else "not over"


def _until(last: Event | None) -> str:
    until = last.until if isinstance(last, RunWaiting) else None
    return waits.moment_text(until) if until else "-"


def _run(one: Done) -> dict[str, Any]:
    return {
        "runId": one.duty.run_id,
        "file": str(one.duty.file) if one.duty.file else None,
        "why": one.duty.why,
        "status": _standing(one),
        "exitStatus": one.status,
        "wait": waits.document(one.last) if isinstance(one.last, RunWaiting) else None,
    }


def _idle(one: Idle) -> dict[str, Any]:
    return {"runId": one.run_id, "wait": waits.document(one.wait)}


def _scheduled(one: Scheduled) -> dict[str, Any]:
    return {
        "file": str(one.file),
        "runId": one.run_id,
        "standing": one.standing.value,
        "latest": codec.utc_text(one.latest) if one.latest else None,
        "upcoming": codec.utc_text(one.upcoming) if one.upcoming else None,
    }
