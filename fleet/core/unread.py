"""Extensions of which the service says something that cannot be read: whom they stop, and whom not.

One that may be the plan's stops its cluster, since nobody knows what is there.
Of all others the plan only says how many there are.
"""

from __future__ import annotations

from collections.abc import Iterable

from fleet.model.cluster import Cluster, UnreadExtension
from fleet.model.desired import Desired


def trouble(cluster: Cluster, desired: Desired) -> str:
    """Say what on *cluster* cannot be read and may be what is meant; empty: nothing."""
    for one in cluster.unread:
        if _may_be_meant(one, desired):
            return f"what Azure says of {_named(one)} cannot be read: {one.why}"
    return ""


def warnings(
    clusters: Iterable[Cluster], desired: Desired, *, are_meant: bool = False
) -> tuple[str, ...]:
    """Return a warning of what cannot be read on *clusters*.

    Args:
        clusters: Where to look.
        desired: What is meant.
        are_meant: Which of them to tell of: those that may be what is meant, or all others.
    """
    found = [
        (cluster, one)
        for cluster in clusters
        for one in cluster.unread
        if _may_be_meant(one, desired) is are_meant
    ]
    if not found:
        return ()
    cluster, one = found[0]
    whose = desired.profile.extension_type if are_meant else "other extensions"
    count = len({cluster.id for cluster, _ in found})
    where = f"{len(found)} on {count} of the clusters"
    example = f"{_named(one)} on {cluster.name}: {one.why}"
    return (f"what Azure says of {whose} cannot be read: {where}, such as {example}",)


def _may_be_meant(one: UnreadExtension, desired: Desired) -> bool:
    wanted = desired.profile.extension_type.lower()
    if one.extension_type is not None and one.extension_type.lower() == wanted:
        return True
    if one.name is not None and one.name.lower() == desired.name.lower():
        return True
    if one.extension_type is None and one.name is not None:
        # Where there can be one instance only, it may be that one, under another name.
        return desired.profile.has_one_instance
    return one.extension_type is None


def _named(one: UnreadExtension) -> str:
    return f"extension {one.name}" if one.name else "an extension"
