"""Microsoft's article on the mesh, line by line: what the page says is written, run, and looked at.

Shapes:  the table of docs/osm.md is read by :mod:`tests.rig.article`; each line has a test here,
         which takes its part of a plan file from there.
"""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path
from typing import Any

import pytest

from fleet.model.cluster import AutoUpgrade
from fleet.model.objects import Resource
from fleet.spec import nodes, recipes
from tests.rig import article, commands
from tests.rig.article import Row, Spec
from tests.rig.benches import Bench, bench, mesh
from tests.rig.interiors import DEPLOYMENTS, MESH_CONFIG, WEBHOOKS, Inside

FIRST, SECOND, THIRD = "store-0001-a", "store-0001-b", "store-0002-a"
CONTROL_PLANE = ["osm-bootstrap", "osm-controller", "osm-injector", "osm-metrics-agent"]
HOOKS = ("mutatingwebhookconfigurations", "validatingwebhookconfigurations")
ACCESS: Spec = {"clusterAccess": {"directory": "kubeconfigs"}}
NAMESPACES = Resource("", "v1", "namespaces")
CONFIG_MAPS = Resource("", "v1", "configmaps")
POLICIES = Resource("access.smi-spec.io", "v1alpha3", "traffictargets")
MESHED = {"openservicemesh.io/monitored-by": "osm"}
INJECTED = {"openservicemesh.io/sidecar-injection": "enabled"}
SCRAPED = {"openservicemesh.io/metrics": "enabled"}
NO_NODE = "osm needs a linux/amd64 node, and this cluster has linux/arm64 nodes only"
AVAILABLE = recipes.settings({"profile": "osm", "recipes": ["high-availability"]})
TESTED: list[str] = []


def row(title: str) -> pytest.MarkDecorator:
    """Give a test its line of the table, of which it is the proof."""
    TESTED.append(title)
    return pytest.mark.parametrize("title", [title])


@pytest.fixture
def asked(title: str) -> Row:
    """What the line says."""
    return article.rows()[title]


def test_every_line_of_the_table_has_a_test_and_every_test_a_line() -> None:
    assert sorted(article.rows()) == sorted(TESTED)


def test_nothing_of_the_second_column_is_passed_over() -> None:
    assert {title: one.rest for title, one in article.rows().items() if one.rest} == {}


# --- installing --------------------------------------------------------------------------


@row("Requirements and limits")
def test_clusters_and_versions_that_are_not_supported_are_left_alone(
    asked: Row, tmp_path: Path
) -> None:
    unfit = [
        {"cluster": SECOND, "distribution": "k3s"},
        {"cluster": THIRD, "platforms": ["linux/arm64"]},
    ]
    there = bench(tmp_path, mesh("absent"), clusters=3, overrides=unfit)
    file = there.file(asked.spec)
    old = there.file(article.merged(asked.spec, {"extension": {"version": "1.0.0"}}), "old")

    fit, k3s, arm = there.planned(file)
    assert fit == ("install", "not installed")
    assert k3s == ("blocked", "osm does not support the distribution k3s")
    assert arm == ("blocked", f"{NO_NODE}: add such a node, or leave the cluster out")
    assert there.planned(old)[0] == (
        "blocked",
        "version 1.0.0 is out of support: osm supports 1.1 and 1.2",
    )
    assert there.ran(file) == ["Succeeded"]
    assert [there.extension(number) is None for number in range(3)] == [False, True, True]


@row("Install, by portal or CLI")
def test_it_is_installed_where_it_is_missing(asked: Row, tmp_path: Path) -> None:
    there = bench(tmp_path, mesh("absent"))
    file = there.file(asked.spec)

    assert there.planned(file) == [("install", "not installed")] * 2
    assert there.ran(file) == ["Succeeded"] * 2

    assert there.versions() == [(None, "1.2.6", AutoUpgrade.COMPATIBLE)] * 2
    assert there.inside().names(DEPLOYMENTS) == CONTROL_PLANE
    assert there.planned(file) == [("no-change", "as wished")] * 2


@row("Install a specific version")
def test_a_version_is_pinned_by_one_request_that_ends_auto_upgrade(
    asked: Row, tmp_path: Path
) -> None:
    older = {"cluster": SECOND, "version": "1.2.3", "autoUpgrade": True}
    there = bench(tmp_path, mesh("absent"), overrides=[older])
    file = there.file(asked.spec)

    assert there.planned(file) == [("install", "not installed"), ("upgrade", "version")]
    assert there.ran(file) == ["Succeeded"] * 2

    assert there.versions() == [("1.2.6", "1.2.6", AutoUpgrade.NONE)] * 2
    assert len(there.heard()) == 2
    assert there.inside(1).names(DEPLOYMENTS) == CONTROL_PLANE


@row("Install on OpenShift")
def test_openshift_gets_a_privileged_init_container_and_who_may_run_it(
    asked: Row, tmp_path: Path
) -> None:
    openshift = {"cluster": FIRST, "distribution": "openshift"}
    there = bench(tmp_path, mesh("absent"), overrides=[openshift])
    there.have("bookbuyer", number=0)
    there.have("bookbuyer", number=1)

    assert there.ran(there.file(asked.spec)) == ["Succeeded"] * 2

    assert there.settings(0) == {"osm.osm.enablePrivilegedInitContainer": "true"}
    assert there.settings(1) == {}
    sidecars = [there.mesh_config(number)["sidecar"] for number in (0, 1)]
    assert [one["enablePrivilegedInitContainer"] for one in sidecars] == [True, False]
    assert bound(there.inside(0), "bookstore") == [
        ("system:openshift:scc:privileged", "Group", "system:serviceaccounts:bookstore")
    ]
    assert bound(there.inside(0), "bookbuyer") == [
        ("system:openshift:scc:privileged", "ServiceAccount", "bookbuyer")
    ]
    assert bound(there.inside(1), "bookstore") == []


@row("High availability: autoscaling")
def test_autoscaling_is_blocked_where_kubernetes_removed_it(asked: Row, tmp_path: Path) -> None:
    there = bench(tmp_path, mesh("absent"), overrides=kubernetes("1.25.16", "1.26.0"))
    file, setting = there.file(asked.spec), "osm.osm.osmController.autoScale.enable"
    wanted = asked.spec["extension"]["settings"]
    assert wanted.items() <= AVAILABLE.items()

    older, (action, reason) = there.planned(file)
    assert (older, action) == (("install", "not installed"), "blocked")
    assert reason == (
        f"{setting} makes a HorizontalPodAutoscaler of autoscaling/v2beta2, which Kubernetes 1.26 "
        'removed, and this cluster has 1.26.0: set it to "false", or leave the cluster out'
    )
    assert there.ran(file) == ["Succeeded"]
    path = "/apis/autoscaling/v2/namespaces/arc-osm-system/horizontalpodautoscalers"
    (scaler,) = there.inside(0).get(path)["items"]
    assert scaler["spec"] == {
        "scaleTargetRef": {"kind": "Deployment", "name": "osm-controller", "apiVersion": "apps/v1"},
        "minReplicas": 2,
        "maxReplicas": 5,
    }
    assert there.extension(1) is None


@row("High availability: disruption budget")
def test_disruption_budgets_are_blocked_where_kubernetes_removed_them(
    asked: Row, tmp_path: Path
) -> None:
    there = bench(tmp_path, mesh("absent"), overrides=kubernetes("1.24.17", "1.25.0"))
    file, setting = there.file(asked.spec), "osm.osm.injector.enablePodDisruptionBudget"
    wanted = asked.spec["extension"]["settings"]
    assert wanted.items() <= AVAILABLE.items()

    older, (action, reason) = there.planned(file)
    assert (older, action) == (("install", "not installed"), "blocked")
    assert reason == (
        f"{setting} makes a PodDisruptionBudget of policy/v1beta1, which Kubernetes 1.25 removed, "
        'and this cluster has 1.25.0: set it to "false", or leave the cluster out'
    )
    assert there.ran(file) == ["Succeeded"]
    path = "/apis/policy/v1/namespaces/arc-osm-system/poddisruptionbudgets"
    (budget,) = there.inside(0).get(path)["items"]
    assert budget["spec"]["selector"] == {"matchLabels": {"app": "osm-injector"}}
    assert there.extension(1) is None


@row("cert-manager")
def test_cert_manager_is_four_settings(asked: Row, tmp_path: Path) -> None:
    there = bench(tmp_path, mesh("absent"), clusters=1)

    assert there.ran(there.file(asked.spec)) == ["Succeeded"]

    assert there.settings() == {
        "osm.osm.certificateProvider.kind": "cert-manager",
        "osm.osm.certmanager.issuerName": "osm-ca",
        "osm.osm.certmanager.issuerKind": "Issuer",
        "osm.osm.certmanager.issuerGroup": "cert-manager.io",
    }


@row("Ingress with Contour")
def test_contour_presets_the_gateway_of_a_new_mesh_and_warns_where_there_is_one(
    asked: Row, tmp_path: Path
) -> None:
    there = bench(tmp_path, mesh("absent"), overrides=[{"cluster": SECOND, "version": "1.2.6"}])
    file = there.file(asked.spec)

    assert "osm.contour.enabled (spec.certificate.ingressGateway)" in unheeded(there, file)
    assert there.ran(file) == ["Succeeded"] * 2

    root = "osm.contour.configInline.tls.envoy-client-certificate"
    assert there.settings(0) == there.settings(1)
    assert there.settings() == {
        "osm.contour.enabled": "true",
        f"{root}.name": "osm-contour-envoy-client-cert",
        f"{root}.namespace": "arc-osm-system",
    }
    gateway = there.mesh_config(0)["certificate"]["ingressGateway"]
    assert gateway["secret"]["name"] == "osm-contour-envoy-client-cert"
    assert "ingressGateway" not in there.mesh_config(1)["certificate"]


@row("Values during installation: a JSON file")
def test_the_file_of_the_azure_cli_is_taken_as_it_is(asked: Row, tmp_path: Path) -> None:
    there = bench(tmp_path, mesh("absent"), clusters=1)
    name = asked.spec["extension"]["settingsFile"]
    file, values = there.file(asked.spec), dict(asked.settings)

    commands.written(tmp_path / name, json.dumps({**values, "osm.osm.enableEgres": "true"}))
    assert 'did you mean "osm.osm.enableEgress"?' in there.shell("validate", file).must(2).stderr
    commands.written(tmp_path / name, json.dumps(values))
    assert there.ran(file) == ["Succeeded"]

    assert there.settings() == values
    found = there.mesh_config()
    assert (found["traffic"]["enableEgress"], found["sidecar"]["logLevel"]) == (False, "info")


@row("ARM template")
def test_a_template_is_not_written_and_its_properties_are_sent(asked: Row, tmp_path: Path) -> None:
    there = bench(tmp_path, mesh("absent"), clusters=1)

    assert there.ran(there.file(asked.spec)) == ["Succeeded"]

    (line,) = map(json.loads, there.heard())
    wanted = asked.spec["extension"]
    body = {key: line["body"][key] for key in ("namespace", "releaseTrain", "version", "settings")}
    assert {"name": line["name"], **body} == wanted
    assert (line["verb"], line["body"]["autoUpgrade"]) == ("put", "none")
    assert asked.told.startswith("Later: ")
    assert "No such command" in there.shell("template").must(2).stderr


@row("Built-in policy")
def test_a_policy_that_would_undo_a_plan_blocks_it_until_it_is_named(
    asked: Row, tmp_path: Path
) -> None:
    (name,) = asked.spec["acknowledge"]["policies"]
    built_in = {"name": name, "extensionType": "Microsoft.openservicemesh"}
    agent = {
        "type": "Microsoft.PolicyInsights",
        "name": "azurepolicy",
        "namespace": "kube-system",
        "versions": {"stable": ["1.9.2"]},
        "installed": {"absent": 1},
    }
    there = bench(
        tmp_path, mesh("1.2.3"), agent, clusters=1, policies=[built_in | {"definition": "built-in"}]
    )
    unnamed = there.file({"extension": asked.spec["extension"]}, "unnamed")

    ((action, reason),) = there.planned(unnamed)
    assert (action, asked.told.startswith("Later: ")) == ("blocked", True)
    assert f"{name} would set auto-upgrade compatible while it is not Succeeded" in reason
    assert there.ran(there.file(asked.spec)) == ["Succeeded"]
    assert there.versions() == [("1.2.6", "1.2.6", AutoUpgrade.NONE)]
    assert "](../plans/policy-install.yaml)" in asked.told
    other = there.plan(commands.PLANS / "policy-install.yaml")
    assert other["extensionType"] == "microsoft.policyinsights"


@row("Validate the installation")
def test_a_cluster_is_done_when_its_mesh_works_and_not_before(asked: Row, tmp_path: Path) -> None:
    silent = {"cluster": SECOND, "breaks": ["injector-no-endpoints"]}
    there = bench(tmp_path, mesh("absent"), overrides=[silent])
    file = there.file(asked.spec)

    assert there.ran(file, status=1) == ["Succeeded", "TimedOut"]

    assert there.versions() == [("1.2.6", "1.2.6", AutoUpgrade.NONE)] * 2
    assert there.failing(file) == {FIRST: [], SECOND: ["injector-endpoints"]}


# --- configuring -------------------------------------------------------------------------


@row("Controller configuration: MeshConfig")
def test_mesh_configuration_is_read_shown_patched_and_outlives_an_upgrade(
    asked: Row, tmp_path: Path
) -> None:
    there = bench(tmp_path, mesh("1.2.3"), clusters=1)
    file, before = there.file(asked.spec), there.mesh_config()
    newer = there.file({"extension": {"version": "1.2.6"}}, "newer")

    (target,) = there.plan(file)["targets"]
    assert {one["path"]: (one["before"], one["after"]) for one in target["diff"]} == {
        "meshConfig.traffic.enablePermissiveTrafficPolicyMode": ("true", "false"),
        "meshConfig.traffic.outboundPortExclusionList": ("[]", "[6379]"),
        "meshConfig.observability.osmLogLevel": ("info", "warn"),
    }
    assert there.ran(file) == ["Succeeded"]
    after = article.merged(before, asked.spec["extension"]["meshConfig"])
    assert there.mesh_config() == after
    assert there.ran(newer) == ["Succeeded"]
    assert there.mesh_config() == after


@row("A wrong value in MeshConfig")
def test_a_wrong_value_is_refused_by_the_file_or_in_the_words_of_the_server(
    asked: Row, tmp_path: Path
) -> None:
    there = bench(tmp_path, mesh("1.2.6"), clusters=1)
    assert '`enableEgress: "no"`' in asked.told
    wrong = {"traffic": {"enableEgress": "no"}}
    file = there.file({**ACCESS, "extension": {"meshConfig": wrong}}, "wrong")

    said = there.shell("run", file, "--yes").must(2).stderr
    assert "spec.extension.meshConfig.traffic.enableEgress: expected true or false" in said
    reply = there.inside().patch(MESH_CONFIG, {"spec": wrong})
    assert reply.document is not None
    assert reply.document["message"] == (
        'MeshConfig.config.openservicemesh.io "osm-mesh-config" is invalid: '
        'spec.traffic.enableEgress: Invalid value: "string": spec.traffic.enableEgress in body '
        'must be of type boolean: "string"'
    )
    ((action, reason),) = there.planned(there.file(asked.spec))
    assert action == "blocked"
    assert reason == (
        'inside the cluster: MeshConfig.config.openservicemesh.io "osm-mesh-config" is invalid: '
        "[spec.certificate.ingressGateway.subjectAltNames: Required value, "
        "spec.certificate.ingressGateway.secret: Required value]"
    )
    assert there.heard() == []


@row("Namespaces in the mesh")
def test_namespaces_join_the_mesh_leave_it_and_are_scraped(asked: Row, tmp_path: Path) -> None:
    there = bench(tmp_path, mesh("1.2.6"), clusters=1)
    there.have("bookbuyer", "bookthief", labels=MESHED, annotations=INJECTED | SCRAPED)
    file = there.file(asked.spec)

    assert there.ran(file) == ["Succeeded"]

    assert marks(there, "bookstore") == (MESHED, INJECTED | SCRAPED)
    assert marks(there, "bookbuyer") == (MESHED, INJECTED)
    assert marks(there, "bookthief") == ({}, {})
    pods = there.inside().get("/api/v1/namespaces/bookstore/pods")["items"]
    assert {one["metadata"]["annotations"]["prometheus.io/port"] for one in pods} == {"15010"}
    assert there.planned(file) == [("no-change", "as wished")]


@row("SMI policies")
def test_permissive_mode_is_turned_off_and_policies_are_nobodys_but_the_applications(
    asked: Row, tmp_path: Path
) -> None:
    there = bench(tmp_path, mesh("1.2.6"), clusters=1)
    policy = {
        "apiVersion": "access.smi-spec.io/v1alpha3",
        "kind": "TrafficTarget",
        "metadata": {"name": "buy", "namespace": "bookstore"},
        "spec": {"destination": {"kind": "ServiceAccount", "name": "bookstore"}},
    }
    there.make(POLICIES, policy)
    before = there.inside().get(POLICIES.path("bookstore", "buy"))
    unknown = there.file(article.merged(asked.spec, {"extension": {"trafficTargets": []}}), "smi")

    assert there.ran(there.file(asked.spec)) == ["Succeeded"]

    assert there.mesh_config()["traffic"]["enablePermissiveTrafficPolicyMode"] is False
    assert there.inside().get(POLICIES.path("bookstore", "buy")) == before
    said = there.shell("validate", unknown).must(2).stderr
    assert "spec.extension.trafficTargets: unknown key" in said


@row("Your own Jaeger, Prometheus, Grafana")
def test_traces_go_to_ones_own_jaeger_from_a_new_mesh(asked: Row, tmp_path: Path) -> None:
    there = bench(tmp_path, mesh("absent"), overrides=[{"cluster": SECOND, "version": "1.2.6"}])
    file = there.file(asked.spec)
    to = {
        "enable": True,
        "address": asked.spec["extension"]["settings"]["osm.osm.tracing.address"],
        "port": 9411,
        "endpoint": "/api/v2/spans",
    }

    _, _, patch = unheeded(there, file).partition("extension.meshConfig: ")
    assert there.ran(file) == ["Succeeded"] * 2

    own = {"osm.osm.deployJaeger", "osm.osm.deployPrometheus", "osm.osm.deployGrafana"}
    assert {there.settings()[key] for key in own} == {"false"}
    assert there.mesh_config(0)["observability"]["tracing"] == to
    assert there.mesh_config(1)["observability"]["tracing"] == {"enable": False}
    told = there.file({**ACCESS, "extension": {"meshConfig": nodes.read(patch).data}}, "told")
    assert there.ran(told) == ["Succeeded"]
    assert there.mesh_config(1)["observability"]["tracing"] == to


# --- watching ----------------------------------------------------------------------------


@row("Azure Monitor")
def test_azure_monitor_comes_first_and_scrapes_the_namespace_beside_those_of_others(
    asked: Row, tmp_path: Path
) -> None:
    name = "azuremonitor-containers"
    agent = {
        "type": "Microsoft.AzureMonitor.Containers",
        "name": name,
        "namespace": name,
        "versions": {"stable": ["3.1.9"]},
        "installed": {"absent": 1},
    }
    there = bench(tmp_path, mesh("absent"), agent, clusters=1)
    listed = "[osm_metric_collection_configuration.settings]  # ours\nmonitor_namespaces = [{}]\n"

    def told(*names: str) -> dict[str, str]:
        text = listed.format(", ".join(f'"{one}"' for one in names))
        return {"schema-version": "v1", "osm-metric-collection-configuration": text}

    place = {"name": "container-azm-ms-osmconfig", "namespace": "kube-system"}
    config = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": place}
    there.make(CONFIG_MAPS, config | {"data": told("till", "bookthief")})

    assert there.ran(there.file(asked.spec)) == ["Succeeded"]

    found = there.extension(0, name)
    assert found is not None
    assert found.settings == {"amalogs.useAADAuth": "true"}
    written = [json.loads(line)["name"] for line in there.heard()[1:]]
    assert written == [name, "osm", "bookstore", "container-azm-ms-osmconfig"]
    assert marks(there, "bookstore") == (MESHED, INJECTED | SCRAPED)
    path = CONFIG_MAPS.path("kube-system", "container-azm-ms-osmconfig")
    assert there.inside().get(path)["data"] == told("till", "bookstore")


@row("The dashboard's numbers")
def test_a_wave_opens_while_the_dashboards_numbers_are_good_and_not_else(
    asked: Row, tmp_path: Path
) -> None:
    bad: dict[str, float] = {"value": 0.9}
    courses = {"bad": [bad], "later": [{"value": 0.999}, {"afterSeconds": 7200, **bad}]}
    ended = {}
    for name, rates in courses.items():
        there = bench(
            tmp_path / name,
            mesh("1.2.3"),
            overrides=[{"cluster": one, "tags": {"env": "prod"}} for one in (FIRST, SECOND)],
            metrics={
                "prometheus": answers("envoy_cluster_upstream_rq_xx", *rates),
                "logAnalytics": answers("envoy_cluster_upstream_rq_time_bucket", {"value": 40}),
            },
        )
        told = there.shell("run", asked.plan, "--yes", "--json").must(1).json
        gates = {
            (one["name"], gate["gate"], gate["when"], gate["verdict"])
            for one in told["waves"]
            for gate in one["gates"]
        }
        ended[name] = [one[1] for one in there.versions()], gates

    assert ended == {
        "bad": (["1.2.3", "1.2.3"], {("canary", "success-rate", "before", "Fail")}),
        "later": (
            ["1.2.6", "1.2.3"],
            {
                ("canary", "success-rate", "before", "Pass"),
                ("canary", "success-rate", "after", "Pass"),
                ("canary", "as-planned", "soak", "Pass"),
                ("canary", "latency", "soak", "Pass"),
                ("tenth", "success-rate", "before", "Fail"),
            },
        ),
    }


def answers(query: str, *values: dict[str, float]) -> list[dict[str, Any]]:
    """Return what is measured by whoever asks about *query*, from when on."""
    return [{"contains": query, "values": list(values)}]


# --- growing old -------------------------------------------------------------------------


@row("Upgrade to a specific version")
def test_an_upgrade_goes_minor_by_minor_and_a_restart_brings_the_sidecars(
    asked: Row, tmp_path: Path
) -> None:
    there = bench(tmp_path, mesh("1.0.0-1"), clusters=1)
    pinned = {"version": asked.spec["extension"]["version"]}
    alone, both = there.file({"extension": pinned}, "alone"), there.file(asked.spec)

    (target,) = there.plan(alone)["targets"]
    assert [one["version"] for one in target["steps"]] == ["1.1.1-1", "1.2.6"]
    assert there.ran(alone) == ["Succeeded"]
    assert sidecars(there) == {"v1.19.1"}
    assert there.ran(both) == ["Succeeded"]

    assert sidecars(there) == {"v1.26.3"}
    assert there.versions() == [("1.2.6", "1.2.6", AutoUpgrade.NONE)]
    # A mesh that is installed anew at 1.2.6 lets egress through.
    assert there.mesh_config()["traffic"]["enableEgress"] is False


@row("Upgrade by itself")
def test_a_pin_is_lifted_and_the_service_upgrades(asked: Row, tmp_path: Path) -> None:
    day_s = 24 * 60 * 60
    later = {"autoUpgradeAfterSeconds": {"min": day_s, "max": 2 * day_s}}
    there = bench(tmp_path, mesh("1.1.1-1"), clusters=1, **later)

    assert there.ran(there.file(asked.spec)) == ["Succeeded"]

    assert there.versions() == [(None, "1.1.1-1", AutoUpgrade.COMPATIBLE)]
    assert there.versions(after=dt.timedelta(days=3)) == [(None, "1.2.6", AutoUpgrade.COMPATIBLE)]


@row("Uninstall")
def test_an_uninstall_takes_the_webhooks_along_and_leaves_what_is_said_to_stay(
    asked: Row, tmp_path: Path
) -> None:
    left = {"cluster": FIRST, "breaks": ["orphan-webhooks"]}
    there = bench(tmp_path, mesh("1.2.6"), overrides=[left])
    file, injected = there.file(asked.spec), sidecars(there)

    assert there.ran(file) == ["Succeeded"] * 2

    assert [there.extension(number) for number in (0, 1)] == [None, None]
    for found in (there.inside(0), there.inside(1)):
        assert [found.names(f"{WEBHOOKS}/{plural}") for plural in HOOKS] == [[], []]
        assert found.names(DEPLOYMENTS) == []
        assert found.ask(MESH_CONFIG).code == 404
        assert "arc-osm-system" in found.names("/api/v1/namespaces")
        kinds = found.names("/apis/apiextensions.k8s.io/v1/customresourcedefinitions")
        assert "meshconfigs.config.openservicemesh.io" in kinds
    assert marks(there, "bookstore") == (MESHED, INJECTED)
    assert sidecars(there) == injected != set()
    told = there.shell("discover", file, "--summary").must(0).stdout
    assert told.startswith("osm: 0 of 2 clusters have it\n")


@row("Troubleshooting")
def test_a_check_says_which_comparison_fails_and_changes_nothing(
    asked: Row, tmp_path: Path
) -> None:
    broken = [
        {"cluster": FIRST, "breaks": ["controller-crash", "mutating-webhook-astray"]},
        {"cluster": SECOND, "breaks": ["injector-service-missing", "ca-bundle-short"]},
    ]
    there = bench(tmp_path, mesh("1.2.6"), clusters=3, overrides=broken)

    assert there.failing(there.file(asked.spec)) == {
        FIRST: [
            "controller-deployment",
            "controller-pods",
            "controller-endpoints",
            "mutating-webhook",
        ],
        SECOND: ["injector-service", "injector-endpoints", "ca-bundle"],
        THIRD: [],
    }
    assert there.heard() == []


# --- looking -----------------------------------------------------------------------------


def marks(there: Bench, namespace: str) -> tuple[dict[str, str], dict[str, str]]:
    """Return the labels and annotations of a namespace that are the mesh's."""
    metadata = there.inside().get(NAMESPACES.path(None, namespace))["metadata"]
    labels, annotations = (
        {key: value for key, value in metadata.get(part, {}).items() if "openservice" in key}
        for part in ("labels", "annotations")
    )
    return labels, annotations


def bound(found: Inside, namespace: str) -> list[tuple[str, str, str]]:
    """Return which role is bound to whom in a namespace."""
    path = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{namespace}/rolebindings"
    return [
        (one["roleRef"]["name"], whom["kind"], whom["name"])
        for one in found.get(path)["items"]
        for whom in one["subjects"]
    ]


def sidecars(there: Bench) -> set[str]:
    """Return the versions of the sidecars in a namespace."""
    return {
        container["image"].rpartition(":")[2]
        for pod in there.inside().get("/api/v1/namespaces/bookstore/pods")["items"]
        for container in pod["spec"]["containers"]
        if container["name"] == "envoy"
    }


def unheeded(there: Bench, file: Path) -> str:
    """Return what a plan says of settings that one cluster will not heed."""
    head = "read at the first install only, so 1 cluster with the extension will not heed it: "
    (found,) = (one for one in there.plan(file)["warnings"] if one.startswith(head))
    return str(found)


def kubernetes(*found: str) -> list[dict[str, str]]:
    """Return overrides of clusters, with these versions of Kubernetes."""
    names = (FIRST, SECOND)
    return [
        {"cluster": name, "kubernetesVersion": one} for name, one in zip(names, found, strict=True)
    ]
