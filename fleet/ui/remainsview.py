"""How many clusters still have an extension, in a line and as a document."""

from __future__ import annotations

from typing import Any

from fleet.core.remains import Remains
from fleet.model.desired import Profile
from fleet.ui.tables import Table


def line(found: Remains, profile: Profile, *, verb: str = "have") -> str:
    """Return the count in one line."""
    noun = "cluster" if found.cluster_count == 1 else "clusters"
    told = ", ".join(f"{_named(version)} ({count})" for version, count in found.by_version)
    tail = f": {told}" if told else ""
    return f"{profile.name}: {found.present_count} of {found.cluster_count} {noun} {verb} it{tail}"


def table(found: Remains) -> Table:
    """Return one row a version."""
    rows = [(_named(version), str(count)) for version, count in found.by_version]
    return Table(header=("version", "clusters"), rows=rows, numbers=frozenset({"clusters"}))


def document(found: Remains, profile: Profile) -> dict[str, Any]:
    """Return it as JSON values; its keys are part of what is published."""
    return {
        "profile": profile.name,
        "extensionType": profile.extension_type,
        "notice": profile.notice,
        "clusterCount": found.cluster_count,
        "presentCount": found.present_count,
        "byVersion": [
            {"version": version or None, "clusterCount": count}
            for version, count in found.by_version
        ],
    }


def _named(version: str) -> str:
    return version or "version not shown"
