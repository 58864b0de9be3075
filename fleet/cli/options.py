"""Flags that several commands share, each with its environment variable.

``--yes`` has none, on purpose: consent is given by a person or by a job that
spells it out.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from fleet.ui.output import Format

PlanFile = Annotated[Path, typer.Argument(metavar="FILE", help="A plan file.")]
RunName = Annotated[str, typer.Argument(metavar="RUN", help="The id of a run; see `fleet runs`.")]

World = Annotated[
    Path | None,
    typer.Option(
        "--world",
        envvar="FLEET_WORLD",
        metavar="FILE",
        help="Run against the simulated fleet that FILE describes.",
    ),
]
Output = Annotated[
    Format,
    typer.Option("-o", "--output", envvar="FLEET_OUTPUT", help="How to print the data."),
]
AsJson = Annotated[bool, typer.Option("--json", help="The same as `-o json`.")]
Reason = Annotated[
    str, typer.Option("--reason", envvar="FLEET_REASON", help="Why; kept in the journal.")
]
RequestId = Annotated[
    str | None,
    typer.Option(
        "--request-id", envvar="FLEET_REQUEST_ID", help="The same id twice is one request."
    ),
]


def chosen(output: Format, *, as_json: bool) -> Format:
    """Return the format that was asked for."""
    return Format.JSON if as_json else output
