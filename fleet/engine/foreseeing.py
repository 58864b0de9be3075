"""What a plan would do inside clusters, looked at before anything is done: reads and dry runs.

Some clusters at a time, however many there are: the port says how many may be open.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Mapping, Sequence

from fleet.core import platforms, works
from fleet.engine.editing import carried_out
from fleet.engine.gathering import gathered
from fleet.engine.visiting import visit
from fleet.errors import ClusterError, WrongClusterError
from fleet.model.cluster import Cluster, ClusterId
from fleet.model.inside import Outlook, Work, WorkKind
from fleet.model.objects import Seen
from fleet.ports import ClusterApi, Clusters

_TOKEN = "plan"  # noqa: S105 - marks restarts that are only shown
_REFUSED = range(400, 500)


async def foreseen(
    clusters: Sequence[Cluster], wished: Sequence[Work], *, port: Clusters, width: int
) -> Mapping[ClusterId, Outlook]:
    """Look inside *clusters*, and return what was seen of each.

    Args:
        clusters: Whom to look at; those that are not connected are left out.
        wished: What the plan file wants inside.
        port: The way in.
        width: How many are looked at at once.
    """
    found: dict[ClusterId, Outlook] = {}
    waiting = iter([one for one in clusters if one.is_reachable])
    async with asyncio.TaskGroup() as tasks:
        for _ in range(width):
            tasks.create_task(_work_off(waiting, wished, port, found))
    return found


async def _work_off(
    waiting: Iterator[Cluster],
    wished: Sequence[Work],
    port: Clusters,
    found: dict[ClusterId, Outlook],
) -> None:
    for cluster in waiting:
        found[cluster.id] = await _outlook(cluster, wished, port)


async def _outlook(cluster: Cluster, wished: Sequence[Work], port: Clusters) -> Outlook:
    try:
        async with visit(port, cluster.id) as (api, _, doubt):
            wants = [want for work in wished for want in works.wants(work)]
            seen = await gathered(api, (*platforms.WANTS, *wants))
            refused = await _refused(api, wished, seen)
    except WrongClusterError as error:
        told = _told(error, cluster)
        return Outlook(is_seen=False, why_not=told, refused=told)
    except ClusterError as error:
        return Outlook(is_seen=False, why_not=_told(error, cluster))
    ready = [work for work in wished if not works.blocked(work, seen)]
    return Outlook(
        is_seen=True,
        why_not=_unreadable(wished, seen),
        changes={work.kind: _changes(work, seen) for work in ready},
        undo={work.kind: back for work in ready if (back := works.undo(work, seen)) is not None},
        refused=refused,
        platforms=platforms.seen(seen),
        doubt=doubt,
    )


def _told(error: ClusterError, cluster: Cluster) -> str:
    """Return an error's words without the cluster's name: those of many are told together."""
    return error.message.removeprefix("cluster ").removeprefix(f"{cluster.name}: ")


def _unreadable(wished: Sequence[Work], seen: Seen) -> str:
    """Return why something that is wanted may not be read; empty: all of it may."""
    wants = (want for work in wished for want in works.wants(work))
    return next((error for want in wants if (error := seen[want].error)), "")


def _changes(work: Work, seen: Seen) -> works.Changes:
    """Return what would change; what no path tells of is told by the work's kind."""
    told = works.changes(work, seen)
    if told or not works.edits(work, seen, token=_TOKEN):
        return told
    return ((work.kind.value, "in part", "whole"),)


async def _refused(api: ClusterApi, wished: Iterable[Work], seen: Seen) -> str:
    """Return what the server says of a dry run that it refuses; empty: it refuses none."""
    for work in wished:
        if works.blocked(work, seen) or work.kind is WorkKind.RESTART:
            continue
        try:
            await carried_out(api, works.edits(work, seen, token=_TOKEN), is_dry_run=True)
        except ClusterError as error:
            if error.status not in _REFUSED:
                raise
            return error.message
    return ""
