from __future__ import annotations

import dataclasses
import datetime as dt

from fleet.model.cluster import Connectivity
from fleet.sim import stock
from fleet.sim.recipe import Special
from tests.rig.serving import CALM, CLUSTERS, Stage, staged

_BEFORE_HEARTBEAT = {
    "provisioningState",
    "connectivityStatus",
    "privateLinkState",
    "azureHybridBenefit",
    "agentPublicKeyCertificate",
    "aadProfile",
    "distribution",
    "infrastructure",
    "arcAgentProfile",
}
_HEARTBEAT = {
    "kubernetesVersion",
    "totalNodeCount",
    "agentVersion",
    "totalCoreCount",
    "lastConnectivityTime",
    "managedIdentityCertificateExpirationTime",
}


async def test_a_cluster_is_shown_with_everything_its_agents_report() -> None:
    async with staged() as stage:
        stage.wait(minutes=7)
        world = stage.served.plane.azure.world
        found = next(world.clusters(stage.clock.now(), [0]))
        heard = await stage.caller.get(found.id, api_version=CLUSTERS)

    document = heard.json
    properties, system, identity = (
        document.pop(name) for name in ("properties", "systemData", "identity")
    )
    assert document == {
        "id": found.id,
        "name": "store-0001-a",
        "type": "microsoft.kubernetes/connectedclusters",
        "location": found.location,
        "tags": dict(found.tags),
    }
    assert set(properties) == _BEFORE_HEARTBEAT | _HEARTBEAT
    assert properties["connectivityStatus"] == "Connected"
    assert properties["lastConnectivityTime"] == "2026-01-10T02:05:00.000Z"
    assert properties["totalCoreCount"] == 4 * properties["totalNodeCount"]
    assert len(properties["agentPublicKeyCertificate"]) == 704
    assert set(identity) == {"principalId", "tenantId", "type"}
    assert system["createdAt"] == "2025-10-12T02:00:00.0000000Z"
    assert heard.headers["etag"].startswith('"')


async def test_before_the_first_heartbeat_nothing_is_reported() -> None:
    special = Special(cluster="store-0001-a", connectivity=Connectivity.CONNECTING)
    async with staged(dataclasses.replace(CALM, specials=(special,))) as stage:
        heard = await stage.caller.get(stage.cluster(), api_version=CLUSTERS)

    assert heard.json["properties"]["connectivityStatus"] == "Connecting"
    assert set(heard.json["properties"]) == _BEFORE_HEARTBEAT


async def test_the_oldest_version_knows_less() -> None:
    async with staged() as stage:
        old, new = [
            set((await stage.caller.get(stage.cluster(), api_version=each)).json["properties"])
            for each in ("2021-10-01", "2026-05-01")
        ]

    assert new - old == {
        "privateLinkState",
        "azureHybridBenefit",
        "aadProfile",
        "arcAgentProfile",
        "managedIdentityCertificateExpirationTime",
    }


async def test_a_cluster_is_expired_when_its_certificate_is() -> None:
    special = Special(cluster="store-0001-a", connectivity=Connectivity.EXPIRED)
    async with staged(dataclasses.replace(CALM, specials=(special,))) as stage:
        ends = [
            (await stage.caller.get(stage.cluster(number), api_version=CLUSTERS)).json[
                "properties"
            ]["managedIdentityCertificateExpirationTime"]
            for number in (0, 1)
        ]

    expired, connected = map(dt.datetime.fromisoformat, ends)
    assert expired < stock.EPOCH < connected < stock.EPOCH + dt.timedelta(days=91)
    assert ends[1].endswith(":00Z")


async def test_a_cluster_that_is_gone_is_missed_by_the_gateway() -> None:
    special = Special(cluster="store-0001-a", removed_after=dt.timedelta(minutes=1))
    async with staged(dataclasses.replace(CALM, specials=(special,))) as stage:
        cluster, extension = stage.cluster(), stage.extension()
        before = await stage.caller.get(cluster, api_version=CLUSTERS)
        stage.wait(minutes=1)
        heard = await stage.caller.get(cluster, api_version=CLUSTERS)
        below = await stage.caller.get(extension, api_version="2023-05-01")

    group = cluster.split("/")[4]
    message = (
        f"The Resource 'Microsoft.Kubernetes/connectedClusters/store-0001-a' under resource group "
        f"'{group}' was not found. For more details please go to "
        "https://aka.ms/ARMResourceNotFoundFix"
    )
    assert before.status == 200
    for one in (heard, below):
        assert one.headers["x-ms-failure-cause"] == "gateway"
        assert (one.status, one.json) == (
            404,
            {"error": {"code": "ResourceNotFound", "message": message}},
        )


async def names_of(stage: Stage, path: str) -> tuple[list[str], int]:
    """Follow a list to its end; return the names, and how many pages there were."""
    found, pages = [], 0
    heard = await stage.caller.get(path, api_version=CLUSTERS)
    while True:
        pages += 1
        found += [one["name"] for one in heard.json["value"]]
        link = heard.json.get("nextLink")
        if link is None:
            assert "nextLink" not in heard.json
            return found, pages
        assert link.startswith(stage.base)
        heard = await stage.caller.get(link)


async def test_lists_go_on_over_pages_until_everything_was_there_once() -> None:
    recipe = dataclasses.replace(CALM, cluster_count=500, subscription_count=2)
    async with staged(recipe) as stage:
        everyone = list(stage.served.plane.azure.world.clusters(stage.clock.now()))
        seen: list[str] = []
        for subscription in stage.served.plane.subscriptions:
            path = f"/subscriptions/{subscription}"
            clusters = "providers/Microsoft.Kubernetes/connectedClusters"
            found, pages = await names_of(stage, f"{path}/{clusters}")
            assert pages == 3
            in_groups = [
                name
                for location in stock.LOCATIONS
                for name in (
                    await names_of(stage, f"{path}/resourceGroups/rg-{location}/{clusters}")
                )[0]
            ]
            assert sorted(in_groups) == sorted(found)
            seen += found

    assert sorted(seen) == [one.name for one in everyone]


async def test_a_skip_token_of_nobody_s_is_refused() -> None:
    async with staged() as stage:
        subscription = stage.cluster().split("/")[2]
        heard = await stage.caller.get(
            f"/subscriptions/{subscription}/providers/Microsoft.Kubernetes/connectedClusters"
            f"?api-version={CLUSTERS}&$skiptoken=!!"
        )

    assert (heard.status, heard.json["error"]["code"]) == (400, "InvalidSkipToken")


async def test_a_relay_tells_its_tenant_in_new_versions_alone() -> None:
    body = {"authenticationMethod": "Token", "clientProxy": True}
    async with staged() as stage:
        path = f"{stage.cluster()}/listClusterUserCredential"
        old, new = [
            (await stage.caller.send("POST", path, body=body, api_version=each)).json[
                "hybridConnectionConfig"
            ]
            for each in ("2024-01-01", "2026-05-01")
        ]

    assert set(new) - set(old) == {"relayTid", "relayType"}
    assert {name: new[name] for name in old} == old
