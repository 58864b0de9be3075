"""Where a run lies: ``<root>/runs/<run-id>/``, and what may be a run's id.

Shapes:  ``journal.db`` (with ``-wal`` and ``-shm`` while it is open) and ``lock``. A folder
         without ``journal.db`` is a run whose creation was cut short: no run at all.
Errors:  :exc:`~fleet.errors.InputError` for an id that is none, or that nobody knows.
"""

from __future__ import annotations

import dataclasses
import difflib
import re
from collections.abc import Iterable
from pathlib import Path

from fleet.errors import InputError

DIRECTORY_MODE = 0o700
FILE_MODE = 0o600

_RUN_ID = re.compile(r"(?!\.)[A-Za-z0-9._-]{1,100}")


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class RunFolder:
    """The files of one run."""

    run_id: str
    path: Path
    file: str = "journal.db"

    @property
    def journal(self) -> Path:
        """The database."""
        return self.path / self.file

    @property
    def wal(self) -> Path:
        """What is durable and not in the database yet."""
        return self.path / f"{self.file}-wal"

    @property
    def lock(self) -> Path:
        """The file whose lock says that a runner is alive."""
        return self.path / "lock"

    @property
    def exists(self) -> bool:
        """Whether there is such a run."""
        return self.journal.exists()

    def make(self) -> None:
        """Make the folder, and those above it, for the owner's eyes only."""
        make_folder(self.path)


def make_folder(path: Path) -> None:
    """Make *path*, and what is missing above it, for the owner's eyes only."""
    missing = [one for one in (path, *path.parents) if not one.exists()]
    for one in reversed(missing):
        one.mkdir(mode=DIRECTORY_MODE, exist_ok=True)


def folder(root: Path, run_id: str) -> RunFolder:
    """Return the place of a run under *root*, there or not."""
    check_run_id(run_id)
    return RunFolder(run_id=run_id, path=root / "runs" / run_id)


def run_ids(root: Path) -> tuple[str, ...]:
    """Return the ids of all runs under *root*, newest first."""
    places = [folder(root, one.name) for one in _entries(root / "runs") if is_run_id(one.name)]
    ages = [(-_made_at(one), one.run_id) for one in places if one.exists]
    return tuple(run_id for _, run_id in sorted(ages))


def _made_at(place: RunFolder) -> int:
    """Return when a run was made, as far as the disk knows, in nanoseconds."""
    # The lock file is made with the run and never written to; a folder copied by hand may lack it.
    file = place.lock if place.lock.exists() else place.journal
    return file.stat().st_mtime_ns


def is_run_id(text: str) -> bool:
    """Whether *text* may name a run.

    >>> is_run_id("osm-1.2.6_b"), is_run_id(".."), is_run_id("a/b")
    (True, False, False)
    """
    return _RUN_ID.fullmatch(text) is not None


def check_run_id(text: str) -> None:
    """Raise :exc:`InputError` for what cannot name a run."""
    if not is_run_id(text):
        message = f"{text!r} cannot be a run id"
        hint = "Use letters, digits, '.', '_' and '-': at most 100, and no dot in front."
        raise InputError(message, hint=hint)


def unknown(run_id: str, known: Iterable[str]) -> InputError:
    """Return the error for a run that is not there, naming those it may have been meant for."""
    near = difflib.get_close_matches(run_id, list(known), n=3)
    hint = f"Did you mean {' or '.join(near)}?" if near else "`fleet runs` lists them."
    return InputError(f"there is no run {run_id}", hint=hint)


def taken(run_id: str) -> InputError:
    """Return the error for making a run that is there already."""
    message = f"there is a run {run_id} already"
    return InputError(
        message, hint=f"Choose another id, or go on with it: fleet run --run-id {run_id}"
    )


def _entries(path: Path) -> list[Path]:
    return list(path.iterdir()) if path.is_dir() else []
