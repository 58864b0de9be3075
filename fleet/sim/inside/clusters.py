"""The simulated clusters behind the engine's port: the same API, without a wire.

Errors:  :exc:`~fleet.errors.ClusterError` with the server's own words.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import json
from collections.abc import AsyncIterator, Mapping
from typing import Any, cast

from fleet.core import draws
from fleet.errors import ClusterError, LostClusterError
from fleet.model.cluster import ClusterId
from fleet.model.objects import Object, Resource
from fleet.ports import Clock
from fleet.sim.inside import answering, asking, patching
from fleet.sim.inside.answering import UnreachableError
from fleet.sim.inside.asking import ADMIN, Request
from fleet.sim.inside.replying import Reply
from fleet.sim.inside.view import Interior
from fleet.sim.ledger import Ledger
from fleet.sim.world import World

_PAGE = 500
_TRIES = 4
_PASSES = frozenset({429, 500, 503})
_NOT_FOUND = 404
_TIMEOUT = dt.timedelta(seconds=30)
_UNKNOWN_KIND = "the server could not find the requested resource"


def interior(world: World, cluster_id: ClusterId) -> Interior:
    """Return the inside of a cluster: the same for everybody who speaks to its world."""
    found = world.interiors.get(cluster_id)
    if found is None:
        cased = world.cased(cluster_id)
        found = world.interiors.setdefault(cased, Interior(world, cased))
    return cast("Interior", found)


class SimulatedClusters:
    """A world's clusters, by their own APIs: a :class:`fleet.ports.Clusters`."""

    def __init__(
        self,
        world: World,
        clock: Clock,
        *,
        store: Ledger | None = None,
        user: str = ADMIN,
        max_concurrency: int = 50,
    ) -> None:
        self.world = world
        self._clock = clock
        self._store = store
        self._user = user
        self._slots = asyncio.Semaphore(max_concurrency)

    @contextlib.asynccontextmanager
    async def open(self, cluster_id: ClusterId) -> AsyncIterator[SimulatedApi]:
        """Open a cluster."""
        async with self._slots:
            found = interior(self.world, cluster_id)
            yield SimulatedApi(found, self._clock, self._user, store=self._store)


class SimulatedApi:
    """One cluster's API: a :class:`fleet.ports.ClusterApi`."""

    def __init__(
        self, found: Interior, clock: Clock, user: str, *, store: Ledger | None = None
    ) -> None:
        self._store = store
        self._interior = found
        self._clock = clock
        self._count = 0
        token = asking.token(found.world.recipe.seed, user)
        self._headers = {"authorization": f"Bearer {token}"}

    async def get(
        self, resource: Resource, name: str, *, namespace: str | None = None
    ) -> Object | None:
        """Return one object; ``None`` where it, or its whole kind, is not there."""
        reply = await self._read(resource.path(namespace, name), {})
        return None if reply.code == _NOT_FOUND else _document(reply)

    async def items(
        self, resource: Resource, *, namespace: str | None = None, selector: str = ""
    ) -> AsyncIterator[Object]:
        """Yield the objects, page by page; none where the whole kind is not there."""
        query = {"limit": str(_PAGE)} | ({"labelSelector": selector} if selector else {})
        while True:
            reply = await self._read(resource.path(namespace), query)
            if reply.code == _NOT_FOUND:
                return
            page = _document(reply)
            for one in page["items"]:
                yield one
            token = page["metadata"].get("continue")
            if not token:
                return
            query["continue"] = token

    async def merge(
        self,
        resource: Resource,
        name: str,
        patch: Object,
        *,
        namespace: str | None = None,
        is_dry_run: bool = False,
    ) -> Object:
        """Send a JSON merge patch, and return the object as it is then."""
        path = resource.path(namespace, name)
        return _document(await self._sent("PATCH", path, _asked(is_dry_run), patch))

    async def create(
        self,
        resource: Resource,
        body: Object,
        *,
        namespace: str | None = None,
        is_dry_run: bool = False,
    ) -> Object:
        """Create an object, and return it."""
        path = resource.path(namespace)
        return _document(await self._sent("POST", path, _asked(is_dry_run), body))

    async def delete(self, resource: Resource, name: str, *, namespace: str | None = None) -> None:
        """Delete an object; one that is not there is no error."""
        reply = await self._sent("DELETE", resource.path(namespace, name), {}, None)
        if reply.code != _NOT_FOUND:
            _document(reply)

    async def _read(self, path: str, query: Mapping[str, str]) -> Reply:
        """Ask, and ask again where that may help."""
        for _ in range(_TRIES - 1):
            reply = await self._sent("GET", path, query, None)
            if reply.code not in _PASSES:
                return reply
            await self._clock.sleep(dt.timedelta(seconds=1))
        return await self._sent("GET", path, query, None)

    async def _sent(
        self, method: str, path: str, query: Mapping[str, str], body: Object | None
    ) -> Reply:
        await self._travel()
        form = {"content-type": patching.MERGE if method == "PATCH" else "application/json"}
        request = Request(
            method=method,
            path=path,
            query=query,
            headers=self._headers | form,
            body=b"" if body is None else json.dumps(body).encode(),
        )
        try:
            reply = self._answered(request)
        except UnreachableError as error:
            raise await self._lost(error) from None
        except LostClusterError:
            name = self._interior.cluster_id.rpartition("/")[2]
            message = f"{name}: no such host"
            raise ClusterError(message) from None
        await self._travel()
        return reply

    def _answered(self, request: Request) -> Reply:
        """Answer, and let what was changed be remembered before anybody hears of it."""
        found, store = self._interior, self._store
        world = found.world
        if store is None:
            return answering.reply(found, request, max(self._clock.now(), world.last_at))
        with store.alone():
            world.replay(store.news())
            known = len(world.edits(found.cluster_id))
            reply = answering.reply(found, request, max(self._clock.now(), world.last_at))
            for edit in world.edits(found.cluster_id)[known:]:
                store.append(edit)
        return reply

    async def _lost(self, error: UnreachableError) -> ClusterError:
        name = self._interior.cluster_id.rpartition("/")[2]
        if not error.is_silent:
            return ClusterError(f"{name}: connection refused")
        await self._clock.sleep(_TIMEOUT)
        return ClusterError(f"{name}: no answer within {_TIMEOUT.total_seconds():.0f} s")

    async def _travel(self) -> None:
        self._count += 1
        recipe = self._interior.world.recipe
        lot = ("inside", self._interior.cluster_id, self._count)
        call_ms = draws.between(recipe.call_ms.low, recipe.call_ms.high, recipe.seed, *lot)
        await self._clock.sleep(dt.timedelta(milliseconds=call_ms) / 2)


def _asked(is_dry_run: bool) -> Mapping[str, str]:
    return {"dryRun": "All"} if is_dry_run else {}


def _document(reply: Reply) -> dict[str, Any]:
    """Return what was answered, where it was no error."""
    document = dict(reply.document or {})
    if reply.code < 400:  # noqa: PLR2004 - HTTP's border
        return document
    raise ClusterError(document.get("message") or _UNKNOWN_KIND, status=reply.code)
