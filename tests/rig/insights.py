"""Clusters from the inside, as values: a healthy mesh, what breaks it, and a port to it.

Hand-written: objects have what the API sends, as far as anybody here looks at it.
"""

from __future__ import annotations

import asyncio
import contextlib
import copy
import dataclasses
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from fleet.core import looks
from fleet.core.looks import Subject
from fleet.errors import ClusterError
from fleet.model.cluster import AutoUpgrade, ClusterId, Extension, ProvisioningState
from fleet.model.inside import CheckMoment, CheckRule
from fleet.model.objects import Object, Resource, Seen, Sight, Want
from fleet.model.versions import VersionOrder
from fleet.ports import ClusterApi
from fleet.spec import profiles

RULES = profiles.load("osm").checks
SYSTEM = "arc-osm-system"
STORE = ClusterId(
    "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg"
    "/providers/Microsoft.Kubernetes/connectedClusters/store-1"
)
ENVOY = "mcr.example/envoy:v1.26.3"
MESH_SPEC: Mapping[str, Any] = {
    "sidecar": {"logLevel": "error", "maxDataPlaneConnections": 0},
    "traffic": {"enableEgress": True, "outboundPortExclusionList": [6379]},
    "certificate": {"serviceCertValidityDuration": "24h", "certKeyBitSize": 2048},
}
_KINDS = {
    "meshconfigs.config.openservicemesh.io": ("v1alpha2", "v1alpha1"),
    "meshrootcertificates.config.openservicemesh.io": ("v1alpha2",),
    "egresses.policy.openservicemesh.io": ("v1alpha1",),
    "ingressbackends.policy.openservicemesh.io": ("v1alpha1",),
    "retries.policy.openservicemesh.io": ("v1alpha1",),
    "upstreamtrafficsettings.policy.openservicemesh.io": ("v1alpha1",),
    "httproutegroups.specs.smi-spec.io": ("v1alpha4",),
    "tcproutes.specs.smi-spec.io": ("v1alpha4",),
    "traffictargets.access.smi-spec.io": ("v1alpha3",),
    "trafficsplits.split.smi-spec.io": ("v1alpha2",),
}
_AGENT = ("mdm", "msi-adapter", "prom-mdm-converter", "telegraf")
_CORE = {
    "deployments": Resource("apps", "v1", "deployments"),
    "daemonsets": Resource("apps", "v1", "daemonsets"),
    "pods": Resource("", "v1", "pods"),
    "services": Resource("", "v1", "services"),
    "endpoints": Resource("", "v1", "endpoints"),
    "namespaces": Resource("", "v1", "namespaces"),
    "secrets": Resource("", "v1", "secrets"),
    "configmaps": Resource("", "v1", "configmaps"),
    "meshconfigs": Resource("config.openservicemesh.io", "v1alpha2", "meshconfigs"),
    "mutating": Resource("admissionregistration.k8s.io", "v1", "mutatingwebhookconfigurations"),
    "validating": Resource("admissionregistration.k8s.io", "v1", "validatingwebhookconfigurations"),
    "definitions": Resource("apiextensions.k8s.io", "v1", "customresourcedefinitions"),
}


@dataclasses.dataclass(slots=True)
class Cluster:
    """What is in a cluster: ``{kind: {(namespace, name): object}}``."""

    objects: dict[Resource, dict[tuple[str, str], dict[str, Any]]] = dataclasses.field(
        default_factory=dict
    )
    forbidden: frozenset[str] = frozenset()
    """Plurals that may not be read."""
    trouble: str = ""
    """Why nobody gets in."""
    spoil: Callable[[Any], Any] = lambda one: one
    """What becomes of an object on its way out."""

    def put(self, kind: str, found: dict[str, Any]) -> None:
        """Add an object, or put it in another's place."""
        meta = found["metadata"]
        key = (meta.get("namespace", ""), meta["name"])
        self.objects.setdefault(_CORE[kind], {})[key] = found

    def at(self, kind: str, name: str, namespace: str = "") -> dict[str, Any]:
        """Return an object, to be changed."""
        return self.objects[_CORE[kind]][namespace, name]

    def remove(self, kind: str, name: str, namespace: str = "") -> None:
        """Take an object away."""
        del self.objects[_CORE[kind]][namespace, name]

    def seen(self, rules: Sequence[CheckRule], subject: Subject) -> Seen:
        """Return what gathering would, without a loop."""
        seen: dict[Want, Sight] = {}
        while new := [one for one in looks.wants(rules, subject, seen) if one not in seen]:
            seen |= {want: self._sight(want) for want in new}
        return seen

    def found(
        self, resource: Resource, *, namespace: str | None, name: str | None, selector: str = ""
    ) -> Iterator[dict[str, Any]]:
        """Yield the objects that are meant, as the API would."""
        if resource.plural in self.forbidden:
            message = f'{resource.plural} is forbidden: User "fleet" cannot list resource'
            raise ClusterError(message, status=403)
        if resource.plural == "meshconfigs":
            # Source: CRDs of 1.1 and later serve both versions.
            resource = _CORE["meshconfigs"]
        for (where, called), one in sorted(self.objects.get(resource, {}).items()):
            is_meant = name in (None, called) and namespace in (None, where)
            if is_meant and _is_selected(one, selector):
                yield self.spoil(copy.deepcopy(one))

    def _sight(self, want: Want) -> Sight:
        try:
            some = list(
                self.found(
                    want.resource, namespace=want.namespace, name=want.name, selector=want.selector
                )
            )
        except ClusterError as error:
            return Sight(error=error.message)
        return Sight(objects=tuple(map(want.shape, some)))


def _is_selected(found: Mapping[str, Any], selector: str) -> bool:
    labels = found.get("metadata", {}).get("labels", {})
    return all(_holds(labels, one) for one in selector.split(",") if one)


def _holds(labels: Mapping[str, str], term: str) -> bool:
    if "!=" in term:
        key, _, value = term.partition("!=")
        return labels.get(key) != value
    if "=" in term:
        key, _, value = term.partition("=")
        return labels.get(key) == value
    return (term[1:] not in labels) if term.startswith("!") else term in labels


# --- what healthy clusters hold ----------------------------------------------------------


def healthy(cluster_id: ClusterId = STORE) -> Cluster:
    """Return a cluster with a mesh at 1.2.6 in which everything is well."""
    found = Cluster()
    found.put("configmaps", nameplate(cluster_id))
    for name in ("kube-system", "azure-arc", SYSTEM):
        found.put("namespaces", namespace(name, {"openservicemesh.io/ignore": "true"}))
    found.put("namespaces", meshed("shop"))
    for name in ("config-agent", "extension-manager"):
        found.put("deployments", deployment(name, where="azure-arc"))
    for name in ("osm-controller", "osm-injector", "osm-bootstrap"):
        found.put("deployments", deployment(name))
        found.put("pods", control_pod(name))
    found.put("deployments", deployment("osm-metrics-agent", containers=_AGENT))
    found.put("services", service("osm-controller", 15128, 9092, 9091))
    found.put("services", service("osm-injector", 9090))
    found.put("services", service("osm-validator", 9093, app="osm-controller"))
    found.put("endpoints", endpoints("osm-controller", 15128, 9092, 9091))
    found.put("endpoints", endpoints("osm-injector", 9090))
    found.put("mutating", webhook("arc-osm-webhook-osm", "osm-injector", 9090))
    found.put("validating", webhook("osm-validator-mesh-osm", "osm-validator", 9093))
    mesh = {"metadata": {"name": "osm-mesh-config", "namespace": SYSTEM}, "spec": dict(MESH_SPEC)}
    found.put("meshconfigs", copy.deepcopy(mesh))
    for name, versions in _KINDS.items():
        found.put("definitions", definition(name, versions))
    found.put("secrets", release("osm", revision=2))
    found.put("pods", app_pod("cart-1"))
    found.put("pods", app_pod("cart-2"))
    image = {"name": "OSM_DEFAULT_ENVOY_IMAGE", "value": ENVOY}
    injector = found.at("deployments", "osm-injector", SYSTEM)
    injector["spec"]["template"]["spec"]["containers"][0]["env"] = [image]
    return found


def uninstalled() -> Cluster:
    """Return a cluster from which the mesh was taken away, as it should be."""
    found = Cluster()
    found.put("configmaps", nameplate())
    found.put("namespaces", namespace(SYSTEM, {}))
    for name, versions in _KINDS.items():
        found.put("definitions", definition(name, versions))
    return found


def nameplate(cluster_id: ClusterId = STORE) -> dict[str, Any]:
    """Return what Azure's agents were told that a cluster is."""
    _, _, subscription, _, group, *_, name = cluster_id.split("/")
    return {
        "metadata": {"name": "azure-clusterconfig", "namespace": "azure-arc"},
        "data": {
            "AZURE_SUBSCRIPTION_ID": subscription,
            "AZURE_RESOURCE_GROUP": group,
            "AZURE_RESOURCE_NAME": name,
        },
    }


def namespace(name: str, labels: Mapping[str, str], **notes: str) -> dict[str, Any]:
    return {"metadata": {"name": name, "labels": dict(labels), "annotations": notes}}


def meshed(name: str) -> dict[str, Any]:
    one = namespace(name, {"openservicemesh.io/monitored-by": "osm"})
    one["metadata"]["annotations"] = {"openservicemesh.io/sidecar-injection": "enabled"}
    return one


def deployment(
    name: str, *, where: str = SYSTEM, containers: Iterable[str] = ("main",), release: str = "osm"
) -> dict[str, Any]:
    return {
        "metadata": {
            "name": name,
            "namespace": where,
            "generation": 1,
            "annotations": {"meta.helm.sh/release-name": release},
        },
        "spec": {
            "replicas": 1,
            "template": {"spec": {"containers": [{"name": one} for one in containers]}},
        },
        "status": {"observedGeneration": 1, "readyReplicas": 1, "availableReplicas": 1},
    }


def control_pod(app: str, *, number: int = 1) -> dict[str, Any]:
    return {
        "metadata": {"name": f"{app}-{number}", "namespace": SYSTEM, "labels": {"app": app}},
        "spec": {"containers": [{"name": app}]},
        "status": {"phase": "Running", "containerStatuses": [{"name": app, "ready": True}]},
    }


def app_pod(name: str, *, where: str = "shop", image: str | None = ENVOY) -> dict[str, Any]:
    """Return a pod of an application, with a sidecar unless its *image* is ``None``."""
    sidecar = [{"name": "envoy", "image": image}] if image else []
    return {
        "metadata": {
            "name": name,
            "namespace": where,
            "labels": {"osm-proxy-uuid": name} if image else {},
            "creationTimestamp": "2026-01-10T03:00:00Z",
            "ownerReferences": [{"kind": "ReplicaSet", "name": f"{name.partition('-')[0]}-5d8"}],
        },
        "spec": {"containers": [{"name": "app", "image": "app:1"}, *sidecar]},
        "status": {"phase": "Running"},
    }


def service(name: str, *ports: int, app: str | None = None) -> dict[str, Any]:
    spec = {
        "type": "ClusterIP",
        "selector": {"app": app or name},
        "ports": [{"port": port, "protocol": "TCP"} for port in ports],
    }
    return {"metadata": {"name": name, "namespace": SYSTEM}, "spec": spec, "status": {}}


def endpoints(name: str, *ports: int) -> dict[str, Any]:
    subset = {"addresses": [{"ip": "10.0.0.1"}], "ports": [{"port": port} for port in ports]}
    return {"metadata": {"name": name, "namespace": SYSTEM}, "subsets": [subset]}


def webhook(name: str, to: str, port: int) -> dict[str, Any]:
    path = "/mutate-pod-creation" if to == "osm-injector" else "/validate"
    config = {
        "service": {"name": to, "namespace": SYSTEM, "path": path, "port": port},
        "caBundle": "A" * 1845,
    }
    inner = {"name": f"{to}.k8s.io", "clientConfig": config, "failurePolicy": "Fail"}
    meta = {"name": name, "creationTimestamp": "2026-01-10T02:00:00Z"}
    return {"metadata": meta, "webhooks": [inner]}


def definition(name: str, versions: Iterable[str]) -> dict[str, Any]:
    return {
        "metadata": {"name": name},
        "spec": {"versions": [{"name": one, "served": True} for one in versions]},
        "status": {"conditions": [{"type": "Established", "status": "True"}]},
    }


def release(name: str, *, revision: int, status: str = "deployed") -> dict[str, Any]:
    labels = {"owner": "helm", "name": name, "status": status, "version": str(revision)}
    called = f"sh.helm.release.v1.{name}.v{revision}"
    return {"metadata": {"name": called, "namespace": SYSTEM, "labels": labels}}


# --- what is known beforehand ------------------------------------------------------------


def extension(version: str = "1.2.6", **changed: Any) -> Extension:
    """Return the mesh's extension as Azure shows it when all is well."""
    found = Extension(
        name="osm",
        extension_type="microsoft.openservicemesh",
        version=version,
        current_version=version,
        auto_upgrade=AutoUpgrade.NONE,
        release_train="stable",
        provisioning_state=ProvisioningState.SUCCEEDED,
        namespace=SYSTEM,
    )
    return dataclasses.replace(found, **changed)


def subject(**changed: Any) -> Subject:
    """Return a cluster with the mesh at 1.2.6, as planned."""
    found = Subject(
        cluster_id=STORE,
        cluster_name="store-1",
        extension=extension(),
        release="osm",
        namespace=SYSTEM,
        version="1.2.6",
        version_order=VersionOrder.REVISION,
        meshed=("shop",),
    )
    return dataclasses.replace(found, **changed)


def rules(*names: str, moment: CheckMoment = CheckMoment.PRESENT) -> tuple[CheckRule, ...]:
    """Return the mesh's rules of a moment; those of *names*, where any are given."""
    return tuple(one for one in looks.chosen(RULES, moment=moment) if not names or one.id in names)


# --- a port ------------------------------------------------------------------------------


class Fleet:
    """Clusters to be opened, by id; keeps count of how many are open at once."""

    def __init__(self, clusters: Mapping[ClusterId, Cluster]) -> None:
        self._clusters = clusters
        self.open_count = self.most_open = self.opened_count = 0

    @contextlib.asynccontextmanager
    async def open(self, cluster_id: ClusterId) -> AsyncIterator[ClusterApi]:
        found = self._clusters[cluster_id]
        if found.trouble:
            raise ClusterError(found.trouble)
        self.open_count += 1
        self.opened_count += 1
        self.most_open = max(self.most_open, self.open_count)
        try:
            await asyncio.sleep(0)
            yield _Api(found)
        finally:
            self.open_count -= 1


class _Api:
    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    async def get(
        self, resource: Resource, name: str, *, namespace: str | None = None
    ) -> Object | None:
        found = self._cluster.found(resource, namespace=namespace, name=name)
        return next(found, None)

    async def items(
        self, resource: Resource, *, namespace: str | None = None, selector: str = ""
    ) -> AsyncIterator[Object]:
        for one in self._cluster.found(resource, namespace=namespace, name=None, selector=selector):
            yield one

    async def merge(self, *_: Any, **__: Any) -> Object:
        raise AssertionError(_ONLY)

    async def create(self, *_: Any, **__: Any) -> Object:
        raise AssertionError(_ONLY)

    async def delete(self, *_: Any, **__: Any) -> None:
        raise AssertionError(_ONLY)


_ONLY = "looks only read"
