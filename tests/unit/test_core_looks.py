"""The checks of the mesh: each passes on a healthy cluster, and says in a sentence what is wrong.

Sentences are compared word by word: they are what somebody reads at night.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import pytest

from fleet.core import looks
from fleet.core.looks import meshes
from fleet.model.cluster import ProvisioningState
from fleet.model.inside import CheckMoment, CheckResult, CheckRule, Severity, Verdict
from fleet.spec import charts, profiles
from tests.rig import insights
from tests.rig.insights import ENVOY, SYSTEM, Cluster

Break = Callable[[Cluster], Any]
ALL = tuple(one.id for one in insights.RULES)
INNER = tuple(one.id for one in insights.RULES if not looks.is_outside(one))


def judged(cluster: Cluster, *names: str, **known: Any) -> tuple[CheckResult, ...]:
    """Look at a cluster by the rules of *names*, whatever their moment."""
    subject = insights.subject(**known)
    rules = tuple(one for one in insights.RULES if one.id in names)
    return looks.judge(rules, subject, cluster.seen(rules, subject))


def said(cluster: Cluster, name: str, **known: Any) -> tuple[Verdict, str]:
    (result,) = judged(cluster, name, **known)
    assert result.check == name
    return result.verdict, result.detail


def healthy_for(name: str) -> Cluster:
    return insights.uninstalled() if name.endswith("after-delete") else insights.healthy()


def test_there_are_26_of_the_mesh_in_this_order() -> None:
    assert [(one.id, one.severity.value, one.since) for one in insights.RULES] == [
        ("azure-arc-agents", "gate", None),
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


def _spec(part: str, **fields: Any) -> Break:
    def broken(cluster: Cluster) -> None:
        cluster.at("meshconfigs", "osm-mesh-config", SYSTEM)["spec"].setdefault(part, {})
        cluster.at("meshconfigs", "osm-mesh-config", SYSTEM)["spec"][part] |= fields

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


# --- Azure's own word --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        pytest.param(
            {"provisioning_state": ProvisioningState.UPDATING},
            "it is still Updating in Azure: look again when that has ended",
            id="busy",
        ),
        pytest.param(
            {"provisioning_state": ProvisioningState.FAILED, "error": "no chart"},
            "it is Failed in Azure (no chart): run the plan file again when the cause is gone",
            id="failed",
        ),
        pytest.param(
            {"current_version": "1.1.1"},
            "Azure shows version 1.1.1, not 1.2.6: run the plan file",
            id="another-version",
        ),
    ],
)
def test_takes_azure_by_its_word(changed: dict[str, Any], sentence: str) -> None:
    found = insights.extension(**changed)

    told = said(Cluster(), "arm-provisioning", extension=found)

    assert told == (Verdict.FAILED, sentence)


def test_an_extension_that_azure_does_not_know_has_failed() -> None:
    told = said(Cluster(), "arm-provisioning", extension=None)

    assert told == (Verdict.FAILED, "Azure knows no extension osm here: install it")


def test_any_version_will_do_where_none_is_planned() -> None:
    found = insights.extension("1.1.1")

    told = said(Cluster(), "arm-provisioning", extension=found, version=None)

    assert told == (Verdict.PASSED, "")


# --- the mesh's configuration ------------------------------------------------------------


def test_says_what_changed_since_it_was_read_before() -> None:
    cluster = insights.healthy()
    _spec("traffic", enableEgress=False)(cluster)

    told = said(
        cluster, "meshconfig-drift", mesh_before='{"traffic":{"enableEgress":true},"sidecar":{}}'
    )

    assert told == (
        Verdict.FAILED,
        (
            "changed since it was read before: traffic.enableEgress is false, not true: "
            "say in meshConfig of the plan file what shall hold"
        ),
    )


def test_what_the_plan_file_wants_is_no_change() -> None:
    cluster = insights.healthy()
    _spec("traffic", enableEgress=False)(cluster)
    wish = '{"traffic":{"enableEgress":false}}'

    told = said(
        cluster,
        "meshconfig-drift",
        mesh_before='{"traffic":{"enableEgress":true}}',
        mesh_wish=wish,
        settings={"osm.osm.enableEgress": "true"},
    )

    assert told == (Verdict.PASSED, "")


def test_says_what_is_not_as_the_plan_file_wants_it() -> None:
    wish = '{"sidecar":{"logLevel":"debug"},"traffic":{"enableEgress":null}}'

    told = said(insights.healthy(), "meshconfig-drift", mesh_wish=wish)

    assert told == (
        Verdict.FAILED,
        (
            "not as the plan file wants it: sidecar.logLevel is error, not debug, "
            "traffic.enableEgress is set: "
            "say in meshConfig of the plan file what shall hold"
        ),
    )


def test_says_which_settings_never_reached_it() -> None:
    settings = {
        "osm.osm.enableEgress": "false",
        "osm.osm.envoyLogLevel": "error",
        "osm.osm.outboundPortExclusionList[0]": "6379",
        "osm.osm.outboundPortExclusionList[1]": "7000",
        "osm.osm.tracing.enable": "false",
        "osm.osm.tracing.port": "9411",
        "osm.contour.enabled": "true",
        "osm.osm.osmController.replicaCount": "2",
    }

    told = said(insights.healthy(), "meshconfig-drift", settings=settings)

    assert told == (
        Verdict.FAILED,
        (
            "settings that never reached it: osm.osm.enableEgress, "
            "osm.osm.outboundPortExclusionList[1], osm.osm.tracing.port and 1 more: "
            "say in meshConfig of the plan file what shall hold"
        ),
    )


def test_a_snapshot_that_cannot_be_read_says_nothing() -> None:
    told = said(insights.healthy(), "meshconfig-drift", mesh_before="{", mesh_wish="[1")

    assert told == (Verdict.PASSED, "")


def test_settings_are_known_from_the_chart() -> None:
    chart = charts.load("osm")
    assert chart is not None
    (drift,) = insights.rules("meshconfig-drift")
    known = {key: one for key, one in drift.given.items() if one.startswith("spec.")}

    assert known == {one.setting: one.field for one in chart.advice().seeds}


def test_reads_the_version_of_the_configuration_that_the_release_serves() -> None:
    (rule,) = insights.rules("meshconfig-exists")
    old = insights.subject(extension=insights.extension("1.0.0-1"))

    resources = [looks.wants([rule], one)[0].resource for one in (old, insights.subject())]

    assert resources == [meshes.OLD_MESH_CONFIGS, meshes.MESH_CONFIGS]


# --- what does not apply -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "version", "detail"),
    [
        ("validator-service", "0.11.1", "there since version 1.0.0"),
        ("metrics-agent", "1.0.0-1", "there since version 1.1.1"),
        ("crds", "0.9.2", "there since version 0.11.1"),
    ],
)
def test_leaves_out_what_a_version_does_not_have(name: str, version: str, detail: str) -> None:
    told = said(Cluster(), name, extension=insights.extension(version))

    assert told == (Verdict.NOT_APPLICABLE, detail)


def test_a_revision_has_what_its_version_has() -> None:
    told = said(insights.healthy(), "metrics-agent", extension=insights.extension("1.1.1-1"))

    assert told == (Verdict.PASSED, "")


def test_asks_for_the_kinds_of_the_version_that_is_there() -> None:
    (rule,) = insights.rules("crds")
    subject = insights.subject(extension=insights.extension("1.0.0"))

    assert [one.name for one in looks.wants([rule], subject)] == [
        "meshconfigs.config.openservicemesh.io",
        "egresses.policy.openservicemesh.io",
        "ingressbackends.policy.openservicemesh.io",
        "httproutegroups.specs.smi-spec.io",
        "tcproutes.specs.smi-spec.io",
        "traffictargets.access.smi-spec.io",
        "trafficsplits.split.smi-spec.io",
    ]


@pytest.mark.parametrize("name", ["new-pod-injection", "stale-sidecars"])
def test_nothing_is_said_of_sidecars_where_nobody_is_in_the_mesh(name: str) -> None:
    cluster = insights.healthy()
    for pod in ("cart-1", "cart-2"):
        cluster.remove("pods", pod, "shop")

    verdict, _ = said(cluster, name)

    assert verdict is Verdict.NOT_APPLICABLE


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"creationTimestamp": "2026-01-10T01:00:00Z"}, id="older-than-the-webhook"),
        pytest.param({"deletionTimestamp": "2026-01-10T04:00:00Z"}, id="leaving"),
        pytest.param(
            {"annotations": {"openservicemesh.io/sidecar-injection": "disabled"}}, id="spared"
        ),
    ],
)
def test_a_pod_that_was_to_have_no_sidecar_is_left_alone(change: dict[str, Any]) -> None:
    cluster, pod = insights.healthy(), insights.app_pod("bare-1", image=None)
    pod["metadata"] |= change
    cluster.put("pods", pod)

    assert said(cluster, "new-pod-injection") == (Verdict.PASSED, "")


def test_evicted_pods_beside_one_that_runs_are_no_trouble() -> None:
    cluster = insights.healthy()
    cluster.put("pods", _evicted("osm-injector"))

    assert said(cluster, "injector-pods") == (Verdict.PASSED, "")


def test_the_sidecar_that_the_configuration_names_counts_before_the_injectors() -> None:
    cluster = insights.healthy()
    _spec("sidecar", envoyImage="own:1")(cluster)

    verdict, _ = said(cluster, "stale-sidecars")

    assert verdict is Verdict.FAILED


# --- what is not known -------------------------------------------------------------------


@pytest.mark.parametrize("name", INNER)
def test_what_may_not_be_read_is_unknown(name: str) -> None:
    cluster, subject = healthy_for(name), insights.subject()
    rules = tuple(one for one in insights.RULES if one.id == name)
    first = looks.wants(rules, subject)[0]
    plural = first.resource.plural
    cluster.forbidden = frozenset({plural})
    called = f" {first.name}" if first.name else ""
    where = f" in {first.namespace}" if first.namespace else ""

    told = said(cluster, name)

    assert told == (
        Verdict.UNKNOWN,
        (
            f"{plural}{called}{where} cannot be read: "
            f'{plural} is forbidden: User "fleet" cannot list resource'
        ),
    )


def test_what_is_left_behind_shows_even_where_secrets_may_not_be_read() -> None:
    cluster = insights.uninstalled()
    cluster.forbidden = frozenset({"secrets"})
    cluster.put("meshconfigs", {"metadata": {"name": "osm-mesh-config", "namespace": SYSTEM}})

    verdict, _ = said(cluster, "leftovers-after-delete")

    assert verdict is Verdict.FAILED


def test_a_cluster_that_is_not_reached_is_told_once() -> None:
    rules = insights.rules("azure-arc-agents", "arm-provisioning", "crds", "metrics-agent")
    subject = insights.subject(extension=insights.extension("1.0.0"), version="1.0.0")

    found = looks.unreached(rules, subject, "no route to store-1")

    assert [(one.check, one.verdict, one.detail) for one in found] == [
        ("azure-arc-agents", Verdict.UNKNOWN, "no route to store-1"),
        ("arm-provisioning", Verdict.PASSED, ""),
        ("crds", Verdict.UNKNOWN, "the cluster was not reached"),
        ("metrics-agent", Verdict.NOT_APPLICABLE, "there since version 1.1.1"),
    ]


@pytest.mark.parametrize(
    ("rule", "detail"),
    [
        pytest.param(
            CheckRule(id="x", look="crystal", title="-", severity=Severity.GATE),
            "this release of fleet knows no look crystal",
            id="another-releases-look",
        ),
        pytest.param(
            CheckRule(id="x", look="webhook", title="-", severity=Severity.GATE),
            "the check does not say kind and name and service and path and port",
            id="a-rule-that-says-too-little",
        ),
    ],
)
def test_a_rule_that_nobody_understands_is_unknown(rule: CheckRule, detail: str) -> None:
    found = looks.judge([rule], insights.subject(), {})

    assert [(one.verdict, one.detail) for one in found] == [(Verdict.UNKNOWN, detail)]
    assert looks.wants([rule], insights.subject()) == ()


# --- any other extension -----------------------------------------------------------------


def test_other_extensions_are_judged_by_what_runs_in_their_namespace() -> None:
    rules, cluster = profiles.load("flux").checks, Cluster()
    cluster.put("deployments", insights.deployment("config-agent", where="azure-arc"))
    cluster.put("deployments", insights.deployment("source", where="flux-system"))
    flux = insights.extension("1.19.0", namespace="flux-system", name="flux")
    subject = insights.subject(extension=flux, namespace="flux-system", version=None)

    found = looks.judge(rules, subject, cluster.seen(rules, subject))

    assert [(one.check, one.severity.value, one.verdict, one.detail) for one in found] == [
        ("azure-arc-agents", "gate", Verdict.PASSED, ""),
        ("arm-provisioning", "gate", Verdict.PASSED, ""),
        ("release-deployments", "gate", Verdict.PASSED, ""),
        (
            "release-daemon-sets",
            "gate",
            Verdict.NOT_APPLICABLE,
            "there is no daemon set in flux-system",
        ),
    ]


def test_in_a_shared_namespace_only_what_is_of_the_release_counts() -> None:
    rules, cluster = profiles.load("azurepolicy").checks, Cluster()
    for name, release in (("policy", "azurepolicy"), ("coredns", "other")):
        cluster.put("deployments", insights.deployment(name, where="kube-system", release=release))
    status = {"observedGeneration": 1}
    cluster.at("deployments", "coredns", "kube-system")["status"] = status
    subject = insights.subject(namespace="kube-system", release="azurepolicy")
    (rule,) = (one for one in rules if one.id == "release-deployments")

    (well,) = looks.judge([rule], subject, cluster.seen([rule], subject))
    cluster.at("deployments", "policy", "kube-system")["status"] = status
    (bad,) = looks.judge([rule], subject, cluster.seen([rule], subject))

    assert (well.verdict, well.evidence) == (Verdict.PASSED, {"available": "1/1"})
    assert (bad.verdict, bad.detail) == (
        Verdict.FAILED,
        (
            "not available in kube-system: policy (0 of 1): "
            "`kubectl -n kube-system describe pods` says why"
        ),
    )


def test_nothing_is_looked_at_where_the_namespace_is_not_known() -> None:
    rules = [one for one in profiles.load("flux").checks if one.id == "release-deployments"]
    subject = insights.subject(namespace=None)

    (found,) = looks.judge(rules, subject, {})

    detail = "the namespace of the extension is not known"
    assert (found.verdict, found.detail) == (Verdict.NOT_APPLICABLE, detail)


# --- which rules -------------------------------------------------------------------------


def test_rules_are_chosen_by_moment_and_take_the_severities_that_are_wished_for() -> None:
    wished = {"leftovers-after-delete": Severity.GATE}

    found = looks.chosen(insights.RULES, moment=CheckMoment.ABSENT, severities=wished)

    assert [(one.id, one.severity) for one in found] == [
        ("orphan-webhooks-after-delete", Severity.GATE),
        ("leftovers-after-delete", Severity.GATE),
    ]


def test_nothing_bars_the_way_where_only_warnings_are_due() -> None:
    found = looks.chosen(
        insights.RULES,
        moment=CheckMoment.PRESENT,
        severities={"crds": Severity.GATE},
        is_warn_only=True,
    )

    assert {one.severity for one in found} == {Severity.WARN}
    assert dataclasses.replace(found[0], severity=Severity.GATE) == insights.RULES[0]
