from __future__ import annotations

from typing import Any

import pytest

from fleet.core import planner
from fleet.model.cluster import Cluster, Extension
from fleet.model.plan import Action, Plan
from fleet.model.scope import Match, Scope, Unreachable
from tests.rig import rollouts
from tests.rig.fleets import cluster, extension, inventory

OLD, NEW, SYSTEM = extension("1.2.3"), extension("1.2.6"), extension("1.2.3", is_system=True)
HELD = {"Rollout": "Hold"}


def planned(*clusters: Cluster, **scope: Any) -> Plan:
    asked = rollouts.rollout(
        scope=Scope(**scope),
        spread=rollouts.strategy(max_concurrency=1, max_failures=0),
    )
    return planner.plan(asked, inventory(clusters))


@pytest.mark.parametrize(
    ("found", "action", "reason"),
    [
        pytest.param(
            OLD, Action.SKIP, "held by its tag rollout=hold; would upgrade", id="no upgrade"
        ),
        pytest.param(
            None, Action.SKIP, "held by its tag rollout=hold; would install", id="no install"
        ),
        pytest.param(SYSTEM, Action.SKIP, "held by its tag rollout=hold", id="blocked anyway"),
        pytest.param(NEW, Action.NO_CHANGE, "as wished", id="it needs nothing"),
    ],
)
def test_a_held_cluster_is_never_changed(
    found: Extension | None, action: Action, reason: str
) -> None:
    held = cluster("held", *([found] if found else []), tags=HELD)

    plan = planned(held, cluster("free", OLD))

    assert [(one.cluster_name, one.action) for one in plan.targets] == [
        ("free", Action.UPGRADE),
        ("held", action),
    ]
    assert (plan.targets[1].reason, plan.targets[1].steps) == (reason, ())
    assert plan.head.limits.max_failures == 0
    assert plan.change_count == 1


def test_those_that_are_held_are_counted_and_named() -> None:
    held = [cluster(f"h{n:02}", OLD, tags=HELD) for n in range(12)]

    plan = planned(*held, cluster("free", OLD))

    assert plan.head.warnings == (
        (
            "12 clusters are held by the tag rollout=hold and not changed: "
            "h00, h01, h02, h03, h04, h05, h06, h07, h08, h09 and 2 more"
        ),
    )
    assert planned(held[0], cluster("free", OLD)).head.warnings == (
        "1 cluster is held by the tag rollout=hold and not changed: h00",
    )


@pytest.mark.parametrize("value", ["holds", "no", "", "released"])
def test_another_value_of_the_tag_holds_nothing(value: str) -> None:
    plan = planned(cluster("free", OLD, tags={"rollout": value}))

    assert [one.action for one in plan.targets] == [Action.UPGRADE]


def test_a_file_may_still_leave_them_out_altogether() -> None:
    plan = planned(
        cluster("held", OLD, tags=HELD),
        cluster("free", OLD),
        exclude=Match(tags={"rollout": ("hold",)}),
        unreachable=Unreachable.SKIP,
    )

    assert [one.cluster_name for one in plan.targets] == ["free"]
    assert plan.head.warnings == ()
