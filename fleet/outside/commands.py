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
from typing import Any

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
_CHUNK = 64 * 1024
_LONGEST_SAID = 4096


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
    try:
        process = await asyncio.create_subprocess_exec(
            *argv,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=environment(os.environ),
            start_new_session=True,
            limit=_CHUNK,
        )
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else None
        raise InputError(f"{who} cannot be run: {why or 'an argument cannot be passed'}") from None
    try:
        return await _outcome(process, who)
    finally:
        await _end(process)


async def _outcome(process: asyncio.subprocess.Process, who: str) -> tuple[int, bytes, bytes]:
    out, err = process.stdout, process.stderr
    assert out is not None  # noqa: S101 - both are pipes
    assert err is not None  # noqa: S101
    async with asyncio.TaskGroup() as tasks:
        printed = tasks.create_task(_printed(out, process), name="a command's output")
        said = tasks.create_task(_last(err), name="a command's errors")
        watching = tasks.create_task(process.wait(), name="a command")
        status = await watching
        # NB: what it left behind may hold the pipes open.
        _kill(process)
    whole = printed.result()
    if whole is None:
        raise RemoteError(f"{who}: it printed more than {MOST_BYTES // 1_000_000} MB")
    return status, whole, said.result()


async def _printed(
    stream: asyncio.StreamReader, process: asyncio.subprocess.Process
) -> bytes | None:
    """Read to the end, and return all of it; end the command, and return ``None``, on too much."""
    found = bytearray()
    while part := await stream.read(_CHUNK):
        found += part
        if len(found) > MOST_BYTES:
            _kill(process)
            return None
    return bytes(found)


async def _last(stream: asyncio.StreamReader) -> bytes:
    """Read to the end, and return the end."""
    found = b""
    while part := await stream.read(_CHUNK):
        found = (found + part)[-_LONGEST_SAID:]
    return found


async def _end(process: asyncio.subprocess.Process) -> None:
    _kill(process)
    if process.returncode is None:
        await process.wait()
    # NB: somebody may have left the group and hold the pipes: nobody waits for them.
    transport: Any = getattr(process, "_transport", None)
    if transport is not None:
        transport.close()


def _kill(process: asyncio.subprocess.Process) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)


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
