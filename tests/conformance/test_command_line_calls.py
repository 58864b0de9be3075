"""What the Azure command line sends, request by request, with its headers and its bodies.

Source:  seen on the wire of Azure CLI 2.91 with k8s-extension 1.7.0 and resource-graph 2.0.0.
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import AsyncIterator, Mapping
from typing import Any

from tests.rig.serving import CALM, TENANT, Caller, Heard, Stage, staged

CLIENT_ID = "9d0a1d2e-6a76-11f0-9c1f-00155d0a0b0c"
EXTENSIONS = "2023-05-01"
BODY: Mapping[str, Any] = {
    "identity": {"type": "SystemAssigned"},
    "properties": {
        "extensionType": "microsoft.openservicemesh",
        "autoUpgradeMinorVersion": False,
        "releaseTrain": "stable",
        "version": "1.2.6",
        "scope": {"cluster": {}},
        "configurationSettings": {},
        "configurationProtectedSettings": {},
    },
}
BARE = dataclasses.replace(
    CALM, extensions=(dataclasses.replace(CALM.extensions[0], installed={"absent": 1}),)
)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """One command: all its requests carry the same id."""

    stage: Stage
    caller: Caller
    name: str
    flags: str

    async def send(self, method: str, path: str, version: str = "", body: Any = None) -> Heard:
        """Send a request as this command does."""
        headers = {
            "User-Agent": "AZURECLI/2.91.0 (PIP) azsdk-python-core/1.41.0 Python/3.11.7 (Linux)",
            "Accept": "application/json",
            "Accept-Encoding": "gzip, deflate",
            "x-ms-client-request-id": CLIENT_ID,
            "CommandName": self.name,
            "ParameterSetName": self.flags,
        }
        query = {"api-version": version} if version else None
        return await self.caller.send(method, path, body=body, headers=headers, query=query)

    async def followed(self, url: str) -> str:
        """Read an operation every half minute until it ends, and return its last word."""
        while True:
            heard = await self.send("GET", url)
            if heard.json["status"] in ("Succeeded", "Failed", "Canceled"):
                return str(heard.json["status"])
            self.stage.wait(seconds=30)


@contextlib.asynccontextmanager
async def command(name: str, flags: str, *, is_bare: bool = False) -> AsyncIterator[Command]:
    """Log in as the command line does, and begin a command."""
    async with staged(BARE if is_bare else CALM, has_tls=True) as stage:
        caller = await _logged_in(stage)
        yield Command(stage=stage, caller=caller, name=name, flags=flags)


async def _logged_in(stage: Stage) -> Caller:
    """Look up the endpoints, ask for a token, and see the subscriptions."""
    places = await stage.stranger.get("/metadata/endpoints", api_version="2022-09-01")
    login = places.json["authentication"]["loginEndpoint"]
    openid = await stage.stranger.get(f"{login}/{TENANT}/v2.0/.well-known/openid-configuration")
    assert openid.json["token_endpoint"] == f"{login}/{TENANT}/oauth2/v2.0/token"
    # NB: with two slashes, because the resource ends in one.
    resource = f"{places.json['resourceManager']}/"
    caller = await stage.stranger.log_in("command-line", scope=f"{resource}/.default")
    listed = await caller.get("/subscriptions", api_version="2022-12-01")
    assert [one["state"] for one in listed.json["value"]] == ["Enabled"] * 3
    return caller


async def test_create_finds_the_cluster_registers_nothing_and_waits_for_its_extension() -> None:
    flags = "--name --cluster-name --resource-group --cluster-type --extension-type --version"
    async with command("k8s-extension create", flags, is_bare=True) as az:
        cluster, path = az.stage.cluster(), az.stage.extension()
        checked = await az.send("GET", cluster, "2021-10-01")
        provider = await az.send(
            "GET",
            f"/subscriptions/{cluster.split('/')[2]}/providers/Microsoft.KubernetesConfiguration",
            "2025-04-01",
        )
        located = await az.send("GET", cluster, "2021-10-01")
        made = await az.send("PUT", path, EXTENSIONS, BODY)
        ended = await az.followed(made.headers["Azure-AsyncOperation"])
        shown = await az.send("GET", path, EXTENSIONS)

    assert checked.json["properties"]["distribution"]
    assert provider.json["registrationState"] == "Registered"
    assert located.json["location"] in ("westeurope", "northeurope", "eastus", "southeastasia")
    assert (made.status, made.json["properties"]["provisioningState"]) == (201, "Creating")
    assert (ended, shown.status) == ("Succeeded", 200)
    properties = shown.json["properties"]
    assert properties["scope"] == {"cluster": {"releaseNamespace": "arc-osm-system"}}
    assert (properties["currentVersion"], properties["provisioningState"]) == ("1.2.6", "Succeeded")
    assert shown.json["identity"]["type"] == "SystemAssigned"


async def test_update_always_sends_both_maps_and_waits() -> None:
    async with command("k8s-extension update", "--name --version --auto-upgrade") as az:
        path = az.stage.extension()
        before = await az.send("GET", path, EXTENSIONS)
        properties = {
            "autoUpgradeMinorVersion": False,
            "version": "1.2.3",
            "configurationSettings": {},
            "configurationProtectedSettings": {},
        }
        patched = await az.send("PATCH", path, EXTENSIONS, {"properties": properties})
        ended = await az.followed(patched.headers["Azure-AsyncOperation"])
        shown = await az.send("GET", path, EXTENSIONS)

    assert before.json["properties"]["currentVersion"] == "1.1.1"
    assert (patched.status, ended) == (202, "Succeeded")
    assert shown.json["properties"]["currentVersion"] == "1.2.3"
    assert shown.json["properties"]["configurationSettings"] == {"osm.a": "1"}
    # What is documented of protected settings: those that are left out of a map are deleted.
    assert shown.json["properties"]["configurationProtectedSettings"] == {}


async def test_delete_looks_first_and_waits() -> None:
    async with command("k8s-extension delete", "--name --cluster-name --yes") as az:
        path = az.stage.extension()
        before = await az.send("GET", path, EXTENSIONS)
        deleted = await az.send("DELETE", f"{path}?forceDelete=false&api-version={EXTENSIONS}")
        ended = await az.followed(deleted.headers["Azure-AsyncOperation"])
        after = await az.send("GET", path, EXTENSIONS)

    assert (before.status, deleted.status, deleted.body) == (200, 202, b"")
    assert (ended, after.status) == ("Succeeded", 404)


async def test_delete_of_nothing_ends_with_the_first_look() -> None:
    async with command("k8s-extension delete", "--name --yes", is_bare=True) as az:
        before = await az.send("GET", az.stage.extension(), EXTENSIONS)

    assert (before.status, before.json["error"]["code"]) == (404, "ResourceNotFound")


async def test_show_and_list_see_what_is_there() -> None:
    async with command("k8s-extension list", "--cluster-name --resource-group") as az:
        path = az.stage.extension()
        shown = await az.send("GET", path, EXTENSIONS)
        listed = await az.send("GET", path.rpartition("/")[0], EXTENSIONS)
        cluster = await az.send("GET", az.stage.cluster(), "2025-08-01-preview")
        clusters = await az.send("GET", az.stage.cluster().rpartition("/")[0], "2025-08-01-preview")

    assert listed.json == {"value": [shown.json], "nextLink": None}
    assert cluster.json in clusters.json["value"]


async def test_a_graph_query_is_asked_for_a_hundred_rows_and_continued_by_its_token() -> None:
    query = "Resources | project id, name | order by id asc"
    options = {"$top": 5, "resultFormat": "objectArray", "allowPartialScopes": False}
    async with command("graph query", "-q --first") as az:
        subscriptions = [az.stage.cluster(number).split("/")[2] for number in (0, 2, 4)]
        body = {"subscriptions": subscriptions, "query": query}
        path = "/providers/Microsoft.ResourceGraph/resources"
        first = await az.send(
            "POST", path, "2021-03-01", {**body, "options": {**options, "$skip": 0}}
        )
        token = first.json["$skipToken"]
        second = await az.send(
            "POST", path, "2021-03-01", {**body, "options": {**options, "$skipToken": token}}
        )

    assert (first.json["count"], first.json["totalRecords"]) == (5, 12)
    ids = [one["id"] for one in (*first.json["data"], *second.json["data"])]
    assert len(set(ids)) == 10
    assert ids == sorted(ids)


async def test_every_request_of_a_command_carries_one_id_which_comes_back_to_who_asks() -> None:
    async with command("k8s-extension show", "--name") as az:
        asked = {"x-ms-client-request-id": CLIENT_ID, "x-ms-return-client-request-id": "true"}
        heard = await az.caller.send(
            "GET", az.stage.extension(), headers=asked, api_version=EXTENSIONS
        )
        silent = await az.send("GET", az.stage.extension(), EXTENSIONS)

    assert heard.headers["x-ms-client-request-id"] == CLIENT_ID
    assert "x-ms-client-request-id" not in silent.headers
