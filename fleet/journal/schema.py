"""The shape of a journal's tables: made, checked, and lifted from older releases.

Only the holder of a run changes it. Readers take any schema up to ours:
``records`` and ``lease`` never lose a column.

Shapes:  steps are ``{number: SQL}``, from ``schema.sql``; the highest number is the schema.
Errors:  :exc:`~fleet.errors.JournalError` for a file of a newer release, which is left as it
         is, and for a file that is no journal.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Mapping
from pathlib import Path

from fleet.errors import InvariantError, JournalError
from fleet.journal import connections, queries
from fleet.journal.layout import FILE_MODE
from fleet.journal.queries import SQL

APPLICATION_ID = 1718379892
"""What ``PRAGMA application_id`` says of a journal, as ``schema.sql`` sets it: ``flet``."""

Steps = Mapping[int, str]
STEPS: Steps = {int(number): sql for number, sql in queries.load("schema.sql").items()}


def create(path: Path, steps: Steps = STEPS) -> None:
    """Make the journal at *path*, whole or not at all."""
    # Made under another name: whoever finds `path` finds a finished journal.
    draft = path.with_suffix(".new")
    draft.unlink(missing_ok=True)
    os.close(os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY, FILE_MODE))
    connection = connections.writer(draft)
    try:
        connection.execute(SQL["use_wal"])
        fill(connection, steps)
    finally:
        connection.close()
    draft.rename(path)
    _sync(path.parent)


def fill(connection: sqlite3.Connection, steps: Steps = STEPS) -> None:
    """Make the tables in an empty database."""
    _run_steps(connection, steps, after=0)


def check(connection: sqlite3.Connection, *, run_id: str, path: Path, steps: Steps = STEPS) -> int:
    """Return the schema of an open journal, which may be older than ours."""
    (application_id,) = connection.execute(SQL["application_id"]).fetchone()
    (version,) = connection.execute(SQL["user_version"]).fetchone()
    if application_id != APPLICATION_ID or version < 1:
        size = path.stat().st_size if path.exists() else 0
        what = "an empty file" if size == 0 else "a database, and not a journal of fleet"
        hint = "Is this the folder that fleet made? If so, restore a backup of it."
        raise JournalError(f"the journal of run {run_id} is {what} ({path})", hint=hint)
    if version > max(steps):
        message = (
            f"the journal of run {run_id} was written by a newer release of fleet "
            f"(schema {version}; this release knows up to {max(steps)}); it was left as it is"
        )
        raise JournalError(message, hint="Use that release, or a newer one.")
    return int(version)


def migrate(
    connection: sqlite3.Connection, *, run_id: str, path: Path, steps: Steps = STEPS
) -> None:
    """Lift an open journal to our schema, in one transaction."""
    version = check(connection, run_id=run_id, path=path, steps=steps)
    if version < max(steps):
        _run_steps(connection, steps, after=version)


def _run_steps(connection: sqlite3.Connection, steps: Steps, *, after: int) -> None:
    with connections.transaction(connection):
        for number in sorted(one for one in steps if one > after):
            for statement in queries.statements(steps[number]):
                connection.execute(statement)
            (version,) = connection.execute(SQL["user_version"]).fetchone()
            if version != number:
                message = f"schema step {number} ends by calling itself {version}"
                raise InvariantError(message)


def _sync(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
