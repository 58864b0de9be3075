"""The command line, with a simulated Azure on one side and a real API server on the other."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fleet.sim import names
from tests.rig import charted, commands, realserver, roles, serving
from tests.rig.charted import Objects
from tests.rig.commands import Ended, Shell
from tests.rig.realserver import RealServer
from tests.rig.serving import Caller
from tests.rig.settling import Holder, without

WORLD = """\
apiVersion: fleet/v1
kind: World
seed: 7
clusters: 1
offlineShare: 0
extensions:
  - {type: Microsoft.openservicemesh, installed: {1.2.6: 1}, autoUpgrade: 0, failedShare: 0}
"""
PLAN = """\
apiVersion: fleet/v1
kind: Rollout
metadata: {{name: mesh}}
spec:
  targets: {{tenant: true}}
  clusterAccess: {{kubeconfig: {{path: kubeconfig}}}}
  extension: {{profile: osm, version: 1.2.6, {more}}}
  strategy: fast
"""


CLUSTER = "store-0001-a"


@pytest.fixture(scope="module", name="azure")
def _azure(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    shell = Shell(root=tmp_path_factory.mktemp("azure"))
    world = commands.written(shell.root / "world.yaml", WORLD)
    process, document = serving.started(shell, "--world", str(world), "--time-scale", "60")
    yield document
    process.send(signal.SIGTERM)
    process.end().must(0)


WISHED = (
    "meshConfig: {traffic: {enableEgress: false}}, "
    "namespaces: {add: [warehouse], metrics: [warehouse]}, azureMonitor: {add: [warehouse]}"
)
MESH = "/apis/config.openservicemesh.io/v1alpha2/namespaces/arc-osm-system/meshconfigs"
SPACE = "/api/v1/namespaces/warehouse"


class Site:
    """Where commands are typed, about the one cluster."""

    def __init__(self, shell: Shell, server: RealServer) -> None:
        self.shell = shell
        self._server = server

    def __call__(self, *args: str, more: str = "", token: str = realserver.ADMIN) -> Ended:
        """Run a command about the plan file, by whoever has *token*."""
        commands.written(self.shell.root / "plan.yaml", PLAN.format(more=more))
        self._server.kubeconfig(self.shell.root / "kubeconfig", context=CLUSTER, token=token)
        return self.shell(args[0], "plan.yaml", *args[1:])


@pytest.fixture(scope="module", name="healthy")
def _healthy(healthy: Objects) -> Objects:
    """The same, as the cluster of the world that it is."""
    own = charted.nameplate(
        names.cluster_id(
            subscription=names.subscription(0), resource_group="rg-westeurope", name=CLUSTER
        )
    )
    return {**healthy, charted.place(own): own}


@pytest.fixture(name="site")
def _site(azure: Any, server: RealServer, tmp_path: Path) -> Site:
    shell = Shell(root=tmp_path).with_(FLEET_ENDPOINT=azure["endpoint"], COLUMNS="300")
    return Site(shell, server)


async def told(admin: Caller) -> tuple[Any, Any]:
    """Return the mesh's configuration, and what the namespace says of the mesh."""
    mesh = (await admin.get(f"{MESH}/osm-mesh-config")).json
    space = (await admin.get(SPACE)).json["metadata"]
    return mesh["spec"], (space.get("labels", {}), space.get("annotations", {}))


async def test_a_healthy_cluster_passes_and_a_broken_one_does_not(
    holder: Holder, healthy: Objects, site: Site
) -> None:
    well = site("check", "--json").must(0).json
    gone = [one for one in healthy if one.name == "osm-mesh-config"]
    await holder.hold(without(healthy, gone))
    broken = site("check").must(1)

    assert [(one["passed"], one["failed"], one["unknown"]) for one in well] == [(25, 0, 0)]
    assert "there is no MeshConfig osm-mesh-config in arc-osm-system" in broken.stdout


async def test_a_run_makes_it_so_and_a_rollback_leads_back(
    holder: Holder, admin: Caller, site: Site
) -> None:
    before = await told(admin)
    site("run", "--run-id", "r1", "--yes", more=WISHED).must(0)
    spec, (labels, annotations) = await told(admin)
    again = site("plan", more=WISHED).must(0)
    site.shell("rollback", "r1", "--run-id", "r2", "--yes").must(0)
    after = await told(admin)

    assert spec["traffic"]["enableEgress"] is False
    assert labels == {"openservicemesh.io/monitored-by": "osm"}
    assert annotations == {
        "openservicemesh.io/sidecar-injection": "enabled",
        "openservicemesh.io/metrics": "enabled",
    }
    assert again.stdout.startswith("mesh: 1 clusters: 1 no-change\n")
    assert after == before


async def test_a_plan_says_what_the_server_refuses_and_blocks_the_cluster(
    holder: Holder, admin: Caller, site: Site
) -> None:
    """The mesh's own definition has no "off", for YAML took it for a boolean."""
    before = await told(admin)
    found = site("plan", "--json", more="meshConfig: {sidecar: {logLevel: 'off'}}").must(0)

    said = (
        'MeshConfig.config.openservicemesh.io "osm-mesh-config" is invalid: spec.sidecar.logLevel: '
        'Unsupported value: "off": supported values: "trace", "debug", "info", "warning", "warn", '
        '"error", "critical", "false"'
    )
    assert json.dumps(said)[1:-1] in found.stdout
    assert await told(admin) == before


async def test_who_may_only_read_checks_and_changes_nothing(
    holder: Holder, admin: Caller, healthy: Objects, site: Site
) -> None:
    await holder.hold({**healthy, **roles.granted("cluster-reader")})
    before = await told(admin)
    checked = site("check", "--json", token=realserver.LIMITED).must(0).json
    refused = site("run", "--run-id", "r1", "--yes", more=WISHED, token=realserver.LIMITED).must(3)

    assert [(one["passed"], one["failed"], one["unknown"]) for one in checked] == [(24, 0, 1)]
    said = 'User "limited" cannot patch resource "namespaces" in API group ""'
    assert said in " ".join(refused.stderr.split())
    assert await told(admin) == before


async def test_who_may_write_does_it(
    holder: Holder, admin: Caller, healthy: Objects, site: Site
) -> None:
    await holder.hold({**healthy, **roles.granted("cluster-reader", "cluster-writer")})
    site("run", "--run-id", "r1", "--yes", more=WISHED, token=realserver.LIMITED).must(0)

    spec, (labels, _) = await told(admin)
    assert spec["traffic"]["enableEgress"] is False
    assert labels == {"openservicemesh.io/monitored-by": "osm"}


async def test_who_may_nothing_is_told_what_was_refused(holder: Holder, site: Site) -> None:
    found = site("check", "-o", "csv", token=realserver.LIMITED).must(4)

    said = (
        f"not reached: cluster {CLUSTER}: deployments.apps is forbidden: "
        'User "limited" cannot list resource "deployments" in API group "apps" in the namespace '
        '"azure-arc"'
    )
    assert said in found.stdout.replace('""', '"')
