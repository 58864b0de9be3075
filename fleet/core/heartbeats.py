"""Whether the word "Connected" is believed when a plan is made.

The service calls a cluster connected for 15 minutes after its agents were last
heard of, and the index that discovery reads may lag behind it. So a cluster
counts as connected only where it had a heartbeat, and its last one is young
enough at the moment of reading, by the service's own clock; otherwise it is what
the service will call it soon: offline. Where no heartbeat at all is young, it is the index or
the clock that is late, and nothing is concluded of any single cluster.

A plan made this way only decides who is tried last: before a late cluster is
written to, Resource Manager is asked, whose word then counts.

Source:  connectivityStatus Connected: a heartbeat within 15 minutes; agents send one every 5.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Sequence

from fleet.model.cluster import Cluster, Connectivity

HEARTBEAT_LIMIT = dt.timedelta(minutes=15)
MARGIN = dt.timedelta(minutes=5)
"""For the way of a heartbeat into the index."""
_MINUTES = (HEARTBEAT_LIMIT + MARGIN) // dt.timedelta(minutes=1)
_NAMED = 3
_ALL_LATE = (
    f"no cluster was heard of within the last {_MINUTES} minutes: what was discovered seems to be "
    "late, so those that are called Connected are believed to be"
)


def weighed(
    clusters: Sequence[Cluster], *, read_at: dt.datetime | None
) -> tuple[Sequence[Cluster], tuple[str, ...]]:
    """Return *clusters* with those taken as offline that were silent too long, and warnings.

    Args:
        clusters: As discovery returned them.
        read_at: When that was, by the clock that heartbeats go by; ``None``: all are believed.
    """
    if read_at is None:
        return clusters, ()
    oldest = read_at - HEARTBEAT_LIMIT - MARGIN
    connected = [one for one in clusters if one.is_reachable]
    silent = [one for one in connected if _is_silent(one, oldest)]
    if not silent:
        return clusters, ()
    if len(silent) == len(connected):
        return clusters, (_ALL_LATE,)
    weighed = [
        dataclasses.replace(one, connectivity=Connectivity.OFFLINE)
        if one.is_reachable and _is_silent(one, oldest)
        else one
        for one in clusters
    ]
    return weighed, (_some_silent(silent),)


def _is_silent(cluster: Cluster, oldest: dt.datetime) -> bool:
    heard_at = cluster.last_connectivity_at
    return heard_at is None or heard_at < oldest


def _some_silent(silent: Sequence[Cluster]) -> str:
    names = ", ".join(sorted(one.name for one in silent)[:_NAMED])
    more = f" and {len(silent) - _NAMED} more" if len(silent) > _NAMED else ""
    return (
        f"{names}{more}: called Connected, and not heard of for more than {_MINUTES} minutes: "
        "taken as Offline"
    )
