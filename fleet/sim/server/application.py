"""From a request to its answer: who asks, what for, how often, and what the world says.

Source:  recorded headers; the order of the checks is Resource Manager's.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Awaitable, Callable, Mapping
from email.utils import format_datetime

from aiohttp import web

from fleet.core import draws
from fleet.errors import LostAnswerError, RemoteError
from fleet.sim.server import (
    access,
    activity,
    answers,
    asks,
    catalogue,
    compliance,
    credentials,
    directory,
    insides,
    measurements,
    policies,
    resources,
    routes,
)
from fleet.sim.server.answers import Answer
from fleet.sim.server.asks import Ask
from fleet.sim.server.graph import Graph
from fleet.sim.server.interference import Interference, hang_up
from fleet.sim.server.plane import Plane
from fleet.sim.server.routes import Kind

Handler = Callable[[Plane, Ask, Mapping[str, str]], Awaitable[Answer]]

REGION = "westeurope"
"""Where Resource Manager answers callers from."""
_ALWAYS = {
    "Cache-Control": "no-cache",
    "Pragma": "no-cache",
    "Expires": "-1",
    "Strict-Transport-Security": "max-age=31536000; includeSubDomains",
    "X-Content-Type-Options": "nosniff",
}
_HANDLERS: Mapping[tuple[Kind, str], Handler] = {
    (Kind.ENDPOINTS, "GET"): directory.endpoints,
    (Kind.SIMULATION, "GET"): directory.simulation,
    (Kind.OPENID, "GET"): directory.openid,
    (Kind.TOKEN, "POST"): directory.token,
    (Kind.SUBSCRIPTIONS, "GET"): directory.subscriptions,
    (Kind.SUBSCRIPTION, "GET"): directory.subscription,
    (Kind.PROVIDER, "GET"): directory.provider,
    (Kind.CLUSTERS, "GET"): resources.clusters,
    (Kind.CLUSTER, "GET"): resources.cluster,
    (Kind.EXTENSIONS, "GET"): resources.extensions,
    (Kind.EXTENSION, "GET"): resources.extension,
    (Kind.EXTENSION, "PUT"): resources.put,
    (Kind.EXTENSION, "PATCH"): resources.patch,
    (Kind.EXTENSION, "DELETE"): resources.delete,
    (Kind.OPERATION, "GET"): resources.operation,
    (Kind.TYPES, "GET"): catalogue.types,
    (Kind.TYPE, "GET"): catalogue.type_,
    (Kind.TYPE_VERSIONS, "GET"): catalogue.type_versions,
    (Kind.TYPE_VERSION, "GET"): catalogue.type_version,
    (Kind.CREDENTIAL, "POST"): credentials.of_user,
    (Kind.ASSIGNMENTS, "GET"): policies.assigned,
    (Kind.STATES, "POST"): compliance.latest,
    (Kind.PERMISSIONS, "GET"): access.permissions,
    (Kind.ACTIVITY, "GET"): activity.events,
    (Kind.METRICS, "GET"): measurements.prometheus,
    (Kind.METRICS, "POST"): measurements.prometheus,
    (Kind.LOGS, "GET"): measurements.logs,
    (Kind.LOGS, "POST"): measurements.logs,
}

_VERSIONS: Mapping[Kind, Mapping[str, str]] = {
    **dict.fromkeys((Kind.EXTENSION, Kind.EXTENSIONS, Kind.OPERATION), resources.SERVED),
    **dict.fromkeys(
        (Kind.TYPES, Kind.TYPE, Kind.TYPE_VERSIONS, Kind.TYPE_VERSION), catalogue.SERVED
    ),
}


class Application:
    """Answers requests, one after another and many at a time."""

    def __init__(self, plane: Plane) -> None:
        self._plane = plane
        self._graph = Graph(plane)
        self._interference = Interference(plane)
        self._count = 0

    async def close(self) -> None:
        """Let go of what queries needed."""
        await self._graph.close()

    async def __call__(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer a request."""
        if insides.is_about(request.path):
            return await insides.answer(self._plane, request)
        self._count += 1
        ask = await asks.read(request, seed=self._plane.recipe.seed, count=self._count)
        headers: dict[str, str] = {}
        serve = functools.partial(self._served, headers=headers)
        met = self._interference.met(ask)
        try:
            answer = await self._interference.around(met, ask, serve)
        except LostAnswerError:
            # The caller shall never know: whether the world has changed was decided before.
            hang_up(request)
            return web.Response()
        response = self._sent(ask, answer, headers)
        return await self._interference.delivered(met, request, response)

    async def _served(self, ask: Ask, *, headers: dict[str, str]) -> Answer:
        try:
            return await self._answered(ask, headers)
        except LostAnswerError:
            raise
        except RemoteError as error:
            return _with_versions(ask, answers.of_error(error))

    async def _answered(self, ask: Ask, headers: dict[str, str]) -> Answer:
        plane, now, told = self._plane, self._plane.now(), self._plane.told()
        found = routes.find(ask.path)
        if found is not None and found[0].kind in routes.OPEN:
            route, parts = found
            routes.check_version(route, ask.path, ask.version)
            return await _handler(route.kind, ask.method)(plane, ask, parts)
        tenant, oid = plane.tokens.principal(ask, now=told)
        caller = f"tenantId={tenant},objectId={oid}"
        headers["x-ms-operation-identifier"] = f"{caller}/{REGION}/{ask.id}"
        route = routes.check_version(found and found[0], ask.path, ask.version)
        parts = found[1] if found else {}
        if route.kind is Kind.GRAPH and ask.method == "POST":
            return await self._graph.query(plane, ask, oid)
        handler = _handler(route.kind, ask.method)
        subscription = parts.get("subscription")
        limits = plane.limits
        headers |= limits.take(ask.method, subscription=subscription, principal=oid, now=now)
        plane.check_place(parts)
        access.check(plane, ask, route.kind, oid=oid)
        return await handler(plane, dataclasses.replace(ask, oid=oid), parts)

    def _sent(self, ask: Ask, answer: Answer, headers: Mapping[str, str]) -> web.Response:
        now = self._plane.told()
        stamp = f"{now:%Y%m%dT%H%M%SZ}"
        content = {"Content-Type": answers.JSON} if answer.body else {}
        return web.Response(
            status=answer.status,
            body=answer.body,
            headers={
                **_ALWAYS,
                # NB: simulated time, as everything here: clients may set their clocks by it.
                "Date": format_datetime(now.replace(microsecond=0), usegmt=True),
                "x-ms-routing-request-id": f"{REGION.upper()}:{stamp}:{_routing(ask.id)}",
                **ask.echo,
                **headers,
                **content,
                **answer.headers,
            },
        )


def _handler(kind: Kind, method: str) -> Handler:
    handler = _HANDLERS.get((kind, method))
    if handler is None:
        message = f"The requested resource does not support http method '{method}'."
        raise answers.refusal(405, "MethodNotAllowed", message)
    return handler


def _with_versions(ask: Ask, answer: Answer) -> Answer:
    """Return a refusal with the api-versions of the provider that made it, if one did."""
    # Source: recorded: providers tell them in errors too, and the gateway's own errors do not.
    found = routes.find(ask.path)
    served = _VERSIONS.get(found[0].kind) if found else None
    if served is None or answers.BY_GATEWAY.keys() <= answer.headers.keys():
        return answer
    return dataclasses.replace(answer, headers={**served, **answer.headers})


@functools.lru_cache(maxsize=16)
def _routing(serial: str) -> str:
    return draws.guid("routing", serial)
