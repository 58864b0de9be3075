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

from tests.rig.commands import LIMIT_S, Ended, Shell

_ESCAPE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b[()][A-Z0-9]|\x1b[=>]")
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_LINES = 50
_SILENCE_S = 20


class Terminal:
    """A command on a terminal: stdin, stdout and stderr."""

    def __init__(self, shell: Shell, *args: str | Path, columns: int, **extra: str) -> None:
        ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", _LINES, columns, 0, 0))
        self._args = tuple(str(arg) for arg in args)
        self._ours = ours
        self._seen = b""
        self.process = subprocess.Popen(
            [sys.executable, "-m", "fleet", *self._args],
            cwd=shell.root,
            env={**shell.environment, "TERM": "xterm-256color", "PYTHONFAULTHANDLER": "1", **extra},
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            preexec_fn=_at_the_terminal,  # noqa: PLW1509 - no threads here
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
            is_going_on = time.monotonic() < deadline and self._read()
            assert is_going_on, f"no {text!r} in:\n{self.text}"

    def type(self, text: str) -> None:
        """Type *text*."""
        os.write(self._ours, text.encode())

    def end(self) -> Ended:
        """Read to the end, and wait for it."""
        deadline = time.monotonic() + LIMIT_S
        while self._read():
            assert time.monotonic() < deadline, f"still running:\n{self.text}"
        status = self._status()
        return Ended(args=self._args, status=status, stdout=self.text, stderr="")

    def _status(self) -> int:
        try:
            return self.process.wait(1)
        except subprocess.TimeoutExpired:
            # Nothing was said for a long time, and it lives: the interpreter says where it is.
            self.process.send_signal(signal.SIGABRT)
            while self._read():
                pass
            raise AssertionError(f"still running:\n{self.text}") from None

    def hang_up(self) -> None:
        """Close the window."""
        os.close(self._ours)
        self._ours = -1

    def close(self) -> None:
        """Leave nothing running."""
        with contextlib.suppress(ProcessLookupError):
            self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        if self._ours >= 0:
            os.close(self._ours)

    def _read(self) -> bool:
        ready, _, _ = select.select([self._ours], [], [], _SILENCE_S)
        try:
            found = os.read(self._ours, 65536) if ready else b""
        except OSError:  # how Linux says that the other side has closed
            found = b""
        self._seen += found
        return bool(found)


def _at_the_terminal() -> None:
    """Make stdin the terminal that Ctrl-C is typed at."""
    os.setsid()
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


def plain(text: str) -> str:
    """Return *text* without escape codes."""
    return _ESCAPE.sub("", text).replace("\r\n", "\n")


def lines(text: str) -> list[str]:
    """Return the lines that were written, each redrawing as a line of its own."""
    return [line for part in plain(text).split("\n") for line in part.split("\r")]


def has_colour(text: str) -> bool:
    """Tell whether any of it has a colour, or is bold."""
    return _COLOUR.search(text) is not None


def colours(text: str) -> set[str]:
    """Return the codes of all colours and styles in it."""
    return {code for found in _COLOUR.findall(text) for code in found[2:-1].split(";") if code}


def has_escapes(text: str) -> bool:
    """Tell whether there is anything in it that is not text."""
    return "\x1b" in text
