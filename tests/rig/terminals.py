"""A terminal of a given width, with somebody at it who answers questions.

Not an emulator: what comes back is what was written to it, escape codes included.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from pathlib import Path

from tests.rig.commands import LIMIT_S, Ended, Shell, environment

_ESCAPE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b[()][A-Z0-9]|\x1b[=>]")
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_LINES = 50


class Terminal:
    """A command on a terminal: stdin, stdout and stderr."""

    def __init__(self, shell: Shell, *args: str | Path, columns: int, **extra: str) -> None:
        ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", _LINES, columns, 0, 0))
        self._args = tuple(str(arg) for arg in args)
        self._ours = ours
        self._seen = b""
        given = {
            "FLEET_STATE_DIR": shell.state_dir,
            **({"FLEET_WORLD": shell.world} if shell.world else {}),
            **shell.extra,
            "TERM": "xterm-256color",
            **extra,
        }
        self.process = subprocess.Popen(
            [sys.executable, "-m", "fleet", *self._args],
            cwd=shell.root,
            env=environment(given),
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
        )
        os.close(theirs)

    @property
    def text(self) -> str:
        """All that was written so far."""
        return self._seen.decode(errors="replace")

    def wait_for(self, text: str) -> None:
        """Wait until *text* was written."""
        deadline = time.monotonic() + LIMIT_S
        while text not in self.text:
            assert time.monotonic() < deadline and self._read(), f"no {text!r} in:\n{self.text}"

    def type(self, text: str) -> None:
        """Type *text*."""
        os.write(self._ours, text.encode())

    def end(self) -> Ended:
        """Read to the end, and wait for it."""
        deadline = time.monotonic() + LIMIT_S
        while self._read():
            assert time.monotonic() < deadline, f"still running:\n{self.text}"
        status = self.process.wait(LIMIT_S)
        return Ended(args=self._args, status=status, stdout=self.text, stderr="")

    def close(self) -> None:
        """Leave nothing running."""
        with contextlib.suppress(ProcessLookupError):
            self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        os.close(self._ours)

    def _read(self) -> bool:
        ready, _, _ = select.select([self._ours], [], [], LIMIT_S)
        try:
            found = os.read(self._ours, 65536) if ready else b""
        except OSError:  # how Linux says that the other side has closed
            found = b""
        self._seen += found
        return bool(found)


def plain(text: str) -> str:
    """Return *text* without escape codes."""
    return _ESCAPE.sub("", text).replace("\r\n", "\n")


def lines(text: str) -> list[str]:
    """Return the lines that were written, each redrawing as a line of its own."""
    return [line for part in plain(text).split("\n") for line in part.split("\r")]


def has_colour(text: str) -> bool:
    """Tell whether any of it has a colour, or is bold."""
    return _COLOUR.search(text) is not None


def has_escapes(text: str) -> bool:
    """Tell whether there is anything in it that is not text."""
    return "\x1b" in text
