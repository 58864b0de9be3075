"""Pages that are drawn from the code: states.md, cli.md, and the schemas that editors read.

Run:  python docs/generate.py          writes them
      python docs/generate.py --check  exits 1 where one is not what the code says
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import click
import typer

from fleet.cli.app import app
from fleet.core.moves import RUN_MOVES, TARGET_MOVES, WAVE_MOVES, Moves
from fleet.spec import schemas
from fleet.ui import output

ROOT = Path(__file__).resolve().parent.parent

_STATES = """# States

Drawn from the tables in `fleet/core/moves.py` by `docs/generate.py`; edit those.
An event that is not in these tables raises, and changes nothing.

## A run

{run}

## A wave

{wave}

## A target

`Waiting` in the views is `Checking`, `Lost`, `Following` or `Proving` while it holds for a moment.

{target}
"""

_CLI = """# Commands

Written from the commands' own help by `docs/generate.py`.

Exit codes: 0 succeeded or nothing to do, 1 finished with failures (SucceededWithFailures, Failed,
or RolledBack: the run took back what it had changed), 2 bad input, 3 refused, 4 remote, 5 journal
or tampered, 6 waiting or paused, 7 stopped, 10 a plan with changes under `--detailed-exitcode`,
70 a bug.

{commands}
"""


def states() -> str:
    """Return the page of the state machines."""
    return _STATES.format(
        run=_diagram(RUN_MOVES), wave=_diagram(WAVE_MOVES), target=_diagram(TARGET_MOVES)
    )


def commands() -> str:
    """Return the page of the commands."""
    group = typer.main.get_command(app)
    context = click.Context(group, info_name="fleet", max_content_width=96, terminal_width=96)
    return _CLI.format(commands="\n".join([_help(group, context), *_within(group, context)]))


def pages() -> Mapping[Path, str]:
    """Return every generated file with its content."""
    return {
        ROOT / "docs" / "states.md": states(),
        ROOT / "docs" / "cli.md": commands(),
        ROOT / "plans" / "rollout.schema.json": output.json_text(schemas.rollout_schema()),
        ROOT / "plans" / "calendars.schema.json": output.json_text(schemas.calendars_schema()),
    }


def _diagram(moves: Moves) -> str:
    """Return *moves* as a Mermaid diagram; events between the same two states share an arrow."""
    arrows: dict[tuple[str, str], list[str]] = {}
    for state, kinds in moves.items():
        for kind, targets in kinds.items():
            for target in sorted(targets):
                arrows.setdefault((str(state), str(target)), []).append(kind)
    lines = [
        f"    {state} --> {target}: {', '.join(sorted(kinds))}"
        for (state, target), kinds in arrows.items()
    ]
    first = f"    [*] --> {next(iter(moves))}"
    last = [f"    {state} --> [*]" for state, kinds in moves.items() if not kinds]
    return "\n".join(["```mermaid", "stateDiagram-v2", first, *lines, *last, "```"])


def _within(group: click.Command, context: click.Context) -> Iterator[str]:
    """Yield the help of each command of a group, and of those in groups of their own."""
    for name in group.list_commands(context):  # type: ignore[attr-defined]
        command = group.get_command(context, name)  # type: ignore[attr-defined]
        inner = click.Context(
            command, info_name=name, parent=context, max_content_width=96, terminal_width=96
        )
        yield f"## {inner.command_path}\n\n{_help(command, inner)}"
        if hasattr(command, "list_commands"):
            yield from _within(command, inner)


def _help(command: click.Command, context: click.Context) -> str:
    return f"```text\n{command.get_help(context)}\n```\n"


def main() -> None:
    """Write the pages, or compare them."""
    is_check = "--check" in sys.argv[1:]
    stale = [
        path
        for path, text in pages().items()
        if not (path.exists() and path.read_text(encoding="utf-8") == text)
    ]
    for path in stale:
        if is_check:
            sys.stderr.write(f"{path.relative_to(ROOT)} is not what the code says\n")
        else:
            path.write_text(pages()[path], encoding="utf-8")
    if is_check and stale:
        sys.stderr.write("hint: python docs/generate.py writes it anew\n")
        sys.exit(1)


if __name__ == "__main__":
    main()
