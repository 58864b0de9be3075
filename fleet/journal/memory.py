"""Runs that lie nowhere, for simulation and tests: the same SQL on a database in memory.

A commit runs in the caller's thread: nothing waits for a disk, and two runs
of one scenario do the same in the same order. A run outlives its holder, so
that a killed runner (:meth:`MemoryStore.kill`) can be taken over.
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime as dt
import sqlite3
import weakref
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path

from fleet.errors import HeldError
from fleet.journal import backup, connections, failures, layout, lease, requests, schema
from fleet.journal.reader import SqliteReader
from fleet.journal.writer import Holding, SqliteJournal
from fleet.model.events import Actor
from fleet.ports import Request

_NOWHERE = Path(":memory:")


@dataclasses.dataclass(slots=True, kw_only=True)
class _Run:
    connection: sqlite3.Connection
    journal: SqliteJournal | None = None
    """The live holder's."""


class MemoryStore:
    """Runs of one process; gone with it."""

    def __init__(self, *, now: Callable[[], dt.datetime] | None = None) -> None:
        self._now = now
        self._runs: dict[str, _Run] = {}
        weakref.finalize(self, _close_all, self._runs)

    @contextlib.asynccontextmanager
    async def hold(
        self, run_id: str, *, actor: Actor, secrets: Sequence[str] = (), create: bool = False
    ) -> AsyncIterator[SqliteJournal]:
        """Hold a run for writing; :exc:`~fleet.errors.HeldError` names who already does."""
        run = self._make(run_id) if create else self._known(run_id)
        journal = run.journal = self._open(run_id, run, actor, secrets)
        try:
            yield journal
        finally:
            await journal.aclose()
            if run.journal is journal:
                run.journal = None

    def kill(self, run_id: str) -> None:
        """End the holder as ``kill -9`` would: it writes nothing more, and nobody holds the run."""
        run = self._known(run_id)
        if run.journal is not None:
            run.journal.die()
            run.journal = None

    def read(self, run_id: str) -> SqliteReader:
        """Open a run for reading; :exc:`~fleet.errors.InputError` where there is none."""
        return _reader(run_id, self._known(run_id))

    def ask(self, run_id: str, request: Request) -> None:
        """Leave *request* for the runner; the same id twice is one request."""
        run = self._known(run_id)
        requests.add(run.connection, request)
        if run.journal is not None:
            run.journal.look_again()

    def runs(self) -> Sequence[str]:
        """Return the ids of all runs, newest first."""
        return tuple(reversed(self._runs))

    def backup(self, run_id: str, to: Path) -> None:
        """Copy a run to the new file *to*."""
        with failures.translated("copied", run_id=run_id, path=to):
            backup.copy(self._known(run_id).connection, to)

    def _open(self, run_id: str, run: _Run, actor: Actor, secrets: Sequence[str]) -> SqliteJournal:
        if run.journal is not None:
            raise self._held(run_id, run)
        with connections.transaction(run.connection):
            epoch = lease.take(run.connection, actor, self._now() if self._now else None)
        holding = Holding(
            run_id=run_id,
            path=_NOWHERE,
            epoch=epoch,
            actor=actor,
            connection=run.connection,
            reader=_reader(run_id, run),
            thread=None,
            release=_keep_open,
        )
        return SqliteJournal(holding, secrets=secrets)

    def _make(self, run_id: str) -> _Run:
        layout.check_run_id(run_id)
        if (known := self._runs.get(run_id)) is not None:
            is_held = known.journal is not None
            raise self._held(run_id, known) if is_held else layout.taken(run_id)
        connection = connections.memory()
        schema.fill(connection)
        return self._runs.setdefault(run_id, _Run(connection=connection))

    def _held(self, run_id: str, run: _Run) -> HeldError:
        return lease.held(run_id, lease.current(run.connection))

    def _known(self, run_id: str) -> _Run:
        layout.check_run_id(run_id)
        if run_id not in self._runs:
            raise layout.unknown(run_id, self._runs)
        return self._runs[run_id]


def _reader(run_id: str, run: _Run) -> SqliteReader:
    return SqliteReader(
        run.connection,
        run_id=run_id,
        path=_NOWHERE,
        is_held=lambda: run.journal is not None,
        close=_keep_open,
    )


def _keep_open() -> None:
    """Let go of nothing: the run stays, for whoever takes it over."""


def _close_all(runs: dict[str, _Run]) -> None:
    for run in runs.values():
        run.connection.close()
