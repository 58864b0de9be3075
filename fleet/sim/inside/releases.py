"""Releases of Open Service Mesh for Arc: what each of them brings to a cluster. Data, no rules.

Source:  the published charts osm-arc 0.11.1 to 1.2.6, rendered; the definitions of the mesh's tags.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping

from fleet.model import versions

_REGISTRY = "mcr.microsoft.com/oss"
_SMI = {
    "httproutegroups.specs.smi-spec.io": ("v1alpha4", "v1alpha3", "v1alpha2", "v1alpha1"),
    "tcproutes.specs.smi-spec.io": ("v1alpha4",),
    "traffictargets.access.smi-spec.io": ("v1alpha3", "v1alpha2", "v1alpha1"),
    "trafficsplits.split.smi-spec.io": ("v1alpha4", "v1alpha3", "v1alpha2"),
}
_POLICY = {
    "egresses.policy.openservicemesh.io": ("v1alpha1",),
    "ingressbackends.policy.openservicemesh.io": ("v1alpha1",),
}
_LATER_POLICY = {
    "retries.policy.openservicemesh.io": ("v1alpha1",),
    "upstreamtrafficsettings.policy.openservicemesh.io": ("v1alpha1",),
}
_MESH_CONFIG = "meshconfigs.config.openservicemesh.io"
_MULTICLUSTER = "multiclusterservices.config.openservicemesh.io"
_FIRST_CRDS = {
    _MESH_CONFIG: ("v1alpha1",),
    _MULTICLUSTER: ("v1alpha1",),
    **_POLICY,
    **_SMI,
}
_SECOND_CRDS = {
    _MESH_CONFIG: ("v1alpha2", "v1alpha1"),
    _MULTICLUSTER: ("v1alpha2", "v1alpha1"),
    **_POLICY,
    **_LATER_POLICY,
    **_SMI,
}
_THIRD_CRDS = {
    "meshrootcertificates.config.openservicemesh.io": ("v1alpha2",),
    _MESH_CONFIG: ("v1alpha2", "v1alpha1"),
    **_POLICY,
    **_LATER_POLICY,
    **_SMI,
}

KINDS = {
    "meshconfigs": "MeshConfig",
    "meshrootcertificates": "MeshRootCertificate",
    "multiclusterservices": "MultiClusterService",
    "egresses": "Egress",
    "ingressbackends": "IngressBackend",
    "retries": "Retry",
    "upstreamtrafficsettings": "UpstreamTrafficSetting",
    "httproutegroups": "HTTPRouteGroup",
    "tcproutes": "TCPRoute",
    "traffictargets": "TrafficTarget",
    "trafficsplits": "TrafficSplit",
}
"""``{plural: kind}`` of the definitions."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """What one release is made of."""

    version: str
    """Of the chart."""
    envoy: str
    crds: Mapping[str, tuple[str, ...]]
    """``{definition: versions served, the stored one first}``."""
    has_egress: bool = False
    """Whether egress is allowed where nobody says."""
    has_metrics_agent: bool = False
    has_image_defaults: bool = False
    """Whether the mesh's configuration names the images of sidecars."""
    has_multicluster_flag: bool = True
    has_later_fields: bool = False
    """Those of v1alpha2."""
    bootstrap_health_port: int = 9095
    has_reconciler: bool = True
    root: str = "osm"
    """Of the chart's values, after ``osm.``."""

    @property
    def app_version(self) -> str:
        """Of the mesh, such as ``v1.1.1`` for ``1.1.1-1``."""
        return f"v{self.version.partition('-')[0]}"

    @property
    def sidecar_image(self) -> str:
        """What is injected where the mesh's configuration names nothing else."""
        return f"{_REGISTRY}/envoyproxy/envoy:{self.envoy}"

    def image(self, component: str) -> str:
        """Return the image of a component of the control plane."""
        return f"{_REGISTRY}/openservicemesh/{component}:{self.app_version}"


def _first(version: str, *, root: str = "osm", has_image_defaults: bool = False) -> Release:
    return Release(
        version=version,
        envoy="v1.19.1",
        crds=_FIRST_CRDS,
        root=root,
        has_image_defaults=has_image_defaults,
    )


def _second(version: str) -> Release:
    return Release(
        version=version,
        envoy="v1.19.3",
        crds=_SECOND_CRDS,
        has_metrics_agent=True,
        has_later_fields=True,
    )


def _third(version: str, *, envoy: str) -> Release:
    return Release(
        version=version,
        envoy=envoy,
        crds=_THIRD_CRDS,
        has_egress=True,
        has_metrics_agent=True,
        has_multicluster_flag=False,
        has_later_fields=True,
        bootstrap_health_port=9091,
        has_reconciler=False,
    )


RELEASES = (
    _first("0.11.1", root="OpenServiceMesh", has_image_defaults=True),
    _first("1.0.0"),
    _first("1.0.0-1"),
    _second("1.1.1"),
    _second("1.1.1-1"),
    _third("1.2.3", envoy="v1.22.2"),
    _third("1.2.6", envoy="v1.26.3"),
)


@functools.lru_cache(maxsize=256)
def of(version: str) -> Release:
    """Return a release: the one of that version, or else like the nearest before it.

    >>> of("1.2.4").envoy, of("0.9.2").crds == of("0.11.1").crds
    ('v1.22.2', True)
    """
    wanted = versions.parse_or_none(version)
    found = RELEASES[0]
    for one in RELEASES:
        if one.version == version:
            return one
        if wanted is not None and versions.parse(one.version).release <= wanted.release:
            found = one
    return dataclasses.replace(found, version=version)
