"""0, 1, 2, 3, 5, 6, 7, 10 and 70: each as a job would meet it. 2 has files of its own."""

from __future__ import annotations

import socket

import pytest

from tests.rig import commands
from tests.rig.commands import Shell

PIN = commands.plan("pin")

PLANTED = """
from fleet.cli.app import main
from fleet.sim.ports import SimulatedAzure

real = SimulatedAzure.write

async def write(self, ref, what, ids):
    if ref.cluster_id.endswith("store-0003-a"):
        raise ZeroDivisionError("planted")
    return await real(self, ref, what, ids)

SimulatedAzure.write = write
main()
"""
"""A bug that hits one target."""


def _world(shell: Shell, *lines: str) -> Shell:
    text = commands.world("calm").read_text() + "\n".join(lines) + "\n"
    world = commands.written(shell.root / "world.yaml", text)
    return Shell(root=shell.root, world=world)


def test_0_when_all_targets_are_as_planned_and_again_when_nothing_is_left_to_do(
    shell: Shell,
) -> None:
    first = shell("run", PIN, "--yes", "--run-id", "r1").must(0)
    again = shell("run", PIN, "--yes", "--run-id", "r2").must(0)

    assert "every target is as planned" in first.stdout
    assert "No changes" in again.stderr
    assert shell("runs", "-o", "name").must(0).stdout == "r1\n"


def test_1_when_some_targets_failed_and_when_the_budget_broke(shell: Shell) -> None:
    bad = _world(shell, "overrides:", "  - {cluster: store-0003-a, faults: {operationFails: 100}}")

    some = bad("run", PIN, "--yes", "--json").must(1).json

    assert (some["status"], some["counts"]["Failed"]) == ("SucceededWithFailures", 1)
    strict = commands.written(
        shell.root / "strict.yaml",
        PIN.read_text().replace("100%", "0").replace("version: 1.2.6", "autoUpgrade: compatible"),
    )
    broken = bad("run", strict, "--yes", "--json").must(1).json
    assert broken["status"] == "Failed"
    assert "budget" in broken["reasons"][0]


def test_3_when_nobody_can_be_asked_and_nothing_was_begun(shell: Shell) -> None:
    ended = shell("run", PIN).must(3)

    assert "--yes" in ended.stderr
    assert ended.stdout == ""
    assert shell("runs", "-o", "name").must(0).stdout == ""


def test_3_when_every_cluster_is_blocked(shell: Shell) -> None:
    blocked = _world(shell, "kubernetesVersions: {1.31.4: 1}")
    text = (shell.root / "world.yaml").read_text().replace("rancher_rke: 3, aks: 1", "kind: 1")
    (shell.root / "world.yaml").write_text(text)

    ended = blocked("run", PIN, "--yes").must(3)

    assert "12 of 12 clusters are blocked" in ended.stderr


def test_3_when_a_finished_run_is_steered_and_its_journal_stays_as_it_is(shell: Shell) -> None:
    shell("run", PIN, "--yes", "--run-id", "r1").must(0)
    before = shell("verify", "r1", "--json").must(0).stdout

    for command in ("pause", "resume", "stop"):
        ended = shell(command, "r1").must(3)
        assert "Succeeded" in ended.stderr

    assert shell("verify", "r1", "--json").must(0).stdout == before


def test_4_when_nothing_answers_where_azure_should_be(shell: Shell) -> None:
    nowhere = Shell(root=shell.root)
    # Bound, and nobody listens: a port that is free would soon be somebody else's.
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        ended = nowhere("plan", PIN, "--endpoint", url).must(4)

    assert "F330" in ended.stderr
    assert "nothing was sent" in ended.stderr
    assert "hint: Check the endpoint" in ended.stderr
    assert ended.stdout == ""


def test_6_while_paused_and_7_once_stopped(shell: Shell) -> None:
    failing = _world(
        shell, "overrides:", "  - {cluster: store-0003-a, faults: {operationFails: 100}}"
    )
    text = PIN.read_text().replace("100%", "0\n    onBreach: pause")
    careful = commands.written(shell.root / "careful.yaml", text)

    paused = failing("run", careful, "--yes", "--run-id", "r1").must(6)

    assert "fleet resume r1" in paused.stderr
    again = failing("run", "--run-id", "r1").must(6)
    assert "fleet resume r1" in again.stderr
    failing("stop", "r1", "--reason", "enough").must(0)
    assert "enough" in failing("run", "--run-id", "r1").must(7).stdout
    assert "Stopped already" in failing("stop", "r1").must(0).stderr
    failing("watch", "r1").must(7)


def test_70_for_a_bug_that_hits_one_target_while_the_others_finish(shell: Shell) -> None:
    ended = shell("run", PIN, "--yes", "--run-id", "r1", "--json", entry=("-c", PLANTED))

    assert ended.status == 70
    assert "a bug in fleet hit store-0003-a: ZeroDivisionError: planted" in ended.stderr
    assert ended.json["status"] == "Paused"
    assert ended.json["counts"]["Unknown"] == 1
    assert ended.json["counts"]["Succeeded"] >= 2
    assert "InProgress" not in ended.json["counts"]

    # Not mended yet: it is not tried again behind anybody's back.
    shell("run", "--run-id", "r1").must(70)
    shell("resume", "r1", "--reason", "mended").must(0)
    mended = shell("run", "--run-id", "r1", "--json").must(0)
    assert mended.json["counts"] == {"Succeeded": 12}
    shell("verify", "r1").must(0)


def test_70_for_a_bug_of_the_command_itself_with_what_to_report(shell: Shell) -> None:
    script = (
        "from fleet.cli import app, planning\n"
        "from fleet.core import selection\n"
        "selection.selected = lambda *_: 1 / 0\n"
        "app.main()\n"
    )

    ended = shell("discover", PIN, entry=("-c", script))

    assert (ended.status, ended.stdout) == (70, "")
    assert "ZeroDivisionError" in ended.stderr
    assert "Please report it" in ended.stderr


@pytest.mark.parametrize("command", ["status", "log", "verify", "watch"])
def test_looking_at_a_finished_run_works_without_its_world(shell: Shell, command: str) -> None:
    own = _world(shell)
    own("run", PIN, "--yes", "--run-id", "r1").must(0)
    (shell.root / "world.yaml").unlink()

    Shell(root=shell.root)(command, "r1").must(0)
