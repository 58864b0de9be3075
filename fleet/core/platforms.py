"""Whether a cluster has a node that an extension can run on, by what its nodes say of themselves.

Known only where the cluster itself was looked into: discovery tells nothing of nodes. A profile
that names no platforms, and a cluster whose nodes nobody saw, pass.
"""

from __future__ import annotations

from collections.abc import Iterable

from fleet.model.desired import Profile
from fleet.model.objects import Object, Resource, Seen, Want


def _platform(node: Object) -> str:
    info = node.get("status", {}).get("nodeInfo", {})
    return f"{info.get('operatingSystem', '?')}/{info.get('architecture', '?')}"


WANTS = (Want(resource=Resource("", "v1", "nodes"), shape=_platform),)


def seen(found: Seen) -> tuple[str, ...]:
    """Return the platforms of the nodes, each once; none where they may not be read."""
    return tuple(sorted({one for want in WANTS for one in found[want].objects}))


def unmet(profile: Profile, platforms: Iterable[str]) -> str:
    """Return why *profile*'s extension finds no node to run on; empty: it does, or nobody knows.

    Args:
        profile: What is known of the extension.
        platforms: Of the cluster's nodes, each as ``os/arch`` in the words of Kubernetes.

    >>> mesh = Profile(name="mesh", extension_type="Contoso.Mesh", instance_name=None,
    ...     namespace=None, platforms=("linux/amd64",))
    >>> unmet(mesh, ["linux/arm64", "windows/amd64"])[:45]
    'mesh needs a linux/amd64 node, and this clust'
    >>> unmet(mesh, []) + unmet(mesh, ["linux/arm64", "linux/amd64"])
    ''
    """
    there = {one.lower() for one in platforms}
    if not there or not profile.platforms or not there.isdisjoint(profile.platforms):
        return ""
    return (
        f"{profile.name} needs a {' or '.join(profile.platforms)} node, and this cluster has "
        f"{' and '.join(sorted(there))} nodes only: add such a node, or leave the cluster out"
    )
