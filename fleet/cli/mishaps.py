"""How an error is told: its code, what happened, and what to do, without a secret in it."""

from __future__ import annotations

import dataclasses

from rich.text import Text

from fleet.cli import context
from fleet.cli.context import DISCRETION
from fleet.errors import FleetError
from fleet.spec.problems import SpecError


def show(error: FleetError) -> None:
    """Print *error* on stderr."""
    console = context.errors()
    console.print(Text(f"error {error.code}: {clean(error)}"), soft_wrap=True)
    if error.hint:
        console.print()
        console.print(Text(f"hint: {DISCRETION.text(error.hint)}"), soft_wrap=True)


def clean(error: FleetError) -> str:
    """Return what *error* says, and where it was met."""
    scrub = DISCRETION.text
    if not isinstance(error, SpecError):
        places = "".join(f" ({note})" for note in getattr(error, "__notes__", ()))
        return scrub(f"{error.message}{places}")
    # NB: a path may end in "token", and the words that explain it would be taken for its value.
    told = [
        str(
            dataclasses.replace(
                problem,
                message=scrub(problem.message),
                hint=None if problem.hint is None else scrub(problem.hint),
            )
        )
        for problem in error.problems
    ]
    return "\n".join([*told, *error.message.splitlines()[len(told) :]])
