"""Plan files that are run again and again, in worlds whose clock shows what a test needs."""

from __future__ import annotations

import contextlib
from pathlib import Path

from fleet.journal.sqlite import SqliteStore
from fleet.model.events import Event
from tests.rig import commands
from tests.rig.commands import Shell

MONTHLY = '{cron: "0 2 2 * *", zone: Europe/Berlin, within: 4h}'
"""December's is on the 2nd at 01:00 UTC."""
IN_TIME = "2026-12-02T01:05:00Z"
RUN = "osm-monthly-20261202T0100Z"


def shell_at(
    root: Path, moment: str, *, world: str = "calm", scale: int = 200, more: str = ""
) -> Shell:
    """Return a shell in a world whose clock begins at *moment*."""
    text = commands.world(world).read_text().replace("timeScale: 200", f"timeScale: {scale}")
    file = commands.written(root / "world.yaml", f"{text}epoch: {moment}\n{more}")
    return Shell(root=root, world=file)


def plan_file(root: Path, name: str, schedule: str = MONTHLY, *, like: str = "patient") -> Path:
    """Write a plan file with a schedule; return the directory that it lies in."""
    text = commands.plan(like).read_text()
    commands.written(root / "plans" / f"{name}.yaml", f"{text}  schedule: {schedule}\n")
    return root / "plans"


def events(shell: Shell, run: str = RUN) -> list[Event]:
    """Return all that is written of a run."""
    with contextlib.closing(SqliteStore(shell.state_dir).read(run)) as reader:
        return [event for _, event in reader.events()]


def runner(shell: Shell, run: str = RUN) -> int | None:
    """Return the process that carries a run on."""
    with contextlib.closing(SqliteStore(shell.state_dir).read(run)) as reader:
        holder = reader.holder()
    return holder.pid if holder else None
