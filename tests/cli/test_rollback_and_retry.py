"""Runs that follow another, from the command line to the world, and what they leave."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.rig import commands
from tests.rig.commands import Shell, living

PIN = commands.plan("pin")
PLAIN_WORLD = """\
apiVersion: fleet/v1
kind: World
seed: 7
timeScale: max
clusters: 6
offlineShare: 0
distributions: {aks: 1}
extensions:
  - type: Contoso.Plain
    name: plain
    namespace: plain-system
    versions: {stable: [1.0.0, 1.1.0, 1.2.0]}
    installed: {1.1.0: 1}
    autoUpgrade: 0
    failedShare: 0
    settings: {color: red}
OVERRIDES
"""
PLAIN_PLAN = """\
apiVersion: fleet/v1
kind: Rollout
metadata: {name: plain, owner: mesh-sre@contoso.example, change: CHG1}
spec:
  targets: {tenant: true}
  extension:
    extensionType: Contoso.Plain
    name: plain
    namespace: plain-system
    version: 1.2.0
    settings: {color: blue, size: big}
  strategy:
    maxConcurrency: 3
    maxFailures: 100%
    waves:
      - {name: canary, size: 2}
      - {name: rest, size: rest}
"""
SETTINGS = "    settings: {color: blue, size: big}\n"
FAULTY = "overrides:\n  - {cluster: store-0002-a, faults: {operationFails: 100}}"
SECRET = "c4nary-hunter2"  # noqa: S105 - looked for, not used


@pytest.fixture
def plain(tmp_path: Path) -> Shell:
    """Six clusters with an extension of which nothing is known, and no trouble."""
    return in_world(tmp_path, "")


def in_world(root: Path, overrides: str) -> Shell:
    world = commands.written(root / "world.yaml", PLAIN_WORLD.replace("OVERRIDES", overrides))
    commands.written(root / "plan.yaml", PLAIN_PLAN)
    return Shell(root=root, world=world)


def found(shell: Shell) -> dict[str, tuple[Any, ...]]:
    """What is on each cluster: version, flag, state and settings."""
    clusters = shell("discover", "plan.yaml", "--json").must(0).json
    return {
        one["name"]: tuple(
            (ext["currentVersion"], ext["autoUpgrade"], ext["provisioningState"], ext["settings"])
            for ext in one["extensions"]
        )
        for one in clusters
    }


def statuses(document: Any) -> dict[str, str]:
    return {one["clusterName"]: one["status"] for one in document["targets"]}


def order_of_starts(shell: Shell, run: str) -> list[str]:
    lines = shell("log", run, "--json").must(0).stdout.splitlines()
    told = [json.loads(line) for line in lines]
    return [one["clusterId"].split("/")[-1] for one in told if one["kind"] == "target.started"]


def test_what_a_run_changed_is_taken_back_newest_wave_first(plain: Shell) -> None:
    before = found(plain)
    ran = plain("run", "plan.yaml", "--yes", "--run-id", "r1", "--json").must(0).json
    there = order_of_starts(plain, "r1")
    assert found(plain) != before

    plan = plain("rollback", "r1", "--plan-only", "--json").must(0).json
    ended = plain("rollback", "r1", "--yes", "--run-id", "b1", "--json").must(0).json

    assert found(plain) == before
    parent = {"runId": "r1", "planDigest": ran["planDigest"], "purpose": "rollback"}
    assert (plan["digest"], plan["parent"]) == (ended["planDigest"], parent)
    assert ended["parent"] == parent
    assert [wave["name"] for wave in ended["waves"]] == ["back-rest", "back-canary"]
    assert order_of_starts(plain, "b1") == there[::-1]
    assert "leftBehind" not in ended
    listed = {one["runId"]: one["parent"] for one in plain("runs", "--json").must(0).json}
    assert listed == {"r1": None, "b1": parent}
    assert "rollback of r1" in plain("status", "b1").must(0).stdout
    assert "rollback of r1" in plain("runs").must(0).stdout
    # Safe to repeat, by name and without one.
    plain("rollback", "r1", "--yes", "--run-id", "b1").must(0)
    again = plain("rollback", "r1", "--yes", "--json").must(0).json
    assert set(statuses(again).values()) == {"NoOp"}
    plain("rollback", "b1", "--yes", "--run-id", "b2").must(0)
    assert {one[0][0] for one in found(plain).values()} == {"1.2.0"}


@pytest.mark.parametrize(
    ("flags", "back"),
    [
        pytest.param(("--wave", "canary"), {"store-0001-a", "store-0001-b"}, id="a wave"),
        pytest.param(("--target", "STORE-0002-b"), {"store-0002-b"}, id="a target"),
        pytest.param(("--wave", "canary", "--target", "store-0003-a"), set(), id="neither"),
        pytest.param(("--failed",), set(), id="nothing failed"),
    ],
)
def test_a_part_of_a_run_is_taken_back(
    plain: Shell, flags: tuple[str, ...], back: set[str]
) -> None:
    plain("run", "plan.yaml", "--yes", "--run-id", "r1").must(0)

    ended = plain("rollback", "r1", *flags, "--yes").must(0)

    now = {name for name, one in found(plain).items() if one[0][0] == "1.1.0"}
    assert now == back
    assert ("nothing to take back" in ended.stderr) == (not back)


def test_a_failed_one_is_put_back_and_one_that_fails_again_is_told_with_its_state(
    tmp_path: Path,
) -> None:
    shell = in_world(tmp_path, FAULTY)
    before = found(shell)
    shell("run", "plan.yaml", "--yes", "--run-id", "r1").must(1)

    ended = shell("rollback", "r1", "--failed", "--yes", "--run-id", "b1").must(1)
    document = shell("rollback", "r1", "--yes", "--run-id", "b2", "--json").must(1).json

    assert "Not as before" in ended.stdout
    left = document["leftBehind"]
    assert [(one["clusterName"], one["result"]) for one in left] == [("store-0002-a", "Failed")]
    assert left[0]["now"].endswith("Failed, auto-upgrade none")
    assert left[0]["nextStep"] == "mend the cause, then fleet retry b2 --failed"
    assert order_of_starts(shell, "b2")[0] == "store-0002-a"
    now = found(shell)
    assert {name for name in now if now[name] != before[name]} == {"store-0002-a"}


def test_irreversible_targets_are_flagged_before_anybody_says_yes_and_told_after(
    shell: Shell,
) -> None:
    planned = shell("plan", PIN).must(0).stdout
    assert "warning: 9 of 12 changes cannot be taken back" in planned
    shell("run", PIN, "--yes", "--run-id", "r1").must(0)

    plan = shell("rollback", "r1", "--plan-only").must(0).stdout
    ended = shell("rollback", "r1", "--yes", "--run-id", "b1", "--json").must(0).json

    assert "3 uninstall, 9 blocked" in plan
    assert "irreversible: osm cannot go back to 1.1.1-1" in plan
    assert set(statuses(ended).values()) == {"Succeeded"}
    assert len(statuses(ended)) == 3
    assert {one["result"] for one in ended["leftBehind"]} == {"NotTakenBack"}
    assert {one["now"] for one in ended["leftBehind"]} == {"1.2.6, Succeeded, auto-upgrade none"}


def test_a_rollback_of_nothing_but_what_is_irreversible_is_refused(shell: Shell) -> None:
    shell("run", PIN, "--yes", "--run-id", "r1").must(0)

    ended = shell("rollback", "r1", "--wave", "canary", "--yes").must(3)

    assert "irreversible: osm cannot go back to 1.2.3" in ended.stderr
    assert shell("runs", "-o", "name").must(0).stdout == "r1\n"


def test_the_settings_of_what_cannot_go_back_are_restored_and_the_rest_is_told(
    shell: Shell,
) -> None:
    text = PIN.read_text().replace("1.2.6}", "1.2.6, settings: {osm.osm.meshName: new}}")
    plan = commands.written(shell.root / "plan.yaml", text)
    assert "9 of 12 changes can be taken back in part only" in shell("plan", plan).must(0).stdout
    before = found(shell)
    shell("run", plan, "--yes", "--run-id", "r1").must(0)

    ended = shell("rollback", "r1", "--wave", "canary", "--yes", "--json").must(0).json

    (left,) = ended["leftBehind"]
    assert (left["result"], left["now"]) == ("Partial", "1.2.6, Succeeded, auto-upgrade none")
    assert "partial: restore 1 settings; but osm cannot go back to 1.2.3" in left["detail"]
    name = left["clusterName"]
    assert found(shell)[name][0][3] == before[name][0][3]


def test_a_failed_target_is_tried_again_with_the_same_versions_when_its_agent_is_well(
    tmp_path: Path,
) -> None:
    shell = in_world(tmp_path, FAULTY.replace("100", "70"))  # the first of three writes fails
    commands.written(tmp_path / "plan.yaml", PLAIN_PLAN.replace(SETTINGS, ""))
    first = shell("run", "plan.yaml", "--yes", "--run-id", "r1", "--json").must(1).json
    assert found(shell)["store-0002-a"][0][2] == "Failed"

    plan = shell("retry", "r1", "--failed", "--plan-only", "--json").must(0).json
    ended = shell("retry", "r1", "--failed", "--yes", "--run-id", "t1", "--json").must(0).json

    assert statuses(ended) == {"store-0002-a": "Succeeded"}
    (target,) = plan["targets"]
    assert target["isUnsure"]
    assert target["to"] == "1.2.0"
    # A PATCH would be none to a service that is asked for what it already failed at.
    assert target["steps"][0]["verb"] == "put"
    assert plan["parent"]["planDigest"] == first["planDigest"]
    assert len({str(one) for one in found(shell).values()}) == 1


def test_a_retry_says_what_there_is_to_try_again(shell: Shell) -> None:
    shell("run", PIN, "--yes", "--run-id", "r1").must(0)

    unnamed = shell("retry", "r1", "--yes").must(2)
    nothing = shell("retry", "r1", "--failed", "--yes").must(0)

    assert "--failed: 0, --deferred: 0, --skipped: 0" in unnamed.stderr
    assert "nothing to try again" in nothing.stderr


def test_clusters_that_came_back_are_tried_again(tmp_path: Path) -> None:
    text = PLAIN_WORLD.replace("offlineShare: 0", "offlineShare: 30").replace("OVERRIDES", "")
    text += "offlineSeconds: {min: 7200, max: 7200}\n"
    shell = Shell(root=tmp_path, world=commands.written(tmp_path / "world.yaml", text))
    commands.written(tmp_path / "plan.yaml", PLAIN_PLAN)
    first = shell("run", "plan.yaml", "--yes", "--run-id", "r1", "--json").json
    away = {name for name, status in statuses(first).items() if status == "Deferred"}
    assert 0 < len(away) < 6
    plan = shell("retry", "r1", "--deferred", "--plan-only", "--json").must(0).json
    still = shell("retry", "r1", "--deferred", "--yes", "--run-id", "t1", "--json").json
    time_passes(shell, without=away)

    ended = shell("retry", "r1", "--deferred", "--yes", "--run-id", "t2", "--json").must(0).json

    parent = {"runId": "r1", "planDigest": first["planDigest"], "purpose": "retry"}
    assert {one["clusterName"] for one in plan["targets"]} == away
    assert plan["parent"] == still["parent"] == ended["parent"] == parent
    assert plan["digest"] == still["planDigest"] == ended["planDigest"]
    assert statuses(still) == dict.fromkeys(away, "Deferred")
    assert statuses(ended) == dict.fromkeys(away, "Succeeded")
    assert {found(shell)[name][0][0] for name in away} == {"1.2.0"}


def time_passes(shell: Shell, *, without: set[str]) -> None:
    """Let hours go by: another run, of other clusters, waits between its waves."""
    text = PLAIN_PLAN.replace("{color: blue, size: big}", "{color: green}")
    text = text.replace("size: 2}", "size: 1, soakTime: 3h}")
    names = ", ".join(sorted(without))
    text = text.replace("{tenant: true}", f"{{tenant: true, exclude: {{names: [{names}]}}}}")
    commands.written(shell.root / "other.yaml", text)
    shell("run", "other.yaml", "--yes", "--run-id", "other").must(0)


def test_a_run_that_is_not_over_has_no_followers(lively: Shell) -> None:
    text = PIN.read_text().replace("soakTime: 1m", "soakTime: 9d")
    plan = commands.written(lively.root / "plan.yaml", text)
    with living(lively, "run", plan, "--yes", "--run-id", "r1") as runner:
        runner.wait_for("wave canary  soaking")
        running = lively("rollback", "r1", "--plan-only").must(3)
        lively("pause", "r1").must(0)
        paused = lively("retry", "r1", "--failed", "--plan-only").must(3)
        lively("stop", "r1").must(0)
        runner.end().must(7)

    assert "r1 is Waiting: it is not over" in running.stderr
    assert "fleet stop r1" in paused.stderr
    lively("rollback", "r1", "--plan-only").must(0)


@pytest.mark.parametrize(
    ("args", "status", "told"),
    [
        pytest.param(("rollback", "r1", "--wave", "nope"), 2, "It has: canary, rest", id="wave"),
        pytest.param(("rollback", "r1", "--target", "nope"), 2, "fleet status", id="target"),
        pytest.param(("rollback", "nope"), 2, "nope", id="run"),
        pytest.param(("retry", "nope", "--failed"), 2, "nope", id="retry of nothing"),
        pytest.param(("rollback", "r1", "--wave", "rest"), 3, "--yes", id="nobody says yes"),
        pytest.param(
            ("rollback", "r1", "--yes", "--run-id", "r1"), 3, "is no rollback", id="another run"
        ),
    ],
)
def test_what_makes_no_sense_is_refused_with_the_way_out(
    plain: Shell, args: tuple[str, ...], status: int, told: str
) -> None:
    plain("run", "plan.yaml", "--yes", "--run-id", "r1").must(0)

    assert told in plain(*args).must(status).stderr


def test_a_follower_goes_where_its_parent_went(plain: Shell) -> None:
    plain("run", "plan.yaml", "--yes", "--run-id", "r1").must(0)
    other = commands.written(plain.root / "other.yaml", plain.world.read_text() + "# moved\n")  # type: ignore[union-attr]

    ended = plain("rollback", "r1", "--yes", "--world", other).must(3)

    assert "r1 began with" in ended.stderr


def test_protected_values_of_a_retry_come_from_the_environment_and_stay_nowhere(
    tmp_path: Path,
) -> None:
    shell = in_world(tmp_path, FAULTY)
    protected = "version: 1.2.0\n    protectedSettings: {token: {fromEnv: PLAIN_TOKEN}}"
    commands.written(tmp_path / "plan.yaml", PLAIN_PLAN.replace("version: 1.2.0", protected))
    told = shell.with_(PLAIN_TOKEN=SECRET, FLEET_LOG_LEVEL="debug")
    told("run", "plan.yaml", "--yes", "--run-id", "r1").must(1)

    assert "PLAIN_TOKEN" in shell("retry", "r1", "--failed", "--yes").must(2).stderr
    told("retry", "r1", "--failed", "--yes", "--run-id", "t1").must(1)
    told("rollback", "r1", "--yes", "--run-id", "b1").must(1)

    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert [path for path in files if SECRET.encode() in path.read_bytes()] == []
