"""A mesh's configuration: the merge patch of its ``spec``, as far as it is not so yet.

Source:  openservicemesh/osm, cmd/osm-bootstrap: the object is made once, from the chart's preset,
         and never touched again: so later settings of the chart do not get there, and this does.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from typing import Any

from fleet.core.chain import canonical
from fleet.core.works import meshfields, patches, sights
from fleet.model.inside import Work
from fleet.model.objects import Edit, EditKind, Object, Resource, Seen, Want

NAME = "osm-mesh-config"
GROUP = "config.openservicemesh.io"
# Source: the resource's definition: 1.1 and later serve both and store the first, 1.0 and earlier
# have the second alone. A field that only v1alpha2 knows is lost by the way of the other.
VERSIONS = ("v1alpha2", "v1alpha1")
RESOURCES = tuple(Resource(GROUP, version, "meshconfigs") for version in VERSIONS)


def wants(work: Work) -> tuple[Want, ...]:
    """Return the object, in each version that may be served."""
    return tuple(
        Want(
            resource=resource,
            name=NAME,
            namespace=work.namespace,
            shape=spec_of,
        )
        for resource in RESOURCES
    )


def spec_of(found: Object) -> Mapping[str, Any]:
    """Return the part of the object that is configuration."""
    return sights.below(found, "spec")


def present(work: Work, seen: Seen) -> tuple[Resource, Mapping[str, Any]] | None:
    """Return where it is served, and its ``spec``; ``None``: it is not there."""
    for want in wants(work):
        if (spec := sights.one(seen, want)) is not None:
            return want.resource, spec
    return None


def blocked(work: Work, seen: Seen) -> str:
    """Return why it cannot be configured."""
    found = present(work, seen)
    if found is None:
        missing = f"there is no MeshConfig {NAME} in {work.namespace}: the mesh is not up"
        return sights.unread(seen, wants(work)) or missing
    resource, _ = found
    lost = list(meshfields.too_new(_patch(work))) if resource.version == VERSIONS[-1] else []
    if not lost:
        return ""
    return f"this cluster's MeshConfig has no {' and no '.join(lost)}: the mesh is older than 1.1"


def edits(work: Work, seen: Seen, *, token: str) -> tuple[Edit, ...]:  # noqa: ARG001
    """Return the fields that differ, as one patch."""
    found = present(work, seen)
    if found is None:
        return ()
    resource, spec = found
    rest = patches.remainder(spec, _patch(work))
    if not rest:
        return ()
    edit = Edit(
        kind=EditKind.MERGE,
        resource=resource,
        name=NAME,
        namespace=work.namespace,
        body={"spec": rest},
    )
    return (edit,)


def changes(work: Work, seen: Seen) -> tuple[tuple[str, str | None, str | None], ...]:
    """Return each field that changes; where there is no mesh yet, all of them."""
    spec = _spec(work, seen)
    return tuple(
        (".".join(("meshConfig", *path)), patches.shown(before), patches.shown(after))
        for path, before, after in patches.leaves(spec, _patch(work))
    )


def undo(work: Work, seen: Seen) -> Work | None:
    """Return the fields as they were, those that were not there as ``null``."""
    found = present(work, seen)
    back = patches.way_back(found[1], _patch(work)) if found else {}
    return dataclasses.replace(work, patch=canonical(back).decode()) if back else None


def pending(work: Work, seen: Seen, *, token: str) -> str:  # noqa: ARG001
    """Return nothing: the mesh reads it at once."""
    return ""


def _spec(work: Work, seen: Seen) -> Mapping[str, Any]:
    found = present(work, seen)
    return found[1] if found else {}


def _patch(work: Work) -> Mapping[str, Any]:
    patch: Mapping[str, Any] = json.loads(work.patch or "{}")
    return patch
