"""Numbers that a world's file has for probes: as Prometheus says them, and as Log Analytics does.

Prometheus is asked by anybody; whoever comes with a token, as to a managed one,
must come with a good one. Log Analytics wants one always. What is asked is not
worked out: a script answers by what a query holds, and what it does not know
has no data.

Source:  https://prometheus.io/docs/prometheus/latest/querying/api/; the documented bodies of
         api.loganalytics.io, v1.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl

from fleet.model.gates import ProbeKind
from fleet.sim import metrics
from fleet.sim.recipe import Turn
from fleet.sim.server import answers
from fleet.sim.server.answers import Answer
from fleet.sim.server.asks import Ask
from fleet.sim.server.plane import Plane

_FORM = "application/x-www-form-urlencoded"
_NO_QUERY = 'invalid parameter "query": unknown position: parse error: no expression found in input'


async def prometheus(plane: Plane, ask: Ask, parts: Mapping[str, str]) -> Answer:
    """GET or POST of an instant query."""
    del parts
    if "Authorization" in ask.headers:
        plane.tokens.principal(ask, now=plane.told())
    query = {**ask.query, **_form(ask)}.get("query", "")
    if not query.strip():
        return _refused(400, "bad_data", _NO_QUERY)
    said = await _said(plane, ProbeKind.PROMETHEUS, query)
    if said.error:
        return _refused(422, "execution", said.error)
    stamp = plane.told().timestamp()
    result = [
        {"metric": {"series": str(number)}, "value": [stamp, _spelled(value)]}
        for number, value in enumerate(said.values)
    ]
    return answers.found({"status": "success", "data": {"resultType": "vector", "result": result}})


async def logs(plane: Plane, ask: Ask, parts: Mapping[str, str]) -> Answer:
    """GET or POST of a query of a workspace."""
    del parts
    plane.tokens.principal(ask, now=plane.told())
    query = ask.query.get("query") if ask.method == "GET" else _queried(ask.json())
    if not isinstance(query, str) or not query.strip():
        return _failed("BadArgumentError", "The request had some invalid properties", "query")
    said = await _said(plane, ProbeKind.LOG_ANALYTICS, query)
    if said.error:
        return _failed("BadArgumentError", "The request had some invalid properties", said.error)
    table = {
        "name": "PrimaryResult",
        "columns": [{"name": "value", "type": "real"}],
        "rows": [[_number(value)] for value in said.values],
    }
    return answers.found({"tables": [table]})


async def _said(plane: Plane, kind: ProbeKind, query: str) -> Turn:
    now = await plane.azure.visit(kind.value)
    world = plane.azure.world
    said = metrics.turn(world.recipe.metrics, kind, query, after=world.since_begun(now))
    await plane.clock.sleep(said.takes)
    return said


def _form(ask: Ask) -> Mapping[str, str]:
    kind = ask.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if ask.method != "POST" or kind != _FORM:
        return {}
    return dict(parse_qsl(ask.body.decode("utf-8", "replace"), keep_blank_values=True))


def _queried(document: Any) -> Any:
    return document.get("query") if isinstance(document, dict) else None


def _refused(status: int, kind: str, message: str) -> Answer:
    document = {"status": "error", "errorType": kind, "error": message}
    return answers.found(document, status=status)


def _failed(code: str, message: str, inner: str) -> Answer:
    error = {
        "message": message,
        "code": code,
        "innererror": {"code": "SemanticError", "message": inner},
    }
    return answers.found({"error": error}, status=400)


def _spelled(value: str) -> str:
    return {"Infinity": "+Inf", "-Infinity": "-Inf"}.get(value, value)


def _number(value: str) -> float | int | str:
    """Return a number as Kusto's JSON has it: what JSON cannot say is text."""
    if value in ("NaN", "Infinity", "-Infinity"):
        return value
    return int(value) if value.lstrip("-").isdigit() else float(value)
