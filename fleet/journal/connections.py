"""Open SQLite the one way a journal needs it.

Writers: WAL, a durable commit, erased means overwritten. Readers: read-only,
beside a live writer or on a disk that cannot be written.

Units:   waits for another process's lock are seconds.
Errors:  SQLite's own; the callers know the run (:mod:`fleet.journal.failures`).
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from fleet.journal.queries import SQL

BUSY_S = 10.0
"""How long to wait for another process's write; each is one short transaction."""


def writer(path: Path, *, busy_s: float = BUSY_S) -> sqlite3.Connection:
    """Open an existing file for writing."""
    return _prepared(_connect(f"{path.as_uri()}?mode=rw", busy_s))


def plain(path: Path, *, busy_s: float = BUSY_S) -> sqlite3.Connection:
    """Open an existing file for writing what is no secret and nobody will audit."""
    return _connect(f"{path.as_uri()}?mode=rw", busy_s)


def memory() -> sqlite3.Connection:
    """Open a database that lies nowhere."""
    return _prepared(_connect(":memory:", 0))


def reader(path: Path, *, busy_s: float = BUSY_S, is_frozen: bool = False) -> sqlite3.Connection:
    """Open an existing file for reading.

    Args:
        path: The file.
        busy_s: How long to wait for a lock.
        is_frozen: Whether nobody can write to it, so that locks and shared memory are not needed.
    """
    if is_frozen:
        return _read_only(f"{path.as_uri()}?immutable=1", busy_s)
    try:
        return _read_only(f"{path.as_uri()}?mode=ro", busy_s)
    except sqlite3.OperationalError as error:
        # A WAL database wants shared memory beside it. Where that cannot be made (a read-only
        # disk) and nothing waits in the WAL, the file alone is the whole truth.
        wal = path.with_name(path.name + "-wal")
        if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_CANTOPEN or has_content(wal):
            raise
        return _read_only(f"{path.as_uri()}?immutable=1", busy_s)


def has_content(path: Path) -> bool:
    """Whether there is such a file, and something in it."""
    return path.exists() and path.stat().st_size > 0


@contextlib.contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """All or nothing."""
    connection.execute(SQL["begin"])
    try:
        yield
        connection.execute(SQL["commit"])
    except BaseException:
        # After some failures (a full disk) SQLite has rolled back by itself.
        if connection.in_transaction:
            with contextlib.suppress(sqlite3.Error):
                connection.execute(SQL["rollback"])
        raise


def _connect(uri: str, busy_s: float) -> sqlite3.Connection:
    # Used by one thread at a time, not by one thread: see `writer.SqliteJournal`.
    return sqlite3.connect(
        uri, uri=True, timeout=busy_s, isolation_level=None, check_same_thread=False
    )


def _prepared(connection: sqlite3.Connection) -> sqlite3.Connection:
    try:
        connection.execute(SQL["survive_power_loss"])
        connection.execute(SQL["overwrite_what_is_deleted"])
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def _read_only(uri: str, busy_s: float) -> sqlite3.Connection:
    connection = _connect(uri, busy_s)
    try:
        connection.execute(SQL["refuse_writes"])
        connection.execute(SQL["user_version"]).fetchone()  # opens the file, which connect does not
    except sqlite3.Error:
        connection.close()
        raise
    return connection
