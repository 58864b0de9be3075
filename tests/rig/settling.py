"""Bringing a cluster to hold certain objects and no others, by as few requests as that takes.

What the server has of its own is left alone, namespaces of the system apart. An object that is not
as it was left is made anew rather than changed.

Shapes:  ``hold(objects)`` as often as a test likes; the last one is remembered by version.
"""

from __future__ import annotations

import asyncio
import copy
from collections.abc import Iterable, Mapping
from typing import Any

from tests.rig.charted import Objects, Place, place
from tests.rig.serving import Caller, Heard

MERGE = {"Content-Type": "application/merge-patch+json"}
_KINDS: Mapping[tuple[str, str], str] = {
    ("v1", "Namespace"): "namespaces",
    ("apiextensions.k8s.io/v1", "CustomResourceDefinition"): "customresourcedefinitions",
    ("v1", "Node"): "nodes",
    ("v1", "ConfigMap"): "configmaps",
    ("v1", "Secret"): "secrets",
    ("v1", "Service"): "services",
    ("v1", "Endpoints"): "endpoints",
    ("apps/v1", "Deployment"): "deployments",
    ("apps/v1", "StatefulSet"): "statefulsets",
    ("apps/v1", "DaemonSet"): "daemonsets",
    ("apps/v1", "ReplicaSet"): "replicasets",
    ("v1", "Pod"): "pods",
    ("rbac.authorization.k8s.io/v1", "ClusterRole"): "clusterroles",
    ("rbac.authorization.k8s.io/v1", "Role"): "roles",
    ("rbac.authorization.k8s.io/v1", "ClusterRoleBinding"): "clusterrolebindings",
    ("rbac.authorization.k8s.io/v1", "RoleBinding"): "rolebindings",
    ("config.openservicemesh.io/v1alpha2", "MeshConfig"): "meshconfigs",
    ("security.openshift.io/v1", "SecurityContextConstraints"): "securitycontextconstraints",
    ("admissionregistration.k8s.io/v1", "MutatingWebhookConfiguration"): (
        "mutatingwebhookconfigurations"
    ),
    ("admissionregistration.k8s.io/v1", "ValidatingWebhookConfiguration"): (
        "validatingwebhookconfigurations"
    ),
}
"""In the order in which they are made."""
_LASTING = {"default", "kube-system", "kube-public", "kube-node-lease"}
_TRIES = 100


class Holder:
    """Somebody who may do everything, and sees to it that a cluster holds what it shall."""

    admin: Caller
    """By whom it is done: of the test that is run, for its loop is."""

    def __init__(self) -> None:
        self._own: set[Place] | None = None
        self._left: dict[Place, tuple[str, Mapping[str, Any]]] = {}

    async def hold(self, wanted: Objects) -> None:
        """Let the cluster hold *wanted*."""
        there = await self._there()
        if self._own is None:
            self._own = set(there) - set(wanted)
        good = {at for at, one in there.items() if self._is_as_left(at, one, wanted)}
        # NB: with a service the server removes its endpoints.
        remade = [at for at in wanted if at.kind == "Service" and at not in good]
        good -= {at._replace(kind="Endpoints") for at in remade}
        gone = [at for at in there if at not in good and at not in self._own]
        new = [at for at in wanted if at not in good]
        if any(at.kind == "Pod" for at in new):
            # They would be asked about the pods.
            shut = [at for at in wanted if at.kind.endswith("WebhookConfiguration")]
            gone += [at for at in shut if at in good]
            new += [at for at in shut if at in good]
        for at in sorted(gone, key=_rank, reverse=True):
            await self._remove(at)
        for at in sorted(new, key=_rank):
            await self._make(at, wanted[at])

    def _is_as_left(self, at: Place, found: Mapping[str, Any], wanted: Objects) -> bool:
        version, one = self._left.get(at, ("", None))
        return (
            at in wanted and found["metadata"]["resourceVersion"] == version and one == wanted[at]
        )

    async def _there(self) -> dict[Place, Mapping[str, Any]]:
        found = {}
        for (version, kind), plural in _KINDS.items():
            heard = await self.admin.get(f"{_root(version)}/{plural}")
            items = heard.json["items"] if heard.status == 200 else []
            for one in items:
                found[place({"apiVersion": version, "kind": kind, **one})] = one
        return found

    async def _remove(self, at: Place) -> None:
        if at.kind == "Namespace" and at.name in _LASTING:
            return
        now = {"gracePeriodSeconds": 0}
        heard = await self.admin.send("DELETE", path(at), body=now)
        assert heard.status in (200, 202, 404), heard.body
        if at.kind == "Namespace":
            # No controller empties it here: what is in it is gone already, or goes unseen.
            empty = {**_named(at), "spec": {"finalizers": []}}
            await self.admin.send("PUT", f"{path(at)}/finalize", body=empty)
        await self._until(at, lambda heard: heard.status == 404)

    async def _make(self, at: Place, one: Mapping[str, Any]) -> None:
        if at.kind == "Namespace" and at.name in _LASTING:
            heard = await self.admin.send("PUT", path(at), body=one)
        else:
            heard = await self.admin.send("POST", path(at, is_all=True), body=one)
        assert heard.status in (200, 201), (at, heard.body)
        made = heard.json
        if "status" in one:
            made = await self._with_status(at, {**made, "status": one["status"]})
        if at.kind == "CustomResourceDefinition":
            await self._until(at, _is_established)
            await self._served(one)
            made = (await self.admin.get(path(at))).json
        self._left[at] = (made["metadata"]["resourceVersion"], copy.deepcopy(one))

    async def _with_status(self, at: Place, one: Mapping[str, Any]) -> Any:
        heard = await self.admin.send("PUT", f"{path(at)}/status", body=one)
        assert heard.status == 200, (at, heard.body)
        return heard.json

    async def _served(self, definition: Mapping[str, Any]) -> None:
        spec = definition["spec"]
        for version in [one["name"] for one in spec["versions"] if one["served"]]:
            kinds = f"/apis/{spec['group']}/{version}/{spec['names']['plural']}"
            for _ in range(_TRIES):
                if (await self.admin.get(kinds)).status == 200:
                    break
                await asyncio.sleep(0.05)
            else:
                raise AssertionError(kinds)

    async def _until(self, at: Place, is_so: Any) -> None:
        said = b""
        for _ in range(_TRIES):
            heard = await self.admin.get(path(at))
            if is_so(heard):
                return
            said = heard.body
            await asyncio.sleep(0.05)
        raise AssertionError((at, said))


def path(at: Place, *, is_all: bool = False) -> str:
    """Return the path of an object, or of where all of its kind are."""
    inside = f"/namespaces/{at.namespace}" if at.namespace else ""
    kinds = f"{_root(at.version)}{inside}/{_KINDS[at.version, at.kind]}"
    return kinds if is_all else f"{kinds}/{at.name}"


def changed(objects: Objects, at: Place, **parts: Any) -> Objects:
    """Return *objects* where parts of one are others, such as ``status``."""
    return {**objects, at: {**objects[at], **parts}}


def without(objects: Objects, places: Iterable[Place]) -> Objects:
    """Return *objects* but for some of them."""
    gone = set(places)
    assert gone <= set(objects), gone - set(objects)
    return {at: one for at, one in objects.items() if at not in gone}


def _root(version: str) -> str:
    return f"/apis/{version}" if "/" in version else f"/api/{version}"


def _rank(at: Place) -> int:
    return list(_KINDS).index((at.version, at.kind))


def _named(at: Place) -> dict[str, Any]:
    return {"apiVersion": at.version, "kind": at.kind, "metadata": {"name": at.name}}


def _is_established(heard: Heard) -> bool:
    conditions = heard.json.get("status", {}).get("conditions") or ()
    return any(one["type"] == "Established" and one["status"] == "True" for one in conditions)
