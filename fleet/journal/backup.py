"""Copies of a journal: one file, whole, also of a run that is being written."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from pathlib import Path

from fleet.errors import InputError
from fleet.journal import connections
from fleet.journal.layout import FILE_MODE
from fleet.journal.queries import SQL


def copy(source: sqlite3.Connection, to: Path) -> None:
    """Copy what *source* holds to the new file *to*; a copy cut short is taken away again."""
    try:
        os.close(os.open(to, os.O_CREAT | os.O_EXCL | os.O_WRONLY, FILE_MODE))
    except FileExistsError:
        message = f"{to} is there already"
        raise InputError(message, hint="Name a file that does not exist yet.") from None
    try:
        with contextlib.closing(connections.writer(to.absolute())) as target:
            source.backup(target)
            # Without a WAL, a copy can be read from a disk that cannot be written.
            target.execute(SQL["use_one_file"])
    except BaseException:
        to.unlink(missing_ok=True)
        raise
