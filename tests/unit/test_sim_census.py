from __future__ import annotations

import dataclasses
import datetime as dt
from collections import Counter

import pytest

from fleet.model.cluster import (
    AutoUpgrade,
    Cluster,
    ClusterId,
    Connectivity,
    Extension,
    ProvisioningState,
)
from fleet.sim import names, worldfile
from fleet.sim.census import Census
from fleet.sim.recipe import Special

RECIPE = dataclasses.replace(worldfile.default_recipe(), cluster_count=2000, offline_ppm=0)


def test_the_same_seed_is_the_same_fleet_whoever_asks_first() -> None:
    one, other = Census(RECIPE), Census(RECIPE)

    assert [one.cluster(n) for n in range(50)] == [other.cluster(n) for n in reversed(range(50))][
        ::-1
    ]


def test_another_seed_is_another_fleet() -> None:
    one, other = Census(RECIPE), Census(dataclasses.replace(RECIPE, seed=2))

    assert [one.cluster(n) for n in range(50)] != [other.cluster(n) for n in range(50)]


def test_two_clusters_stand_at_each_site() -> None:
    census = Census(RECIPE)
    first, second = census.cluster(6), census.cluster(7)

    assert (first.name, second.name) == ("store-0004-a", "store-0004-b")
    assert first.tags == second.tags
    assert first.tags["site"] == "store-0004"
    assert first.location == second.location


def test_a_fleet_is_as_mixed_as_its_weights() -> None:
    census = Census(RECIPE)
    clusters = [census.cluster(n) for n in range(len(census))]

    shares = Counter(cluster.distribution for cluster in clusters)
    assert set(shares) == set(RECIPE.distributions)
    assert 500 < shares["k3s"] < 700
    assert {cluster.tags["env"] for cluster in clusters} == {"prod", "test"}
    assert {cluster.tags["ring"] for cluster in clusters} == {"canary", "early", "broad"}
    assert {cluster.location for cluster in clusters} == set(RECIPE.locations)
    found = Counter(one.current_version for one in _osm(clusters))
    assert set(found) == set(RECIPE.extensions[0].installed) - {"absent"}
    assert 1500 < sum(found.values()) < 1700


def test_an_id_reads_as_the_service_writes_it() -> None:
    cluster = Census(RECIPE).cluster(3)

    assert cluster.id == (
        "/subscriptions/00000000-0000-0000-0000-000000000002/resourceGroups/"
        f"rg-{cluster.location}/providers/Microsoft.Kubernetes/connectedClusters/store-0002-b"
    )


def test_a_cluster_is_found_whatever_the_casing() -> None:
    census = Census(RECIPE)
    cluster_id = census.cluster(17).id

    assert census.number(ClusterId(cluster_id.upper())) == 17


@pytest.mark.parametrize("tail", ["store-1001-a", "store-0001-c", "store-1-a", "other"])
def test_a_cluster_that_is_none_is_not_found(tail: str) -> None:
    census = Census(RECIPE)
    head = census.cluster(0).id.rpartition("/")[0]

    assert census.number(ClusterId(f"{head}/{tail}")) is None


def test_a_cluster_is_not_found_under_another_group() -> None:
    census = Census(RECIPE)
    cluster_id = census.cluster(0).id.replace("resourceGroups/rg-", "resourceGroups/rg-x")

    assert census.number(ClusterId(cluster_id)) is None


@pytest.mark.parametrize("count", [1, 2, 9, 20_001, 100_000])
def test_every_name_leads_back_to_its_number(count: int) -> None:
    numbers = [0, count // 2, count - 1]

    assert [names.index(names.cluster(n, count=count), count=count) for n in numbers] == numbers


def test_names_sort_as_numbers_do() -> None:
    found = [names.cluster(n, count=25_000) for n in range(0, 25_000, 7)]

    assert found == sorted(found)


def test_a_special_cluster_is_as_its_file_says() -> None:
    special = Special(
        cluster="store-0001-a",
        distribution="openshift",
        kubernetes_version="1.28.1",
        connectivity=Connectivity.OFFLINE,
        tags={"env": "lab", "tier": "gold"},
        installed={"osm": "1.1.1", "flux": "absent"},
        auto_upgrade=True,
        provisioning_state=ProvisioningState.FAILED,
        settings={"a": "b"},
        is_read_only=True,
    )
    drawn = Census(RECIPE).cluster(0)
    bent = Census(dataclasses.replace(RECIPE, specials=(special,))).cluster(0)

    (osm,) = bent.extensions
    assert osm.error is not None
    assert bent.last_connectivity_at is not None
    assert bent.last_connectivity_at < RECIPE.epoch
    assert bent == dataclasses.replace(
        drawn,
        distribution="openshift",
        kubernetes_version="1.28.1",
        connectivity=Connectivity.OFFLINE,
        last_connectivity_at=bent.last_connectivity_at,
        tags={**drawn.tags, "env": "lab", "tier": "gold"},
        extensions=(
            Extension(
                name="osm",
                extension_type="microsoft.openservicemesh",
                version=None,
                current_version="1.1.1",
                auto_upgrade=AutoUpgrade.COMPATIBLE,
                release_train="Stable",
                provisioning_state=ProvisioningState.FAILED,
                settings={"a": "b"},
                namespace="arc-osm-system",
                is_read_only=True,
                modified_at="2025-10-12T02:00:00.000000Z",
                error=osm.error,
            ),
        ),
    )


def test_a_special_cluster_changes_nothing_about_the_others() -> None:
    special = Special(cluster="store-0001-a", connectivity=Connectivity.OFFLINE)
    bent = Census(dataclasses.replace(RECIPE, specials=(special,)))

    assert [bent.cluster(n) for n in range(1, 50)] == [
        Census(RECIPE).cluster(n) for n in range(1, 50)
    ]


def test_openshift_carries_the_setting_it_needs() -> None:
    census = Census(RECIPE)
    clusters = [census.cluster(n) for n in range(200)]

    found = {
        (cluster.distribution == "openshift", tuple(one.settings.items()))
        for cluster in clusters
        for one in _osm([cluster])
    }
    assert found == {
        (True, (("osm.osm.enablePrivilegedInitContainer", "true"),)),
        (False, ()),
    }


def test_what_clusters_have_in_common_exists_once() -> None:
    census = Census(RECIPE)
    found = _osm([census.cluster(n) for n in range(len(census))])

    assert len({id(one) for one in found}) < 60


def test_an_offline_cluster_was_last_heard_of_before_the_epoch() -> None:
    census = Census(dataclasses.replace(RECIPE, offline_ppm=1_000_000))

    heard = [census.cluster(n).last_connectivity_at for n in range(200)]
    assert all(at is not None and at <= RECIPE.epoch - dt.timedelta(hours=1) for at in heard)


def _osm(clusters: list[Cluster]) -> list[Extension]:
    return [one for cluster in clusters for one in cluster.extensions if one.name == "osm"]
