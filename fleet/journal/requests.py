"""What people ask of a run from another process: rows, until an event answers them."""

from __future__ import annotations

import sqlite3

import orjson

from fleet.core import chain
from fleet.journal import connections
from fleet.journal.queries import SQL
from fleet.model import codec
from fleet.model.redaction import Redactor
from fleet.ports import Request


def add(connection: sqlite3.Connection, request: Request) -> None:
    """Leave *request*; the first of one id stands."""
    # Another process does not know the run's secrets, only what secrets look like.
    reason = Redactor().text(request.reason)
    row = (
        request.id,
        request.kind,
        chain.canonical(codec.to_json(request.actor)),
        reason,
        codec.utc_text(request.at),
        request.subject,
    )
    with connections.transaction(connection):
        connection.execute(SQL["add_request"], row)


def unanswered(connection: sqlite3.Connection) -> tuple[Request, ...]:
    """Return the requests that no event has answered, oldest first."""
    rows = connection.execute(SQL["open_requests"]).fetchall()
    return tuple(_request(*row) for row in rows)


def _request(
    request_id: str, kind: str, actor: bytes, reason: str, at: str, subject: str
) -> Request:
    fields = {"id": request_id, "kind": kind, "reason": reason, "at": at, "subject": subject}
    return codec.from_json(Request, {**fields, "actor": orjson.loads(actor)})
