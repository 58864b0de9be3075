"""The ``fleet`` command: its flags, its commands, and how every error ends."""

from __future__ import annotations

import sys
import traceback
from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

import fleet
from fleet import log
from fleet.cli import context, inspecting, planning, running, steering
from fleet.cli.context import Context
from fleet.errors import FleetError, InvariantError
from fleet.model.redaction import Redactor

app = typer.Typer(
    name="fleet",
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
        bool, typer.Option("--version", callback=_print_version, is_eager=True)
    ] = False,
) -> None:
    if log_level not in ("debug", "info", "warning", "error"):
        message = f"{log_level!r} is no log level: debug, info, warning or error"
        raise typer.BadParameter(message, param_hint="--log-level")
    if log_format not in ("text", "json"):
        message = f"{log_format!r} is no log format: text or json"
        raise typer.BadParameter(message, param_hint="--log-format")
    log.configure(level=log_level, is_json=log_format == "json", scrub=Redactor(()).text)
    ctx.obj = Context(state_dir=state_dir or context.default_state_dir())


for _group in (planning, running, steering, inspecting):
    for _command in _group.COMMANDS:
        app.command()(_command)


def main() -> None:
    """Run the command line; every error ends in its class's exit status."""
    try:
        app()
    except FleetError as error:
        _show(error)
        sys.exit(error.exit_status)
    except BrokenPipeError:
        # Whoever read our output has had enough, as `head` does.
        sys.stderr.close()
        sys.exit(0)
    except KeyboardInterrupt:
        context.errors().print("interrupted")
        sys.exit(130)
    except Exception:  # noqa: BLE001 - the outermost edge: what gets here is a bug of ours
        bug = InvariantError(hint="Please report it with the text above; the journal is intact.")
        sys.stderr.write(Redactor(()).text(traceback.format_exc()))
        _show(bug)
        sys.exit(bug.exit_status)


def _show(error: FleetError) -> None:
    console = context.errors()
    clean = Redactor(()).text
    console.print(Text(f"error {error.code}: {clean(error.message)}"), soft_wrap=True)
    if error.hint:
        console.print()
        console.print(Text(f"hint: {clean(error.hint)}"), soft_wrap=True)
