"""Processes of the command line, forked from one that has loaded all of it already.

Two thirds of what a short command costs is Python loading what it needs. A forked one is a process
like any other, with its own id, signals, environment and end; only its modules are there before.
What is about loading itself, or about an environment that Python reads when it starts, is started
anew: see :func:`fits`.

Shapes:  one request a line, ``{entry, args, cwd, env, out, err}``; answers ``{pid}``, and later
         ``{pid, status}``, each a line.
"""

from __future__ import annotations

import atexit
import contextlib
import gc
import importlib
import json
import os
import pkgutil
import random
import runpy
import select
import signal
import socket
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

_READ_AT_START = ("PYTHON", "LC_", "LANG")
_LOADED = ("fleet.cli", "fleet.azure", "fleet.outside", "fleet.sim", "fleet.journal", "fleet.ui")


class Forked:
    """A process that the nursery began: as much of :class:`subprocess.Popen` as tests use."""

    def __init__(self, nursery: Nursery, pid: int) -> None:
        self._nursery = nursery
        self.pid = pid

    @property
    def returncode(self) -> int | None:
        """Its status as far as it is known; ``-9`` where signal 9 ended it."""
        return self._nursery.ended.get(self.pid)

    def poll(self) -> int | None:
        """Look whether it has ended."""
        self._nursery.listen(0)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end."""
        deadline = None if timeout is None else time.monotonic() + timeout
        while (status := self.poll()) is None:
            left = 60.0 if deadline is None else deadline - time.monotonic()
            if left <= 0:
                raise subprocess.TimeoutExpired(f"pid {self.pid}", timeout or 0)
            self._nursery.listen(left)
        return status

    def send_signal(self, signum: int) -> None:
        """Send a signal; to nobody, where it has ended already."""
        if self.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signum)

    def kill(self) -> None:
        """End it without a word."""
        self.send_signal(signal.SIGKILL)


class Nursery:
    """The one that forks; lives as long as the process of tests."""

    def __init__(self, env: Mapping[str, str], cwd: Path) -> None:
        self.env = dict(env)
        self.ended: dict[int, int] = {}
        ours, theirs = socket.socketpair()
        self._socket, self._rest = ours, b""
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-c", "from tests.rig import nursery; nursery.main()"],
                cwd=cwd,
                env={**env, "NURSERY_FD": str(theirs.fileno())},
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
            )
        self._begun: list[int] = []

    def fork(
        self,
        entry: Sequence[str],
        args: Sequence[str],
        *,
        cwd: Path,
        env: Mapping[str, str],
        to: Sequence[Path],
    ) -> Forked:
        """Begin *entry*, such as ``-m fleet``, with *args*; what it says goes to the two files."""
        out, err = to
        request = {
            "entry": list(entry),
            "args": list(args),
            "cwd": str(cwd),
            "env": dict(env),
            "out": str(out),
            "err": str(err),
        }
        self._socket.sendall(json.dumps(request).encode() + b"\n")
        while not self._begun:
            self.listen(60)
        pid = self._begun.pop()
        self.ended.pop(pid, None)
        return Forked(self, pid)

    def listen(self, limit_s: float) -> None:
        """Take in what is said within *limit_s*."""
        if not select.select([self._socket], [], [], limit_s)[0]:
            return
        said = self._socket.recv(65536)
        assert said, "the process that forks others is gone"
        *lines, self._rest = (self._rest + said).split(b"\n")
        for line in lines:
            told = json.loads(line)
            if "status" in told:
                self.ended[told["pid"]] = told["status"]
            else:
                self._begun.append(told["pid"])

    def close(self) -> None:
        """End it; those that it began live on."""
        self._socket.close()
        self._process.wait()


_NURSERIES: list[Nursery] = []


def fits(nursery_env: Mapping[str, str], env: Mapping[str, str]) -> bool:
    """Tell whether what Python reads when it starts is the same in both."""
    names = {name for name in (*nursery_env, *env) if name.startswith(_READ_AT_START)}
    return all(nursery_env.get(name) == env.get(name) for name in names)


def of_this_process(env: Mapping[str, str], cwd: Path) -> Nursery:
    """Return the one of this process of tests, begun when it is first wanted."""
    if not _NURSERIES:
        _NURSERIES.append(Nursery(env, cwd))
        atexit.register(_NURSERIES[0].close)
    return _NURSERIES[0]


# --- in the process that forks -----------------------------------------------------------


def main() -> None:
    """Fork a process for each request, and tell how each ended."""
    tests = socket.socket(fileno=int(os.environ.pop("NURSERY_FD")))
    _load()
    heard, bell = os.pipe()
    os.set_blocking(bell, False)
    signal.set_wakeup_fd(bell, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda _number, _frame: None)
    rest = b""
    while True:
        ready, _, _ = select.select([tests.fileno(), heard], [], [])
        if heard in ready:
            os.read(heard, 65536)
            _tell_ended(tests)
        if tests.fileno() in ready:
            said = tests.recv(65536)
            if not said:
                os._exit(0)  # those that it began live on, and what it loaded has nothing to say
            *lines, rest = (rest + said).split(b"\n")
            for line in lines:
                _fork(tests, json.loads(line), (heard, bell))


def _load() -> None:

    for name in _LOADED:
        package = importlib.import_module(name)
        for one in pkgutil.walk_packages(package.__path__, f"{name}."):
            importlib.import_module(one.name)
    assert threading.active_count() == 1, "what has threads must not be forked"
    gc.collect()
    gc.freeze()


def _tell_ended(tests: socket.socket) -> None:
    with contextlib.suppress(ChildProcessError):
        while True:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                return
            told = {"pid": pid, "status": os.waitstatus_to_exitcode(status)}
            tests.sendall(json.dumps(told).encode() + b"\n")


def _fork(tests: socket.socket, request: Mapping[str, Any], pipe: Sequence[int]) -> None:
    pid = os.fork()
    if pid:
        tests.sendall(json.dumps({"pid": pid}).encode() + b"\n")
        return
    status = 70
    try:
        tests.close()
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        for fd in pipe:
            os.close(fd)
        status = _run(request)
    finally:
        os._exit(status)


def _main(entry: Sequence[str], args: Sequence[str]) -> None:
    """Run what Python would run, by its own flags."""
    match entry:
        case ["-m", module]:
            sys.argv = [module, *args]
            runpy.run_module(module, run_name="__main__", alter_sys=True)
        case ["-c", script]:
            sys.argv = ["-c", *args]
            exec(compile(script, "<string>", "exec"), {"__name__": "__main__"})  # noqa: S102 - as -c does
        case _:
            message = f"nothing here runs {entry}"
            raise ValueError(message)


def _run(request: Mapping[str, Any]) -> int:
    """Be the command, to its end, and return its status."""
    os.environ.clear()
    os.environ.update(request["env"])
    os.chdir(request["cwd"])
    for name, fd in (("out", 1), ("err", 2)):
        opened = os.open(request[name], os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
        os.dup2(opened, fd)
        os.close(opened)
    time.tzset()
    random.seed()
    try:
        _main(request["entry"], request["args"])
        status = 0
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:  # noqa: BLE001 - as Python itself does at the top
        traceback.print_exc()
        status = 1
    with contextlib.suppress(Exception):
        atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    return status
