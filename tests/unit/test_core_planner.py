from __future__ import annotations

import dataclasses
import datetime as dt
from typing import Any

import pytest

from fleet.core import again, chain, planner, policy
from fleet.errors import InputError
from fleet.model import codec
from fleet.model.cluster import Cluster, Connectivity
from fleet.model.desired import Desired, Membership, OnDrift
from fleet.model.plan import CATCH_UP, Action, Plan, Pool
from fleet.model.scope import Match, Scope, Unreachable
from fleet.model.strategy import OnBreach, PoolRule, SpreadRule, WaveRule
from tests.rig import rollouts
from tests.rig.fleets import OFFERED, automatic, cluster, extension, inventory, stores

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


# --- caps by label, and in which order ---------------------------------------------------


def two_sites(connectivity: Connectivity = Connectivity.CONNECTED) -> list[Cluster]:
    return [
        cluster("a-1", OLD, tags={"site": "10"}),
        cluster("a-2", OLD, tags={"site": "10"}, connectivity=connectivity),
        cluster("b-1", OLD, tags={"site": "9"}),
        cluster("b-2", NEW, tags={"site": "9"}),
        cluster("c-1", OLD),
    ]


SITES = (SpreadRule(by="tag:site", max_concurrency=1, max_failures=0),)


def test_who_is_changed_is_in_a_group_of_each_spread_and_nobody_else_is() -> None:
    plan = planned(*two_sites(), spread=SITES, max_concurrency=9, max_failures="100%")

    found = {one.cluster_name: one.groups for one in plan.targets}
    assert found == {"a-1": (1,), "a-2": (1,), "b-1": (0,), "b-2": (), "c-1": (2,)}
    (spread,) = plan.head.spreads
    assert [(one.value, one.target_count) for one in spread.groups] == [
        ("9", 1),
        ("10", 2),
        ("", 1),
    ]
    assert any("1 targets have no tag:site" in one for one in plan.head.warnings)


def test_a_spread_caps_what_is_in_flight_in_every_wave_the_last_one_too() -> None:
    plan = planned(
        *two_sites(Connectivity.OFFLINE), spread=SITES, max_concurrency=4, max_failures="100%"
    )

    found = {wave.name: (wave.target_count, wave.effective_concurrency) for wave in plan.head.waves}
    assert found == {"rest": (3, 3), CATCH_UP: (1, 1)}
    # The groups forgive none, so what fails was in flight when the first of them did.
    assert [wave.worst_case_failures for wave in plan.head.waves] == [3, 1]


def test_a_sort_key_decides_who_comes_first() -> None:
    plan = planned(*two_sites(), sort_key=("tag:site", "-name"), waves=CANARY)

    assert [one.cluster_name for one in plan.targets] == ["b-1", "a-2", "a-1", "c-1", "b-2"]
    assert plan.targets[0].wave == "canary"


def test_pools_cap_what_is_in_flight() -> None:
    pools = (PoolRule(name="wan", max_concurrency=2),)

    plan = planned(*stores(9, OLD), pools=pools, max_concurrency=5)

    assert plan.head.pools == (Pool(name="wan", max_concurrency=2),)
    assert plan.head.waves[0].effective_concurrency == 2
    assert plan.head.waves[0].notes[-1].startswith("the pool wan leaves 2 of 5 at once")


# --- what is warned about ----------------------------------------------------------------


def test_an_automatic_way_back_that_is_none_is_warned_about() -> None:
    plan = planned(
        *stores(2, OLD), cluster("new"), on_breach=OnBreach.ROLLBACK, max_failures="100%"
    )

    assert "onBreach: rollback cannot take back 2 of 3: irreversible" in plan.head.warnings


@pytest.mark.parametrize(("minutes", "is_told"), [(29, False), (30, True), (31, True)])
def test_a_target_that_would_never_be_called_stalled_is_warned_about(
    minutes: int, is_told: bool
) -> None:
    plan = planned(
        *stores(1, OLD), stalled_after=dt.timedelta(minutes=minutes), max_failures="100%"
    )

    told = "stalledAfter is not before progressDeadline: no target is ever called stalled"
    assert plan.head.warnings == ((told,) if is_told else ())


# --- what clusters are judged by while the run is under way ------------------------------


@pytest.mark.parametrize(
    ("on_drift", "membership"),
    [(OnDrift.REPLAN, Membership.FROZEN), (OnDrift.FAIL, Membership.FOLLOW)],
)
def test_a_plan_that_will_judge_anew_holds_all_that_it_needs(
    on_drift: OnDrift, membership: Membership
) -> None:
    wish = rollouts.desired(version="latest", on_drift=on_drift)
    asked = dataclasses.replace(rollouts.rollout(wish=wish), membership=membership)
    found = inventory(stores(2, OLD))

    plan = planner.plan(asked, found)

    basis = plan.head.basis
    assert basis is not None
    assert (basis.desired, basis.scope) == (asked.desired, asked.scope)
    assert basis.versions == {"stable": tuple(sorted(OFFERED))}
    # "latest" means the same again, whatever the service offers by then.
    offers = again.catalogues(
        basis.desired, found.clusters, versions=basis.versions, limits=basis.version_limits
    )
    anew = policy.judge(
        found.clusters[0], basis.desired, catalogues=offers, unreachable=basis.scope.unreachable
    )
    assert dataclasses.replace(anew, wave="rest") == plan.targets[0]
    assert anew.to_version == "1.2.6"


def test_the_order_in_which_the_service_lists_versions_is_in_no_digest() -> None:
    wish = rollouts.desired(version="latest", on_drift=OnDrift.REPLAN)
    asked = rollouts.rollout(wish=wish)

    one = planner.plan(asked, inventory(stores(1, OLD), OFFERED))

    assert one == planner.plan(asked, inventory(stores(1, OLD), OFFERED[::-1]))


def test_a_plan_that_nobody_judges_anew_has_no_basis() -> None:
    assert planned(*stores(1, OLD)).head.basis is None


# --- what a digest is of -----------------------------------------------------------------


@pytest.mark.parametrize("count", [1, 3])
def test_the_digest_is_that_of_the_whole_plan_as_json(count: int) -> None:
    plan = planned(*stores(count, OLD))

    targets = [codec.to_json(one) for one in plan.targets]
    assert plan.digest == chain.digest({"head": codec.to_json(plan.head), "targets": targets})
    assert planner.digest(plan.head, ()) == chain.digest(
        {"head": codec.to_json(plan.head), "targets": []}
    )


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
