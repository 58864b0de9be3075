"""What commands say, and exit with, when a run takes itself back, is out of time, or cut short.

Shapes:  commands of one test are typed in one process where nobody must live beside them.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fleet.sim import opening
from fleet.sim.ledger import Anchor, Ledger
from tests.rig import beside, commands
from tests.rig.beside import Witness
from tests.rig.commands import Ended, Shell

SICK = "store-0003-a"
SETTINGS = "{profile: osm, settings: {osm.osm.enableEgress: 'false'}}"
WORLD = """\
apiVersion: fleet/v1
kind: World
seed: 7
timeScale: max
clusters: 8
offlineShare: 0
distributions: {aks: 1}
extensions:
  - {type: Microsoft.openservicemesh, installed: {1.2.3: 1}, autoUpgrade: 0, failedShare: 0,
     settings: {osm.osm.enableEgress: "true"}}
overrides:
"""


def plan(shell: Shell, strategy: str, *, name: str = "plan") -> Path:
    text = f"""\
apiVersion: fleet/v1
kind: Rollout
metadata: {{name: {name}, owner: mesh-sre@contoso.example, change: CHG1}}
spec:
  targets: {{tenant: true}}
  extension: {SETTINGS}
  strategy: {{maxConcurrency: 4, {strategy}}}
"""
    return commands.written(shell.root / f"{name}.yaml", text)


@pytest.fixture
def sick(tmp_path: Path) -> Shell:
    """Eight clusters; operations of one of them fail."""
    override = f'  - {{cluster: {SICK}, faults: {{operationFails: "100%"}}}}\n'
    return Shell(root=tmp_path, world=commands.written(tmp_path / "world.yaml", WORLD + override))


def said(ended: Ended) -> str:
    """All that was said, on one line."""
    return " ".join((ended.stdout + ended.stderr).split())


def test_a_run_that_took_itself_back_says_what_is_left_wherever_it_is_told(sick: Shell) -> None:
    waves = "waves: [{name: first, size: 2}, {name: rest, size: rest}]"
    file = plan(sick, f"maxFailures: 0, onBreach: rollback, rollback: {{scope: run}}, {waves}")

    ran, shown, document, log, again, retried, verified, back = sick.many(
        ("run", file, "--yes", "--run-id", "r1"),
        ("status", "r1"),
        ("status", "r1", "--json"),
        ("log", "r1"),
        ("run", "--run-id", "r1", "--json"),
        ("retry", "r1", "--failed", "--yes"),
        ("verify", "r1"),
        ("rollback", "r1", "--plan-only", "--json"),
    )

    ran.must(1)
    assert "rolling back (run): more failures than the budget allows" in said(ran)
    assert f"6 taken back, 1 not: {SICK}" in said(ran)
    assert "RolledBack: takes back reconfigure: restore 1 settings" in ran.stderr
    assert "hint: fleet rollback r1 tries again to take back what is left." in ran.stderr
    assert "1.2.3, Failed, auto-upgrade none" in said(ran)
    for one in (ran, shown.must(0)):
        assert "Not as before" in one.stdout
        assert [
            line.split()[0] for line in one.stdout.splitlines() if line.startswith("back-")
        ] == ["back-rest", "back-first"]
    (left,) = document.must(0).json["leftBehind"]
    assert (left["clusterName"], left["result"], left["now"]) == (SICK, "Failed", "not read")
    assert left["nextStep"] == f"mend the cause, then fleet rollback r1 --target {SICK}"
    assert "wave back-rest  opened, 5 targets" in log.must(0).stdout
    assert [one["clusterName"] for one in again.must(1).json["leftBehind"]] == [SICK]
    assert "it took back what it had changed" in retried.must(0).stderr
    assert "ends with Failed" in verified.must(0).stdout
    assert [one["clusterName"] for one in back.must(0).json["targets"]] == [SICK]


def test_a_failure_exits_0_only_where_the_file_says_how_many_must_succeed(sick: Shell) -> None:
    waves = "waves: [{name: all, size: rest}]"
    silent = plan(sick, f"maxFailures: 2, {waves}", name="silent")
    told = plan(sick, f"maxFailures: 2, minSuccess: 7, {waves}", name="told")
    other = Shell(root=sick.root / "other", world=sick.world)
    other.root.mkdir()

    (without,) = sick.many(("run", silent, "--yes", "--run-id", "r1"))
    (with_it,) = other.many(("run", told, "--yes", "--run-id", "r1"))

    assert "SucceededWithFailures: 1 Failed, 7 Succeeded" in said(without.must(1))
    assert "7 succeeded, and 7 must: 1 failed" in said(with_it.must(0))
    assert "hint: fleet retry r1 --failed" in without.stderr


def test_a_run_out_of_time_says_so_and_what_to_do(sick: Shell) -> None:
    file = plan(sick, "maxFailures: 100%, runTimeout: 2m, waves: [{name: all, size: rest}]")

    shown, ran = sick.many(("plan", file), ("run", file, "--yes", "--run-id", "r1"))

    assert "the run within 2m" in shown.must(0).stdout
    assert "wave all was not done in its time" in said(ran.must(1))
    assert "nothing more starts" in ran.stderr
    assert "not begun" in ran.stdout
    assert "A new plan of the same file has them." in ran.stderr


def test_what_waits_is_skipped_with_no_runner_alive_and_safely_twice(sick: Shell) -> None:
    one = f"{{name: one, targets: [{SICK}]}}"
    waves = f"waves: [{one}, {{name: two, size: 3}}, {{name: three, size: rest}}]"
    file = plan(sick, f"maxFailures: 0, onBreach: pause, {waves}")
    target = ("skip", "r1", "--target", "store-0001-a", "--reason", "owner asked")

    ran, first, second, other, done, wave, shown, log, _resumed, ended = sick.many(
        ("run", file, "--yes", "--run-id", "r1", "--no-wait"),
        (*target, "--request-id", "q1"),
        (*target, "--request-id", "q1"),
        ("skip", "r1", "--target", "store-0001-b", "--reason", "x", "--request-id", "q1"),
        ("skip", "r1", "--target", SICK, "--reason", "x"),
        ("skip", "r1", "--wave", "three", "--reason", "tomorrow"),
        ("status", "r1", "--json"),
        ("log", "r1"),
        ("resume", "r1", "--reason", "known"),
        ("run", "--run-id", "r1", "--json"),
    )

    ran.must(6)
    assert first.must(0).stderr == second.must(0).stderr
    assert "was used before, to skip store-0001-a" in other.must(2).stderr
    assert f"{SICK} is Failed already" in done.must(3).stderr
    assert "skipped by" in wave.must(0).stderr
    found = {one["clusterName"]: one for one in shown.must(0).json["targets"]}
    assert found["store-0001-a"]["status"] == "Skipped"
    assert found["store-0001-a"]["detail"].startswith("owner asked (by ")
    assert log.must(0).stdout.count("store-0001-a  skipped by") == 1
    counts = ended.must(1).json["counts"]
    assert counts == {"Failed": 1, "Skipped": 5, "Succeeded": 2}


def test_two_processes_share_a_pool_and_never_exceed_it_together(tmp_path: Path) -> None:
    text = WORLD.replace("timeScale: max", "timeScale: 200").replace("overrides:\n", "")
    world = commands.written(tmp_path / "world.yaml", text)
    shell = Shell(root=tmp_path, world=world)
    pool = "maxFailures: 0, pools: [{name: registry, maxConcurrency: 2}]"
    files = []
    for side in "ab":
        file = plan(shell, f"{pool}, waves: [{{name: all, size: rest}}]", name=side)
        narrowed = file.read_text().replace(
            "tenant: true", f"tenant: true, match: {{names: ['*-{side}']}}"
        )
        files.append(commands.written(file, narrowed))

    runners = [shell.start("run", file, "--yes", "--run-id", file.stem, "--json") for file in files]
    ended = [one.end().must(0) for one in runners]

    assert [one.json["counts"] for one in ended] == [{"Succeeded": 4}, {"Succeeded": 4}]
    assert beside.most_at_once(lived(shell, world).spans, lambda _name: "all") == {"all": 2}
    starts = [_starts(shell, name) for name in "ab"]
    # Neither waited for the other's end.
    assert max(one[0] for one in starts) < min(one[-1] for one in starts)


def lived(shell: Shell, world: Path) -> Witness:
    """What the world did, from what it remembers of both processes."""
    recipe = opening.read_recipe(world)
    (memory,) = (shell.state_dir / "worlds").glob("*.jsonl")
    ledger = Ledger(memory, anchor=Anchor(version=1, epoch=recipe.epoch, wall=recipe.epoch))
    found = Witness(recipe)
    found.replay(ledger.news())
    ledger.close()
    return found


def _starts(shell: Shell, run: str) -> list[str]:
    lines = shell("log", run, "--json").must(0).stdout.splitlines()
    return [one["at"] for line in lines if (one := json.loads(line))["kind"] == "target.started"]
