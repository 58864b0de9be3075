"""How a run that has ended, or was left, is told: the report, the next step, the exit status."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from rich.text import Text

from fleet.cli import context, outside
from fleet.core import leftovers, undo
from fleet.core.leftovers import Leftover
from fleet.core.state import RunState
from fleet.errors import InvariantError
from fleet.model.plan import Purpose
from fleet.model.statuses import Result, RunStatus, WaitCause
from fleet.ui import judgementview, leftview, output, statusview, waits
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
    """Print how a run stands, on stdout, and what a rollback could not take back.

    Where nobody has looked at what is left, it is told from the journal.
    """
    left = left or tuple(leftovers.leftovers(state))
    if form is Format.NAME:
        output.print_names([state.header.run_id if state.header else ""])
    elif form in (Format.JSON, Format.YAML):
        found = statusview.document(state, holder=None)
        found |= {"leftBehind": leftview.documents(left)} if left else {}
        output.print_document(found, form=form)
    elif form is Format.TABLE:
        _print_ending(state)
        print_left(left)
    else:
        output.print_tables([statusview.rows(state, only_trouble=False)], form=form)


def _print_ending(state: RunState) -> None:
    on = output.console()
    output.say(statusview.headline(state), on=on, style="bold")
    for reason in statusview.reasons(state):
        output.say(reason, on=on)
    on.print()
    trouble = statusview.targets(state, only_trouble=True)
    judged = judgementview.tables(state, outside.known_moment(state))
    tables = [statusview.waves(state), *judged, *([trouble] if trouble.rows else [])]
    output.print_tables(tables, form=Format.TABLE, on=on)
    say_causes(state)


def print_left(left: Sequence[Leftover]) -> None:
    """Print on stdout what a rollback could not take back, where there is anything."""
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
    elif state.wait is not None:
        told = f"run {run_id} {waits.text(state.wait, has_local=True)}"
        console.print(Text(context.DISCRETION.text(told)), soft_wrap=True)
        first = f"fleet approve {run_id}, " if state.wait.cause is WaitCause.APPROVAL else ""
        text = f"hint: {first}then fleet run --run-id {run_id} carries on, or fleet run --due."
        console.print(Text(text), soft_wrap=True)
    elif not state.status.is_terminal:
        text = f"hint: fleet run --run-id {run_id} carries on."
        console.print(Text(text), soft_wrap=True)
    else:
        for text in _ways_on(state, run_id):
            console.print(Text(text), soft_wrap=True)


def _ways_on(state: RunState, run_id: str) -> Iterator[str]:
    """Yield what may be done about a run that did not end well."""
    parent = state.plan.parent
    if state.status is RunStatus.SUCCEEDED or (parent and parent.purpose is Purpose.ROLLBACK):
        return
    counts = state.counts
    if state.is_rolling_back:
        if undo.left(state):
            yield f"hint: fleet rollback {run_id} tries again to take back what is left."
    elif counts[Result.FAILED] or counts[Result.TIMED_OUT]:
        yield f"hint: fleet retry {run_id} --failed tries what failed again."
        yield f"hint: fleet rollback {run_id} --plan-only shows what can be taken back."
    if state.pending_count:
        yield f"hint: not begun: {state.pending_count}. A new plan of the same file has them."


def exit_status(state: RunState, *, is_waiting_ok: bool = False) -> int:
    """Return what a run that stands like this exits with.

    Args:
        state: The run.
        is_waiting_ok: Whether a run that waits is well. One that is paused waits for a person, and
            one that was left waits for nothing: neither is.
    """
    if state.has_bug:
        return InvariantError.exit_status
    if is_waiting_ok and state.status is RunStatus.WAITING:
        return 0
    return _EXITS.get(state.status, EXIT_WAITING)


_WORST_FIRST = (70, 5, 4, 3, 2, 1, 7, EXIT_WAITING, 0)


def worst(statuses: Iterable[int]) -> int:
    """Return the exit status of many that ended: a stranger's, a bug's, and so on down to 0.

    >>> worst([0, 6, 1]), worst([2, 137]), worst([])
    (1, 137, 0)
    """
    found = set(statuses)
    strange = sorted(found.difference(_WORST_FIRST))
    return next(iter([*strange, *(one for one in _WORST_FIRST if one in found)]), 0)
