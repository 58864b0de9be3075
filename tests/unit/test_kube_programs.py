"""Programs on the way into clusters: exec plugins, commands, and the proxy of the Azure CLI."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import json
import os
import sys
import tempfile
import textwrap
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from fleet.engine import clock as clocks
from fleet.errors import ClusterError
from fleet.kube import arcproxy
from fleet.kube.clusters import clusters_of
from fleet.model.inside import AccessKind, ClusterAccess
from fleet.model.objects import Resource
from fleet.ports import Clusters
from tests.rig import apiserver
from tests.rig.apiserver import SECRET, ApiServer, Trust, cluster_id, data, kubeconfig
from tests.rig.scripted import SkippingClock

PODS = Resource("", "v1", "pods")
POD = {"kind": "Pod", "metadata": {"name": "p"}}
SECOND = dt.timedelta(seconds=1)
V1 = "client.authentication.k8s.io/v1"


@pytest.fixture(autouse=True)
def nothing_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Files are gone after each test, and so is every program that noted its number."""
    folder, pids = tmp_path / "temporary", tmp_path / "pids"
    folder.mkdir()
    pids.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    monkeypatch.setenv("PIDS", str(pids))
    yield
    assert list(folder.iterdir()) == []
    end = time.monotonic() + 5  # whom a signal was sent is gone soon, not at once
    while time.monotonic() < end and any(is_alive(int(one.name)) for one in pids.iterdir()):
        time.sleep(0.01)
    assert [one.name for one in pids.iterdir() if is_alive(int(one.name))] == []


def is_alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2]
    except FileNotFoundError:
        return False
    return not state.startswith("Z")


def script(path: Path, text: str) -> Path:
    """Write a program that notes its number, and those of its children."""
    note = (
        "import os, sys, json, time\nopen(f'{os.environ[\"PIDS\"]}/{os.getpid()}', 'w').close()\n"
    )
    path.write_text(f"#!{sys.executable} -IS\n{note}{textwrap.dedent(text)}")
    path.chmod(0o755)
    return path


CHILD = """
if not os.fork():
    open(f'{os.environ["PIDS"]}/{os.getpid()}', 'w').close()
    time.sleep(60)
"""


async def begun(tmp_path: Path, count: int = 1) -> None:
    while len(list((tmp_path / "pids").iterdir())) < count:  # noqa: ASYNC110 - files tell nobody
        await asyncio.sleep(0.01)


async def pod(ways: Clusters, name: str = "c1") -> Any:
    async with ways.open(cluster_id(name)) as api:
        return await api.get(PODS, "p")


async def refused(ways: Clusters, name: str = "c1") -> ClusterError:
    with pytest.raises(ClusterError) as caught:
        await pod(ways, name)
    error = caught.value
    assert SECRET not in f"{error!r} {error.message} {error.hint}"
    assert error.__cause__ is None
    return error


@contextlib.asynccontextmanager
async def serving(**tls: bool) -> AsyncIterator[ApiServer]:
    async with apiserver.served(TRUST.server(**tls) if tls else None) as server:
        server.on("GET", "/api/v1/pods/p", (200, POD))
        yield server


TRUST = Trust()


def access(kind: AccessKind, **more: Any) -> ClusterAccess:
    return ClusterAccess(kind=kind, timeout=more.pop("timeout", 20 * SECOND), **more)


def authorization(server: ApiServer) -> list[str | None]:
    return [headers.get("Authorization") for headers in server.headers]


# --- exec plugins ---------------------------------------------------------------------------


def printing(**status: Any) -> str:
    credential = {"apiVersion": V1, "kind": "ExecCredential", "status": status}
    return f"print({json.dumps(json.dumps(credential))})\n"


def with_plugin(tmp_path: Path, url: str, **more: Any) -> Path:
    plugin = {"apiVersion": V1, "command": "./login", "interactiveMode": "IfAvailable", **more}
    found = kubeconfig(url, {"exec": plugin}, cluster=more.pop("cluster", None))
    return apiserver.written(tmp_path / "kube", found)


async def test_a_plugin_gives_a_token_and_is_asked_again_once_it_expires(tmp_path: Path) -> None:
    script(
        tmp_path / "login",
        """
        count = len(os.listdir(os.environ["PIDS"]))
        print(json.dumps({"status": {"token": f"{os.environ['WHO']}-{sys.argv[1]}-{count}",
            "expirationTimestamp": "2026-01-10T02:05:00Z"}}))
        """,
    )
    clock = SkippingClock()
    async with serving() as server:
        env = [{"name": "WHO", "value": "me"}]
        with_plugin(tmp_path, server.url, args=["x"], env=env)
        ways = apiserver.ways(tmp_path, clock=clock)
        async with asyncio.TaskGroup() as group:
            for _ in range(3):
                group.create_task(pod(ways))
        clock.moment += 3 * 60 * SECOND
        await pod(ways)
        clock.moment += 60 * SECOND
        await pod(ways)

        assert authorization(server) == ["Bearer me-x-1"] * 4 + ["Bearer me-x-2"]


async def test_a_plugin_is_told_what_it_wants_to_know(tmp_path: Path) -> None:
    script(
        tmp_path / "login",
        f"open('{tmp_path}/told', 'w').write(os.environ['KUBERNETES_EXEC_INFO'])\n"
        + printing(token=SECRET),
    )
    async with serving() as server:
        with_plugin(tmp_path, server.url, provideClusterInfo=True)
        await pod(apiserver.ways(tmp_path))

        assert json.loads((tmp_path / "told").read_text()) == {
            "apiVersion": V1,
            "kind": "ExecCredential",
            "spec": {"interactive": False, "cluster": {"server": server.url}},
        }


async def test_a_plugin_may_give_a_certificate(tmp_path: Path) -> None:
    certificate, key = TRUST.client()
    given = printing(clientCertificateData=certificate, clientKeyData=key)
    script(tmp_path / "login", given)
    async with serving(wants_client=True) as server:
        cluster = {"certificate-authority-data": data(TRUST.pem)}
        with_plugin(tmp_path, server.url, cluster=cluster)

        assert await pod(apiserver.ways(tmp_path)) == POD
        assert server.peers[0]["subject"]


PLUGINS = {
    "fails": (
        f"print('{SECRET}'); sys.exit('AADSTS700082: expired, token={SECRET}')",
        {},
        "it ended with status 1: AADSTS700082: expired, token=***",
    ),
    "prints nothing": ("", {}, "it printed nothing"),
    "prints rubbish": (f"print('{SECRET}')", {}, "it printed no JSON"),
    "prints another thing": (
        f"print('[\"{SECRET}\"]')",
        {},
        "it printed no ExecCredential with a status",
    ),
    "gives nothing": (printing(), {}, "it gave neither a token nor a certificate with its key"),
    "prints too much": (
        "while True: sys.stdout.write('x' * 100000)",
        {},
        "it printed more than 1 MB",
    ),
    "asks": (printing(token=SECRET), {"interactiveMode": "Always"}, None),
    "is not there": (None, {"installHint": "brew install login"}, None),
}


@pytest.mark.parametrize("name", PLUGINS)
async def test_a_plugin_that_gives_nothing_is_told_in_a_sentence(tmp_path: Path, name: str) -> None:
    text, more, said = PLUGINS[name]
    if text is not None:
        script(tmp_path / "login", text)
    with_plugin(tmp_path, "https://localhost:1", args=[SECRET], **more)

    error = await refused(apiserver.ways(tmp_path))

    if name == "asks":
        said = "cluster c1: the exec plugin login wants to ask somebody at a terminal"
    elif name == "is not there":
        said = "cluster c1: the exec plugin login cannot be run: No such file or directory"
        assert error.hint == "brew install login"
    else:
        said = f"cluster c1: the exec plugin login: {said}"
    assert error.message == said


async def test_a_plugin_that_hangs_is_ended_with_whom_it_started(tmp_path: Path) -> None:
    script(tmp_path / "login", f"{CHILD}\ntime.sleep(60)")
    with_plugin(tmp_path, "https://localhost:1")
    given = access(AccessKind.KUBECONFIG, path="kube", timeout=0.5 * SECOND)

    error = await refused(apiserver.ways(tmp_path, given))

    assert error.message == ("cluster c1: its kubeconfig's exec plugin gave nothing within 0.5 s")


# --- commands -------------------------------------------------------------------------------


def by_command(tmp_path: Path, text: str, **more: Any) -> Clusters:
    program = script(tmp_path / "get-kubeconfig", text)
    argv = (
        str(program),
        "{cluster}",
        "--group={resourceGroup}",
        "{.items[0]}; rm -rf {subscription}",
    )
    return apiserver.ways(tmp_path, access(AccessKind.COMMAND, command=argv, **more))


async def test_a_command_prints_the_kubeconfig_of_the_cluster_it_is_given(tmp_path: Path) -> None:
    async with serving() as server:
        text = yaml.safe_dump(kubeconfig(server.url, name="admin", token=SECRET))
        ways = by_command(
            tmp_path, f"print({text!r}.replace('{SECRET}', f'{{\"|\".join(sys.argv[1:])}}'))"
        )

        assert await pod(ways, "c7") == POD

        subscription = "00000000-0000-4000-8000-000000000001"
        said = f"c7|--group=rg|{{.items[0]}}; rm -rf {subscription}"
        assert authorization(server) == [f"Bearer {said}"]


COMMANDS = {
    "prints nothing": ("print()", "it printed nothing"),
    "fails": (
        f"print('{SECRET}'); sys.exit('no such cluster; password={SECRET}')",
        "it ended with status 1: no such cluster; password=***",
    ),
    "prints 10 MB": ("sys.stdout.write('x' * 10_000_000)", "it printed more than 2 MB"),
    "is ended": ("os.kill(os.getpid(), 9)", "it was ended by SIGKILL"),
}


@pytest.mark.parametrize("name", COMMANDS)
async def test_a_command_that_gives_nothing_is_told_in_a_sentence(
    tmp_path: Path, name: str
) -> None:
    text, said = COMMANDS[name]

    error = await refused(by_command(tmp_path, text))

    assert error.message == f"cluster c1: the command get-kubeconfig: {said}"
    assert error.hint == (
        "clusterAccess.command prints a kubeconfig: run it by hand, as the same user."
    )


@pytest.mark.parametrize(
    ("printed", "said"),
    [
        pytest.param(f"{SECRET}: [", "is no YAML, line 2", id="rubbish"),
        pytest.param("{}", "is no kubeconfig: it lists no clusters", id="no kubeconfig"),
        pytest.param(
            f"clusters: []\nusers: [{{name: a, user: {{token: {SECRET}}}}}]",
            "names no current context",
            id="no context",
        ),
    ],
)
async def test_what_a_command_prints_has_to_be_a_kubeconfig(
    tmp_path: Path, printed: str, said: str
) -> None:
    error = await refused(by_command(tmp_path, f"print({printed!r})"))

    assert error.message == f"cluster c1: what the command get-kubeconfig printed {said}"


async def test_a_command_that_is_not_there_is_told(tmp_path: Path) -> None:
    given = access(AccessKind.COMMAND, command=("no-such-program-here", "{cluster}"))

    error = await refused(apiserver.ways(tmp_path, given))

    assert error.message == (
        "cluster c1: the command no-such-program-here cannot be run: No such file or directory"
    )


async def test_a_command_that_hangs_is_ended_with_whom_it_started(tmp_path: Path) -> None:
    ways = by_command(tmp_path, f"{CHILD}\ntime.sleep(60)", timeout=0.5 * SECOND)

    error = await refused(ways)

    assert error.message == "cluster c1: the command get-kubeconfig: it did not end within 0.5 s"


async def test_who_is_cancelled_leaves_no_program(tmp_path: Path) -> None:
    ways = by_command(tmp_path, f"{CHILD}\ntime.sleep(60)")

    async with asyncio.TaskGroup() as group:
        task = group.create_task(pod(ways))
        await begun(tmp_path, 2)
        task.cancel()

    assert task.cancelled()


# --- the proxy ------------------------------------------------------------------------------


def az(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> Clusters:
    """Put an ``az`` before all others on the PATH, and return the way through it."""
    folder = tmp_path / "bin"
    folder.mkdir()
    script(folder / "az", text)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    return clusters_of(access(AccessKind.PROXY), base=tmp_path, clock=clocks.real())


def writing(url: str, *, after: str = "time.sleep(60)") -> str:
    text = yaml.safe_dump(kubeconfig(url, name="c1", token=SECRET))
    return textwrap.dedent(
        f"""
        given = dict(zip(sys.argv[3::2], sys.argv[4::2]))
        given["verb"] = sys.argv[1:3]
        json.dump(given, open(os.environ["PIDS"] + "/../given", "w"))
        file = open(given["--file"], "w")
        file.write({text[:60]!r}); file.flush()
        time.sleep(0.3)
        file.write({text[60:]!r}); file.close()
        {after}
        """
    )


async def test_the_proxy_is_begun_for_one_cluster_and_ended_with_whom_it_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with serving() as server:
        ways = az(tmp_path, monkeypatch, CHILD + writing(server.url))

        assert await pod(ways) == POD

        given = json.loads((tmp_path / "given").read_text())
        assert given.pop("--file").startswith(str(tmp_path / "temporary"))
        assert 1024 < int(given.pop("--port")) < 65536
        assert given == {
            "verb": ["connectedk8s", "proxy"],
            "--name": "c1",
            "--resource-group": "rg",
            "--subscription": "00000000-0000-4000-8000-000000000001",
        }
        assert authorization(server) == [f"Bearer {SECRET}"]
        assert len(list((tmp_path / "pids").iterdir())) == 2


async def test_there_is_one_proxy_at_a_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with serving() as server:
        lock = """
        import signal
        alone = os.environ["PIDS"] + "/../alone"
        os.mkdir(alone)
        signal.signal(signal.SIGTERM, lambda *_: (os.rmdir(alone), sys.exit()))
        """
        ways = az(tmp_path, monkeypatch, textwrap.dedent(lock) + writing(server.url))

        async with asyncio.TaskGroup() as group:
            for name in ("c1", "c2"):
                group.create_task(pod(ways, name))

        assert len(server.got) == 2


@pytest.mark.parametrize(
    ("text", "said"),
    [
        pytest.param(
            f"sys.exit('ERROR: Another instance of proxy already running; token={SECRET}')",
            "it ended with status 1: ERROR: Another instance of proxy already running; token=***",
            id="another runs",
        ),
        pytest.param("", "it ended with status 0", id="it ends"),
    ],
)
async def test_a_proxy_that_ends_is_told_in_its_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, said: str
) -> None:
    error = await refused(az(tmp_path, monkeypatch, text))

    assert error.message == f"cluster c1: az connectedk8s proxy: {said}"
    assert "There can be one on a machine." in str(error.hint)


async def test_a_proxy_that_is_never_ready_is_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(arcproxy, "START_LIMIT_S", 0.5)

    error = await refused(az(tmp_path, monkeypatch, f"{CHILD}\ntime.sleep(60)"))

    assert error.message == "cluster c1: az connectedk8s proxy: it was not ready within 0.5 s"


async def test_who_is_cancelled_leaves_no_proxy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with serving() as server:
        ways = az(tmp_path, monkeypatch, CHILD + writing(server.url))
        is_open = asyncio.Event()

        async def stay() -> None:
            async with ways.open(cluster_id()):
                is_open.set()
                await asyncio.Event().wait()

        async with asyncio.TaskGroup() as group:
            task = group.create_task(stay())
            await is_open.wait()
            task.cancel()

        assert task.cancelled()


async def test_without_the_azure_cli_there_is_no_proxy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    ways = clusters_of(access(AccessKind.PROXY), base=tmp_path, clock=clocks.real())

    error = await refused(ways)

    assert error.message == (
        "cluster c1: az connectedk8s proxy cannot be run: No such file or directory"
    )
    assert error.hint == "Is the Azure CLI on the PATH?"
