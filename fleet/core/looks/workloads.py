"""Looks at deployments, daemon sets and pods: are they there, and do they run?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from fleet.core.looks import digging
from fleet.core.looks.subject import (
    Finding,
    Look,
    Subject,
    count,
    failed,
    named,
    not_applicable,
    passed,
    place,
    some,
    words,
)
from fleet.model.cluster import nothing
from fleet.model.inside import CheckRule
from fleet.model.objects import Object, Resource, Seen, Want

DEPLOYMENTS = Resource("apps", "v1", "deployments")
DAEMON_SETS = Resource("apps", "v1", "daemonsets")
PODS = Resource("", "v1", "pods")

# Source: helm.sh/docs, which labels and annotations Helm sets on what it owns.
_RELEASE = "meta.helm.sh/release-name"
_OVER = ("Succeeded", "Failed")
# Source: openservicemesh/osm, pkg/configurator: what is injected where MeshConfig names nothing.
IMAGE_VARIABLE = "OSM_DEFAULT_ENVOY_IMAGE"
_TELLING = (IMAGE_VARIABLE,)
_SHARED = ("default", "kube-public", "kube-system")
"""Namespaces of which what is the release's own counts, and nothing else."""


class Workload(NamedTuple):
    """A deployment or daemon set, as far as it matters whether it runs."""

    name: str
    release: str
    desired: int
    ready: int
    available: int
    is_seen: bool
    """Whether its controller has seen its newest spec."""
    reason: str
    """Why it does not get on."""
    containers: tuple[str, ...]
    variables: Mapping[str, str]
    """Those of its environment that say what it gives to others."""


class PodSight(NamedTuple):
    """A pod of the control plane."""

    name: str
    phase: str
    ready_count: int
    total: int
    reason: str
    is_leaving: bool


def deployment(found: Object) -> Workload:
    """Keep of a deployment whether it runs."""
    status = digging.at(found, "status")
    desired = digging.at(found, "spec", "replicas")
    return Workload(
        name=digging.name(found),
        release=digging.notes(found).get(_RELEASE, ""),
        # Source: the API fills replicas in, and it is 1 unless said.
        desired=1 if desired is None else digging.number(found, "spec", "replicas"),
        ready=digging.number(status, "readyReplicas"),
        available=digging.number(status, "availableReplicas"),
        is_seen=_is_seen(found),
        reason=_reason(status),
        containers=_containers(found),
        variables=_variables(found),
    )


def daemon_set(found: Object) -> Workload:
    """Keep of a daemon set whether it runs."""
    status = digging.at(found, "status")
    return Workload(
        name=digging.name(found),
        release=digging.notes(found).get(_RELEASE, ""),
        desired=digging.number(status, "desiredNumberScheduled"),
        ready=digging.number(status, "numberReady"),
        available=digging.number(status, "numberAvailable"),
        is_seen=_is_seen(found),
        reason="",
        containers=(),
        variables=nothing(),
    )


def pod(found: Object) -> PodSight:
    """Keep of a pod whether it runs."""
    statuses = digging.entries(found, "status", "containerStatuses")
    containers = digging.entries(found, "spec", "containers")
    reasons = (digging.text(one, "state", "waiting", "reason") for one in statuses)
    return PodSight(
        name=digging.name(found),
        phase=digging.text(found, "status", "phase"),
        ready_count=sum(one.get("ready") is True for one in statuses),
        total=len(containers) or len(statuses),
        reason=digging.text(found, "status", "reason") or next(filter(None, reasons), ""),
        is_leaving=digging.at(found, "metadata", "deletionTimestamp") is not None,
    )


def _is_seen(found: Object) -> bool:
    newest = digging.number(found, "metadata", "generation")
    return digging.number(found, "status", "observedGeneration") >= newest


def _reason(status: Any) -> str:
    bad = (one for one in digging.entries(status, "conditions") if one.get("status") == "False")
    return next(filter(None, (digging.text(one, "reason") for one in bad)), "")


def _containers(found: Object) -> tuple[str, ...]:
    inner = digging.entries(found, "spec", "template", "spec", "containers")
    return tuple(digging.text(one, "name") for one in inner)


def _variables(found: Object) -> Mapping[str, str]:
    inner = digging.entries(found, "spec", "template", "spec", "containers")
    known = {
        name: digging.text(one, "value")
        for container in inner
        for one in digging.entries(container, "env")
        if (name := digging.text(one, "name")) in _TELLING
    }
    return known or nothing()


# --- one deployment ----------------------------------------------------------------------


def _wants_deployment(rule: CheckRule, subject: Subject, seen: Seen) -> Iterator[Want]:
    # NB: all of them in one request, whichever is meant: other rules ask for others.
    yield from _wants_deployments(rule, subject, seen)


def _deployment(rule: CheckRule, subject: Subject, seen: Sequence[Sequence[Any]]) -> Finding:
    where, name = place(rule, subject), rule.given["name"]
    found: Workload | None = named(seen[0], name)
    if found is None:
        return failed(f"there is no deployment {name} in {where}: install the extension again")
    shown = {"ready": f"{found.ready}/{found.desired}", "available": found.available}
    if wrong := _shortage(found):
        hint = f"`kubectl -n {where} describe deployment {name}` says why"
        return failed(f"deployment {name}: {wrong}: {hint}", **shown)
    missing = [one for one in words(rule, "containers") if one not in found.containers]
    if missing:
        hint = "somebody changed it: install the extension again"
        return failed(f"deployment {name} has no container {some(missing)}: {hint}", **shown)
    return passed(**shown)


def _shortage(found: Workload) -> str:
    """Say what a workload is short of; empty: nothing."""
    why = f" ({found.reason})" if found.reason else ""
    if found.desired == 0:
        return "it is scaled to 0"
    if not found.is_seen:
        return f"its newest change has not begun to roll out{why}"
    if found.ready < found.desired:
        return f"{found.ready} of {found.desired} are ready{why}"
    return f"none is available{why}" if found.available < 1 else ""


# --- all of a namespace ------------------------------------------------------------------


def _wants_deployments(rule: CheckRule, subject: Subject, seen: Seen) -> Iterator[Want]:
    del seen
    yield Want(resource=DEPLOYMENTS, namespace=place(rule, subject), shape=deployment)


def _wants_daemon_sets(rule: CheckRule, subject: Subject, seen: Seen) -> Iterator[Want]:
    del seen
    yield Want(resource=DAEMON_SETS, namespace=place(rule, subject), shape=daemon_set)


def _deployments(rule: CheckRule, subject: Subject, seen: Sequence[Sequence[Any]]) -> Finding:
    return _all(rule, subject, seen[0], what="deployment")


def _daemon_sets(rule: CheckRule, subject: Subject, seen: Sequence[Sequence[Any]]) -> Finding:
    return _all(rule, subject, seen[0], what="daemon set")


def _all(rule: CheckRule, subject: Subject, found: Sequence[Workload], *, what: str) -> Finding:
    where = place(rule, subject)
    own = where in _SHARED
    meant = [one for one in found if not own or one.release == subject.release]
    whose = f" of the release {subject.release}" if own else ""
    if not meant and count(rule, "least", 0):
        return failed(f"there is no {what}{whose} in {where}: whoever installed it has to look")
    if not meant:
        return not_applicable(f"there is no {what}{whose} in {where}")
    short = [one for one in meant if not one.is_seen or one.available < one.desired]
    shown = {"available": f"{len(meant) - len(short)}/{len(meant)}"}
    if not short:
        return passed(**shown)
    names = some(f"{one.name} ({one.available} of {one.desired})" for one in short)
    hint = f"`kubectl -n {where} describe pods` says why"
    return failed(f"not available in {where}: {names}: {hint}", **shown)


# --- pods --------------------------------------------------------------------------------


def _wants_pods(rule: CheckRule, subject: Subject, seen: Seen) -> Iterator[Want]:
    del seen
    where, selector = place(rule, subject), rule.given["selector"]
    yield Want(resource=PODS, namespace=where, selector=selector, shape=pod)


def _pods(rule: CheckRule, subject: Subject, seen: Sequence[Sequence[Any]]) -> Finding:
    where, selector = place(rule, subject), rule.given["selector"]
    # NB: evicted pods stay in the list, and the one in their place is what counts.
    found = [one for one in seen[0] if one.phase not in _OVER and not one.is_leaving]
    ready = [one for one in found if _is_ready(one)]
    shown = {"ready": f"{len(ready)}/{len(found)}", "others": len(seen[0]) - len(found)}
    if not found:
        return failed(f"no pod {selector} runs in {where}: look at its deployment", **shown)
    most = count(rule, "containers", 0)
    if crowded := [one for one in found if most and one.total > most]:
        # Source: learn.microsoft.com, troubleshooting extensions: more containers are sidecars.
        names = some(f"{one.name} ({one.total})" for one in crowded)
        hint = f"take {where} out of the mesh, then delete them"
        return failed(f"pods with more containers than {most}, a sidecar: {names}: {hint}", **shown)
    bad = [one for one in found if not _is_ready(one)]
    if not ready or (bad and rule.given.get("all") == "true"):
        hint = f"`kubectl -n {where} logs -l {selector}` says why"
        return failed(f"pods that are not ready: {some(map(_told, bad))}: {hint}", **shown)
    return passed(**shown)


def _is_ready(one: PodSight) -> bool:
    return one.phase == "Running" and one.total > 0 and one.ready_count >= one.total


def _told(one: PodSight) -> str:
    short = f"{one.ready_count} of {one.total} containers" if one.phase == "Running" else ""
    return f"{one.name} ({one.reason or short or one.phase or 'no phase'})"


DEPLOYMENT = Look(
    _deployment, _wants_deployment, required=("name",), optional=("namespace", "containers")
)
ALL_DEPLOYMENTS = Look(_deployments, _wants_deployments, optional=("namespace", "least"))
ALL_DAEMON_SETS = Look(_daemon_sets, _wants_daemon_sets, optional=("namespace", "least"))
CONTROL_PODS = Look(
    _pods, _wants_pods, required=("selector",), optional=("namespace", "containers", "all")
)
