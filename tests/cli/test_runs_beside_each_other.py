"""Several runs on one fleet, each a process: side by side, one after the other, in each other's way."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import Any

import pytest

from fleet.journal import locks
from tests.rig import commands
from tests.rig.commands import Living, Shell, living

PIN = commands.plan("patient")
UNDER_WAY = "wave rest  opened"
WAITS = "waiting for run r1"


def narrowed(shell: Shell, distribution: str) -> Path:
    """The patient plan, for the clusters of one distribution."""
    text = PIN.read_text().replace(
        "{tenant: true}", f"{{tenant: true, match: {{distributions: [{distribution}]}}}}"
    )
    return commands.written(shell.root / f"{distribution}.yaml", text)


def resized(shell: Shell) -> Path:
    """The patient plan with a setting more: something to change after it, on every cluster."""
    setting = "settings: {osm.osm.osmController.resource.limits.cpu: 2000m}"
    text = PIN.read_text().replace("version: 1.2.6}", f"version: 1.2.6, {setting}}}")
    return commands.written(shell.root / "resized.yaml", text)


def names(shell: Shell) -> set[str]:
    return set(shell("runs", "-o", "name").must(0).stdout.split())


def listed(shell: Shell) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = shell("locks", "list", "--json").must(0).json
    return found


def events(shell: Shell, run: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in shell("log", run, "--json").must(0).stdout.splitlines()]


def kill(runner: Living) -> None:
    runner.process.kill()
    runner.process.wait()


def test_runs_of_disjoint_targets_run_side_by_side_and_are_steered_apart(lively: Shell) -> None:
    with (
        living(lively, "run", narrowed(lively, "aks"), "--yes", "--run-id", "r1") as one,
        living(lively, "run", narrowed(lively, "rancher_rke"), "--yes", "--run-id", "r2") as other,
    ):
        one.wait_for("wave canary  opened")
        other.wait_for(UNDER_WAY)
        lively("pause", "r1").must(0)
        held = listed(lively)
        other.end().must(0)
        status = lively("status", "r1", "--json").must(0).json["status"]
        lively("resume", "r1").must(0)
        one.end().must(0)

    assert [(one["runId"], one["isAlive"]) for one in held] == [("r1", True), ("r2", True)]
    assert sum(one["locks"] for one in held) == 12
    assert status == "Paused"
    assert listed(lively) == []
    for run in ("r1", "r2"):
        lively("verify", run).must(0)


def test_a_run_that_would_change_the_same_clusters_is_refused_and_makes_nothing(
    lively: Shell,
) -> None:
    with living(lively, "run", PIN, "--yes", "--run-id", "r1") as runner:
        runner.wait_for(UNDER_WAY)
        refused = lively("run", resized(lively), "--yes", "--run-id", "r2").must(3)
        assert names(lively) == {"r1"}
        runner.end().must(0)

    assert "run r2 would change 12 clusters (store-" in refused.stderr
    assert "and 9 more), which run r1 is changing" in refused.stderr
    assert f"pid {runner.pid})" in refused.stderr
    assert "--queue" in refused.stderr
    lively("run", resized(lively), "--yes", "--run-id", "r2").must(0)


def test_a_queued_run_plans_and_starts_when_the_other_has_ended(lively: Shell) -> None:
    """A plan from before the wait would take the other run's changes for drift."""
    plan = resized(lively)
    with living(lively, "run", PIN, "--yes", "--run-id", "r1") as runner:
        runner.wait_for(UNDER_WAY)
        with living(lively, "run", plan, "--yes", "--run-id", "r2", "--queue", "--json") as second:
            second.wait_for(WAITS)
            assert names(lively) == {"r1"}
            runner.end().must(0)
            ended = second.end().must(0)

    assert f"pid {runner.pid}), for 12 of its clusters; Ctrl-C leaves" in ended.stderr
    assert ended.stderr.count(WAITS) == 1
    assert ended.json["counts"] == {"Succeeded": 12}
    assert events(lively, "r2")[0]["at"] > events(lively, "r1")[-1]["at"]


def test_of_two_that_wait_for_one_run_each_gets_its_turn(lively: Shell) -> None:
    plan = resized(lively)
    with (
        living(lively, "run", PIN, "--yes", "--run-id", "r1") as runner,
        living(lively, "run", plan, "--yes", "--run-id", "r2", "--after", "r1", "--queue"),
    ):
        runner.wait_for(UNDER_WAY)
        both = [
            lively.start("run", plan, "--yes", "--run-id", run, "--queue") for run in ("r3", "r4")
        ]
        ended = [one.end().must(0) for one in both]
        runner.end().must(0)

    assert sum("No changes" in one.stderr for one in ended) >= 1
    assert listed(lively) == []


def test_who_waits_leaves_at_ctrl_c_or_when_it_took_too_long(lively: Shell) -> None:
    plan = resized(lively)
    with living(lively, "run", PIN, "--yes", "--run-id", "r1") as runner:
        runner.wait_for(UNDER_WAY)
        queued = ("run", plan, "--yes", "--run-id", "r2", "--queue")
        with living(lively, *queued) as second:
            second.wait_for(WAITS)
            second.send(signal.SIGINT)
            second.end().must(130)
        late = lively(*queued, "--queue-timeout", "0.2").must(3)
        assert names(lively) == {"r1"}
        kill(runner)

    assert "waited 0.2 s for run r1" in late.stderr
    assert lively("run", plan, "--yes", "--queue-timeout", "5").must(2).stderr


def test_what_a_killed_run_held_is_free_once_its_lease_is_over(lively: Shell) -> None:
    """Fifteen minutes of this fleet take five seconds."""
    plan = resized(lively)
    with living(lively, "run", PIN, "--yes", "--run-id", "r1") as runner:
        runner.wait_for(UNDER_WAY)
        kill(runner)
    refused = lively("run", plan, "--yes", "--run-id", "r2").must(3)
    (held,) = listed(lively)
    with living(lively, "run", plan, "--yes", "--run-id", "r2", "--queue") as second:
        second.wait_for("waiting for run r1")
        second.wait_for(UNDER_WAY)
        late = lively("run", "--run-id", "r1").must(3)
        ended = second.end().must(0)

    assert "not running, locked until 20" in refused.stderr
    assert "fleet locks release r1 --reason" in refused.stderr
    assert (held["isAlive"], held["isOver"], held["locks"]) == (False, False, 12)
    assert "were locked by run r1, which nobody carries on" in ended.stderr
    assert "which run r2 is changing" in late.stderr
    lively("run", "--run-id", "r1", "--yes")
    lively("verify", "r1").must(0)
    assert lively("status", "r1", "--json").must(0).json["status"] in ("Succeeded", "Failed")


def test_a_takeover_takes_the_locks_again_and_needs_no_lease_to_end(lively: Shell) -> None:
    with living(lively, "run", PIN, "--yes", "--run-id", "r1") as runner:
        runner.wait_for(UNDER_WAY)
        kill(runner)
    with living(lively, "run", "--run-id", "r1") as again:
        again.wait_for("succeeded")
        (held,) = listed(lively)
        again.end().must(0)

    assert held["holder"]["pid"] == again.pid
    assert listed(lively) == []


def test_locks_are_released_by_force_from_the_dead_only_and_for_a_reason(lively: Shell) -> None:
    with living(lively, "run", PIN, "--yes", "--run-id", "r1") as runner:
        runner.wait_for(UNDER_WAY)
        alive = lively("locks", "release", "r1", "--reason", "in my way").must(3)
        kill(runner)
    lively("locks", "release", "r1").must(2)
    shown = lively("locks", "show", "r1", "--json").must(0).json
    released = lively("locks", "release", "r1", "--reason", "its host burnt").must(0)
    again = lively("locks", "release", "r1", "--reason", "its host burnt").must(0)

    assert f"(pid {runner.pid})" in alive.stderr
    assert len(shown) == 12
    assert f"(pid {runner.pid}) held them" in released.stderr
    assert "run r1 holds no locks" in again.stderr
    (noted,) = lively("locks", "releases", "--json").must(0).json
    assert (noted["runId"], noted["reason"]) == ("r1", "its host burnt")
    assert noted["holder"]["pid"] == runner.pid
    assert "its host burnt" in lively("locks", "releases").must(0).stdout
    lively("run", resized(lively), "--yes", "--run-id", "r2").must(0)


def test_a_runner_whose_locks_are_gone_starts_nothing_more(lively: Shell) -> None:
    """As where somebody deleted the file of locks."""
    with living(lively, "run", PIN, "--yes", "--run-id", "r1") as runner:
        runner.wait_for("run r1")
        with locks.opened(lively.state_dir) as held:
            held.finish("r1")
        ended = runner.end().must(3)

    assert "run r1 does not hold its locks any more" in ended.stderr
    assert "fleet run --run-id r1" in ended.stderr
    counts = lively("status", "r1", "--json").must(0).json["counts"]
    assert counts["Pending"]
    lively("run", "--run-id", "r1").must(0)


def test_a_paused_run_that_nobody_carries_on_keeps_its_locks_until_it_is_stopped(
    shell: Shell,
) -> None:
    bad = "overrides: [{cluster: store-0003-a, faults: {operationFails: 100}}]\n"
    world = commands.written(shell.root / "world.yaml", commands.world("calm").read_text() + bad)
    there = shell.with_(FLEET_WORLD=world)
    careful = PIN.read_text().replace("100%", "0\n    onBreach: pause")
    there(
        "run", commands.written(shell.root / "careful.yaml", careful), "--yes", "--run-id", "r1"
    ).must(6)

    refused = there("run", resized(shell), "--yes", "--run-id", "r2", "--queue").must(3)
    there("stop", "r1").must(0)

    assert "time does not wait for other processes" in refused.stderr
    assert listed(there) == []
    there("run", resized(shell), "--yes", "--run-id", "r2").must(1)


def test_what_a_timed_out_target_still_does_stays_locked_when_its_run_has_ended(
    shell: Shell,
) -> None:
    stuck = "overrides: [{cluster: store-0003-a, faults: {operationStuck: 100}}]\n"
    world = commands.written(shell.root / "world.yaml", commands.world("calm").read_text() + stuck)
    there = shell.with_(FLEET_WORLD=world)
    hasty = PIN.read_text().replace("progressDeadline: 2d", "progressDeadline: 30m")
    there(
        "run", commands.written(shell.root / "hasty.yaml", hasty), "--yes", "--run-id", "r1"
    ).must(1)

    (held,) = listed(there)
    refused = there("run", resized(shell), "--yes", "--run-id", "r2").must(3)

    assert (held["runId"], held["locks"], held["isAlive"]) == ("r1", 1, False)
    assert "would change 1 cluster (store-0003-a), which run r1 is changing" in refused.stderr


# --- runs that follow others -------------------------------------------------------------


def test_a_run_comes_after_another_where_it_waits(lively: Shell) -> None:
    plan = resized(lively)
    with living(lively, "run", PIN, "--yes", "--run-id", "r1") as runner:
        runner.wait_for(UNDER_WAY)
        after = ("run", plan, "--yes", "--run-id", "r2", "--after", "r1")
        refused = lively(*after).must(3)
        with living(lively, *after, "--queue", "--json") as second:
            second.wait_for("waiting for run r1 to end")
            runner.end().must(0)
            ended = second.end().must(0)

    assert "waits for run r1 to end" in refused.stderr
    assert ended.json["counts"] == {"Succeeded": 12}
    lively("run", plan, "--yes", "--run-id", "r3", "--after", "r1", "--after", "r2").must(0)


@pytest.mark.parametrize("flags", [(), ("--queue",)], ids=["at once", "queued"])
def test_a_run_never_comes_after_one_that_ended_badly(lively: Shell, flags: tuple[str]) -> None:
    with living(lively, "run", PIN, "--yes", "--run-id", "r1") as runner:
        runner.wait_for(UNDER_WAY)
        lively("stop", "r1").must(0)
        runner.end().must(7)

    refused = lively("run", PIN, "--yes", "--run-id", "r2", "--after", "r1", *flags).must(3)

    assert "come after run r1, which ended as Stopped" in refused.stderr
    assert names(lively) == {"r1"}


def test_a_run_may_come_after_one_whose_failures_its_plan_allowed(shell: Shell) -> None:
    bad = "overrides: [{cluster: store-0003-a, faults: {operationFails: 100}}]\n"
    world = commands.written(shell.root / "world.yaml", commands.world("calm").read_text() + bad)
    shell("run", PIN, "--yes", "--run-id", "r1", "--world", world).must(1)

    shell("run", resized(shell), "--yes", "--world", world, "--after", "r1").must(1)


def test_what_nobody_can_come_after_is_bad_input(shell: Shell) -> None:
    unknown = shell("run", PIN, "--yes", "--after", "nobody").must(2)
    itself = shell("run", PIN, "--yes", "--run-id", "r1", "--after", "r1").must(2)

    assert "there is no run nobody" in unknown.stderr
    assert "cannot come after itself" in itself.stderr
    assert names(shell) == set()
