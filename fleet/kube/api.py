"""One cluster's API, as :class:`fleet.ports.ClusterApi` has it.

Errors:  :exc:`ClusterError`, which begins with the cluster's name.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import quote

from fleet.errors import ClusterError
from fleet.kube import answers, reads
from fleet.kube.exchanges import Reply, Request, Unanswered
from fleet.kube.listing import Listing
from fleet.kube.wire import Wire
from fleet.model.objects import Object, Resource
from fleet.ports import Clock

PAGE = 500
"""Objects of one page, as kubectl asks for them."""
_MERGE = "application/merge-patch+json"
_MANAGER = ("fieldManager", "fleet")
_DRY = ("dryRun", "All")


class Api:
    """Implements the port over one open connection."""

    def __init__(self, wire: Wire, who: str, clock: Clock) -> None:
        self._wire = wire
        self._who = who
        self._clock = clock

    async def get(
        self, resource: Resource, name: str, *, namespace: str | None = None
    ) -> Object | None:
        """Return one object; ``None`` where it, or its whole kind, is not there."""
        request = _request("GET", resource, "get", name=name, namespace=namespace)
        reply = await self._read(request)
        return None if answers.is_absent(reply) else self._value(reply, request)

    async def items(
        self, resource: Resource, *, namespace: str | None = None, selector: str = ""
    ) -> AsyncIterator[Object]:
        """Yield the objects, page by page; none where the whole kind is not there.

        As :class:`~fleet.kube.listing.Listing` reads them.
        """
        listing = Listing(
            self._wire, self._clock, functools.partial(_listing, resource, namespace, selector)
        )
        try:
            async with contextlib.aclosing(listing.objects()) as found:
                async for one in found:
                    yield one
                    # NB: else it would be kept until the next one has come.
                    del one
        except ClusterError as error:
            raise of(error, self._who) from None
        except Unanswered as error:
            raise ClusterError(f"{self._who}: {error.why}", hint=error.hint) from None

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
        request = _request(
            "PATCH",
            resource,
            "patch",
            name=name,
            namespace=namespace,
            query=_written(is_dry_run=is_dry_run),
            body=patch,
            kind=_MERGE,
        )
        return self._value(await self._write(request), request)

    async def create(
        self,
        resource: Resource,
        body: Object,
        *,
        namespace: str | None = None,
        is_dry_run: bool = False,
    ) -> Object:
        """Create an object, and return it."""
        request = _request(
            "POST",
            resource,
            "create",
            namespace=namespace,
            query=_written(is_dry_run=is_dry_run),
            body=body,
        )
        return self._value(await self._write(request), request)

    async def delete(self, resource: Resource, name: str, *, namespace: str | None = None) -> None:
        """Delete an object; one that is not there is no error."""
        request = _request("DELETE", resource, "delete", name=name, namespace=namespace)
        reply = await self._write(request)
        if not answers.is_absent(reply):
            self._value(reply, request)

    async def _read(self, request: Request) -> Reply:
        try:
            return await reads.reading(self._wire.exchange, request, clock=self._clock)
        except Unanswered as error:
            raise ClusterError(f"{self._who}: {error.why}", hint=error.hint) from None

    async def _write(self, request: Request) -> Reply:
        try:
            return await self._wire.exchange(request)
        except Unanswered as error:
            raise ClusterError(f"{self._who}: {error.why}", hint=error.hint) from None

    def _value(self, reply: Reply, request: Request) -> Object:
        try:
            return answers.value(reply, request)
        except ClusterError as error:
            raise of(error, self._who) from None


def of(error: ClusterError, who: str) -> ClusterError:
    """Return *error* with the cluster's name before it."""
    return ClusterError(
        f"{who}: {error.message}",
        hint=error.hint,
        status=error.status,
        retry_after_s=error.retry_after_s,
    )


def _written(*, is_dry_run: bool) -> tuple[tuple[str, str], ...]:
    return (_MANAGER, _DRY) if is_dry_run else (_MANAGER,)


def _listing(resource: Resource, namespace: str | None, selector: str, token: str) -> Request:
    query = [("limit", str(PAGE))]
    if selector:
        query.append(("labelSelector", selector))
    if token:
        query.append(("continue", token))
    return _request("GET", resource, "list", namespace=namespace, query=tuple(query))


def _request(
    method: str,
    resource: Resource,
    verb: str,
    *,
    name: str | None = None,
    namespace: str | None = None,
    **more: Any,
) -> Request:
    # NB: quoted: a name with a slash in it would be another path.
    inside = quote(namespace, safe="") if namespace else None
    called = quote(name, safe="") if name else None
    what = f"{verb} of {resource.plural}" + (f" {name}" if name else "")
    return Request(
        method=method,
        path=resource.path(inside, called),
        what=f"{what} in {namespace}" if namespace else what,
        **more,
    )
