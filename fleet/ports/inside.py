"""The Kubernetes API of clusters, as little of it as is used.

Objects are JSON as the server sends it. A cluster is opened, spoken to and
closed again: nothing of it is kept meanwhile, and no more are open than the
plan file allows.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from fleet.model.cluster import ClusterId
from fleet.model.objects import Object, Resource


class ClusterApi(Protocol):
    """One cluster's API. Reads are tried again where that may help; a write is sent once.

    Raises:
        ClusterError: The server refused, or could not be reached. Its message is the server's own.
    """

    async def get(
        self, resource: Resource, name: str, *, namespace: str | None = None
    ) -> Object | None:
        """Return one object; ``None`` where it, or its whole kind, is not there."""

    def items(
        self, resource: Resource, *, namespace: str | None = None, selector: str = ""
    ) -> AsyncIterator[Object]:
        """Yield the objects, page by page; none where the whole kind is not there.

        Args:
            resource: Which kind.
            namespace: Where; ``None``: everywhere.
            selector: Of labels, as kubectl takes it.
        """

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

    async def create(
        self,
        resource: Resource,
        body: Object,
        *,
        namespace: str | None = None,
        is_dry_run: bool = False,
    ) -> Object:
        """Create an object, and return it."""

    async def delete(self, resource: Resource, name: str, *, namespace: str | None = None) -> None:
        """Delete an object; one that is not there is no error."""


class Clusters(Protocol):
    """The way into clusters."""

    def open(self, cluster_id: ClusterId) -> AbstractAsyncContextManager[ClusterApi]:
        """Open what its name leads to; waits while as many as may be are open.

        NB: the engine goes in by :mod:`fleet.engine.visiting`, which asks whether it is that one.

        Raises:
            ClusterError: There is no way in; the message says what was tried.
        """
