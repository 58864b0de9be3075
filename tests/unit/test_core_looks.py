"""The checks of the mesh: each passes on a healthy cluster, and says in a sentence what is wrong.

Sentences are compared word by word: they are what somebody reads at night.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from fleet.core import looks
from fleet.model.inside import Verdict
from tests.rig import insights
from tests.rig.insights import ENVOY, SYSTEM, Cluster
from tests.rig.looking import healthy_for, said

Break = Callable[[Cluster], Any]
ALL = tuple(one.id for one in insights.RULES)
INNER = tuple(one.id for one in insights.RULES if not looks.is_outside(one))


def test_there_are_28_of_the_mesh_in_this_order() -> None:
    assert [(one.id, one.severity.value, one.since) for one in insights.RULES] == [
        ("azure-arc-agents", "gate", None),
        ("cluster-identity", "warn", None),
        ("arm-provisioning", "gate", None),
        ("helm-release", "warn", None),
        ("controller-deployment", "gate", None),
        ("controller-pods", "gate", None),
        ("controller-service", "gate", None),
        ("controller-endpoints", "gate", None),
        ("injector-deployment", "gate", None),
        ("injector-pods", "gate", None),
        ("injector-service", "gate", None),
        ("injector-endpoints", "gate", None),
        ("bootstrap-deployment", "gate", None),
        ("validator-service", "warn", "1.0.0"),
        ("validating-webhook", "gate", None),
        ("mutating-webhook", "gate", None),
        ("ca-bundle", "gate", None),
        ("meshconfig-exists", "gate", None),
        ("meshconfig-drift", "warn", None),
        ("namespaces", "warn", None),
        ("ignore-labels", "warn", None),
        ("crds", "gate", "0.11.1"),
        ("metrics-agent", "warn", "1.1.1"),
        ("new-pod-injection", "warn", None),
        ("stale-sidecars", "warn", None),
        ("orphan-webhooks-after-delete", "gate", None),
        ("leftovers-after-delete", "warn", None),
        ("identity-after-delete", "warn", None),
    ]


@pytest.mark.parametrize("name", ALL)
def test_passes_where_all_is_well(name: str) -> None:
    assert said(healthy_for(name), name) == (Verdict.PASSED, "")


# --- what breaks each, and what is said --------------------------------------------------


def _scaled(name: str, *, where: str = SYSTEM, **status: Any) -> Break:
    def broken(cluster: Cluster) -> None:
        cluster.at("deployments", name, where)["status"] = {"observedGeneration": 1, **status}

    return broken


def _gone(kind: str, name: str, where: str = "") -> Break:
    return lambda cluster: cluster.remove(kind, name, where)


def _put(kind: str, *found: dict[str, Any]) -> Break:
    def broken(cluster: Cluster) -> None:
        for one in found:
            cluster.put(kind, one)

    return broken


def _waiting(app: str) -> dict[str, Any]:
    pod = insights.control_pod(app)
    state = {"waiting": {"reason": "CrashLoopBackOff"}}
    pod["status"]["containerStatuses"] = [{"name": app, "ready": False, "state": state}]
    return pod


def _crowded(app: str) -> dict[str, Any]:
    pod = insights.control_pod(app)
    pod["spec"]["containers"] += [{"name": "envoy"}]
    pod["status"]["containerStatuses"] += [{"name": "envoy", "ready": True}]
    return pod


def _evicted(app: str) -> dict[str, Any]:
    pod = insights.control_pod(app, number=2)
    pod["status"] = {"phase": "Failed", "reason": "Evicted"}
    return pod


def _config(kind: str, called: str, *, bundle: str | None = None, **service: Any) -> Break:
    def broken(cluster: Cluster) -> None:
        config = cluster.at(kind, called)["webhooks"][0]["clientConfig"]
        config["service"] |= service
        config["caBundle"] = config["caBundle"] if bundle is None else bundle

    return broken


def _lone_ports(name: str) -> Break:
    def broken(cluster: Cluster) -> None:
        cluster.at("services", name, SYSTEM)["spec"]["ports"] = [{"port": 9091}]

    return broken


def _outside(name: str) -> Break:
    def broken(cluster: Cluster) -> None:
        cluster.at("services", name, SYSTEM)["spec"]["type"] = "LoadBalancer"

    return broken


def _selecting(name: str, app: str) -> Break:
    def broken(cluster: Cluster) -> None:
        cluster.at("services", name, SYSTEM)["spec"]["selector"] = {"app": app}

    return broken


def _unready(name: str) -> Break:
    def broken(cluster: Cluster) -> None:
        cluster.at("endpoints", name, SYSTEM)["subsets"] = [
            {"notReadyAddresses": [{"ip": "10.0.0.1"}], "ports": [{"port": 9090}]}
        ]

    return broken


def _named(**data: str) -> Break:
    def broken(cluster: Cluster) -> None:
        cluster.at("configmaps", "azure-clusterconfig", "azure-arc")["data"] |= data

    return broken


AGAIN = "install the extension again"
BROKEN = {
    "agents down": (
        "azure-arc-agents",
        _scaled("config-agent", where="azure-arc"),
        (
            "not available in azure-arc: config-agent (0 of 1): "
            "`kubectl -n azure-arc describe pods` says why"
        ),
    ),
    "another cluster": (
        "cluster-identity",
        _named(AZURE_RESOURCE_NAME="store-2", AZURE_RESOURCE_GROUP="rg-x"),
        (
            "it is store-2 of resource group rg-x "
            "(subscription 00000000-0000-0000-0000-000000000001): "
            "correct clusterAccess in the plan file"
        ),
    ),
    "a cluster that says nothing": (
        "identity-after-delete",
        _gone("configmaps", "azure-clusterconfig", "azure-arc"),
        (
            "nothing says that it is store-1: the ConfigMap azure-clusterconfig in azure-arc is "
            "not there: connect it to Azure again, or make sure that clusterAccess leads there"
        ),
    ),
    "helm pending": (
        "helm-release",
        _put("secrets", insights.release("osm", revision=3, status="pending-upgrade")),
        (
            "revision 3 of the release osm is pending-upgrade: "
            "`helm -n arc-osm-system history osm` says why"
        ),
    ),
    "helm gone": (
        "helm-release",
        _gone("secrets", "sh.helm.release.v1.osm.v2", SYSTEM),
        f"Helm has no release osm in arc-osm-system: {AGAIN}",
    ),
    "controller not ready": (
        "controller-deployment",
        _scaled(
            "osm-controller",
            conditions=[
                {"type": "Available", "status": "False", "reason": "MinimumReplicasUnavailable"}
            ],
        ),
        (
            "deployment osm-controller: 0 of 1 are ready (MinimumReplicasUnavailable): "
            "`kubectl -n arc-osm-system describe deployment osm-controller` says why"
        ),
    ),
    "controller gone": (
        "controller-deployment",
        _gone("deployments", "osm-controller", SYSTEM),
        f"there is no deployment osm-controller in arc-osm-system: {AGAIN}",
    ),
    "controller scaled to nothing": (
        "controller-deployment",
        lambda cluster: cluster.at("deployments", "osm-controller", SYSTEM)["spec"].update(
            replicas=0
        ),
        (
            "deployment osm-controller: it is scaled to 0: "
            "`kubectl -n arc-osm-system describe deployment osm-controller` says why"
        ),
    ),
    "controller not rolled out": (
        "controller-deployment",
        lambda cluster: cluster.at("deployments", "osm-controller", SYSTEM)["metadata"].update(
            generation=2
        ),
        (
            "deployment osm-controller: its newest change has not begun to roll out: "
            "`kubectl -n arc-osm-system describe deployment osm-controller` says why"
        ),
    ),
    "controller crashing": (
        "controller-pods",
        _put("pods", _waiting("osm-controller")),
        (
            "pods that are not ready: osm-controller-1 (CrashLoopBackOff): "
            "`kubectl -n arc-osm-system logs -l app=osm-controller` says why"
        ),
    ),
    "controller with a sidecar": (
        "controller-pods",
        _put("pods", _crowded("osm-controller")),
        (
            "pods with more containers than 1, a sidecar: osm-controller-1 (2): "
            "take arc-osm-system out of the mesh, then delete them"
        ),
    ),
    "controller evicted": (
        "controller-pods",
        lambda cluster: (
            cluster.remove("pods", "osm-controller-1", SYSTEM),
            cluster.put("pods", _evicted("osm-controller")),
        ),
        "no pod app=osm-controller runs in arc-osm-system: look at its deployment",
    ),
    "controller open to the world": (
        "controller-service",
        _outside("osm-controller"),
        (
            "service osm-controller: it is LoadBalancer: "
            "nobody outside the cluster may reach it: make it ClusterIP again"
        ),
    ),
    "controller without ports": (
        "controller-service",
        _lone_ports("osm-controller"),
        f"service osm-controller lacks the ports 15128/TCP, 9092/TCP: {AGAIN}",
    ),
    "controller leads nowhere": (
        "controller-endpoints",
        _gone("endpoints", "osm-controller", SYSTEM),
        "service osm-controller leads nowhere: look at the pods behind it in arc-osm-system",
    ),
    "injector not ready": (
        "injector-deployment",
        _scaled("osm-injector"),
        (
            "deployment osm-injector: 0 of 1 are ready: "
            "`kubectl -n arc-osm-system describe deployment osm-injector` says why"
        ),
    ),
    "one injector of two": (
        "injector-pods",
        _put("pods", insights.control_pod("osm-injector", number=2), _waiting("osm-injector")),
        (
            "pods that are not ready: osm-injector-1 (CrashLoopBackOff): "
            "`kubectl -n arc-osm-system logs -l app=osm-injector` says why"
        ),
    ),
    "injector service gone": (
        "injector-service",
        _gone("services", "osm-injector", SYSTEM),
        f"there is no service osm-injector in arc-osm-system: {AGAIN}",
    ),
    "injector endpoints not ready": (
        "injector-endpoints",
        _unready("osm-injector"),
        (
            "service osm-injector leads nowhere, 1 are not ready: "
            "look at the pods behind it in arc-osm-system"
        ),
    ),
    "bootstrap not ready": (
        "bootstrap-deployment",
        _scaled("osm-bootstrap"),
        (
            "deployment osm-bootstrap: 0 of 1 are ready: "
            "`kubectl -n arc-osm-system describe deployment osm-bootstrap` says why"
        ),
    ),
    "validator selects another": (
        "validator-service",
        _selecting("osm-validator", "osm-injector"),
        f"service osm-validator selects app=osm-injector, not app=osm-controller: {AGAIN}",
    ),
    "validating webhook elsewhere": (
        "validating-webhook",
        _config("validating", "osm-validator-mesh-osm", name="other", port=443),
        (
            "osm-validator-mesh-osm calls the service other, not osm-validator; "
            "the port 443, not 9093: "
            "restart what makes it: `kubectl -n arc-osm-system get deployments`"
        ),
    ),
    "mutating webhook gone": (
        "mutating-webhook",
        _gone("mutating", "arc-osm-webhook-osm"),
        (
            "there is no webhook arc-osm-webhook-osm: "
            "restart what makes it: `kubectl -n arc-osm-system get deployments`"
        ),
    ),
    "mutating webhook ignores failures": (
        "mutating-webhook",
        lambda cluster: cluster.at("mutating", "arc-osm-webhook-osm")["webhooks"][0].update(
            failurePolicy="Ignore"
        ),
        (
            "arc-osm-webhook-osm calls with the failure policy Ignore, not Fail: "
            "restart what makes it: `kubectl -n arc-osm-system get deployments`"
        ),
    ),
    "mutating webhook empty": (
        "mutating-webhook",
        lambda cluster: cluster.at("mutating", "arc-osm-webhook-osm").update(webhooks=[]),
        (
            "arc-osm-webhook-osm has 0 webhooks, not 1: "
            "restart what makes it: `kubectl -n arc-osm-system get deployments`"
        ),
    ),
    "no certificates": (
        "ca-bundle",
        _config("mutating", "arc-osm-webhook-osm", bundle=""),
        (
            "fewer than 1000 characters of certificates are in arc-osm-webhook-osm (0): the "
            "certificate was not provisioned: look at the logs of what makes the webhook"
        ),
    ),
    "no configuration": (
        "meshconfig-exists",
        _gone("meshconfigs", "osm-mesh-config", SYSTEM),
        (
            "there is no MeshConfig osm-mesh-config in arc-osm-system: restart what makes it: "
            "`kubectl -n arc-osm-system rollout restart deployment osm-bootstrap`"
        ),
    ),
    "mesh in its own mesh": (
        "namespaces",
        _put("namespaces", insights.meshed(SYSTEM)),
        "arc-osm-system itself is in the mesh: `osm namespace remove arc-osm-system`",
    ),
    "namespace left the mesh": (
        "namespaces",
        _put("namespaces", insights.namespace("shop", {})),
        "not in the mesh osm: shop: `osm namespace add` each",
    ),
    "namespace without injection": (
        "namespaces",
        _put("namespaces", insights.namespace("shop", {"openservicemesh.io/monitored-by": "osm"})),
        (
            "in the mesh, and new pods get no sidecar: shop: "
            "set the annotation openservicemesh.io/sidecar-injection=enabled"
        ),
    ),
    "not ignored": (
        "ignore-labels",
        _put("namespaces", insights.namespace("kube-system", {})),
        (
            "without the label openservicemesh.io/ignore=true: kube-system: "
            "`kubectl label namespace` each"
        ),
    ),
    "kinds missing": (
        "crds",
        lambda cluster: (
            cluster.remove("definitions", "retries.policy.openservicemesh.io"),
            cluster.put(
                "definitions",
                insights.definition("meshconfigs.config.openservicemesh.io", ["v1alpha1"]),
            ),
        ),
        (
            "kinds that are not as they should be: meshconfigs.config.openservicemesh.io is not "
            "served as v1alpha2, retries.policy.openservicemesh.io is not there: the extension's "
            "charts bring them: install it again"
        ),
    ),
    "metrics agent stripped": (
        "metrics-agent",
        _put("deployments", insights.deployment("osm-metrics-agent", containers=["mdm"])),
        (
            "deployment osm-metrics-agent has no container "
            "msi-adapter, prom-mdm-converter, telegraf: "
            f"somebody changed it: {AGAIN}"
        ),
    ),
    "not injected": (
        "new-pod-injection",
        _put("pods", insights.app_pod("bare-1", image=None)),
        (
            "pods without a sidecar in namespaces of the mesh: shop/bare: restart them; "
            "if they come up without again, look at the logs of osm-injector"
        ),
    ),
    "nobody injects": (
        "new-pod-injection",
        _gone("mutating", "arc-osm-webhook-osm"),
        "new pods get no sidecar: there is no webhook arc-osm-webhook-osm",
    ),
    "old sidecars": (
        "stale-sidecars",
        _put(
            "pods", insights.app_pod("cart-2", image="old:1"), insights.app_pod("db-0", image="o")
        ),
        (
            f"sidecars other than {ENVOY}: shop/cart, shop/db: "
            "`kubectl rollout restart` each, one after another"
        ),
    ),
    "webhooks left": (
        "orphan-webhooks-after-delete",
        _put("mutating", insights.webhook("arc-osm-webhook-osm", "osm-injector", 9090)),
        (
            "still there: mutatingwebhookconfigurations arc-osm-webhook-osm: "
            "wait ten minutes after the uninstall, then delete them"
        ),
    ),
    "configuration left": (
        "leftovers-after-delete",
        _put("meshconfigs", {"metadata": {"name": "osm-mesh-config", "namespace": SYSTEM}}),
        (
            "still there: meshconfigs osm-mesh-config: "
            "wait ten minutes after the uninstall, then delete them"
        ),
    ),
}


@pytest.mark.parametrize("case", BROKEN)
def test_says_what_is_wrong(case: str) -> None:
    name, broken, sentence = BROKEN[case]
    cluster = healthy_for(name)
    broken(cluster)

    assert said(cluster, name) == (Verdict.FAILED, sentence)


def test_every_check_of_the_cluster_itself_is_broken_above() -> None:
    by_hand = {"meshconfig-drift"}

    assert {name for name, _, _ in BROKEN.values()} | by_hand == set(INNER)
