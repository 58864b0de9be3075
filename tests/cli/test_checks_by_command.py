"""``fleet check``, typed: what people read, what programs read, and how it exits."""

from __future__ import annotations

import pytest

from tests.rig import commands
from tests.rig.commands import Ended, Shell

GOLDEN = commands.DATA / "golden"
PLAN = """\
apiVersion: fleet/v1
kind: Rollout
metadata: {{name: mesh}}
spec:
  targets: {{tenant: true}}
  extension: {extension}
  strategy: standard
{access}"""
ACCESS = "  clusterAccess: {kubeconfig: {}, maxConcurrency: 3}\n"
WORLD = """\
apiVersion: fleet/v1
kind: World
seed: 7
timeScale: max
clusters: 8
offlineShare: 0
distributions: {rancher_rke: 3, aks: 1}
extensions:
  - {type: Microsoft.openservicemesh, installed: {1.2.6: 1}, autoUpgrade: 0, failedShare: 0}
overrides:
  - {cluster: store-0003-b, version: absent}
inside:
  breaks:
    - {what: controller-crash, cluster: store-0001-b}
    - {what: stale-sidecars, cluster: store-0002-a}
    - {what: api-unreachable, cluster: store-0002-b}
    - {what: arc-agents-unavailable, cluster: store-0003-b}
    - {what: another-cluster, cluster: store-0004-a}
    - {what: clusterconfig-missing, cluster: store-0004-b}
"""
ANOTHER = (
    "cluster store-0004-a: clusterAccess leads to another cluster: not-store-0004-a of resource "
    "group rg-westeurope (subscription 00000000-0000-0000-0000-000000000002)"
)
MESH = "{profile: osm, version: 1.2.6}"
COMMANDS = {
    "table-80": ("check", "all.yaml"),
    "json": ("check", "all.yaml", "--json"),
    "csv": ("check", "all.yaml", "-o", "csv"),
    "md": ("check", "all.yaml", "-o", "md"),
    "name": ("check", "all.yaml", "-o", "name"),
    "well": ("check", "all.yaml", "--cluster", "STORE-0001-A", "--cluster", "store-0002-a"),
    "lost": ("check", "all.yaml", "--cluster", "store-0002-b", "--cluster", "store-0001-a"),
    "another": ("check", "all.yaml", "--cluster", "store-0004-a", "--json"),
    "untold": ("check", "all.yaml", "--cluster", "store-0004-b", "--json"),
    "unknown": ("check", "all.yaml", "--cluster", "store-0001-z"),
    "bare": ("check", "all.yaml", "--cluster", "store-0003-b"),
    "no-access": ("check", "outside.yaml"),
    "nothing": ("check", "nothing.yaml"),
    "absent": ("check", "absent.yaml"),
}


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Ended]:
    """What each command came to; one process says all of it."""
    root = tmp_path_factory.mktemp("checks")
    world = commands.written(root / "world.yaml", WORLD)
    for name, extension, access in (
        ("all", MESH, ACCESS),
        ("outside", MESH, ""),
        ("nothing", "{profileFile: bare.toml, version: 1.0.0}", ""),
        ("absent", "{profile: osm, state: absent}", ACCESS),
    ):
        text = PLAN.format(extension=extension, access=access)
        commands.written(root / f"{name}.yaml", text)
    bare = 'extensionType = "Microsoft.openservicemesh"\ninstanceName = "osm"\nchecks = []\n'
    commands.written(root / "bare.toml", bare)
    shell = Shell(root=root, world=world)
    narrow, wide = shell.with_(COLUMNS="80"), shell.with_(COLUMNS="200")
    found = dict(zip(COMMANDS, narrow.many(*COMMANDS.values()), strict=True))
    return found | {"table-200": wide("check", "all.yaml")}


@pytest.mark.parametrize("width", ["80", "200"])
def test_reads_well(said: dict[str, Ended], width: str) -> None:
    found = said[f"table-{width}"].must(1)

    assert found.stdout == (GOLDEN / f"check-{width}.txt").read_text()
    assert found.stderr == "note: osm is not there on 1 of 8 clusters: they are not checked\n"


def test_is_data(said: dict[str, Ended]) -> None:
    found = said["json"].must(1).json

    assert [
        (
            one["clusterName"],
            one["isReached"],
            one["passesGates"],
            (one["passed"], one["failed"], one["unknown"], one["notApplicable"]),
            [(bad["check"], bad["severity"], bad["verdict"]) for bad in one["checks"]],
        )
        for one in found
    ] == [
        ("store-0001-a", True, True, (25, 0, 0, 0), []),
        (
            "store-0001-b",
            True,
            False,
            (22, 3, 0, 0),
            [
                ("controller-deployment", "gate", "failed"),
                ("controller-pods", "gate", "failed"),
                ("controller-endpoints", "gate", "failed"),
            ],
        ),
        ("store-0002-a", True, True, (24, 1, 0, 0), [("stale-sidecars", "warn", "failed")]),
        ("store-0002-b", False, False, (1, 0, 24, 0), [("azure-arc-agents", "gate", "unknown")]),
        ("store-0003-a", True, True, (25, 0, 0, 0), []),
        ("store-0004-a", False, False, (1, 0, 24, 0), [("azure-arc-agents", "gate", "unknown")]),
        ("store-0004-b", True, True, (24, 1, 0, 0), [("cluster-identity", "warn", "failed")]),
    ]
    assert found[1]["checks"][0]["evidence"] == {"ready": "0/1", "available": "0"}


def test_rows_and_names_are_for_programs_too(said: dict[str, Ended]) -> None:
    header, *rows = said["csv"].must(1).stdout.splitlines()
    table = said["md"].must(1).stdout.splitlines()
    names = said["name"].must(1).stdout.splitlines()

    assert header == "clusterId,cluster,passed,failed,unknown,first"
    assert [one.partition("connectedClusters/")[2] for one in rows] == [
        "store-0001-a,store-0001-a,25,0,0,-",
        "store-0001-b,store-0001-b,22,3,0,controller-deployment (gate)",
        "store-0002-a,store-0002-a,24,1,0,stale-sidecars (warn)",
        "store-0002-b,store-0002-b,1,0,24,not reached: store-0002-b: connection refused",
        "store-0003-a,store-0003-a,25,0,0,-",
        f"store-0004-a,store-0004-a,1,0,24,not reached: {ANOTHER}",
        "store-0004-b,store-0004-b,24,1,0,cluster-identity (warn)",
    ]
    assert len(table) == 2 + len(rows)
    assert [one.rpartition("/")[2] for one in names] == [
        "store-0001-b",
        "store-0002-b",
        "store-0004-a",
    ]


def test_exits_0_where_every_gate_passes_warnings_or_not(said: dict[str, Ended]) -> None:
    assert said["well"].must(0).stdout.startswith("2 of 2 clusters pass every gate\n")


def test_exits_4_where_all_that_is_wrong_is_that_nobody_was_reached(
    said: dict[str, Ended],
) -> None:
    found = said["lost"].must(4)

    assert found.stdout.startswith("1 of 2 clusters pass every gate: 1 not reached\n")


def test_another_cluster_than_is_meant_counts_as_not_reached_and_says_which_it_is(
    said: dict[str, Ended],
) -> None:
    found = said["another"].must(4)

    ((one,),) = [cluster["checks"] for cluster in found.json]
    assert (one["check"], one["detail"]) == ("azure-arc-agents", ANOTHER)


def test_a_cluster_that_does_not_say_which_it_is_is_checked_and_told_of(
    said: dict[str, Ended],
) -> None:
    found = said["untold"].must(0)

    ((one,),) = [cluster["checks"] for cluster in found.json]
    assert one["detail"] == (
        "nothing says that it is store-0004-b: the ConfigMap azure-clusterconfig in azure-arc is "
        "not there: connect it to Azure again, or make sure that clusterAccess leads there"
    )


def test_a_cluster_that_is_not_selected_is_named_with_the_nearest(said: dict[str, Ended]) -> None:
    assert said["unknown"].must(2).stderr == (
        'error F100: no cluster "store-0001-z" is selected\n\nhint: did you mean "store-0001-b"?\n'
    )


def test_says_that_there_is_nothing_to_check(said: dict[str, Ended]) -> None:
    assert said["bare"].must(2).stderr == (
        "error F100: mesh: there is nothing to check: osm is not there on 1 of 1 clusters\n\n"
        "hint: `fleet discover FILE` lists what there is.\n"
    )


def test_without_a_way_in_it_shows_what_azure_says_and_tells_what_is_not_proved(
    said: dict[str, Ended],
) -> None:
    found = said["no-access"].must(0)

    assert found.stdout.startswith("7 of 7 clusters pass every gate\n")
    assert found.stderr == (
        "warning: 24 of 25 checks are not made, and nothing inside clusters is proved: "
        "add clusterAccess to the plan file: it says how clusters are reached\n"
        "note: osm is not there on 1 of 8 clusters: they are not checked\n"
    )


def test_without_a_way_in_and_anything_else_to_look_at_it_says_what_to_add(
    said: dict[str, Ended],
) -> None:
    assert said["nothing"].must(2).stderr == (
        "error F100: mesh: there is no way into clusters, and nothing else to look at\n\n"
        "hint: add clusterAccess to the plan file: it says how clusters are reached.\n"
    )


def test_where_it_shall_be_absent_those_are_checked_that_have_it_no_more(
    said: dict[str, Ended],
) -> None:
    found = said["absent"].must(0)

    assert found.stdout.startswith("1 of 1 clusters pass every gate\n")
    assert found.stderr == (
        "note: osm is still there or cannot be told on 7 of 8 clusters: they are not checked\n"
    )
