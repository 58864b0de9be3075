"""Places that several runs share, counted in the file of locks.

A run's places go with its locks: whoever may keep the one may keep the other
(:mod:`fleet.journal.locks`). Nobody starves: what becomes free is left to whoever
has waited longer and has less than its share, which is the pool divided by those
who want places.

NB: a commit here survives the process, not a loss of power: after that no
process lives that could have a place.
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime as dt
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from fleet.journal import connections, failures, filesystem, lockfile
from fleet.journal.lockfile import LOCKS_SQL
from fleet.journal.locks import SqliteLocks, alive_under
from fleet.model import codec


@dataclasses.dataclass(frozen=True, slots=True)
class _Rival:
    """Another run that has places, or waits for some."""

    run_id: str
    count: int
    since: str | None


class SqlitePools:
    """The pools of all runs of one place."""

    def __init__(self, connection: sqlite3.Connection, *, path: Path, locks: SqliteLocks) -> None:
        self._db = connection
        self._path, self._locks = path, locks

    def reserve(
        self,
        pool: str,
        *,
        run_id: str,
        in_use: int,
        wanted: int,
        cap: int,
        now: dt.datetime,
        since: dt.datetime | None = None,
    ) -> int:
        """Set how many places of *pool* a run has, and return how many these are."""
        with failures.of_locks(self._path), connections.transaction(self._db):
            holders = {one.run_id: one for one in self._locks.holders()}
            if run_id not in holders:
                return 0
            rows = [_Rival(*row) for row in self._db.execute(LOCKS_SQL["places"], (pool,))]
            was = next((one for one in rows if one.run_id == run_id), _Rival(run_id, 0, None))
            rivals = [
                one
                for one in rows
                if one is not was and one.run_id in holders and holders[one.run_id].may_keep(now)
            ]
            mine = _Rival(run_id, in_use, codec.utc_text(since) if since else None)
            granted = max(in_use, min(wanted, _free(mine, rivals, cap)))
            mine = dataclasses.replace(mine, count=granted)
            if mine != was:
                row = {"pool": pool, **dataclasses.asdict(mine)}
                self._db.execute(LOCKS_SQL["set_places"], row)
            return granted


def _free(mine: _Rival, rivals: list[_Rival], cap: int) -> int:
    """Return how many places a run may have: what others have, and what is left to them, is not."""
    waiting = [one for one in rivals if one.since is not None]
    share = max(1, cap // (1 + sum(bool(one.count) or one in waiting for one in rivals)))
    left = sum(max(0, share - one.count) for one in waiting if _is_before(one, mine))
    return cap - sum(one.count for one in rivals) - left


def _is_before(one: _Rival, other: _Rival) -> bool:
    if other.since is None:
        return True
    return (one.since or "", one.run_id) < (other.since, other.run_id)


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
