"""All runs of one folder, each a file of SQLite.

The lock file says whether a runner lives, the lease in the database who it is,
and the epoch stops whoever was taken over (:mod:`fleet.journal.writer`). A live
file is copied by :meth:`SqliteStore.backup` only.

Shapes:  :mod:`fleet.journal.layout`.
Errors:  :exc:`~fleet.errors.InputError` for a run that is not there, or there already;
         :exc:`~fleet.errors.HeldError`; :exc:`~fleet.errors.JournalError` for the rest.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import sqlite3
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from fleet.errors import HeldError, InputError, JournalError
from fleet.journal import (
    backup,
    connections,
    failures,
    filelock,
    filesystem,
    layout,
    lease,
    reader,
    requests,
    schema,
)
from fleet.journal.layout import RunFolder
from fleet.journal.queries import SQL
from fleet.journal.reader import SqliteReader
from fleet.journal.writer import Holding, SqliteJournal
from fleet.model.events import Actor
from fleet.ports import Request


class SqliteStore:
    """The runs under one folder."""

    def __init__(
        self,
        root: Path,
        *,
        now: Callable[[], dt.datetime] | None = None,
        busy_s: float = connections.BUSY_S,
        steps: schema.Steps = schema.STEPS,
        mountinfo: Path = filesystem.MOUNTINFO,
    ) -> None:
        """Name the folder; it is made with its first run.

        Args:
            root: Where the runs lie.
            now: Tells since when a run is held; without it, nobody is told.
            busy_s: How long to wait while another process writes.
            steps: The schema.
            mountinfo: Where the kernel lists what is mounted.
        """
        self._root = root.absolute()
        self._now, self._busy_s, self._steps = now, busy_s, steps
        self._mountinfo = mountinfo

    @contextlib.asynccontextmanager
    async def hold(
        self, run_id: str, *, actor: Actor, secrets: Sequence[str] = (), create: bool = False
    ) -> AsyncIterator[SqliteJournal]:
        """Hold a run for writing; :exc:`HeldError` names who already does."""
        # Opening blocks the loop for some milliseconds, before anything runs on it.
        journal = self._open(run_id, actor=actor, secrets=secrets, create=create)
        try:
            yield journal
        finally:
            await journal.aclose()

    def read(self, run_id: str) -> SqliteReader:
        """Open a run for reading; :exc:`InputError` where there is none."""
        return self._read(self._known(run_id))

    def ask(self, run_id: str, request: Request) -> None:
        """Leave *request* for the runner; the same id twice is one request."""
        place = self._known(run_id)
        filesystem.refuse_network(place.path, mountinfo=self._mountinfo)
        with self._translated("written", place):
            connection = connections.writer(place.journal, busy_s=self._busy_s)
            with contextlib.closing(connection):
                schema.check(connection, run_id=run_id, path=place.journal, steps=self._steps)
                _require_column(connection, run_id)
                requests.add(connection, request)

    def runs(self) -> Sequence[str]:
        """Return the ids of all runs, newest first."""
        with failures.found(self._root):
            return layout.run_ids(self._root)

    def backup(self, run_id: str, to: Path) -> None:
        """Copy a run, live or not, to the new file *to*: one file, readable anywhere.

        It holds what the journal holds: the URLs of operations in flight, too.
        """
        place = self._known(run_id)
        with self._translated("copied", place):
            source = connections.reader(place.journal, busy_s=self._busy_s)
            with contextlib.closing(source):
                schema.check(source, run_id=run_id, path=place.journal, steps=self._steps)
                backup.copy(source, to)

    def _open(
        self, run_id: str, *, actor: Actor, secrets: Sequence[str], create: bool
    ) -> SqliteJournal:
        place = self._new(run_id) if create else self._known(run_id)
        filesystem.refuse_network(place.path, mountinfo=self._mountinfo)
        owned = contextlib.ExitStack()
        try:
            with self._translated("opened", place):
                self._lock(place, owned, create=create)
                return SqliteJournal(self._holding(place, actor, owned), secrets=secrets)
        except BaseException:
            owned.close()
            raise

    def _lock(self, place: RunFolder, owned: contextlib.ExitStack, *, create: bool) -> None:
        if create:
            place.make()
        lock = filelock.take(place.lock)
        if lock is None:
            raise self._held(place)
        owned.callback(lock.release)
        if create:
            if place.exists:  # made by another process since we looked
                raise layout.taken(place.run_id)
            schema.create(place.journal, self._steps)

    def _holding(self, place: RunFolder, actor: Actor, owned: contextlib.ExitStack) -> Holding:
        connection = connections.writer(place.journal, busy_s=self._busy_s)
        owned.callback(_fold_and_close, connection)
        schema.migrate(connection, run_id=place.run_id, path=place.journal, steps=self._steps)
        with connections.transaction(connection):
            epoch = lease.take(connection, actor, self._now() if self._now else None)
        eyes = self._read(place)
        owned.callback(eyes.close)
        thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="journal")
        owned.callback(thread.shutdown)
        return Holding(
            run_id=place.run_id,
            path=place.journal,
            epoch=epoch,
            actor=actor,
            connection=connection,
            reader=eyes,
            thread=thread,
            release=owned.close,
        )

    def _read(self, place: RunFolder) -> SqliteReader:
        return reader.open_file(
            place, busy_s=self._busy_s, steps=self._steps, mountinfo=self._mountinfo
        )

    def _held(self, place: RunFolder) -> HeldError:
        if not place.exists:
            return lease.held(place.run_id, None)
        with contextlib.closing(connections.reader(place.journal, busy_s=self._busy_s)) as look:
            schema.check(look, run_id=place.run_id, path=place.journal, steps=self._steps)
            return lease.held(place.run_id, lease.current(look))

    def _known(self, run_id: str) -> RunFolder:
        place = layout.folder(self._root, run_id)
        with failures.found(self._root):
            if not place.exists:
                raise layout.unknown(run_id, self.runs())
        return place

    def _new(self, run_id: str) -> RunFolder:
        place = layout.folder(self._root, run_id)
        with failures.found(self._root):
            if place.exists:
                # Of two that begin one run at once, the later is to be told who was faster.
                is_held = filelock.is_held(place.lock)
                raise self._held(place) if is_held else layout.taken(run_id)
        return place

    def _translated(self, doing: str, place: RunFolder) -> failures.Translation:
        return failures.translated(doing, run_id=place.run_id, path=place.journal)


def read_copy(path: Path) -> SqliteReader:
    """Open a file that :meth:`SqliteStore.backup` made."""
    path = path.absolute()
    if not path.is_file():
        message = f"there is no file {path}"
        raise InputError(message, hint="Name a copy of a journal.")
    return reader.open_file(RunFolder(run_id=path.stem, path=path.parent, file=path.name))


def _fold_and_close(connection: sqlite3.Connection) -> None:
    """Leave one file behind; where the disk will not have it, the WAL holds everything."""
    with contextlib.suppress(sqlite3.Error):
        connection.execute(SQL["checkpoint"])
    connection.close()


def _require_column(connection: sqlite3.Connection, run_id: str) -> None:
    """Only who holds a run lifts its journal: until then it takes no requests of ours."""
    (version,) = connection.execute(SQL["user_version"]).fetchone()
    if version < _REQUESTS_SINCE:
        message = f"run {run_id} is carried on by an older release of fleet"
        hint = "Ask with that release, or let this one take the run over first."
        raise JournalError(message, hint=hint)


_REQUESTS_SINCE = 2
