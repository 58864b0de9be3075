"""Every check of Open Service Mesh against a real API server: all is well, and one thing is not.

Each breakage is made of the objects themselves, so that what a check reads is what the server
answers: defaulted, validated and stored by it.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from fleet.engine.inspecting import Inspector
from fleet.model.inside import CheckMoment, CheckResult
from tests.rig import charted, deployed, waysin
from tests.rig.charted import NAMESPACE, Objects, Place
from tests.rig.realserver import ADMIN, RealServer
from tests.rig.serving import Caller
from tests.rig.settling import MERGE, Holder, changed, path, without
from tests.rig.waysin import by_verdict

Change = Callable[[Objects], Objects]


def at(objects: Objects, kind: str, name: str) -> Place:
    """Return where the one object of that kind and name is."""
    (found,) = [one for one in objects if (one.kind, one.name) == (kind, name)]
    return found


def patched(kind: str, name: str, patch: Mapping[str, Any]) -> Change:
    """Return what lays *patch* over an object."""

    def change(objects: Objects) -> Objects:
        place = at(objects, kind, name)
        return {**objects, place: _merged(objects[place], patch)}

    return change


def _merged(found: Any, patch: Any) -> Any:
    if not isinstance(patch, Mapping) or not isinstance(found, Mapping):
        return patch
    laid = {**found, **{key: _merged(found.get(key), one) for key, one in patch.items()}}
    return {key: one for key, one in laid.items() if one is not None}


def missing(*which: tuple[str, str]) -> Change:
    """Return what takes objects away."""
    return lambda objects: without(objects, [at(objects, *one) for one in which])


def unready(name: str) -> Change:
    """Return what lets a deployment have no pod that is ready."""
    return patched("Deployment", name, {"status": deployed.rolled_out(0)})


def crashing(name: str) -> Change:
    """Return what lets a workload's pod crash."""
    status = deployed.pod_status([name], is_ready=False)
    return patched("Pod", deployed.pod_name(name), {"status": status})


def crowded(name: str) -> Change:
    """Return what puts a sidecar into a workload's pod."""
    boxes = [*deployed.boxes(name), {"name": "envoy", "image": charted.ENVOY}]
    status = deployed.pod_status([name, "envoy"])
    pod = deployed.pod_name(name)
    return patched("Pod", pod, {"spec": {"containers": boxes}, "status": status})


def cut_off(name: str) -> Change:
    """Return what leaves a service no pod that is ready."""
    subset = {"notReadyAddresses": [{"ip": "10.244.0.5"}], "ports": [{"port": 9090}]}
    return patched("Endpoints", name, {"subsets": [subset]})


def hooked(kind: str, name: str, **parts: Any) -> Change:
    """Return what changes the one webhook of a configuration."""

    def change(objects: Objects) -> Objects:
        place = at(objects, kind, name)
        (one,) = objects[place]["webhooks"]
        return changed(objects, place, webhooks=[_merged(one, parts)])

    return change


def unserved(name: str) -> Change:
    """Return what lets a kind be served in another version than it should."""

    def change(objects: Objects) -> Objects:
        place = at(objects, "CustomResourceDefinition", name)
        versions = [{**one, "name": "v9"} for one in objects[place]["spec"]["versions"][:1]]
        return {**objects, place: _merged(objects[place], {"spec": {"versions": versions}})}

    return change


INJECTOR = ("MutatingWebhookConfiguration", "arc-osm-webhook-osm")
VALIDATOR = ("ValidatingWebhookConfiguration", "osm-validator-mesh-osm")
MESH = ("MeshConfig", "osm-mesh-config")
POLICY = "retries.policy.openservicemesh.io"

BREAKAGES: Mapping[str, tuple[Change, set[str]]] = {
    "an agent of Azure's": (unready("config-agent"), {"azure-arc-agents"}),
    "no agents of Azure's": (
        lambda found: without(
            found, [one for one in found if one[1:3] == ("Deployment", "azure-arc")]
        ),
        {"azure-arc-agents"},
    ),
    "a cluster that says nothing": (
        missing(("ConfigMap", "azure-clusterconfig")),
        {"cluster-identity"},
    ),
    "a release that failed": (
        patched(
            "Secret", "sh.helm.release.v1.osm.v1", {"metadata": {"labels": {"status": "failed"}}}
        ),
        {"helm-release"},
    ),
    "no release": (missing(("Secret", "sh.helm.release.v1.osm.v1")), {"helm-release"}),
    "the controller": (unready("osm-controller"), {"controller-deployment"}),
    "the controller's pod": (crashing("osm-controller"), {"controller-pods"}),
    "a sidecar of the controller's": (crowded("osm-controller"), {"controller-pods"}),
    "no pod of the controller": (
        missing(("Pod", deployed.pod_name("osm-controller"))),
        {"controller-pods"},
    ),
    "the controller's service": (
        patched("Service", "osm-controller", {"spec": {"type": "LoadBalancer"}}),
        {"controller-service"},
    ),
    "a port of the controller's": (
        patched("Service", "osm-controller", {"spec": {"ports": [{"port": 9092}]}}),
        {"controller-service"},
    ),
    "the controller's endpoints": (cut_off("osm-controller"), {"controller-endpoints"}),
    "the injector": (unready("osm-injector"), {"injector-deployment"}),
    "the injector's pod": (crashing("osm-injector"), {"injector-pods"}),
    # Whose endpoints the server removes with it.
    "no service of the injector": (
        missing(("Service", "osm-injector"), ("Endpoints", "osm-injector")),
        {"injector-service", "injector-endpoints"},
    ),
    "no endpoints of the injector": (
        missing(("Endpoints", "osm-injector")),
        {"injector-endpoints"},
    ),
    "the bootstrap": (unready("osm-bootstrap"), {"bootstrap-deployment"}),
    "no bootstrap": (missing(("Deployment", "osm-bootstrap")), {"bootstrap-deployment"}),
    "the validator's service": (
        patched("Service", "osm-validator", {"spec": {"selector": {"app": "other"}}}),
        {"validator-service"},
    ),
    "where the validator is": (
        hooked(*VALIDATOR, clientConfig={"service": {"path": "/other"}}),
        {"validating-webhook"},
    ),
    "no validator": (missing(VALIDATOR), {"validating-webhook", "ca-bundle"}),
    "an injector that may be silent": (
        hooked(*INJECTOR, failurePolicy="Ignore"),
        {"mutating-webhook"},
    ),
    "no injector": (missing(INJECTOR), {"mutating-webhook", "ca-bundle", "new-pod-injection"}),
    "no certificates": (hooked(*INJECTOR, clientConfig={"caBundle": None}), {"ca-bundle"}),
    "too few certificates": (
        hooked(*VALIDATOR, clientConfig={"caBundle": "YQ=="}),
        {"ca-bundle"},
    ),
    "no configuration": (missing(MESH), {"meshconfig-exists"}),
    "another configuration": (
        patched(*MESH, {"spec": {"traffic": {"enableEgress": False}}}),
        {"meshconfig-drift"},
    ),
    "a namespace out of the mesh": (
        patched("Namespace", "bookstore", {"metadata": {"labels": None}}),
        {"namespaces"},
    ),
    "a namespace without sidecars": (
        patched("Namespace", "bookstore", {"metadata": {"annotations": None}}),
        {"namespaces"},
    ),
    "the mesh in itself": (
        patched(
            "Namespace",
            NAMESPACE,
            {"metadata": {"annotations": {"openservicemesh.io/sidecar-injection": "enabled"}}},
        ),
        {"namespaces"},
    ),
    "a label that is gone": (
        patched("Namespace", "kube-system", {"metadata": {"labels": None}}),
        {"ignore-labels"},
    ),
    "a kind that is gone": (missing(("CustomResourceDefinition", POLICY)), {"crds"}),
    "a kind of another version": (unserved(POLICY), {"crds"}),
    "the metrics agent": (unready("osm-metrics-agent"), {"metrics-agent"}),
    "a newer sidecar": (
        patched(*MESH, {"spec": {"sidecar": {"envoyImage": "envoy:new"}}}),
        {"stale-sidecars"},
    ),
}


def _before(healthy: Objects) -> str:
    return json.dumps(healthy[at(healthy, *MESH)]["spec"])


async def checked(
    server: RealServer, folder: Path, healthy: Objects, *, token: str = ADMIN
) -> tuple[CheckResult, ...]:
    """Return what the checks come to now."""
    inspector = Inspector(waysin.clusters(server, folder, token=token))
    subject = waysin.subject(mesh_before=_before(healthy))
    return await inspector.inspect(subject, waysin.rules())


async def test_all_is_well(
    holder: Holder, server: RealServer, healthy: Objects, tmp_path: Path
) -> None:
    found = await checked(server, tmp_path, healthy)

    assert [one for one in found if one.verdict.value != "passed"] == []
    assert {one.check for one in found} == {one.id for one in waysin.rules()}


@pytest.mark.parametrize("name", BREAKAGES)
async def test_what_is_broken_fails_its_check_and_no_other(
    name: str, holder: Holder, server: RealServer, healthy: Objects, tmp_path: Path
) -> None:
    change, expected = BREAKAGES[name]
    await holder.hold(change(healthy))
    found = by_verdict(await checked(server, tmp_path, healthy))

    assert found.get("failed") == expected
    assert "unknown" not in found


def test_each_check_has_a_breakage() -> None:
    """But the one that reads nothing of the cluster."""
    broken = {check for _, checks in BREAKAGES.values() for check in checks}

    assert broken == {one.id for one in waysin.rules()} - {"arm-provisioning"}


async def test_a_new_pod_without_a_sidecar_is_seen(
    holder: Holder, admin: Caller, server: RealServer, healthy: Objects, tmp_path: Path
) -> None:
    """The server asks the injector, which does not answer, and may take that for yes."""
    silent = hooked(*INJECTOR, failurePolicy="Ignore")(healthy)
    await holder.hold(silent)
    await asyncio.sleep(1.1)  # stamps are whole seconds
    pod = {"metadata": {"name": "new"}, "spec": {"containers": list(deployed.boxes("new"))}}
    heard = await admin.send("POST", "/api/v1/namespaces/bookstore/pods", body=pod)
    found = by_verdict(await checked(server, tmp_path, healthy))

    assert heard.status == 201
    assert found["failed"] == {"mutating-webhook", "new-pod-injection"}


async def test_a_mesh_in_its_own_namespace_only_says_so_by_label(
    holder: Holder, admin: Caller, server: RealServer, healthy: Objects, tmp_path: Path
) -> None:
    label = {"metadata": {"labels": {"openservicemesh.io/monitored-by": "osm"}}}
    own = path(at(healthy, "Namespace", NAMESPACE))
    await admin.send("PATCH", own, body=label, headers=MERGE)
    found = by_verdict(await checked(server, tmp_path, healthy))

    assert found["failed"] == {"namespaces"}


async def test_leftovers_of_an_uninstall_are_found(
    holder: Holder, server: RealServer, healthy: Objects, tmp_path: Path
) -> None:
    inspector = Inspector(waysin.clusters(server, tmp_path))
    rules = waysin.rules(CheckMoment.ABSENT)
    left = by_verdict(await inspector.inspect(waysin.subject(), rules))
    gone = missing(INJECTOR, VALIDATOR, MESH, ("Secret", "osm-ca-bundle"))
    await holder.hold(gone(healthy))
    clean = by_verdict(await inspector.inspect(waysin.subject(), rules))

    ids = {one.id for one in rules}
    own = {"identity-after-delete"}
    assert (left, clean) == ({"failed": ids - own, "passed": own}, {"passed": ids})
