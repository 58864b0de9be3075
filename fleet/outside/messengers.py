"""One try to tell a command of a notice: the event on its standard input, and an end.

It is started without a shell, in a session of its own, so that it ends with all that it started.
What it prints is thrown away but for the first words on stderr, for whoever wonders why it failed.
It runs on a thread: the run does not wait, and neither does virtual time pass.

Units:   seconds of this machine.
Errors:  :exc:`~fleet.errors.TransientError` for a command that failed or took too long, which may
         be told again; :exc:`~fleet.errors.RemoteError` for one that cannot be started.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import os
import selectors
import signal
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping, Sequence

from fleet.core.notices import Notice
from fleet.errors import RemoteError, TransientError
from fleet.model.redaction import Redactor
from fleet.outside import cloudevents

LIMIT_S = 30.0
TRIES = 3
"""A command that fails again and again is not a network that may come back."""
_LOOK_EVERY_S = 0.05
_CHUNK = 65_536
_KEPT_BYTES = 300


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """What is started for each notice."""

    name: str
    argv: Sequence[str]
    environment: Mapping[str, str] = dataclasses.field(repr=False)
    limit_s: float = LIMIT_S

    async def send(self, notice: Notice) -> None:
        """Tell the command once."""
        is_unwanted = threading.Event()
        try:
            await asyncio.to_thread(self._told, cloudevents.encoded(notice), is_unwanted)
        finally:
            is_unwanted.set()  # who is cancelled does not wait, and nothing of it stays behind

    def _told(self, body: bytes, is_unwanted: threading.Event) -> None:
        deadline = time.monotonic() + self.limit_s
        with self._started() as process:
            said = bytearray()
            for part in _parts(process, body):
                said += part[: _KEPT_BYTES - len(said)]
                if is_unwanted.is_set() or time.monotonic() > deadline:
                    raise TransientError(f"{self.name} took longer than {self.limit_s:g} s")
        if process.returncode:
            raise TransientError(f"{self.name} {_ended(process.returncode)}{_words(said)}")

    @contextlib.contextmanager
    def _started(self) -> Iterator[subprocess.Popen[bytes]]:
        try:
            process = subprocess.Popen(  # noqa: S603 - what the plan file names is what is meant
                list(self.argv),
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                env=dict(self.environment),
                start_new_session=True,
            )
        except (OSError, ValueError) as error:
            why = error.strerror if isinstance(error, OSError) else "its words hold a zero byte"
            raise RemoteError(f"{self.name} cannot be started: {why}") from None
        try:
            yield process
        finally:
            # NB: not reaped yet, so that the number is still its own, and its group's.
            if process.returncode is None:
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            for pipe in (process.stdin, process.stderr):
                with contextlib.suppress(OSError):
                    pipe.close()  # type: ignore[union-attr]


def _parts(process: subprocess.Popen[bytes], body: bytes) -> Iterator[bytes]:
    """Yield what the process says on stderr, and often nothing, until it has ended.

    Whoever it has left behind with its stderr is not waited for.
    """
    assert process.stdin is not None  # noqa: S101 - both are pipes
    assert process.stderr is not None  # noqa: S101
    with selectors.DefaultSelector() as found:
        found.register(process.stderr, selectors.EVENT_READ)
        found.register(process.stdin, selectors.EVENT_WRITE)
        os.set_blocking(process.stdin.fileno(), False)
        has_ended = False
        while not has_ended:
            has_ended = process.poll() is not None
            for key, _ in found.select(0 if has_ended else _LOOK_EVERY_S):
                if key.fileobj is process.stdin:
                    body = _fed(process, body)
                    if not body:
                        found.unregister(process.stdin)
                elif part := os.read(key.fd, _CHUNK):
                    yield part
                else:
                    found.unregister(process.stderr)
            yield b""


def _fed(process: subprocess.Popen[bytes], body: bytes) -> bytes:
    """Hand over what the process takes of *body*; return the rest."""
    assert process.stdin is not None  # noqa: S101 - a pipe
    try:
        rest = body[os.write(process.stdin.fileno(), body) :]
    except BlockingIOError:
        return body
    except OSError:  # it does not want to read
        rest = b""
    if not rest:
        with contextlib.suppress(OSError):
            process.stdin.close()
    return rest


def _ended(status: int) -> str:
    return f"was ended by signal {-status}" if status < 0 else f"exited {status}"


def _words(said: bytes | bytearray) -> str:
    plain = "".join(c if c.isprintable() else " " for c in said.decode(errors="replace"))
    text = " ".join(Redactor().text(plain).split())
    return f": {text}" if text else ""
