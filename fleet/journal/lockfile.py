"""The file of locks beside the runs: made whole, opened, checked.

It holds no history: what it says is who may change what *now*. So it is not
chained and not redacted, and where it is lost with no runner alive, nothing is.

Shapes:  ``<root>/locks.sqlite``, with ``-wal`` and ``-shm`` while it is open.
Errors:  :exc:`~fleet.errors.JournalError` for a network disk, a newer release's file, a file
         that is something else, and what the disk says.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import sqlite3
from pathlib import Path

from fleet.errors import JournalError
from fleet.journal import connections, failures, filesystem, layout, queries, schema
from fleet.journal.layout import FILE_MODE
from fleet.journal.queries import SQL

LOCKS_SQL = queries.load("locks_queries.sql")
STEPS: schema.Steps = {int(number): sql for number, sql in queries.load("locks_schema.sql").items()}

APPLICATION_ID = 1718379883
"""What ``PRAGMA application_id`` says of it, as ``locks_schema.sql`` sets it: ``flek``."""


def path_under(root: Path) -> Path:
    """Return where the locks of the runs under *root* lie."""
    return root.absolute() / "locks.sqlite"


def connect(
    root: Path,
    *,
    busy_s: float = connections.BUSY_S,
    mountinfo: Path = filesystem.MOUNTINFO,
    steps: schema.Steps = STEPS,
) -> sqlite3.Connection:
    """Open the locks of the runs under *root*; they are made where there are none."""
    path = path_under(root)
    filesystem.refuse_network(path.parent, mountinfo=mountinfo)
    with failures.of_locks(path):
        if not path.exists():
            _create(path, steps)
        connection = connections.plain(path, busy_s=busy_s)
        try:
            _check(connection, path, steps)
            prepare(connection)
        except BaseException:
            connection.close()
            raise
    return connection


def in_memory() -> sqlite3.Connection:
    """Return locks that lie nowhere."""
    connection = connections.memory()
    schema.fill(connection, STEPS)
    prepare(connection)
    return connection


def prepare(connection: sqlite3.Connection) -> None:
    """Make what a connection needs for itself."""
    connection.execute(LOCKS_SQL["keep_temporary_tables_in_memory"])
    connection.execute(LOCKS_SQL["make_wishes"])


def _create(path: Path, steps: schema.Steps) -> None:
    layout.make_folder(path.parent)
    # NB: two processes may be here at once: each makes a file of its own, and the first one's
    # stays. Whoever finds `path` finds it finished.
    draft = path.with_name(f"{path.name}.{os.getpid()}-{secrets.token_hex(4)}.new")
    os.close(os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY, FILE_MODE))
    try:
        with contextlib.closing(connections.plain(draft)) as connection:
            connection.execute(SQL["use_wal"])
            schema.fill(connection, steps)
        with contextlib.suppress(FileExistsError):
            path.hardlink_to(draft)
    finally:
        draft.unlink(missing_ok=True)


def _check(connection: sqlite3.Connection, path: Path, steps: schema.Steps) -> None:
    (application_id,) = connection.execute(SQL["application_id"]).fetchone()
    (version,) = connection.execute(SQL["user_version"]).fetchone()
    if application_id != APPLICATION_ID or version < 1:
        message = f"the locks of the runs cannot be used: {path} is something else"
        raise JournalError(message, hint="Move it away; it is made anew.")
    if version > max(steps):
        message = (
            f"the locks of the runs were made by a newer release of fleet (schema {version}; "
            f"this release knows up to {max(steps)}): {path}"
        )
        raise JournalError(message, hint="Use that release, or a newer one.")
