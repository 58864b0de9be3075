"""Reading what is wanted of a cluster, each want once, one after another.

One kind that may not be read leaves the others as they are: its sight holds the reason.
"""

from __future__ import annotations

from collections.abc import Iterable

from fleet.errors import ClusterError
from fleet.model.objects import Seen, Sight, Want
from fleet.ports import ClusterApi


async def gathered(api: ClusterApi, wants: Iterable[Want], *, known: Seen | None = None) -> Seen:
    """Return what is seen of *wants*.

    Args:
        api: The cluster's.
        wants: What to read.
        known: What was read of it already, and is not read again.

    Raises:
        ClusterError: The cluster does not answer at all.
    """
    known = known or {}
    return {want: known.get(want) or await _sight(api, want) for want in dict.fromkeys(wants)}


async def _sight(api: ClusterApi, want: Want) -> Sight:
    try:
        return Sight(objects=await _objects(api, want))
    except ClusterError as error:
        if error.status is None:
            raise
        return Sight(error=error.message)


async def _objects(api: ClusterApi, want: Want) -> tuple[object, ...]:
    if want.name is not None:
        found = await api.get(want.resource, want.name, namespace=want.namespace)
        return () if found is None else (want.shape(found),)
    items = api.items(want.resource, namespace=want.namespace, selector=want.selector)
    kept: list[object] = []
    async for one in items:
        kept.append(want.shape(one))
        # NB: else it would be kept while the next page comes.
        del one
    return tuple(kept)
