"""Programs of the user's own, run without a shell, heard out within bounds, and ended.

Each has a process group of its own. However it ends, and whoever is cancelled
meanwhile, its group ends with it.

Units:   the caller sets a limit of time around it.
Errors:  :exc:`InputError` for a program that cannot be run, :exc:`RemoteError` for one that fails.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import os
import signal
from collections.abc import AsyncIterator, Mapping, Sequence

from fleet.errors import InputError, RemoteError
from fleet.model.redaction import Redactor
from fleet.net.words import line

_LONGEST_SAID = 4096
_GRACE_S = 5.0
"""For one that was ended to be gone."""
_OUT = 1


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """How a program ended."""

    status: int
    """0: well; below 0: by this signal."""
    printed: bytes = dataclasses.field(repr=False)
    said: bytes = dataclasses.field(repr=False)
    """The end of what it said of errors."""

    @property
    def why(self) -> str:
        """How it ended, with the last line of what it said of errors."""
        return f"{ended(self.status)}{told(self.said)}"


class Watch(asyncio.SubprocessProtocol):
    """Hears a program out, within bounds, and ends what it leaves behind.

    NB: no streams of asyncio's: their process counts as ended only once every pipe is closed, and
    whoever it left behind may hold them open.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, *, most_bytes: int) -> None:
        self.printed = bytearray()
        self.said = b""
        self.exited: asyncio.Future[None] = loop.create_future()
        self.closed: asyncio.Future[None] = loop.create_future()
        """The program has ended, and so have both pipes."""
        self.status: int | None = None
        """``None``: it runs."""
        self._most_bytes = most_bytes
        self._transport: asyncio.SubprocessTransport | None = None
        self._pid: int | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Note whom this is about."""
        assert isinstance(transport, asyncio.SubprocessTransport)  # noqa: S101 - asyncio's promise
        self._transport, self._pid = transport, transport.get_pid()

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        """Keep what it prints, and the end of what it says."""
        if fd != _OUT:
            self.said = (self.said + data)[-_LONGEST_SAID:]
        elif len(self.printed) <= self._most_bytes:
            self.printed += data
            if self.is_too_long:
                self.send(signal.SIGKILL)

    @property
    def is_too_long(self) -> bool:
        """Whether it printed more than it may."""
        return len(self.printed) > self._most_bytes

    def process_exited(self) -> None:
        """End what it left behind."""
        self.send(signal.SIGKILL)
        self.status = (self._transport and self._transport.get_returncode()) or 0
        self.exited.set_result(None)

    def connection_lost(self, _error: Exception | None) -> None:
        """Let whoever waits go on."""
        if not self.closed.done():
            self.closed.set_result(None)

    def send(self, signum: signal.Signals) -> None:
        """Send a signal to the program, and to everybody in its group."""
        if self._pid is not None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._pid, signum)


async def run(argv: Sequence[str], *, who: str, env: Mapping[str, str], most_bytes: int) -> Ended:
    """Run a program to its end.

    Args:
        argv: The program, found by the PATH, and its arguments.
        who: What it is called in messages.
        env: All of its environment.
        most_bytes: It may print.
    """
    async with running(argv, who=who, env=env, most_bytes=most_bytes) as watch:
        await watch.closed
    if watch.is_too_long:
        raise RemoteError(f"{who}: it printed more than {most_bytes // 1_000_000} MB")
    return Ended(status=watch.status or 0, printed=bytes(watch.printed), said=watch.said)


@contextlib.asynccontextmanager
async def running(
    argv: Sequence[str],
    *,
    who: str,
    env: Mapping[str, str],
    most_bytes: int,
    mercy_s: float = 0.0,
) -> AsyncIterator[Watch]:
    """Run a program for as long as the context lasts, and no longer.

    Args:
        argv: The program, found by the PATH, and its arguments.
        who: What it is called in messages.
        env: All of its environment.
        most_bytes: It may print; then it is ended.
        mercy_s: How long it has to end by itself once it is told to; 0: it is not told.
    """
    loop = asyncio.get_running_loop()
    try:
        transport, watch = await loop.subprocess_exec(
            lambda: Watch(loop, most_bytes=most_bytes),
            *argv,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=env,
            start_new_session=True,
        )
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else None
        raise InputError(f"{who} cannot be run: {why or 'an argument cannot be passed'}") from None
    try:
        yield watch
    finally:
        await _end(transport, watch, mercy_s)


async def _end(transport: asyncio.SubprocessTransport, watch: Watch, mercy_s: float) -> None:
    try:
        if mercy_s and not watch.exited.done():
            watch.send(signal.SIGTERM)
            await _gone(watch, mercy_s)
    finally:
        if not watch.exited.done():
            watch.send(signal.SIGKILL)
        transport.close()
    await _gone(watch, _GRACE_S)


async def _gone(watch: Watch, limit_s: float) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(limit_s):
            await asyncio.shield(watch.exited)


def ended(status: int) -> str:
    """Return how a program ended, in words."""
    if status >= 0:
        return f"it ended with status {status}"
    with contextlib.suppress(ValueError):
        return f"it was ended by {signal.Signals(-status).name}"
    return f"it was ended by signal {-status}"


def told(said: bytes) -> str:
    """Return the last line of what a program said of errors, to be put behind a message."""
    lines = [one for one in said.decode("utf-8", "replace").splitlines() if one.strip()]
    return f": {line(Redactor().text(lines[-1]))}" if lines else ""
