"""What comes between a client and the service, as a script of faults has it.

A fault is met before the service is asked (then nothing is done), after it (what was asked for is
done, and only the answer suffers), or on the answer's way back.

Units:   a rule's seconds are the world's.
"""

from __future__ import annotations

import base64
import dataclasses
import datetime as dt
import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import orjson
from aiohttp import web

from fleet.errors import LostAnswerError
from fleet.sim import messages
from fleet.sim.repertoire import Asked, Fault, Level
from fleet.sim.script import Case, Rule
from fleet.sim.server import breakdowns, routes
from fleet.sim.server.answers import Answer
from fleet.sim.server.asks import Ask
from fleet.sim.server.plane import Plane
from fleet.sim.server.routes import Kind

Serve = Callable[[Ask], Awaitable[Answer]]

_PIECES = 10
_ROWS = 100
_SLOW = dt.timedelta(seconds=30)
_ASKED: Mapping[Kind, Asked] = {
    Kind.ENDPOINTS: Asked.METADATA,
    Kind.SIMULATION: Asked.METADATA,
    Kind.OPENID: Asked.METADATA,
    Kind.TOKEN: Asked.TOKEN,
    Kind.SUBSCRIPTIONS: Asked.SUBSCRIPTIONS,
    Kind.SUBSCRIPTION: Asked.SUBSCRIPTIONS,
    Kind.PROVIDER: Asked.PROVIDERS,
    Kind.CLUSTERS: Asked.CLUSTERS,
    Kind.CLUSTER: Asked.CLUSTER,
    Kind.EXTENSIONS: Asked.EXTENSIONS,
    Kind.EXTENSION: Asked.EXTENSION,
    Kind.OPERATION: Asked.OPERATION,
    **dict.fromkeys((Kind.TYPES, Kind.TYPE, Kind.TYPE_VERSIONS, Kind.TYPE_VERSION), Asked.TYPES),
    Kind.GRAPH: Asked.GRAPH,
    Kind.CREDENTIAL: Asked.CREDENTIAL,
    Kind.ASSIGNMENTS: Asked.POLICIES,
    Kind.STATES: Asked.POLICIES,
    Kind.PERMISSIONS: Asked.PERMISSIONS,
    Kind.ACTIVITY: Asked.ACTIVITY,
    Kind.METRICS: Asked.METRICS,
    Kind.LOGS: Asked.LOGS,
}


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Met:
    """A request, and what it meets."""

    rule: Rule
    asked: Asked
    subscription: str | None


class Interference:
    """Counts requests, and brings about what they meet."""

    def __init__(self, plane: Plane) -> None:
        self._plane = plane
        rules = plane.recipe.script.rules
        self._is_idle = not any(one.level is Level.REQUEST for one in rules)

    def met(self, ask: Ask) -> Met | None:
        """Count a request, and return what it meets."""
        begun_at = self._plane.begin()
        found = None if self._is_idle else routes.find(ask.path)
        if found is None:
            return None
        route, parts = found
        case = Case(
            asked=_ASKED[route.kind],
            method=ask.method,
            at=self._plane.now() - begun_at,
            lot=(ask.method, ask.path.lower()),
            cluster=parts.get("cluster", ""),
            subscription=parts.get("subscription", ""),
            name=parts.get("name", ""),
        )
        rule = self._plane.tally.met(case)
        if rule is None:
            return None
        return Met(rule=rule, asked=case.asked, subscription=parts.get("subscription"))

    async def around(self, met: Met | None, ask: Ask, serve: Serve) -> Answer:
        """Return the answer to a request that meets something; *serve* asks the service."""
        if met is None:
            return await serve(ask)
        rule = met.rule
        if rule.fault is Fault.RESET_BEFORE:
            raise LostAnswerError(messages.RESET)
        instead = breakdowns.of(rule, ask, met.asked, met.subscription)
        if instead is not None and rule.fault is not Fault.GATEWAY_TIMEOUT_AFTER:
            await self._plane.azure.visit("interference")
            return instead
        if rule.fault is Fault.DUPLICATE_ROWS:
            ask = _overlapping(ask, rows=rule.rows or _ROWS)
        answer = await serve(ask)
        match rule.fault:
            case Fault.RESET_AFTER:
                raise LostAnswerError(messages.RESET)
            case Fault.SLOW_ANSWER:
                await self._plane.clock.sleep(_length(rule))
            case Fault.TRUNCATED_JSON:
                return dataclasses.replace(answer, body=answer.body[: len(answer.body) // 2])
            case _:
                pass
        return instead or answer

    async def delivered(
        self, met: Met | None, request: web.BaseRequest, response: web.Response
    ) -> web.StreamResponse:
        """Return *response*, or send it as badly as it shall come through."""
        body = response.body
        is_meant = met is not None and met.rule.fault in (Fault.SLOW_BODY, Fault.CUT_BODY)
        if met is None or not is_meant or not isinstance(body, bytes) or not body:
            return response
        sent = web.StreamResponse(status=response.status, headers=response.headers)
        sent.content_length = len(body)
        await sent.prepare(request)
        if met.rule.fault is Fault.CUT_BODY:
            await sent.write(body[: len(body) // 2])
            hang_up(request)
            return sent
        size = -(-len(body) // _PIECES)
        for start in range(0, len(body), size):
            await self._plane.clock.sleep(_length(met.rule) / _PIECES)
            await sent.write(body[start : start + size])
        return sent


def hang_up(request: web.BaseRequest) -> None:
    """Reset a connection."""
    if request.transport is not None:
        request.transport.abort()


def _length(rule: Rule) -> dt.timedelta:
    return _SLOW if rule.duration is None else rule.duration


def _overlapping(ask: Ask, *, rows: int) -> Ask:
    """Return a query for a page of so many rows, which begins with the last of the one before."""
    try:
        document = json.loads(ask.body)
        given = document.get("options")
        options = {} if given is None else {**given}
        options["$top"] = min(int(options.get("$top") or rows), rows)
        if options.get("$skipToken"):
            options["$skipToken"] = _one_back(options["$skipToken"])
    except (ValueError, TypeError, AttributeError, KeyError):
        return ask  # not a query: the service says so itself
    return dataclasses.replace(ask, body=orjson.dumps({**document, "options": options}))


def _one_back(token: str) -> str:
    found: dict[str, Any] = json.loads(base64.b64decode(token, validate=True))
    found["RowsToSkip"] = max(int(found["RowsToSkip"]) - 1, 0)
    return base64.b64encode(orjson.dumps(found)).decode()
