from __future__ import annotations

import dataclasses

from fleet.sim import stock
from tests.rig.serving import CALM, Stage, staged

VERSION = "2023-05-01-preview"
OSM = "microsoft.openservicemesh"


def at_location(stage: Stage) -> str:
    subscription = stage.cluster().split("/")[2]
    provider = "providers/Microsoft.KubernetesConfiguration"
    return f"/subscriptions/{subscription}/{provider}/locations/westeurope/extensionTypes"


def at_cluster(stage: Stage) -> str:
    return f"{stage.cluster()}/providers/Microsoft.KubernetesConfiguration/extensionTypes"


async def test_types_are_listed_and_got_at_both_scopes() -> None:
    recipe = dataclasses.replace(CALM, extensions=stock.EXTENSIONS)
    async with staged(recipe) as stage:
        for path in (at_location(stage), at_cluster(stage)):
            listed = await stage.caller.get(path, api_version=VERSION)
            one = await stage.caller.get(f"{path}/Microsoft.OpenServiceMesh", api_version=VERSION)
            names = [each["name"] for each in listed.json["value"]]
            assert (names, listed.json["nextLink"]) == (["microsoft.flux", OSM], None)
            found = listed.json["value"][1]
            assert one.json == {**found, "id": f"{path}/Microsoft.OpenServiceMesh"}
            assert found["properties"]["supportedScopes"]["clusterScopeSettings"] == {
                "allowMultipleInstances": False,
                "defaultReleaseNamespace": "arc-osm-system",
            }


async def test_versions_come_in_another_order_at_each_scope() -> None:
    async with staged() as stage:
        orders = []
        for path in (at_location(stage), at_cluster(stage)):
            heard = await stage.caller.get(f"{path}/{OSM}/versions", api_version=VERSION)
            assert heard.json["nextLink"] is None
            assert all(
                each["name"] == each["properties"]["version"] for each in heard.json["value"]
            )
            orders.append([each["name"] for each in heard.json["value"]])

    offered = list(stock.OSM.versions["stable"])
    assert sorted(orders[0]) == sorted(orders[1]) == sorted(offered)
    assert offered not in orders
    assert orders[0] != orders[1]


async def test_versions_are_of_one_train_and_can_be_narrowed() -> None:
    kind = dataclasses.replace(
        stock.OSM, versions={"stable": ("1.0.0", "1.2.6"), "preview": ("2.0.0",)}
    )
    async with staged(dataclasses.replace(CALM, extensions=(kind,))) as stage:

        async def versions(**query: str) -> list[str]:
            path = f"{at_location(stage)}/{OSM}/versions"
            heard = await stage.caller.get(path, api_version=VERSION, **query)
            return sorted(one["name"] for one in heard.json["value"])

        assert await versions() == ["1.0.0", "1.2.6"]
        assert await versions(releaseTrain="Preview") == ["2.0.0"]
        assert await versions(releaseTrain="nightly") == []
        assert await versions(showLatest="true") == ["1.2.6"]
        assert await versions(majorVersion="2") == []
        assert await versions(clusterType="managedClusters") == []
        assert await versions(clusterType="connectedClusters") == ["1.0.0", "1.2.6"]


async def test_many_versions_come_in_pages_of_fifty() -> None:
    offered = tuple(f"1.0.{number}" for number in range(120))
    kind = dataclasses.replace(stock.OSM, versions={"stable": ("9.0.0",), "preview": offered})
    async with staged(dataclasses.replace(CALM, extensions=(kind,))) as stage:
        path = f"{at_cluster(stage)}/{OSM}/versions"
        heard = await stage.caller.get(path, api_version=VERSION, releaseTrain="preview")
        sizes, found = [], []
        while True:
            sizes.append(len(heard.json["value"]))
            found += [one["name"] for one in heard.json["value"]]
            if heard.json["nextLink"] is None:
                break
            assert "continuationToken=" in heard.json["nextLink"]
            heard = await stage.caller.get(heard.json["nextLink"])

    assert sizes == [50, 50, 20]
    assert sorted(found) == sorted(offered)


async def test_one_version_is_there_or_missed() -> None:
    async with staged() as stage:
        path = f"{at_location(stage)}/{OSM}/versions"
        found = await stage.caller.get(f"{path}/1.2.6", api_version=VERSION)
        missing = await stage.caller.get(f"{path}/9.9.9", api_version=VERSION)
        nothing = await stage.caller.get(f"{at_location(stage)}/nothing", api_version=VERSION)

    nowhere = ("connectedCluster", "provisionedCluster", "managedCluster", "appliances")
    assert found.json == {
        "id": f"{path}/1.2.6",
        "name": "1.2.6",
        "type": "Microsoft.KubernetesConfiguration/extensionTypes/versions",
        "properties": {
            "version": "1.2.6",
            "unsupportedKubernetesVersions": dict.fromkeys(nowhere),
        },
    }
    assert (missing.status, nothing.status) == (404, 404)
    assert missing.json["error"]["code"] == "ResourceNotFound"
