"""What a plan knows of the fleet, by the command line: clauses, versions, api-versions, causes."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fleet.sim import names
from tests.rig import commands, serving
from tests.rig.commands import Shell

SEED = 3
WORLD = f"""\
apiVersion: fleet/v1
kind: World
seed: {SEED}
timeScale: 200
clusters: 8
subscriptions: 2
locations: {{westeurope: 1}}
distributions: {{rancher_rke: 1}}
kubernetesVersions: {{1.30.7: 1}}
offlineShare: 0
extensions:
  - type: Microsoft.openservicemesh
    installed: {{1.2.3: 1}}
    autoUpgrade: 0
    failedShare: 0
    unsupportedKubernetes: {{1.2.6: {{rancher_rke: [">1.31"]}}}}
overrides:
  - {{cluster: store-0001-a, tags: {{tier: store}}}}
  - {{cluster: store-0002-b, kubernetesVersion: 1.32.1, tags: {{tier: Store}}}}
durations: {{operation: {{min: 1200, max: 1500}}}}
faults: {{}}
"""
PLAN = """\
apiVersion: fleet/v1
kind: Rollout
metadata: {name: facts}
spec:
  targets:
    tenant: true
  extension: {profile: osm, version: 1.2.6}
  strategy: {maxConcurrency: 8, maxFailures: 100%, waves: [{name: all, size: rest}]}
"""
STORES = "    tenant: true\n    kql: \"| where tags.tier =~ 'store'\""
PATCHES = PLAN.replace("version: 1.2.6", "autoUpgrade: patch")
REASON = (
    "version 1.2.6 does not support Kubernetes 1.32.1: "
    "the service excludes >1.31 on rancher_rke clusters"
)


def plan(shell: Shell, text: str = PLAN) -> Path:
    return commands.written(shell.root / "plan.yaml", text)


def only(cluster: str, text: str) -> str:
    """Return *text* for one cluster, so that tests do not meet in the one fleet that they share."""
    places = "    tenant: true"
    return text.replace(places, f"{places}\n    match: {{names: [{cluster}]}}")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    root = tmp_path_factory.mktemp("server")
    world = commands.written(root / "world.yaml", WORLD)
    living, ready = serving.started(Shell(root=root), "--world", str(world))
    try:
        yield ready
    finally:
        living.send(signal.SIGTERM)
        living.end().must(0)


@pytest.fixture
def remote(server: Any, tmp_path: Path) -> Shell:
    return Shell(root=tmp_path, extra={"FLEET_ENDPOINT": server["endpoint"]})


@pytest.fixture
def local(tmp_path: Path) -> Shell:
    world = commands.written(tmp_path / "world.yaml", WORLD)
    return Shell(root=tmp_path, extra={"FLEET_WORLD": str(world)})


# --- where, and what else must hold ------------------------------------------------------


def test_a_clause_selects_over_http_what_no_selector_can_say(remote: Shell) -> None:
    clause = plan(remote, PLAN.replace("    tenant: true", STORES))

    found = remote("discover", clause, "-o", "name").must(0)
    planned = remote("plan", clause, "--json").must(0).json

    assert [one.rpartition("/")[2] for one in found.stdout.split()] == [
        "store-0001-a",
        "store-0002-b",
    ]
    assert {one["clusterName"] for one in planned["targets"]} == {"store-0001-a", "store-0002-b"}


def test_the_root_management_group_is_where_everything_is(remote: Shell) -> None:
    groups = f"    managementGroups: [{names.tenant(SEED)}]"
    found = remote(
        "discover", plan(remote, PLAN.replace("    tenant: true", groups)), "-o", "name"
    ).must(0)
    unknown = remote(
        "discover", plan(remote, PLAN.replace("tenant: true", "managementGroups: [stores]"))
    ).must(4)

    assert len(found.stdout.split()) == 8
    assert "about stores" in unknown.stderr


def test_a_clause_that_the_service_does_not_understand_is_the_authors_to_mend(
    remote: Shell,
) -> None:
    text = STORES.replace("=~", "=~ =~")
    refused = remote("discover", plan(remote, PLAN.replace("    tenant: true", text))).must(2)

    assert "ParserFailure at line 3, character" in refused.stderr
    assert "targets.kql" in refused.stderr


def test_a_clause_needs_http(local: Shell) -> None:
    clause = plan(local, PLAN.replace("    tenant: true", STORES))

    refused = local("plan", clause).must(2)

    assert "fleet sim serve" in refused.stderr


# --- versions ----------------------------------------------------------------------------


def test_a_version_that_a_clusters_kubernetes_excludes_is_blocked_either_way(
    local: Shell, remote: Shell
) -> None:
    """Without HTTP from the world itself, over HTTP from the catalogue of versions."""
    without, over = local("plan", plan(local), "--json"), remote("plan", plan(remote), "--json")

    for planned in (without.must(0).json, over.must(0).json):
        blocked = [one for one in planned["targets"] if one["action"] == "blocked"]
        assert [(one["clusterName"], one["reason"]) for one in blocked] == [
            ("store-0002-b", REASON)
        ]


@pytest.mark.parametrize(
    ("denied", "warning", "blocked"),
    [
        (
            ("locations/extensionTypes/versions/read",),
            (
                "in westeurope (it answers 403 AuthorizationFailed; what its cluster "
                "store-0001-a is offered is used instead)"
            ),
            ["store-0002-b"],
        ),
        # The profile knows the versions, and not what they run on.
        (
            ("locations/extensionTypes/versions/read", "extensionTypes/versions/read"),
            (
                "in westeurope (it answers 403 AuthorizationFailed, and for its cluster "
                "store-0001-a 403 AuthorizationFailed); what the profile knows is used there "
                "instead"
            ),
            [],
        ),
    ],
)
def test_where_a_location_may_not_be_asked_a_cluster_is_and_then_the_profile(
    tmp_path: Path, denied: tuple[str, ...], warning: str, blocked: list[str]
) -> None:
    shell = Shell(root=tmp_path)
    actions = ", ".join(f"Microsoft.KubernetesConfiguration/{one}" for one in denied)
    rights = f"permissions: {{notActions: [{actions}]}}\n"
    commands.written(tmp_path / "world.yaml", f"{WORLD}{rights}")
    living, ready = serving.started(shell, "--world", str(tmp_path / "world.yaml"))
    try:
        asked = ("--endpoint", ready["endpoint"])
        planned, lines = shell.many(
            ("plan", plan(shell), "--json", *asked), ("plan", plan(shell), *asked)
        )
    finally:
        living.send(signal.SIGTERM)
        living.end().must(0)

    found = planned.must(0).json
    assert [one for one in found["warnings"] if warning in one] != []
    assert [one["clusterName"] for one in found["targets"] if one["action"] == "blocked"] == blocked
    assert "release train stable: the service does not tell" in lines.must(0).stdout


# --- api-versions ------------------------------------------------------------------------


def test_patches_alone_are_set_over_http_in_an_api_version_that_has_a_word_for_it(
    remote: Shell,
) -> None:
    """Nobody named one: it is chosen aloud, remembered, and not chosen where nothing needs it."""
    patches = plan(remote, only("store-0003-a", PATCHES))

    named = remote("plan", patches, "--api-version", "2023-05-01").must(2)
    strange = remote("plan", patches, "--api-version", "2020-01-01").must(2)
    ran = remote("run", patches, "--yes", "--run-id", "r1", "--json").must(0)
    header = json.loads(remote("log", "r1", "--json").must(0).stdout.splitlines()[0])
    found = remote("discover", patches, "--json").must(0).json
    again = remote("plan", patches, "--detailed-exitcode").must(0)

    assert "cannot be said in api-version 2023-05-01" in named.stderr
    assert "--api-version 2025-03-01" in named.stderr
    assert "One of: 2022-11-01" in strange.stderr
    assert "api-version 2025-03-01 of extensions is used: autoUpgrade: patch needs it" in ran.stderr
    assert ran.json["counts"] == {"Succeeded": 1}
    assert (header["kind"], header["v"], header["apiVersion"]) == ("run.created", 3, "2025-03-01")
    assert [one["extensions"][0]["autoUpgrade"] for one in found] == ["patch"]
    assert "2025-03-01" not in again.stderr


def test_a_run_is_carried_on_in_the_api_version_that_it_began_with(remote: Shell) -> None:
    upgrade = plan(remote, only("store-0004-a", PLAN))

    with commands.living(
        remote, "run", upgrade, "--yes", "--run-id", "r2", "--api-version", "2024-11-01"
    ) as process:
        process.wait_for("wave all  opened")
        process.process.kill()
        process.process.wait()
    refused = remote("run", "--run-id", "r2", "--api-version", "2025-03-01").must(3)
    taken = remote("run", "--run-id", "r2", "--json").must(0)

    assert "run r2 began with api-version 2024-11-01, not 2025-03-01" in refused.stderr
    assert "api-version 2024-11-01" in taken.stderr


# --- causes ------------------------------------------------------------------------------


def test_a_failure_that_is_known_is_shown_with_its_cause_and_whose_move_it_is(
    local: Shell,
) -> None:
    commands.written(
        local.root / "world.yaml",
        WORLD.replace("faults: {}", 'faults: {operationFails: "100%"}').replace("600", "max"),
    )
    ran = local("run", plan(local), "--yes", "--run-id", "r1").must(1)
    status, told, log, lines = local.many(
        ("status", "r1"),
        ("status", "r1", "--json"),
        ("log", "r1"),
        ("log", "r1", "--json"),
    )

    failed = [one for one in told.must(0).json["targets"] if one["status"] == "Failed"]
    assert len(failed) == 7
    for one in failed:
        assert one["cause"] in {"PodsNotReady", "BlockedByPolicy", "SettingsRejected"}
        assert ": " in one["nextStep"]
        assert "InnerError" in one["detail"]
    for text in (ran.stdout, status.must(0).stdout):
        assert "Causes" in text
        assert failed[0]["cause"] in text
    assert f"[{failed[0]['cause']}: " in log.must(0).stdout
    events = [json.loads(line) for line in lines.must(0).stdout.splitlines()]
    ends = [one for one in events if one["kind"] == "target.finished"]
    assert {one["cause"] for one in ends} == {one["cause"] for one in failed}
    assert all("nextStep" in one for one in ends)
