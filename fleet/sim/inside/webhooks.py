"""The mesh's webhooks: what the API server calls before it takes pods and policies.

Source:  the mesh makes them by its own code, not by its chart; tags 0.11.1 to 1.2.4.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from fleet.sim.breakage import Break
from fleet.sim.inside import certificates, controlplane, kinds, releases
from fleet.sim.inside.kinds import Kind
from fleet.sim.inside.scene import MONITORED, Made, Scene
from fleet.sim.inside.stages import Going

_HOOKED = {controlplane.VALIDATING_WEBHOOK: 700, controlplane.MUTATING_WEBHOOK: 750}
"""At which share of an installation which of them is there."""


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
    found = certificates.bundle(certificates.of(scene.broken))
    if Break.CA_BUNDLE_FOREIGN in scene.broken:
        return certificates.bundle(certificates.FOREIGN)
    return found[:40] if Break.CA_BUNDLE_SHORT in scene.broken else found


def _hook_labels(scene: Scene, app: str) -> dict[str, str]:
    # Source: the mesh updates a webhook and keeps the labels it was made with.
    first = scene.mesh.first
    made_by = (first and first.installed_version) or scene.mesh.previous or "1.2.6"
    return {**controlplane.labels(releases.of(made_by), app), "app": app}


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
    created = controlplane.born_at(scene)
    return scene.made(
        kind, name, created_at=created, labels=_hook_labels(scene, app), webhooks=[hook]
    )


def mutating(scene: Scene) -> Iterator[Made]:
    """Yield the webhook that injects sidecars."""
    if not _has_webhook(scene, controlplane.MUTATING_WEBHOOK, Break.MUTATING_WEBHOOK_MISSING):
        return
    is_astray = Break.MUTATING_WEBHOOK_ASTRAY in scene.broken
    is_lenient = Break.MUTATING_WEBHOOK_IGNORES in scene.broken
    path = "/mutate" if is_astray else "/mutate-pod-creation"
    yield _webhook(
        scene,
        kinds.built_in(kinds.MUTATING.group, kinds.MUTATING.plural),
        controlplane.MUTATING_WEBHOOK,
        controlplane.INJECTOR,
        {"name": controlplane.INJECTOR, "path": path, "port": 9090},
        {
            "name": "osm-inject.k8s.io",
            "failurePolicy": "Ignore" if is_lenient else "Fail",
            "rules": [_rule("", "v1", ["CREATE"], ["pods"])],
        },
    )


def validating(scene: Scene) -> Iterator[Made]:
    """Yield the webhook that validates policies."""
    if not _has_webhook(scene, controlplane.VALIDATING_WEBHOOK, Break.VALIDATING_WEBHOOK_MISSING):
        return
    is_astray = Break.VALIDATING_WEBHOOK_ASTRAY in scene.broken
    yield _webhook(
        scene,
        kinds.built_in(kinds.VALIDATING.group, kinds.VALIDATING.plural),
        controlplane.VALIDATING_WEBHOOK,
        controlplane.CONTROLLER,
        {
            "name": "osm-config-validator" if is_astray else controlplane.VALIDATOR,
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
