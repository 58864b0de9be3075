"""Places that several runs share, counted in the file of locks.

A run's places go with its locks: whoever may keep the one may keep the other
(:mod:`fleet.journal.locks`). Nobody waits in line: a place goes to whoever asks
first once it is free.

NB: a commit here survives the process, not a loss of power: after that no
process lives that could have a place.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from fleet.journal import connections, failures, filesystem, lockfile
from fleet.journal.lockfile import LOCKS_SQL
from fleet.journal.locks import SqliteLocks, alive_under


class SqlitePools:
    """The pools of all runs of one place."""

    def __init__(self, connection: sqlite3.Connection, *, path: Path, locks: SqliteLocks) -> None:
        self._db = connection
        self._path, self._locks = path, locks

    def reserve(
        self, pool: str, *, run_id: str, in_use: int, wanted: int, cap: int, now: dt.datetime
    ) -> int:
        """Set how many places of *pool* a run has, and return how many these are."""
        with failures.of_locks(self._path), connections.transaction(self._db):
            holders = {one.run_id: one for one in self._locks.holders()}
            if run_id not in holders:
                return 0
            counts: dict[str, int] = dict(self._db.execute(LOCKS_SQL["places"], (pool,)).fetchall())
            others = sum(
                count
                for other, count in counts.items()
                if other != run_id and other in holders and holders[other].may_keep(now)
            )
            granted = max(in_use, min(wanted, cap - others))
            if granted != counts.get(run_id, 0):
                row = {"pool": pool, "run_id": run_id, "count": granted}
                self._db.execute(LOCKS_SQL["set_places"], row)
            return granted


@contextlib.contextmanager
def opened(
    root: Path,
    *,
    busy_s: float = connections.BUSY_S,
    mountinfo: Path = filesystem.MOUNTINFO,
) -> Iterator[SqlitePools]:
    """Open the pools of the runs under *root* for a while."""
    path = lockfile.path_under(root)
    connection = lockfile.connect(root, busy_s=busy_s, mountinfo=mountinfo)
    with contextlib.closing(connection):
        connection.execute(LOCKS_SQL["outlive_the_process_only"])
        locks = SqliteLocks(connection, path=path, is_alive=alive_under(root))
        yield SqlitePools(connection, path=path, locks=locks)


def in_memory(locks: SqliteLocks) -> SqlitePools:
    """Return the pools that lie beside *locks*."""
    return SqlitePools(locks.connection, path=locks.path, locks=locks)
