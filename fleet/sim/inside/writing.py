"""Writes to a cluster's API: what becomes of objects, and what is kept of that.

Source:  kube-apiserver, as documented and as it was asked.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from fleet.core import draws
from fleet.model.objects import Resource
from fleet.sim.inside import (
    admission,
    merging,
    patching,
    podding,
    refusals,
    scene as scenes,
    workloads,
)
from fleet.sim.inside.asking import Request, Target
from fleet.sim.inside.overlay import Entry, Key
from fleet.sim.inside.replying import Reply
from fleet.sim.inside.scene import Made
from fleet.sim.inside.view import Interior, View

_SERVER_SETS = ("uid", "resourceVersion", "creationTimestamp", "generation", "managedFields")
_UNCOUNTED = frozenset({"", "rbac.authorization.k8s.io", "autoscaling"})
"""Groups whose objects have no generation."""


def existing(view: View, found: Target) -> Made:
    """Return an object that must be there."""
    name = found.name or ""
    made = view.get(found.resource.group, found.resource.plural, found.namespace or "", name)
    if made is None:
        raise refusals.not_found(found.resource, name)
    return made


def created(interior: Interior, view: View, request: Request, found: Target) -> Reply:
    """Make a new object."""
    wanted = request.json()
    is_dry_run = request.is_dry_run
    metadata = wanted.get("metadata", {}) if isinstance(wanted, dict) else {}
    name = metadata.get("name", "") or _generated(interior, metadata)
    found = dataclasses.replace(found, name=name)
    _check_place(view, found, metadata)
    wanted = {**wanted, "metadata": {**metadata, "name": name}} if name else wanted
    wanted, lost = admission.admitted(view, found, wanted, request)
    place = (found.resource.group, found.resource.plural, found.namespace or "", name)
    if view.get(*place) is not None:
        raise refusals.exists(found.resource, name)
    version = _next(interior, view)
    made = _stamped(view, found, admission.created(view, found, wanted), version)
    if not is_dry_run:
        base = view.base(*place)
        uid = None if base is None else base["metadata"]["uid"]
        interior.keep(Entry(key=place, version=version, uid=uid, whole=made), view.scene.now)
    document = admission.shown(view, found, made)
    if is_dry_run:
        metadata = {key: one for key, one in made["metadata"].items() if key != "resourceVersion"}
        document = {**document, "metadata": metadata}
    return Reply(code=201, document=document, headers=_warned(lost))


def _generated(interior: Interior, metadata: Mapping[str, Any]) -> str:
    prefix = metadata.get("generateName", "")
    return f"{prefix}{podding.suffix(prefix, interior.asked_count)}" if prefix else ""


def _check_place(view: View, found: Target, metadata: Mapping[str, Any]) -> None:
    """Refuse a new object without a name, or in a namespace that is not there."""
    resource, namespace = found.resource, found.namespace
    if not found.name:
        said = "Required value: name or generateName is required"
        causes = [("FieldValueRequired", "metadata.name", said)]
        raise refusals.invalid(found.kind.kind, resource.group, "", causes)
    if found.kind.is_namespaced and namespace is None:
        raise refusals.not_allowed()
    if namespace is None:
        return
    if metadata.get("namespace", namespace) != namespace:
        message = (
            "the namespace of the provided object does not match the namespace sent on the request"
        )
        raise refusals.bad_request(message)
    place = view.get("", "namespaces", "", namespace)
    if place is None:
        raise refusals.not_found(Resource("", "v1", "namespaces"), namespace)
    if place.get("status", {}).get("phase") == "Terminating":
        raise refusals.terminating(resource, found.name, namespace)


def _stamped(view: View, found: Target, wanted: Made, version: int) -> Made:
    scene = view.scene
    metadata = {key: one for key, one in wanted["metadata"].items() if key not in _SERVER_SETS}
    name = metadata["name"]
    uid = draws.guid(
        scene.recipe.seed, scene.cluster.name, "made", found.resource.plural, name, version
    )
    return {
        "apiVersion": found.kind.api_version,
        "kind": found.kind.kind,
        **wanted,
        "metadata": {
            **metadata,
            **({"namespace": found.namespace} if found.namespace else {}),
            "uid": uid,
            "resourceVersion": str(version),
            "creationTimestamp": scenes.stamped(scene.now),
            **({"generation": 1} if found.resource.group not in _UNCOUNTED else {}),
        },
    }


def changed(interior: Interior, view: View, request: Request, found: Target) -> Reply:
    """Patch or replace an object."""
    is_dry_run = request.is_dry_run
    current = existing(view, found)
    before = admission.shown(view, found, current)
    if request.method == "PUT":
        wanted = request.json()
    else:
        wanted = patching.patched(before, request, found.kind)
    wanted, lost = admission.admitted(view, found, wanted, request)
    _check_version(found, before, wanted)
    version = _next(interior, view)
    made = _kept(view, current, wanted, version)
    if made is current:
        return Reply(document=before, headers=_warned(lost))
    if not is_dry_run:
        interior.keep(_entry(view, found, made, version), view.scene.now)
    return Reply(document=admission.shown(view, found, made), headers=_warned(lost))


def _check_version(found: Target, before: Made, wanted: Made) -> None:
    metadata, name = before["metadata"], found.name or ""
    asked = wanted["metadata"]
    if asked.get("name", name) != name:
        message = (
            f"the name of the object ({asked['name']}) does not match the name on the URL ({name})"
        )
        raise refusals.bad_request(message)
    if asked.get("uid", metadata["uid"]) != metadata["uid"]:
        said = f'Invalid value: "{asked["uid"]}": field is immutable'
        causes = [("FieldValueInvalid", "metadata.uid", said)]
        raise refusals.invalid(found.kind.kind, found.resource.group, name, causes)
    version = asked.get("resourceVersion") or metadata["resourceVersion"]
    if version != metadata["resourceVersion"]:
        raise refusals.changed(found.resource, name)


def _kept(view: View, current: Made, wanted: Made, version: int) -> Made:
    """Return the object as it is after a change; *current* itself where nothing has changed."""
    metadata = {key: one for key, one in wanted["metadata"].items() if key not in _SERVER_SETS}
    known = current["metadata"]
    metadata |= {key: known[key] for key in _SERVER_SETS if key in known}
    ours = {key: one for key, one in current.items() if key.startswith("x-")}
    made = {**wanted, **ours, "metadata": metadata, "apiVersion": current["apiVersion"]}
    if "status" in current:
        made["status"] = current["status"]
    if made == current:
        return current
    if made.get("spec") != current.get("spec") and _group(current) not in _UNCOUNTED:
        metadata["generation"] = int(metadata.get("generation", 1)) + 1
    if workloads.OURS in made and _template(made) != _template(current):
        rolled = view.scene.version_of(view.scene.now)
        made[workloads.ROLLED] = [*current.get(workloads.ROLLED, ()), rolled]
    metadata["resourceVersion"] = str(version)
    return made


def _group(made: Made) -> str:
    group, slash, _ = str(made["apiVersion"]).partition("/")
    return group if slash else ""


def _template(made: Made) -> Any:
    return made.get("spec", {}).get("template")


def _entry(view: View, found: Target, made: Made, version: int) -> Entry:
    """Return what is kept of a change: all of it, or how it differs from what extensions make."""
    group, _, plural = found.resource
    key: Key = (group, plural, found.namespace or "", found.name or "")
    earlier, base = view.entry(key), view.base(*key)
    if base is None or (earlier is not None and earlier.whole is not None):
        uid = None if earlier is None else earlier.uid
        return Entry(key=key, version=version, uid=uid, whole=made)
    patch = merging.difference(
        {key: one for key, one in base.items() if key != "status"},
        {key: one for key, one in made.items() if key != "status"},
    )
    patch.get("metadata", {}).pop("resourceVersion", None)
    return Entry(key=key, version=version, uid=base["metadata"]["uid"], patch=patch)


def deleted(interior: Interior, view: View, request: Request, found: Target) -> Reply:
    """Delete an object."""
    current = existing(view, found)
    options = request.json() if request.body else {}
    metadata, name = current["metadata"], found.name or ""
    wanted = options.get("preconditions", {}).get("uid")
    if wanted not in (None, metadata["uid"]):
        raise refusals.other_uid(found.kind, name, wanted=wanted, found=metadata["uid"])
    if not (request.is_dry_run or options.get("dryRun") == ["All"]):
        _remove(interior, view, found, current)
    details = {
        "name": name,
        **({"group": found.resource.group} if found.resource.group else {}),
        "kind": found.resource.plural,
        "uid": metadata["uid"],
    }
    status = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success"}
    return Reply(document={**status, "details": details})


def _remove(interior: Interior, view: View, found: Target, current: Made) -> None:
    group, plural, namespace, name = (
        found.resource.group,
        found.resource.plural,
        found.namespace or "",
        found.name or "",
    )
    version = _next(interior, view)
    if plural == "pods" and _reborn(interior, view, current, version):
        return
    base = view.base(group, plural, namespace, name)
    uid = current["metadata"]["uid"] if base is None else base["metadata"]["uid"]
    entry = Entry(key=(group, plural, namespace, name), version=version, uid=uid)
    interior.keep(entry, view.scene.now)


def _reborn(interior: Interior, view: View, pod: Made, version: int) -> bool:
    """Let a workload's pod be made anew; tell whether it was one."""
    namespace, name = pod["metadata"]["namespace"], pod["metadata"]["name"]
    for plural in ("deployments", "statefulsets"):
        for one in view.items("apps", plural, namespace):
            if one["metadata"]["namespace"] != namespace or workloads.OURS not in one:
                continue
            place = workloads.place_of(view, one, name)
            if place is None:
                continue
            reborn = {**one.get(workloads.REBORN, {}), str(place): version}
            kind = view.scene.kinds[Resource("apps", "v1", plural)]
            target = Target(kind=kind, namespace=namespace, name=one["metadata"]["name"])
            entry = _entry(view, target, {**one, workloads.REBORN: reborn}, version)
            interior.keep(entry, view.scene.now)
            return True
    return False


def _next(interior: Interior, view: View) -> int:
    # NB: whoever was told of this very moment has not seen this change.
    return max(view.scene.version_of(view.scene.now), interior.overlay.last) + 1


def _warned(lost: tuple[str, ...]) -> Mapping[str, str]:
    if not lost:
        return {}
    told = ", ".join(f'299 - "unknown field \\"{one}\\""' for one in lost)
    return {"Warning": told}
