from __future__ import annotations

import dataclasses
import datetime as dt
from typing import Any

import pytest

from fleet.core import planner
from fleet.errors import InputError
from fleet.model.cluster import Cluster, Connectivity
from fleet.model.desired import Desired, Match, Scope, Unreachable, WaveRule
from fleet.model.plan import CATCH_UP, Action, Plan
from tests.rig import rollouts
from tests.rig.fleets import automatic, cluster, extension, inventory, stores

CANARY = (WaveRule(name="canary", size=1), WaveRule(name="rest", size="rest"))
OLD, NEW = extension("1.2.3"), extension("1.2.6")


def planned(*clusters: Cluster, wish: Desired | None = None, **changes: Any) -> Plan:
    scope = changes.pop("scope", None)
    asked = rollouts.rollout(
        wish=wish, spread=rollouts.strategy(**({"max_concurrency": 1} | changes)), scope=scope
    )
    return planner.plan(asked, inventory(clusters))


def test_waves_stand_one_after_another_and_what_needs_nothing_comes_last() -> None:
    plan = planned(*stores(3, OLD), cluster("store-000", NEW), waves=CANARY)

    assert [(one.cluster_name, one.wave, one.action) for one in plan.targets] == [
        ("store-001", "canary", Action.UPGRADE),
        ("store-002", "rest", Action.UPGRADE),
        ("store-003", "rest", Action.UPGRADE),
        ("store-000", None, Action.NO_CHANGE),
    ]
    assert [(wave.name, len(some)) for wave, some in plan.by_wave()] == [("canary", 1), ("rest", 2)]
    assert plan.change_count == 3


def test_a_canary_that_needs_nothing_is_replaced_by_the_next() -> None:
    plan = planned(
        cluster("store-1", NEW), cluster("store-2", OLD), cluster("store-3", OLD), waves=CANARY
    )

    assert [one.cluster_name for one in plan.targets] == ["store-2", "store-3", "store-1"]
    assert plan.targets[0].wave == "canary"


def test_a_wave_that_is_left_empty_is_left_out() -> None:
    plan = planned(cluster("store-1", OLD), waves=CANARY)

    assert [wave.name for wave in plan.head.waves] == ["canary"]


def test_nothing_to_do_is_a_plan_without_waves() -> None:
    plan = planned(*stores(2, NEW), waves=CANARY)

    assert (plan.head.waves, plan.change_count, plan.head.warnings) == ((), 0, ())
    assert plan.head.limits.max_concurrency == 1


def test_a_selector_that_means_nothing_is_refused() -> None:
    scope = Scope(match=Match(locations=("mars",)))

    with pytest.raises(InputError, match="no cluster is selected, of 2 discovered"):
        planned(*stores(2), scope=scope)


def test_a_target_in_no_wave_is_refused() -> None:
    with pytest.raises(InputError, match="2 targets are in no wave"):
        planned(*stores(3, OLD), waves=CANARY[:1])


def test_clusters_that_are_not_connected_make_a_last_wave() -> None:
    far = cluster("store-000", OLD, connectivity=Connectivity.OFFLINE)

    plan = planned(far, *stores(2, OLD), waves=CANARY)

    assert [(one.cluster_name, one.wave) for one in plan.targets] == [
        ("store-001", "canary"),
        ("store-002", "rest"),
        ("store-000", CATCH_UP),
    ]


def test_percentages_are_of_the_targets_that_need_a_change() -> None:
    waves = (WaveRule(name="half", size="50%"), WaveRule(name="rest", size="rest"))

    plan = planned(*stores(4, OLD), *(cluster(f"done-{n}", NEW) for n in range(6)), waves=waves)

    assert [wave.target_count for wave in plan.head.waves] == [2, 2]


def test_what_cannot_be_done_is_listed_with_its_reason_and_in_no_denominator() -> None:
    system = extension("1.2.3", is_system=True)

    plan = planned(*stores(2, OLD), cluster("sys", system), max_failures="50%")

    assert [one.action for one in plan.targets] == [Action.UPGRADE] * 2 + [Action.BLOCKED]
    assert plan.head.limits.max_failures == 1


def test_clamped_integers_are_warned_about() -> None:
    plan = planned(*stores(2, OLD), max_concurrency=10, max_failures=3)

    assert plan.head.warnings == (
        "the run: maxConcurrency 10 is more than the 2 targets there are: taken as 2",
        "the run: maxFailures 3 is more than the 2 targets there are: taken as 2",
    )


# --- what a digest is of -----------------------------------------------------------------


def test_the_digest_does_not_depend_on_the_order_of_the_inventory() -> None:
    clusters = [*stores(3, OLD), cluster("store-002", OLD, group="rg2")]

    assert planned(*clusters).digest == planned(*reversed(clusters)).digest


def test_the_digest_does_not_depend_on_heartbeats_and_agents() -> None:
    clusters = stores(3, OLD)
    later = [
        dataclasses.replace(
            one,
            last_connectivity_at=dt.datetime(2026, 2, 1, tzinfo=dt.UTC),
            agent_version="1.21.0",
            kubernetes_version="1.30.0",
        )
        for one in clusters
    ]

    assert planned(*clusters) == planned(*later)


@pytest.mark.parametrize(
    "changed",
    [
        pytest.param(extension("1.1.1"), id="another version"),
        pytest.param(automatic("1.2.3"), id="another flag"),
        pytest.param(extension("1.2.3", release_train="preview"), id="another train"),
        pytest.param(extension("1.2.3", protected_keys=("token",)), id="protected settings"),
    ],
)
def test_the_digest_depends_on_what_was_found(changed: Any) -> None:
    before, after = planned(cluster("a", OLD)), planned(cluster("a", changed))

    assert before.digest != after.digest
    assert before.head.inventory_digest != after.head.inventory_digest


def test_the_digest_depends_on_what_is_asked() -> None:
    one = planned(*stores(3, OLD), max_failures=0)

    assert one.digest != planned(*stores(3, OLD), max_failures=1).digest
    assert one.digest != planned(*stores(3, OLD), scope=Scope(unreachable=Unreachable.FAIL)).digest
