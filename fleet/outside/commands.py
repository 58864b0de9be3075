"""A command of the user's own: what it prints is a number, or JSON with one in it.

It is run without a shell, in a process group of its own, with next to nothing
of our environment: who may read our credentials is not for a gate to decide.
However it ends, its group ends with it.

Units:   the caller sets a limit of time around it.
Errors:  :exc:`InputError` for a command that cannot be run, :exc:`RemoteError` for one that fails.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Mapping, Sequence

import orjson

from fleet.core import figures
from fleet.errors import InputError, RemoteError
from fleet.model.gates import Reading
from fleet.net import programs
from fleet.net.words import line
from fleet.outside import readings

MOST_BYTES = 1_000_000
AT_A_TIME = 4
_KEPT = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "TZ")


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
            ended = await programs.run(
                argv, who=who, env=environment(os.environ), most_bytes=MOST_BYTES
            )
        if ended.status:
            raise RemoteError(f"{who}: {ended.why}")
        return _read(ended.printed, pointer, who)


def environment(ours: Mapping[str, str]) -> dict[str, str]:
    """Return what a command gets of *ours*."""
    return {name: ours[name] for name in _KEPT if name in ours}


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
