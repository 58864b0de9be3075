from __future__ import annotations

from pathlib import Path

import jsonschema
import pytest

from fleet.spec import schemas
from tests.rig import commands
from tests.rig.commands import Shell

AGREED = "osm-gated"
"""It needs other people, and measurements; it has tests of its own."""
INSIDE = "osm-mesh"
"""Its restarts still roll where the next process begins: it has a test of its own."""
EXAMPLES = sorted(path.stem for path in commands.PLANS.glob("*.yaml"))


def test_there_is_an_example_for_everything_that_people_want_to_do() -> None:
    assert EXAMPLES == [
        "flux-retry-and-timeouts",
        "flux-upgrade",
        "monitor-upgrade",
        "osm-auto-upgrade",
        "osm-change-windows",
        AGREED,
        "osm-install",
        INSIDE,
        "osm-monthly",
        "osm-openshift",
        "osm-pin",
        "osm-ramp-up",
        "osm-stores-one-at-a-time",
        "osm-takes-itself-back",
        "osm-uninstall",
        "osm-upgrade",
        "own-profile",
        "policy-install",
    ]


@pytest.mark.parametrize("name", sorted({*EXAMPLES} - {AGREED, INSIDE}))
def test_an_example_runs_to_its_end_and_then_has_nothing_left_to_do(
    tmp_path: Path, name: str
) -> None:
    shell = Shell(root=tmp_path, world=commands.world("examples"))
    plan = commands.PLANS / f"{name}.yaml"
    valid, planned = shell.many(("validate", plan), ("plan", plan, "--detailed-exitcode"))
    valid.must(0)
    planned.must(10)

    ended = shell("run", plan, "--yes", "--run-id", "r1", "--json").must(0)

    assert set(ended.json["counts"]) == {"Succeeded"}
    before = _heard(shell)
    verified, again = shell.many(("verify", "r1", "--json"), ("run", plan, "--yes"))
    assert verified.must(0).json["isComplete"]
    assert _heard(shell) == before
    assert "No changes" in again.must(0).stderr


def test_an_example_brings_about_what_shall_be_inside_clusters(tmp_path: Path) -> None:
    shell = Shell(root=tmp_path, world=commands.world("examples"))
    plan = commands.PLANS / f"{INSIDE}.yaml"

    planned, ended = shell.many(
        ("plan", plan, "-o", "json"), ("run", plan, "--yes", "--run-id", "r1", "--json")
    )

    jsonschema.Draft202012Validator(schemas.plan_schema()).validate(planned.must(0).json)
    works = {
        step["work"]["kind"]
        for target in planned.json["targets"]
        for step in target["steps"]
        if step["verb"] == "configure"
    }
    assert works == {"meshConfig", "namespaces", "monitoring", "restart"}
    assert set(ended.must(0).json["counts"]) == {"Succeeded"}


METRICS = """
metrics:
  prometheus: [{values: [{value: 0.999}]}]
  logAnalytics: [{values: [{value: 40}]}]
"""


def test_the_example_with_gates_is_measured_until_two_people_have_to_agree(tmp_path: Path) -> None:
    text = commands.world("examples").read_text() + METRICS
    shell = Shell(root=tmp_path, world=commands.written(tmp_path / "world.yaml", text))
    plan = commands.PLANS / f"{AGREED}.yaml"

    planned = shell("plan", plan, "--json", "--detailed-exitcode").must(10).json
    left = shell("run", plan, "--yes", "--run-id", "r1", "--json").must(6).json

    assert {gate["name"]: gate.get("baseline") for gate in planned["gates"]} == {
        "success-rate": None,
        "latency": "40",
        "as-planned": None,
    }
    assert (left["status"], left["wait"]["cause"]) == ("Waiting", "approval")
    assert left["wait"]["detail"] == "wave rest: 2 approvals are needed before it"
    assert {wave["name"]: wave["status"] for wave in left["waves"]} == {
        "canary": "Succeeded",
        "tenth": "Succeeded",
        "rest": "NotStarted",
    }
    ended = [one for wave in left["waves"] for one in wave["gates"]]
    assert {one["verdict"] for one in ended} == {"Pass"}


def test_stores_are_changed_one_cluster_at_a_time(tmp_path: Path) -> None:
    shell = Shell(root=tmp_path, world=commands.world("examples"))
    plan = commands.PLANS / "osm-stores-one-at-a-time.yaml"
    shell("validate", plan).must(0)

    made = shell("plan", plan, "--json", "--detailed-exitcode").must(10).json

    sites, locations = made["spreads"]
    assert (sites["by"], locations["by"]) == ("tag:site", "location")
    assert {one["maxConcurrency"] for one in sites["groups"]} == {1}
    assert [one["maxConcurrency"] for one in locations["groups"]] == [
        max(1, one["targetCount"] // 5) for one in locations["groups"]
    ]
    by_id = {one["clusterId"]: one for one in made["targets"]}
    for wave in made["waves"]:
        found = {by_id[one]["groups"][0] for one in wave["targets"]}
        assert wave["effectiveConcurrency"] <= len(found)


def _heard(shell: Shell) -> list[str]:
    """Return every write that the world has heard."""
    (memory,) = (shell.state_dir / "worlds").iterdir()
    return memory.read_text().splitlines()


@pytest.mark.parametrize("world", ["one-bad-agent", "quick", "stormy", "thousands"])
def test_an_example_world_can_be_looked_at(tmp_path: Path, world: str) -> None:
    shell = Shell(root=tmp_path, world=commands.PLANS / "worlds" / f"{world}.yaml")

    assert shell("discover", commands.PLANS / "osm-pin.yaml", "-o", "name").must(0).stdout


def test_a_selector_that_means_no_cluster_is_bad_input(shell: Shell) -> None:
    text = commands.plan("pin").read_text().replace("tenant: true", "tenant: true, match: {}")
    nobody = commands.written(
        shell.root / "nobody.yaml", text.replace("match: {}", "match: {names: [nobody]}")
    )

    for args in (("plan", nobody), ("run", nobody, "--yes")):
        assert "no cluster is selected" in shell(*args).must(2).stderr
    assert shell("discover", nobody, "-o", "name").must(0).stdout == ""


@pytest.mark.parametrize(
    ("unreachable", "status", "exit_status"),
    [("defer", "Deferred", 0), ("skip", None, 0), ("fail", "Failed", 1)],
)
def test_clusters_that_are_not_connected_go_the_way_the_file_says(
    shell: Shell, unreachable: str, status: str | None, exit_status: int
) -> None:
    world = commands.written(
        shell.root / "world.yaml",
        commands.world("calm").read_text()
        + "overrides: [{cluster: store-0003-a, connectivity: Offline}]\n",
    )
    plan = commands.written(
        shell.root / "plan.yaml",
        commands.plan("pin")
        .read_text()
        .replace("tenant: true", f"tenant: true, unreachable: {unreachable}"),
    )

    ended = shell("run", plan, "--yes", "--world", world, "--json").must(exit_status)

    found = {one["clusterName"]: one["status"] for one in ended.json["targets"]}
    assert found.pop("store-0003-a", None) == status
    assert set(found.values()) == {"Succeeded"}
    assert len(found) == 11


def test_a_cluster_that_comes_back_is_changed_in_the_last_wave(shell: Shell) -> None:
    world = commands.written(
        shell.root / "world.yaml",
        commands.world("calm").read_text().replace("offlineShare: 0", "offlineShare: 20%")
        + "offlineSeconds: {min: 60, max: 120}\n",
    )

    ended = shell("run", commands.plan("pin"), "--yes", "--world", world, "--json").must(0)

    waves = {one["name"]: one["targetCount"] for one in ended.json["waves"]}
    assert list(waves) == ["canary", "rest", "catch-up"]
    assert ended.json["counts"] == {"Succeeded": 12}
