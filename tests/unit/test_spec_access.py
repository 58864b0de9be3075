"""The way into clusters, as a plan file says it."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest

from fleet.model.inside import AccessKind, ClusterAccess
from fleet.spec import planfile


def load(tmp_path: Path, access: str) -> ClusterAccess:
    file = tmp_path / "plan.yaml"
    file.write_text(
        "apiVersion: fleet/v1\nkind: Rollout\nmetadata: {name: trial}\nspec:\n"
        "  targets: {tenant: true}\n  extension: {profile: osm, version: 1.2.6}\n" + access
    )
    return planfile.load_rollout(file).inside.access


@pytest.mark.parametrize(
    ("access", "expected"),
    [
        pytest.param("", ClusterAccess(), id="nothing said"),
        pytest.param("  clusterAccess: none\n", ClusterAccess(), id="none"),
        pytest.param(
            "  clusterAccess: {kubeconfig: {}}\n",
            ClusterAccess(kind=AccessKind.KUBECONFIG, context="{cluster}"),
            id="contexts called as the clusters",
        ),
        pytest.param(
            "  clusterAccess:\n    kubeconfig:\n      path: kube/all\n"
            '      context: "{cluster}-{resourceGroup}"\n      contexts: {Edge-7: old}\n'
            "    timeout: 1m30s\n    maxConcurrency: 5\n",
            ClusterAccess(
                kind=AccessKind.KUBECONFIG,
                path="kube/all",
                context="{cluster}-{resourceGroup}",
                contexts={"edge-7": "old"},
                timeout=dt.timedelta(seconds=90),
                max_concurrency=5,
            ),
            id="contexts called otherwise",
        ),
        pytest.param(
            '  clusterAccess: {kubeconfig: {path: "kube/{cluster}", context: admin}}\n',
            ClusterAccess(kind=AccessKind.KUBECONFIG, path="kube/{cluster}", context="admin"),
            id="a file each",
        ),
        pytest.param(
            "  clusterAccess: {directory: kube}\n",
            ClusterAccess(kind=AccessKind.DIRECTORY, path="kube"),
            id="directory",
        ),
        pytest.param(
            "  clusterAccess: {inCluster: edge-7}\n",
            ClusterAccess(kind=AccessKind.IN_CLUSTER, cluster="edge-7"),
            id="in cluster",
        ),
        pytest.param(
            '  clusterAccess: {command: [rke, get, "{id}", -o, "{.items[0]}"]}\n',
            ClusterAccess(
                kind=AccessKind.COMMAND, command=("rke", "get", "{id}", "-o", "{.items[0]}")
            ),
            id="command",
        ),
        pytest.param(
            "  clusterAccess: {proxy: true}\n", ClusterAccess(kind=AccessKind.PROXY), id="proxy"
        ),
    ],
)
def test_a_way_is_read_as_it_is_meant(tmp_path: Path, access: str, expected: ClusterAccess) -> None:
    assert load(tmp_path, access) == expected
