"""Ctrl-C, a job that is told to end, a terminal that goes away: real processes, real time."""

from __future__ import annotations

import signal

import pytest

from tests.rig import commands
from tests.rig.commands import Shell, living

PIN = commands.plan("patient")


UNDER_WAY = "wave rest  opened"


def test_ctrl_c_once_pauses_and_what_is_in_flight_finishes(lively: Shell) -> None:
    with living(lively, "run", PIN, "--yes", "--run-id", "r1", "--json") as process:
        process.wait_for(UNDER_WAY)
        process.send(signal.SIGINT)
        ended = process.end().must(6)

    assert ended.json["status"] == "Paused"
    assert "InProgress" not in ended.json["counts"]
    assert ended.json["counts"]["Pending"] > 0
    assert "Ctrl-C" in ended.stderr
    assert "fleet resume r1, then fleet run --run-id r1" in ended.stderr

    lively("run", "--run-id", "r1", "--no-wait").must(6)
    lively("resume", "r1").must(0)
    assert lively("run", "--run-id", "r1", "--json").must(0).json["counts"] == {"Succeeded": 12}
    lively("verify", "r1").must(0)


def test_ctrl_c_twice_stops_for_good(lively: Shell) -> None:
    with living(lively, "run", PIN, "--yes", "--run-id", "r1", "--json") as process:
        process.wait_for(UNDER_WAY)
        process.send(signal.SIGINT)
        process.wait_for("pausing by")
        process.send(signal.SIGINT)
        ended = process.end().must(7)

    assert ended.json["status"] == "Stopped"
    assert "InProgress" not in ended.json["counts"]
    assert lively("run", "--run-id", "r1").must(7).stdout.startswith("r1 (patient): Stopped")


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGHUP])
def test_a_runner_that_is_told_to_end_leaves_the_run_to_the_next_one(
    lively: Shell, signum: signal.Signals
) -> None:
    with living(lively, "run", PIN, "--yes", "--run-id", "r1", "--json") as process:
        process.wait_for(UNDER_WAY)
        process.send(signum)
        ended = process.end(limit_s=15).must(6)

    assert ended.json["status"] == "Running"
    assert "fleet run --run-id r1" in ended.stderr
    taken = lively("run", "--run-id", "r1", "--json").must(0)
    assert taken.json["counts"] == {"Succeeded": 12}
    assert lively("verify", "r1", "--json").must(0).json["isComplete"]


def _ignore_hangups() -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)


def test_nohup_is_respected(lively: Shell) -> None:
    with living(lively, "run", PIN, "--yes", "--run-id", "r1", before=_ignore_hangups) as process:
        process.wait_for(UNDER_WAY)
        process.send(signal.SIGHUP)
        process.end().must(0)


def test_ctrl_c_ends_a_watcher_and_nothing_else(lively: Shell) -> None:
    with living(lively, "run", PIN, "--yes", "--run-id", "r1") as process:
        process.wait_for(UNDER_WAY)
        with living(lively, "watch", "r1") as watcher:
            watcher.wait_for(UNDER_WAY)
            watcher.send(signal.SIGINT)
            watcher.end().must(130)
        process.end().must(0)
