"""Who may change what: locks on extensions, held by runs, across processes.

A lock is its run's while a process carries the run on, as the kernel tells
(:mod:`fleet.journal.filelock`), and after that until its lease is over: that
long, what a dead process had sent may still be at work. Then it goes to
whoever asks next. No clock is read here.

Not here: what a target's own requests meet (an operation of somebody else in
progress, drift): that stays the performer's business, locks or not.

Shapes:  ids and names lie in lower case.
Errors:  :exc:`~fleet.errors.JournalError` for what the disk says.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import functools
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import orjson

from fleet.core import chain
from fleet.journal import connections, failures, filelock, filesystem, layout, lockfile
from fleet.journal.lockfile import LOCKS_SQL
from fleet.journal.queries import SQL
from fleet.model import codec
from fleet.model.cluster import ClusterId
from fleet.model.events import Actor
from fleet.model.redaction import Redactor
from fleet.ports import Conflict, LockHolder, LockKey, Release, Taking

_NAMED = 3
"""How many of the locks in the way a conflict names."""
_NOWHERE = Path(":memory:")

IsAlive = Callable[[str], bool]
"""Whether a process carries a run on."""


class SqliteLocks:
    """The locks of all runs of one place."""

    def __init__(self, connection: sqlite3.Connection, *, path: Path, is_alive: IsAlive) -> None:
        self.connection = self._db = connection
        self.path = self._path = path
        self._is_alive = is_alive

    # --- the port ---

    def take(
        self,
        run_id: str,
        *,
        actor: Actor,
        keys: Iterable[LockKey],
        now: dt.datetime,
        lease: dt.timedelta,
    ) -> Taking:
        """Take all of *keys*, or none; what the run holds already, it holds on."""
        with self._wishing(keys), self._transaction():
            found = self._in_the_way(run_id)
            conflicts = [one for one in found if one.holder.may_keep(now)]
            if conflicts:
                return Taking(conflicts=tuple(conflicts))
            self._drop_what_is_over(now, but=run_id)
            row = {"actor": _actor_text(actor), **_lease(run_id, now, lease)}
            self._db.execute(LOCKS_SQL["hold"], row)
            self._db.execute(LOCKS_SQL["take"], {"run_id": run_id})
            return Taking(taken_over=tuple(found))

    def conflicts(
        self, run_id: str, *, keys: Iterable[LockKey], now: dt.datetime
    ) -> tuple[Conflict, ...]:
        """Return what would keep *run_id* from taking *keys*, and take nothing."""
        with self._wishing(keys), failures.of_locks(self._path):
            found = self._in_the_way(run_id)
        return tuple(one for one in found if one.holder.may_keep(now))

    def renew(self, run_id: str, *, now: dt.datetime, lease: dt.timedelta) -> bool:
        """Extend the lease of all that *run_id* holds; ``False`` where it holds nothing more."""
        with self._transaction():
            done = self._db.execute(LOCKS_SQL["renew"], _lease(run_id, now, lease))
            return done.rowcount == 1

    def release(self, run_id: str, *, keys: Iterable[LockKey]) -> None:
        """Let go of *keys*."""
        with self._wishing(keys), self._transaction():
            self._db.execute(LOCKS_SQL["release"], {"run_id": run_id})

    def finish(self, run_id: str, *, keep: Iterable[LockKey] = ()) -> None:
        """Let go of everything but *keep*, which goes when the lease ends."""
        with self._wishing(keep), self._transaction():
            self._db.execute(LOCKS_SQL["release_others"], {"run_id": run_id})
            if not self._count(run_id):
                self._drop(run_id)

    def holders(self) -> tuple[LockHolder, ...]:
        """Return the runs that hold locks, by their ids."""
        with failures.of_locks(self._path):
            return tuple(map(self._holder, self._db.execute(LOCKS_SQL["holders"]).fetchall()))

    # --- what people ask ---

    def keys(self, run_id: str) -> tuple[LockKey, ...]:
        """Return what *run_id* holds."""
        with failures.of_locks(self._path):
            rows = self._db.execute(LOCKS_SQL["all_locks"], (run_id,)).fetchall()
        return tuple(map(_key, rows))

    def places(self, run_id: str) -> Mapping[str, int]:
        """Return how many places of which pools *run_id* has."""
        with failures.of_locks(self._path):
            return dict(self._db.execute(LOCKS_SQL["places_of"], (run_id,)).fetchall())

    def release_by_force(self, run_id: str, *, by: Actor, reason: str, at: dt.datetime) -> bool:
        """Let go of all that a dead run holds, and keep who did that, and why.

        Returns:
            Whether that was done: ``False`` for a run that holds nothing, or that somebody
            carries on.
        """
        with self._transaction():
            row = self._db.execute(LOCKS_SQL["holder"], (run_id,)).fetchone()
            if row is None or self._is_alive(run_id):
                return False
            noted = (
                run_id, row[1], _actor_text(by), Redactor().text(reason), codec.utc_text(at)
            )  # fmt: skip
            self._db.execute(LOCKS_SQL["note_release"], noted)
            self._drop(run_id)
            return True

    def releases(self) -> tuple[Release, ...]:
        """Return what was released by force, oldest first."""
        with failures.of_locks(self._path):
            rows = self._db.execute(LOCKS_SQL["releases"]).fetchall()
        return tuple(
            Release(
                run_id=run_id,
                holder=_actor(holder),
                actor=_actor(actor),
                reason=reason,
                at=_moment(at),
            )
            for run_id, holder, actor, reason, at in rows
        )

    def close(self) -> None:
        """Let go of the file."""
        self._db.close()

    # --- inside ---

    @contextlib.contextmanager
    def _wishing(self, keys: Iterable[LockKey]) -> Iterator[None]:
        """Have *keys* in a table of this connection's own, to be joined with what is held."""
        rows = sorted((one[0].lower(), one[1].lower(), one[2].lower()) for one in keys)
        with failures.of_locks(self._path):
            # Before anybody else has to wait for us.
            self._db.execute(LOCKS_SQL["begin_without_a_lock"])
            self._db.executemany(LOCKS_SQL["wish"], rows)
            self._db.execute(SQL["commit"])
        try:
            yield
        finally:
            with failures.of_locks(self._path):
                self._db.execute(LOCKS_SQL["forget_wishes"])

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[None]:
        with failures.of_locks(self._path), connections.transaction(self._db):
            yield

    def _in_the_way(self, run_id: str) -> list[Conflict]:
        """Return the wishes that other runs hold, their leases over or not."""
        counts = self._db.execute(LOCKS_SQL["in_the_way"], {"run_id": run_id}).fetchall()
        return [self._conflict(other, count) for other, count in counts]

    def _conflict(self, run_id: str, count: int) -> Conflict:
        row = self._db.execute(LOCKS_SQL["holder"], (run_id,)).fetchone()
        wanted = {"run_id": run_id, "limit": _NAMED}
        first = self._db.execute(LOCKS_SQL["first_in_the_way"], wanted).fetchall()
        return Conflict(holder=self._holder(row), count=count, first=tuple(map(_key, first)))

    def _holder(self, row: tuple[str, bytes, str, str]) -> LockHolder:
        run_id, actor, leased_at, leased_until = row
        return LockHolder(
            run_id=run_id,
            actor=_actor(actor),
            leased_at=_moment(leased_at),
            leased_until=_moment(leased_until),
            is_alive=self._is_alive(run_id),
        )

    def _drop_what_is_over(self, now: dt.datetime, *, but: str) -> None:
        for row in self._db.execute(LOCKS_SQL["holders"]).fetchall():
            if row[0] != but and not self._holder(row).may_keep(now):
                self._drop(row[0])

    def _drop(self, run_id: str) -> None:
        for name in ("drop_locks", "drop_places", "drop_holder"):
            self._db.execute(LOCKS_SQL[name], (run_id,))

    def _count(self, run_id: str) -> int:
        ((count,),) = self._db.execute(LOCKS_SQL["lock_count"], (run_id,)).fetchall()
        return int(count)


@contextlib.contextmanager
def opened(
    root: Path,
    *,
    busy_s: float = connections.BUSY_S,
    mountinfo: Path = filesystem.MOUNTINFO,
) -> Iterator[SqliteLocks]:
    """Open the locks of the runs under *root* for a while."""
    connection = lockfile.connect(root, busy_s=busy_s, mountinfo=mountinfo)
    with contextlib.closing(connection):
        yield SqliteLocks(connection, path=lockfile.path_under(root), is_alive=alive_under(root))


def are_under(root: Path) -> bool:
    """Whether any run under *root* has ever held a lock."""
    return lockfile.path_under(root).exists()


def in_memory(*, is_alive: IsAlive = lambda _run_id: False) -> SqliteLocks:
    """Return locks that lie nowhere."""
    return SqliteLocks(lockfile.in_memory(), path=_NOWHERE, is_alive=is_alive)


def alive_under(root: Path) -> IsAlive:
    """Return who can tell which runs under *root* a process carries on."""
    return functools.partial(_is_carried_on, root)


def _is_carried_on(root: Path, run_id: str) -> bool:
    return filelock.is_held(layout.folder(root, run_id).lock)


def _lease(run_id: str, now: dt.datetime, lease: dt.timedelta) -> Mapping[str, str]:
    return {
        "run_id": run_id,
        "leased_at": codec.utc_text(now),
        "leased_until": codec.utc_text(now + lease),
    }


def _key(row: Sequence[str]) -> LockKey:
    endpoint, cluster_id, extension = row
    return LockKey(endpoint=endpoint, cluster_id=ClusterId(cluster_id), extension=extension)


def _moment(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(text).astimezone(dt.UTC)


def _actor_text(actor: Actor) -> bytes:
    return chain.canonical(codec.to_json(actor))


def _actor(text: bytes) -> Actor:
    return codec.from_json(Actor, orjson.loads(text))
