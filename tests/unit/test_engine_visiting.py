"""Visits to clusters, over HTTP: who it is is asked first, and once."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import pytest

from fleet.core import nameplates
from fleet.core.nameplates import Plate
from fleet.engine import visiting
from fleet.engine.inspecting import Inspector
from fleet.engine.visiting import visit
from fleet.errors import ClusterError, WrongClusterError
from fleet.kube import credentials
from fleet.model.inside import AccessKind, CheckRule, ClusterAccess, Severity, Verdict
from fleet.model.objects import Resource, Sight
from tests.rig import apiserver, insights
from tests.rig.apiserver import Answer, ApiServer, status

PATH = "/api/v1/namespaces/azure-arc/configmaps/azure-clusterconfig"
PODS = Resource("", "v1", "pods")
SUBSCRIPTION = "00000000-0000-4000-8000-000000000001"
REFUSED = status(403, 'configmaps "azure-clusterconfig" is forbidden: User "fleet" cannot get')
ABSENT = status(404, 'configmaps "azure-clusterconfig" not found')


def plate(name: str, group: str = "rg") -> dict[str, Any]:
    data = insights.nameplate(apiserver.cluster_id(name, group))
    return {"kind": "ConfigMap", "apiVersion": "v1", **data}


async def visited(server: ApiServer, folder: Path) -> Any:
    """Open the cluster c1, and read its pods."""
    apiserver.written(folder / "kube", apiserver.kubeconfig(server.url))
    async with visit(apiserver.ways(folder), apiserver.cluster_id()) as found:
        assert [one async for one in found.api.items(PODS)] == []
    return found


async def test_the_one_that_is_meant_is_let_in_whatever_the_case(tmp_path: Path) -> None:
    async with apiserver.served() as server:
        server.on("GET", PATH, (200, plate("C1", "RG")))
        found = await visited(server, tmp_path)

    assert found.doubt == ""
    assert found.known == {nameplates.WANT: Sight(objects=(Plate(SUBSCRIPTION, "RG", "C1"),))}
    assert [one.path for one in server.got] == [PATH, "/api/v1/pods"]


async def test_another_is_sent_nothing_else_and_the_error_says_which_it_is_and_what_to_do(
    tmp_path: Path,
) -> None:
    async with apiserver.served() as server:
        server.on("GET", PATH, (200, plate("c2", "rg-x")))
        with pytest.raises(WrongClusterError) as caught:
            await visited(server, tmp_path)

    assert [one.path for one in server.got] == [PATH]
    assert (caught.value.message, caught.value.hint, caught.value.code) == (
        (
            "cluster c1: clusterAccess leads to another cluster: c2 of resource group rg-x "
            f"(subscription {SUBSCRIPTION})"
        ),
        (
            "Correct clusterAccess in the plan file: the context, file, command or name that it "
            "has for this cluster is another's."
        ),
        "F381",
    )


@pytest.mark.parametrize(
    ("answer", "doubt"),
    [
        pytest.param((404, ABSENT), "is not there", id="absent"),
        pytest.param((403, REFUSED), "may not be read", id="forbidden"),
        pytest.param((200, {**plate("c2"), "data": {}}), "names no cluster", id="without-keys"),
        pytest.param((200, {**plate("c2"), "data": None}), "names no cluster", id="without-data"),
    ],
)
async def test_where_nothing_says_so_it_is_let_in_with_a_doubt(
    answer: Answer, doubt: str, tmp_path: Path
) -> None:
    async with apiserver.served() as server:
        server.on("GET", PATH, answer)
        found = await visited(server, tmp_path)

    assert found.doubt == f"the ConfigMap azure-clusterconfig in azure-arc {doubt}"


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param((500, status(500, "etcd is away")), id="a-server-in-trouble"),
        pytest.param((401, status(401, "Unauthorized")), id="nobody-it-knows"),
        pytest.param((404, "<html>404</html>"), id="a-web-server"),
        pytest.param((200, "<html>Log in</html>"), id="a-portal"),
        pytest.param((apiserver.CUT, ""), id="a-connection-that-breaks"),
    ],
)
async def test_what_does_not_answer_is_not_let_in_for_it_may_yet_be_another(
    answer: Answer, tmp_path: Path
) -> None:
    async with apiserver.served() as server:
        server.on("GET", PATH, answer)
        with pytest.raises(ClusterError) as caught:
            await visited(server, tmp_path)

    assert not isinstance(caught.value, WrongClusterError)
    assert {one.path for one in server.got} == {PATH}


async def test_from_inside_a_plan_file_that_names_the_wrong_cluster_is_found_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trust = apiserver.Trust()
    monkeypatch.setattr(credentials, "_ACCOUNT", tmp_path)
    (tmp_path / "token").write_text("token\n")
    (tmp_path / "ca.crt").write_text(trust.pem)
    async with apiserver.served(trust.server()) as server:
        server.on("GET", PATH, (200, plate("c2")))
        monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "localhost")
        monkeypatch.setenv("KUBERNETES_SERVICE_PORT", server.url.rpartition(":")[2])
        inside = ClusterAccess(kind=AccessKind.IN_CLUSTER, cluster="c1")
        with pytest.raises(WrongClusterError, match="leads to another cluster: c2 of"):
            async with visit(apiserver.ways(tmp_path, inside), apiserver.cluster_id()):
                pass

    assert [one.path for one in server.got] == [PATH]


async def test_the_check_of_it_costs_no_request_of_its_own(tmp_path: Path) -> None:
    rule = CheckRule(id="x", look="clusterIdentity", title="-", severity=Severity.WARN)
    async with apiserver.served() as server:
        server.on("GET", PATH, (200, plate("c1")))
        apiserver.written(tmp_path / "kube", apiserver.kubeconfig(server.url))
        subject = insights.subject(cluster_id=apiserver.cluster_id(), cluster_name="c1")
        found = await Inspector(apiserver.ways(tmp_path)).inspect(subject, [rule])

    assert [(one.verdict, one.evidence) for one in found] == [
        (
            Verdict.PASSED,
            {"cluster": "c1", "resourceGroup": "rg", "subscription": SUBSCRIPTION},
        )
    ]
    assert len(server.got) == 1


def test_nobody_else_in_the_engine_opens_a_cluster() -> None:
    """What is opened beside it would not be asked who it is."""
    folder = Path(visiting.__file__).parent
    opened = {
        one.name for one in folder.glob("*.py") if _opens_clusters(ast.parse(one.read_text()))
    }

    assert opened == {"visiting.py"}


def _opens_clusters(tree: ast.Module) -> bool:
    """Whether a port is asked for a cluster: packaged files and descriptors are opened as well."""
    calls = [one.func for one in ast.walk(tree) if isinstance(one, ast.Call)]
    return any(
        isinstance(one, ast.Attribute)
        and one.attr == "open"
        and ast.unparse(one.value).rpartition(".")[2] in ("clusters", "_clusters", "port", "way")
        for one in calls
    )
