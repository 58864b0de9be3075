"""The mesh's control plane: what an installation of each release puts into its namespace.

Source:  the charts osm-arc 0.11.1 to 1.2.6, rendered; what the mesh's own code creates beside.
"""

from __future__ import annotations

import base64
import datetime as dt
import gzip
import json
from collections.abc import Iterator, Mapping
from typing import Any

from fleet.core import draws
from fleet.model import codec
from fleet.sim.breakage import Break
from fleet.sim.inside import certificates, kinds, meshspecs, podding, releases
from fleet.sim.inside.kinds import Kind
from fleet.sim.inside.podding import Component
from fleet.sim.inside.releases import Release
from fleet.sim.inside.scene import MONITORED, Made, Scene
from fleet.sim.inside.stages import Going

CONTROLLER, INJECTOR, BOOTSTRAP = "osm-controller", "osm-injector", "osm-bootstrap"
VALIDATOR, METRICS_AGENT = "osm-validator", "osm-metrics-agent"
MUTATING_WEBHOOK, VALIDATING_WEBHOOK = "arc-osm-webhook-osm", "osm-validator-mesh-osm"
MESH_CONFIG, CA_SECRET = "osm-mesh-config", "osm-ca-bundle"

_BEGUN, _CONFIGURED, _SIGNED = 200, 450, 500
"""At which share of an installation what is there."""
_READY = {BOOTSTRAP: 400, CONTROLLER: 700, INJECTOR: 800, METRICS_AGENT: 850}
_HOOKED = {VALIDATING_WEBHOOK: 700, MUTATING_WEBHOOK: 750}
_MOST_REPLICAS = 10
_PODS_GONE, _CLEANED = 300, 700
"""At which share of an uninstallation what is gone; the webhooks at its end."""
_AGENT_CONTAINERS = {
    "mdm": "linuxgeneva-microsoft.azurecr.io/genevamdm:master_20220401.1",
    "msi-adapter": "mcr.microsoft.com/azurearck8s/msi-adapter:1.0.0",
    "prom-mdm-converter": "upstreamarc.azurecr.io/prom-mdm-converter:v1.0.0",
    "telegraf": "mcr.microsoft.com/oss/mirror/docker.io/library/telegraf:1.21",
}
_UNREADY = {
    Break.CONTROLLER_CRASH: CONTROLLER,
    Break.CONTROLLER_UNAVAILABLE: CONTROLLER,
    Break.INJECTOR_CRASH: INJECTOR,
    Break.INJECTOR_IMAGE_PULL: INJECTOR,
    Break.INJECTOR_UNAVAILABLE: INJECTOR,
    Break.BOOTSTRAP_UNAVAILABLE: BOOTSTRAP,
    Break.METRICS_AGENT_UNAVAILABLE: METRICS_AGENT,
}
_WAITS = {
    Break.CONTROLLER_CRASH: "CrashLoopBackOff",
    Break.INJECTOR_CRASH: "CrashLoopBackOff",
    Break.INJECTOR_IMAGE_PULL: "ImagePullBackOff",
}


def runs(scene: Scene) -> bool:
    """Tell whether the control plane's deployments are there."""
    stage = scene.mesh
    return stage.has(_BEGUN) or (stage.going is Going.LEAVING and stage.share < _PODS_GONE)


def is_injecting(scene: Scene) -> bool:
    """Tell whether the injector answers."""
    has_endpoints = not {Break.INJECTOR_NO_ENDPOINTS, Break.INJECTOR_SERVICE_MISSING} & scene.broken
    return runs(scene) and has_endpoints and _is_ready(scene, INJECTOR)


def components(scene: Scene) -> Iterator[Component]:
    """Yield the parts of the control plane that run as pods."""
    if not runs(scene):
        return
    names = [BOOTSTRAP, CONTROLLER, INJECTOR]
    if scene.release.has_metrics_agent:
        names.append(METRICS_AGENT)
    for name in names:
        yield _component(scene, name)


def _component(scene: Scene, name: str) -> Component:
    stage, release = scene.mesh, scene.release
    broken = [one for one, about in _UNREADY.items() if about == name and one in scene.broken]
    is_changing = stage.going is Going.CHANGING and stage.share < _READY[name]
    old = releases.of(stage.previous) if is_changing and stage.previous else None
    changed_at = stage.at(_BEGUN) if old else stage.at(_READY[name])
    return Component(
        name=name,
        namespace=scene.namespace,
        labels=labels(release, name),
        containers=_containers(scene, release, name),
        replicas=_replicas(scene, name),
        is_ready=_is_ready(scene, name) and not broken,
        waits=next((_WAITS[one] for one in broken if one in _WAITS), ""),
        created_at=(stage.born_at or stage.since) + (stage.at(_BEGUN) - stage.since),
        changed_at=changed_at,
        pods_at=_pods_at(scene, name),
        old_containers=_containers(scene, old, name) if old else None,
        old_labels=labels(old, name) if old else None,
        has_evicted=name == CONTROLLER and Break.CONTROLLER_EVICTED in scene.broken,
    )


def _pods_at(scene: Scene, name: str) -> dt.datetime:
    """Return when the present pods were made: with each change of the release."""
    changes = [since for since, version in scene.mesh.ran if version is not None]
    if scene.mesh.going in (Going.ARRIVING, Going.CHANGING):
        return scene.mesh.at(_BEGUN)
    return changes[-1] if changes else scene.mesh.at(_READY[name])


def _is_ready(scene: Scene, name: str) -> bool:
    if any(one in scene.broken for one, about in _UNREADY.items() if about == name):
        return False
    return scene.mesh.has(_READY[name]) if scene.mesh.going is Going.ARRIVING else runs(scene)


def _replicas(scene: Scene, name: str) -> int:
    key = {CONTROLLER: "osmController", INJECTOR: "injector", BOOTSTRAP: "osmBootstrap"}.get(name)
    given = scene.mesh.settings
    if key is None:
        return 1
    root = f"osm.{scene.release.root}.{key}"
    text = given.get(f"{root}.replicaCount", "1")
    if given.get(f"{root}.autoScale.enable") == "true":
        text = given.get(f"{root}.autoScale.minReplicas", "1")
    return int(text) if text.isdecimal() and 0 < int(text) <= _MOST_REPLICAS else 1


def _containers(scene: Scene, release: Release, name: str) -> Mapping[str, str]:
    if name == METRICS_AGENT:
        left_out = "telegraf" if Break.METRICS_AGENT_CONTAINERS in scene.broken else ""
        return {key: image for key, image in _AGENT_CONTAINERS.items() if key != left_out}
    found = {name: release.image(name)}
    if name == CONTROLLER and Break.CONTROLLER_SIDECAR in scene.broken:
        found["envoy"] = release.sidecar_image
    return found


def labels(release: Release, app: str) -> dict[str, str]:
    """Return the labels of a component."""
    found = {
        "app": app,
        "app.kubernetes.io/name": "openservicemesh.io",
        "app.kubernetes.io/instance": "osm",
        "app.kubernetes.io/version": release.app_version,
    }
    if app != METRICS_AGENT:
        found["meshName"] = "osm"
    return found | ({"enforceSingleMesh": "true"} if app == CONTROLLER else {})


# --- deployments and pods ----------------------------------------------------------------


def deployments(scene: Scene) -> Iterator[Made]:
    """Yield the control plane's deployments."""
    for one in components(scene):
        found = podding.deployment(scene, one)
        containers = found["spec"]["template"]["spec"]["containers"]
        if one.name == INJECTOR:
            image = scene.release.sidecar_image
            containers[0]["env"] = [{"name": "OSM_DEFAULT_ENVOY_IMAGE", "value": image}]
        if one.name != METRICS_AGENT:
            release = scene.release
            containers[0]["args"] = [
                "--osm-namespace",
                scene.namespace,
                "--osm-version",
                release.app_version,
                f"--enable-reconciler={str(release.has_reconciler).lower()}",
            ]
            found["spec"]["template"]["spec"]["priorityClassName"] = "system-node-critical"
        yield found


def pods(scene: Scene) -> Iterator[Made]:
    """Yield the control plane's pods."""
    for one in components(scene):
        yield from podding.pods(scene, one)


# --- services ----------------------------------------------------------------------------


def _ports(scene: Scene) -> Mapping[str, tuple[str, Mapping[str, int]]]:
    """Return ``{service: (what it selects, {port's name: port})}``."""
    ads = {} if Break.CONTROLLER_SERVICE_PORTS in scene.broken else {"ads-port": 15128}
    conversion = "tls" if scene.release.has_image_defaults else "crdconversion"
    health = scene.release.bootstrap_health_port
    found = {
        CONTROLLER: (CONTROLLER, {**ads, "debug-port": 9092, "healthz": 9091}),
        INJECTOR: (INJECTOR, {"sidecar-inject": 9090}),
        VALIDATOR: (CONTROLLER, {"validator": 9093}),
        BOOTSTRAP: (BOOTSTRAP, {conversion: 9443, "health": health}),
    }
    missing = {
        Break.CONTROLLER_SERVICE_MISSING: CONTROLLER,
        Break.INJECTOR_SERVICE_MISSING: INJECTOR,
        Break.VALIDATOR_SERVICE_MISSING: VALIDATOR,
    }
    gone = {name for one, name in missing.items() if one in scene.broken}
    return {name: one for name, one in found.items() if name not in gone}


def services(scene: Scene) -> Iterator[Made]:
    """Yield the control plane's services."""
    if not runs(scene):
        return
    for name, (app, ports) in _ports(scene).items():
        shown = [
            {"name": label, "protocol": "TCP", "port": port, "targetPort": port}
            for label, port in ports.items()
        ]
        is_exposed = name == INJECTOR and Break.INJECTOR_SERVICE_EXPOSED in scene.broken
        address = podding.address(scene, "10.0", "service", name)
        yield scene.made(
            kinds.built_in("", "services"),
            name,
            namespace=scene.namespace,
            created_at=_born(scene),
            labels=labels(scene.release, app),
            spec={
                "clusterIP": address,
                "clusterIPs": [address],
                "type": "LoadBalancer" if is_exposed else "ClusterIP",
                "ports": shown,
                "selector": {"app": app},
                "sessionAffinity": "None",
            },
            status={"loadBalancer": {"ingress": [{"ip": "203.0.113.7"}]} if is_exposed else {}},
        )


def endpoints(scene: Scene) -> Iterator[Made]:
    """Yield the endpoints of the control plane's services: of pods that are ready."""
    if not runs(scene):
        return
    empty = {
        Break.CONTROLLER_NO_ENDPOINTS: CONTROLLER,
        Break.INJECTOR_NO_ENDPOINTS: INJECTOR,
    }
    lost = {name for one, name in empty.items() if one in scene.broken}
    ready: dict[str, list[Made]] = {}
    for pod in pods(scene):
        if podding.is_ready(pod):
            ready.setdefault(pod["metadata"]["labels"]["app"], []).append(pod)
    for name, (app, ports) in _ports(scene).items():
        found = [] if name in lost else [_address(one) for one in ready.get(app, ())]
        shown = [{"name": label, "port": port, "protocol": "TCP"} for label, port in ports.items()]
        yield scene.made(
            kinds.built_in("", "endpoints"),
            name,
            namespace=scene.namespace,
            created_at=_born(scene),
            changed_at=scene.mesh.at(_READY.get(app, _BEGUN)),
            labels=labels(scene.release, app),
            subsets=[{"addresses": found, "ports": shown}] if found else [],
        )


def _address(pod: Made) -> dict[str, Any]:
    metadata = pod["metadata"]
    return {
        "ip": pod["status"]["podIP"],
        "nodeName": pod["spec"]["nodeName"],
        "targetRef": {
            "kind": "Pod",
            "namespace": metadata["namespace"],
            "name": metadata["name"],
            "uid": metadata["uid"],
        },
    }


def _born(scene: Scene) -> dt.datetime:
    return scene.mesh.born_at or scene.mesh.since


# --- webhooks ----------------------------------------------------------------------------


def _has_webhook(scene: Scene, name: str, *missing: Break) -> bool:
    stage = scene.mesh
    if Break.ORPHAN_WEBHOOKS in scene.broken and stage.ran and not stage.is_there:
        return True
    if {Break.WEBHOOK_MISSING, *missing} & scene.broken:
        return False
    return stage.has(_HOOKED[name]) or stage.going is Going.LEAVING


def _bundle(scene: Scene) -> str:
    if Break.CA_BUNDLE_EMPTY in scene.broken:
        return ""
    found = certificates.bundle(_certificate(scene))
    if Break.CA_BUNDLE_FOREIGN in scene.broken:
        return certificates.bundle(certificates.FOREIGN)
    return found[:40] if Break.CA_BUNDLE_SHORT in scene.broken else found


def _certificate(scene: Scene) -> str:
    is_old = Break.CA_BUNDLE_EXPIRED in scene.broken
    return certificates.EXPIRED if is_old else certificates.ROOT


def _hook_labels(scene: Scene, app: str) -> dict[str, str]:
    # Source: the mesh updates a webhook and keeps the labels it was made with.
    first = scene.mesh.first
    made_by = (first and first.installed_version) or scene.mesh.previous or "1.2.6"
    return {**labels(releases.of(made_by), app), "app": app}


def _selector() -> dict[str, Any]:
    return {
        "matchLabels": {MONITORED: "osm"},
        "matchExpressions": [
            {"key": "openservicemesh.io/ignore", "operator": "DoesNotExist"},
            {"key": "name", "operator": "NotIn", "values": ["kube-system", "kube-public"]},
            {"key": "control-plane", "operator": "DoesNotExist"},
        ],
    }


def _webhook(
    scene: Scene, kind: Kind, name: str, app: str, service: Mapping[str, Any], rest: Made
) -> Made:
    bundle = _bundle(scene)
    config = {
        "service": {"namespace": scene.namespace, **service},
        **({"caBundle": bundle} if bundle else {}),
    }
    hook = {
        "clientConfig": config,
        "matchPolicy": "Equivalent",
        "timeoutSeconds": 20,
        "reinvocationPolicy": "Never",
        "admissionReviewVersions": ["v1"],
        "namespaceSelector": _selector(),
        "objectSelector": {},
        "sideEffects": "NoneOnDryRun",
        **rest,
    }
    if kind.resource == kinds.VALIDATING:
        del hook["reinvocationPolicy"]
    created = _born(scene) + (scene.mesh.at(_HOOKED[name]) - scene.mesh.since)
    return scene.made(
        kind, name, created_at=created, labels=_hook_labels(scene, app), webhooks=[hook]
    )


def mutating_webhooks(scene: Scene) -> Iterator[Made]:
    """Yield the webhook that injects sidecars."""
    if not _has_webhook(scene, MUTATING_WEBHOOK, Break.MUTATING_WEBHOOK_MISSING):
        return
    is_astray = Break.MUTATING_WEBHOOK_ASTRAY in scene.broken
    is_lenient = Break.MUTATING_WEBHOOK_IGNORES in scene.broken
    path = "/mutate" if is_astray else "/mutate-pod-creation"
    yield _webhook(
        scene,
        kinds.built_in(kinds.MUTATING.group, kinds.MUTATING.plural),
        MUTATING_WEBHOOK,
        INJECTOR,
        {"name": INJECTOR, "path": path, "port": 9090},
        {
            "name": "osm-inject.k8s.io",
            "failurePolicy": "Ignore" if is_lenient else "Fail",
            "rules": [_rule("", "v1", ["CREATE"], ["pods"])],
        },
    )


def validating_webhooks(scene: Scene) -> Iterator[Made]:
    """Yield the webhook that validates policies."""
    if not _has_webhook(scene, VALIDATING_WEBHOOK, Break.VALIDATING_WEBHOOK_MISSING):
        return
    is_astray = Break.VALIDATING_WEBHOOK_ASTRAY in scene.broken
    yield _webhook(
        scene,
        kinds.built_in(kinds.VALIDATING.group, kinds.VALIDATING.plural),
        VALIDATING_WEBHOOK,
        CONTROLLER,
        {
            "name": "osm-config-validator" if is_astray else VALIDATOR,
            "path": "/validate",
            "port": 9093,
        },
        {
            "name": "osm-validator.k8s.io",
            "failurePolicy": "Fail",
            "rules": [_rule("policy.openservicemesh.io", "v1alpha1", *_VALIDATED)],
        },
    )


_VALIDATED = (["CREATE", "UPDATE"], ["ingressbackends", "egresses", "upstreamtrafficsettings"])


def _rule(group: str, version: str, operations: list[str], resources: list[str]) -> Made:
    return {
        "apiGroups": [group],
        "apiVersions": [version],
        "operations": operations,
        "resources": resources,
        "scope": "*",
    }


# --- configuration and secrets -----------------------------------------------------------


def mesh_config(scene: Scene, kind: Kind) -> Iterator[Made]:
    """Yield the mesh's configuration, as the present installation has seeded it."""
    stage, first = scene.mesh, scene.mesh.first
    if Break.MESHCONFIG_LOST in scene.broken or not _stays(scene, _CONFIGURED):
        return
    made_by = (first and first.installed_version) or stage.version or stage.previous or "1.2.6"
    settings = first.settings if first else stage.settings
    spec = meshspecs.seeded(releases.of(made_by), settings, namespace=scene.namespace)
    if Break.MESHCONFIG_DRIFT in scene.broken:
        mode = spec["traffic"]["enablePermissiveTrafficPolicyMode"]
        spec["traffic"]["enablePermissiveTrafficPolicyMode"] = not mode
        spec["observability"]["osmLogLevel"] = "trace"
    yield scene.made(
        kind,
        MESH_CONFIG,
        namespace=scene.namespace,
        created_at=_born(scene) + (stage.at(_CONFIGURED) - stage.since),
        spec=spec,
    )


def _stays(scene: Scene, share: int) -> bool:
    """Tell whether what a clean-up removes is there."""
    stage = scene.mesh
    if Break.LEFTOVERS in scene.broken and stage.ran and not stage.is_there:
        return True
    return stage.has(share) or (stage.going is Going.LEAVING and stage.share < _CLEANED)


def secrets(scene: Scene) -> Iterator[Made]:
    """Yield the mesh's root certificate and its Helm release."""
    kind = kinds.built_in("", "secrets")
    if _stays(scene, _SIGNED):
        yield scene.made(
            kind,
            CA_SECRET,
            namespace=scene.namespace,
            created_at=_born(scene),
            type="Opaque",
            data={
                "ca.crt": certificates.bundle(_certificate(scene)),
                "expiration": base64.b64encode(b"2052-01-01T00:00:00Z").decode(),
                "private.key": base64.b64encode(b"simulated").decode(),
            },
        )
    if scene.mesh.has(50) or scene.mesh.going is Going.LEAVING:
        yield _helm(scene, kind)


def _helm(scene: Scene, kind: Kind) -> Made:
    stage = scene.mesh
    version, status = stage.version or "", "deployed"
    match stage.going:
        case Going.ARRIVING:
            status = "pending-install"
        case Going.CHANGING:
            status = "pending-upgrade"
        case Going.LEAVING:
            status = "uninstalling"
        case Going.ABSENT | Going.THERE:
            pass
    if Break.HELM_FAILED in scene.broken:
        status = "failed"
    if Break.HELM_STALE in scene.broken:
        version = before(version)
    name, revision = stage.name, max(stage.revision, 1)
    content = {
        "name": name,
        "namespace": scene.namespace,
        "version": revision,
        "info": {"status": status, "last_deployed": codec.utc_text(stage.since)},
        "chart": {
            "metadata": {
                "name": "osm-arc",
                "version": version,
                "appVersion": releases.of(version).app_version,
            }
        },
    }
    packed = base64.b64encode(gzip.compress(json.dumps(content).encode(), mtime=0))
    return scene.made(
        kind,
        f"sh.helm.release.v1.{name}.v{revision}",
        namespace=scene.namespace,
        created_at=stage.since,
        labels={"name": name, "owner": "helm", "status": status, "version": str(revision)},
        type="helm.sh/release.v1",
        data={"release": base64.b64encode(packed).decode()},
    )


def before(version: str) -> str:
    """Return the release before a version; the oldest one has itself."""
    known = [one.version for one in releases.RELEASES]
    place = known.index(version) if version in known else len(known) - 1
    return known[max(place - 1, 0)]


# --- definitions and what settings ask for -----------------------------------------------


def definitions(scene: Scene) -> Iterator[Made]:
    """Yield the definitions that the mesh has brought."""
    created = scene.mesh.appeared_at or scene.mesh.since
    for name, versions in scene.definitions.items():
        plural, _, group = name.partition(".")
        kind = releases.KINDS[plural]
        names = {
            "plural": plural,
            "singular": kind.lower(),
            "kind": kind,
            "listKind": f"{kind}List",
        }
        yield scene.made(
            kinds.built_in(kinds.DEFINITIONS.group, kinds.DEFINITIONS.plural),
            name,
            created_at=created,
            labels={"app.kubernetes.io/name": "openservicemesh.io"},
            spec={
                "group": group,
                "names": names,
                "scope": "Namespaced",
                "conversion": {"strategy": "None"},
                "versions": [
                    {"name": one, "served": True, "storage": one == versions[0]} for one in versions
                ],
            },
            status={
                "acceptedNames": names,
                "storedVersions": [versions[0]],
                "conditions": [
                    {"type": "NamesAccepted", "status": "True", "reason": "NoConflicts"},
                    {"type": "Established", "status": "True", "reason": "InitialNamesAccepted"},
                ],
            },
        )


_SCALED = {CONTROLLER: "osmController", INJECTOR: "injector"}


def autoscalers(scene: Scene) -> Iterator[Made]:
    """Yield the autoscalers that settings ask for."""
    given, root = scene.mesh.settings, f"osm.{scene.release.root}"
    for name, key in _SCALED.items():
        if not runs(scene) or given.get(f"{root}.{key}.autoScale.enable") != "true":
            continue
        low = given.get(f"{root}.{key}.autoScale.minReplicas", "1")
        high = given.get(f"{root}.{key}.autoScale.maxReplicas", "5")
        replicas = _replicas(scene, name)
        yield scene.made(
            kinds.built_in("autoscaling", "horizontalpodautoscalers"),
            f"{name}-hpa",
            namespace=scene.namespace,
            created_at=_born(scene),
            labels=labels(scene.release, name),
            spec={
                "scaleTargetRef": {"kind": "Deployment", "name": name, "apiVersion": "apps/v1"},
                "minReplicas": int(low) if low.isdecimal() else 1,
                "maxReplicas": int(high) if high.isdecimal() else 5,
            },
            status={"currentReplicas": replicas, "desiredReplicas": replicas},
        )


def budgets(scene: Scene) -> Iterator[Made]:
    """Yield the disruption budgets that settings ask for."""
    given, root = scene.mesh.settings, f"osm.{scene.release.root}"
    for name, key in _SCALED.items():
        if not runs(scene) or given.get(f"{root}.{key}.enablePodDisruptionBudget") != "true":
            continue
        yield scene.made(
            kinds.built_in("policy", "poddisruptionbudgets"),
            f"{name}-pdb",
            namespace=scene.namespace,
            created_at=_born(scene),
            labels=labels(scene.release, name),
            spec={"minAvailable": 1, "selector": {"matchLabels": {"app": name}}},
            status={"currentHealthy": _replicas(scene, name), "desiredHealthy": 1},
        )


def uuid(scene: Scene, *parts: draws.Part) -> str:
    """Return the id of a proxy."""
    return draws.guid(scene.recipe.seed, "proxy", scene.cluster.name, *parts)
