"""The demonstration: a simulated Azure, a rollout over HTTP, and everything cleaned up again."""

from __future__ import annotations

import re
import socket

from tests.rig import commands
from tests.rig.commands import Shell

FAILING = """
apiVersion: fleet/v1
kind: World
seed: 7
clusters: 12
subscriptions: 2
timeScale: 3000
offlineShare: 0
distributions: {aks: 1}
extensions:
  - {type: Microsoft.openservicemesh, installed: {1.1.1: 1}, failedShare: 0}
overrides:
  - {cluster: store-0001-a, tags: {ring: canary}}
  - {cluster: store-0004-b, tags: {ring: broad}, faults: {operationFails: 100}}
  - {cluster: store-0005-a, version: 1.2.6}
"""
PLAN = commands.PLANS / "osm-upgrade.yaml"


def test_a_rollout_with_a_failing_cluster_is_shown_explained_and_verified(shell: Shell) -> None:
    world = commands.written(shell.root / "demo.yaml", FAILING)
    careful = commands.written(
        shell.root / "plan.yaml", PLAN.read_text().replace("maxFailures: 5%", "maxFailures: 50%")
    )

    ended = Shell(root=shell.root)("sim", "demo", careful, "--world", world).must(0)

    told = ended.stdout
    endpoint = re.search(r"http://127\.0\.0\.1:(\d+)", told)
    assert endpoint is not None
    assert "12 clusters, 2 subscriptions, and 3000 of its seconds pass in one of ours" in told
    assert "The rollout's own exit code is 1: " in told
    assert "store-0004-b  Failed" in told
    assert "run demo: intact" in told
    assert "What to try next" in told
    with socket.socket() as port:  # nobody is left behind who listens
        assert port.connect_ex(("127.0.0.1", int(endpoint[1]))) != 0


def test_a_demonstration_without_its_files_says_where_to_stand(shell: Shell) -> None:
    ended = Shell(root=shell.root)("sim", "demo", "nothing.yaml").must(2)

    assert "there is no file nothing.yaml" in ended.stderr
    assert "hint: Stand in a checkout" in ended.stderr


def test_a_world_that_cannot_be_served_ends_the_demonstration(shell: Shell) -> None:
    world = commands.written(shell.root / "demo.yaml", "kind: World\n")

    ended = Shell(root=shell.root)("sim", "demo", PLAN, "--world", world).must(4)

    assert "the simulated Azure did not start" in ended.stderr
