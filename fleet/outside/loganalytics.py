"""KQL over logs: a query of a Log Analytics workspace.

Source:  https://learn.microsoft.com/azure/azure-monitor/logs/api/overview: tables of columns and
         rows, and a partial error beside them with status 200.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

import orjson

from fleet.errors import RemoteError
from fleet.model.gates import Reading
from fleet.net.words import line
from fleet.outside import readings
from fleet.outside.fetching import Question, Reply

WHAT = "Log Analytics"
_PRIMARY = "PrimaryResult"
_VALUE = "value"
_DEEPEST = 4


def question(url: str, workspace: str, query: str, *, timeout_s: float) -> Question:
    """Return what is sent for *query* about a workspace."""
    return Question(
        method="POST",
        url=f"{url}/v1/workspaces/{quote(workspace, safe='')}/query",
        what=WHAT,
        headers={
            "Content-Type": "application/json",
            # Source: documented; 600 s are the most.
            "Prefer": f"wait={max(1, min(int(timeout_s), 600))}",
        },
        body=orjson.dumps({"query": query}),
    )


def reading(reply: Reply) -> Reading:
    """Return the numbers of an answer: of the column ``value``, or else of the last one."""
    body = _body(reply)
    if body.get("error") is not None:
        message = f"{reply.who}: the answer is not whole: {_said(body['error'])}"
        raise RemoteError(message)
    table = _table(body.get("tables"))
    columns = None if table is None else _names(table.get("columns"))
    rows = None if table is None else table.get("rows")
    if not columns or not isinstance(rows, list):
        raise RemoteError(f"{reply.who}: the answer's table cannot be read")
    place = column(columns)
    if not all(isinstance(row, list) and len(row) == len(columns) for row in rows):
        raise RemoteError(f"{reply.who}: the answer's rows cannot be read")
    return readings.of_values((row[place] for row in rows), who=reply.who)


def column(names: Sequence[str]) -> int:
    """Return which of some columns is meant: one called ``value``, or else the last."""
    called = [place for place, name in enumerate(names) if name.lower() == _VALUE]
    return called[0] if called else len(names) - 1


def _body(reply: Reply) -> Mapping[str, Any]:
    is_well = reply.status == HTTPStatus.OK
    try:
        body = reply.json()
    except RemoteError:
        if is_well:
            raise
        body = {}
    if is_well and isinstance(body, Mapping):
        return body
    if is_well:
        raise RemoteError(f"{reply.who}: the answer ({reply.status}) is JSON, but no object")
    said = _said(body.get("error")) if isinstance(body, Mapping) else ""
    told = f": {said}" if said else ""
    raise RemoteError(f"{reply.who}: the answer was {reply.status}{told}", status=reply.status)


def _said(error: Any) -> str:
    """Return an error's words, and those of the one inside that says the most."""
    words: list[str] = []
    for _ in range(_DEEPEST):
        if not isinstance(error, Mapping):
            break
        words += [str(error[key]) for key in ("code", "message") if error.get(key)]
        error = error.get("innererror")
    return line(": ".join(words))


def _table(tables: Any) -> Mapping[str, Any] | None:
    found = [one for one in tables if isinstance(one, Mapping)] if isinstance(tables, list) else []
    named = [one for one in found if one.get("name") == _PRIMARY]
    return next(iter(named or found), None)


def _names(columns: Any) -> Sequence[str]:
    if not isinstance(columns, list):
        return ()
    names = [one.get("name") if isinstance(one, Mapping) else None for one in columns]
    return [one for one in names if isinstance(one, str)] if all(names) else ()
