"""What SQLite and the disk say, in words that name the run, the file and the way out.

Errors:  :exc:`~fleet.errors.JournalError`, with the vendor's error as its cause.
Source:  https://www.sqlite.org/rescode.html
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from pathlib import Path

from fleet.errors import JournalError

_PRIMARY = 0xFF
"""Extended result codes carry the primary one in their low byte."""

_WHAT: Mapping[int, str] = {
    sqlite3.SQLITE_BUSY: "another process kept it locked for too long",
    sqlite3.SQLITE_LOCKED: "another connection kept it locked for too long",
    sqlite3.SQLITE_READONLY: "it is read-only",
    sqlite3.SQLITE_PERM: "access was denied",
    sqlite3.SQLITE_IOERR: "the disk refused a read or a write",
    sqlite3.SQLITE_FULL: "the disk is full",
    sqlite3.SQLITE_CANTOPEN: "it, or a file beside it, cannot be opened",
    sqlite3.SQLITE_CORRUPT: "the file is damaged",
    sqlite3.SQLITE_NOTADB: "the file is not an SQLite database",
}
_DAMAGED = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})
_DAMAGED_HINT = "Keep the file as evidence, and restore a backup of it."


Translation = AbstractContextManager[None]


@contextlib.contextmanager
def translated(doing: str, *, run_id: str, path: Path) -> Iterator[None]:
    """Turn what goes wrong into a :exc:`JournalError`.

    Args:
        doing: What was being done to the journal: opened, read, written, copied.
        run_id: Whose journal.
        path: The file.
    """
    try:
        yield
    except sqlite3.Error as error:
        hint = _DAMAGED_HINT if _code(error) in _DAMAGED else _hint(doing, run_id)
        raise JournalError(_message(doing, run_id, _what(error), path), hint=hint) from error
    except OSError as error:
        what = (error.strerror or str(error)).lower()
        raise JournalError(
            _message(doing, run_id, what, path), hint=_hint(doing, run_id)
        ) from error


@contextlib.contextmanager
def found(root: Path) -> Iterator[None]:
    """Turn what goes wrong while looking for runs under *root* into a :exc:`JournalError`."""
    try:
        yield
    except OSError as error:
        what = (error.strerror or str(error)).lower()
        message = f"the runs under {root} cannot be looked for: {what}"
        raise JournalError(message, hint="Name a folder that you may read.") from error


@contextlib.contextmanager
def of_locks(path: Path) -> Iterator[None]:
    """Turn what goes wrong with the file of locks into a :exc:`JournalError`."""
    try:
        yield
    except sqlite3.Error as error:
        hint = _LOCKS_DAMAGED_HINT if _code(error) in _DAMAGED else "Mend that and try again."
        message = f"the locks of the runs cannot be used: {_what(error)}: {path}"
        raise JournalError(message, hint=hint) from error
    except OSError as error:
        what = (error.strerror or str(error)).lower()
        message = f"the locks of the runs cannot be used: {what}: {path}"
        raise JournalError(message, hint="Mend that and try again.") from error


_LOCKS_DAMAGED_HINT = (
    "It holds no history: once `fleet runs` shows no runner, it may be deleted, and is made anew."
)


def _code(error: sqlite3.Error) -> int:
    # NB: errors that Python's own module raises (a closed connection) carry no code.
    return int(getattr(error, "sqlite_errorcode", 0)) & _PRIMARY


def _what(error: sqlite3.Error) -> str:
    name = getattr(error, "sqlite_errorname", type(error).__name__)
    return f"{_WHAT.get(_code(error), str(error))} ({name})"


def _message(doing: str, run_id: str, what: str, path: Path) -> str:
    return f"the journal of run {run_id} cannot be {doing}: {what}: {path}"


def _hint(doing: str, run_id: str) -> str:
    if doing != "written":
        return "Mend that and try again: nothing was changed."
    return (
        "Mend that; nothing was lost: what is in flight is looked up when the run is taken over "
        f"with: fleet run --run-id {run_id}"
    )
