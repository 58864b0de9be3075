"""The way into clusters where there is none."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator

from fleet.errors import ClusterError
from fleet.model.cluster import ClusterId
from fleet.ports import ClusterApi


class Nowhere:
    """Stands in for clusters where a plan says nothing of how they are reached."""

    @contextlib.asynccontextmanager
    async def open(self, cluster_id: ClusterId) -> AsyncIterator[ClusterApi]:
        """Say that there is no way in."""
        name = cluster_id.rpartition("/")[2]
        message = f"{name}: the plan file says nothing of how clusters are reached"
        raise ClusterError(message, hint="Add clusterAccess, or leave out what is done inside.")
        yield  # a context manager is a generator
