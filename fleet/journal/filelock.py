"""Who is alive, according to the kernel.

A lock on an open file is freed by the kernel when its process dies, however it
dies: a takeover waits for nothing and trusts no clock. Who the holder *is*
stands in the database (:mod:`fleet.journal.lease`).

NB: ``flock`` belongs to the open file, so that a reader in the same process is
another party, and a child process that was not forked by hand inherits nothing.
"""

from __future__ import annotations

import fcntl
import os
import time
from pathlib import Path

from fleet.journal.layout import FILE_MODE

# A look (:func:`is_held`) holds the lock for some microseconds: long enough to be met, once.
_TRIES = 10
_PAUSE_S = 0.005


class FileLock:
    """A lock that this process holds."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def release(self) -> None:
        """Let go."""
        os.close(self._descriptor)


def take(path: Path) -> FileLock | None:
    """Lock *path*, making it where it is missing; ``None`` where another party holds it."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, FILE_MODE)
    for attempt in range(_TRIES):
        if attempt:
            time.sleep(_PAUSE_S)
        if _try_lock(descriptor, fcntl.LOCK_EX):
            return FileLock(descriptor)
    os.close(descriptor)
    return None


def is_held(path: Path) -> bool:
    """Whether somebody holds *path*; disturbs nobody who does."""
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return False
    try:
        return not _try_lock(descriptor, fcntl.LOCK_SH)
    finally:
        os.close(descriptor)


def _try_lock(descriptor: int, kind: int) -> bool:
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
