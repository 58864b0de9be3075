"""The real command line: ``python -m fleet`` as a process, with nothing of this machine in it.

Shapes:  one :class:`Shell` a test: its state directory, its world, its environment.
Units:   ``_s`` are seconds of this machine; every wait has a limit.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT / "tests" / "data" / "cli"
PLANS = ROOT / "plans"

LIMIT_S = 40
"""No command of a test may take longer, on however busy a machine."""

_KEPT = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "VIRTUAL_ENV", "LD_LIBRARY_PATH")

Hook = Callable[[], None]


def environment(given: Mapping[str, str | Path]) -> dict[str, str]:
    """Return the environment of a command: what processes need, and what was *given*."""
    kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
    return {
        **kept,
        "PYTHONPATH": str(ROOT),
        # A warning is an error here too, and no test writes beside the source.
        "PYTHONWARNINGS": "error",
        "PYTHONDONTWRITEBYTECODE": "1",
        **{name: str(value) for name, value in given.items()},
    }


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """A command that has ended."""

    args: tuple[str, ...]
    status: int
    """As a shell has it; ``-9`` where signal 9 ended it."""
    stdout: str
    stderr: str

    @property
    def json(self) -> Any:
        """What stdout holds, all of it."""
        return json.loads(self.stdout)

    def must(self, status: int) -> Ended:
        """Return this, if it ended with *status* and showed nobody a traceback."""
        told = f"fleet {' '.join(self.args)}\n--- stdout\n{self.stdout}\n--- stderr\n{self.stderr}"
        assert self.status == status, f"exit {self.status}, not {status}: {told}"
        assert "Traceback" not in self.stdout + self.stderr, told
        return self


class Living:
    """A command that may still be running."""

    def __init__(self, process: subprocess.Popen[str], args: tuple[str, ...]) -> None:
        self.process = process
        self._args = args

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def is_alive(self) -> bool:
        return self.process.poll() is None

    def send(self, signum: signal.Signals) -> None:
        """Send a signal; to nobody, where it has ended already."""
        self.process.send_signal(signum)

    def end(self, *, limit_s: float = LIMIT_S) -> Ended:
        """Wait for the end."""
        try:
            out, err = self.process.communicate(timeout=limit_s)
        except subprocess.TimeoutExpired:
            self.process.kill()
            out, err = self.process.communicate()
            told = f"fleet {' '.join(self._args)} was still running after {limit_s} s"
            raise AssertionError(f"{told}\n--- stdout\n{out}\n--- stderr\n{err}") from None
        return Ended(args=self._args, status=self.process.returncode, stdout=out, stderr=err)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Shell:
    """Where commands are typed: a state directory, perhaps a world, and an environment."""

    root: Path
    world: Path | None = None
    extra: Mapping[str, str | Path] = dataclasses.field(default_factory=dict)

    @property
    def state_dir(self) -> Path:
        """Where runs are kept."""
        return self.root / "state"

    def with_(self, **extra: str | Path) -> Shell:
        """Return the same shell with more environment variables."""
        return dataclasses.replace(self, extra={**self.extra, **extra})

    def start(
        self,
        *args: str | Path,
        before: Hook | None = None,
        entry: Sequence[str] = ("-m", "fleet"),
    ) -> Living:
        """Start a command.

        Args:
            args: After ``fleet``.
            before: Is called in the new process before it becomes ``fleet``.
            entry: What Python runs.
        """
        told = tuple(str(arg) for arg in args)
        process = subprocess.Popen(
            [sys.executable, *entry, *told],
            cwd=self.root,
            env=self._environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=before,  # noqa: PLW1509 - no threads here
        )
        return Living(process, told)

    def __call__(
        self, *args: str | Path, before: Hook | None = None, entry: Sequence[str] = ("-m", "fleet")
    ) -> Ended:
        """Run a command to its end."""
        return self.start(*args, before=before, entry=entry).end()

    def _environment(self) -> dict[str, str]:
        given: dict[str, str | Path] = {"FLEET_STATE_DIR": self.state_dir, **self.extra}
        if self.world is not None:
            given.setdefault("FLEET_WORLD", self.world)
        return environment(given)


@contextlib.contextmanager
def living(shell: Shell, *args: str | Path, before: Hook | None = None) -> Iterator[Living]:
    """Run a command for as long as the block lasts, and no longer."""
    found = shell.start(*args, before=before)
    try:
        yield found
    finally:
        if found.is_alive:
            found.process.kill()
        with contextlib.suppress(ValueError):  # read to the end already
            found.process.communicate()


def until(holds: Callable[[], bool], *, what: str, limit_s: float = LIMIT_S) -> None:
    """Wait until *holds* does."""
    deadline = time.monotonic() + limit_s
    while not holds():
        assert time.monotonic() < deadline, f"not within {limit_s} s: {what}"
        time.sleep(0.02)  # another process lives in real time: there is nothing else to wait for


def written(path: Path, text: str) -> Path:
    """Write a file of the test's own."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def world(name: str) -> Path:
    """Return a world of the tests' data."""
    return DATA / "worlds" / f"{name}.yaml"


def plan(name: str) -> Path:
    """Return a plan file of the tests' data."""
    return DATA / "plans" / f"{name}.yaml"
