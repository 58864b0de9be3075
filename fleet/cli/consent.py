"""Somebody's yes: from the terminal, or spelled out on the command line."""

from __future__ import annotations

import signal
import sys

from rich.text import Text

from fleet.cli import context
from fleet.errors import RefusedError
from fleet.model.plan import Plan, RunId


def given(plan: Plan, run_id: RunId, *, is_agreed: bool) -> str:
    """Get somebody's yes, and return how it was given."""
    question = f"Change {plan.change_count} clusters, as run {run_id}? Only 'yes' is taken: "
    return to(question, is_agreed=is_agreed)


def to(question: str, *, is_agreed: bool) -> str:
    """Get somebody's yes to *question*, and return how it was given."""
    if is_agreed:
        return "--yes"
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        message = "nobody can be asked here, and nobody said yes"
        raise RefusedError(message, hint="Run it on a terminal, or add --yes.")
    if _answer_to(question) != "yes":
        message = "the answer was not yes; nothing was changed"
        raise RefusedError(message)
    return "prompt"


def _answer_to(question: str) -> str:
    """Return the line that is typed; Ctrl-C ends the process: nothing was begun yet."""
    # NB: asyncio only makes a note of the first Ctrl-C, and reading would go on; Python's own
    # handler may come too late, between its last look for signals and the read that blocks.
    before = signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        context.errors().print(Text(question), end="", soft_wrap=True)
        return sys.stdin.readline().strip()
    finally:
        signal.signal(signal.SIGINT, before)
