from __future__ import annotations

import dataclasses
import datetime as dt

from fleet.core import heartbeats, planner
from fleet.core.heartbeats import HEARTBEAT_LIMIT, MARGIN
from fleet.model.cluster import Cluster, Connectivity
from fleet.model.plan import Action
from fleet.model.scope import Scope, Unreachable
from fleet.model.strategy import WaveRule
from tests.rig import fleets, rollouts
from tests.rig.fleets import T0, cluster

LATEST_SILENCE = HEARTBEAT_LIMIT + MARGIN
YOUNG = cluster("young", last_connectivity_at=T0)


def silent_for(duration: dt.timedelta, name: str = "silent") -> Cluster:
    return cluster(name, last_connectivity_at=T0 - duration)


def test_a_cluster_that_was_heard_of_lately_is_believed() -> None:
    edge = silent_for(LATEST_SILENCE)

    assert heartbeats.weighed([YOUNG, edge], read_at=T0) == ([YOUNG, edge], ())


def test_a_cluster_that_was_silent_for_longer_is_taken_as_offline() -> None:
    late = silent_for(LATEST_SILENCE + dt.timedelta(seconds=1))
    offline = dataclasses.replace(late, connectivity=Connectivity.OFFLINE)

    assert heartbeats.weighed([YOUNG, late], read_at=T0) == (
        [YOUNG, offline],
        ("silent: called Connected, and not heard of for more than 20 minutes: taken as Offline",),
    )


def test_many_silent_clusters_are_counted_and_three_are_named() -> None:
    late = [silent_for(dt.timedelta(hours=1), f"s{n}") for n in range(5)]

    _, warnings = heartbeats.weighed([YOUNG, *late], read_at=T0)

    assert [one.partition(":")[0] for one in warnings] == ["s0, s1, s2 and 2 more"]


def test_where_no_heartbeat_is_young_the_index_is_late_and_not_the_clusters() -> None:
    late = [silent_for(dt.timedelta(hours=1), f"s{n}") for n in range(2)]

    clusters, warnings = heartbeats.weighed(late, read_at=T0)

    assert clusters == late
    assert len(warnings) == 1
    assert "seems to be late" in warnings[0]


def test_nothing_is_concluded_without_a_moment() -> None:
    late = silent_for(dt.timedelta(days=1))

    assert heartbeats.weighed([YOUNG, late], read_at=None) == ([YOUNG, late], ())


def test_a_cluster_that_was_never_heard_of_is_not_believed() -> None:
    never = cluster("never", last_connectivity_at=None)
    offline = dataclasses.replace(never, connectivity=Connectivity.OFFLINE)

    clusters, warnings = heartbeats.weighed([YOUNG, never], read_at=T0)

    assert clusters == [YOUNG, offline]
    assert [one.partition(":")[0] for one in warnings] == ["never"]


def test_where_no_heartbeat_is_known_at_all_the_index_does_not_tell_them() -> None:
    never = [cluster(name, last_connectivity_at=None) for name in ("a", "b")]

    clusters, warnings = heartbeats.weighed(never, read_at=T0)

    assert (clusters, len(warnings)) == (never, 1)


def test_what_the_service_calls_offline_stays_as_it_calls_it() -> None:
    expired = silent_for(dt.timedelta(days=40))
    expired = dataclasses.replace(expired, connectivity=Connectivity.EXPIRED)

    assert heartbeats.weighed([YOUNG, expired], read_at=T0) == ([YOUNG, expired], ())


def test_a_plan_tries_a_silent_cluster_last_or_leaves_it_out() -> None:
    late = silent_for(dt.timedelta(hours=1))
    found = fleets.inventory([cluster("young", last_connectivity_at=T0), late])
    found = dataclasses.replace(found, read_at=T0)
    spread = rollouts.strategy(waves=(WaveRule(name="all", size="rest"),))
    skip = Scope(unreachable=Unreachable.SKIP)

    deferring = planner.plan(rollouts.rollout(spread=spread), found)
    skipping = planner.plan(rollouts.rollout(spread=spread, scope=skip), found)

    assert [(one.cluster_name, one.wave) for one in deferring.targets] == [
        ("young", "all"),
        ("silent", "catch-up"),
    ]
    assert deferring.head.warnings[0].startswith("silent: called Connected")
    assert [(one.cluster_name, one.action) for one in skipping.targets] == [
        ("young", Action.INSTALL),
        ("silent", Action.SKIP),
    ]
