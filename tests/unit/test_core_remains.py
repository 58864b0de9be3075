"""How many clusters still have an extension that is to go."""

from __future__ import annotations

from fleet.core import fold, planner, remains
from fleet.core.remains import Remains
from fleet.core.state import RunState
from fleet.model.cluster import UnreadExtension
from fleet.model.plan import Plan
from fleet.model.statuses import Result
from fleet.model.versions import VersionOrder
from fleet.spec import profiles
from fleet.ui import remainsview
from tests.rig import fleets, rollouts
from tests.rig.fleets import cluster, extension

OSM = profiles.load("osm")
UNREAD = UnreadExtension(name="osm", extension_type=fleets.MESH_TYPE, why="no version")
CLUSTERS = (
    cluster("a", extension("1.1.1")),
    cluster("b", extension("1.1.1-1")),
    cluster("c", extension("1.1.1-1", name="mesh")),
    cluster("d", extension("1.0.0", extension_type="contoso.other")),
    cluster("e", unread=(UNREAD,)),
    cluster("f"),
)


def test_clusters_are_counted_by_version_the_most_frequent_first_then_the_newest() -> None:
    found = remains.of_clusters(CLUSTERS, rollouts.desired())

    by_version = (("1.1.1-1", 2), ("1.1.1", 1), ("", 1))
    assert found == Remains(cluster_count=6, by_version=by_version)
    assert remainsview.line(found, OSM) == (
        "osm: 4 of 6 clusters have it: 1.1.1-1 (2), 1.1.1 (1), version not shown (1)"
    )
    assert remainsview.document(found, OSM) == {
        "profile": "osm",
        "extensionType": "Microsoft.openservicemesh",
        "notice": OSM.notice,
        "clusterCount": 6,
        "presentCount": 4,
        "byVersion": [
            {"version": "1.1.1-1", "clusterCount": 2},
            {"version": "1.1.1", "clusterCount": 1},
            {"version": None, "clusterCount": 1},
        ],
    }


def test_versions_are_rows_too() -> None:
    found = remains.of_clusters(CLUSTERS, rollouts.desired())

    assert remainsview.table(found).rows == [
        ("1.1.1-1", "2"),
        ("1.1.1", "1"),
        ("version not shown", "1"),
    ]


def test_a_fleet_without_it_has_none_left() -> None:
    found = remains.of_clusters(CLUSTERS[-1:], rollouts.desired())

    assert remainsview.line(found, OSM, verb="still have") == "osm: 0 of 1 cluster still have it"


def test_after_an_uninstall_what_did_not_end_well_is_there_still() -> None:
    fates = (Result.SUCCEEDED, Result.FAILED, Result.REMOVED)
    stores = fleets.stores(4, extension("1.1.1"))
    plan = planned((*stores, cluster("x")))
    state = told(plan, dict(enumerate(fates)))

    assert remains.of_run(state, order=VersionOrder.REVISION) == Remains(
        cluster_count=4, by_version=(("1.1.1", 2),)
    )


def test_after_an_upgrade_it_is_there_in_the_version_that_was_reached() -> None:
    asked = rollouts.rollout()
    plan = planner.plan(asked, fleets.inventory(fleets.stores(2, extension("1.1.1"))))

    left = remains.of_run(told(plan, {0: Result.SUCCEEDED}), order=VersionOrder.REVISION)

    assert left == Remains(cluster_count=2, by_version=(("1.2.6", 1), ("1.1.1", 1)))


def planned(places: tuple[object, ...]) -> Plan:
    asked = rollouts.rollout(wish=rollouts.UNINSTALL)
    return planner.plan(asked, fleets.inventory(places))  # type: ignore[arg-type]


def told(plan: Plan, results: dict[int, Result]) -> RunState:
    state = RunState()
    for one in fleets.opening(plan):
        fold.apply(state, one)
    state.results.update(results)
    return state
