"""A run's history, for those who only look: page by page, beside a live writer.

What lies there is handed on as it is, tampered with or not; judging it is
:func:`fleet.core.chain.verify`'s business.
"""

from __future__ import annotations

import functools
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from fleet.journal import (
    connections,
    failures,
    filelock,
    filesystem,
    lease,
    records,
    requests,
    schema,
)
from fleet.journal.layout import RunFolder
from fleet.journal.queries import SQL
from fleet.model.events import Actor, Event
from fleet.ports import OperationKey, Request, StoredRecord

_PAGE = 500
"""Records read at a time. Each page is a transaction of its own: a reader that dawdles between
two pages must not keep the writer from folding its WAL into the file."""


class SqliteReader:
    """Reads one run; what is appended meanwhile is read as well."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        *,
        run_id: str,
        path: Path,
        is_held: Callable[[], bool],
        close: Callable[[], None],
    ) -> None:
        self._db = connection
        self._run_id, self._path = run_id, path
        self._is_held, self._close = is_held, close

    def records(self, *, after: int = 0) -> Iterator[StoredRecord]:
        """Yield what is stored after position *after*, in order."""
        page = self._page(after)
        while page:
            for seq, body, link in page:
                yield StoredRecord(seq=seq, body=body, link=link)
            page = self._page(page[-1][0])

    def events(self, *, after: int = 0) -> Iterator[tuple[int, Event]]:
        """Yield ``(position, event)``."""
        for record in self.records(after=after):
            yield record.seq, records.decode(record.body, seq=record.seq)

    def last(self) -> StoredRecord | None:
        """Return the newest record, unchecked; ``None`` where there is none."""
        with self._translated():
            row = self._db.execute(SQL["last_record"]).fetchone()
        return None if row is None else StoredRecord(seq=row[0], body=row[1], link=row[2])

    def holder(self) -> Actor | None:
        """Return who runs it now; ``None`` where nobody does."""
        if not self._is_held():
            return None
        with self._translated():
            found = lease.current(self._db)
        return found.holder if found else None

    def operations(self) -> Mapping[OperationKey, str]:
        """Return the operation URLs that are still remembered."""
        with self._translated():
            rows = self._db.execute(SQL["operations"]).fetchall()
        return {OperationKey(target=target, step=step): url.decode() for target, step, url in rows}

    def requests(self) -> tuple[Request, ...]:
        """Return what people asked and no event has answered yet, oldest first."""
        with self._translated():
            return requests.unanswered(self._db)

    def told(self) -> Mapping[str, int]:
        """Return up to which record each subscriber was told."""
        with self._translated():
            return dict(self._db.execute(SQL["told"]).fetchall())

    def close(self) -> None:
        """Let go of the file."""
        self._close()

    def _page(self, after: int) -> list[tuple[int, bytes, bytes]]:
        with self._translated():
            # From the start means from whatever is first, be it at a position that no writer uses.
            if after == 0:
                return self._db.execute(SQL["all_records"], (_PAGE,)).fetchall()
            return self._db.execute(SQL["records_after"], (after, _PAGE)).fetchall()

    def _translated(self) -> failures.Translation:
        return failures.translated("read", run_id=self._run_id, path=self._path)


def open_file(
    place: RunFolder,
    *,
    busy_s: float = connections.BUSY_S,
    steps: schema.Steps = schema.STEPS,
    mountinfo: Path = filesystem.MOUNTINFO,
) -> SqliteReader:
    """Open the journal that lies at *place*."""
    with failures.translated("read", run_id=place.run_id, path=place.journal):
        is_frozen = _is_archived_far_away(place, mountinfo)
        connection = connections.reader(place.journal, busy_s=busy_s, is_frozen=is_frozen)
        try:
            schema.check(connection, run_id=place.run_id, path=place.journal, steps=steps)
        except BaseException:
            connection.close()
            raise
    return SqliteReader(
        connection,
        run_id=place.run_id,
        path=place.journal,
        is_held=functools.partial(filelock.is_held, place.lock),
        close=connection.close,
    )


def _is_archived_far_away(place: RunFolder, mountinfo: Path) -> bool:
    """Whether it is a finished file on a network disk; refuses one that may be written."""
    if not filesystem.is_network(place.path, mountinfo=mountinfo):
        return False
    if connections.has_content(place.wal):
        filesystem.refuse_network(place.path, mountinfo=mountinfo)
    return True
