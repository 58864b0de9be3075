"""The real command line: ``python -m fleet`` as a process, with nothing of this machine in it.

Shapes:  one :class:`Shell` a test: its state directory, its world, its environment.
Units:   ``_s`` are seconds of this machine; every wait has a limit.
"""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from fleet.journal import connections, lockfile
from tests.rig import nursery, recording
from tests.rig.nursery import Forked

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT / "tests" / "data" / "cli"
PLANS = ROOT / "plans"

LIMIT_S = 40
"""No command of a test may take longer, on however busy a machine."""

_KEPT = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "VIRTUAL_ENV", "LD_LIBRARY_PATH")

_ENTRY = ("-m", "fleet")

Hook = Callable[[], None]


def environment(given: Mapping[str, str | Path]) -> dict[str, str]:
    """Return the environment of a command: what processes need, and what was *given*."""
    kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
    return {
        **kept,
        **_path(),
        # A warning is an error here too.
        "PYTHONWARNINGS": "error",
        **{name: str(value) for name, value in given.items()},
    }


def _path() -> Mapping[str, str]:
    """Return where Python looks, which is how servers are recorded where that is wanted."""
    folder = os.environ.get(recording.VARIABLE)
    if folder is None:
        return {"PYTHONPATH": str(ROOT)}
    path = os.pathsep.join((str(ROOT), str(recording.SITE)))
    return {"PYTHONPATH": path, recording.VARIABLE: folder}


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
    """A command that may still be running; what it says goes to files, to be read meanwhile."""

    def __init__(
        self, process: subprocess.Popen[str] | Forked, args: tuple[str, ...], said: Path
    ) -> None:
        self.process = process
        self._args = args
        self._out, self._err = _streams(said)

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def is_alive(self) -> bool:
        return self.process.poll() is None

    @property
    def stderr(self) -> str:
        """What it has said so far."""
        return self._err.read_text()

    def wait_for(self, text: str, *, count: int = 1) -> None:
        """Wait until it has said *text* on stderr, as often as *count*."""
        until(lambda: self.stderr.count(text) >= count or not self.is_alive, what=repr(text))
        assert self.stderr.count(text) >= count, f"ended without {text!r}:\n{self.stderr}"

    def send(self, signum: signal.Signals) -> None:
        """Send a signal; to nobody, where it has ended already."""
        self.process.send_signal(signum)

    def end(self, *, limit_s: float = LIMIT_S) -> Ended:
        """Wait for the end."""
        try:
            status = self.process.wait(limit_s)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            told = f"fleet {' '.join(self._args)} was still running after {limit_s} s"
            raise AssertionError(f"{told}\n--- stderr\n{self.stderr}") from None
        return Ended(
            args=self._args, status=status, stdout=self._out.read_text(), stderr=self.stderr
        )


def _streams(said: Path) -> tuple[Path, Path]:
    return said.with_suffix(".out"), said.with_suffix(".err")


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
        entry: Sequence[str] = _ENTRY,
    ) -> Living:
        """Start a command.

        Args:
            args: After ``fleet``.
            before: Is called in the new process before it becomes ``fleet``.
            entry: What Python runs.
        """
        told = tuple(str(arg) for arg in args)
        said = self.root / ".said" / f"{len(list(self.root.glob('.said/*')))}"
        said.parent.mkdir(exist_ok=True)
        out, err = _streams(said)
        around = environment({})
        if before is None and len(entry) == 2 and nursery.fits(around, self.environment):
            out.touch()
            err.touch()
            forking = nursery.of_this_process(around, ROOT)
            forked = forking.fork(entry, told, cwd=self.root, env=self.environment, to=(out, err))
            return Living(forked, told, said)
        with out.open("w") as stdout, err.open("w") as stderr:
            process = subprocess.Popen(
                [sys.executable, *entry, *told],
                cwd=self.root,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=stderr,
                text=True,
                preexec_fn=before,  # noqa: PLW1509 - no threads here
            )
        return Living(process, told, said)

    def __call__(
        self, *args: str | Path, before: Hook | None = None, entry: Sequence[str] = _ENTRY
    ) -> Ended:
        """Run a command to its end."""
        return self.start(*args, before=before, entry=entry).end()

    def many(self, *told: Sequence[str | Path], limit_s: float = LIMIT_S) -> list[Ended]:
        """Run many short commands one after another in one process: what they share is Python."""
        args = [[str(arg) for arg in one] for one in told]
        script = commands_file(self.root / ".said" / "many.json", args)
        found = self.start(str(script), entry=("-c", _MANY)).end(limit_s=limit_s).must(0).json
        return [
            Ended(args=tuple(one), status=status, stdout=out, stderr=err)
            for one, (status, out, err) in zip(args, found, strict=True)
        ]

    @property
    def environment(self) -> dict[str, str]:
        """All that a command typed here knows of the machine."""
        given: dict[str, str | Path] = {"FLEET_STATE_DIR": self.state_dir, **self.extra}
        if self.world is not None:
            given.setdefault("FLEET_WORLD", self.world)
        return environment(given)


@contextlib.contextmanager
def nobody_else(shell: Shell) -> Iterator[None]:
    """Hold what processes of one state directory write one after another.

    Who is stopped meanwhile has none of it: it would keep everybody waiting for as long as it
    stands still.
    """
    with contextlib.ExitStack() as stack:
        for world in shell.state_dir.glob("worlds/*.jsonl"):
            file = stack.enter_context(world.open())
            fcntl.flock(file, fcntl.LOCK_EX)
        if (path := lockfile.path_under(shell.state_dir)).exists():
            locks = stack.enter_context(contextlib.closing(connections.plain(path)))
            stack.enter_context(connections.transaction(locks))
        yield


def freeze(shell: Shell, runner: Living) -> None:
    """Let a runner stand still, in nobody's way."""
    with nobody_else(shell):
        runner.send(signal.SIGSTOP)
        time.sleep(0.02)  # a signal need not have arrived when it is sent


@contextlib.contextmanager
def living(shell: Shell, *args: str | Path, before: Hook | None = None) -> Iterator[Living]:
    """Run a command for as long as the block lasts, and no longer."""
    found = shell.start(*args, before=before)
    try:
        yield found
    finally:
        if found.is_alive:
            found.process.kill()
        found.process.wait()


def until(
    holds: Callable[[], bool], *, what: str, limit_s: float = LIMIT_S, every_s: float = 0.02
) -> None:
    """Wait until *holds* does, looking *every_s*."""
    deadline = time.monotonic() + limit_s
    while not holds():
        assert time.monotonic() < deadline, f"not within {limit_s} s: {what}"
        time.sleep(every_s)  # another process lives in real time: there is nothing else to wait for


_MANY = """
import contextlib, io, json, pathlib, sys
from fleet.cli.app import main

found = []
for args in json.loads(pathlib.Path(sys.argv[1]).read_text()):
    sys.argv = ["fleet", *args]
    out, err, status = io.StringIO(), io.StringIO(), 0
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            main()
        except SystemExit as end:
            status = end.code
    found.append((status, out.getvalue(), err.getvalue()))
print(json.dumps(found))
"""


def commands_file(path: Path, args: list[list[str]]) -> Path:
    """Write down what :meth:`Shell.many` is to run."""
    return written(path, json.dumps(args))


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
