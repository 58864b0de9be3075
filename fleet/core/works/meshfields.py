"""The fields of MeshConfig, as data: what each takes, and since which version there is one.

Source:  openservicemesh/osm, cmd/osm-bootstrap/crds/config_meshconfig.yaml of v0.11.1, v1.0.0,
         v1.1.1 and v1.2.4: v1alpha1 alone up to 1.0, v1alpha2 beside it from 1.1 on.
"""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any


class FieldKind(enum.Enum):
    """What a field takes."""

    TEXT = "text"
    NUMBER = "a whole number"
    BOOLEAN = "true or false"
    CIDR = "a range of addresses such as 10.0.0.0/8"
    TABLE = "a mapping"
    """Of names that nobody lists, such as resources."""


@dataclasses.dataclass(frozen=True, slots=True)
class Field:
    """One field that is no group of others."""

    kind: FieldKind
    is_list: bool = dataclasses.field(default=False, kw_only=True)
    choices: tuple[str, ...] = dataclasses.field(default=(), kw_only=True)
    low: int | None = dataclasses.field(default=None, kw_only=True)
    high: int | None = dataclasses.field(default=None, kw_only=True)
    is_new: bool = dataclasses.field(default=False, kw_only=True)
    """Whether v1alpha1 does not have it."""


_TEXT, _NUMBER = Field(FieldKind.TEXT), Field(FieldKind.NUMBER)
_FLAG = Field(FieldKind.BOOLEAN)
_PORT = Field(FieldKind.NUMBER, low=1, high=65535)
_PORTS = dataclasses.replace(_PORT, is_list=True)
_RANGES = Field(FieldKind.CIDR, is_list=True)
_NEW_TEXTS = Field(FieldKind.TEXT, is_list=True, is_new=True)
_TLS = Field(
    FieldKind.TEXT,
    choices=("TLS_AUTO", "TLSv1_0", "TLSv1_1", "TLSv1_2", "TLSv1_3"),
    is_new=True,
)
_LEVELS = ("trace", "debug", "info", "warning", "warn", "error", "critical", "off")

# NB: the control plane's own levels are not in the resource; they are the chart's, see
# values.schema.json of the same repository.
_OWN_LEVELS = ("debug", "info", "warn", "error", "fatal", "panic", "disabled", "trace")

FIELDS: Mapping[str, Field] = MappingProxyType(
    {
        "sidecar.enablePrivilegedInitContainer": _FLAG,
        "sidecar.logLevel": Field(FieldKind.TEXT, choices=_LEVELS),
        "sidecar.maxDataPlaneConnections": _NUMBER,
        "sidecar.envoyImage": _TEXT,
        "sidecar.envoyWindowsImage": _TEXT,
        "sidecar.initContainerImage": _TEXT,
        "sidecar.resources.limits": Field(FieldKind.TABLE),
        "sidecar.resources.requests": Field(FieldKind.TABLE),
        "sidecar.configResyncInterval": _TEXT,
        "sidecar.tlsMinProtocolVersion": _TLS,
        "sidecar.tlsMaxProtocolVersion": _TLS,
        "sidecar.cipherSuites": _NEW_TEXTS,
        "sidecar.ecdhCurves": _NEW_TEXTS,
        "sidecar.localProxyMode": Field(
            FieldKind.TEXT, choices=("Localhost", "PodIP"), is_new=True
        ),
        "traffic.enableEgress": _FLAG,
        "traffic.enablePermissiveTrafficPolicyMode": _FLAG,
        "traffic.outboundIPRangeExclusionList": _RANGES,
        "traffic.outboundIPRangeInclusionList": dataclasses.replace(_RANGES, is_new=True),
        "traffic.outboundPortExclusionList": _PORTS,
        "traffic.inboundPortExclusionList": _PORTS,
        "traffic.networkInterfaceExclusionList": _NEW_TEXTS,
        "traffic.inboundExternalAuthorization.enable": _FLAG,
        "traffic.inboundExternalAuthorization.address": _TEXT,
        "traffic.inboundExternalAuthorization.port": _PORT,
        "traffic.inboundExternalAuthorization.statPrefix": _TEXT,
        "traffic.inboundExternalAuthorization.timeout": _TEXT,
        "traffic.inboundExternalAuthorization.failureModeAllow": _FLAG,
        "observability.osmLogLevel": Field(FieldKind.TEXT, choices=_OWN_LEVELS),
        "observability.enableDebugServer": _FLAG,
        "observability.tracing.enable": _FLAG,
        "observability.tracing.port": _NUMBER,
        "observability.tracing.address": _TEXT,
        "observability.tracing.endpoint": _TEXT,
        "certificate.serviceCertValidityDuration": _TEXT,
        "certificate.certKeyBitSize": _NUMBER,
        "certificate.ingressGateway.subjectAltNames": Field(FieldKind.TEXT, is_list=True),
        "certificate.ingressGateway.validityDuration": _TEXT,
        "certificate.ingressGateway.secret.name": _TEXT,
        "certificate.ingressGateway.secret.namespace": _TEXT,
        "featureFlags.enableWASMStats": _FLAG,
        "featureFlags.enableEgressPolicy": _FLAG,
        "featureFlags.enableMulticlusterMode": _FLAG,
        "featureFlags.enableSnapshotCacheMode": _FLAG,
        "featureFlags.enableAsyncProxyServiceMapping": _FLAG,
        "featureFlags.enableIngressBackendPolicy": _FLAG,
        "featureFlags.enableEnvoyActiveHealthChecks": _FLAG,
        "featureFlags.enableRetryPolicy": _FLAG,
    }
)
"""``{path below spec: field}``."""

GROUPS: frozenset[str] = frozenset(
    path.rsplit(".", n)[0] for path in FIELDS for n in range(1, path.count(".") + 1)
)
"""Paths that hold others."""


def too_new(patch: Mapping[str, Any]) -> Iterator[str]:
    """Yield the paths of a merge patch of ``spec`` that v1alpha1 does not have."""
    for path, field in FIELDS.items():
        group, _, name = path.rpartition(".")
        here: Any = patch
        for key in group.split("."):
            here = here.get(key) if isinstance(here, Mapping) else None
        if field.is_new and isinstance(here, Mapping) and here.get(name) is not None:
            yield path
