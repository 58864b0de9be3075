"""What people are told of extension types, and types beside Open Service Mesh by command."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from fleet.spec import profiles
from tests.rig import commands, serving
from tests.rig.commands import Shell

GOLDEN = commands.DATA / "golden"
TYPES = {
    "azuremonitor-containers": ("azuremonitor-containers", "3.1.0"),
    "akvsecretsprovider": ("akvsecretsprovider", "1.5.3"),
    "azureml": ("trainer", "1.1.40"),
}
WORLD = """\
apiVersion: fleet/v1
kind: World
seed: 3
timeScale: max
clusters: 4
offlineShare: 0
extensions:
  - {type: Microsoft.AzureMonitor.Containers, name: azuremonitor-containers,
     versions: {stable: [3.1.0, 3.2.0]}, installed: {3.1.0: 1}}
  - {type: Microsoft.AzureKeyVaultSecretsProvider, name: akvsecretsprovider,
     versions: {stable: [1.5.3, 1.6.0]}, installed: {1.5.3: 1}}
  - {type: Microsoft.AzureML.Kubernetes, name: trainer,
     versions: {stable: [1.1.40, 1.1.41]}, installed: {1.1.40: 1}}
  - {type: Microsoft.AzureML.Kubernetes, name: another,
     versions: {stable: [1.1.40, 1.1.41]}, installed: {1.1.41: 1}}
  - {type: Microsoft.DataProtection.Kubernetes, name: backup,
     versions: {stable: [1.0.0]}, installed: {absent: 1}}
overrides:
  - {cluster: store-0002-b, installed: {azuremonitor-containers: absent, another: absent}}
"""
PLAN = """\
apiVersion: fleet/v1
kind: Rollout
metadata: {name: trial}
spec:
  targets: {tenant: true}
  extension: {%s, version: latest}
  strategy: fast
"""


@pytest.fixture
def there(tmp_path: Path) -> Shell:
    """A world with three types installed, none of them Open Service Mesh."""
    return Shell(root=tmp_path, world=commands.written(tmp_path / "world.yaml", WORLD))


@pytest.fixture
def over_http(there: Shell) -> Iterator[Shell]:
    """The same world as a process of its own."""
    process, document = serving.started(
        Shell(root=_folder(there.root / "server")),
        *("--world", str(there.root / "world.yaml"), "--time-scale", "60"),
    )
    yield Shell(root=_folder(there.root / "client"), extra={"FLEET_ENDPOINT": document["endpoint"]})
    process.send(signal.SIGTERM)
    process.end().must(0)


def _folder(path: Path) -> Path:
    path.mkdir()
    return path


def plan_of(shell: Shell, extension: str) -> Path:
    name = extension.partition(",")[0].partition(": ")[2]
    return commands.written(shell.root / f"{name}.yaml", PLAN % extension)


@pytest.mark.parametrize("width", ["80", "200"])
def test_what_is_known_reads_well(shell: Shell, width: str) -> None:
    narrow = shell.with_(COLUMNS=width)

    said = narrow.many(("profiles",), ("profiles", "azurepolicy"), ("profiles", "osm"))

    text = "\n".join(one.must(0).stdout for one in said)
    assert text == (GOLDEN / f"profiles-{width}.txt").read_text()


def test_profiles_are_data(shell: Shell) -> None:
    listed, named, one, by_type, wrong = shell.many(
        ("profiles", "--json"),
        ("profiles", "-o", "name"),
        ("profiles", "dapr", "--json"),
        ("profiles", "Microsoft.DAPR", "--json"),
        ("profiles", "dpar"),
    )

    documents = listed.must(0).json
    assert [one["profile"] for one in documents] == list(profiles.names())
    assert named.must(0).stdout.split() == list(profiles.names())
    assert one.must(0).json == by_type.must(0).json == documents[profiles.names().index("dapr")]
    assert one.json == {"profile": "dapr", **profiles.said("dapr")}
    assert 'unknown profile "dpar"' in wrong.must(2).stderr
    assert 'did you mean "dapr"?' in wrong.stderr


def test_a_profile_of_ones_own_is_checked_and_shown(shell: Shell) -> None:
    good = commands.written(shell.root / "good.toml", 'extensionType = "Contoso.Agent"\n')
    bad = commands.written(shell.root / "bad.toml", 'extensionTyp = "Contoso.Agent"\n')

    shown, refused, missing = shell.many(
        ("profiles", good, "--json"), ("profiles", bad), ("profiles", "nowhere.toml")
    )

    assert shown.must(0).json == {"profile": "good", "extensionType": "Contoso.Agent"}
    assert 'extensionTyp: unknown key; did you mean "extensionType"?' in refused.must(2).stderr
    assert "no such file" in missing.must(2).stderr


@pytest.mark.parametrize("way", ["there", "over_http"])
def test_clusters_are_listed_with_whatever_extension_a_plan_is_about(
    request: pytest.FixtureRequest, way: str
) -> None:
    shell: Shell = request.getfixturevalue(way)
    plans = [
        plan_of(shell, f"profile: {profile}, name: {name}") for profile, (name, _) in TYPES.items()
    ]

    said = shell.many(*(("discover", plan, "-o", "csv") for plan in plans))

    for ended, (profile, found) in zip(said, TYPES.items(), strict=True):
        header, *rows = [line.split(",") for line in ended.must(0).stdout.splitlines()]
        cells = [dict(zip(header, row, strict=True)) for row in rows]
        absent = profile == "azuremonitor-containers"
        assert {one["cluster"]: (one["extension"], one["version"]) for one in cells} == {
            "store-0001-a": found,
            "store-0001-b": found,
            "store-0002-a": found,
            "store-0002-b": ("-", "-") if absent else found,
        }


def test_what_a_profile_rules_out_is_told_of_each_cluster(there: Shell) -> None:
    second = plan_of(there, "profile: azureml, name: trainer")
    other = plan_of(there, "profile: dataprotection, name: backup")

    several, backup = there.many(("plan", second, "--json"), ("plan", other, "--json"))

    reasons = {one["clusterName"]: one["reason"] for one in several.must(0).json["targets"]}
    assert reasons["store-0001-a"] == (
        "several instances (another, trainer), and there may be one: remove the others"
    )
    assert "several" not in reasons["store-0002-b"]
    assert {(one["action"], one["reason"]) for one in backup.must(0).json["targets"]} == {
        ("blocked", "dataprotection is for managedclusters, not for Arc clusters")
    }


def test_a_saved_plan_needs_no_profile_any_more(there: Shell) -> None:
    text = 'extensionType = "Microsoft.AzureKeyVaultSecretsProvider"\n'
    own = commands.written(there.root / "own.toml", text + 'instanceName = "akvsecretsprovider"\n')
    plan = plan_of(there, "profileFile: own.toml, onDrift: replan")
    made = there("plan", plan, "--out", "saved.json", "--json").must(0).json
    assert made["basis"]["desired"]["profile"]["name"] == "own"
    own.unlink()

    ended, refused = there.many(("run", "saved.json", "--yes", "--json"), ("validate", plan))

    assert ended.must(0).json["counts"] == {"Succeeded": 4}
    assert "no such file" in refused.must(2).stderr
