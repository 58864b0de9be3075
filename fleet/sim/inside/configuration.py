"""What a mesh is told and what it keeps: its configuration, secrets, definitions, and scaling."""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Iterator

from fleet.model import codec
from fleet.sim.breakage import Break
from fleet.sim.inside import certificates, controlplane, kinds, meshspecs, releases
from fleet.sim.inside.kinds import Kind
from fleet.sim.inside.scene import Made, Scene
from fleet.sim.inside.stages import Going

_CONFIGURED, _SIGNED = 450, 500
"""At which share of an installation what is there."""
_CLEANED = 700
"""At which share of an uninstallation it is gone."""


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
        controlplane.MESH_CONFIG,
        namespace=scene.namespace,
        created_at=controlplane.born_at(scene),
        spec=spec,
    )


def config_maps(scene: Scene) -> Iterator[Made]:
    """Yield what a configuration would be made from now: what settings say by now."""
    stage = scene.mesh
    if not scene.is_wanted(scene.namespace) or not controlplane.runs(scene):
        return
    preset = meshspecs.seeded(scene.release, stage.settings, namespace=scene.namespace)
    yield scene.made(
        kinds.built_in("", "configmaps"),
        "preset-mesh-config",
        namespace=scene.namespace,
        created_at=controlplane.born_at(scene),
        changed_at=stage.since,
        data={"preset-mesh-config.json": json.dumps(preset, indent=2)},
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
    if not scene.is_wanted(scene.namespace):
        return
    if _stays(scene, _SIGNED):
        yield scene.made(
            kind,
            controlplane.CA_SECRET,
            namespace=scene.namespace,
            created_at=controlplane.born_at(scene),
            type="Opaque",
            data={
                "ca.crt": certificates.bundle(certificates.of(scene.broken)),
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


_SCALED = {
    controlplane.CONTROLLER: "osmController",
    controlplane.INJECTOR: "injector",
}


def autoscalers(scene: Scene) -> Iterator[Made]:
    """Yield the autoscalers that settings ask for."""
    given, root = scene.mesh.settings, f"osm.{scene.release.root}"
    for name, key in _SCALED.items():
        if not controlplane.runs(scene) or given.get(f"{root}.{key}.autoScale.enable") != "true":
            continue
        low = given.get(f"{root}.{key}.autoScale.minReplicas", "1")
        high = given.get(f"{root}.{key}.autoScale.maxReplicas", "5")
        replicas = controlplane.replicas(scene, name)
        yield scene.made(
            kinds.built_in("autoscaling", "horizontalpodautoscalers"),
            f"{name}-hpa",
            namespace=scene.namespace,
            created_at=controlplane.born_at(scene),
            labels=controlplane.labels(scene.release, name),
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
        if (
            not controlplane.runs(scene)
            or given.get(f"{root}.{key}.enablePodDisruptionBudget") != "true"
        ):
            continue
        yield scene.made(
            kinds.built_in("policy", "poddisruptionbudgets"),
            f"{name}-pdb",
            namespace=scene.namespace,
            created_at=controlplane.born_at(scene),
            labels=controlplane.labels(scene.release, name),
            spec={"minAvailable": 1, "selector": {"matchLabels": {"app": name}}},
            status={"currentHealthy": controlplane.replicas(scene, name), "desiredHealthy": 1},
        )
