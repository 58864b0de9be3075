"""Who holds a run, and for the how-many-eth time: the epoch, which fences.

The lock (:mod:`fleet.journal.filelock`) says that somebody is alive; the lease
says who. Should the lock ever be lost, the epoch still stops the older runner:
each append compares it in its own transaction.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import sqlite3

import orjson

from fleet.core import chain
from fleet.errors import HeldError
from fleet.journal.queries import SQL
from fleet.model import codec
from fleet.model.events import Actor


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """One row."""

    epoch: int
    holder: Actor
    taken_at: str | None
    """``None`` where the store was given no clock."""


def take(connection: sqlite3.Connection, actor: Actor, now: dt.datetime | None) -> int:
    """Take the lease, whoever had it, and return the new epoch."""
    values = {
        "holder": chain.canonical(codec.to_json(actor)),
        "taken_at": codec.utc_text(now) if now else None,
    }
    # One row, to its end: an unfinished RETURNING keeps its transaction open.
    ((epoch,),) = connection.execute(SQL["take_lease"], values).fetchall()
    return int(epoch)


def current(connection: sqlite3.Connection) -> Lease | None:
    """Return the lease; ``None`` for a run that nobody has held yet."""
    row = connection.execute(SQL["lease"]).fetchone()
    if row is None:
        return None
    holder = codec.from_json(Actor, orjson.loads(row[1]))
    return Lease(epoch=row[0], holder=holder, taken_at=row[2])


def held(run_id: str, lease: Lease | None) -> HeldError:
    """Return the error that names who holds *run_id*."""
    if lease is None:
        return HeldError(f"run {run_id} is being made by another process", hint="Try again.")
    who, since = lease.holder, f" since {lease.taken_at}" if lease.taken_at else ""
    message = f"run {run_id} is held by {who.name} on {who.host} (pid {who.pid}){since}"
    hint = (
        f"Follow it with: fleet watch {run_id}. Steer it with fleet pause, resume or stop. "
        "If that process hangs, end it: its lock goes with it, and the run can be taken over."
    )
    return HeldError(message, hint=hint)
