"""Microsoft's own command line works against ``fleet sim serve --tls`` as it is.

Units:   the server's time goes twenty times as fast as ours. An hour, which a token lasts, is three
         minutes of ours and an hour of the command line's: every test begins with a new one.
"""

from __future__ import annotations

import dataclasses
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.rig import azurecli, commands, serving
from tests.rig.azurecli import CommandLine, Trap
from tests.rig.commands import Shell
from tests.rig.serving import TENANT
from tests.rig.walks import install, pin

EXTENSIONS = "api-version=2023-05-01"
CLUSTERS = "api-version=2024-01-01"
ARC = "providers/Microsoft.Kubernetes/connectedClusters"
CONFIGURATION = "providers/Microsoft.KubernetesConfiguration"
_POLLS = 400
pytestmark = pytest.mark.timeout(400)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Cloud:
    """A server, and the folder with what the command line knows of it."""

    base: str
    ca_file: Path
    subscriptions: tuple[str, ...]
    folder: Path
    trap: Trap

    @property
    def az(self) -> CommandLine:
        """The command line."""
        return CommandLine(folder=self.folder, ca_file=self.ca_file, trap=self.trap)


@pytest.fixture(scope="module", name="cloud")
def _cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    """Serve a world over TLS, and register it under a name."""
    folder = tmp_path_factory.mktemp("azure-cli")
    living, ready = serving.started(
        Shell(root=tmp_path_factory.mktemp("server")),
        *("--tls", "--world", str(commands.world("calm")), "--time-scale", "20"),
    )
    try:
        with azurecli.trap() as trap:
            cloud = Cloud(
                base=ready["endpoint"],
                ca_file=Path(ready["caFile"]),
                subscriptions=tuple(ready["subscriptions"]),
                folder=folder,
                trap=trap,
            )
            _registered(cloud)
            yield cloud
    finally:
        living.send(signal.SIGTERM)
        living.end().must(0)


def _registered(cloud: Cloud) -> None:
    azurecli.settled(cloud.folder)
    az = cloud.az
    az("cloud", "register", "--name", "simulated", "--endpoint-resource-manager", cloud.base)
    az("cloud", "set", "--name", "simulated")
    wheel = str(azurecli.wheel("resource_graph"))
    az("extension", "add", "--source", wheel, "--yes")


@pytest.fixture(name="az")
def _az(cloud: Cloud) -> Iterator[CommandLine]:
    """Log in, and look afterwards whether somebody else was spoken to."""
    (cloud.folder / "settings" / "msal_token_cache.json").unlink(missing_ok=True)
    secret = ("--username", "stranger", "--password", "any")
    cloud.az("login", "--service-principal", *secret, "--tenant", TENANT)
    yield cloud.az
    assert cloud.trap.asked == []


def _clusters(cloud: Cloud, az: CommandLine) -> list[dict[str, Any]]:
    url = f"/subscriptions/{cloud.subscriptions[0]}/{ARC}?{CLUSTERS}"
    found: list[dict[str, Any]] = az.rest("get", url).json["value"]
    return found


def _followed(az: CommandLine, url: str) -> str:
    """Read an operation until it ends, and return its last word."""
    for _ in range(_POLLS):
        status = str(az.rest("get", url).json["status"])
        if status in ("Succeeded", "Failed", "Canceled"):
            return status
    pytest.fail("the operation never ends")


def test_the_registered_cloud_has_all_its_doors_here(cloud: Cloud, az: CommandLine) -> None:
    shown = az("cloud", "show", "--name", "simulated").json

    endpoints = shown["endpoints"]
    assert (shown["isActive"], endpoints["resourceManager"]) == (True, cloud.base)
    assert endpoints["activeDirectory"] == cloud.base


def test_a_service_principal_logs_in_and_sees_its_subscriptions(
    cloud: Cloud, az: CommandLine
) -> None:
    listed = az("account", "list").json

    assert [one["id"] for one in listed] == list(cloud.subscriptions)
    assert {one["state"] for one in listed} == {"Enabled"}
    assert {(one["tenantId"], one["user"]["name"]) for one in listed} == {(TENANT, "stranger")}


def test_clusters_are_listed_and_read(cloud: Cloud, az: CommandLine) -> None:
    listed = _clusters(cloud, az)
    shown = az.rest("get", f"{listed[0]['id']}?{CLUSTERS}").json

    assert len({one["id"] for one in listed}) == len(listed) == 6
    # The agents' heartbeat goes on.
    assert {**shown, "properties": None} == {**listed[0], "properties": None}
    assert shown["properties"].keys() == listed[0]["properties"].keys()
    assert shown["properties"]["connectivityStatus"] == "Connected"


def test_the_provider_is_registered(az: CommandLine) -> None:
    shown = az("provider", "show", "--namespace", "Microsoft.KubernetesConfiguration").json

    assert shown["registrationState"] == "Registered"
    assert {"extensions", "extensionTypes"} <= {
        one["resourceType"] for one in shown["resourceTypes"]
    }


def test_an_extension_is_put_read_patched_and_deleted(cloud: Cloud, az: CommandLine) -> None:
    cluster = _clusters(cloud, az)[0]["id"]
    url = f"{cluster}/{CONFIGURATION}/extensions/osm?{EXTENSIONS}"
    az.ended("rest", "--method", "delete", "--url", f"{url}&forceDelete=true")

    missed = az.ended("rest", "--method", "get", "--url", url)
    put = az.rest("put", url, install(version="1.2.3"))
    installed = _followed(az, put.header("Azure-AsyncOperation"))
    got = az.rest("get", url).json
    patched = az.rest("patch", url, pin("1.2.6"))
    updated = _followed(az, patched.header("Azure-AsyncOperation"))
    pinned = az.rest("get", url).json
    deleted = az.rest("delete", url)
    removed = _followed(az, deleted.header("Azure-AsyncOperation"))
    gone = az.ended("rest", "--method", "get", "--url", url)

    assert (missed.status, "ResourceNotFound" in missed.stderr) == (1, True)
    assert (put.json["properties"]["provisioningState"], installed) == ("Creating", "Succeeded")
    assert got["properties"]["currentVersion"] == "1.2.3"
    assert got["properties"]["configurationProtectedSettings"] == {"osm.secret": ""}
    assert (patched.json["properties"]["provisioningState"], updated) == ("Updating", "Succeeded")
    assert pinned["properties"]["currentVersion"] == "1.2.6"
    assert (deleted.json, removed) == (None, "Succeeded")
    assert (gone.status, "ResourceNotFound" in gone.stderr) == (1, True)


def test_an_operation_that_fails_says_so(cloud: Cloud, az: CommandLine) -> None:
    cluster = _clusters(cloud, az)[1]["id"]
    url = f"{cluster}/{CONFIGURATION}/extensions/osm?{EXTENSIONS}"
    az.ended("rest", "--method", "delete", "--url", f"{url}&forceDelete=true")

    put = az.rest("put", url, install(version="1.2.99"))
    ended = _followed(az, put.header("Azure-AsyncOperation"))
    left = az.rest("get", url).json

    assert (ended, left["properties"]["provisioningState"]) == ("Failed", "Failed")


# --- Resource Graph -------------------------------------------------------------------------------

QUERY = "Resources | where type =~ 'Microsoft.Kubernetes/connectedClusters' | project id, name"


def test_a_query_is_answered_in_pages(az: CommandLine) -> None:
    asked = ("graph", "query", "--graph-query", f"{QUERY} | order by id asc", "--first", "5")
    first = az(*asked).json
    second = az(*asked, "--skip-token", first["skip_token"]).json
    skipped = az(*asked, "--skip", "10").json

    assert (first["count"], first["total_records"], second["count"]) == (5, 12, 5)
    assert (skipped["count"], skipped["skip_token"]) == (2, None)
    ids = [one["id"] for page in (first, second, skipped) for one in page["data"]]
    assert ids == sorted(set(ids))
    assert len(ids) == 12


def test_a_query_may_be_about_some_subscriptions_and_another_table(
    cloud: Cloud, az: CommandLine
) -> None:
    query = "KubernetesConfigurationResources | summarize count() by subscriptionId"
    asked = ("graph", "query", "--graph-query", query)
    all_ = az(*asked).json["data"]
    one = az(*asked, "--subscriptions", cloud.subscriptions[0]).json["data"]

    assert {each["subscriptionId"] for each in all_} == set(cloud.subscriptions)
    assert [each for each in all_ if each["subscriptionId"] == cloud.subscriptions[0]] == one


def test_a_query_that_is_wrong_is_refused_with_its_code(az: CommandLine) -> None:
    said = az.ended("graph", "query", "--graph-query", "where where")

    assert said.status == 1
    assert "InvalidQuery" in said.stderr
    assert "ParserFailure" in said.stderr
