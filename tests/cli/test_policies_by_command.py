"""A policy that would undo a plan, by the command line: over the ports, and over HTTP."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.rig import commands, serving
from tests.rig.commands import Shell

HERE = "/subscriptions/00000000-0000-0000-0000-000000000001"
WORLD = f"""\
apiVersion: fleet/v1
kind: World
seed: 3
timeScale: 200
clusters: 8
subscriptions: 2
locations: {{westeurope: 1}}
offlineShare: 0
extensions:
  - {{type: Microsoft.openservicemesh, installed: {{1.2.3: 1}}, autoUpgrade: 0, failedShare: 0}}
policies:
  - name: deploy-mesh
    displayName: Mesh everywhere
    extensionType: Microsoft.openservicemesh
    definition: built-in
    notScopes: [{HERE}]
  - name: own-mesh
    extensionType: Microsoft.openservicemesh
    scope: {HERE}
    enforcementMode: DoNotEnforce
  - {{name: audit, extensionType: Microsoft.openservicemesh, effect: AuditIfNotExists}}
  - {{name: flux, extensionType: Microsoft.flux}}
permissions: {{notActions: [{{without}}]}}
"""
PLAN = """\
apiVersion: fleet/v1
kind: Rollout
metadata: {name: mesh-uninstall}
spec:
  targets: {tenant: true}
  extension: {profile: osm, state: absent}
"""
ACKNOWLEDGED = PLAN + "  acknowledge: {policies: [Deploy-Mesh]}\n"
WHOSE_MOVE = "whoever owns the assignment can exclude the cluster or stop enforcing it"


def world(folder: Path, *without: str) -> Path:
    text = WORLD.replace("{without}", ", ".join(without))
    return commands.written(folder / "world.yaml", text)


def served(folder: Path, *without: str) -> Iterator[Shell]:
    living, ready = serving.started(Shell(root=folder), "--world", str(world(folder, *without)))
    yield Shell(root=folder, extra={"FLEET_ENDPOINT": ready["endpoint"]})
    living.send(signal.SIGTERM)
    living.end().must(0)


@pytest.fixture(params=["ports", "http"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Shell]:
    if request.param == "ports":
        yield Shell(root=tmp_path, world=world(tmp_path))
    else:
        yield from served(tmp_path)


def planned(shell: Shell, text: str) -> dict[str, Any]:
    file = commands.written(shell.root / "plan.yaml", text)
    found: dict[str, Any] = shell("plan", file, "--json").must(0).json
    return found


def actions(plan: dict[str, Any]) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for target in plan["targets"]:
        found.setdefault(target["subscription"][-1], set()).add(target["action"])
    return found


def test_a_conflicting_policy_blocks_its_clusters_until_it_is_acknowledged(place: Shell) -> None:
    blocked = planned(place, PLAN)
    accepted = planned(place, ACKNOWLEDGED)

    assert actions(blocked) == {"1": {"uninstall"}, "2": {"blocked"}}
    (reason,) = {one["reason"] for one in blocked["targets"] if one["action"] == "blocked"}
    assert reason.startswith('policy assignment "Mesh everywhere" /providers/')
    assert f"/policyAssignments/deploy-mesh would install it again: {WHOSE_MOVE}" in reason
    assert actions(accepted) == {"1": {"uninstall"}, "2": {"uninstall"}}
    (warning,) = (one for one in accepted["warnings"] if "policy" in one)
    assert "deploy-mesh is acknowledged: it would install it again, on 4 of" in warning
    assert not any("policies were not looked at" in one for one in blocked["warnings"])


def test_people_are_shown_what_blocks_and_what_is_acknowledged(place: Shell) -> None:
    blocked = place("plan", commands.written(place.root / "a.yaml", PLAN)).must(0)
    accepted = place("plan", commands.written(place.root / "b.yaml", ACKNOWLEDGED)).must(0)

    assert "4 uninstall, 4 blocked" in blocked.stdout
    assert 'policy assignment "Mesh everywhere"' in " ".join(blocked.stdout.split())
    assert "8 uninstall" in accepted.stdout
    assert "deploy-mesh is acknowledged" in " ".join(accepted.stdout.split())


def test_a_run_leaves_what_is_blocked_alone(place: Shell) -> None:
    strategy = "  strategy: {waves: [{name: all, size: rest}], maxConcurrency: 4}\n"
    file = commands.written(place.root / "plan.yaml", PLAN + strategy)
    ran = place("run", file, "--yes", "--run-id", "r1", "--json").must(0).json

    assert ran["counts"] == {"Succeeded": 4}


def test_both_ways_to_a_world_give_one_plan(tmp_path: Path) -> None:
    plans = [planned(Shell(root=tmp_path, world=world(tmp_path)), PLAN)]
    plans += [planned(shell, PLAN) for shell in served(tmp_path / "served")]

    assert plans[0]["targets"] == plans[1]["targets"]
    assert plans[0]["digest"] == plans[1]["digest"]


ASKED = "Microsoft.Authorization/policyAssignments/read"


@pytest.fixture
def blind(tmp_path: Path) -> Iterator[Shell]:
    yield from served(tmp_path, ASKED, "Microsoft.KubernetesConfiguration/extensions/delete")


def test_what_may_not_be_read_is_told_by_plan_and_what_may_not_be_done_by_doctor(
    blind: Shell,
) -> None:
    plan = planned(blind, PLAN)
    file = blind.root / "plan.yaml"
    doctor = blind("doctor", file, "--json").must(4)

    assert actions(plan) == {"1": {"uninstall"}, "2": {"uninstall"}}
    assert any("policies were not looked at" in one and ASKED in one for one in plan["warnings"])
    checks = {one["name"]: one for one in json.loads(doctor.stdout)}
    (check, _) = (one for name, one in checks.items() if name.startswith("permissions, "))
    assert check["verdict"] == "fail"
    assert check["detail"] == (
        "missing: rg-westeurope: Microsoft.KubernetesConfiguration/extensions/delete; "
        f"{ASKED} (without it, policies are not looked at)"
    )
    assert "Whoever grants access there" in check["hint"]


def test_a_plan_that_deletes_nothing_needs_no_right_to(blind: Shell) -> None:
    pinned = PLAN.replace("state: absent", "version: 1.2.6")
    file = commands.written(blind.root / "pin.yaml", pinned)
    doctor = blind("doctor", file, "--json").must(0)

    verdicts = {one["name"]: one["verdict"] for one in doctor.json}
    assert {v for name, v in verdicts.items() if name.startswith("permissions")} == {"warn"}
