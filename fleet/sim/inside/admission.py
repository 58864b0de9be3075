"""What becomes of an object before it is kept: pruned, filled in, validated, and injected into.

Source:  k8s.io/apiextensions-apiserver for custom resources; the mesh's webhook for pods.
"""

from __future__ import annotations

import json
from typing import Any

from fleet.sim.breakage import Break
from fleet.sim.inside import controlplane, forms, kinds, meshspecs, refusals, schemas, workloads
from fleet.sim.inside.asking import Request, Target
from fleet.sim.inside.scene import PROXY, Made
from fleet.sim.inside.schemas import Schema
from fleet.sim.inside.view import View

_DENIAL = "validation.gatekeeper.sh", "[change-freeze] nothing may be changed here"
_HAS_TEMPLATE = frozenset({"deployments", "statefulsets", "daemonsets"})


def schema(view: View, found: Target) -> Schema | None:
    """Return the schema of a kind's ``spec``; ``None``: anything goes."""
    group, version, plural = found.resource
    if (group, plural) != (kinds.MESH_GROUP, kinds.MESH_CONFIGS):
        return None
    release = view.scene.release
    return meshspecs.schema(
        is_later=version != "v1alpha1", has_image_defaults=release.has_image_defaults
    )


def admitted(
    view: View, found: Target, wanted: Any, request: Request
) -> tuple[Made, tuple[str, ...]]:
    """Return an object as it will be kept, and what was left out of it.

    Raises:
        RefusedError: It is not as the server, or a webhook, wants it.
    """
    forms.check(found, wanted, request)
    if Break.API_DENIES_WRITES in view.scene.broken:
        raise refusals.denied(*_DENIAL)
    lost: list[str] = []
    known = schema(view, found)
    if known is not None and "spec" in wanted:
        spec = schemas.pruned(wanted["spec"], known, path="spec", lost=lost)
        if lost and request.query.get("fieldValidation") == "Strict":
            raise _strict(found, request, lost)
        spec = schemas.filled(spec, known)
        causes = list(schemas.flaws(spec, known, path="spec"))
        if causes:
            name = wanted["metadata"].get("name", "")
            raise refusals.invalid(found.kind.kind, found.resource.group, name, causes)
        wanted = {**wanted, "spec": spec}
    return wanted, tuple(lost)


def shown(view: View, found: Target, made: Made) -> Made:
    """Return an object as it is served: in the version asked for, without what is ours."""
    told = {"apiVersion": found.kind.api_version, "kind": found.kind.kind}
    told |= {key: one for key, one in made.items() if key not in told and key[:2] != "x-"}
    known = schema(view, found)
    if known is not None and "spec" in told:
        told["spec"] = schemas.pruned(told["spec"], known)
    return told


def _strict(found: Target, request: Request, lost: list[str]) -> refusals.RefusedError:
    told = ", ".join(f'unknown field "{one}"' for one in lost)
    if request.method == "PATCH":
        said = f"Invalid value: {json.dumps(request.body.decode())}: strict decoding error: {told}"
        return refusals.invalid("", "", "", [("FieldValueInvalid", "patch", said)])
    kind, version = found.kind.kind, found.resource.version
    message = (
        f'{kind} in version "{version}" cannot be handled as a {kind}: '
        f"strict decoding error: {told}"
    )
    return refusals.bad_request(message)


def created(view: View, found: Target, wanted: Made) -> Made:
    """Return a new object with what the server and the mesh add to it."""
    plural = found.resource.plural
    if plural in _HAS_TEMPLATE and found.resource.group == "apps":
        spec = {"replicas": 1, **wanted.get("spec", {})}
        return wanted | {"spec": spec, workloads.OURS: True}
    if plural == "namespaces":
        return wanted | {"spec": {"finalizers": ["kubernetes"]}, "status": {"phase": "Active"}}
    if plural == "pods":
        return _injected(view, found.namespace or "default", wanted)
    return wanted


def _injected(view: View, namespace: str, pod: Made) -> Made:
    if workloads.is_meshed(view, namespace) and workloads.is_refusing(view):
        scene = view.scene
        reason = f'no endpoints available for service "{controlplane.INJECTOR}"'
        path = f"https://{controlplane.INJECTOR}.{scene.namespace}.svc:9090/mutate-pod-creation"
        message = (
            f'failed calling webhook "osm-inject.k8s.io": failed to call webhook: Post '
            f'"{path}?timeout=20s": {reason}'
        )
        raise refusals.internal(message)
    spec = dict(pod.get("spec", {}))
    status = {"phase": "Pending"}
    sidecar = workloads.sidecar_at(view, namespace, view.scene.now)
    if sidecar is None or spec.get("hostNetwork") is True:
        return pod | {"status": status}
    containers = [*spec.get("containers", ()), {"name": workloads.SIDECAR, "image": sidecar}]
    metadata = dict(pod["metadata"])
    proxy = controlplane.uuid(view.scene, namespace, metadata.get("name", ""))
    metadata["labels"] = {**metadata.get("labels", {}), PROXY: proxy}
    return pod | {
        "metadata": metadata,
        "spec": {**spec, "containers": containers},
        "status": status,
    }
