"""Versions that not every location offers: nothing is planned where it is not offered."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import pytest

from fleet.core import again, planner
from fleet.model import codec
from fleet.model.cluster import Cluster, Inventory, LocalVersions
from fleet.model.desired import Desired, OnDrift
from fleet.model.plan import Action, Basis, Plan
from tests.rig import rollouts
from tests.rig.fleets import OFFERED, cluster, extension

OLD = extension("1.1.1")
LOCAL: Mapping[str, LocalVersions] = {
    "stable": {
        "westeurope": ("1.2.6", "1.2.3", "1.1.1"),
        "northeurope": ("1.2.3", "1.1.1"),
        "eastus": (),
        "westus": None,
    }
}


def places(*found: str) -> tuple[Cluster, ...]:
    return tuple(cluster(place, OLD, location=place) for place in found)


def planned(wish: Desired, *clusters: Cluster) -> Plan:
    inventory = Inventory(clusters=clusters, versions={"stable": ("1.1.1",)}, local_versions=LOCAL)
    return planner.plan(rollouts.rollout(wish=wish), inventory)


def verdicts(plan: Plan) -> dict[str, tuple[Action, str | None]]:
    return {one.cluster_name: (one.action, one.to_version) for one in plan.targets}


def test_a_version_is_blocked_where_it_is_not_offered_and_nowhere_else() -> None:
    plan = planned(rollouts.desired(), *places("westeurope", "northeurope", "eastus", "westus"))

    assert verdicts(plan) == {
        "westeurope": (Action.UPGRADE, "1.2.6"),
        "northeurope": (Action.BLOCKED, None),
        "eastus": (Action.BLOCKED, None),
        # Nothing is known of it, and the profile has no list: nothing can be checked.
        "westus": (Action.UPGRADE, "1.2.6"),
    }
    reasons = {one.cluster_name: one.reason for one in plan.targets}
    assert reasons["northeurope"] == (
        "version 1.2.6 is not offered in release train stable in northeurope; the newest is 1.2.3"
    )
    assert reasons["eastus"] == "version 1.2.6 is not offered in release train stable in eastus"


def test_where_nothing_is_known_the_profiles_list_serves() -> None:
    profile = dataclasses.replace(rollouts.MESH, catalogue=("1.1.1", "1.2.3"))
    plan = planned(rollouts.desired(profile=profile), *places("westus", "westeurope"))

    assert verdicts(plan) == {
        "westus": (Action.BLOCKED, None),
        "westeurope": (Action.UPGRADE, "1.2.6"),
    }


def test_latest_is_the_newest_that_a_clusters_location_offers() -> None:
    plan = planned(
        rollouts.desired(version="latest"), *places("westeurope", "northeurope", "eastus")
    )

    assert verdicts(plan) == {
        "westeurope": (Action.UPGRADE, "1.2.6"),
        "northeurope": (Action.UPGRADE, "1.2.3"),
        "eastus": (Action.BLOCKED, None),
    }
    reasons = {one.cluster_name: one.reason for one in plan.targets}
    assert reasons["eastus"] == "no version is offered in release train stable in eastus"


def test_a_location_that_is_not_listed_has_what_all_offer() -> None:
    """As one that a cluster is in which is meant only since the run began."""
    plan = planned(rollouts.desired(version="latest"), *places("southindia"))

    assert verdicts(plan) == {"southindia": (Action.NO_CHANGE, "1.1.1")}


def test_minors_in_between_are_those_that_the_location_offers() -> None:
    local: Mapping[str, LocalVersions] = {
        "stable": {"westeurope": ("1.0.0", "1.1.1", "1.2.6"), "northeurope": ("1.0.0", "1.2.6")}
    }
    clusters = tuple(
        cluster(place, extension("1.0.0"), location=place)
        for place in ("westeurope", "northeurope")
    )
    inventory = Inventory(
        clusters=clusters, versions={"stable": ("1.0.0", "1.2.6")}, local_versions=local
    )

    plan = planner.plan(rollouts.rollout(wish=rollouts.desired()), inventory)
    targets = {one.cluster_name: one for one in plan.targets}

    assert [step.version for step in targets["westeurope"].steps] == ["1.1.1", "1.2.6"]
    assert targets["northeurope"].action is Action.BLOCKED
    assert "skips a minor that is not offered" in targets["northeurope"].reason


# --- anew, while the run goes on ---------------------------------------------------------


def basis(wish: Desired) -> Basis:
    scope = rollouts.rollout(wish=wish).scope
    return Basis(
        desired=wish,
        scope=scope,
        versions={"stable": ("1.1.1",)},
        version_limits={},
        local_versions=LOCAL,
    )


@pytest.mark.parametrize(
    ("place", "to"),
    [("westeurope", "1.2.6"), ("northeurope", "1.2.3"), ("eastus", None), ("southindia", "1.1.1")],
)
def test_who_is_judged_anew_is_judged_by_the_versions_of_its_location(
    place: str, to: str | None
) -> None:
    wish = rollouts.desired(version="latest", on_drift=OnDrift.REPLAN)
    (there,) = places(place)
    plan = planned(wish, there)
    head = dataclasses.replace(plan.head, basis=basis(wish))

    anew = again.judged(head, plan.targets[0], there, OLD)

    assert anew == dataclasses.replace(plan.targets[0], wave=anew.wave)
    assert anew.to_version == to


def test_who_joins_is_judged_by_the_versions_of_its_location() -> None:
    wish = rollouts.desired(version="latest")
    head = dataclasses.replace(planned(wish, *places("westeurope")).head, basis=basis(wish))
    found = Inventory(clusters=places("eastus", "northeurope"), versions={"stable": OFFERED})

    census = again.census(head, (), found, spreads=())

    assert [(one.cluster_name, one.to_version) for one in census.joined] == [
        ("northeurope", "1.2.3")
    ]


def test_what_is_managed_by_now_is_blocked_when_it_is_judged_anew() -> None:
    wish = rollouts.desired(on_drift=OnDrift.REPLAN)
    (there,) = places("westeurope")
    plan = planned(wish, there)
    head = dataclasses.replace(plan.head, basis=basis(wish))

    anew = again.judged(head, plan.targets[0], there, dataclasses.replace(OLD, is_read_only=True))

    assert (anew.action, anew.reason) == (Action.BLOCKED, "its manager lets users read only")


def test_a_basis_without_local_versions_is_written_as_before_and_read_as_it_was() -> None:
    plain = dataclasses.replace(basis(rollouts.desired()), local_versions=None)

    assert "localVersions" not in codec.to_json(plain)
    for one in (plain, basis(rollouts.desired())):
        assert codec.from_json(Basis, codec.to_json(one)) == one
