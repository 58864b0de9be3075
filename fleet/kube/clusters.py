"""The door: the way into clusters that a plan file names."""

from __future__ import annotations

from pathlib import Path

from fleet.model.inside import ClusterAccess
from fleet.net.network import Network
from fleet.ports import Clock, Clusters


def clusters_of(
    access: ClusterAccess, *, base: Path, clock: Clock, network: Network | None = None
) -> Clusters:
    """Return the way into clusters.

    NB: the first call takes a second, while the client is loaded: not to be made in the middle of
    a run, and not where no plan file reaches into clusters.

    Args:
        access: What the plan file says.
        base: Its directory: relative paths start there.
        clock: Waits between tries, and says when a credential has expired.
        network: The way where a kubeconfig names no proxy; ``None``: as the environment says.
    """
    from fleet.kube.visits import KubeClusters  # noqa: PLC0415 - see above

    return KubeClusters(access, base=base, clock=clock, network=network or Network())
