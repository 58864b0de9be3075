"""Visits to clusters: opened by the port, and asked who they are before anything else.

Every way into a cluster passes here, for it is one read and the same for all of them: looks, what
is foreseen, and what is changed. A port only opens what a name leads to.

Errors:  :exc:`~fleet.errors.WrongClusterError` where another cluster answers; others as
         :exc:`~fleet.errors.ClusterError`.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from http import HTTPStatus
from typing import NamedTuple

from fleet.core import nameplates
from fleet.core.nameplates import Plate
from fleet.errors import ClusterError, WrongClusterError
from fleet.model.cluster import ClusterId
from fleet.model.objects import Seen, Sight
from fleet.ports import ClusterApi, Clusters


class Visit(NamedTuple):
    """A cluster that is open, and is no other than the one that is meant."""

    api: ClusterApi
    known: Seen
    """What was read already."""
    doubt: str
    """Why nothing says that it is the one; empty: it says so."""


@contextlib.asynccontextmanager
async def visit(clusters: Clusters, cluster_id: ClusterId) -> AsyncIterator[Visit]:
    """Open a cluster, unless it is another."""
    async with clusters.open(cluster_id) as api:
        sight = await _plate(api)
        found = nameplates.recognized(sight, cluster_id)
        if found.plate is not None and not found.is_it:
            raise _another(cluster_id, found.plate)
        yield Visit(api, {nameplates.WANT: sight}, found.why)


async def _plate(api: ClusterApi) -> Sight:
    want = nameplates.WANT
    try:
        found = await api.get(want.resource, nameplates.NAME, namespace=want.namespace)
    except ClusterError as error:
        # NB: only who may never know is let in without. What did not answer may yet say otherwise.
        if error.status != HTTPStatus.FORBIDDEN:
            raise
        return Sight(error=error.message)
    return Sight(objects=() if found is None else (want.shape(found),))


def _another(cluster_id: ClusterId, found: Plate) -> WrongClusterError:
    name = cluster_id.rpartition("/")[2]
    message = f"cluster {name}: clusterAccess leads to another cluster: {found.words}"
    return WrongClusterError(message)
