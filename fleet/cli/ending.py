"""How a run that has ended, or was left, is told: the report, the next step, the exit status."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.text import Text

from fleet.cli import context
from fleet.core.leftovers import Leftover
from fleet.core.state import RunState
from fleet.errors import InvariantError
from fleet.model.statuses import RunStatus
from fleet.ui import leftview, output, statusview
from fleet.ui.output import Format

EXIT_WAITING = 6
_EXITS: Mapping[RunStatus, int] = {
    RunStatus.SUCCEEDED: 0,
    RunStatus.SUCCEEDED_WITH_FAILURES: 1,
    RunStatus.FAILED: 1,
    RunStatus.ROLLED_BACK: 1,
    RunStatus.STOPPED: 7,
}


def report(state: RunState, form: Format, *, left: Sequence[Leftover] = ()) -> None:
    """Print how a run stands, on stdout, and what a rollback could not take back."""
    if form is Format.NAME:
        output.print_names([state.header.run_id if state.header else ""])
    elif form in (Format.JSON, Format.YAML):
        found = statusview.document(state, holder=None)
        found |= {"leftBehind": leftview.documents(left)} if left else {}
        output.print_document(found, form=form)
    elif form is Format.TABLE:
        _print_ending(state)
        _print_left(left)
    else:
        output.print_tables([statusview.rows(state, only_trouble=False)], form=form)


def _print_ending(state: RunState) -> None:
    on = output.console()
    output.say(statusview.headline(state), on=on, style="bold")
    for reason in statusview.reasons(state):
        output.say(reason, on=on)
    on.print()
    trouble = statusview.targets(state, only_trouble=True)
    tables = [statusview.waves(state), *([trouble] if trouble.rows else [])]
    output.print_tables(tables, form=Format.TABLE, on=on)
    say_causes(state)


def _print_left(left: Sequence[Leftover]) -> None:
    if left:
        on = output.console()
        on.print()
        output.print_tables([leftview.table(left)], form=Format.TABLE, on=on)


def say_causes(state: RunState) -> None:
    """Print on stdout what is known of the failures, and whose move it is."""
    on = output.console()
    lines = statusview.advice(state)
    if lines:
        on.print()
        output.say("Causes", on=on, style="bold")
    for line in lines:
        output.say(line, on=on)


def say_what_next(state: RunState) -> None:
    """Say on stderr how a run that is not over goes on."""
    run_id = state.header.run_id if state.header else ""
    console = context.errors()
    if state.status is RunStatus.PAUSED:
        text = f"hint: fleet resume {run_id}, then fleet run --run-id {run_id} carries on."
        console.print(Text(text), soft_wrap=True)
    elif not state.status.is_terminal:
        text = f"hint: fleet run --run-id {run_id} carries on."
        console.print(Text(text), soft_wrap=True)


def exit_status(state: RunState) -> int:
    """Return what a run that stands like this exits with."""
    if state.has_bug:
        return InvariantError.exit_status
    return _EXITS.get(state.status, EXIT_WAITING)
