"""The tag with which its owner keeps a cluster as it is: ``rollout=hold``.

Nothing that a plan file or a command says goes before it: to let go of a
cluster, edit its tag.
"""

from __future__ import annotations

from collections.abc import Iterable

from fleet.core import labels
from fleet.model.cluster import Cluster
from fleet.model.plan import Action, Target

TAG = "rollout"
WORD = "hold"
_NAMED = 10


def is_held(cluster: Cluster) -> bool:
    """Tell whether *cluster* is tagged to be left alone."""
    return labels.value(cluster, labels.TAG + TAG).strip() == WORD


def reason(action: Action) -> str:
    """Return why *action* is not taken."""
    would = f"; would {action}" if action.is_change else ""
    return f"held by its tag {TAG}={WORD}{would}"


def warnings(judged: Iterable[tuple[Cluster, Target]]) -> tuple[str, ...]:
    """Return a line that names the clusters that are held back from a change."""
    held = [
        cluster.name
        for cluster, target in judged
        if target.action is Action.SKIP and is_held(cluster)
    ]
    if not held:
        return ()
    names = ", ".join(held[:_NAMED])
    names += f" and {len(held) - _NAMED} more" if len(held) > _NAMED else ""
    whose = "1 cluster is" if len(held) == 1 else f"{len(held)} clusters are"
    return (f"{whose} held by the tag {TAG}={WORD} and not changed: {names}",)
