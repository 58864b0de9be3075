"""What the catalogue of versions says of where they do not run."""

from __future__ import annotations

from typing import Any

import pytest

from fleet.azure import limits
from fleet.model.cluster import Inventory, UnsupportedKubernetes, VersionLimits
from fleet.model.scope import Scope
from tests.rig.scripted import Got, Line, Say, speaking

OSM = "microsoft.openservicemesh"


def version(name: str, **properties: Any) -> dict[str, Any]:
    return {"name": name, "properties": {"version": name, **properties}}


def excluding(*ranges: str, distributions: list[str] | None = None) -> dict[str, Any]:
    found = {"distributions": distributions, "unsupportedVersions": list(ranges)}
    return {
        "connectedCluster": [found],
        "managedCluster": [{"distributions": [], "unsupportedVersions": [">0.1"]}],
        "appliances": None,
    }


def unsupported(*ranges: str, distributions: tuple[str, ...] = ()) -> UnsupportedKubernetes:
    return UnsupportedKubernetes(distributions=distributions, ranges=ranges)


async def discovered(line: Line, *offered: dict[str, Any], **by_place: Any) -> Inventory:
    group = "/subscriptions/s1/resourceGroups/rg/providers/Microsoft.Kubernetes/connectedClusters"
    rows = [
        {"id": f"{group}/{place}", "name": place, "location": place}
        for place in by_place or ("westeurope",)
    ]

    def answer(got: Got) -> Say:
        data = rows if got.json["query"].startswith("resources\n") else []
        return Say(body={"data": data, "totalRecords": len(data), "resultTruncated": "false"})

    line.server.on("POST", "Microsoft.ResourceGraph", answer)
    line.server.on("GET", "/extensionTypes/", Say(body={"value": list(offered)}))
    for place, there in by_place.items():
        line.server.on("GET", f"/locations/{place}/", Say(body={"value": there}))
    return await line.azure.inventory(Scope(), extension_type=OSM, release_train=None)


async def test_limits_of_connected_clusters_become_part_of_the_inventory() -> None:
    async with speaking() as line:
        found = await discovered(
            line,
            version("1.2.6", unsupportedKubernetesVersions=excluding(">1.22", "1.18..1.21")),
            version(
                "1.2.3",
                unsupportedKubernetesVersions=excluding(
                    "<1.20", distributions=["OpenShift", "K3s"]
                ),
                supportedClusterTypes=["Connectedclusters", "Provisionedclusters"],
            ),
            version("1.1.1", unsupportedKubernetesVersions=None, supportedClusterTypes=None),
        )

    assert found.versions == {"stable": ("1.2.6", "1.2.3", "1.1.1")}
    assert found.version_limits == {
        "stable": {
            "1.2.6": VersionLimits(unsupported=(unsupported(">1.22", "1.18..1.21"),)),
            "1.2.3": VersionLimits(
                unsupported=(unsupported("<1.20", distributions=("openshift", "k3s")),),
                cluster_types=("connectedclusters", "provisionedclusters"),
            ),
        }
    }


async def test_what_any_location_says_of_a_versions_limits_holds() -> None:
    def there(text: str) -> list[dict[str, Any]]:
        return [version("1.2.6", unsupportedKubernetesVersions=excluding(text))]

    async with speaking() as line:
        found = await discovered(line, eastus=there(">1.22"), westus=there("<1.20"))

    (told,) = found.version_limits["stable"].values()
    assert set(told.unsupported) == {unsupported(">1.22"), unsupported("<1.20")}


async def test_versions_without_limits_have_no_entry() -> None:
    async with speaking() as line:
        found = await discovered(line, version("1.2.6"), version("1.2.3"))

    assert found.version_limits == {}


async def test_a_range_that_cannot_be_read_is_told_and_limits_nothing() -> None:
    async with speaking() as line:
        strange = excluding("~1.30", ">1.22", "all")
        found = await discovered(line, version("1.2.6", unsupportedKubernetesVersions=strange))

    assert found.warnings[0] == (
        "version 1.2.6: the service excludes Kubernetes versions in words that cannot be read "
        "('all', '~1.30'): they are not looked at"
    )


def test_any_shape_is_read_and_what_is_no_limit_is_none() -> None:
    shapes: list[Any] = [
        None,
        [],
        {},
        {"ConnectedCluster": None, "managedCluster": [7]},
        {"ConnectedCluster": [{"unsupportedVersions": None}, {"distributions": "x"}]},
    ]
    for shape in shapes:
        properties = {"unsupportedKubernetesVersions": shape, "supportedClusterTypes": "x"}
        assert limits.limits_of(properties) == VersionLimits()


@pytest.mark.parametrize(
    "shape",
    [
        "all",
        7,
        {"ConnectedCluster": "all"},
        {"connectedCluster": [None]},
        {"connectedCluster": [{"unsupportedVersions": 1}]},
        {"connectedCluster": [{"unsupportedVersions": [{"from": "1.22"}]}]},
    ],
)
async def test_an_exclusion_that_is_no_text_is_told(shape: Any) -> None:
    async with speaking() as line:
        found = await discovered(line, version("1.2.6", unsupportedKubernetesVersions=shape))

    assert found.warnings[0] == (
        "version 1.2.6: the service excludes Kubernetes versions in words that cannot be read "
        "('something that is no text'): they are not looked at"
    )


def test_only_a_kind_of_cluster_that_all_locations_name_is_one() -> None:
    several = [
        VersionLimits(cluster_types=("connectedclusters", "managedclusters")),
        VersionLimits(cluster_types=("connectedclusters",)),
        VersionLimits(),
    ]

    assert limits.together(several) == VersionLimits(cluster_types=("connectedclusters",))
