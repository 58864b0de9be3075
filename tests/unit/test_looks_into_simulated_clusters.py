"""Every way in which a simulated cluster can be broken inside, and which checks tell of it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from fleet.core import checkups
from fleet.core.checkups import Tally
from fleet.engine import inspecting, virtual
from fleet.engine.inspecting import Inspector
from fleet.model.desired import Rollout
from fleet.model.inside import Verdict, Work, WorkKind
from fleet.sim import opening
from fleet.sim.breakage import Break, Broken
from fleet.sim.inside.clusters import SimulatedClusters
from fleet.sim.ports import SimulatedAzure
from fleet.sim.world import World
from fleet.spec import planfile

PLAN = """\
apiVersion: fleet/v1
kind: Rollout
metadata: {name: checks}
spec:
  targets: {tenant: true}
  extension: {profile: osm, version: 1.2.6}
  strategy: standard
  clusterAccess: {kubeconfig: {}}
"""
WORLD = """\
apiVersion: fleet/v1
kind: World
seed: 7
timeScale: max
clusters: 2
offlineShare: 0
distributions: {rancher_rke: 3, aks: 1}
extensions:
  - {type: Microsoft.openservicemesh, installed: {1.2.6: 1}, autoUpgrade: 0, failedShare: 0}
"""
CONTROLLER = ("controller-deployment", "controller-pods", "controller-endpoints")
INJECTOR = ("injector-deployment", "injector-pods", "injector-endpoints")
WEBHOOK = ("mutating-webhook", "ca-bundle", "new-pod-injection")
LOST = ("azure-arc-agents",)
"""What tells that nobody was reached: the first that asks."""

TOLD: Mapping[Break, Sequence[str]] = {
    Break.CONTROLLER_CRASH: CONTROLLER,
    Break.CONTROLLER_UNAVAILABLE: CONTROLLER,
    Break.CONTROLLER_SIDECAR: ("controller-pods",),
    Break.CONTROLLER_EVICTED: (),  # its replacement is well
    Break.CONTROLLER_SERVICE_MISSING: ("controller-service", "controller-endpoints"),
    Break.CONTROLLER_SERVICE_PORTS: ("controller-service", "controller-endpoints"),
    Break.CONTROLLER_NO_ENDPOINTS: ("controller-endpoints",),
    Break.INJECTOR_CRASH: INJECTOR,
    Break.INJECTOR_IMAGE_PULL: INJECTOR,
    Break.INJECTOR_UNAVAILABLE: INJECTOR,
    Break.INJECTOR_SERVICE_MISSING: ("injector-service", "injector-endpoints"),
    Break.INJECTOR_SERVICE_EXPOSED: ("injector-service",),
    Break.INJECTOR_NO_ENDPOINTS: ("injector-endpoints",),
    Break.BOOTSTRAP_UNAVAILABLE: ("bootstrap-deployment",),
    Break.VALIDATOR_SERVICE_MISSING: ("validator-service",),
    Break.WEBHOOK_MISSING: ("validating-webhook", *WEBHOOK),
    Break.VALIDATING_WEBHOOK_MISSING: ("validating-webhook", "ca-bundle"),
    Break.VALIDATING_WEBHOOK_ASTRAY: ("validating-webhook",),
    Break.MUTATING_WEBHOOK_MISSING: WEBHOOK,
    Break.MUTATING_WEBHOOK_ASTRAY: ("mutating-webhook",),
    Break.MUTATING_WEBHOOK_IGNORES: ("mutating-webhook",),
    Break.CA_BUNDLE_EMPTY: ("ca-bundle",),
    Break.CA_BUNDLE_SHORT: ("ca-bundle",),
    Break.CA_BUNDLE_FOREIGN: (),  # only who may read the mesh's own key could tell
    Break.CA_BUNDLE_EXPIRED: ("ca-bundle",),
    Break.MESHCONFIG_LOST: ("meshconfig-exists",),
    Break.MESHCONFIG_DRIFT: ("meshconfig-drift",),
    Break.NAMESPACE_HALF_MESHED: ("namespaces",),
    Break.CONTROL_PLANE_MESHED: ("namespaces",),
    Break.IGNORE_LABEL_MISSING: ("ignore-labels",),
    Break.CRDS_MISSING: ("crds",),
    Break.CRDS_OLD: ("meshconfig-exists", "crds"),
    Break.METRICS_AGENT_UNAVAILABLE: ("metrics-agent",),
    Break.METRICS_AGENT_CONTAINERS: ("metrics-agent",),
    Break.ARC_AGENTS_UNAVAILABLE: ("azure-arc-agents",),
    Break.ANOTHER_CLUSTER: LOST,
    Break.CLUSTERCONFIG_MISSING: ("cluster-identity",),
    Break.INJECTION_SILENT: (),  # no pod is new
    Break.STALE_SIDECARS: ("stale-sidecars",),
    Break.HELM_FAILED: ("helm-release",),
    Break.HELM_STALE: ("helm-release",),
    Break.EXTENSION_UNAVAILABLE: (),  # other extensions are nobody's business here
    Break.ORPHAN_WEBHOOKS: (),  # until it is uninstalled
    Break.LEFTOVERS: (),
    Break.NAMESPACE_STUCK: (),
    Break.RESTART_STUCK: (),  # nothing is restarted
    Break.API_UNREACHABLE: LOST,
    Break.API_TIMEOUT: LOST,
    Break.API_UNAVAILABLE: LOST,
    Break.API_ERROR: LOST,
    Break.API_THROTTLED: LOST,
    Break.API_FLAKY: (),
    Break.API_UNAUTHORIZED: LOST,
    Break.API_FORBIDDEN: LOST,
    Break.API_READ_ONLY: (),
    Break.API_DENIES_WRITES: (),
    Break.CONTINUE_EXPIRED: (),
}
WISH = Work(kind=WorkKind.MESH_CONFIG, patch='{"observability":{"osmLogLevel":"info"}}')


@pytest.fixture(scope="module")
def rollout(tmp_path_factory: pytest.TempPathFactory) -> Rollout:
    path = tmp_path_factory.mktemp("checks") / "plan.yaml"
    path.write_text(PLAN)
    found = planfile.load_rollout(path)
    return dataclasses.replace(found, inside=dataclasses.replace(found.inside, works=(WISH,)))


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory, rollout: Rollout) -> Mapping[str, Tally]:
    """What was told of a fleet where each cluster is broken in a way of its own."""
    path: Path = tmp_path_factory.mktemp("world") / "world.yaml"
    path.write_text(WORLD)
    recipe = dataclasses.replace(opening.read_recipe(path), cluster_count=len(Break))
    names = [one.name for one in World(recipe).clusters(recipe.epoch)]
    broken = tuple(Broken(what=what, cluster=name) for what, name in zip(Break, names, strict=True))
    insides = dataclasses.replace(recipe.insides, broken=broken)
    world = World(dataclasses.replace(recipe, insides=insides))
    found: list[Tally] = []

    async def look() -> None:
        clock = virtual.clock()
        inventory = await SimulatedAzure(world, clock).inventory(
            rollout.scope, extension_type="microsoft.openservicemesh", release_train=None
        )
        await inspecting.check_all(
            checkups.subjects(inventory.clusters, rollout, now=clock.now()),
            checkups.rules_of(rollout),
            inspector=Inspector(SimulatedClusters(world, clock)),
            workers=10,
            tell=found.append,
        )

    virtual.run(look(), start_at=recipe.epoch)
    by_name = {one.cluster_name: one for one in found}
    return {what.value: by_name[name] for what, name in zip(Break, names, strict=True)}


def test_every_way_to_be_broken_is_listed() -> None:
    assert list(TOLD) == list(Break)


@pytest.mark.parametrize("what", [one.value for one in Break])
def test_a_break_is_told_by_the_checks_of_what_is_broken(
    told: Mapping[str, Tally], what: str
) -> None:
    found = told[what]

    assert [one.check for one in found.troubles] == list(TOLD[Break(what)])
    assert found.is_reached is (TOLD[Break(what)] != LOST or what == "arc-agents-unavailable")
    verdict = Verdict.FAILED if found.is_reached else Verdict.UNKNOWN
    assert {one.verdict for one in found.troubles} <= {verdict}
