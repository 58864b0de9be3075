"""Gates whose numbers come from outside, by the command line: a world's, and over HTTP."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from fleet.model.gates import ProbeKind
from fleet.sim.recipe import Metric, Recipe, Turn
from tests.rig import background, serving
from tests.rig.commands import Shell, written

SECRET = "hunter2-of-a-header"  # noqa: S105 - what no file may hold
WORLD = """\
apiVersion: fleet/v1
kind: World
timeScale: max
clusters: 6
offlineShare: 0
distributions: {aks: 1}
extensions:
  - {type: Microsoft.openservicemesh, installed: {1.2.3: 1}, autoUpgrade: 0, failedShare: 0}
metrics:
  prometheus:
    - contains: good
      values: [{value: 0.999}]
    - contains: worse
      values: [{value: 0.999}, {afterSeconds: 60, value: 0.5}]
    - contains: many
      values: [{values: [1, 2]}]
"""
PLAN = """\
apiVersion: fleet/v1
kind: Rollout
metadata: {name: gated}
spec:
  targets: {tenant: true}
  extension: {profile: osm, version: 1.2.6}
  gates:
%s
  %s
  strategy:
    maxConcurrency: 4
    waves:
      - {name: canary, size: 1, soakTime: 10m}
      - {name: rest, size: rest}
"""
AGAINST = "value >= baseline - 0.005"


def prometheus(name: str, *, url: str = "https://prometheus.example", more: str = "") -> str:
    asked = f'{{url: "{url}", query: "{name}(x[${{window}}])"{more}}}'
    return f'    - {{name: {name}, prometheus: {asked}, success: "{AGAINST}"}}'


def files(root: Path, name: str, *gates: str, keys: str) -> list[str | Path]:
    """Write a plan, and a world of its own; return how they are named."""
    plan = written(root / f"{name}.yaml", PLAN % ("\n".join(gates), keys))
    return [plan, "--world", written(root / f"{name}-world.yaml", f"{WORLD}# {name}\n")]


def test_a_world_s_numbers_are_measured_from_the_plan_on(
    tmp_path: Path, subtests: pytest.Subtests
) -> None:
    three = [prometheus(name) for name in ("good", "many", "silent")]
    header = prometheus("good", more=", headers: {X-Key: {fromEnv: GATE_KEY}}")
    agreed = ("--yes", "--json", "--run-id")
    made, good, worse, told, refused = Shell(root=tmp_path).many(
        ["plan", *files(tmp_path, "p", *three, keys="afterGates: [good, many, silent]"), "--json"],
        ["run", *files(tmp_path, "g", prometheus("good"), keys="soakGates: [good]"), *agreed, "g"],
        [
            "run",
            *files(tmp_path, "w", prometheus("worse"), keys="soakGates: [worse]"),
            *agreed,
            "w",
        ],
        ["log", "w", "--json"],
        ["run", *files(tmp_path, "h", header, keys="afterGates: [good]"), "--yes"],
    )

    with subtests.test("a plan says what was measured when it was made"):
        head = made.must(0).json
        assert [one.get("baseline") for one in head["gates"]] == ["0.999", None, None]
        assert [one for one in head["warnings"] if "its baseline" in one] == [
            "gate many: its baseline is not known: the answer has 2 values, and one is needed",
            "gate silent: its baseline is not known: the answer is empty",
        ]
    with subtests.test("a wave is followed where the numbers stay as they were"):
        assert good.must(0).json["counts"] == {"Succeeded": 6}
    with subtests.test("and not where they do not"):
        assert worse.must(1).json["counts"] == {"Succeeded": 1, "Pending": 5}
        assert [
            (one["number"], one["verdict"], one["values"])
            for one in map(json.loads, told.must(0).stdout.splitlines())
            if one["kind"] == "gate.measured"
        ] == [(1, "Fail", ["0.5"])]
    with subtests.test("a run does not begin without a header's variable"):
        assert "are to come from GATE_KEY, which is not set" in refused.must(2).stderr


# --- over HTTP -------------------------------------------------------------------------------


def recipe() -> Recipe:
    return dataclasses.replace(
        serving.CALM,
        cluster_count=4,
        subscription_count=1,
        distributions={"aks": 1},
        metrics=(
            Metric(kind=ProbeKind.PROMETHEUS, contains="good", turns=(Turn(values=("0.999",)),)),
            Metric(kind=ProbeKind.LOG_ANALYTICS, turns=(Turn(values=("3",)),)),
        ),
    )


LOGS = """\
    - name: logs
      logAnalytics:
        workspace: 00000000-0000-0000-0000-00000000000a
        query: "T | where c in (${clusters}) | count"
      success: value == 3"""
HTTP = """\
    - name: http
      http: {url: "%s/metadata/simulation", pointer: /seed}
      success: value >= 0"""


def http_gates(url: str) -> list[str]:
    """Return gates of every kind that can be asked on this machine."""
    header = ", headers: {X-Key: {fromEnv: GATE_KEY}}"
    return [
        prometheus("good", url=url, more=header),
        prometheus("good", url=url, more=", azureToken: true").replace("name: good", "name: ours"),
        LOGS,
        HTTP % url,
        '    - {name: command, command: {argv: [echo, "5"]}, success: value == 5}',
        '    - {name: graph, resourceGraph: {query: "resources | count"}, success: value >= 4}',
        "    - {name: extension, extension: {}, success: value == 1}",
    ]


NAMES = ("good", "ours", "logs", "http", "command", "graph", "extension")


def test_everybody_is_asked_over_http_and_no_header_is_kept(tmp_path: Path) -> None:
    with background.simulated(recipe(), scale=600) as served:
        gates = "\n".join(http_gates(served.endpoint))
        keys = f"afterGates: [{', '.join(NAMES)}]"
        plan = written(tmp_path / "plan.yaml", PLAN % (gates, keys))
        shell = Shell(root=tmp_path).with_(FLEET_ENDPOINT=served.endpoint, GATE_KEY=SECRET)
        ended, told = shell.many(
            ["run", plan, "--yes", "--run-id", "r1", "--json"], ["log", "r1", "--json"]
        )
    events = [json.loads(line) for line in told.must(0).stdout.splitlines()]
    measured: dict[str, list[Any]] = {}
    for one in events:
        if one["kind"] == "gate.measured":
            measured.setdefault(one["gate"], []).append((one["verdict"], one["values"]))

    assert ended.must(0).json["status"] == "Succeeded"
    seed = str(recipe().seed)
    values = ("0.999", "0.999", "3", seed, "5", "4", "1")
    assert measured == {
        name: [("Pass", [value])] * 2 for name, value in zip(NAMES, values, strict=True)
    }
    kept = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert [path for path in kept if SECRET.encode() in path.read_bytes()] == []
    assert any(path.suffix == ".db" or "journal" in path.name for path in kept)
