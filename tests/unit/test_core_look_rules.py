"""What checks of the mesh take into account: versions, wishes, rights, and who is spared."""

from __future__ import annotations

import base64
import dataclasses
import gzip
import json
from collections.abc import Callable
from typing import Any

import pytest

from fleet.core import looks
from fleet.core.looks import meshes
from fleet.model.cluster import ProvisioningState
from fleet.model.inside import CheckMoment, CheckRule, Severity, Verdict
from fleet.spec import charts, profiles
from tests.rig import insights
from tests.rig.insights import SYSTEM, Cluster
from tests.rig.looking import healthy_for, judged, said

INNER = tuple(one.id for one in insights.RULES if not looks.is_outside(one))

Break = Callable[[Cluster], Any]


def _spec(part: str, **fields: Any) -> Break:
    def broken(cluster: Cluster) -> None:
        cluster.at("meshconfigs", "osm-mesh-config", SYSTEM)["spec"].setdefault(part, {})
        cluster.at("meshconfigs", "osm-mesh-config", SYSTEM)["spec"][part] |= fields

    return broken


def _evicted(app: str) -> dict[str, Any]:
    pod = insights.control_pod(app, number=2)
    pod["status"] = {"phase": "Failed", "reason": "Evicted"}
    return pod


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


def test_what_is_left_behind_shows_even_where_another_kind_may_not_be_read() -> None:
    cluster = insights.uninstalled()
    cluster.forbidden = frozenset({"meshrootcertificates"})
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
    cluster.put("configmaps", insights.nameplate())
    cluster.put("deployments", insights.deployment("config-agent", where="azure-arc"))
    cluster.put("deployments", insights.deployment("source", where="flux-system"))
    flux = insights.extension("1.19.0", namespace="flux-system", name="flux")
    subject = insights.subject(extension=flux, namespace="flux-system", version=None)

    found = looks.judge(rules, subject, cluster.seen(rules, subject))

    assert [(one.check, one.severity.value, one.verdict, one.detail) for one in found] == [
        ("azure-arc-agents", "gate", Verdict.PASSED, ""),
        ("cluster-identity", "warn", Verdict.PASSED, ""),
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

    late = looks.chosen(insights.RULES, moment=CheckMoment.ABSENT)
    found = looks.graded(late, severities=wished)

    assert [(one.id, one.severity) for one in found] == [
        ("orphan-webhooks-after-delete", Severity.GATE),
        ("leftovers-after-delete", Severity.GATE),
        ("identity-after-delete", Severity.WARN),
    ]


def test_nothing_bars_the_way_where_only_warnings_are_due() -> None:
    found = looks.graded(insights.RULES, severities={"crds": Severity.GATE}, is_warn_only=True)

    assert {one.severity for one in found} == {Severity.WARN}
    assert dataclasses.replace(found[0], severity=Severity.GATE) == insights.RULES[0]


# --- what Helm wrote ---------------------------------------------------------------------


def _written(chart: Any) -> str:
    """Return what Helm would write of a chart: JSON, compressed, in base64, twice."""
    packed = gzip.compress(json.dumps({"chart": chart, "config": {"token": "s3cret"}}).encode())
    return base64.b64encode(base64.b64encode(packed)).decode()


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        pytest.param(
            _written({"metadata": {"name": "osm-arc", "version": "1.2.6"}}),
            (Verdict.PASSED, "", "osm-arc-1.2.6"),
            id="of-the-version",
        ),
        pytest.param(
            _written({"metadata": {"name": "osm-arc", "version": "1.2.3"}}),
            (
                Verdict.FAILED,
                (
                    "revision 2 of the release osm is of the chart osm-arc-1.2.3, "
                    "not osm-arc-1.2.6: `helm -n arc-osm-system history osm` says why"
                ),
                "osm-arc-1.2.3",
            ),
            id="of-another-version",
        ),
        pytest.param(_written([]), (Verdict.PASSED, "", ""), id="no-chart"),
        pytest.param("bm90IGJhc2U2NA==", (Verdict.PASSED, "", ""), id="not-packed"),
        pytest.param("ü", (Verdict.PASSED, "", ""), id="not-base64"),
        pytest.param({}, (Verdict.PASSED, "", ""), id="no-text"),
    ],
)
def test_a_release_is_of_the_versions_chart_as_far_as_that_can_be_read(
    content: Any, expected: tuple[Verdict, str, str]
) -> None:
    cluster = insights.healthy()
    cluster.at("secrets", "sh.helm.release.v1.osm.v2", SYSTEM)["data"] = {"release": content}

    (found,) = judged(cluster, "helm-release")

    assert (found.verdict, found.detail, found.evidence["chart"]) == expected


def test_nothing_of_a_release_is_kept_but_its_labels_and_the_charts_name() -> None:
    chart = {"metadata": {"name": "osm-arc", "version": "1.2.6"}}
    cluster, subject = insights.healthy(), insights.subject()
    cluster.at("secrets", "sh.helm.release.v1.osm.v2", SYSTEM)["data"] = {
        "release": _written(chart)
    }

    seen = cluster.seen(insights.rules("helm-release"), subject)

    assert [one.objects for one in seen.values()] == [((2, "deployed", "osm-arc-1.2.6"),)]
