"""The ``fleet`` command: its flags, its commands, and how every error ends."""

from __future__ import annotations

import sys
import traceback
from pathlib import Path
from typing import Annotated

import typer

import fleet
from fleet import log
from fleet.cli import context, lineup, mishaps
from fleet.cli.context import DISCRETION, Context
from fleet.errors import FleetError, InvariantError
from fleet.ui import output

app = typer.Typer(
    name="fleet",
    cls=lineup.Lineup,
    help="Roll out Azure Arc cluster extensions over thousands of clusters, safely.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(asked: bool) -> None:
    if asked:
        sys.stdout.write(f"fleet {fleet.__version__}\n")
        raise typer.Exit


@app.callback()
def _main(
    ctx: typer.Context,
    state_dir: Annotated[
        Path | None,
        typer.Option(
            "--state-dir",
            envvar="FLEET_STATE_DIR",
            help="Where runs are kept; a local disk. Default: the XDG state directory.",
        ),
    ] = None,
    log_level: Annotated[
        str,
        typer.Option(
            "--log-level", envvar="FLEET_LOG_LEVEL", help="debug, info, warning or error."
        ),
    ] = "error",
    log_format: Annotated[
        str, typer.Option("--log-format", envvar="FLEET_LOG_FORMAT", help="text or json.")
    ] = "text",
    version: Annotated[  # noqa: ARG001 - acts through its callback
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version and exit."
        ),
    ] = False,
) -> None:
    if log_level not in ("debug", "info", "warning", "error"):
        message = f"{log_level!r} is no log level: debug, info, warning or error"
        raise typer.BadParameter(message, param_hint="--log-level")
    if log_format not in ("text", "json"):
        message = f"{log_format!r} is no log format: text or json"
        raise typer.BadParameter(message, param_hint="--log-format")
    log.configure(
        level=log_level,
        is_json=log_format == "json",
        scrub=DISCRETION.text,
        stream=output.errors(),
    )
    ctx.obj = Context(state_dir=state_dir or context.default_state_dir())


def main() -> None:
    """Run the command line; every error ends in its class's exit status."""
    status = _flushed(_ended())
    sys.exit(status)


def _ended() -> int:
    try:
        app(prog_name="fleet")
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 0
    except FleetError as error:
        return _told(error)
    except KeyboardInterrupt:
        return 130
    except Exception:  # noqa: BLE001 - the outermost edge: what gets here is a bug of ours
        output.errors().write(DISCRETION.text(traceback.format_exc()))
        return _told(InvariantError(hint=_REPORT_IT))
    return 0


_REPORT_IT = "Please report it with the text above; the journal is intact."


def _flushed(status: int) -> int:
    """Return *status*, or what to exit with where the output does not reach its reader."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        output.hang_up(sys.stdout)
    except OSError as error:
        output.hang_up(sys.stdout)
        return status or _told(lineup.unwritable(error))
    return status


def _told(error: FleetError) -> int:
    mishaps.show(error)
    return error.exit_status
