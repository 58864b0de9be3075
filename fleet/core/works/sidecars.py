"""Sidecars as they run, beside what the mesh would inject now.

A sidecar is put into a pod when the pod is made, and stays what it was: after an upgrade, and
where a namespace joins or leaves the mesh, pods are behind until they are made anew.

Source:  openservicemesh/osm, pkg/injector: ``mustInject``, and the webhook's namespace selector;
         the image is MeshConfig's, else the injector's own by its environment.
"""

from __future__ import annotations

import dataclasses
import enum
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from fleet.core.works import meshconfig, namespaces, sights
from fleet.core.works.namespaces import IGNORE, INJECTION, MONITORED_BY, NAMESPACES, PODS
from fleet.model.inside import Work
from fleet.model.objects import Object, Resource, Seen, Want

DEPLOYMENTS = Resource("apps", "v1", "deployments")
CONTAINER = "envoy"
_INJECTOR = "osm-injector"
_ENV = ("OSM_DEFAULT_ENVOY_IMAGE", "OSM_DEFAULT_ENVOY_WINDOWS_IMAGE")
# Source: the webhook's namespace selector wants neither of them to be there.
_LEFT_ALONE = (IGNORE, "control-plane")
_NO = frozenset({"disabled", "no", "false"})
_NEVER = frozenset({"kube-system", "kube-public"})
_HASH = "pod-template-hash"


class Fault(enum.Enum):
    """How a pod is behind."""

    OLD = "old"
    """Its sidecar is of another image than the mesh's."""
    MISSING = "missing"
    """It would get a sidecar, and has none."""
    LEFT = "left"
    """It has one, and would get none."""


class Pod(NamedTuple):
    """What counts of a pod."""

    namespace: str
    name: str
    owner: tuple[str, str]
    """Kind and name, such as ``("Deployment", "cart")``; empty texts: nobody's."""
    sidecar: str
    """Its image; empty: it has none."""
    injection: str
    """Its own annotation, in lower case."""
    has_host_network: bool
    is_windows: bool


class Namespace(NamedTuple):
    """What counts of a namespace."""

    name: str
    mesh: str | None
    is_injected: bool
    is_left_alone: bool


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class NamespaceSidecars:
    """The sidecars of a namespace, counted."""

    namespace: str
    injected_count: int
    """Pods with a sidecar, whichever."""
    old_count: int = 0
    missing_count: int = 0
    left_count: int = 0
    images: Mapping[str, int] = dataclasses.field(default_factory=dict)
    """``{image: pods}``."""

    @property
    def stale_count(self) -> int:
        """How many pods are behind, in whatever way."""
        return self.old_count + self.missing_count + self.left_count


def wants(work: Work) -> tuple[Want, ...]:
    """Return what says which sidecars there are, and which there should be.

    Args:
        work: Its ``add`` names the namespaces; none: all. Its mesh is the one that is meant.
    """
    return (*mesh_wants(work), *namespace_wants(work), *pod_wants(work))


def mesh_wants(work: Work) -> tuple[Want, ...]:
    """Return what says which image the mesh injects."""
    return (*meshconfig.wants(work), _injector(work))


def namespace_wants(work: Work) -> tuple[Want, ...]:
    """Return the namespaces."""
    if not work.add:
        return (Want(resource=NAMESPACES, shape=_namespace),)
    return tuple(Want(resource=NAMESPACES, name=one, shape=_namespace) for one in _only(work))


def pod_wants(work: Work) -> tuple[Want, ...]:
    """Return the pods. NB: read last, so that a workload that had rolled is not taken for stale."""
    places: Iterable[str | None] = _only(work) or (None,)
    return tuple(Want(resource=PODS, namespace=one, shape=_pod) for one in places)


def images(work: Work, seen: Seen) -> tuple[str, str]:
    """Return the images that the mesh injects, for Linux and for Windows; empty: not known."""
    found = meshconfig.present(work, seen)
    sidecar = sights.below(found[1], "sidecar") if found else {}
    own = sights.one(seen, _injector(work)) or ("", "")
    keys = ("envoyImage", "envoyWindowsImage")
    linux, windows = (str(sidecar.get(key) or own[n]) for n, key in enumerate(keys))
    return linux, windows


def stale(work: Work, seen: Seen) -> Iterator[tuple[Pod, Fault]]:
    """Yield the pods that are behind, each with how."""
    known = {one.name: one for one in _namespaces(work, seen)}
    linux, windows = images(work, seen)
    for pod in _pods(work, seen):
        namespace = known.get(pod.namespace)
        image = windows if pod.is_windows else linux
        if namespace and (fault := _fault(work, namespace, pod, image)):
            yield pod, fault


def counted(work: Work, seen: Seen) -> tuple[NamespaceSidecars, ...]:
    """Return the sidecars of each namespace that has some, or should have."""
    injected: dict[str, Counter[str]] = {}
    faults: dict[str, Counter[Fault]] = {}
    for pod in _pods(work, seen):
        if pod.sidecar:
            injected.setdefault(pod.namespace, Counter())[pod.sidecar] += 1
    for pod, fault in stale(work, seen):
        faults.setdefault(pod.namespace, Counter())[fault] += 1
    return tuple(
        NamespaceSidecars(
            namespace=name,
            injected_count=injected.get(name, Counter()).total(),
            old_count=faults.get(name, Counter())[Fault.OLD],
            missing_count=faults.get(name, Counter())[Fault.MISSING],
            left_count=faults.get(name, Counter())[Fault.LEFT],
            images=dict(sorted(injected.get(name, Counter()).items())),
        )
        for name in sorted({*injected, *faults})
    )


def _fault(work: Work, namespace: Namespace, pod: Pod, image: str) -> Fault | None:
    # NB: the pods of another mesh are its own affair.
    if namespace.mesh not in (None, work.mesh) or namespace.name == work.namespace:
        return None
    shall = _is_injected(work, namespace, pod)
    if not pod.sidecar:
        return Fault.MISSING if shall else None
    if not shall:
        return Fault.LEFT
    return Fault.OLD if image and pod.sidecar != image else None


def _is_injected(work: Work, namespace: Namespace, pod: Pod) -> bool:
    is_open = namespace.mesh == work.mesh and not namespace.is_left_alone
    if not is_open or namespace.name in _NEVER or pod.has_host_network:
        return False
    if pod.injection in _NO:
        return False
    return namespace.is_injected or namespaces.is_yes(pod.injection)


def _only(work: Work) -> tuple[str, ...]:
    return tuple(dict.fromkeys(work.add))


def _injector(work: Work) -> Want:
    return Want(resource=DEPLOYMENTS, name=_INJECTOR, namespace=work.namespace, shape=_defaults)


def _namespaces(work: Work, seen: Seen) -> Iterator[Namespace]:
    for want in namespace_wants(work):
        yield from sights.some(seen, want)


def _pods(work: Work, seen: Seen) -> Iterator[Pod]:
    for want in pod_wants(work):
        yield from sights.some(seen, want)


def _defaults(found: Object) -> tuple[str, str]:
    template = sights.below(found, "spec", "template", "spec")
    env = {
        one.get("name"): one.get("value") or ""
        for container in sights.listed(template, "containers")
        for one in sights.listed(container, "env")
    }
    return env.get(_ENV[0], ""), env.get(_ENV[1], "")


def _namespace(found: Object) -> Namespace:
    metadata = sights.metadata(found)
    labels = sights.below(metadata, "labels")
    return Namespace(
        str(metadata.get("name")),
        labels.get(MONITORED_BY),
        namespaces.is_yes(sights.below(metadata, "annotations").get(INJECTION)),
        any(key in labels for key in _LEFT_ALONE),
    )


def _pod(found: Object) -> Pod | None:
    metadata, spec = sights.metadata(found), sights.below(found, "spec")
    is_over = sights.below(found, "status").get("phase") in ("Succeeded", "Failed")
    if is_over or "deletionTimestamp" in metadata:
        return None
    own = [c for c in sights.listed(spec, "containers") if c.get("name") == CONTAINER]
    # NB: an application may call a container envoy; the mesh labels the pods that it injected.
    is_injected = namespaces.INJECTED in sights.below(metadata, "labels")
    annotation = sights.below(metadata, "annotations").get(INJECTION)
    return Pod(
        str(metadata.get("namespace")),
        str(metadata.get("name")),
        _owner(metadata),
        str(own[0].get("image")) if own and is_injected else "",
        str(annotation or "").lower(),
        bool(spec.get("hostNetwork")),
        sights.below(spec, "nodeSelector").get("kubernetes.io/os") == "windows",
    )


def _owner(metadata: Mapping[str, Any]) -> tuple[str, str]:
    owners = [one for one in sights.listed(metadata, "ownerReferences") if one.get("controller")]
    if not owners:
        return "", ""
    kind, name = str(owners[0].get("kind")), str(owners[0].get("name"))
    # NB: a deployment calls its replica sets after itself and the hash that its pods are labelled
    # with; that spares reading every replica set of the cluster.
    suffix = f"-{sights.below(metadata, 'labels').get(_HASH)}"
    if kind == "ReplicaSet" and name.endswith(suffix):
        return "Deployment", name.removesuffix(suffix)
    return kind, name
