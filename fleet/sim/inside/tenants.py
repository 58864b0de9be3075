"""What runs in a cluster beside the mesh: system pods, Azure Arc's agents, other extensions."""

from __future__ import annotations

from collections.abc import Iterator

from fleet.sim.breakage import Break
from fleet.sim.inside import kinds, podding, premises
from fleet.sim.inside.podding import Component
from fleet.sim.inside.scene import Made, Scene
from fleet.sim.inside.stages import BEGUN, Going, Stage

_AGENTS = (
    "cluster-metadata-operator",
    "clusterconnect-agent",
    "clusteridentityoperator",
    "config-agent",
    "controller-manager",
    "extension-events-collector",
    "extension-manager",
    "flux-logs-agent",
    "kube-aad-proxy",
    "metrics-agent",
    "resource-sync-agent",
)
_DNS = "registry.k8s.io/coredns/coredns:v1.11.3"
_AGENT_REGISTRY = "mcr.microsoft.com/azurearck8s"
_READY, _GONE = 800, 300
"""At which share of an installation they are ready, and of an uninstallation gone."""


def components(scene: Scene) -> Iterator[Component]:
    """Yield what runs as deployments: agents, and extensions other than the mesh."""
    if scene.is_wanted("kube-system"):
        yield _standing(scene, "coredns", "kube-system", _DNS)
    for name in _AGENTS if scene.is_wanted("azure-arc") else ():
        image = f"{_AGENT_REGISTRY}/{name}:{scene.cluster.agent_version}"
        is_down = Break.ARC_AGENTS_UNAVAILABLE in scene.broken and name == "extension-manager"
        yield _standing(scene, name, "azure-arc", image, is_ready=not is_down)
    for stage in scene.others:
        if runs(stage):
            yield _of_extension(scene, stage)


def _standing(
    scene: Scene, name: str, namespace: str, image: str, *, is_ready: bool = True
) -> Component:
    return Component(
        name=name,
        namespace=namespace,
        labels={"app": name, "app.kubernetes.io/component": name},
        containers={name: image},
        is_ready=is_ready,
        created_at=scene.made_at,
        changed_at=scene.made_at,
        pods_at=scene.made_at,
    )


def runs(stage: Stage) -> bool:
    """Tell whether an extension's deployments are there."""
    return stage.has(BEGUN) or (stage.going is Going.LEAVING and stage.share < _GONE)


def _of_extension(scene: Scene, stage: Stage) -> Component:
    is_ready = stage.going is not Going.ARRIVING or stage.has(_READY)
    is_replacing = stage.going is Going.CHANGING and stage.previous != stage.version
    is_changing = is_replacing and BEGUN <= stage.share < _READY
    is_early = is_replacing and stage.share < BEGUN
    version = stage.previous if is_early else stage.version
    made = [since for since, one in stage.ran if one is not None]
    is_new = stage.going is Going.ARRIVING or (is_replacing and not is_early)
    app = stage.name.lower()
    return Component(
        name=f"{app}-controller",
        namespace=stage.namespace,
        labels=_labels(stage, version),
        containers={"manager": _image(stage, version)},
        is_ready=is_ready and Break.EXTENSION_UNAVAILABLE not in scene.broken,
        created_at=stage.born_at or stage.since,
        changed_at=stage.at(_READY),
        pods_at=stage.at(BEGUN) if is_new or not made else made[-1],
        old_pods_at=made[-1] if is_changing and made else None,
        old_containers={"manager": _image(stage, stage.previous)} if is_changing else None,
        old_labels=_labels(stage, stage.previous) if is_changing else None,
    )


def _labels(stage: Stage, version: str | None) -> dict[str, str]:
    name = stage.name.lower()
    return {
        "app": f"{name}-controller",
        "app.kubernetes.io/instance": name,
        "app.kubernetes.io/version": version or "",
    }


def _image(stage: Stage, version: str | None) -> str:
    return f"mcr.microsoft.com/{stage.extension_type.rpartition('.')[2]}/manager:v{version}"


def daemon_sets(scene: Scene) -> Iterator[Made]:
    """Yield the daemon sets of extensions other than the mesh."""
    count = len(premises.platforms(scene))
    for stage in scene.others:
        if not runs(stage):
            continue
        name = f"{stage.name.lower()}-agent"
        is_ready = stage.going is not Going.ARRIVING or stage.has(_READY)
        ready = count if is_ready and Break.EXTENSION_UNAVAILABLE not in scene.broken else 0
        labels = _labels(stage, stage.version) | {"app": name}
        image = _image(stage, stage.version)
        yield scene.made(
            kinds.built_in("apps", "daemonsets"),
            name,
            namespace=stage.namespace,
            created_at=stage.born_at or stage.since,
            changed_at=stage.at(_READY),
            labels=labels,
            spec={
                "selector": {"matchLabels": {"app": name}},
                "template": {
                    "metadata": {"labels": labels},
                    "spec": {"containers": [{"name": "agent", "image": image}]},
                },
            },
            status={
                "desiredNumberScheduled": count,
                "currentNumberScheduled": count,
                "updatedNumberScheduled": count,
                "numberReady": ready,
                "numberAvailable": ready,
                "numberUnavailable": count - ready,
                "observedGeneration": 1,
            },
        )


def deployments(scene: Scene) -> Iterator[Made]:
    """Yield the deployments."""
    for one in components(scene):
        if scene.is_wanted(one.namespace):
            yield podding.deployment(scene, one)


def pods(scene: Scene) -> Iterator[Made]:
    """Yield their pods."""
    for one in components(scene):
        if scene.is_wanted(one.namespace):
            yield from podding.pods(scene, one)
