"""``fleet approve`` and ``fleet override``: what only certain people may say to a run.

Consent and override take no environment variable: a person spells them out.
"""

from __future__ import annotations

import contextlib
import datetime as dt
from typing import Annotated

import typer

from fleet.cli import consent, context, meeting, options, outside, steering
from fleet.cli.context import Context
from fleet.cli.meeting import Meeting
from fleet.cli.options import Where
from fleet.core import appeals, outlook
from fleet.core.state import RunState
from fleet.engine import history
from fleet.errors import InputError, RefusedError
from fleet.model import codec
from fleet.model.calendars import Calendar
from fleet.model.events import ApprovalGiven
from fleet.model.gates import Moment
from fleet.ui import approvalview, output, people
from fleet.ui.approvalview import Case
from fleet.ui.output import Format


@options.at_a_place
def approve(  # noqa: PLR0913, PLR0917 - one for each flag
    ctx: typer.Context,
    run: options.RunName,
    where: Where,
    wave: Annotated[
        str | None,
        typer.Option("--wave", metavar="NAME", help="Else the one that waits, or the next."),
    ] = None,
    is_before: Annotated[bool, typer.Option("--before", help="Agree that it opens.")] = False,
    is_after: Annotated[bool, typer.Option("--after", help="Agree that it closes.")] = False,
    comment: Annotated[
        str, typer.Option("--comment", metavar="TEXT", help="Kept in the journal.")
    ] = "",
    is_agreed: Annotated[
        bool, typer.Option("--yes", "-y", help="Do not ask; needed without a terminal.")
    ] = False,
    is_look: Annotated[
        bool, typer.Option("--show-only", help="Show what would be agreed to, and no more.")
    ] = False,
    as_json: options.AsJson = False,
    request_id: options.RequestId = None,
) -> None:
    """Agree that a wave opens, or closes, after reading what it does and how ready it is."""
    if is_before and is_after:
        message = "one thing is approved at a time"
        raise InputError(message, hint="Name --before or --after.")
    when = Moment.BEFORE if is_before else Moment.AFTER if is_after else None
    found: Context = ctx.obj
    case = _case(found, run, where, wave, when)
    if not as_json:
        on = output.console() if is_look else context.errors()
        for line in approvalview.lines(case):
            output.say(line, on=on)
    given = None
    try:
        if not is_look:
            given = _approved(found, run, case, comment, request_id, is_agreed=is_agreed)
    finally:
        if as_json:
            output.print_document(approvalview.document(case, given), form=Format.JSON)


def _case(found: Context, run: str, where: Where, wave: str | None, when: Moment | None) -> Case:
    state = _state(found, run)
    appeal = appeals.appeal(
        state, context.actor(), outside.known_moment(state), wave=wave, when=when
    )
    met = meeting.met(found, state, where, targets=appeal.targets)
    # Who asks, and when, is known only now; which wave it is, is settled.
    appeal = appeals.appeal(state, met.actor, met.now, wave=appeal.name, when=appeal.when)
    return Case(
        state=state,
        appeal=appeal,
        actor=met.actor,
        note=met.note,
        readiness=met.readiness,
        unknown=met.unknown,
        forecasts={
            number: one
            for number, one in outlook.of_run(state, met.now).items()
            if number >= appeal.wave
        },
    )


def _approved(
    found: Context,
    run: str,
    case: Case,
    comment: str,
    request_id: str | None,
    *,
    is_agreed: bool,
) -> ApprovalGiven | None:
    """Ask, have the run answer, and return what it wrote down."""
    if case.appeal.refusal:
        raise RefusedError(f"run {run}: approve is refused: {case.appeal.refusal}")
    appeal = case.appeal
    question = f"Approve {appeal.when} wave {appeal.name} of run {run}? Only 'yes' is taken: "
    consent.to(question, is_agreed=is_agreed)
    event = steering.steer(
        found, run, "approve", comment, request_id, subject=appeal.subject, actor=case.actor
    )
    return event if isinstance(event, ApprovalGiven) else None


@options.at_a_place
def override(
    ctx: typer.Context,
    run: options.RunName,
    where: Where,
    window: Annotated[
        str, typer.Option("--window", metavar="NAME", help="The calendar that is not heeded.")
    ],
    reason: Annotated[str, typer.Option("--reason", help="Why; kept in the journal.")],
    until: Annotated[
        str | None,
        typer.Option(
            "--until",
            metavar="MOMENT",
            help="Such as 2026-12-01T02:00Z; else for as long as the run lives.",
        ),
    ] = None,
    request_id: options.RequestId = None,
) -> None:
    """Let changes start outside of a calendar's windows; only for those whom the plan names."""
    if not reason.strip():
        message = "an override needs a reason: whoever reads the journal in a year will ask"
        raise InputError(message, hint='Add --reason "...".')
    found: Context = ctx.obj
    state = _state(found, run)
    calendar = _calendar(state, window)
    subject = calendar.name if until is None else f"{calendar.name}@{_moment(until)}"
    met = meeting.met(found, state, where)
    _say_who(met)
    _require_named(calendar, met)
    steering.steer(found, run, "override", reason, request_id, subject=subject, actor=met.actor)


def _say_who(met: Meeting) -> None:
    note = f": {met.note}" if met.note else ""
    output.say(f"you are {people.named(met.actor)}{note}", on=context.errors())


def _calendar(state: RunState, name: str) -> Calendar:
    found = next((one for one in state.plan.calendars if one.name == name), None)
    if found is None:
        names = ", ".join(one.name for one in state.plan.calendars)
        hint = f"There are {names}." if names else "It has none: nothing keeps it waiting."
        raise InputError(f"no calendar of this run is called {name}", hint=hint)
    return found


def _require_named(calendar: Calendar, met: Meeting) -> None:
    may = calendar.overriders
    if met.actor.called.lower() in (one.lower() for one in may):
        return
    who = f"these may: {', '.join(may)}" if may else "its plan names nobody who may"
    message = f"{met.actor.called} may not override {calendar.name}; {who}"
    raise RefusedError(message, hint="Who may is in the plan file, under the calendar.")


def _moment(text: str) -> str:
    try:
        found = dt.datetime.fromisoformat(text)
    except ValueError:
        found = None
    if found is None or found.tzinfo is None:
        hint = "Write it with its offset: 2026-12-01T02:00Z, or 2026-12-01T03:00+01:00."
        raise InputError(f"{text!r} is no moment", hint=hint)
    return codec.utc_text(found)


def _state(found: Context, run: str) -> RunState:
    with contextlib.closing(found.store.read(run)) as reader:
        state = history.load(reader)
    if state.header is None or state.status.is_terminal:
        raise RefusedError(f"run {run} is {state.status}: it is over")
    return state


COMMANDS = (approve, override)
