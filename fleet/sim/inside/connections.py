"""How the mesh's control plane is reached: services, and the endpoints behind them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from fleet.sim.breakage import Break
from fleet.sim.inside import controlplane, kinds, podding
from fleet.sim.inside.controlplane import BOOTSTRAP, CONTROLLER, INJECTOR, VALIDATOR
from fleet.sim.inside.scene import Made, Scene
from fleet.sim.inside.stages import BEGUN


def _ports(scene: Scene) -> Mapping[str, tuple[str, Mapping[str, int]]]:
    """Return ``{service: (what it selects, {port's name: port})}``."""
    ads = {} if Break.CONTROLLER_SERVICE_PORTS in scene.broken else {"ads-port": 15128}
    conversion = "tls" if scene.release.has_image_defaults else "crdconversion"
    health = scene.release.bootstrap_health_port
    found = {
        CONTROLLER: (
            CONTROLLER,
            {**ads, "debug-port": 9092, "healthz": 9091},
        ),
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
    if not controlplane.runs(scene) or not scene.is_wanted(scene.namespace):
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
            created_at=controlplane.born_at(scene),
            labels=controlplane.labels(scene.release, app),
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
    if not controlplane.runs(scene) or not scene.is_wanted(scene.namespace):
        return
    empty = {
        Break.CONTROLLER_NO_ENDPOINTS: CONTROLLER,
        Break.INJECTOR_NO_ENDPOINTS: INJECTOR,
    }
    lost = {name for one, name in empty.items() if one in scene.broken}
    ready: dict[str, list[Made]] = {}
    for pod in controlplane.pods(scene):
        if podding.is_ready(pod):
            ready.setdefault(pod["metadata"]["labels"]["app"], []).append(pod)
    for name, (app, ports) in _ports(scene).items():
        found = [] if name in lost else [_address(one) for one in ready.get(app, ())]
        shown = [{"name": label, "port": port, "protocol": "TCP"} for label, port in ports.items()]
        yield scene.made(
            kinds.built_in("", "endpoints"),
            name,
            namespace=scene.namespace,
            created_at=controlplane.born_at(scene),
            changed_at=scene.mesh.at(controlplane.READY.get(app, BEGUN)),
            labels=controlplane.labels(scene.release, app),
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
