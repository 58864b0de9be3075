"""A cluster with Open Service Mesh in it and nothing wrong, as objects of the Kubernetes API.

What the chart installs is the rendered inventory of the reference, its kinds are upstream's; what
controllers and kubelets write (status, pods, endpoints), and what the mesh's own programs make
(webhooks, its configuration), is written here.

Shapes:  objects as a server takes them, with ``status`` where it belongs; :data:`Objects` has each
         under its :class:`Place`, in the order in which they can be created.
"""

from __future__ import annotations

import base64
import functools
import json
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import trustme
from ruamel.yaml import YAML

from fleet.model.cluster import ClusterId
from tests.rig import insights, reference
from tests.rig.deployed import boxes, made, workload

VERSION = "1.2.6"
NAMESPACE = "arc-osm-system"
MESHED = ("bookbuyer", "bookstore")
"""Namespaces in the mesh, each with a workload of the same name."""
CLUSTER = ClusterId(
    "/subscriptions/11111111-2222-4333-8444-555555555555/resourceGroups/shops"
    "/providers/Microsoft.Kubernetes/connectedClusters/store-1"
)
PLAIN = "warehouse"
"""A namespace with a workload and no mesh."""
_CRDS = "openservicemesh-osm-v1.2.4/crds"
ENVOY = "mcr.microsoft.com/oss/envoyproxy/envoy:v1.26.3"
_INSIDE = "openservicemesh.io"
# Source: Azure's troubleshooting guide for Arc lists these of its agents.
_AGENTS = ("clusterconnect-agent", "config-agent", "extension-manager", "resource-sync-agent")


class Place(NamedTuple):
    """Where an object is."""

    version: str
    """Such as ``apps/v1``."""
    kind: str
    namespace: str | None
    name: str


Objects = Mapping[Place, Mapping[str, Any]]


def place(found: Mapping[str, Any]) -> Place:
    """Return where an object says it is."""
    about = found["metadata"]
    return Place(found["apiVersion"], found["kind"], about.get("namespace"), about["name"])


def healthy() -> Objects:
    """Return the cluster; skip where the reference is not here."""
    return {place(one): one for one in _healthy()}


def _healthy() -> Iterator[Mapping[str, Any]]:
    yield from _namespaces()
    yield from crds()
    yield _node()
    yield from _installed()
    yield made("config.openservicemesh.io/v1alpha2", "MeshConfig", "osm-mesh-config", spec=_spec())
    yield made("v1", "Secret", "osm-ca-bundle", data={"ca.crt": _bundle()})
    yield _release()
    yield nameplate(CLUSTER)
    for name in _AGENTS:
        yield from workload("azure-arc", name, {"app.kubernetes.io/component": name}, boxes(name))
    for namespace in MESHED:
        yield from workload(
            namespace, namespace, {"app": namespace}, boxes(namespace), sidecar=ENVOY
        )
    yield from workload(PLAIN, PLAIN, {"app": PLAIN}, boxes(PLAIN))
    # NB: last, for from then on no pod is made in a meshed namespace: nobody answers.
    yield from _webhooks()


# --- by kind --------------------------------------------------------------------------------------


def _namespaces() -> Iterator[dict[str, Any]]:
    ignored = {f"{_INSIDE}/ignore": "true"}
    meshed = {f"{_INSIDE}/monitored-by": "osm"}
    injected = {f"{_INSIDE}/sidecar-injection": "enabled"}
    for name in ("kube-system", "azure-arc", NAMESPACE):
        yield namespace(name, labels=ignored)
    for name in MESHED:
        yield namespace(name, labels=meshed, annotations=injected)
    yield namespace(PLAIN)


def namespace(name: str, **about: Any) -> dict[str, Any]:
    """Return a namespace."""
    return made("v1", "Namespace", name, metadata={"namespace": None, **about})


def nameplate(cluster_id: ClusterId) -> dict[str, Any]:
    """Return what Azure's agents were told that the cluster is."""
    return {"apiVersion": "v1", "kind": "ConfigMap", **insights.nameplate(cluster_id)}


def crds() -> Iterator[dict[str, Any]]:
    """Yield the definitions of the mesh's kinds."""
    for path in sorted(reference.mesh(_CRDS).glob("*.yaml")):
        # NB: kubectl and the mesh's own programs read YAML 1.1, where a bare "off" is false.
        yield YAML(typ="safe", pure=True).load(f"%YAML 1.1\n{path.read_text()}")


def _node() -> dict[str, Any]:
    info = {"operatingSystem": "linux", "architecture": "amd64", "kubeletVersion": "v1.20.2"}
    unknown = ("machineID", "systemUUID", "bootID", "kernelVersion", "osImage")
    rest = dict.fromkeys([*unknown, "containerRuntimeVersion", "kubeProxyVersion"], "")
    return made(
        "v1",
        "Node",
        "node-1",
        metadata={"namespace": None, "labels": {"kubernetes.io/arch": "amd64"}},
        status={"nodeInfo": {**rest, **info}},
    )


def _installed() -> Iterator[dict[str, Any]]:
    """Yield what the chart installs and the checks are about."""
    inventory = json.loads(
        (reference.mesh("derived") / "osm-arc-rendered-inventory.json").read_text()
    )
    for one in inventory[VERSION]:
        if one["kind"] == "Deployment":
            images = [{"name": box["name"], "image": box["image"]} for box in one["containers"]]
            if one["name"] == "osm-injector":
                # Source: the chart's template; what a MeshConfig that names no image leads to.
                images[0]["env"] = [{"name": "OSM_DEFAULT_ENVOY_IMAGE", "value": ENVOY}]
            yield from workload(NAMESPACE, one["name"], one["labels"], images)
        elif one["kind"] == "Service":
            yield from _service(one)


def _release() -> dict[str, Any]:
    """Return what Helm writes down; what it installed is left out."""
    labels = {"owner": "helm", "name": "osm", "status": "deployed", "version": "1"}
    kind = {"type": "helm.sh/release.v1"}
    name = "sh.helm.release.v1.osm.v1"
    return made("v1", "Secret", name, metadata={"labels": labels}, data={"release": ""}, **kind)


def _service(one: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    ports = [{"name": name, "port": port, "protocol": "TCP"} for name, port, _ in one["ports"]]
    spec = {"type": "ClusterIP", "ports": ports, "selector": one["selector"]}
    yield made("v1", "Service", one["name"], spec=spec)
    subset = {"addresses": [{"ip": "10.244.0.5"}], "ports": ports}
    yield made("v1", "Endpoints", one["name"], subsets=[subset])


def _spec() -> dict[str, Any]:
    """Return the mesh's configuration as the chart presets it."""
    return {
        "sidecar": {
            "enablePrivilegedInitContainer": False,
            "logLevel": "error",
            "maxDataPlaneConnections": 0,
            "configResyncInterval": "0s",
        },
        "traffic": {
            "enableEgress": True,
            "enablePermissiveTrafficPolicyMode": True,
            "outboundPortExclusionList": [],
            "inboundPortExclusionList": [],
            "outboundIPRangeExclusionList": [],
        },
        "observability": {
            "enableDebugServer": False,
            "osmLogLevel": "info",
            "tracing": {"enable": False},
        },
        "certificate": {"serviceCertValidityDuration": "24h", "certKeyBitSize": 2048},
        "featureFlags": {
            "enableWASMStats": True,
            "enableEgressPolicy": True,
            "enableSnapshotCacheMode": False,
            "enableAsyncProxyServiceMapping": False,
            "enableIngressBackendPolicy": True,
            "enableEnvoyActiveHealthChecks": False,
            "enableRetryPolicy": False,
        },
    }


# --- what bars the way ----------------------------------------------------------------------------


def _webhooks() -> Iterator[dict[str, Any]]:
    # Source: pkg/injector/webhook.go and pkg/validator/patch.go of openservicemesh/osm v1.2.4.
    in_mesh = {"key": f"{_INSIDE}/monitored-by", "operator": "In", "values": ["osm"]}
    not_ignored = {"key": f"{_INSIDE}/ignore", "operator": "DoesNotExist"}
    new_pods = {"apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"]}
    policies = {
        "apiGroups": [f"policy.{_INSIDE}"],
        "apiVersions": ["v1alpha1"],
        "resources": ["ingressbackends", "egresses"],
    }
    yield _webhook(
        "MutatingWebhookConfiguration",
        "arc-osm-webhook-osm",
        "osm-injector",
        name="osm-inject.k8s.io",
        clientConfig=_door("osm-injector", "/mutate-pod-creation", 9090),
        rules=[{**new_pods, "operations": ["CREATE"]}],
        namespaceSelector={"matchExpressions": [in_mesh, not_ignored]},
    )
    yield _webhook(
        "ValidatingWebhookConfiguration",
        "osm-validator-mesh-osm",
        "osm-controller",
        name="osm-validator.k8s.io",
        clientConfig=_door("osm-validator", "/validate", 9093),
        rules=[{**policies, "operations": ["CREATE", "UPDATE"]}],
        namespaceSelector={"matchExpressions": [in_mesh, not_ignored]},
    )


def _webhook(kind: str, called: str, app: str, /, **one: Any) -> dict[str, Any]:
    labels = {
        "app": app,
        "app.kubernetes.io/name": "openservicemesh.io",
        "app.kubernetes.io/instance": "osm",
        "app.kubernetes.io/version": f"v{VERSION}",
    }
    rest = {
        "failurePolicy": "Fail",
        "sideEffects": "None",
        "admissionReviewVersions": ["v1"],
        "timeoutSeconds": 2,
    }
    about = {"namespace": None, "labels": labels}
    return made(
        "admissionregistration.k8s.io/v1", kind, called, metadata=about, webhooks=[{**one, **rest}]
    )


def _door(name: str, path: str, port: int) -> dict[str, Any]:
    service = {"name": name, "namespace": NAMESPACE, "path": path, "port": port}
    return {"service": service, "caBundle": _bundle()}


@functools.cache
def _bundle() -> str:
    pem = trustme.CA(key_type=trustme.KeyType.RSA).cert_pem.bytes()
    return base64.b64encode(pem).decode()
