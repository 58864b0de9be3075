"""Which platforms a cluster's nodes have, and whether an extension runs on any of them."""

from __future__ import annotations

from fleet.model.desired import Profile
from fleet.model.objects import Object, Resource, Seen, Want


def _platform(node: Object) -> str:
    """Return a node's platform, as images name theirs."""
    info = node.get("status", {}).get("nodeInfo", {})
    return f"{info.get('operatingSystem', '?')}/{info.get('architecture', '?')}"


WANTS = (Want(resource=Resource("", "v1", "nodes"), shape=_platform),)


def seen(found: Seen) -> tuple[str, ...]:
    """Return the platforms of the nodes, each once; none where they may not be read."""
    return tuple(sorted({one for want in WANTS for one in found[want].objects}))


def unmet(profile: Profile, platforms: tuple[str, ...]) -> str:
    """Say what *profile* needs of nodes and a cluster has not; empty: nothing, or not known."""
    return ""
