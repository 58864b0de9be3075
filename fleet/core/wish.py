"""What a plan file means for one cluster, with everything that depends on the cluster filled in."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from fleet.core.catalogue import Catalogue
from fleet.model import versions
from fleet.model.cluster import AutoUpgrade, Cluster, Extension
from fleet.model.desired import Desired
from fleet.model.versions import Version

DEFAULT_TRAIN = "stable"
# Source: the service defaults to "Stable", and compares trains without case.
LATEST = "latest"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """How one extension shall be."""

    version: Version | None
    """``None``: the plan file names none."""
    auto_upgrade: AutoUpgrade | None
    """``None``: left as it is."""
    train: str
    settings: Mapping[str, str]
    """The keys that the plan file owns on this cluster."""


def train_of(desired: Desired, found: Extension | None) -> str:
    """Return the release train that versions are looked up in."""
    return desired.release_train or (found.release_train if found else "") or DEFAULT_TRAIN


def wish(desired: Desired, cluster: Cluster, found: Extension | None, offer: Catalogue) -> Wish:
    """Return what *desired* means for *cluster*."""
    version = _version(desired, found, offer)
    pinned = AutoUpgrade.NONE if version is not None else None
    needed = desired.profile.distribution_settings.get(cluster.distribution.lower(), {})
    return Wish(
        version=version,
        auto_upgrade=desired.auto_upgrade if version is None else pinned,
        train=train_of(desired, found),
        settings={**needed, **desired.settings} if needed else desired.settings,
    )


def _version(desired: Desired, found: Extension | None, offer: Catalogue) -> Version | None:
    if desired.version == LATEST:
        return _newest(found, offer)
    if desired.version is not None:
        wanted = versions.parse(desired.version)
        return offer.find(wanted) or wanted
    if desired.auto_upgrade is AutoUpgrade.NONE and found and found.installed_version:
        # Auto-upgrade can only be off for a version, so "none" alone means: stay where you are.
        return versions.parse_or_none(found.installed_version)
    return None


def _newest(found: Extension | None, offer: Catalogue) -> Version | None:
    """Return the latest version, or the installed one where that is newer still."""
    latest = offer.latest()
    current = versions.parse_or_none(found.installed_version or "") if found else None
    if latest is None or current is None or not offer.has(current):
        return latest
    return max(
        latest, current, key=lambda one: versions.key(one, order=offer.profile.version_order)
    )
