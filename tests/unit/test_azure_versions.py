"""Which versions are offered where: by location, by a cluster there, or as the profile knows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from fleet.core import planner
from fleet.errors import RemoteError, UnexpectedPayloadError
from fleet.model.cluster import Inventory, UnsupportedKubernetes, VersionLimits
from fleet.model.scope import Scope
from tests.rig import reference, rollouts
from tests.rig.scripted import Got, Line, Say, failure, speaking

GRAPH = "Microsoft.ResourceGraph"
OSM = "microsoft.openservicemesh"
BY_CLUSTER = "/connectedClusters/"
DENIED = failure(403, "AuthorizationFailed")
UNTOLD = "the service does not tell (is reading extension types allowed?) which versions it offers"


def cluster_id(name: str) -> str:
    group = "/subscriptions/s1/resourceGroups/rg"
    return f"{group}/providers/Microsoft.Kubernetes/connectedClusters/{name}"


def row(name: str, location: str, *, train: str | None = None, **fields: Any) -> dict[str, Any]:
    properties = {"extensionType": OSM, "releaseTrain": train, "provisioningState": "Succeeded"}
    return {
        "id": cluster_id(name),
        "name": name,
        "location": location,
        "distribution": "rancher_rke",
        "kubernetesVersion": "1.30.1",
        "connectivityStatus": "Connected",
        "lastConnectivityTime": "",
        "extensions": [{"name": "osm", "properties": properties}] if train else None,
        **fields,
    }


def versions(*names: str, limits: Mapping[str, str] | None = None) -> Say:
    def told(name: str) -> dict[str, Any]:
        excluded = [{"distributions": [], "unsupportedVersions": [(limits or {}).get(name)]}]
        by_kind = {"connectedCluster": excluded if name in (limits or {}) else None}
        return {
            "name": name,
            "properties": {"version": name, "unsupportedKubernetesVersions": by_kind},
        }

    return Say(body={"value": [told(name) for name in names]})


async def discovered(
    line: Line, *rows: dict[str, Any], train: str | None = None, **places: Say
) -> Inventory:
    """Discover *rows*; *places* are what locations say, by name."""

    def answer(got: Got) -> Say:
        found = rows if got.json["query"].startswith("resources\n") else ()
        return Say(body={"data": list(found), "totalRecords": len(found)})

    line.server.on("POST", GRAPH, answer)
    for place, said in places.items():
        line.server.on("GET", f"/locations/{place}/", said)
    return await line.azure.inventory(Scope(), extension_type=OSM, release_train=train)


def of_versions(found: Inventory) -> list[str]:
    """Return the warnings about versions."""
    return [one for one in found.warnings if one.startswith("release train")]


def judged(found: Inventory, **wish: Any) -> dict[str, tuple[str, str | None]]:
    """Plan, and return each cluster's action and version."""
    plan = planner.plan(rollouts.rollout(wish=rollouts.desired(**wish)), found)
    return {one.cluster_name: (one.action.value, one.to_version) for one in plan.targets}


# --- by cluster --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("say", "why"),
    [
        (DENIED, "403 AuthorizationFailed"),
        (failure(404, "ResourceNotFound"), "404 ResourceNotFound"),
        (failure(400, "NoRegisteredProviderFound"), "400 NoRegisteredProviderFound"),
        (
            failure(400, "LocationNotAvailableForResourceType"),
            "400 LocationNotAvailableForResourceType",
        ),
        (Say(status=404), "404"),
    ],
)
async def test_where_a_location_does_not_tell_one_connected_cluster_of_it_is_asked(
    say: Say, why: str
) -> None:
    rows = (
        row("a", "westeurope", connectivityStatus="Offline"),
        row("c", "westeurope"),
        row("b", "westeurope"),
        row("d", "eastus"),
    )
    async with speaking() as line:
        line.server.on("GET", BY_CLUSTER, versions("1.2.6"))
        found = await discovered(line, *rows, westeurope=say, eastus=versions("1.2.6"))
        sent = [one.path for one in line.server.sent("GET", BY_CLUSTER)]

    (path,) = sent
    assert path == (
        f"{cluster_id('b')}/providers/Microsoft.KubernetesConfiguration/extensionTypes/{OSM}"
        "/versions?api-version=2023-05-01-preview&releaseTrain=stable"
    )
    assert (found.versions, found.local_versions) == ({"stable": ("1.2.6",)}, {})
    (warning,) = of_versions(found)
    assert warning == (
        f"release train stable: {UNTOLD} in westeurope (it answers {why}; what its cluster b is "
        "offered is used instead)"
    )


async def test_where_neither_tells_the_profile_serves_and_the_plan_says_so() -> None:
    async with speaking() as line:
        line.server.on("GET", BY_CLUSTER, failure(404, "ResourceNotFound"))
        found = await discovered(
            line,
            row("a", "westeurope"),
            row("b", "eastus", connectivityStatus="Offline"),
            row("c", "northeurope"),
            westeurope=DENIED,
            eastus=DENIED,
            northeurope=versions("1.2.6"),
        )

    assert found.versions == {"stable": ("1.2.6",)}
    assert found.local_versions == {
        "stable": {"westeurope": None, "eastus": None, "northeurope": ("1.2.6",)}
    }
    (warning,) = of_versions(found)
    assert warning == (
        f"release train stable: {UNTOLD} in westeurope (it answers 403 AuthorizationFailed, and "
        "for its cluster a 404 ResourceNotFound), eastus (it answers 403 AuthorizationFailed, and "
        "no cluster there is connected); what the profile knows is used there instead"
    )
    plan = planner.plan(rollouts.rollout(wish=rollouts.desired()), found)
    assert warning in plan.head.warnings


async def test_where_nobody_tells_anything_no_train_has_versions() -> None:
    async with speaking() as line:
        line.server.on("GET", BY_CLUSTER, DENIED)
        found = await discovered(line, row("a", "westeurope"), westeurope=DENIED)

    assert (found.versions, found.local_versions, found.version_limits) == ({}, {}, {})
    assert [one.partition(":")[0] for one in of_versions(found)] == ["release train stable"]


async def test_requests_grow_with_the_locations_and_never_with_the_clusters() -> None:
    rows = [row(f"c{n:03}", f"place{n % 5}", train="stable") for n in range(300)]
    async with speaking() as line:
        line.server.on("GET", BY_CLUSTER, DENIED)
        found = await discovered(
            line, *rows, **dict[str, Any]((f"place{n}", DENIED) for n in range(5))
        )
        sent = line.server.sent("GET")

    assert len(sent) == 2 * 5
    (warning,) = of_versions(found)
    assert "and 2 more" in warning
    assert len(warning) < 600


async def test_a_clusters_list_in_trouble_is_asked_for_again_and_then_told() -> None:
    async with speaking() as line:
        line.server.on("GET", BY_CLUSTER, [failure(503, "Busy"), versions("1.2.6")])
        found = await discovered(line, row("a", "westeurope"), westeurope=DENIED)
        assert found.versions == {"stable": ("1.2.6",)}

        for say, error in (
            (failure(400, "Bad"), RemoteError),
            (Say(body={"value": None}), UnexpectedPayloadError),
        ):
            line.server.on("GET", BY_CLUSTER, say)
            with pytest.raises(error, match=f"versions of {OSM} for a"):
                await discovered(line, row("a", "westeurope"), westeurope=DENIED)


async def test_recorded_versions_of_a_cluster_can_be_read() -> None:
    reference.folder("recordings")
    (body,) = [
        one.body
        for one in reference.interactions()
        if one.path.endswith("/versions") and BY_CLUSTER in one.path and one.status == 200
    ]
    async with speaking() as line:
        line.server.on("GET", BY_CLUSTER, Say(body=body))
        found = await discovered(line, row("a", "westeurope"), westeurope=DENIED)

    assert set(found.versions["stable"]) == {"1.5.0", "1.4.0", "1.3.0", "1.1.0", "1.2.0"}


# --- where locations differ --------------------------------------------------------------


async def test_a_version_is_planned_only_where_it_is_offered() -> None:
    async with speaking() as line:
        found = await discovered(
            line,
            row("a", "westeurope"),
            row("b", "northeurope"),
            row("c", "eastus"),
            westeurope=versions("1.2.6", "1.2.3", "1.1.1"),
            northeurope=versions("1.1.1", "1.2.3"),
            eastus=versions(),
        )

    assert found.local_versions == {
        "stable": {
            "westeurope": ("1.2.6", "1.2.3", "1.1.1"),
            "northeurope": ("1.1.1", "1.2.3"),
            "eastus": (),
        }
    }
    assert judged(found, version="1.2.6") == {
        "a": ("install", "1.2.6"),
        "b": ("blocked", None),
        "c": ("blocked", None),
    }
    assert judged(found, version="latest") == {
        "a": ("install", "1.2.6"),
        "b": ("install", "1.2.3"),
        "c": ("blocked", None),
    }
    (warning,) = of_versions(found)
    assert warning == (
        "release train stable: not every location offers every version: 1.2.6 (not in northeurope, "
        "eastus), 1.2.3 (not in eastus), 1.1.1 (not in eastus)"
    )


async def test_another_order_is_no_difference() -> None:
    async with speaking() as line:
        found = await discovered(
            line,
            row("a", "westeurope"),
            row("b", "northeurope"),
            westeurope=versions("1.2.6", "1.1.1"),
            northeurope=versions("1.1.1", "1.2.6"),
        )

    assert (set(found.versions["stable"]), found.local_versions) == ({"1.1.1", "1.2.6"}, {})
    assert of_versions(found) == []


async def test_one_train_may_differ_and_another_not() -> None:
    def there(stable: str) -> Any:
        return lambda got: versions("2.0.0" if "=pilot" in got.path else stable)

    async with speaking() as line:
        line.server.on("GET", "/westeurope/", there("1.2.6"))
        line.server.on("GET", "/northeurope/", there("1.1.1"))
        found = await discovered(
            line, row("a", "westeurope", train="Pilot"), row("b", "northeurope"), train="stable"
        )

    assert found.versions == {"pilot": ("2.0.0",), "stable": ()}
    assert found.local_versions == {"stable": {"westeurope": ("1.2.6",), "northeurope": ("1.1.1",)}}


async def test_limits_are_kept_of_a_version_that_one_location_only_offers() -> None:
    async with speaking() as line:
        found = await discovered(
            line,
            row("a", "westeurope"),
            row("b", "northeurope"),
            westeurope=versions("1.2.6", "1.1.1", limits={"1.2.6": ">1.29"}),
            northeurope=versions("1.1.1"),
        )

    unsupported = (UnsupportedKubernetes(distributions=(), ranges=(">1.29",)),)
    assert found.version_limits == {"stable": {"1.2.6": VersionLimits(unsupported=unsupported)}}
    assert judged(found)["a"] == ("blocked", None)
