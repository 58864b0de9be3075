"""Resource Graph: queries over the whole fleet, in pages.

Source:  the specification of 2024-04-01; recorded answers, their headers, errors and skip tokens.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import dataclasses
import datetime as dt
import json
from collections.abc import Iterator, Mapping
from typing import Any

import orjson

from fleet.model import codec
from fleet.sim.server import answers, cells, tables
from fleet.sim.server.answers import Answer, RefusalError
from fleet.sim.server.asks import Ask
from fleet.sim.server.database import Database, Result, Scope
from fleet.sim.server.kql import Detail, QueryError
from fleet.sim.server.plane import Plane

MOST_ROWS = 1000
MOST_SUBSCRIPTIONS = 1000
MOST_BYTES = 16 * 1024 * 1024
_FRESH = dt.timedelta(seconds=5)
"""How old what a new query sees may be, in the world's time."""
_COSTLY_S = 0.5
_BATCH = 1000
_KEPT_RESULTS = 8
# Source: the specification; it is about tables of roles and policies only.
_AUTHORIZATION_SCOPES = (
    "AtScopeAndBelow",
    "AtScopeAndAbove",
    "AtScopeAboveAndBelow",
    "AtScopeExact",
)
_KUSTO = "https://arg-weu-four-sf.arg.core.windows.net"
_INVALID = {
    "code": "InvalidQuery",
    "message": (
        "Query is invalid. Please refer to the documentation for the Azure Resource Graph service "
        "and fix the error before retrying."
    ),
}


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """A request's body, checked."""

    text: str
    scope: Scope
    skip: int
    top: int
    is_continued: bool
    is_table: bool
    facets: tuple[str, ...]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class _Snapshot:
    """What the tables were made from."""

    at: dt.datetime
    change_count: int
    loaded_s: float
    """By the event loop."""
    took_s: float

    def is_fresh(self, now: dt.datetime, *, change_count: int, loop_s: float) -> bool:
        """Tell whether a new query may see it."""
        # NB: a fleet that takes seconds to write down is not written down all the time.
        if self.took_s >= _COSTLY_S and loop_s < self.loaded_s + 2 * self.took_s:
            return True
        return change_count == self.change_count and now - self.at <= _FRESH


class Graph:
    """The tables, what was last asked of them, and who may go on reading."""

    def __init__(self, plane: Plane) -> None:
        self._plane = plane
        self._database = Database(tenant=plane.tenant)
        self._alone = asyncio.Lock()
        self._snapshot: _Snapshot | None = None
        self._results: dict[tuple[str, Scope], tuple[Result, _Snapshot]] = {}

    async def close(self) -> None:
        """Let go of the database."""
        await self._database.close()

    async def query(self, plane: Plane, ask: Ask, oid: str) -> Answer:
        """POST of a query."""
        began_at = plane.now()
        quota = plane.limits.take_query(oid, now=began_at)
        now = await plane.azure.visit("resource graph")
        try:
            query = _query(ask.json(), plane)
            async with self._alone:
                result = await self._result(query, now)
                rows = await self._page(query, result)
        except QueryError as error:
            raise _invalid(ask, now, [_INVALID, *error.details], quota) from error
        took = plane.now() - began_at
        headers = {**quota, "x-ms-resource-graph-request-duration": cells.duration(took)}
        return _answer(query, result, rows, headers)

    async def _page(self, query: Query, result: Result) -> list[tuple[Any, ...]]:
        skip = 0 if result.is_limited else query.skip
        return await self._database.page(result, skip=skip, top=query.top)

    async def _result(self, query: Query, now: dt.datetime) -> Result:
        key = query.text, query.scope
        known = self._results.get(key)
        if known is not None and query.is_continued:
            return known[0]
        snapshot = await self._fresh(now)
        if known is not None and known[1] is snapshot and known[0].is_timeless:
            return known[0]
        result = await self._database.result(query.text, scope=query.scope, now=now)
        await self._keep(key, result, snapshot)
        return result

    async def _keep(self, key: tuple[str, Scope], result: Result, snapshot: _Snapshot) -> None:
        gone = [self._results.pop(key)] if key in self._results else []
        while len(self._results) >= _KEPT_RESULTS:
            gone.append(self._results.pop(next(iter(self._results))))
        for old, _ in gone:
            await self._database.forget(old)
        self._results[key] = result, snapshot

    async def _fresh(self, now: dt.datetime) -> _Snapshot:
        """Return the snapshot that a new query sees, made anew where it is too old."""
        world, loop = self._plane.azure.world, asyncio.get_running_loop()
        count, began_s = world.change_count, loop.time()
        known = self._snapshot
        if known is not None and known.is_fresh(now, change_count=count, loop_s=began_s):
            return known
        self._snapshot = None
        await self._database.begin()
        recipe = self._plane.recipe
        writer = tables.Writer(recipe)
        await self._database.add(writer.standing())
        # Source: writes by Resource Manager are notified at once; what agents report is not.
        reported_at = now - dt.timedelta(seconds=recipe.wire.graph_lag_s)
        for numbers in _batches(recipe.cluster_count):
            await self._database.add(writer.rows(world.clusters(reported_at, numbers)))
        ended_s = loop.time()
        self._snapshot = _Snapshot(
            at=now, change_count=count, loaded_s=ended_s, took_s=ended_s - began_s
        )
        return self._snapshot


def _batches(count: int) -> Iterator[range]:
    for first in range(0, count, _BATCH):
        yield range(first, min(first + _BATCH, count))


# --- the request -------------------------------------------------------------------------


def _query(document: Any, plane: Plane) -> Query:
    if not isinstance(document, dict) or not isinstance(document.get("query"), str):
        raise _wrong(
            code="InvalidRequest", message="The request must have a query, which is a string."
        )
    options = document.get("options", {})
    options = {} if options is None else options
    if not isinstance(options, dict):
        raise _wrong(code="InvalidRequest", message="The options must be an object.")
    token = _token(options.get("$skipToken"))
    given = {"$skip": 0, "$top": MOST_ROWS, **(token or {})}
    given |= {name: options[name] for name in given if options.get(name) is not None}
    return Query(
        text=document["query"],
        scope=_scope(document, options, plane),
        skip=_amount("$skip", given["$skip"], 0),
        top=_amount("$top", given["$top"], 1),
        is_continued=token is not None,
        is_table=_is_table(options.get("resultFormat")),
        facets=_facets(document),
    )


def _listed(document: Mapping[str, Any], name: str) -> list[Any]:
    """Return a list that a body may hold; empty where it does not."""
    found = document.get(name)
    if found is not None and not isinstance(found, list):
        raise _wrong(code="InvalidRequest", message=f"The {name} must be a list.")
    return found or []


def _facets(document: Mapping[str, Any]) -> tuple[str, ...]:
    expressions = [
        one.get("expression") if isinstance(one, dict) else None
        for one in _listed(document, "facets")
    ]
    if not all(isinstance(one, str) for one in expressions):
        words = "Each facet must have an expression, which is a string."
        raise _wrong(code="InvalidRequest", message=words)
    return tuple(map(str, expressions))


def _amount(name: str, value: Any, least: int) -> int:
    most = MOST_ROWS if name == "$top" else 2**31 - 1
    if type(value) is not int or not least <= value <= most:
        raise _wrong(
            code="InvalidQueryOptions", message=f"{name} must be between {least} and {most}."
        )
    return value


def _is_table(form: Any) -> bool:
    if form in (None, "objectArray", "table"):
        return bool(form == "table")
    raise _wrong(code="InvalidQueryOptions", message="resultFormat must be objectArray or table.")


def _token(text: Any) -> dict[str, Any] | None:
    if not text:
        return None
    try:
        token = json.loads(base64.b64decode(text, validate=True))
        return {"$top": int(token["MaxRows"]), "$skip": int(token["RowsToSkip"])}
    except (ValueError, KeyError, TypeError, binascii.Error) as error:
        raise _wrong(code="InvalidSkipToken", message="The skip token is invalid.") from error


def _scope(document: Mapping[str, Any], options: Mapping[str, Any], plane: Plane) -> Scope:
    named = str(options.get("authorizationScopeFilter") or "AtScopeAndBelow")
    if named not in _AUTHORIZATION_SCOPES:
        words = f"authorizationScopeFilter must be one of {', '.join(_AUTHORIZATION_SCOPES)}."
        raise _wrong(code="InvalidQueryOptions", message=words)
    return Scope(
        subscriptions=_subscriptions(document, plane),
        has_above="Above" in named,
        is_exact="Below" not in named,
    )


def _subscriptions(document: Mapping[str, Any], plane: Plane) -> frozenset[str] | None:
    groups, asked = _listed(document, "managementGroups"), _listed(document, "subscriptions")
    if any(one != plane.tenant for one in groups):
        raise _wrong(
            code="InvalidManagementGroups",
            message=f"Only the root group is here: '{plane.tenant}'.",
        )
    if not asked:
        return None
    if len(asked) > MOST_SUBSCRIPTIONS:
        words = f"At most {MOST_SUBSCRIPTIONS} subscriptions can be asked about."
        raise _wrong(code="TooManySubscriptions", message=words)
    wanted = {str(one).lower() for one in asked}
    known = frozenset(one for one in plane.subscriptions if one in wanted)
    if not known:
        given = ",".join(map(str, asked))
        words = (
            "There must be at least one subscription that is eligible to contain resources. "
            f"Given: '{given}'."
        )
        raise _wrong(code="NoValidSubscriptionsInQueryRequest", message=words)
    return None if len(known) == len(plane.subscriptions) else known


def _wrong(*, code: str, message: str) -> QueryError:
    return QueryError({"code": code, "message": message})


# --- the answer --------------------------------------------------------------------------


def _answer(
    query: Query, result: Result, rows: list[tuple[Any, ...]], headers: Mapping[str, str]
) -> Answer:
    seen = query.skip + len(rows)
    has_more = (len(rows) if result.is_limited else seen) < result.count
    names = [name for name, _ in result.columns]
    is_paged = has_more and not result.is_limited and "id" in names
    document = {
        "totalRecords": result.count,
        "count": len(rows),
        "data": _data(query, result, rows),
        "facets": [_facet(one) for one in query.facets],
        "resultTruncated": "true" if has_more and not is_paged else "false",
    }
    if is_paged:
        document["$skipToken"] = _skip_token(top=query.top, skip=seen)
    answer = answers.found(document, headers=headers)
    return _too_large(answer) if len(answer.body) > MOST_BYTES else answer


def _data(query: Query, result: Result, rows: list[tuple[Any, ...]]) -> Any:
    shapes = [cells.shape(kind) for _, kind in result.columns]
    shaped = [[shape.value(cell) for shape, cell in zip(shapes, row, strict=True)] for row in rows]
    names = [name for name, _ in result.columns]
    if not query.is_table:
        return [dict(zip(names, row, strict=True)) for row in shaped]
    columns = [
        {"name": name, "type": shape.kind} for name, shape in zip(names, shapes, strict=True)
    ]
    return {"columns": columns, "rows": shaped}


def _skip_token(*, top: int, skip: int) -> str:
    # Source: recorded tokens, decoded: offsets, and no snapshot.
    token = {"$id": "1", "MaxRows": top, "RowsToSkip": skip, "KustoClusterUrl": _KUSTO}
    text = orjson.dumps(token, option=orjson.OPT_INDENT_2).replace(b"\n", b"\r\n")
    return base64.b64encode(text).decode()


def _facet(expression: str) -> Mapping[str, Any]:
    words = "The simulator computes no facets."
    error = {"code": "NotSupportedBySimulator", "message": words}
    return {"expression": expression, "resultType": "FacetError", "errors": [error]}


def _too_large(answer: Answer) -> Answer:
    message = (
        f"Response payload size is {len(answer.body)}, and has exceeded the limit of {MOST_BYTES}. "
        "Please consider querying less data at a time and make paginated call if needed."
    )
    details = [{"code": "ResponsePayloadTooLarge", "message": message}]
    return answers.failed(400, "BadRequest", message, details=details, headers=answer.headers)


def _invalid(
    ask: Ask, now: dt.datetime, details: list[Detail], headers: Mapping[str, str]
) -> RefusalError:
    stamp = codec.utc_text(now)[:-1] + "0Z"
    message = (
        f"Please provide below info when asking for support: timestamp = {stamp}, "
        f"correlationId = {ask.ids.correlation_id}."
    )
    return RefusalError(
        answers.failed(400, "BadRequest", message, details=details, headers=headers)
    )
