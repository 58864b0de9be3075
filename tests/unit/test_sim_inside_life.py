from __future__ import annotations

import json
from typing import Any

import pytest

from fleet.model.plan import Verb
from fleet.sim.inside import releases
from tests.rig.interiors import (
    CLUSTER,
    DEPLOYMENTS,
    MESH_CONFIG,
    NAMESPACE,
    WEBHOOKS,
    Inside,
    inside,
)

BOOKSTORE = "/api/v1/namespaces/bookstore/pods"
CONTROL_PLANE = ["osm-bootstrap", "osm-controller", "osm-injector", "osm-metrics-agent"]
HOOKS = ("mutatingwebhookconfigurations", "validatingwebhookconfigurations")


def ready(found: Inside) -> dict[str, int]:
    items = found.get(DEPLOYMENTS)["items"]
    return {one["metadata"]["name"]: one["status"].get("readyReplicas", 0) for one in items}


def hooks(found: Inside) -> list[str]:
    return [name for plural in HOOKS for name in found.names(f"{WEBHOOKS}/{plural}")]


def spec(found: Inside) -> Any:
    return found.get(MESH_CONFIG)["spec"]


def sidecars(found: Inside, **query: str) -> set[str]:
    return {
        container["image"]
        for pod in found.get(BOOKSTORE, **query)["items"]
        for container in pod["spec"]["containers"]
        if container["name"] == "envoy"
    }


@pytest.mark.parametrize("version", [one.version for one in releases.RELEASES])
def test_each_release_has_its_own_control_plane(version: str) -> None:
    found = inside(installed=version)
    release = releases.of(version)
    parts = [one for one in CONTROL_PLANE if one != "osm-metrics-agent" or version >= "1.1"]
    served = "v1alpha1" if version < "1.1" else "v1alpha2"

    assert ready(found) == dict.fromkeys(parts, 1)
    image = found.get(f"{DEPLOYMENTS}/osm-controller")["spec"]["template"]["spec"]["containers"][0]
    tag = f"v{version.partition('-')[0]}"
    assert image["image"] == f"mcr.microsoft.com/oss/openservicemesh/osm-controller:{tag}"
    config = found.get(MESH_CONFIG.replace("v1alpha2", served))
    assert config["apiVersion"] == f"config.openservicemesh.io/{served}"
    assert config["spec"]["traffic"]["enableEgress"] is (version >= "1.2")
    assert sidecars(found) == {release.sidecar_image}
    assert found.ask(MESH_CONFIG).code == (404 if served == "v1alpha1" else 200)


def test_an_installation_comes_up_in_parts() -> None:
    found = inside(installed="absent")
    assert (found.ask(DEPLOYMENTS).document or {})["items"] == []
    assert found.ask(MESH_CONFIG).code == 404
    assert NAMESPACE not in found.names("/api/v1/namespaces")

    settings = {"osm.osm.enableEgress": "false", "osm.osm.envoyLogLevel": "debug"}
    found.write(Verb.PUT, version="1.2.6", settings=settings)
    seen = []
    for _ in range(6):
        found.wait(seconds=40)
        has_config = found.ask(MESH_CONFIG).code == 200
        seen.append((sum(ready(found).values()), has_config, len(hooks(found))))

    assert seen == [
        (0, False, 0),
        (1, False, 0),
        (1, True, 0),
        (3, True, 2),
        (4, True, 2),
        (4, True, 2),
    ]
    assert spec(found)["traffic"]["enableEgress"] is False
    assert spec(found)["sidecar"]["logLevel"] == "debug"
    labels = found.get("/api/v1/namespaces/kube-system")["metadata"]["labels"]
    assert labels["openservicemesh.io/ignore"] == "true"


def test_an_upgrade_leaves_the_configuration_alone_and_old_sidecars_where_they_are() -> None:
    found = inside(installed="1.1.1")
    found.patch(MESH_CONFIG, {"spec": {"sidecar": {"logLevel": "debug"}}})
    before = spec(found)

    found.write(Verb.PATCH, version="1.2.3", settings={"osm.osm.enableEgress": "true"})
    found.wait(seconds=100)
    midway = found.get(f"{DEPLOYMENTS}/osm-controller")["status"]
    found.wait(seconds=200)

    assert (midway["replicas"], midway["updatedReplicas"], midway["readyReplicas"]) == (2, 1, 1)
    assert spec(found) == before
    assert sidecars(found) == {releases.of("1.1.1").sidecar_image}
    crd = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
    assert "meshrootcertificates.config.openservicemesh.io" in found.names(crd)


def test_a_restart_brings_the_present_sidecar() -> None:
    found = inside(installed="1.1.1")
    found.write(Verb.PATCH, version="1.2.3")
    found.wait(minutes=10)
    path = "/apis/apps/v1/namespaces/bookstore/deployments/bookstore"
    stamp = {"kubectl.kubernetes.io/restartedAt": "2026-01-10T02:10:00Z"}
    found.patch(path, {"spec": {"template": {"metadata": {"annotations": stamp}}}})
    found.wait(seconds=3)
    during = found.get(path)["status"]
    found.wait(seconds=60)
    pods = found.get(BOOKSTORE, labelSelector="app=bookstore")["items"]

    assert during["updatedReplicas"] == 1
    assert during["replicas"] == during["readyReplicas"] + 1
    assert found.get(path)["status"]["observedGeneration"] == 2
    assert len(pods) == found.get(path)["spec"]["replicas"]
    assert sidecars(found, labelSelector="app=bookstore") == {releases.of("1.2.3").sidecar_image}
    assert all(pod["metadata"]["annotations"] == stamp for pod in pods)


def test_a_pod_that_is_deleted_comes_back_new() -> None:
    found = inside(installed="1.1.1")
    found.write(Verb.PATCH, version="1.2.3")
    found.wait(minutes=10)
    first, *others = found.names(BOOKSTORE)
    found.ask(f"{BOOKSTORE}/{first}", method="DELETE")
    found.wait(minutes=1)

    names = found.names(BOOKSTORE)
    assert len(names) == len(others) + 1
    assert first not in names
    assert set(others) <= set(names)
    assert releases.of("1.2.3").sidecar_image in sidecars(found)


def test_an_uninstallation_goes_on_after_azure_has_forgotten() -> None:
    found = inside(installed="1.2.3")
    found.write(Verb.DELETE)
    found.wait(seconds=205)
    assert found.world.extension(found.cluster_id, "osm", found.now) is None
    assert len(hooks(found)) == 2

    found.wait(minutes=10)
    crd = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
    assert ready(found) == {}
    assert hooks(found) == []
    assert found.ask(MESH_CONFIG).code == 404
    assert found.names(f"/api/v1/namespaces/{NAMESPACE}/secrets") == []
    assert NAMESPACE in found.names("/api/v1/namespaces")
    assert "meshconfigs.config.openservicemesh.io" in found.names(crd)
    assert sidecars(found) == {releases.of("1.2.3").sidecar_image}


def test_what_was_left_behind_and_then_deleted_stays_gone_when_the_rest_has_gone_too() -> None:
    left = [{"cluster": CLUSTER, "breaks": ["orphan-webhooks", "leftovers"]}]
    found = inside(installed="1.2.3", overrides=left)
    found.write(Verb.DELETE)
    found.wait(seconds=205)
    before = found.get(MESH_CONFIG)
    for plural, name in zip(HOOKS, hooks(found), strict=True):
        assert found.ask(f"{WEBHOOKS}/{plural}/{name}", method="DELETE").code == 200

    found.wait(minutes=20)

    assert hooks(found) == []
    assert found.get(MESH_CONFIG) == before


def test_a_new_installation_after_that_seeds_anew() -> None:
    found = inside(installed="1.2.3")
    found.patch(MESH_CONFIG, {"spec": {"sidecar": {"logLevel": "debug"}}})
    found.write(Verb.DELETE)
    found.wait(minutes=20)
    found.write(Verb.PUT, version="1.2.6", settings={"osm.osm.enableDebugServer": "true"})
    found.wait(seconds=1)
    crd = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
    assert "meshconfigs.config.openservicemesh.io" in found.names(crd)
    found.wait(minutes=10)

    assert spec(found)["sidecar"]["logLevel"] == "error"
    assert spec(found)["observability"]["enableDebugServer"] is True
    assert ready(found) == dict.fromkeys(CONTROL_PLANE, 1)


def test_what_does_not_come_up_is_taken_back() -> None:
    found = inside(installed="absent", faults={"operationFails": 100})
    found.write(Verb.PUT, version="1.2.6", settings={})
    found.wait(seconds=199)
    assert 0 < sum(ready(found).values()) < 4
    found.wait(seconds=2)

    assert ready(found) == {}
    assert hooks(found) == []
    assert NAMESPACE in found.names("/api/v1/namespaces")


def test_a_failed_upgrade_leaves_what_ran() -> None:
    found = inside(installed="1.1.1", faults={"operationFails": 100})
    found.write(Verb.PATCH, version="1.2.3")
    found.wait(minutes=30)

    labels = found.get(f"{DEPLOYMENTS}/osm-injector")["metadata"]["labels"]
    assert labels["app.kubernetes.io/version"] == "v1.1.1"
    assert ready(found) == dict.fromkeys(CONTROL_PLANE, 1)


def test_other_extensions_have_a_deployment_and_a_daemon_set() -> None:
    found = inside(
        extensions=[{"type": "Microsoft.flux", "installed": {"1.16.3": 1}, "failedShare": 0}]
    )
    deployments = found.get("/apis/apps/v1/namespaces/flux-system/deployments")["items"]
    sets = found.get("/apis/apps/v1/namespaces/flux-system/daemonsets")["items"]

    assert [one["metadata"]["name"] for one in deployments] == ["flux-controller"]
    assert deployments[0]["status"]["readyReplicas"] == 1
    assert [one["metadata"]["name"] for one in sets] == ["flux-agent"]
    assert sets[0]["status"]["numberReady"] == sets[0]["status"]["desiredNumberScheduled"]


def test_settings_ask_for_autoscalers_and_budgets() -> None:
    key = "osm.osm.osmController"
    settings = {
        f"{key}.autoScale.enable": "true",
        f"{key}.autoScale.minReplicas": "2",
        f"{key}.enablePodDisruptionBudget": "true",
    }
    found = inside(overrides=[{"cluster": "store-0001-a", "settings": settings}])

    scalers = f"/apis/autoscaling/v2/namespaces/{NAMESPACE}/horizontalpodautoscalers"
    assert found.names(scalers) == ["osm-controller-hpa"]
    budgets = f"/apis/policy/v1/namespaces/{NAMESPACE}/poddisruptionbudgets"
    assert found.names(budgets) == ["osm-controller-pdb"]
    assert ready(found)["osm-controller"] == 2


def test_between_a_deployment_and_its_pods_is_a_replica_set() -> None:
    found = inside()
    pod = found.get(f"/api/v1/namespaces/{NAMESPACE}/pods", labelSelector="app=osm-injector")
    owner = pod["items"][0]["metadata"]["ownerReferences"][0]
    sets = f"/apis/apps/v1/namespaces/{NAMESPACE}/replicasets"
    between = found.get(f"{sets}/{owner['name']}")
    deployment = found.get(f"{DEPLOYMENTS}/osm-injector")

    assert (owner["kind"], owner["uid"]) == ("ReplicaSet", between["metadata"]["uid"])
    assert between["metadata"]["ownerReferences"] == [
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "name": "osm-injector",
            "uid": deployment["metadata"]["uid"],
            "controller": True,
            "blockOwnerDeletion": True,
        }
    ]
    assert between["status"] == {"replicas": 1, "readyReplicas": 1}


def test_pods_stay_the_same_until_they_are_replaced() -> None:
    found = inside(installed="1.1.1")
    path = f"/api/v1/namespaces/{NAMESPACE}/pods"
    seen = []
    found.write(Verb.PATCH, version="1.2.3")
    for _ in range(12):
        found.wait(seconds=30)
        seen.append(tuple(found.names(path, labelSelector="app=osm-controller")))

    stages = list(dict.fromkeys(seen))
    old, both, new = (set(one) for one in stages)
    assert (len(old), len(new), both) == (1, 1, old | new)


def test_settings_alone_replace_no_pods() -> None:
    found = inside(installed="1.1.1")
    path = f"/api/v1/namespaces/{NAMESPACE}/pods"
    before = found.names(path)
    found.write(Verb.PATCH, settings={"osm.osm.enableEgress": "true"})
    seen = []
    for _ in range(5):
        found.wait(seconds=60)
        seen.append(found.names(path))

    assert seen == [before] * 5
    assert spec(found)["traffic"]["enableEgress"] is False


def test_the_service_s_own_upgrade_is_one_inside_too() -> None:
    kind = {
        "type": "Microsoft.openservicemesh",
        "installed": {"1.1.1": 1},
        "autoUpgrade": 100,
        "failedShare": 0,
    }
    found = inside(extensions=[kind], autoUpgradeAfterSeconds={"min": 100, "max": 100})
    found.wait(seconds=200)

    labels = found.get(f"{DEPLOYMENTS}/osm-injector")["metadata"]["labels"]
    current = found.world.extension(found.cluster_id, "osm", found.now)
    assert current is not None
    assert labels["app.kubernetes.io/version"] == "v1.2.6"
    assert current.current_version == "1.2.6"
    assert spec(found)["traffic"]["enableEgress"] is False
    assert sidecars(found) == {releases.of("1.1.1").sidecar_image}


def test_what_settings_say_by_now_is_told_beside_what_was_seeded() -> None:
    found = inside(installed="1.2.3")
    found.write(Verb.PATCH, settings={"osm.osm.enableEgress": "false"})
    found.wait(minutes=10)
    path = f"/api/v1/namespaces/{NAMESPACE}/configmaps/preset-mesh-config"
    preset = json.loads(found.get(path)["data"]["preset-mesh-config.json"])

    assert preset["traffic"]["enableEgress"] is False
    assert spec(found)["traffic"]["enableEgress"] is True


def test_each_workload_has_an_account_and_each_namespace_a_usual_one() -> None:
    found = inside()
    space = "/api/v1/namespaces/bookstore"
    pods = found.get(f"{space}/pods")["items"]

    assert {"default", "bookstore"} <= set(found.names(f"{space}/serviceaccounts"))
    assert {one["spec"]["serviceAccountName"] for one in pods} <= set(
        found.names(f"{space}/serviceaccounts")
    )


def test_nothing_is_kept_of_clusters_that_nobody_asked() -> None:
    found = inside()
    found.get("/api/v1/pods")

    assert list(found.world.interiors) == [found.cluster_id]
    assert found.world.interiors[found.cluster_id].overlay.last == 0
