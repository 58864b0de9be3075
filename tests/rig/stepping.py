"""A command on a machine whose clock somebody sets by hours, to and fro, while it runs.

``python -m tests.rig.stepping FOLLOWED ...`` is ``fleet ...`` where every reading of the wall clock
in Python (``time.time``, ``datetime.now`` and their like, in every library) is so many seconds off
as the file FOLLOWED says at that moment; what measures (``time.monotonic``, and so the event loop)
is left alone, as a kernel leaves it alone when the wall clock is set.

NB: readings in C are not moved: SQLite's, of which no statement of ours makes any, and those of
    OpenSSL, which judges certificates.

Units:   seconds, whole or not.
"""

from __future__ import annotations

import ctypes
import datetime as dt
import gc
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.rig import commands
from tests.rig.commands import Shell

_NS = 10**9
ENTRY = ("-m", "tests.rig.stepping")


class WallClock:
    """The wall clock of processes that are started under it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.set(0)

    def set(self, offset_s: float) -> None:
        """Let it be so far off from now on."""
        # NB: in one go, so that nobody reads half of it.
        commands.written(self.path.with_suffix(".new"), str(offset_s)).rename(self.path)

    def start(self, shell: Shell, *args: str | Path) -> commands.Living:
        """Start a command that lives by it."""
        return shell.start(self.path, *args, entry=ENTRY)

    def run(self, shell: Shell, *args: str | Path) -> commands.Ended:
        """Run a command that lives by it, to its end."""
        return self.start(shell, *args).end()


def step(offset_s: Callable[[], float]) -> None:
    """Let every reading of the wall clock in this process be off by *offset_s* from now on."""
    read, read_ns, get = time.time, time.time_ns, time.clock_gettime  # noqa: TID251 - to replace
    to_local, to_utc = time.localtime, time.gmtime
    from_stamp, from_utc_stamp = dt.datetime.fromtimestamp, dt.datetime.utcfromtimestamp

    def wall() -> float:
        return read() + offset_s()

    replaced: dict[str, Callable[..., Any]] = {
        "time": wall,
        "time_ns": lambda: read_ns() + int(offset_s() * _NS),
        "clock_gettime": lambda which: wall() if which == time.CLOCK_REALTIME else get(which),
        "localtime": lambda at=None: to_local(wall() if at is None else at),
        "gmtime": lambda at=None: to_utc(wall() if at is None else at),
    }
    for name, one in replaced.items():
        setattr(time, name, one)
    _on_the_type(dt.datetime, "now", lambda _, tz=None: from_stamp(wall(), tz))
    _on_the_type(dt.datetime, "utcnow", lambda _: from_utc_stamp(wall()))


def _on_the_type(type_: type, name: str, method: Callable[..., Any]) -> None:
    """Replace a method of a type that is written in C, for everybody who has imported it."""
    (members,) = gc.get_referents(type_.__dict__)
    members[name] = classmethod(method)
    ctypes.pythonapi.PyType_Modified(ctypes.py_object(type_))


def main() -> None:
    """Become ``fleet``."""
    followed = Path(sys.argv.pop(1))
    step(lambda: float(followed.read_text()))
    from fleet.cli import app  # noqa: PLC0415 - nothing of it may have read the time before

    app.main()


if __name__ == "__main__":
    main()
