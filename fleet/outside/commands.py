"""A command of the user's own: what it prints is a number, or JSON with one in it.

It is run without a shell, in a process group of its own, with next to nothing
of our environment: who may read our credentials is not for a gate to decide.
However it ends, its group ends with it.

Units:   the caller sets a limit of time around it.
Errors:  :exc:`InputError` for a command that cannot be run, :exc:`RemoteError` for one that fails.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
from collections.abc import Mapping, Sequence

import orjson

from fleet.core import figures
from fleet.errors import InputError, RemoteError
from fleet.model.gates import Reading
from fleet.model.redaction import Redactor
from fleet.outside import readings
from fleet.outside.fetching import line

MOST_BYTES = 1_000_000
AT_A_TIME = 4
_KEPT = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "TZ")
_LONGEST_SAID = 4096
_GRACE_S = 5.0
"""For one that was ended to be gone."""
_OUT = 1


class Commands:
    """Runs commands, some at a time."""

    def __init__(self) -> None:
        self._places = asyncio.Semaphore(AT_A_TIME)

    async def reading(self, argv: Sequence[str], pointer: str) -> Reading:
        """Run a command to its end, and read what it printed.

        Args:
            argv: The program, found by the PATH, and its arguments.
            pointer: Where in printed JSON the number is.
        """
        if not argv or not argv[0]:
            message = "the command is empty"
            raise InputError(message)
        who = f"the command {line(argv[0], longest=80)}"
        async with self._places:
            status, printed, said = await _run(argv, who)
        if status:
            raise RemoteError(f"{who}: {_ended(status)}{_told(said)}")
        return _read(printed, pointer, who)


def environment(ours: Mapping[str, str]) -> dict[str, str]:
    """Return what a command gets of *ours*."""
    return {name: ours[name] for name in _KEPT if name in ours}


async def _run(argv: Sequence[str], who: str) -> tuple[int, bytes, bytes]:
    """Return how a command ended, what it printed, and the end of what it said of errors."""
    loop = asyncio.get_running_loop()
    try:
        transport, watch = await loop.subprocess_exec(
            lambda: _Watch(loop),
            *argv,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=environment(os.environ),
            start_new_session=True,
        )
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else None
        raise InputError(f"{who} cannot be run: {why or 'an argument cannot be passed'}") from None
    try:
        await watch.closed
    finally:
        await _end(transport, watch)
    if len(watch.printed) > MOST_BYTES:
        raise RemoteError(f"{who}: it printed more than {MOST_BYTES // 1_000_000} MB")
    return transport.get_returncode() or 0, bytes(watch.printed), watch.said


class _Watch(asyncio.SubprocessProtocol):
    """Hears a command out, within bounds, and ends what it leaves behind.

    NB: no streams of asyncio's: their process counts as ended only once every pipe is closed, and
    whoever it left behind may hold them open.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.printed = bytearray()
        self.said = b""
        self.exited: asyncio.Future[None] = loop.create_future()
        self.closed: asyncio.Future[None] = loop.create_future()
        """The command has ended, and so have both pipes."""
        self._pid: int | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Note whom this is about."""
        assert isinstance(transport, asyncio.SubprocessTransport)  # noqa: S101 - asyncio's promise
        self._pid = transport.get_pid()

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        """Keep what it prints, and the end of what it says."""
        if fd != _OUT:
            self.said = (self.said + data)[-_LONGEST_SAID:]
        elif len(self.printed) <= MOST_BYTES:
            self.printed += data
            if len(self.printed) > MOST_BYTES:
                self.kill()

    def process_exited(self) -> None:
        """End what it left behind."""
        self.kill()
        self.exited.set_result(None)

    def connection_lost(self, _error: Exception | None) -> None:
        """Let whoever waits go on."""
        if not self.closed.done():
            self.closed.set_result(None)

    def kill(self) -> None:
        """End the command, and everybody in its group."""
        if self._pid is not None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._pid, signal.SIGKILL)


async def _end(transport: asyncio.SubprocessTransport, watch: _Watch) -> None:
    if not watch.exited.done():
        watch.kill()
    transport.close()
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_GRACE_S):
            await watch.exited


def _ended(status: int) -> str:
    if status > 0:
        return f"it ended with status {status}"
    with contextlib.suppress(ValueError):
        return f"it was ended by {signal.Signals(-status).name}"
    return f"it was ended by signal {-status}"


def _told(said: bytes) -> str:
    lines = [one for one in said.decode("utf-8", "replace").splitlines() if one.strip()]
    return f": {line(Redactor().text(lines[-1]))}" if lines else ""


def _read(printed: bytes, pointer: str, who: str) -> Reading:
    text = printed.decode("utf-8", "replace").strip()
    if not text:
        return Reading(detail="it printed nothing")
    if not pointer and (number := figures.figure(text)) is not None:
        return Reading(values=(number,))
    try:
        value = orjson.loads(text)
    except json.JSONDecodeError:
        raise RemoteError(f"{who}: it printed neither a number nor JSON") from None
    return readings.of_json(value, pointer, who=who)
