"""All commands by name, each imported when it is named: `fleet status` waits for no planner."""

from __future__ import annotations

import errno
import functools
import importlib
import sys
from collections.abc import Callable, Mapping
from typing import Any

import typer
from typer.core import TyperGroup

from fleet.errors import InputError
from fleet.ui import output

MODULES: Mapping[str, str] = {
    "validate": "planning",
    "schema": "planning",
    "discover": "planning",
    "plan": "planning",
    "show": "planning",
    "check": "checking",
    "profiles": "knowing",
    "doctor": "diagnosing",
    "run": "running",
    "retry": "following",
    "rollback": "following",
    "pause": "steering",
    "resume": "steering",
    "stop": "steering",
    "skip": "steering",
    "approve": "approving",
    "override": "approving",
    "explain": "explaining",
    "status": "inspecting",
    "watch": "inspecting",
    "log": "inspecting",
    "runs": "inspecting",
    "verify": "inspecting",
    "sim": "simulating",
    "locks": "unlocking",
}
"""``{command: its module}``, in the order of the help. A module's ``COMMANDS`` are its commands, or
by name those of its group ``app``."""


class Lineup(TyperGroup):
    """The commands of :data:`MODULES`."""

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002 - the base class's arguments
        """Return the names of all."""
        return list(MODULES)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ARG002 - likewise
        """Return a command; ``None`` where there is none of that name."""
        # Where nothing has this name, all are looked at for one that is meant.
        modules = [MODULES[cmd_name]] if cmd_name in MODULES else MODULES.values()
        for module in modules:
            self.commands.update(commands_of(module))
        return self.commands.get(cmd_name)


@functools.cache
def commands_of(name: str) -> Mapping[str, Any]:
    """Import a module of commands, and return them by name."""
    module = importlib.import_module(f"fleet.cli.{name}")
    shell = typer.Typer(rich_markup_mode=None, add_completion=False)
    if isinstance(module.COMMANDS, Mapping):
        for inner, command in module.COMMANDS.items():
            module.app.command(inner)(_to_a_reader(command))
        shell.add_typer(module.app)
    else:
        for command in module.COMMANDS:
            shell.command()(_to_a_reader(command))
    return typer.main.get_group(shell).commands


def _to_a_reader(command: Callable[..., None]) -> Callable[..., None]:
    """Return *command*, ending well where its reader has had enough, as after ``| head``."""

    @functools.wraps(command)
    def heard(*args: object, **kwargs: object) -> None:
        try:
            command(*args, **kwargs)
        except BrokenPipeError:
            output.hang_up(sys.stdout)
            raise typer.Exit from None
        except OSError as error:
            # Files and journals say themselves what is wrong with them: this is the output.
            if error.filename is not None or error.errno not in _FULL:
                raise
            output.hang_up(sys.stdout)
            raise unwritable(error) from None

    return heard


_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)


def unwritable(error: OSError) -> InputError:
    """Return what to tell about an output that does not take what is written."""
    message = f"the output cannot be written: {(error.strerror or str(error)).lower()}"
    return InputError(message, hint="Send it where there is room.")
