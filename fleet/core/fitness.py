"""Whether a cluster is one that a version runs on: its kind, its distribution, its Kubernetes.

Judged only as far as the service tells: a cluster whose Kubernetes is not
known, and a version of which no limits are, pass.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from fleet.core import facts
from fleet.core.catalogue import Catalogue
from fleet.model import versions
from fleet.model.cluster import Cluster, Extension, VersionLimits
from fleet.model.plan import Step
from fleet.model.versions import Version

_CLUSTER_TYPE = "connectedclusters"


def unfit(
    cluster: Cluster, found: Extension | None, steps: Sequence[Step], offer: Catalogue
) -> str:
    """Return why a version that *steps* bring cannot run on *cluster*; empty: nothing says so."""
    for version in _brought(found, steps, offer) if offer.limits else ():
        known = offer.find(version) or version
        reason = _reason(cluster, version.text, offer.limits.get(known.text, VersionLimits()))
        if reason:
            return reason
    return ""


def _brought(found: Extension | None, steps: Sequence[Step], offer: Catalogue) -> Iterable[Version]:
    """Yield the versions that are not there yet; what is pinned where it stands, runs already."""
    is_sound = found is not None and not facts.is_failed(found)
    there = versions.parse_or_none(found.installed_version or "") if found and is_sound else None
    for step in steps:
        version = versions.parse_or_none(step.version or "")
        if version and (there is None or offer.compare(version, there) != 0):
            yield version


def _reason(cluster: Cluster, version: str, limits: VersionLimits) -> str:
    if limits.cluster_types and _CLUSTER_TYPE not in limits.cluster_types:
        return f"version {version} is not made for connected clusters"
    kubernetes = versions.parse_or_none(cluster.kubernetes_version or "")
    if kubernetes is None:
        return ""
    distribution = cluster.distribution.lower()
    for one in limits.unsupported:
        if one.distributions and distribution not in one.distributions:
            continue
        for text in one.ranges:
            if versions.is_in_range(kubernetes, text):
                where = f"{distribution} clusters" if one.distributions else "any cluster"
                return (
                    f"version {version} does not support Kubernetes {kubernetes.text}: "
                    f"the service excludes {text} on {where}"
                )
    return ""
