"""The ways into clusters: what leads there, what is said where nothing does, and what is left."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import os
import stat
import sys
import tempfile
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fleet.errors import ClusterError
from fleet.kube import credentials
from fleet.model.cluster import ClusterId
from fleet.model.inside import AccessKind, ClusterAccess
from fleet.model.objects import Resource
from fleet.ports import Clusters
from tests.rig import apiserver
from tests.rig.apiserver import SECRET, SILENT, ApiServer, Trust, cluster_id, data, kubeconfig

PODS = Resource("", "v1", "pods")
POD = {"kind": "Pod", "metadata": {"name": "p"}}
PATH = "/api/v1/pods/p"
SECOND = dt.timedelta(seconds=1)
TRUST = Trust()


@pytest.fixture(autouse=True)
def nothing_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Files for credentials go where a test can see that they are gone."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    monkeypatch.delenv("KUBECONFIG", raising=False)
    yield
    assert list(folder.iterdir()) == []


async def pod(ways: Clusters, name: str = "c1", group: str = "rg") -> Any:
    async with ways.open(cluster_id(name, group)) as api:
        return await api.get(PODS, "p")


async def refused(ways: Clusters, name: str = "c1", group: str = "rg") -> ClusterError:
    with pytest.raises(ClusterError) as caught:
        await pod(ways, name, group)
    error = caught.value
    assert error.message.startswith(f"cluster {name}: ")
    assert SECRET not in f"{error!r} {error.message} {error.hint}"
    assert data(SECRET) not in f"{error!r} {error.message} {error.hint}"
    assert error.__cause__ is None
    assert error.hint
    return error


def access(kind: AccessKind, **more: Any) -> ClusterAccess:
    return ClusterAccess(kind=kind, timeout=more.pop("timeout", 10 * SECOND), **more)


def script(path: Path, text: str) -> Path:
    path.write_text(f"#!{sys.executable} -IS\n{textwrap.dedent(text)}")
    path.chmod(0o755)
    return path


@contextlib.asynccontextmanager
async def serving(**tls: bool) -> Any:
    context = TRUST.server(**tls) if tls else None
    async with apiserver.served(context) as server:
        server.on("GET", PATH, (200, POD))
        yield server


def authorization(server: ApiServer) -> list[str | None]:
    return [headers.get("Authorization") for headers in server.headers]


# --- kubeconfigs ----------------------------------------------------------------------------


async def test_contexts_are_called_as_the_clusters_or_as_is_said(tmp_path: Path) -> None:
    async with serving() as server:
        parts = {
            name: kubeconfig(server.url, name=name, token=name) for name in ("c1", "c2-rg", "old")
        }
        whole = dict(parts["c1"])
        for key in ("contexts", "clusters", "users"):
            whole[key] = [entry for part in parts.values() for entry in part[key]]
        apiserver.written(tmp_path / "kube", whole)

        for context, contexts, name in (
            ("{cluster}", {}, "c1"),
            ("{cluster}", {}, "C1"),
            ("{cluster}-{resourceGroup}", {}, "c2"),
            ("{cluster}", {"edge": "old"}, "EDGE"),
        ):
            given = access(AccessKind.KUBECONFIG, path="kube", context=context, contexts=contexts)
            assert await pod(apiserver.ways(tmp_path, given), name) == POD

        assert authorization(server) == ["Bearer c1", "Bearer c1", "Bearer c2-rg", "Bearer old"]


async def test_without_a_path_it_is_found_as_kubectl_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with serving() as server:
        for n, name in enumerate(("c1", "c2")):
            apiserver.written(tmp_path / f"k{n}", kubeconfig(server.url, name=name, token=name))
        (tmp_path / "k2").write_text("clusters: []\n")
        paths = [tmp_path / "k0", tmp_path / "missing", tmp_path / "k2", tmp_path / "k1"]
        monkeypatch.setenv("KUBECONFIG", os.pathsep.join(map(str, paths)))
        ways = apiserver.ways(tmp_path, access(AccessKind.KUBECONFIG))

        await pod(ways, "c1")
        await pod(ways, "c2")

        assert authorization(server) == ["Bearer c1", "Bearer c2"]


async def test_a_kubeconfig_that_changed_is_read_again(tmp_path: Path) -> None:
    async with serving() as server:
        ways = apiserver.ways(tmp_path)
        for token in ("one", "another"):
            apiserver.written(tmp_path / "kube", kubeconfig(server.url, token=token))
            await pod(ways)

        assert authorization(server) == ["Bearer one", "Bearer another"]


@pytest.mark.parametrize("ending", [".yaml", ".yml", ".kubeconfig", ""])
async def test_a_directory_has_a_file_for_each_cluster(tmp_path: Path, ending: str) -> None:
    async with serving() as server:
        folder = tmp_path / "kube" / "rg"
        folder.mkdir(parents=True)
        apiserver.written(
            folder / f"c1{ending}", kubeconfig(server.url, name="admin", token=SECRET)
        )
        ways = apiserver.ways(tmp_path, access(AccessKind.DIRECTORY, path="kube/{resourceGroup}"))

        assert await pod(ways, "C1") == POD
        assert authorization(server) == [f"Bearer {SECRET}"]


@pytest.mark.parametrize(
    ("user", "sent"),
    [
        pytest.param({"username": "u", "password": "p"}, "Basic dTpw", id="password"),
        pytest.param({"tokenFile": "token", "token": "old"}, "Bearer new", id="token file"),
        pytest.param({}, None, id="nobody"),
        pytest.param(None, None, id="no user"),
    ],
)
async def test_who_we_are_is_what_the_kubeconfig_says(
    tmp_path: Path, user: dict[str, Any] | None, sent: str | None
) -> None:
    (tmp_path / "token").write_text("new\n")
    async with serving() as server:
        found = kubeconfig(server.url, user)
        if user is None:
            del found["users"]
        apiserver.written(tmp_path / "kube", found)

        assert await pod(apiserver.ways(tmp_path)) == POD
        assert authorization(server) == [sent]


async def test_who_acts_for_another_says_so(tmp_path: Path) -> None:
    user = {"as": "auditor", "as-groups": ["a", "b"], "as-user-extra": {"reason": ["audit"]}}
    async with serving() as server:
        apiserver.written(tmp_path / "kube", kubeconfig(server.url, user, token=SECRET))

        await pod(apiserver.ways(tmp_path))

        headers: Any = server.headers[0]
        assert headers.getall("Impersonate-Group") == ["a", "b"]
        assert headers["Impersonate-User"] == "auditor"
        assert headers["Impersonate-Extra-Reason"] == "audit"


async def test_two_clusters_of_one_name_are_not_taken_for_each_other(tmp_path: Path) -> None:
    async with serving() as server:
        apiserver.written(tmp_path / "c1.yaml", kubeconfig(server.url, token=SECRET))
        ways = apiserver.ways(tmp_path, access(AccessKind.DIRECTORY, path="."))
        await pod(ways, "c1", "one")

        error = await refused(ways, "c1", "two")

        assert error.message == (
            f"cluster c1: {tmp_path / 'c1.yaml'} is that of another cluster with this name: "
            f"{cluster_id('c1', 'one')}"
        )
        assert error.hint == "Let clusterAccess name {resourceGroup} or {subscription} as well."


# --- TLS ------------------------------------------------------------------------------------


async def test_authority_and_client_certificate_are_the_kubeconfigs(tmp_path: Path) -> None:
    certificate, key = TRUST.client()
    async with serving(wants_client=True) as server:
        found = kubeconfig(
            server.url,
            cluster={"certificate-authority-data": data(TRUST.pem)},
            user={"client-certificate-data": data(certificate), "client-key-data": data(key)},
        )
        apiserver.written(tmp_path / "kube", found)

        assert await pod(apiserver.ways(tmp_path)) == POD

        assert dict(part[0] for part in server.peers[0]["subject"])["commonName"] == "fleet"


async def test_certificates_may_be_files_beside_the_kubeconfig(tmp_path: Path) -> None:
    certificate, key = TRUST.client()
    for name, text in (("ca", TRUST.pem), ("crt", certificate), ("key", key)):
        (tmp_path / name).write_text(text)
    async with serving(wants_client=True) as server:
        url = server.url.replace("localhost", "127.0.0.1")
        found = kubeconfig(
            url,
            cluster={"certificate-authority": "ca", "tls-server-name": "localhost"},
            user={"client-certificate": "crt", "client-key": str(tmp_path / "key")},
        )
        (tmp_path / "at").mkdir()
        apiserver.written(tmp_path / "kube", found)
        ways = apiserver.ways(
            tmp_path / "at", access(AccessKind.KUBECONFIG, path="../kube", context="c1")
        )

        assert await pod(ways) == POD


async def test_files_of_secrets_are_ours_alone_and_gone_before_anything_is_sent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate, key = TRUST.client()
    seen: list[tuple[str, int, int]] = []

    def written(path: Path, content: bytes) -> Path:
        made = keep(path, content)
        modes = [stat.S_IMODE(one.stat().st_mode) for one in (path, path.parent)]
        seen.append((path.name, modes[0], modes[1]))
        return made

    keep = credentials._written
    monkeypatch.setattr(credentials, "_written", written)
    async with serving(wants_client=True) as server:
        found = kubeconfig(
            server.url,
            cluster={"certificate-authority-data": data(TRUST.pem)},
            user={"client-certificate-data": data(certificate), "client-key-data": data(key)},
        )
        apiserver.written(tmp_path / "kube", found)

        async with apiserver.ways(tmp_path).open(cluster_id()) as api:
            assert list((tmp_path / "temporary").iterdir()) == []
            assert await api.get(PODS, "p") == POD

    names = ("certificate-authority", "client-certificate", "client-key")
    assert seen == [(name, 0o600, 0o700) for name in names]


@pytest.mark.parametrize(
    ("cluster", "said"),
    [
        pytest.param({}, "TLS failed: self-signed certificate in certificate chain", id="no CA"),
        pytest.param(
            {"certificate-authority-data": data(Trust().pem)},
            "TLS failed: self-signed certificate in certificate chain",
            id="another CA",
        ),
        pytest.param(
            {"certificate-authority-data": data(TRUST.pem), "tls-server-name": "other"},
            "TLS failed: Hostname mismatch, certificate is not valid for 'other'.",
            id="another name",
        ),
    ],
)
async def test_a_server_that_is_not_trusted_is_told_nothing(
    tmp_path: Path, cluster: dict[str, Any], said: str
) -> None:
    async with serving(wants_client=False) as server:
        apiserver.written(tmp_path / "kube", kubeconfig(server.url, cluster=cluster, token=SECRET))

        error = await refused(apiserver.ways(tmp_path))

        assert (error.message, server.got) == (f"cluster c1: {said}", [])


async def test_a_server_that_wants_a_certificate_and_gets_none_is_told(tmp_path: Path) -> None:
    async with serving(wants_client=True) as server:
        cluster = {"certificate-authority-data": data(TRUST.pem)}
        apiserver.written(tmp_path / "kube", kubeconfig(server.url, cluster=cluster, token=SECRET))

        error = await refused(apiserver.ways(tmp_path))

        assert error.message == "cluster c1: get of pods p: the connection broke"
        assert "does it want a client certificate" in str(error.hint)
        assert server.got == []


async def test_a_server_may_be_trusted_blindly_where_the_kubeconfig_says_so(
    tmp_path: Path,
) -> None:
    async with serving(wants_client=False) as server:
        blind = {"insecure-skip-tls-verify": True}
        apiserver.written(tmp_path / "kube", kubeconfig(server.url, cluster=blind, token=SECRET))

        assert await pod(apiserver.ways(tmp_path)) == POD


# --- what does not lead there ----------------------------------------------------------------


HTTPS = "https://localhost:1"
OIDC = {
    "refresh-token": SECRET,
    "client-id": "x",
    "client-secret": SECRET,
    "idp-issuer-url": HTTPS,
}
BROKEN: dict[str, tuple[Any, str]] = {
    "no yaml": (f"a: b: {SECRET}", "{file} is no YAML, line 1"),
    "a binary": ("\x00\x01", "{file} is no YAML"),
    "too deep": ("[" * 100_000, "{file} is no kubeconfig: it is nested too deep"),
    "empty": ("", "{file} is no kubeconfig: it lists no clusters"),
    "another file": (
        f"apiVersion: fleet/v1\ntoken: {SECRET}\n",
        "{file} is no kubeconfig: it lists no clusters",
    ),
    "no such context": (
        kubeconfig(HTTPS, name="c2", token=SECRET),
        "{file} has no context 'c1': it has c2",
    ),
    "no such cluster": (
        {**kubeconfig(HTTPS, token=SECRET), "clusters": []},
        "{file}: the context 'c1' names no cluster with a server",
    ),
    "no server": (
        kubeconfig("", token=SECRET),
        "{file}: the context 'c1' names no cluster with a server",
    ),
    "no url": (kubeconfig("ftp://x", token=SECRET), "its kubeconfig's server is no https URL"),
    "password in the url": (
        kubeconfig(f"https://u:{SECRET}@localhost:1"),
        "its kubeconfig's server is no https URL",
    ),
    "token in plain text": (
        kubeconfig("http://example.com", token=SECRET),
        "its token would be readable on its way: the server's URL is http",
    ),
    "token of two lines": (
        kubeconfig(HTTPS, token=f"{SECRET}\nX-Evil: 1"),
        "its kubeconfig's token cannot be sent: it has line breaks or the like",
    ),
    "no base64": (
        kubeconfig(HTTPS, cluster={"certificate-authority-data": "x"}, token=SECRET),
        "certificate-authority-data of its kubeconfig is no base64",
    ),
    "no certificate": (
        kubeconfig(HTTPS, cluster={"certificate-authority-data": data(SECRET)}),
        "a certificate or key of its kubeconfig cannot be used: no certificate or crl found",
    ),
    "key of another": (
        kubeconfig(
            HTTPS,
            user={
                "client-certificate-data": data(TRUST.client()[0]),
                "client-key-data": data(TRUST.client()[1]),
            },
        ),
        "a certificate or key of its kubeconfig cannot be used: key values mismatch",
    ),
    "certificate file missing": (
        kubeconfig(HTTPS, user={"client-certificate": "gone.crt"}),
        "its kubeconfig names a file as client-certificate that is not there",
    ),
    "token file missing": (
        kubeconfig(HTTPS, tokenFile="gone"),
        "its kubeconfig's tokenFile cannot be read",
    ),
    "login of yesterday": (
        kubeconfig(HTTPS, user={"auth-provider": {"name": "azure", "config": {"token": SECRET}}}),
        "its kubeconfig wants the auth provider azure, which is gone from Kubernetes",
    ),
    "oidc without a valid token": (
        kubeconfig(HTTPS, user={"auth-provider": {"name": "oidc", "config": OIDC}}),
        "its kubeconfig cannot be used",
    ),
    "socks": (
        kubeconfig(HTTPS, cluster={"proxy-url": "socks5://localhost:1"}),
        "proxy-url of its kubeconfig names a proxy that is not http",
    ),
}


@pytest.mark.parametrize("name", BROKEN)
async def test_a_kubeconfig_that_leads_nowhere_is_told_in_a_sentence(
    tmp_path: Path, name: str
) -> None:
    content, said = BROKEN[name]
    file = apiserver.written(tmp_path / "kube", content)

    error = await refused(apiserver.ways(tmp_path))

    assert error.message == "cluster c1: " + said.format(file=file)


async def test_a_kubeconfig_that_is_not_there_is_told(tmp_path: Path) -> None:
    error = await refused(apiserver.ways(tmp_path))

    assert error.message == f"cluster c1: there is no kubeconfig {tmp_path / 'kube'}"


async def test_a_directory_without_the_cluster_is_told(tmp_path: Path) -> None:
    (tmp_path / "kube").mkdir()
    said = [
        (await refused(apiserver.ways(tmp_path, access(AccessKind.DIRECTORY, path=path)))).message
        for path in ("kube", "cube")
    ]

    assert said == [
        f"cluster c1: {tmp_path / 'kube'} holds no kubeconfig called c1",
        f"cluster c1: there is no directory {tmp_path / 'cube'}",
    ]


async def test_a_server_that_is_not_there_is_told(tmp_path: Path) -> None:
    async with serving() as server:
        url = server.url
    apiserver.written(tmp_path / "kube", kubeconfig(url, token=SECRET))

    error = await refused(apiserver.ways(tmp_path))

    assert error.message == "cluster c1: no connection: Connection refused"
    assert error.status is None


async def test_a_server_that_is_silent_is_told(tmp_path: Path) -> None:
    async with serving() as server:
        server.on("GET", PATH, (SILENT, None))
        apiserver.written(tmp_path / "kube", kubeconfig(server.url, token=SECRET))
        given = access(AccessKind.KUBECONFIG, path="kube", timeout=0.05 * SECOND)

        error = await refused(apiserver.ways(tmp_path, given))

        assert error.message == "cluster c1: get of pods p: no answer within 0.05 s"


async def test_the_kubeconfigs_proxy_is_asked(tmp_path: Path) -> None:
    async with serving() as server:
        found = kubeconfig("http://localhost:1", cluster={"proxy-url": server.url}, token=SECRET)
        apiserver.written(tmp_path / "kube", found)

        assert await pod(apiserver.ways(tmp_path)) == POD


async def test_a_proxy_of_the_environment_that_is_none_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", f"ftp://u:{SECRET}@proxy.example")
    apiserver.written(tmp_path / "kube", kubeconfig("https://kube.example", token=SECRET))

    error = await refused(apiserver.ways(tmp_path))

    assert error.message == (
        "cluster c1: HTTPS_PROXY names a proxy of the kind ftp, which is not supported"
    )


async def test_a_place_for_files_that_is_not_there_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "gone"))
    apiserver.written(tmp_path / "kube", kubeconfig("https://kube.example", token=SECRET))

    error = await refused(apiserver.ways(tmp_path))

    assert error.message == (
        "cluster c1: its credentials cannot be put into files: No such file or directory"
    )


@pytest.mark.parametrize(
    "wrong",
    [
        pytest.param("/subscriptions/s/resourceGroups/rg", id="no cluster"),
        pytest.param(str(cluster_id("..")), id="a path"),
        pytest.param(str(cluster_id("--kubeconfig=x")), id="an option"),
        pytest.param(str(cluster_id("c 1")), id="a blank"),
    ],
)
async def test_an_id_that_would_lead_elsewhere_leads_nowhere(tmp_path: Path, wrong: str) -> None:
    ways = apiserver.ways(tmp_path, access(AccessKind.DIRECTORY, path="."))

    with pytest.raises(ClusterError, match=r"is not the id|cannot be put into"):
        await ways.open(ClusterId(wrong)).__aenter__()


# --- from inside ----------------------------------------------------------------------------


async def test_from_inside_only_one_cluster_is_reached(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(credentials, "_ACCOUNT", tmp_path)
    async with serving(wants_client=False) as server:
        (tmp_path / "token").write_text(f"{SECRET}\n")
        (tmp_path / "ca.crt").write_text(TRUST.pem)
        monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "localhost")
        monkeypatch.setenv("KUBERNETES_SERVICE_PORT", server.url.rpartition(":")[2])
        ways = apiserver.ways(tmp_path, access(AccessKind.IN_CLUSTER, cluster="C1"))

        assert await pod(ways, "c1") == POD
        assert authorization(server) == [f"Bearer {SECRET}"]
        error = await refused(ways, "c2")

        assert error.message == "cluster c2: clusterAccess.inCluster is another: C1"


async def test_outside_of_a_pod_there_is_no_inside(tmp_path: Path) -> None:
    ways = apiserver.ways(tmp_path, access(AccessKind.IN_CLUSTER, cluster="c1"))

    error = await refused(ways)

    assert error.message == ("cluster c1: this is no pod that was given a service account's token")


# --- many at once ---------------------------------------------------------------------------


async def test_no_more_are_open_than_may_be(tmp_path: Path) -> None:
    async with serving() as server:
        for n in range(6):
            apiserver.written(tmp_path / f"c{n}.yaml", kubeconfig(server.url, token=SECRET))
        given = access(AccessKind.DIRECTORY, path=".", max_concurrency=2)
        ways, now, most = apiserver.ways(tmp_path, given), 0, 0

        async def visit(name: str) -> None:
            nonlocal now, most
            async with ways.open(cluster_id(name)) as api:
                now += 1
                most = max(most, now)
                await api.get(PODS, "p")
                now -= 1

        async with asyncio.TaskGroup() as group:
            for n in range(6):
                group.create_task(visit(f"c{n}"))

        assert (most, len(server.got)) == (2, 6)
