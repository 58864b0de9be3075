"""The mesh's control plane: what an installation of each release puts into its namespace.

Source:  the charts osm-arc 0.11.1 to 1.2.6, rendered; what the mesh's own code creates beside.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping

from fleet.sim.breakage import Break
from fleet.sim.inside import podding, releases
from fleet.sim.inside.podding import Component
from fleet.sim.inside.releases import Release
from fleet.sim.inside.scene import Made, Scene
from fleet.sim.inside.stages import BEGUN, Going, Stage

CONTROLLER, INJECTOR, BOOTSTRAP = "osm-controller", "osm-injector", "osm-bootstrap"
VALIDATOR, METRICS_AGENT = "osm-validator", "osm-metrics-agent"
MUTATING_WEBHOOK, VALIDATING_WEBHOOK = "arc-osm-webhook-osm", "osm-validator-mesh-osm"
MESH_CONFIG, CA_SECRET = "osm-mesh-config", "osm-ca-bundle"

READY = {BOOTSTRAP: 400, CONTROLLER: 700, INJECTOR: 800, METRICS_AGENT: 850}
_MOST_REPLICAS = 10
PODS_GONE = 300
"""At which share of an uninstallation pods and services are gone."""
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
    return stage.has(BEGUN) or (stage.going is Going.LEAVING and stage.share < PODS_GONE)


def is_injecting(scene: Scene) -> bool:
    """Tell whether the injector answers."""
    has_endpoints = not {Break.INJECTOR_NO_ENDPOINTS, Break.INJECTOR_SERVICE_MISSING} & scene.broken
    return runs(scene) and has_endpoints and _is_ready(scene, INJECTOR)


def components(scene: Scene) -> Iterator[Component]:
    """Yield the parts of the control plane that run as pods."""
    if not runs(scene) or not scene.is_wanted(scene.namespace):
        return
    names = [BOOTSTRAP, CONTROLLER, INJECTOR]
    if scene.release.has_metrics_agent:
        names.append(METRICS_AGENT)
    for name in names:
        yield _component(scene, name)


def _component(scene: Scene, name: str) -> Component:
    stage, release = scene.mesh, _at_work(scene)
    broken = [one for one, about in _UNREADY.items() if about == name and one in scene.broken]
    is_changing = is_replacing(stage) and BEGUN <= stage.share < READY[name]
    old = releases.of(stage.previous) if is_changing and stage.previous else None
    return Component(
        name=name,
        namespace=scene.namespace,
        labels=labels(release, name),
        containers=_containers(scene, release, name),
        replicas=replicas(scene, name),
        is_ready=_is_ready(scene, name) and not broken,
        waits=next((_WAITS[one] for one in broken if one in _WAITS), ""),
        created_at=born_at(scene),
        changed_at=_changed_at(stage, name),
        pods_at=_pods_at(stage),
        old_pods_at=stage.ran[-1][0] if old else None,
        old_containers=_containers(scene, old, name) if old else None,
        old_labels=labels(old, name) if old else None,
        has_evicted=name == CONTROLLER and Break.CONTROLLER_EVICTED in scene.broken,
    )


def _at_work(scene: Scene) -> Release:
    """Return the release whose objects are there."""
    stage = scene.mesh
    is_early = stage.going is Going.CHANGING and stage.share < BEGUN
    return releases.of(stage.previous) if is_early and stage.previous else scene.release


def is_replacing(stage: Stage) -> bool:
    """Tell whether other pods take the place of those that are there."""
    return stage.going is Going.CHANGING and stage.previous != stage.version


def _changed_at(stage: Stage, name: str) -> dt.datetime:
    """Return since when a component has been as it is."""
    if stage.going is Going.ARRIVING or is_replacing(stage):
        passed = [one for one in (0, BEGUN, READY[name]) if one <= stage.share]
        return stage.at(passed[-1])
    return stage.since


def _pods_at(stage: Stage) -> dt.datetime:
    """Return when the present pods were made: with each change of the release."""
    is_new = stage.going is Going.ARRIVING or (is_replacing(stage) and stage.share >= BEGUN)
    changes = [since for since, version in stage.ran if version is not None]
    return stage.at(BEGUN) if is_new or not changes else changes[-1]


def _is_ready(scene: Scene, name: str) -> bool:
    if any(one in scene.broken for one, about in _UNREADY.items() if about == name):
        return False
    return scene.mesh.has(READY[name]) if scene.mesh.going is Going.ARRIVING else runs(scene)


def replicas(scene: Scene, name: str) -> int:
    """Return how many pods settings ask for."""
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
        containers[0] = dict(containers[0])
        release = _at_work(scene)
        if one.name == INJECTOR:
            image = release.sidecar_image
            containers[0]["env"] = [{"name": "OSM_DEFAULT_ENVOY_IMAGE", "value": image}]
        if one.name != METRICS_AGENT:
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


def born_at(scene: Scene) -> dt.datetime:
    """Return when the present installation began."""
    return scene.mesh.born_at or scene.mesh.since


def uuid(scene: Scene, *parts: str) -> str:
    """Return the id of a proxy."""
    return scene.identity("proxy", *parts)
