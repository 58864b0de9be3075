"""Runs that wait for people, each by their own name to Azure: who may, who may not, and who did."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.rig import commands, serving
from tests.rig.commands import Shell, living
from tests.rig.proxying import proxying

ADA, BO, CY = (f"simulator:{name}@contoso.example" for name in ("ada", "bo", "cy"))
AGREED = commands.plan("agreed").read_text()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A simulated Azure, as it describes itself."""
    process, document = serving.started(
        Shell(root=tmp_path_factory.mktemp("server")),
        *("--world", str(commands.world("lively")), "--time-scale", "300"),
        *("--clusters", "12", "--subscriptions", "2"),
    )
    yield document
    process.send(signal.SIGTERM)
    process.end().must(0)


def _site(server: Any, number: int, root: Path) -> tuple[Shell, Path]:
    text = AGREED.replace("tenant: true", f"subscriptions: [{server['subscriptions'][number]}]")
    plan = commands.written(root / "plan.yaml", text)
    return Shell(root=root, extra={"FLEET_ENDPOINT": server["endpoint"]}), plan


def test_a_run_goes_on_when_those_who_may_have_said_so_and_nobody_else(
    server: Any, tmp_path: Path
) -> None:
    shell, plan = _site(server, 0, tmp_path)
    with living(shell, "run", plan, "--yes", "--run-id", "r1", "--credential", ADA) as runner:
        runner.wait_for("outside of the change windows of freeze")
        override = ("override", "r1", "--window", "freeze", "--reason", "a fix", "--credential")
        stranger, named = shell.many((*override, BO), (*override, ADA))

        runner.wait_for("2 approvals are needed before it")
        approve = ("approve", "r1", "--yes", "--credential")
        author, first, second = shell.many(
            (*approve, ADA), (*approve, BO, "--comment", "seen", "--json"), (*approve, CY)
        )
        ended = runner.end().must(0)

    assert "may not override freeze; these may: ada@contoso.example" in stranger.must(3).stderr
    assert "you are ada@contoso.example (Azure; " in named.must(0).stderr
    assert "ada@contoso.example began the run" in author.must(3).stderr
    _is_ready(first.must(0).json)
    assert "approved (before) by cy@contoso.example (Azure; " in second.must(0).stderr
    assert "Succeeded: 6 Succeeded" in ended.stdout
    assert _who(shell) == [
        ("run.created", "ada@contoso.example"),
        ("run.started", "ada@contoso.example"),
        ("run.taken", "ada@contoso.example"),
        ("window.overridden", "ada@contoso.example"),
        ("approval.given", "bo@contoso.example"),
        ("approval.given", "cy@contoso.example"),
    ]


def _who(shell: Shell) -> list[tuple[str, str]]:
    """Whoever did something, by what Azure calls them. Who may not was told without the journal."""
    lines = shell("log", "r1", "--json").must(0).stdout.splitlines()
    found = [one for one in map(json.loads, lines) if "actor" in one]
    return [(one["kind"], one["actor"].get("identity", "")) for one in found]


def _is_ready(document: dict[str, Any]) -> None:
    """What the first approver was shown, as JSON."""
    ready = document["readiness"]
    assert [one["given"] for one in document["needs"]] == [[]]
    assert (document["wave"], document["when"], document["isGiven"]) == ("rest", "before", True)
    assert document["approver"]["called"] == "bo@contoso.example"
    assert (ready["connectedCount"], ready["targetCount"], ready["missing"]) == (5, 5, [])
    assert sum(one["targetCount"] for one in ready["offers"]) == 5
    assert {(one["version"], one["isOffered"]) for one in ready["offers"]} == {("1.2.6", True)}
    (need,) = document["needs"]
    assert (need["quorum"], need["lacking"], need["barred"]) == (2, 2, None)


def test_who_hides_from_azure_is_nobody_else(server: Any, tmp_path: Path) -> None:
    """The author, unnamed: the operating system's user is the same, and so is the person."""
    shell, plan = _site(server, 1, tmp_path)
    commands.written(plan, plan.read_text().replace("2026-03-02", "2026-01-02"))
    with (
        proxying(server["endpoint"]) as proxy,
        living(
            shell.with_(FLEET_ENDPOINT=proxy.url),
            *("run", plan, "--yes", "--run-id", "r1", "--credential", ADA),
        ) as runner,
    ):
        runner.wait_for("2 approvals are needed before it")

    other = ("--endpoint", server["endpoint"], "--credential", BO)
    nowhere, elsewhere = Shell(root=tmp_path).many(
        ("approve", "r1", "--yes"), ("approve", "r1", "--yes", *other)
    )

    assert "(OS user): " in nowhere.must(3).stderr
    assert "clusters connected now: not known: " in nowhere.stderr
    assert "versions offered now: not known: " in nowhere.stderr
    assert "began the run: somebody else has to agree" in nowhere.stderr
    assert f"run r1 began at {proxy.url}, not at {server['endpoint']}" in elsewhere.must(3).stderr
