"""Looks at labels of namespaces: who is in the mesh, and who may never be."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from fleet.core.looks import digging
from fleet.core.looks.subject import Finding, Look, Subject, failed, passed, place, some, words
from fleet.model.inside import CheckRule
from fleet.model.objects import Object, Resource, Seen, Want

NAMESPACES = Resource("", "v1", "namespaces")

# Source: openservicemesh/osm, pkg/constants.
MONITORED = "openservicemesh.io/monitored-by"
INJECTION = "openservicemesh.io/sidecar-injection"
IGNORE = "openservicemesh.io/ignore"
_YES = ("enabled", "yes", "true")


class NamespaceSight(NamedTuple):
    """A namespace, as far as the mesh goes."""

    name: str
    mesh: str
    """Whose it is; empty: nobody's."""
    injection: str
    is_ignored: bool

    @property
    def is_injected(self) -> bool:
        """Whether new pods there get a sidecar."""
        return bool(self.mesh) and self.injection.lower() in _YES and not self.is_ignored


def namespace(found: Object) -> NamespaceSight:
    """Keep of a namespace whether it is in the mesh."""
    labels = digging.labels(found)
    return NamespaceSight(
        name=digging.name(found),
        mesh=labels.get(MONITORED, ""),
        injection=digging.notes(found).get(INJECTION, ""),
        # Source: the webhook's selector: the label alone counts, whatever its value.
        is_ignored=IGNORE in labels,
    )


MESHED = Want(resource=NAMESPACES, selector=MONITORED, shape=namespace)


def _wants_meshed(rule: CheckRule, subject: Subject, seen: Seen) -> Iterator[Want]:
    del seen
    yield MESHED
    yield Want(resource=NAMESPACES, name=place(rule, subject), shape=namespace)


def _meshed(rule: CheckRule, subject: Subject, seen: Sequence[Sequence[Any]]) -> Finding:
    mesh = rule.given.get("mesh", "osm")
    found = {one.name: one for one in seen[0]}
    shown = {"meshed": sum(one.mesh == mesh for one in found.values())}
    own = next(iter(seen[1]), None)
    own_name = place(rule, subject)
    told = []
    if own is not None and (own.mesh or own.injection):
        told.append(f"{own.name} itself is in the mesh: `osm namespace remove {own.name}`")
    outside = [name for name in subject.meshed if name not in found or found[name].mesh != mesh]
    if outside:
        told.append(f"not in the mesh {mesh}: {some(outside)}: `osm namespace add` each")
    meant = [name for name in subject.meshed if name not in outside]
    # NB: to say "disabled" is a choice; to say nothing is half a way into the mesh.
    half = [name for name, one in found.items() if one.mesh == mesh and not one.injection]
    bare = sorted({*half, *(name for name in meant if not found[name].is_injected)} - {own_name})
    if bare:
        hint = f"set the annotation {INJECTION}=enabled"
        told.append(f"in the mesh, and new pods get no sidecar: {some(bare)}: {hint}")
    return failed("; ".join(told), **shown) if told else passed(**shown)


def _wants_labelled(rule: CheckRule, subject: Subject, seen: Seen) -> Iterator[Want]:
    del subject, seen
    for name in words(rule, "namespaces"):
        yield Want(resource=NAMESPACES, name=name, shape=_labels)


def _labels(found: Object) -> frozenset[str]:
    return frozenset(f"{key}={one}" for key, one in digging.labels(found).items())


def _labelled(rule: CheckRule, subject: Subject, seen: Sequence[Sequence[Any]]) -> Finding:
    del subject
    names, label = words(rule, "namespaces"), rule.given["label"]
    bare = [name for name, one in zip(names, seen, strict=True) if not one or label not in one[0]]
    shown = {"labelled": f"{len(names) - len(bare)}/{len(names)}"}
    if not bare:
        return passed(**shown)
    hint = "`kubectl label namespace` each"
    return failed(f"without the label {label}: {some(bare)}: {hint}", **shown)


MESHED_NAMESPACES = Look(_meshed, _wants_meshed, optional=("namespace", "mesh"))
LABELLED_NAMESPACES = Look(
    _labelled, _wants_labelled, required=("namespaces", "label"), is_placed=False
)
