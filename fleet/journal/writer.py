"""A run's history, for the one that holds it: group commit, fenced and chained.

Appends that arrive while a commit is under way become durable together, in the
next one, on one thread of the journal's own; a caller goes on when its rows are
on the disk. Without a thread (:mod:`fleet.journal.memory`) the same commit runs
in the caller's, and nothing else differs.

After a failure the journal is broken for good: what is in memory may be ahead
of the disk, and the only way to know is to read the disk again, by taking over.

Errors:  :exc:`~fleet.errors.FencedError` after a takeover, :exc:`~fleet.errors.JournalError`
         when the disk fails; the same one to every caller from then on.
"""

from __future__ import annotations

import asyncio
import dataclasses
import functools
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from fleet.core import chain
from fleet.errors import FencedError, JournalError
from fleet.journal import connections, failures, records
from fleet.journal.queries import SQL
from fleet.journal.reader import SqliteReader
from fleet.model.events import Actor, Event
from fleet.model.redaction import Redactor
from fleet.ports import Batch, OperationKey, Request, StoredRecord


@dataclasses.dataclass(slots=True, kw_only=True)
class _Pending:
    """A batch on its way to the disk."""

    rows: list[tuple[int, bytes]]
    keep: list[tuple[int, int, bytes]]
    drop: list[tuple[int, int]]
    answered: list[tuple[str]]
    told: list[tuple[str, int]]
    done: asyncio.Future[None] | None = None
    """``None`` where the caller commits by itself."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Holding:
    """What was acquired to write a run."""

    run_id: str
    path: Path
    epoch: int
    actor: Actor
    connection: sqlite3.Connection
    reader: SqliteReader
    thread: ThreadPoolExecutor | None
    release: Callable[[], None]
    """Lets go of all of it."""


class SqliteJournal:
    """Writes one run.

    The writing connection belongs to the thread while a commit runs, and to the
    loop otherwise; reads go through the reader's own.
    """

    def __init__(self, holding: Holding, *, secrets: Sequence[str] = ()) -> None:
        self._holding = holding
        self._db = holding.connection
        self._redactor = Redactor(secrets)
        with self._translated("read"):
            self._seq, self._link = _head(self._db)
            self._data_version = self._seen_version = self._current_version()
        self._next_seq = self._seq + 1
        self._has_unread = True
        self._queue: list[_Pending] = []
        self._is_busy = False
        self._idle = asyncio.Event()
        self._idle.set()
        self._broken: BaseException | None = None

    # --- reading ---

    @property
    def epoch(self) -> int:
        """Which holding this is; from 1."""
        return self._holding.epoch

    def records(self, *, after: int = 0) -> Iterator[StoredRecord]:
        """Yield what is stored after position *after*, in order."""
        return self._holding.reader.records(after=after)

    def events(self, *, after: int = 0) -> Iterator[tuple[int, Event]]:
        """Yield ``(position, event)``."""
        return self._holding.reader.events(after=after)

    def holder(self) -> Actor | None:
        """Return who runs it now: the one that asks."""
        return self._holding.actor

    def operations(self) -> Mapping[OperationKey, str]:
        """Return the operation URLs that are still remembered."""
        return self._holding.reader.operations()

    def requests(self) -> tuple[Request, ...]:
        """Return what people asked and no event has answered yet, oldest first."""
        # The version first: what is asked between the two lines is then looked at twice.
        self._look()
        self._seen_version, self._has_unread = self._data_version, False
        return self._holding.reader.requests()

    def told(self) -> Mapping[str, int]:
        """Return up to which record each subscriber was told."""
        return self._holding.reader.told()

    def has_news(self) -> bool:
        """Whether another process may have asked something since :meth:`requests` looked.

        Costs some microseconds, and no disk.
        """
        self._look()
        return self._has_unread or self._data_version != self._seen_version

    def look_again(self) -> None:
        """Have :meth:`has_news` say yes: somebody wrote through this very connection."""
        self._has_unread = True

    # --- writing ---

    async def append(self, batch: Batch) -> None:
        """Make *batch* durable, all or nothing; :exc:`FencedError` after a takeover."""
        pending = self._prepare(batch)
        if self._holding.thread is None:
            self._commit_here(pending)
            return
        pending.done = asyncio.get_running_loop().create_future()
        self._queue.append(pending)
        if not self._is_busy:
            self._is_busy = True
            self._idle.clear()
            # Not at once: whoever appends in this turn of the loop shares the commit.
            asyncio.get_running_loop().call_soon(self._start)
        await pending.done

    def die(self) -> None:
        """Write nothing more, as a killed process would."""
        self._broken = self._broken or FencedError(
            f"this holding of run {self._holding.run_id} is over"
        )

    async def aclose(self) -> None:
        """Wait for what is being written, and let go of the run."""
        try:
            await self._idle.wait()
        finally:
            self.close()

    def close(self) -> None:
        """Let go of the run; what waits for its turn is not written, and its callers are told."""
        self.die()
        self._holding.release()

    def _prepare(self, batch: Batch) -> _Pending:
        """Encode in the caller's turn: what cannot be encoded harms nobody else's batch."""
        if self._broken is not None:
            raise self._broken
        rows = [
            (seq, records.encode(event, seq=seq, epoch=self.epoch, redactor=self._redactor))
            for seq, event in enumerate(batch.events, start=self._next_seq)
        ]
        self._next_seq += len(rows)
        return _Pending(
            rows=rows,
            keep=[(key.target, key.step, url.encode()) for key, url in batch.keep.items()],
            drop=[(key.target, key.step) for key in batch.drop],
            answered=[(found,) for event in batch.events if (found := _answered(event))],
            told=list(batch.told.items()),
        )

    def _commit_here(self, pending: _Pending) -> None:
        try:
            self._commit([pending])
        except Exception as error:
            self._broken = error
            raise

    def _start(self) -> None:
        """Send everything that waits to the thread."""
        group, self._queue = self._queue, []
        if self._broken is not None:
            _tell(group, self._broken)
        elif group:
            loop = asyncio.get_running_loop()
            job = loop.run_in_executor(self._holding.thread, self._commit, group)
            job.add_done_callback(functools.partial(self._settle, group))
            return
        self._is_busy = False
        self._idle.set()

    def _settle(self, group: Sequence[_Pending], job: asyncio.Future[None]) -> None:
        error = job.exception()
        self._broken = self._broken or error
        _tell(group, error)
        self._start()

    # --- in the thread ---

    def _commit(self, group: Sequence[_Pending]) -> None:
        seq, link = self._seq, self._link
        rows = []
        for pending in group:
            for seq, body in pending.rows:
                link = chain.link(link, body)
                rows.append((seq, body, link))
        with self._translated("written"), connections.transaction(self._db):
            self._check_fence()
            self._db.executemany(SQL["add_record"], rows)
            for pending in group:
                self._write_asides(pending)
            self._data_version = self._current_version()
        self._seq, self._link = seq, link

    def _check_fence(self) -> None:
        epoch, last = self._db.execute(SQL["fence"]).fetchone()
        run_id = self._holding.run_id
        if epoch != self.epoch:
            message = (
                f"run {run_id} was taken over (epoch {epoch}; this runner has {self.epoch}): "
                "this one writes and starts nothing more"
            )
            raise FencedError(message, hint=f"Follow the other one: fleet watch {run_id}")
        if last != self._seq:
            message = f"the journal of run {run_id} was changed by somebody else, at record {last}"
            raise JournalError(message, hint="`fleet verify` says what it is worth now.")

    def _write_asides(self, pending: _Pending) -> None:
        if pending.keep:
            self._db.executemany(SQL["keep_operation"], pending.keep)
        if pending.drop:
            self._db.executemany(SQL["drop_operation"], pending.drop)
        if pending.answered:
            self._db.executemany(SQL["answer_request"], pending.answered)
        if pending.told:
            self._db.executemany(SQL["tell"], pending.told)

    # --- what others wrote ---

    def _look(self) -> None:
        # While the thread commits, the connection is the thread's, and it looks by itself.
        if not self._is_busy:
            with self._translated("read"):
                self._data_version = self._current_version()

    def _current_version(self) -> int:
        (version,) = self._db.execute(SQL["data_version"]).fetchone()
        return int(version)

    def _translated(self, doing: str) -> failures.Translation:
        return failures.translated(doing, run_id=self._holding.run_id, path=self._holding.path)


def _tell(group: Sequence[_Pending], error: BaseException | None) -> None:
    for pending in group:
        if pending.done is None or pending.done.done():  # its caller was cancelled
            continue
        if error is None:
            pending.done.set_result(None)
        else:
            pending.done.set_exception(error)


def _head(connection: sqlite3.Connection) -> tuple[int, bytes]:
    return connection.execute(SQL["head"]).fetchone() or (0, chain.GENESIS)


def _answered(event: Event) -> str | None:
    return getattr(event, "request_id", None)
