"""The mesh's configuration: what it may hold in each version, and what an installation seeds.

An object of this kind is made when there is none, from the settings that the
extension has then; upgrades and later settings leave it alone.

Source:  the definition meshconfigs.config.openservicemesh.io of the tags 0.11.1 to 1.2.4, and the
         preset of the charts.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from typing import Any

from fleet.sim.inside.releases import Release
from fleet.sim.inside.schemas import Schema

_BOOL, _INT, _TEXT = Schema(type="boolean"), Schema(type="integer"), Schema(type="string")
_ANY = Schema(type="object")
_PORT = Schema(type="integer", least=1, most=65535)
_RANGE = Schema(type="string", pattern=r"((?:\d{1,3}\.){3}\d{1,3})\/(\d{1,2})$")
# NB: in the definitions the last of them is written without quotes: YAML reads false.
_LEVELS = ("trace", "debug", "info", "warning", "warn", "error", "critical", False)
_TLS = ("TLS_AUTO", "TLSv1_0", "TLSv1_1", "TLSv1_2", "TLSv1_3")
_DEFAULT_ENVOY = (
    "envoyproxy/envoy-alpine"
    "@sha256:6502a637c6c5fba4d03d0672d878d12da4bcc7a0d0fb3f1d506982dde0039abd"
)
_DEFAULT_WINDOWS_ENVOY = (
    "envoyproxy/envoy-windows"
    "@sha256:c904fda95891ebbccb9b1f24c1a9482c8d01cbca215dd081fc8c8db36db85f85"
)
_FLAGS = (
    "enableWASMStats",
    "enableEgressPolicy",
    "enableMulticlusterMode",
    "enableSnapshotCacheMode",
    "enableAsyncProxyServiceMapping",
    "enableIngressBackendPolicy",
    "enableEnvoyActiveHealthChecks",
    "enableRetryPolicy",
)
_FLAGS_ON = frozenset({"enableWASMStats", "enableEgressPolicy", "enableIngressBackendPolicy"})


def _list(item: Schema, *, fewest: int = 0) -> Schema:
    return Schema(type="array", item=item, fewest=fewest)


def _object(fields: Mapping[str, Schema], *required: str) -> Schema:
    return Schema(type="object", fields=fields, required=required)


@functools.cache
def schema(*, is_later: bool, has_image_defaults: bool = False) -> Schema:
    """Return the schema of ``spec``: of v1alpha1, or of the later v1alpha2."""
    sidecar = {
        "enablePrivilegedInitContainer": _BOOL,
        "logLevel": Schema(type="string", choices=_LEVELS),
        "maxDataPlaneConnections": _INT,
        "envoyImage": _image(_DEFAULT_ENVOY if has_image_defaults else None),
        "envoyWindowsImage": _image(_DEFAULT_WINDOWS_ENVOY if has_image_defaults else None),
        "initContainerImage": _TEXT,
        "resources": _object({"limits": _ANY, "requests": _ANY}),
        "configResyncInterval": _TEXT,
    }
    traffic = {
        "enableEgress": _BOOL,
        "outboundIPRangeExclusionList": _list(_RANGE),
        "outboundPortExclusionList": _list(_PORT),
        "inboundPortExclusionList": _list(_PORT),
        "enablePermissiveTrafficPolicyMode": _BOOL,
        "inboundExternalAuthorization": _authorization(),
    }
    if is_later:
        sidecar |= _later_sidecar()
        traffic |= {
            "outboundIPRangeInclusionList": _list(_RANGE),
            "networkInterfaceExclusionList": _list(_TEXT),
        }
    if has_image_defaults:
        traffic["useHTTPSIngress"] = _BOOL
    return _object(
        {
            "sidecar": _object(sidecar),
            "traffic": _object(traffic),
            "observability": _observability(),
            "certificate": _certificate(fewest=0 if has_image_defaults else 1),
            "featureFlags": _object(dict.fromkeys(_FLAGS, _BOOL)),
        }
    )


def _image(default: str | None) -> Schema:
    return Schema(type="string", default=default)


def _later_sidecar() -> dict[str, Schema]:
    return {
        "tlsMinProtocolVersion": Schema(type="string", choices=_TLS, default="TLSv1_2"),
        "tlsMaxProtocolVersion": Schema(type="string", choices=_TLS, default="TLSv1_3"),
        "cipherSuites": _list(_TEXT),
        "ecdhCurves": _list(_TEXT),
        "localProxyMode": Schema(
            type="string", choices=("Localhost", "PodIP"), default="Localhost"
        ),
    }


def _authorization() -> Schema:
    return _object(
        {
            "enable": _BOOL,
            "address": _TEXT,
            "port": _PORT,
            "statPrefix": Schema(type="string", default="inboundExtAuthz"),
            "timeout": Schema(type="string", default="1s"),
            "failureModeAllow": _BOOL,
        }
    )


def _observability() -> Schema:
    tracing = _object({"enable": _BOOL, "port": _INT, "address": _TEXT, "endpoint": _TEXT})
    return _object({"osmLogLevel": _TEXT, "enableDebugServer": _BOOL, "tracing": tracing})


def _certificate(*, fewest: int) -> Schema:
    gateway = _object(
        {
            "subjectAltNames": _list(_TEXT, fewest=fewest),
            "validityDuration": _TEXT,
            "secret": _object({"name": _TEXT, "namespace": _TEXT}, "name", "namespace"),
        },
        "subjectAltNames",
        "validityDuration",
        "secret",
    )
    return _object(
        {
            "serviceCertValidityDuration": _TEXT,
            "certKeyBitSize": _INT,
            "ingressGateway": gateway,
        },
        "serviceCertValidityDuration",
        "certKeyBitSize",
    )


# --- what an installation seeds ----------------------------------------------------------


def seeded(release: Release, settings: Mapping[str, str], *, namespace: str) -> dict[str, Any]:
    """Return the ``spec`` that an installation of *release* with *settings* makes."""
    given = _Given(settings, f"osm.{release.root}.")
    return {
        "sidecar": _sidecar(release, given),
        "traffic": _traffic(release, given),
        "observability": _seeded_observability(given, namespace),
        "certificate": _seeded_certificate(given, settings, namespace),
        "featureFlags": {
            name: given.of(f"featureFlags.{name}", name in _FLAGS_ON)
            for name in _FLAGS
            if name != "enableMulticlusterMode" or release.has_multicluster_flag
        },
    }


class _Given:
    """Settings below a root, read as what their default is."""

    def __init__(self, settings: Mapping[str, str], root: str) -> None:
        self._settings = settings
        self._root = root

    def of(self, key: str, default: Any) -> Any:
        text = self._settings.get(f"{self._root}{key}")
        if text is None:
            return default
        if isinstance(default, str):
            return text
        try:
            value = json.loads(text)
        except ValueError:
            return default
        return value if type(value) is type(default) else default


def _sidecar(release: Release, given: _Given) -> dict[str, Any]:
    found = {
        "enablePrivilegedInitContainer": given.of("enablePrivilegedInitContainer", False),
        "logLevel": given.of("envoyLogLevel", "error"),
        "maxDataPlaneConnections": given.of("maxDataPlaneConnections", 0),
        "configResyncInterval": given.of("configResyncInterval", "0s"),
    }
    if release.has_later_fields:
        found["localProxyMode"] = given.of("localProxyMode", "Localhost")
        found |= {"tlsMinProtocolVersion": "TLSv1_2", "tlsMaxProtocolVersion": "TLSv1_3"}
    if release.has_image_defaults:
        found["envoyImage"] = given.of("sidecarImage", release.sidecar_image)
        found["envoyWindowsImage"] = given.of("sidecarWindowsImage", _DEFAULT_WINDOWS_ENVOY)
        found["initContainerImage"] = release.image("init")
    return found


def _traffic(release: Release, given: _Given) -> dict[str, Any]:
    nothing: list[Any] = []
    found = {
        "enableEgress": given.of("enableEgress", release.has_egress),
        "enablePermissiveTrafficPolicyMode": given.of("enablePermissiveTrafficPolicy", True),
        "outboundPortExclusionList": given.of("outboundPortExclusionList", nothing),
        "inboundPortExclusionList": given.of("inboundPortExclusionList", nothing),
        "outboundIPRangeExclusionList": given.of("outboundIPRangeExclusionList", nothing),
    }
    if release.has_later_fields:
        for key in ("outboundIPRangeInclusionList", "networkInterfaceExclusionList"):
            found[key] = given.of(key, nothing)
    if release.has_image_defaults:
        found["useHTTPSIngress"] = given.of("useHTTPSIngress", False)
    return found


def _seeded_observability(given: _Given, namespace: str) -> dict[str, Any]:
    tracing: dict[str, Any] = {"enable": given.of("tracing.enable", False)}
    if tracing["enable"]:
        tracing["port"] = given.of("tracing.port", 9411)
        address = given.of("tracing.address", "") or f"jaeger.{namespace}.svc.cluster.local"
        tracing |= {"address": address, "endpoint": given.of("tracing.endpoint", "/api/v2/spans")}
    return {
        "enableDebugServer": given.of("enableDebugServer", False),
        "osmLogLevel": given.of("controllerLogLevel", "info"),
        "tracing": tracing,
    }


def _seeded_certificate(
    given: _Given, settings: Mapping[str, str], namespace: str
) -> dict[str, Any]:
    duration = given.of("certificateProvider.serviceCertValidityDuration", "24h")
    found: dict[str, Any] = {
        "serviceCertValidityDuration": duration,
        "certKeyBitSize": given.of("certificateProvider.certKeyBitSize", 2048),
    }
    if settings.get("osm.contour.enabled") == "true":
        found["ingressGateway"] = {
            "subjectAltNames": [f"osm-contour-envoy.{namespace}.cluster.local"],
            "validityDuration": "24h",
            "secret": {"name": "osm-contour-envoy-client-cert", "namespace": namespace},
        }
    return found
