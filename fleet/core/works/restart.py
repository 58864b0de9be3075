"""Workloads made anew whose sidecars are behind, a few at a time.

As ``kubectl rollout restart``: an annotation of the pod template, here the step's own token, so
that a workload is restarted once, however often it is asked. What the annotation does not roll is
left alone: single pods, jobs, and workloads that are paused or only change when their pods are
deleted; :func:`fleet.core.works.sidecars.counted` counts those too.

Source:  k8s.io/kubectl, pkg/polymorphichelpers: when a rollout is complete.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from fleet.core.works import sidecars, sights
from fleet.core.works.sidecars import DEPLOYMENTS, Fault, Pod
from fleet.model.inside import Work
from fleet.model.objects import Edit, EditKind, Object, Resource, Seen, Want

RESTARTED = "kubectl.kubernetes.io/restartedAt"
_NAMED = 3
"""Workloads that a sentence names."""


class Workload(NamedTuple):
    """What counts of a deployment, a daemon set or a stateful set."""

    namespace: str
    kind: str
    name: str
    token: str | None
    """What it was last restarted by."""
    is_rolling: bool
    """Whether some of its pods are still of an older template."""
    is_available: bool
    """Whether all of its pods can be used. NB: a stale sidecar may be why they cannot."""
    may_roll: bool
    """Whether a changed template makes its pods anew."""

    @property
    def called(self) -> str:
        """What people call it."""
        return f"{self.namespace}/{self.kind}/{self.name}"


def wants(work: Work) -> tuple[Want, ...]:
    """Return the mesh's image, the namespaces, the workloads and, last, their pods."""
    before = (*sidecars.mesh_wants(work), *sidecars.namespace_wants(work))
    return (*before, *_workload_wants(work), *sidecars.pod_wants(work))


def blocked(work: Work, seen: Seen) -> str:
    """Return why nobody can tell what is behind."""
    if unread := sights.unread(seen, wants(work)):
        return unread
    if not any(sidecars.images(work, seen)):
        return f"there is no injector of a mesh in {work.namespace}: its sidecar is not known"
    return ""


def edits(work: Work, seen: Seen, *, token: str) -> tuple[Edit, ...]:
    """Return the next restarts: no more than fit beside those that are under way."""
    if blocked(work, seen):
        return ()
    behind = _behind(work, seen)
    room = work.max_concurrency - len(_rolling(work, seen, behind, token))
    ready = [one for one in behind if not one.is_rolling and one.token != token]
    return tuple(_restart(one, token) for one in ready[: max(0, room)])


def changes(work: Work, seen: Seen) -> tuple[tuple[str, str | None, str | None], ...]:
    """Return each workload that would be restarted, by the sidecar that it has and would get."""
    linux, windows = sidecars.images(work, seen)
    by_owner = _by_owner(work, seen)
    return tuple(
        (f"restart.{one.called}", *_images(by_owner[_key(one)], linux, windows))
        for one in _behind(work, seen)
    )


def undo(work: Work, seen: Seen) -> Work | None:  # noqa: ARG001
    """Return nothing: a restart cannot be taken back, and need not be."""
    return None


def pending(work: Work, seen: Seen, *, token: str) -> str:
    """Return which workloads roll, and which are behind although they have rolled."""
    behind = _behind(work, seen)
    rolling = _rolling(work, seen, behind, token)
    if rolling:
        return f"{_count(rolling)} rolling: {_list(rolling)}"
    again = [one for one in behind if one.token == token]
    if again:
        return f"{_count(again)} restarted and still not as the mesh would inject: {_list(again)}"
    return f"{_count(behind)} to be restarted: {_list(behind)}" if behind else ""


def _workload_wants(work: Work) -> tuple[Want, ...]:
    places = tuple(dict.fromkeys(work.add)) or (None,)
    return tuple(
        Want(resource=resource, namespace=place, shape=shape)
        for resource, shape in _SHAPES.items()
        for place in places
    )


def _workloads(work: Work, seen: Seen) -> list[Workload]:
    found = (one for want in _workload_wants(work) for one in sights.some(seen, want))
    return sorted(found)


def _behind(work: Work, seen: Seen) -> list[Workload]:
    """Return the workloads with stale pods that an annotation would make anew."""
    owners = _by_owner(work, seen)
    return [one for one in _workloads(work, seen) if one.may_roll and _key(one) in owners]


def _by_owner(work: Work, seen: Seen) -> dict[tuple[str, str, str], list[tuple[Pod, Fault]]]:
    owners: dict[tuple[str, str, str], list[tuple[Pod, Fault]]] = {}
    for pod, fault in sidecars.stale(work, seen):
        owners.setdefault((pod.namespace, *pod.owner), []).append((pod, fault))
    return owners


def _key(one: Workload) -> tuple[str, str, str]:
    return one.namespace, one.kind, one.name


def _rolling(work: Work, seen: Seen, behind: Iterable[Workload], token: str) -> list[Workload]:
    """Return the workloads under way: restarted by this step, or behind and rolling anyway."""
    stale = set(behind)
    return [
        one
        for one in _workloads(work, seen)
        if (one.token == token and not one.is_available)
        or (one.is_rolling and (one.token == token or one in stale))
    ]


def _restart(one: Workload, token: str) -> Edit:
    resource = next(r for r in _SHAPES if _KINDS[r.plural] == one.kind)
    template = {"metadata": {"annotations": {RESTARTED: token}}}
    return Edit(
        kind=EditKind.MERGE,
        resource=resource,
        name=one.name,
        namespace=one.namespace,
        body={"spec": {"template": template}},
    )


def _images(
    behind: Iterable[tuple[Pod, Fault]], linux: str, windows: str
) -> tuple[str | None, str | None]:
    found = list(behind)
    before = sorted({pod.sidecar for pod, _ in found if pod.sidecar})
    pod, fault = found[0]
    image = windows if pod.is_windows else linux
    return ", ".join(before) or None, None if fault is Fault.LEFT else image


def _count(some: list[Workload]) -> str:
    return f"{len(some)} workload{' is' if len(some) == 1 else 's are'}"


def _list(some: list[Workload]) -> str:
    more = len(some) - _NAMED
    names = ", ".join(one.called for one in some[:_NAMED])
    return f"{names} and {more} more" if more > 0 else names


def _workload(
    found: Object, *, kind: str, is_rolling: bool, is_available: bool, may_roll: bool
) -> Workload:
    metadata = sights.metadata(found)
    annotations = sights.below(found, "spec", "template", "metadata", "annotations")
    seen_at = sights.below(found, "status").get("observedGeneration") or 0
    return Workload(
        str(metadata.get("namespace")),
        kind,
        str(metadata.get("name")),
        annotations.get(RESTARTED),
        is_rolling or _number(metadata, "generation") > seen_at,
        is_available,
        may_roll,
    )


def _deployment(found: Object) -> Workload:
    spec, status = sights.below(found, "spec"), sights.below(found, "status")
    updated = _number(status, "updatedReplicas")
    is_behind = updated < _number(spec, "replicas", default=1)
    return _workload(
        found,
        kind="Deployment",
        is_rolling=is_behind or _number(status, "replicas") > updated,
        is_available=_number(status, "availableReplicas") >= updated,
        may_roll=not spec.get("paused"),
    )


def _daemon_set(found: Object) -> Workload:
    status = sights.below(found, "status")
    wanted = _number(status, "desiredNumberScheduled")
    return _workload(
        found,
        kind="DaemonSet",
        is_rolling=_number(status, "updatedNumberScheduled") < wanted,
        is_available=_number(status, "numberAvailable") >= wanted,
        may_roll=sights.below(found, "spec", "updateStrategy").get("type") != "OnDelete",
    )


def _stateful_set(found: Object) -> Workload:
    spec, status = sights.below(found, "spec"), sights.below(found, "status")
    strategy = sights.below(spec, "updateStrategy")
    # NB: pods below a partition keep the old template, by their owner's will.
    is_parted = bool(sights.below(strategy, "rollingUpdate").get("partition"))
    return _workload(
        found,
        kind="StatefulSet",
        is_rolling=status.get("updateRevision") != status.get("currentRevision"),
        is_available=_number(status, "readyReplicas") >= _number(spec, "replicas", default=1),
        may_roll=strategy.get("type") != "OnDelete" and not is_parted,
    )


def _number(some: Mapping[str, Any], key: str, *, default: int = 0) -> int:
    value = some.get(key)
    return value if isinstance(value, int) else default


_KINDS = {"deployments": "Deployment", "daemonsets": "DaemonSet", "statefulsets": "StatefulSet"}
_SHAPES = {
    DEPLOYMENTS: _deployment,
    Resource("apps", "v1", "daemonsets"): _daemon_set,
    Resource("apps", "v1", "statefulsets"): _stateful_set,
}
