"""Several runs on one fleet, each a process: side by side, or in each other's way."""

from __future__ import annotations

import contextlib
import json
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

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


@contextlib.contextmanager
def frozen(shell: Shell, plan: Path = PIN) -> Iterator[Living]:
    """A runner of r1 that stands still while it holds the run: what is tested need not be quick."""
    with living(shell, "run", plan, "--yes", "--run-id", "r1") as runner:
        runner.wait_for(UNDER_WAY)
        commands.freeze(shell, runner)
        yield runner


def test_runs_of_disjoint_targets_run_side_by_side_and_are_steered_apart(lively: Shell) -> None:
    slow = narrowed(lively, "rancher_rke")
    slow.write_text(slow.read_text().replace("canary, size: 1", "canary, size: 1, soakTime: 2d"))
    with living(lively, "run", slow, "--yes", "--run-id", "r1") as one:
        one.wait_for("wave canary  opened")
        with living(lively, "run", narrowed(lively, "aks"), "--yes", "--run-id", "r2") as other:
            other.wait_for("run r2")
            paused, held = lively.many(("pause", "r1"), ("locks", "list", "--json"))
            other.end().must(0)
        status, _, left = lively.many(
            ("status", "r1", "--json"), ("stop", "r1"), ("locks", "list", "--json")
        )
        one.end().must(7)

    paused.must(0)
    assert held.json[0]["runId"] == "r1"
    assert held.json[0]["isAlive"]
    assert 0 < held.json[0]["locks"] < 12
    assert status.json["status"] == "Paused"
    assert {one["runId"] for one in left.json} <= {"r1"}
    assert listed(lively) == []


def test_a_run_that_would_change_the_same_clusters_is_refused_and_makes_nothing(
    lively: Shell,
) -> None:
    with frozen(lively) as runner:
        refused = lively("run", resized(lively), "--yes", "--run-id", "r2").must(3)
        assert names(lively) == {"r1"}
        runner.send(signal.SIGCONT)
        runner.end().must(0)

    assert "run r2 would change 12 clusters (store-" in refused.stderr
    assert "and 9 more), which run r1 is changing" in refused.stderr
    assert f"pid {runner.pid})" in refused.stderr
    assert "--queue" in refused.stderr
    assert listed(lively) == []


def test_a_queued_run_plans_and_starts_when_the_other_has_ended(lively: Shell) -> None:
    """A plan from before the wait would take the other run's changes for drift."""
    queued = ("run", resized(lively), "--yes", "--run-id", "r2", "--queue", "--json")
    with frozen(lively) as runner, living(lively, *queued) as second:
        second.wait_for(WAITS)
        assert names(lively) == {"r1"}
        runner.send(signal.SIGCONT)
        runner.end().must(0)
        ended = second.end().must(0)

    assert f"pid {runner.pid}), for 12 of its clusters; Ctrl-C leaves" in ended.stderr
    assert ended.stderr.count(WAITS) == 1
    assert ended.json["counts"] == {"Succeeded": 12}
    assert events(lively, "r2")[0]["at"] > events(lively, "r1")[-1]["at"]


def test_of_two_that_wait_for_one_run_each_gets_its_turn(lively: Shell) -> None:
    plan = resized(lively)
    with (
        frozen(lively) as runner,
        living(lively, "run", plan, "--yes", "--run-id", "r2", "--queue") as one,
        living(lively, "run", plan, "--yes", "--run-id", "r3", "--queue") as other,
    ):
        for waiting in (one, other):
            waiting.wait_for(WAITS)
        runner.send(signal.SIGCONT)
        ended = [waiting.end().must(0) for waiting in (one, other)]

    assert sum("No changes" in waiting.stderr for waiting in ended) == 1
    assert listed(lively) == []


def test_who_waits_leaves_at_ctrl_c_or_when_it_took_too_long(lively: Shell) -> None:
    queued = ("run", resized(lively), "--yes", "--run-id", "r2", "--queue")
    with frozen(lively), living(lively, *queued) as second:
        second.wait_for(WAITS)
        second.send(signal.SIGINT)
        second.end().must(130)
        late = lively(*queued, "--queue-timeout", "0.2").must(3)
        assert names(lively) == {"r1"}

    assert "waited 0.2 s for run r1" in late.stderr


def test_how_long_to_wait_is_nothing_to_say_where_nobody_waits(shell: Shell) -> None:
    assert "--queue" in shell("run", PIN, "--yes", "--queue-timeout", "5").must(2).stderr


def test_what_a_killed_run_held_is_free_once_its_lease_is_over(lively: Shell) -> None:
    """Fifteen minutes of this fleet take five seconds."""
    queued = ("run", resized(lively), "--yes", "--run-id", "r2", "--queue")
    with frozen(lively) as runner, living(lively, *queued) as second:
        second.wait_for(WAITS)
        kill(runner)
        second.wait_for(UNDER_WAY)
        commands.freeze(lively, second)
        late = lively("run", "--run-id", "r1").must(3)
        second.send(signal.SIGCONT)
        ended = second.end().must(0)

    assert f"{WAITS} " in ended.stderr
    assert "were locked by run r1, which nobody carries on" in ended.stderr
    assert "which run r2 is changing" in late.stderr
    assert {one["kind"] for one in events(lively, "r1")} >= {"run.taken"}
    assert listed(lively) == []


def test_a_takeover_takes_the_locks_again_and_needs_no_lease_to_end(lively: Shell) -> None:
    with frozen(lively) as runner:
        kill(runner)
    with living(lively, "run", "--run-id", "r1") as again:
        again.wait_for("run r1")
        again.end().must(0)

    assert listed(lively) == []


def test_locks_are_not_released_by_force_from_a_run_that_somebody_carries_on(lively: Shell) -> None:
    with frozen(lively) as runner:
        alive = lively("locks", "release", "r1", "--reason", "in my way").must(3)

    assert f"(pid {runner.pid})" in alive.stderr


def test_locks_of_a_run_that_nobody_carries_on_are_released_for_a_reason(shell: Shell) -> None:
    there = left_paused(shell)
    release = ("locks", "release", "r1", "--reason", "its host burnt")
    refused, unreasoned, shown, held, released, again, noted, told = there.many(
        ("run", resized(shell), "--yes", "--run-id", "r2"),
        ("locks", "release", "r1"),
        ("locks", "show", "r1", "-o", "name"),
        ("locks",),
        release,
        release,
        ("locks", "releases", "--json"),
        ("locks", "releases"),
    )

    assert "not running, locked until 20" in refused.must(3).stderr
    assert "fleet locks release r1 --reason" in refused.stderr
    unreasoned.must(2)
    assert len(shown.must(0).stdout.split()) == 12
    assert "dead, until 20" in held.must(0).stdout
    assert " held them" in released.must(0).stderr
    assert "run r1 holds no locks" in again.must(0).stderr
    (one,) = noted.must(0).json
    assert (one["runId"], one["reason"]) == ("r1", "its host burnt")
    assert "its host burnt" in told.must(0).stdout
    there("run", resized(shell), "--yes", "--run-id", "r2").must(1)


def test_a_runner_whose_locks_are_gone_starts_nothing_more(lively: Shell) -> None:
    """As where somebody deleted the file of locks."""
    with frozen(lively) as runner:
        with locks.opened(lively.state_dir) as held:
            held.finish("r1")
        time.sleep(2)  # so that it is time to renew: five minutes of theirs
        runner.send(signal.SIGCONT)
        ended = runner.end().must(3)

    assert "run r1 does not hold its locks any more" in ended.stderr
    assert "fleet run --run-id r1" in ended.stderr
    assert lively("status", "r1", "--json").must(0).json["counts"]["Pending"]
    lively("run", "--run-id", "r1").must(0)


def left_paused(shell: Shell) -> Shell:
    """A shell where r1 is paused after a breach, in a world whose time stands still meanwhile."""
    bad = "overrides: [{cluster: store-0003-a, faults: {operationFails: 100}}]\n"
    world = commands.written(shell.root / "world.yaml", commands.world("calm").read_text() + bad)
    there = shell.with_(FLEET_WORLD=world)
    text = PIN.read_text().replace("100%", "0\n    onBreach: pause")
    careful = commands.written(shell.root / "careful.yaml", text)
    there("run", careful, "--yes", "--run-id", "r1").must(6)
    return there


def test_a_paused_run_that_nobody_carries_on_keeps_its_locks_until_it_is_stopped(
    shell: Shell,
) -> None:
    there = left_paused(shell)

    refused, stopped, held = there.many(
        ("run", resized(shell), "--yes", "--run-id", "r2", "--queue"),
        ("stop", "r1"),
        ("locks", "list", "--json"),
    )

    assert "time does not wait for other processes" in refused.must(3).stderr
    stopped.must(0)
    assert held.json == []


def test_what_a_timed_out_target_still_does_stays_locked_when_its_run_has_ended(
    shell: Shell,
) -> None:
    stuck = "overrides: [{cluster: store-0003-a, faults: {stuckOperation: 100}}]\n"
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
    after = ("run", resized(lively), "--yes", "--run-id", "r2", "--after", "r1")
    with frozen(lively) as runner:
        refused = lively(*after).must(3)
        with living(lively, *after, "--queue", "--json") as second:
            second.wait_for("waiting for run r1 to end")
            runner.send(signal.SIGCONT)
            runner.end().must(0)
            ended = second.end().must(0)

    assert "waits for run r1 to end" in refused.stderr
    assert ended.json["counts"] == {"Succeeded": 12}


def test_a_run_never_comes_after_one_that_ended_badly(shell: Shell) -> None:
    bad = "overrides: [{cluster: store-0003-a, faults: {operationFails: 100}}]\n"
    world = commands.written(shell.root / "world.yaml", commands.world("calm").read_text() + bad)
    there = shell.with_(FLEET_WORLD=world)
    strict = commands.written(shell.root / "strict.yaml", PIN.read_text().replace("100%", "0"))
    there("run", strict, "--yes", "--run-id", "r1").must(1)

    after = ("run", str(PIN), "--yes", "--run-id", "r2", "--after", "r1")
    for refused in there.many(after, (*after, "--queue")):
        refused.must(3)
        assert "come after run r1, which ended as Failed" in refused.stderr
    assert names(there) == {"r1"}


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
