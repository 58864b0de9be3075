"""Which kinds of objects an API server serves, and under which names: data, and looking it up."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from types import MappingProxyType

from fleet.model.objects import Resource
from fleet.sim.inside.releases import KINDS


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """A kind of objects."""

    resource: Resource
    kind: str
    is_namespaced: bool = True

    @property
    def api_version(self) -> str:
        """Such as ``apps/v1``."""
        group, version, _ = self.resource
        return f"{group}/{version}" if group else version


def _kinds(
    group: str, version: str, kinds: Mapping[str, str], *, is_namespaced: bool = True
) -> list[Kind]:
    return [
        Kind(resource=Resource(group, version, plural), kind=kind, is_namespaced=is_namespaced)
        for plural, kind in kinds.items()
    ]


_RBAC = "rbac.authorization.k8s.io"
_BUILT_IN = [
    *_kinds("", "v1", {"namespaces": "Namespace", "nodes": "Node"}, is_namespaced=False),
    *_kinds(
        "",
        "v1",
        {
            "pods": "Pod",
            "services": "Service",
            "endpoints": "Endpoints",
            "secrets": "Secret",
            "configmaps": "ConfigMap",
            "serviceaccounts": "ServiceAccount",
            "events": "Event",
        },
    ),
    *_kinds(
        "apps",
        "v1",
        {
            "deployments": "Deployment",
            "daemonsets": "DaemonSet",
            "statefulsets": "StatefulSet",
            "replicasets": "ReplicaSet",
        },
    ),
    *_kinds("batch", "v1", {"jobs": "Job", "cronjobs": "CronJob"}),
    *_kinds("autoscaling", "v2", {"horizontalpodautoscalers": "HorizontalPodAutoscaler"}),
    *_kinds("policy", "v1", {"poddisruptionbudgets": "PodDisruptionBudget"}),
    *_kinds("discovery.k8s.io", "v1", {"endpointslices": "EndpointSlice"}),
    *_kinds(_RBAC, "v1", {"roles": "Role", "rolebindings": "RoleBinding"}),
    *_kinds(
        _RBAC,
        "v1",
        {"clusterroles": "ClusterRole", "clusterrolebindings": "ClusterRoleBinding"},
        is_namespaced=False,
    ),
    *_kinds(
        "admissionregistration.k8s.io",
        "v1",
        {
            "validatingwebhookconfigurations": "ValidatingWebhookConfiguration",
            "mutatingwebhookconfigurations": "MutatingWebhookConfiguration",
        },
        is_namespaced=False,
    ),
    *_kinds(
        "apiextensions.k8s.io",
        "v1",
        {"customresourcedefinitions": "CustomResourceDefinition"},
        is_namespaced=False,
    ),
    *_kinds(
        "authorization.k8s.io",
        "v1",
        {"selfsubjectaccessreviews": "SelfSubjectAccessReview"},
        is_namespaced=False,
    ),
]
_OPENSHIFT = _kinds(
    "security.openshift.io",
    "v1",
    {"securitycontextconstraints": "SecurityContextConstraints"},
    is_namespaced=False,
)

BUILT_IN: Mapping[Resource, Kind] = MappingProxyType({one.resource: one for one in _BUILT_IN})
OPENSHIFT: Mapping[Resource, Kind] = MappingProxyType({one.resource: one for one in _OPENSHIFT})

_BY_PLURAL = {(one.resource.group, one.resource.plural): one for one in (*_BUILT_IN, *_OPENSHIFT)}


def built_in(group: str, plural: str) -> Kind:
    """Return a kind that is always served, by its group and plural."""
    return _BY_PLURAL[group, plural]


def defined(crds: Mapping[str, tuple[str, ...]]) -> Mapping[Resource, Kind]:
    """Return the kinds that definitions bring."""
    found = {}
    for name, versions in crds.items():
        plural, _, group = name.partition(".")
        for version in versions:
            resource = Resource(group, version, plural)
            found[resource] = Kind(resource=resource, kind=KINDS[plural])
    return found


NAMESPACES = Resource("", "v1", "namespaces")
NODES = Resource("", "v1", "nodes")
PODS = Resource("", "v1", "pods")
SERVICES = Resource("", "v1", "services")
ENDPOINTS = Resource("", "v1", "endpoints")
SECRETS = Resource("", "v1", "secrets")
CONFIG_MAPS = Resource("", "v1", "configmaps")
DEPLOYMENTS = Resource("apps", "v1", "deployments")
DAEMON_SETS = Resource("apps", "v1", "daemonsets")
REPLICA_SETS = Resource("apps", "v1", "replicasets")
VALIDATING = Resource("admissionregistration.k8s.io", "v1", "validatingwebhookconfigurations")
MUTATING = Resource("admissionregistration.k8s.io", "v1", "mutatingwebhookconfigurations")
DEFINITIONS = Resource("apiextensions.k8s.io", "v1", "customresourcedefinitions")
AUTOSCALERS = Resource("autoscaling", "v2", "horizontalpodautoscalers")
BUDGETS = Resource("policy", "v1", "poddisruptionbudgets")
CONSTRAINTS = Resource("security.openshift.io", "v1", "securitycontextconstraints")
REVIEWS = Resource("authorization.k8s.io", "v1", "selfsubjectaccessreviews")
MESH_GROUP = "config.openservicemesh.io"
MESH_CONFIGS = "meshconfigs"
