"""The clusters' own APIs over HTTP: below ``/kubernetes/CLUSTER`` of the simulated Azure.

Resource Manager has no part in it: other tokens, other limits, other errors.

Shapes:  events of a watch are JSON objects, one a line.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import json
from collections.abc import Iterator

import orjson
from aiohttp import web

from fleet.sim import names
from fleet.sim.inside import answering, clusters
from fleet.sim.inside.answering import UnreachableError
from fleet.sim.inside.asking import Request
from fleet.sim.inside.listing import Watch
from fleet.sim.inside.replying import Reply
from fleet.sim.inside.view import Interior
from fleet.sim.server.interference import hang_up
from fleet.sim.server.plane import Plane

PREFIX = "/kubernetes/"
_SILENCE_S = 3600
"""How long a server that does not answer keeps a connection."""
_LOOKS_AFTER = dt.timedelta(seconds=1)
"""How often a watch looks, in the world's time; and in ours:"""
_LOOKS_AFTER_S = 0.05
_LONGEST_WATCH_S = 1800
_BOOKMARKS_AFTER = dt.timedelta(minutes=1)


def is_about(path: str) -> bool:
    """Tell whether a path is of a cluster's API."""
    return path.startswith(PREFIX)


async def answer(plane: Plane, request: web.BaseRequest) -> web.StreamResponse:
    """Answer a request to a cluster."""
    name, _, rest = request.path.removeprefix(PREFIX).partition("/")
    found = _cluster(plane, name)
    if found is None:
        return web.Response(status=404, text=f"There is no cluster {name} here.\n")
    asked = Request(
        method=request.method,
        path=f"/{rest}",
        query=dict(request.query),
        headers={key.lower(): value for key, value in request.headers.items()},
        body=await request.read() if request.can_read_body else b"",
    )
    # NB: a place of its own: what is asked of Azure meets the luck it would have met anyhow.
    moment = await plane.azure.visit(f"inside {found.cluster_id}")
    try:
        reply = answering.reply(found, asked, moment)
    except UnreachableError as error:
        if error.is_silent:
            await asyncio.sleep(_SILENCE_S)
        hang_up(request)
        return web.Response()
    if reply.watch is not None:
        return await _watched(plane, request, asked, reply.watch)
    return _sent(reply)


def _cluster(plane: Plane, name: str) -> Interior | None:
    world = plane.azure.world
    number = names.index(name, count=plane.recipe.cluster_count)
    cluster_id = None if number is None else world.cluster_id(number, plane.now())
    return None if cluster_id is None else clusters.interior(world, cluster_id)


def _sent(reply: Reply) -> web.Response:
    if reply.document is None:
        kind = "text/plain; charset=utf-8"
        headers = {"Content-Type": kind, "X-Content-Type-Options": "nosniff"}
        body = reply.text.encode()
    else:
        headers, body = {"Content-Type": "application/json"}, orjson.dumps(reply.document)
    headers |= {"Cache-Control": "no-cache, private", **reply.headers}
    return web.Response(status=reply.code, body=body, headers=headers)


async def _watched(
    plane: Plane, request: web.BaseRequest, asked: Request, watch: Watch
) -> web.StreamResponse:
    """Send events for as long as the client listens, or has asked for."""
    response = web.StreamResponse(headers={"Content-Type": "application/json"})
    response.enable_chunked_encoding()
    await response.prepare(request)
    text = asked.query.get("timeoutSeconds", "")
    lasts_s = min(int(text) if text.isdecimal() else _LONGEST_WATCH_S, _LONGEST_WATCH_S)
    has_bookmarks = asked.is_told("allowWatchBookmarks")
    marked_at = plane.now()
    try:
        async with asyncio.timeout(lasts_s):
            while not _has_left(request):
                now = plane.now()
                events = list(watch.news(now))
                if has_bookmarks and now - marked_at >= _BOOKMARKS_AFTER:
                    events.append(watch.bookmark(now))
                    marked_at = now
                await response.write(b"".join(_lines(events)))
                await _wait(plane)
            return response
    except TimeoutError:
        await response.write_eof()
    except ConnectionError:
        pass
    return response


def _has_left(request: web.BaseRequest) -> bool:
    return request.transport is None or request.transport.is_closing()


async def _wait(plane: Plane) -> None:
    # NB: a virtual clock's second costs nothing, a fast one's may not be told from none.
    await plane.clock.sleep(
        max(_LOOKS_AFTER, dt.timedelta(seconds=_LOOKS_AFTER_S * float(plane.scale)))
    )


def _lines(events: list[dict[str, object]]) -> Iterator[bytes]:
    for one in events:
        yield json.dumps(one, separators=(",", ":")).encode() + b"\n"
