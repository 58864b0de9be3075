"""A cluster's answers, recorded once and given again: by the port, or to whoever serves them.

What remains of a measurement then is the client's own.
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any

import orjson

from fleet.model.cluster import ClusterId
from fleet.model.objects import Object, Resource
from fleet.ports import ClusterApi

PAGE = 500
"""Objects of a page, as :mod:`fleet.kube` asks for them; its modules are not loaded for that."""
ABSENT = orjson.dumps(
    {"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "NotFound", "code": 404}
)


@dataclasses.dataclass(kw_only=True)
class Record:
    """Answers, by what was asked."""

    objects: dict[str, bytes | None] = dataclasses.field(default_factory=dict)
    """``{path: body}``; ``None``: it was not there."""
    pages: dict[tuple[str, str], list[bytes]] = dataclasses.field(default_factory=dict)
    """``{(path, selector): bodies of its pages}``."""
    writes: dict[tuple[str, str], bytes] = dataclasses.field(default_factory=dict)
    """``{(method, path): body}``."""

    @property
    def request_count(self) -> int:
        """Requests that it takes to ask for everything once."""
        return len(self.objects) + sum(map(len, self.pages.values())) + len(self.writes)

    @property
    def size(self) -> int:
        """Bytes of all answers."""
        every = [*self.objects.values(), *self.writes.values()]
        listed = sum(len(one) for pages in self.pages.values() for one in pages)
        return listed + sum(len(one) for one in every if one)

    def reply(self, path: str, selector: str, token: str) -> tuple[int, bytes]:
        """Return what a read is answered."""
        pages = self.pages.get((path, selector))
        if pages is not None:
            return 200, pages[int(token or 0)]
        body = self.objects[path]
        return (404, ABSENT) if body is None else (200, body)

    def crowded(self, count: int, *, each: int) -> Record:
        """Return it with *count* pods in the mesh of *each* bytes, of ten replicas a workload."""
        key, pages = next(
            (key, pages) for key, pages in self.pages.items() if key[1] == "osm-proxy-uuid"
        )
        pod = orjson.loads(pages[0])["items"][0]
        return dataclasses.replace(
            self, pages={**self.pages, key: paged(_pods(pod, count, each), key[0])}
        )


def _pods(pod: dict[str, Any], count: int, each: int) -> Iterator[dict[str, Any]]:
    # NB: a real pod's bulk: environment, mounts, conditions, and who manages which field.
    lack = max(each - len(orjson.dumps(pod)), 0)
    bulk = [{"manager": f"m{n}", "fieldsV1": {f"f:k{k}": {} for k in range(10)}} for n in range(99)]
    some = bulk[: lack // len(orjson.dumps(bulk[0]))]
    for number in range(count):
        name = f"app{number // 10}-5d8f9c7b6-{number:05x}"
        yield {**pod, "metadata": {**pod["metadata"], "name": name, "managedFields": some}}


def paged(found: Iterator[dict[str, Any]] | list[dict[str, Any]], path: str) -> list[bytes]:
    """Return the bodies of a list's pages."""
    every = list(found)
    kind = path.rpartition("/")[2]
    starts = range(0, max(len(every), 1), PAGE)
    bodies = []
    for number, start in enumerate(starts, 1):
        more = {"continue": str(number)} if start + PAGE < len(every) else {}
        page = {"kind": f"{kind}List", "apiVersion": "v1", "metadata": more}
        bodies.append(orjson.dumps({**page, "items": every[start : start + PAGE]}))
    return bodies


@dataclasses.dataclass(frozen=True, slots=True)
class Recording:
    """Speaks to a cluster, and writes down what it says: a :class:`fleet.ports.ClusterApi`."""

    api: ClusterApi
    record: Record

    async def get(
        self, resource: Resource, name: str, *, namespace: str | None = None
    ) -> Object | None:
        """Return one object."""
        found = await self.api.get(resource, name, namespace=namespace)
        path = resource.path(namespace, name)
        self.record.objects[path] = None if found is None else orjson.dumps(found)
        return found

    async def items(
        self, resource: Resource, *, namespace: str | None = None, selector: str = ""
    ) -> AsyncIterator[Object]:
        """Yield the objects."""
        path = resource.path(namespace)
        listed = self.api.items(resource, namespace=namespace, selector=selector)
        every: list[Any] = [one async for one in listed]
        self.record.pages[path, selector] = paged(every, path)
        for one in every:
            yield one

    async def merge(
        self, resource: Resource, name: str, patch: Object, *, namespace: str | None = None,
        is_dry_run: bool = False,
    ) -> Object:  # fmt: skip
        """Send a patch."""
        found = await self.api.merge(
            resource, name, patch, namespace=namespace, is_dry_run=is_dry_run
        )
        self.record.writes["PATCH", resource.path(namespace, name)] = orjson.dumps(found)
        return found

    async def create(self, *args: Any, **more: Any) -> Object:
        """Not recorded."""
        raise NotImplementedError

    async def delete(self, *args: Any, **more: Any) -> None:
        """Not recorded."""
        raise NotImplementedError


@dataclasses.dataclass(frozen=True, slots=True)
class Canned:
    """Clusters that all answer alike: a :class:`fleet.ports.Clusters` and each one's API."""

    record: Record

    @contextlib.asynccontextmanager
    async def open(self, cluster_id: ClusterId) -> AsyncIterator[ClusterApi]:
        """Open one."""
        del cluster_id
        yield self

    async def get(
        self, resource: Resource, name: str, *, namespace: str | None = None
    ) -> Object | None:
        """Return one object."""
        body = self.record.objects[resource.path(namespace, name)]
        return None if body is None else _parsed(body)

    async def items(
        self, resource: Resource, *, namespace: str | None = None, selector: str = ""
    ) -> AsyncIterator[Object]:
        """Yield the objects."""
        for body in self.record.pages[resource.path(namespace), selector]:
            for one in _parsed(body)["items"]:
                yield one

    async def merge(
        self, resource: Resource, name: str, patch: Object, *, namespace: str | None = None,
        is_dry_run: bool = False,
    ) -> Object:  # fmt: skip
        """Return what was returned once."""
        del patch, is_dry_run
        return _parsed(self.record.writes["PATCH", resource.path(namespace, name)])

    async def create(self, *args: Any, **more: Any) -> Object:
        """Not recorded."""
        raise NotImplementedError

    async def delete(self, *args: Any, **more: Any) -> None:
        """Not recorded."""
        raise NotImplementedError


def _parsed(body: bytes) -> Mapping[str, Any]:
    found: Mapping[str, Any] = orjson.loads(body)
    return found
