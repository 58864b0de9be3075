"""Commands that begin together: each is loaded and ready, and waits for the same shot."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path

from tests.rig import commands
from tests.rig.commands import Living, Shell, until

_READY = "on your marks"
_WAITING = f"""
import pathlib, sys, time
from fleet.azure import service
from fleet.cli import app
print({_READY!r}, file=sys.stderr, flush=True)
shot = pathlib.Path(sys.argv.pop(1))
while not shot.exists():
    time.sleep(0.005)
app.main()
"""


class Race:
    """Those who wait, and the shot."""

    def __init__(self, runners: Sequence[Living], shot: Path) -> None:
        self.runners = runners
        self._shot = shot

    def begin(self) -> None:
        """Let all of them go."""
        commands.written(self._shot, "")

    @property
    def alive(self) -> list[Living]:
        """Those that have not ended."""
        return [one for one in self.runners if one.is_alive]


@contextlib.contextmanager
def race(shell: Shell, told: Sequence[Sequence[str | Path]]) -> Iterator[Race]:
    """Get commands ready, and end what is left of them after the block."""
    shot = shell.root / ".said" / f"shot-{len(list(shell.root.glob('.said/*')))}"
    runners: list[Living] = []
    try:
        for args in told:
            runners.append(shell.start(shot, *args, entry=("-c", _WAITING)))  # noqa: PERF401
        for one in runners:
            until(lambda one=one: _READY in one.stderr or not one.is_alive, what="ready")
        yield Race(runners, shot)
    finally:
        for one in runners:
            if one.is_alive:
                one.process.kill()
            one.process.wait()
