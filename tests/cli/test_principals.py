"""Several principals, from the command line: they share a run, and carry it on together."""

from __future__ import annotations

import base64
import collections
import json
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.rig import commands, serving
from tests.rig.commands import Shell, living
from tests.rig.proxying import proxying

BOTH = ("--credential", "simulator:blue", "--credential", "simulator:green")
PATIENT = commands.plan("patient").read_text()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A simulated Azure, as it describes itself."""
    process, document = serving.started(
        Shell(root=tmp_path_factory.mktemp("server")),
        *("--world", str(commands.world("lively")), "--time-scale", "300"),
        *("--clusters", "24", "--subscriptions", "4"),
    )
    yield document
    process.send(signal.SIGTERM)
    process.end().must(0)


def _plan(server: Any, number: int, root: Path) -> Path:
    subscription = server["subscriptions"][number]
    text = PATIENT.replace("tenant: true", f"subscriptions: [{subscription}]")
    return commands.written(root / "plan.yaml", text)


def _header(shell: Shell) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(shell("log", "r1", "--json").must(0).stdout.splitlines()[0])
    return found


def _principal(authorization: str) -> str:
    """Return whose a token is: each principal may have several, one after another."""
    claims = authorization.split(".")[1]
    decoded = base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4))
    return str(json.loads(decoded)["oid"])


def test_two_principals_share_a_run_and_both_stand_in_its_header(
    server: Any, tmp_path: Path
) -> None:
    plan = _plan(server, 0, tmp_path)
    with proxying(server["endpoint"]) as proxy:
        shell = Shell(root=tmp_path, extra={"FLEET_ENDPOINT": proxy.url})
        ran = shell("run", plan, "--yes", "--run-id", "r1", *BOTH).must(0)
        sent = proxy.sent(path="/Microsoft.Kubernetes")

    header = _header(shell)
    used = collections.Counter(_principal(one.headers["authorization"]) for one in sent)
    assert header["principals"] == sorted(used)
    assert len(used) == 2
    assert f"as {', '.join(header['principals'])}" in ran.stderr
    assert abs(used.total() - 2 * min(used.values())) <= 0.2 * used.total()


def test_a_run_is_carried_on_by_all_of_its_principals_or_not_at_all(
    server: Any, tmp_path: Path
) -> None:
    plan = _plan(server, 1, tmp_path)
    shell = Shell(root=tmp_path, extra={"FLEET_ENDPOINT": server["endpoint"]})
    with living(shell, "run", plan, "--yes", "--run-id", "r1", *BOTH) as process:
        process.wait_for("wave rest  opened")
        process.process.kill()
        process.process.wait()

    alone = shell("run", "--run-id", "r1", *BOTH[:2]).must(3)
    others = shell("run", "--run-id", "r1", *BOTH, "--credential", "simulator:red").must(3)
    named = shell.with_(FLEET_CREDENTIAL="simulator:green,simulator:blue")
    together = named("run", "--run-id", "r1", "--json").must(0)

    assert "began with principals" in alone.stderr
    assert "began with principals" in others.stderr
    assert set(together.json["counts"]) == {"Succeeded"}


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (("--credential", "nobody"), "no credential is called 'nobody'"),
        (("--credential", "env,simulator:"), "the credential 'simulator:' cannot be used"),
        (("--credential", "cli:alice"), "the credential 'cli:alice' cannot be used"),
    ],
)
def test_a_credential_that_is_none_is_bad_input(
    flags: tuple[str, ...], said: str, server: Any, tmp_path: Path
) -> None:
    shell = Shell(root=tmp_path, extra={"FLEET_ENDPOINT": server["endpoint"]})
    ended = shell("plan", _plan(server, 2, tmp_path), *flags).must(2)

    assert said in ended.stderr
    assert "hint: " in ended.stderr


def test_the_examination_looks_at_everybody(server: Any, tmp_path: Path) -> None:
    shell = Shell(root=tmp_path, extra={"FLEET_ENDPOINT": server["endpoint"]})
    ended = shell("doctor", _plan(server, 3, tmp_path), *BOTH, "--json").must(0)

    names = [one["name"] for one in ended.json]
    assert {one["verdict"] for one in ended.json} == {"ok"}
    for kind in ("credential", "resource graph", "permissions", "quotas"):
        found = [name for name in names if name.startswith(kind)]
        assert [name.rpartition(", ")[2] for name in found] == ["simulator:blue", "simulator:green"]
    for kind in ("endpoint", "clock", "provider", "journal"):
        assert len([name for name in names if name.startswith(kind)]) == 1
