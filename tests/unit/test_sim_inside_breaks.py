from __future__ import annotations

import base64
import datetime as dt
import gzip
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fleet.model.plan import Verb
from fleet.sim import names, opening
from fleet.sim.breakage import SEEN, Break, Broken, Insides
from fleet.sim.faultfile import FaultFile
from fleet.sim.inside import certificates, releases
from fleet.sim.inside.answering import UnreachableError
from tests.rig.commands import ROOT
from tests.rig.interiors import DEPLOYMENTS, MESH_CONFIG, NAMESPACE, WEBHOOKS, Inside, inside

PAGE = ROOT / "docs" / "simulator.md"
CORE = f"/api/v1/namespaces/{NAMESPACE}"
CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
PLATE = "/api/v1/namespaces/azure-arc/configmaps/azure-clusterconfig"
MUTATING = f"{WEBHOOKS}/mutatingwebhookconfigurations"
VALIDATING = f"{WEBHOOKS}/validatingwebhookconfigurations"
Look = Callable[[Inside], Any]


def counts(name: str, *, path: str = DEPLOYMENTS) -> Look:
    return lambda found: found.get(f"{path}/{name}")["status"].get("readyReplicas", 0)


def pods(app: str) -> Look:
    """What ``kubectl get pods`` shows: ready of all containers, and why not."""

    def look(found: Inside) -> list[tuple[str, str]]:
        items = found.get(f"{CORE}/pods", labelSelector=f"app={app}")["items"]
        return sorted(_row(one["status"]) for one in items)

    return look


def _row(status: dict[str, Any]) -> tuple[str, str]:
    containers = status.get("containerStatuses", ())
    ready = sum(one["ready"] for one in containers)
    waits = [one["state"]["waiting"]["reason"] for one in containers if "waiting" in one["state"]]
    return f"{ready}/{len(containers)}", status.get("reason") or (waits or [status["phase"]])[0]


def addresses(name: str) -> Look:
    return lambda found: [
        len(one["addresses"]) for one in found.get(f"{CORE}/endpoints/{name}").get("subsets", ())
    ]


def is_there(path: str) -> Look:
    return lambda found: found.ask(path).code == 200


def hook(path: str, *keys: str) -> Look:
    def look(found: Inside) -> Any:
        value = found.get(path)["items"][0]["webhooks"][0]
        for key in keys:
            value = value.get(key, "")
        return value

    return look


def helm(found: Inside) -> tuple[str, str]:
    secret = found.get(f"{CORE}/secrets", labelSelector="owner=helm")["items"][0]
    packed = base64.b64decode(base64.b64decode(secret["data"]["release"]))
    release = json.loads(gzip.decompress(packed))
    return release["info"]["status"], release["chart"]["metadata"]["version"]


def hooks(found: Inside) -> tuple[int, int]:
    return len(found.names(MUTATING)), len(found.names(VALIDATING))


def sidecars(found: Inside) -> set[str]:
    items = found.get("/api/v1/namespaces/bookstore/pods")["items"]
    return {
        one["image"] for pod in items for one in pod["spec"]["containers"] if one["name"] == "envoy"
    }


def new_pod(found: Inside) -> int:
    body = {"metadata": {"name": "p"}, "spec": {"containers": [{"name": "a", "image": "b"}]}}
    path = "/api/v1/namespaces/bookstore/pods"
    reply = found.ask(path, method="POST", body=body, query={"dryRun": "All"})
    return len((reply.document or {})["spec"]["containers"])


def label(path: str, key: str) -> Look:
    return lambda found: found.get(path)["metadata"].get("labels", {}).get(key)


def annotation(found: Inside) -> Any:
    metadata = found.get("/api/v1/namespaces/bookstore")["metadata"]
    return metadata.get("annotations", {}).get("openservicemesh.io/sidecar-injection")


def mode(found: Inside) -> Any:
    return found.get(MESH_CONFIG)["spec"]["traffic"]["enablePermissiveTrafficPolicyMode"]


def code(found: Inside) -> int:
    return found.ask("/api/v1/nodes").code


def codes(found: Inside) -> list[int]:
    return [found.ask("/api/v1/nodes").code for _ in range(7)]


def write(found: Inside) -> int:
    return found.patch(MESH_CONFIG, {"spec": {}}).code


def second_page(found: Inside) -> int:
    token = found.get("/api/v1/pods", limit="1")["metadata"]["continue"]
    return found.ask("/api/v1/pods", query={"continue": token}).code


def is_itself(found: Inside) -> bool:
    data = found.get(PLATE)["data"]
    own = names.cluster_id(
        subscription=data["AZURE_SUBSCRIPTION_ID"],
        resource_group=data["AZURE_RESOURCE_GROUP"],
        name=data["AZURE_RESOURCE_NAME"],
    )
    return own == found.cluster_id


def reached(found: Inside) -> str:
    try:
        code(found)
    except UnreachableError as error:
        return "silence" if error.is_silent else "refused"
    return "answered"


def restarted(found: Inside) -> Any:
    path = "/apis/apps/v1/namespaces/bookstore/deployments/bookstore"
    stamp = {"kubectl.kubernetes.io/restartedAt": "now"}
    found.patch(path, {"spec": {"template": {"metadata": {"annotations": stamp}}}})
    found.wait(minutes=5)
    status = found.get(path)["status"]
    return status["replicas"] == status["updatedReplicas"]


def uninstalled(look: Look) -> Look:
    def then(found: Inside) -> Any:
        found.write(Verb.DELETE)
        found.wait(minutes=30)
        return look(found)

    return then


ROOT_BUNDLE = certificates.bundle(certificates.ROOT)
CA = ("clientConfig", "caBundle")
LATEST, OLDEST = releases.RELEASES[-1], releases.RELEASES[0]

CASES: dict[Break, tuple[Look, Any, Any]] = {
    Break.CONTROLLER_CRASH: (
        pods("osm-controller"),
        [("1/1", "Running")],
        [("0/1", "CrashLoopBackOff")],
    ),
    Break.CONTROLLER_UNAVAILABLE: (counts("osm-controller"), 1, 0),
    Break.CONTROLLER_SIDECAR: (
        pods("osm-controller"),
        [("1/1", "Running")],
        [("2/2", "Running")],
    ),
    Break.CONTROLLER_EVICTED: (
        pods("osm-controller"),
        [("1/1", "Running")],
        [("0/0", "Evicted"), ("1/1", "Running")],
    ),
    Break.CONTROLLER_SERVICE_MISSING: (is_there(f"{CORE}/services/osm-controller"), True, False),
    Break.CONTROLLER_SERVICE_PORTS: (
        lambda found: [
            one["port"] for one in found.get(f"{CORE}/services/osm-controller")["spec"]["ports"]
        ],
        [15128, 9092, 9091],
        [9092, 9091],
    ),
    Break.CONTROLLER_NO_ENDPOINTS: (addresses("osm-controller"), [1], []),
    Break.INJECTOR_CRASH: (
        pods("osm-injector"),
        [("1/1", "Running")],
        [("0/1", "CrashLoopBackOff")],
    ),
    Break.INJECTOR_IMAGE_PULL: (
        pods("osm-injector"),
        [("1/1", "Running")],
        [("0/1", "ImagePullBackOff")],
    ),
    Break.INJECTOR_UNAVAILABLE: (counts("osm-injector"), 1, 0),
    Break.INJECTOR_SERVICE_MISSING: (is_there(f"{CORE}/services/osm-injector"), True, False),
    Break.INJECTOR_SERVICE_EXPOSED: (
        lambda found: found.get(f"{CORE}/services/osm-injector")["status"]["loadBalancer"],
        {},
        {"ingress": [{"ip": "203.0.113.7"}]},
    ),
    Break.INJECTOR_NO_ENDPOINTS: (addresses("osm-injector"), [1], []),
    Break.BOOTSTRAP_UNAVAILABLE: (counts("osm-bootstrap"), 1, 0),
    Break.VALIDATOR_SERVICE_MISSING: (is_there(f"{CORE}/services/osm-validator"), True, False),
    Break.WEBHOOK_MISSING: (hooks, (1, 1), (0, 0)),
    Break.VALIDATING_WEBHOOK_MISSING: (hooks, (1, 1), (1, 0)),
    Break.VALIDATING_WEBHOOK_ASTRAY: (
        hook(VALIDATING, "clientConfig", "service", "name"),
        "osm-validator",
        "osm-config-validator",
    ),
    Break.MUTATING_WEBHOOK_MISSING: (hooks, (1, 1), (0, 1)),
    Break.MUTATING_WEBHOOK_ASTRAY: (
        hook(MUTATING, "clientConfig", "service", "path"),
        "/mutate-pod-creation",
        "/mutate",
    ),
    Break.MUTATING_WEBHOOK_IGNORES: (hook(MUTATING, "failurePolicy"), "Fail", "Ignore"),
    Break.CA_BUNDLE_EMPTY: (hook(MUTATING, *CA), ROOT_BUNDLE, ""),
    Break.CA_BUNDLE_SHORT: (hook(VALIDATING, *CA), ROOT_BUNDLE, ROOT_BUNDLE[:40]),
    Break.CA_BUNDLE_FOREIGN: (
        hook(MUTATING, *CA),
        ROOT_BUNDLE,
        certificates.bundle(certificates.FOREIGN),
    ),
    Break.CA_BUNDLE_EXPIRED: (
        lambda found: found.get(f"{CORE}/secrets/osm-ca-bundle")["data"]["ca.crt"],
        ROOT_BUNDLE,
        certificates.bundle(certificates.EXPIRED),
    ),
    Break.MESHCONFIG_LOST: (is_there(MESH_CONFIG), True, False),
    Break.MESHCONFIG_DRIFT: (mode, True, False),
    Break.NAMESPACE_HALF_MESHED: (annotation, "enabled", None),
    Break.CONTROL_PLANE_MESHED: (
        label(f"/api/v1/namespaces/{NAMESPACE}", "openservicemesh.io/monitored-by"),
        None,
        "osm",
    ),
    Break.IGNORE_LABEL_MISSING: (
        label("/api/v1/namespaces/kube-system", "openservicemesh.io/ignore"),
        "true",
        None,
    ),
    Break.CRDS_MISSING: (
        lambda found: set(LATEST.crds) - set(found.names(CRDS)),
        set(),
        {"trafficsplits.split.smi-spec.io", "egresses.policy.openservicemesh.io"},
    ),
    Break.CRDS_OLD: (
        lambda found: sorted(found.names(CRDS)),
        sorted(LATEST.crds),
        sorted(OLDEST.crds),
    ),
    Break.METRICS_AGENT_UNAVAILABLE: (counts("osm-metrics-agent"), 1, 0),
    Break.METRICS_AGENT_CONTAINERS: (
        pods("osm-metrics-agent"),
        [("4/4", "Running")],
        [("3/3", "Running")],
    ),
    Break.ARC_AGENTS_UNAVAILABLE: (
        counts("extension-manager", path="/apis/apps/v1/namespaces/azure-arc/deployments"),
        1,
        0,
    ),
    Break.ANOTHER_CLUSTER: (is_itself, True, False),
    Break.CLUSTERCONFIG_MISSING: (is_there(PLATE), True, False),
    Break.INJECTION_SILENT: (new_pod, 2, 1),
    Break.STALE_SIDECARS: (sidecars, {LATEST.sidecar_image}, {OLDEST.sidecar_image}),
    Break.HELM_FAILED: (helm, ("deployed", "1.2.6"), ("failed", "1.2.6")),
    Break.HELM_STALE: (helm, ("deployed", "1.2.6"), ("deployed", "1.2.3")),
    Break.EXTENSION_UNAVAILABLE: (
        counts("flux-controller", path="/apis/apps/v1/namespaces/flux-system/deployments"),
        1,
        0,
    ),
    Break.ORPHAN_WEBHOOKS: (uninstalled(hooks), (0, 0), (1, 1)),
    Break.LEFTOVERS: (uninstalled(is_there(MESH_CONFIG)), False, True),
    Break.NAMESPACE_STUCK: (
        uninstalled(lambda found: found.get(f"/api/v1/namespaces/{NAMESPACE}")["status"]["phase"]),
        "Active",
        "Terminating",
    ),
    Break.RESTART_STUCK: (restarted, True, False),
    Break.API_UNREACHABLE: (reached, "answered", "refused"),
    Break.API_TIMEOUT: (reached, "answered", "silence"),
    Break.API_UNAVAILABLE: (code, 200, 503),
    Break.API_ERROR: (code, 200, 500),
    Break.API_THROTTLED: (code, 200, 429),
    Break.API_FLAKY: (codes, [200] * 7, [200, 200, 503, 200, 200, 429, 200]),
    Break.API_UNAUTHORIZED: (code, 200, 401),
    Break.API_FORBIDDEN: (code, 200, 403),
    Break.API_READ_ONLY: (write, 200, 403),
    Break.API_DENIES_WRITES: (
        lambda found: (found.patch(MESH_CONFIG, {"spec": {}}).document or {}).get("message"),
        None,
        (
            'admission webhook "validation.gatekeeper.sh" denied the request: [change-freeze] '
            "nothing may be changed here"
        ),
    ),
    Break.CONTINUE_EXPIRED: (second_page, 200, 410),
}
WORLD: dict[str, Any] = {
    "installed": "1.2.6",
    "extensions": [
        {
            "type": "Microsoft.openservicemesh",
            "installed": {"1.2.6": 1},
            "autoUpgrade": 0,
            "failedShare": 0,
        },
        {"type": "Microsoft.flux", "installed": {"1.16.3": 1}, "failedShare": 0},
    ],
}


@pytest.mark.parametrize("what", list(Break), ids=lambda one: one.value)
def test_each_break_can_be_seen_and_only_where_it_is(what: Break) -> None:
    look, well, broken = CASES[what]
    override = {"cluster": "store-0001-a", "breaks": [what.value]}

    assert look(inside(**WORLD)) == well
    assert look(inside(**WORLD, overrides=[override])) == broken
    assert look(inside(**WORLD, overrides=[override], number=1)) == well


def test_the_page_tells_every_break() -> None:
    table = {
        cells[1].strip().strip("`"): cells[2].strip()
        for line in PAGE.read_text("utf-8")
        .partition("## What can be broken inside")[2]
        .splitlines()
        if line.startswith("| `") and len(cells := line.split("|")) == 4
    }

    assert table == {one.value: text for one, text in SEEN.items()}


def test_the_page_s_example_is_a_part_of_a_world_file(tmp_path: Path) -> None:
    *_, example = re.findall(r"```yaml\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    path = tmp_path / "world.yaml"
    path.write_text(f"apiVersion: fleet/v1\nkind: World\n{example}", "utf-8")
    recipe = opening.read_recipe(path)

    assert recipe.insides == Insides(
        broken=(
            Broken(
                what=Break.CONTROLLER_CRASH,
                cluster="store-000[12]-*",
                share_ppm=50_000,
                version="1.2.*",
                after=dt.timedelta(minutes=10),
                until=dt.timedelta(minutes=20),
            ),
        )
    )
    assert recipe.specials[0].breaks == (Break.INJECTOR_NO_ENDPOINTS,)
    assert recipe.specials[0].platforms == ("linux/amd64", "windows/amd64")


def test_a_break_has_a_place_a_share_a_version_and_a_time() -> None:
    rules = [
        {
            "what": "controller-crash",
            "cluster": "store-0001-*",
            "afterSeconds": 60,
            "untilSeconds": 120,
        },
        {"what": "injector-crash", "version": "1.2.*"},
        {"what": "bootstrap-unavailable", "share": 0},
    ]
    found = inside(installed="1.1.1", inside={"breaks": rules})
    ready = counts("osm-controller"), counts("osm-injector"), counts("osm-bootstrap")
    seen = []
    for _ in range(3):
        seen.append([one(found) for one in ready])
        found.wait(seconds=60)
    found.write(Verb.PATCH, version="1.2.3")
    found.wait(minutes=10)

    assert seen == [[1, 1, 1], [0, 1, 1], [1, 1, 1]]
    assert [one(found) for one in ready] == [1, 0, 1]


def test_a_faults_file_breaks_as_a_world_file_does() -> None:
    file = {"apiVersion": "fleet/v1", "kind": "Faults", "breaks": [{"what": "webhook-missing"}]}
    script = FaultFile.model_validate(file).script()

    assert [one.what for one in script.broken] == [Break.WEBHOOK_MISSING]


def test_a_share_of_the_clusters_is_drawn_by_the_seed() -> None:
    rule = {"what": "api-error", "share": 30}
    broken = [
        code(inside(number=number, clusters=60, inside={"breaks": [rule]})) == 500
        for number in range(60)
    ]

    assert 8 <= sum(broken) <= 28
