"""Plan files that are run again and again, in worlds whose clock shows what a test needs."""

from __future__ import annotations

from pathlib import Path

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


def plan_file(root: Path, name: str, schedule: str = MONTHLY, *, like: str = "pin") -> Path:
    """Write a plan file with a schedule; return the directory that it lies in."""
    text = commands.plan(like).read_text()
    commands.written(root / "plans" / f"{name}.yaml", f"{text}  schedule: {schedule}\n")
    return root / "plans"
