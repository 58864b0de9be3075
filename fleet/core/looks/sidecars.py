"""Looks at sidecars: do new pods get one, and is it the one that the mesh would inject now?

A pod that is created on trial, with a dry run, would tell at once: the
webhook takes dry runs. But whoever may create pods on trial may create them, in
namespaces of others. What is there already tells as well, and reading is enough.

Source:  openservicemesh/osm, pkg/injector and pkg/configurator.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from fleet.core.looks import digging, meshes, namespaces, webhooks
from fleet.core.looks.namespaces import INJECTION
from fleet.core.looks.subject import (
    Finding,
    Look,
    Subject,
    failed,
    first,
    named,
    not_applicable,
    passed,
    place,
    some,
    unknown,
)
from fleet.core.looks.workloads import (
    DEPLOYMENTS,
    IMAGE_VARIABLE,
    PODS,
    Workload,
    deployment,
)
from fleet.model.inside import CheckRule
from fleet.model.objects import Object, Seen, Want

UUID = "osm-proxy-uuid"
_SIDECAR = "envoy"
_NO = ("disabled", "no", "false")
_OVER = ("Succeeded", "Failed")
_MOST_NAMESPACES = 20
"""Of more, the first by name are looked into: each is a request."""


class BarePod(NamedTuple):
    """A pod without a sidecar, where one was to be."""

    workload: str
    created: str
    """The server's stamp."""


def sidecar(found: Object) -> str:
    """Keep of a pod its workload and its sidecar's image, such as ``shop/cart envoy:v1``.

    NB: one text for all replicas of a workload: there may be thousands of pods.
    """
    containers = digging.entries(found, "spec", "containers")
    images = [digging.text(one, "image") for one in containers if one.get("name") == _SIDECAR]
    is_over = digging.text(found, "status", "phase") in _OVER
    if is_over or _is_windows(found) or digging.at(found, "metadata", "deletionTimestamp"):
        return ""
    return sys.intern(f"{_workload(found)} {images[0] if images else ''}")


def bare(found: Object) -> BarePod | None:
    """Keep of a pod without a sidecar when it was created; nothing, where none was meant."""
    spoken = digging.notes(found).get(INJECTION, "").lower()
    is_meant = spoken not in _NO and digging.at(found, "spec", "hostNetwork") is not True
    is_over = digging.text(found, "status", "phase") in _OVER
    if not is_meant or is_over or digging.at(found, "metadata", "deletionTimestamp"):
        return None
    created = digging.text(found, "metadata", "creationTimestamp")
    return BarePod(workload=_workload(found), created=created)


def _workload(found: Object) -> str:
    """Return what a pod belongs to, such as ``shop/cart``."""
    owner = next(iter(digging.entries(found, "metadata", "ownerReferences")), {})
    name = digging.text(owner, "name") or digging.name(found)
    if owner.get("kind") == "ReplicaSet":
        name = name.rpartition("-")[0] or name
    return f"{digging.text(found, 'metadata', 'namespace')}/{name}"


def _is_windows(found: Object) -> bool:
    """Whether a pod is for Windows, whose sidecar is another."""
    selected = digging.texts(found, "spec", "nodeSelector").get("kubernetes.io/os", "")
    return "windows" in (selected, digging.text(found, "spec", "os", "name"))


SIDECARS = Want(resource=PODS, selector=UUID, shape=sidecar)


# --- new pods ----------------------------------------------------------------------------


def _wants_new(rule: CheckRule, subject: Subject, seen: Seen) -> Iterator[Want]:
    del subject
    yield namespaces.MESHED
    yield webhooks.wanted("mutating", rule.given["webhook"])
    yield SIDECARS
    for name in _injected(seen):
        yield Want(resource=PODS, namespace=name, selector=f"!{UUID}", shape=bare)


def _injected(seen: Seen) -> list[str]:
    sight = seen.get(namespaces.MESHED)
    found = sight.objects if sight else ()
    return sorted(one.name for one in found if one.is_injected)[:_MOST_NAMESPACES]


def _new(rule: CheckRule, subject: Subject, seen: Sequence[Sequence[Any]]) -> Finding:
    del subject
    webhook, name = first(seen, 1), rule.given["webhook"]
    injected = sum(one != "" for one in seen[2])
    if webhook is None:
        return failed(f"new pods get no sidecar: there is no webhook {name}", injected=injected)
    # NB: stamps of one server, in UTC and of one length: as texts they are in order.
    missed = [one for pods in seen[3:] for one in pods if one and one.created > webhook.created]
    if not missed:
        return (
            passed(injected=injected)
            if injected
            else not_applicable("no pod is in the mesh to judge by")
        )
    newest = max(one.created for one in missed)
    names = some(sorted({one.workload for one in missed}))
    hint = "restart them; if they come up without again, look at the logs of osm-injector"
    told = f"pods without a sidecar in namespaces of the mesh: {names}"
    shown = {"injected": injected, "missed": len(missed), "newest": newest}
    return failed(f"{told}: {hint}", **shown)


# --- old sidecars ------------------------------------------------------------------------


def _wants_stale(rule: CheckRule, subject: Subject, seen: Seen) -> Iterator[Want]:
    del seen
    where = place(rule, subject)
    yield meshes.wanted(subject, name=rule.given["meshConfig"], namespace=where)
    yield Want(resource=DEPLOYMENTS, namespace=where, shape=deployment)
    yield SIDECARS


def _stale(rule: CheckRule, subject: Subject, seen: Sequence[Sequence[Any]]) -> Finding:
    del subject
    pods = [one for one in seen[2] if one]
    if not pods:
        return not_applicable("no pod is in the mesh")
    injector: Workload | None = named(seen[1], rule.given["injector"])
    usual = injector.variables.get(IMAGE_VARIABLE, "") if injector else ""
    wanted = digging.text(first(seen), "sidecar", "envoyImage") or usual
    if not wanted:
        where = f"MeshConfig {rule.given['meshConfig']} and deployment {rule.given['injector']}"
        return unknown(f"which sidecar is injected now cannot be told: {where} name none")
    stale = [one for one in pods if one.rpartition(" ")[2] != wanted]
    names = sorted({one.rpartition(" ")[0] for one in stale})
    shown = {"image": wanted, "stale": f"{len(stale)}/{len(pods)}", "workloads": len(names)}
    if not stale:
        return passed(**shown)
    hint = "`kubectl rollout restart` each, one after another"
    return failed(f"sidecars other than {wanted}: {some(names)}: {hint}", **shown)


NEW_PODS = Look(_new, _wants_new, required=("webhook",), is_placed=False)
STALE_SIDECARS = Look(
    _stale, _wants_stale, required=("meshConfig", "injector"), optional=("namespace",)
)
