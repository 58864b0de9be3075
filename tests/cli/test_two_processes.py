"""Two processes and one run: who holds it, who asks, who answers."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from tests.rig import commands
from tests.rig.commands import Shell, living

PIN = commands.plan("patient")
UNDER_WAY = "wave rest  opened"


def _events(shell: Shell, *kinds: str, run: str = "r1") -> list[dict[str, Any]]:
    lines = shell("log", run, "--json").must(0).stdout.splitlines()
    return [one for one in map(json.loads, lines) if one["kind"] in kinds]


@pytest.mark.parametrize("turn", range(3))
def test_of_two_that_begin_one_run_one_does_and_the_other_names_it(
    lively: Shell, turn: int
) -> None:
    with (
        living(lively, "run", PIN, "--yes", "--run-id", "r1") as one,
        living(lively, "run", PIN, "--yes", "--run-id", "r1") as other,
    ):
        both = [one.end(), other.end()]

    winner, loser = sorted(both, key=lambda ended: ended.status)
    winner.must(0)
    loser.must(3)
    assert "run r1 is held by" in loser.stderr or "is being made by" in loser.stderr
    assert len(_events(lively, "run.created", "run.taken")) == 2
    lively("verify", "r1").must(0)


def test_of_two_that_take_a_run_over_one_does_and_the_other_names_it(lively: Shell) -> None:
    with living(lively, "run", PIN, "--yes", "--run-id", "r1") as first:
        first.wait_for(UNDER_WAY)
        first.process.kill()
        first.process.wait()
    with (
        living(lively, "run", "--run-id", "r1") as one,
        living(lively, "run", "--run-id", "r1") as other,
    ):
        both = [one.end(), other.end()]
        pids = {str(one.pid), str(other.pid)}

    winner, loser = sorted(both, key=lambda ended: ended.status)
    winner.must(0)
    loser.must(3)
    (holder,) = {pid for pid in pids if f"(pid {pid})" in loser.stderr}
    assert len(_events(lively, "run.taken")) == 2
    assert str(_events(lively, "run.taken")[-1]["actor"]["pid"]) == holder


def test_a_second_runner_is_refused_and_told_who_holds_the_run(lively: Shell) -> None:
    with living(lively, "run", PIN, "--yes", "--run-id", "r1") as runner:
        runner.wait_for(UNDER_WAY)
        second = lively("run", "--run-id", "r1").must(3)
        listed = lively("runs", "--json").must(0).json
        runner.end().must(0)

    assert f"(pid {runner.pid})" in second.stderr
    assert "fleet watch r1" in second.stderr
    assert listed[0]["runner"]["pid"] == runner.pid


def test_pause_and_resume_from_another_process_are_answered_by_the_runner(lively: Shell) -> None:
    with living(lively, "run", PIN, "--yes", "--run-id", "r1", "--json") as runner:
        runner.wait_for(UNDER_WAY)
        paused = lively("pause", "r1", "--reason", "lunch", "--request-id", "p1").must(0)
        again = lively("pause", "r1", "--reason", "dinner", "--request-id", "p1").must(0)
        runner.wait_for("run paused")
        status = lively("status", "r1", "--json").must(0).json
        lively("pause", "r1").must(0)
        lively("resume", "r1", "--request-id", "p2").must(0)
        lively("resume", "r1", "--request-id", "p2").must(0)
        ended = runner.end().must(0)

    assert "lunch" in paused.stderr
    assert "lunch" in again.stderr
    assert (status["status"], status["runner"]["pid"]) == ("Paused", runner.pid)
    assert "lunch" in status["reasons"][0]
    assert ended.json["counts"] == {"Succeeded": 12}
    asked = _events(lively, "run.pausing", "run.resumed", "run.requestRefused")
    assert [(one["kind"], one["requestId"]) for one in asked if one["requestId"][0] == "p"] == [
        ("run.pausing", "p1"),
        ("run.resumed", "p2"),
    ]
    assert {one["epoch"] for one in asked} == {1}  # all of it was written by the one runner


def test_stop_from_another_process_ends_the_run(lively: Shell) -> None:
    with living(lively, "run", PIN, "--yes", "--run-id", "r1") as runner:
        runner.wait_for(UNDER_WAY)
        with living(lively, "watch", "r1") as watcher:
            lively("stop", "r1", "--reason", "wrong version").must(0)
            runner.end().must(7)
            watched = watcher.end().must(7)

    assert "wrong version" in watched.stderr
    assert watched.stdout == ""
    lively("stop", "r1").must(0)
    lively("pause", "r1").must(3)


def test_without_a_runner_a_request_is_written_down_by_who_asks(lively: Shell) -> None:
    with living(lively, "run", PIN, "--yes", "--run-id", "r1") as runner:
        runner.wait_for(UNDER_WAY)
        runner.process.kill()
        runner.process.wait()

    first = lively("pause", "r1", "--request-id", "p1").must(0)
    again = lively("pause", "r1", "--request-id", "p1").must(0)
    other = lively("pause", "r1", "--request-id", "p2").must(0)

    assert "no runner is alive" in first.stderr
    assert "no runner is alive" in again.stderr
    assert "already" in other.stderr
    assert len(_events(lively, "run.pausing")) == 1
    lively("run", "--run-id", "r1", "--no-wait").must(6)
    lively("resume", "r1").must(0)
    lively("run", "--run-id", "r1").must(0)
    lively("verify", "r1").must(0)


def test_one_request_id_is_not_taken_for_two_wishes(shell: Shell) -> None:
    bad = "overrides: [{cluster: store-0003-a, faults: {operationFails: 100}}]\n"
    world = commands.written(shell.root / "world.yaml", commands.world("calm").read_text() + bad)
    careful = commands.written(
        shell.root / "careful.yaml", PIN.read_text().replace("100%", "0\n    onBreach: pause")
    )
    shell("run", careful, "--yes", "--run-id", "r1", "--world", world).must(6)
    told = shell.with_(FLEET_REQUEST_ID="p1")
    told("resume", "r1").must(0)

    ended = told("stop", "r1").must(2)

    assert "was used before, to resume" in ended.stderr


def test_a_watcher_says_when_nobody_carries_the_run_on(lively: Shell) -> None:
    with living(lively, "run", PIN, "--yes", "--run-id", "r1") as runner:
        runner.wait_for(UNDER_WAY)
        with living(lively, "watch", "r1") as watcher:
            watcher.wait_for(UNDER_WAY)
            runner.process.kill()
            runner.process.wait()
            watcher.wait_for("no runner is alive")
            lively("run", "--run-id", "r1").must(0)
            watcher.end().must(0)


def test_a_run_whose_making_was_cut_short_can_be_begun_again(shell: Shell) -> None:
    script = (
        "import os, signal\n"
        "from fleet.engine import opening\n"
        "async def begin(*_, **__): os.kill(os.getpid(), signal.SIGKILL)\n"
        "opening.begin = begin\n"
        "from fleet.cli.app import main\n"
        "main()\n"
    )
    shell("run", PIN, "--yes", "--run-id", "r1", entry=("-c", script)).must(-9)
    assert shell("runs", "--json").must(0).json[0]["status"] == "Empty"
    shell("run", "--run-id", "r1").must(2)

    shell("run", PIN, "--yes", "--run-id", "r1").must(0)

    shell("verify", "r1").must(0)


def test_steering_waits_for_a_runner_that_is_slow_to_start_or_gone_while_it_asked(
    lively: Shell,
) -> None:
    """The runner dies after it was asked and before it answered: the one that asked answers."""
    with living(lively, "run", PIN, "--yes", "--run-id", "r1") as runner:
        runner.wait_for(UNDER_WAY)
        commands.freeze(lively, runner)
        with living(lively, "pause", "r1", "--request-id", "p1") as asking:
            time.sleep(1.5)  # long enough to have asked the runner that does not move
            runner.process.kill()
            runner.process.wait()
            ended = asking.end().must(0)

    assert "no runner is alive" in ended.stderr
    assert len(_events(lively, "run.pausing", "run.requestRefused")) == 1
    lively("resume", "r1").must(0)
    lively("run", "--run-id", "r1").must(0)
