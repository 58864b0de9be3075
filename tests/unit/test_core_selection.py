from __future__ import annotations

from typing import Any

import pytest

from fleet.core import selection
from fleet.model.scope import Match, Scope
from tests.rig.fleets import cluster

STORE = cluster("Store-01", tags={"Env": "Prod", "tier": "edge"}, location="WestEurope")


@pytest.mark.parametrize(
    "match",
    [
        pytest.param(Match(), id="nothing said"),
        pytest.param(Match(tags={"env": ("prod",)}), id="tags without case"),
        pytest.param(Match(tags={"env": ("dev", "prod")}), id="an alternative"),
        pytest.param(Match(tags={"env": ("prod",), "TIER": ("edge",)}), id="all tags hold"),
        pytest.param(Match(locations=("westeurope",)), id="location without case"),
        pytest.param(Match(distributions=("OpenShift", "rancher_RKE")), id="distribution"),
        pytest.param(Match(names=("store-0*",)), id="pattern"),
        pytest.param(Match(names=("x", "STORE-01")), id="one of several names"),
    ],
)
def test_a_selector_means_the_cluster(match: Match) -> None:
    assert selection.is_match(STORE, match)


@pytest.mark.parametrize(
    "match",
    [
        pytest.param(Match(tags={"env": ("dev",)}), id="other value"),
        pytest.param(Match(tags={"owner": ("prod",)}), id="no such tag"),
        pytest.param(Match(tags={"env": ("prod",), "tier": ("core",)}), id="one of two tags"),
        pytest.param(Match(locations=("westeurope2",)), id="no prefix match"),
        pytest.param(Match(distributions=("openshift",)), id="other distribution"),
        pytest.param(Match(names=("store",)), id="a name is whole"),
        pytest.param(Match(locations=("westeurope",), names=("x",)), id="all fields must hold"),
    ],
)
def test_a_selector_means_another_cluster(match: Match) -> None:
    assert not selection.is_match(STORE, match)


def names(scope: Scope, *clusters: Any) -> list[str]:
    return [one.name for one in selection.selected(clusters, scope)]


def test_an_empty_exclusion_excludes_nothing() -> None:
    assert names(Scope(), STORE) == ["Store-01"]


def test_a_hold_tag_excludes() -> None:
    held = cluster("held", tags={"rollout": "hold"})

    assert names(Scope(exclude=Match(tags={"rollout": ("hold",)})), STORE, held) == ["Store-01"]


def test_a_subscription_is_compared_without_case() -> None:
    other = cluster("other", subscription="S2")

    assert names(Scope(subscriptions=("s2",)), STORE, other) == ["other"]


def test_the_order_is_by_name_then_id_whatever_discovery_returned() -> None:
    found = [cluster("b"), cluster("a", group="rg2"), cluster("A")]

    ordered = selection.selected(found, Scope())

    assert [(one.name, one.resource_group) for one in ordered] == [
        ("A", "rg"),
        ("a", "rg2"),
        ("b", "rg"),
    ]


def test_one_id_in_two_casings_is_one_cluster() -> None:
    assert len(names(Scope(), cluster("store"), cluster("STORE"))) == 1


def test_what_only_discovery_can_tell_is_not_looked_at_again() -> None:
    scope = Scope(management_groups=("stores",), kql="| where name == 'nobody'")

    assert names(scope, STORE) == ["Store-01"]
