from __future__ import annotations

from typing import Any

import pytest

from fleet.core import spreads
from fleet.model.cluster import Cluster
from fleet.model.plan import Spread, SpreadGroup
from fleet.model.strategy import SpreadRule
from tests.rig.fleets import cluster


def tagged(*sites: str | None) -> list[Cluster]:
    return [
        cluster(f"c{n}", tags={} if site is None else {"site": site})
        for n, site in enumerate(sites)
    ]


def group(value: str, count: int, at_once: int | None, failures: int | None = None) -> Any:
    return SpreadGroup(
        value=value, target_count=count, max_concurrency=at_once, max_failures=failures
    )


def test_every_value_is_a_group_and_whoever_has_none_is_in_one_too() -> None:
    found = spreads.resolved(
        (SpreadRule(by="tag:site", max_concurrency=1),), tagged("s10", None, "S2", "s2", "")
    )

    assert found.spreads == (
        Spread(by="tag:site", groups=(group("s2", 2, 1), group("s10", 1, 1), group("", 2, 1))),
    )
    assert found.warnings == (
        "spread by tag:site: 2 targets have no tag:site: they are one group, as if they shared it",
    )
    places = [found.groups(one) for one in tagged("S10", None, "s2")]
    assert places == [(1,), (2,), (0,)]


@pytest.mark.parametrize(
    ("rule", "count", "at_once", "failures"),
    [
        pytest.param({"max_concurrency": "20%"}, 9, 1, None, id="rounded down, and at least one"),
        pytest.param({"max_concurrency": "50%", "max_failures": "50%"}, 7, 3, 3, id="both"),
        pytest.param({"max_failures": "10%"}, 9, None, 0, id="a budget may be none"),
        pytest.param({"max_concurrency": 5, "max_failures": 5}, 3, 3, 3, id="all there are"),
    ],
)
def test_shares_are_of_the_group(
    rule: dict[str, Any], count: int, at_once: int | None, failures: int | None
) -> None:
    clusters = [cluster(f"c{n}") for n in range(count)]

    found = spreads.resolved((SpreadRule(by="location", **rule),), clusters)

    assert found.spreads[0].groups == (group("westeurope", count, at_once, failures),)


def test_numbers_above_what_groups_have_are_warned_about_once() -> None:
    rule = SpreadRule(by="tag:site", max_concurrency=2, max_failures=3)

    found = spreads.resolved((rule,), tagged("a", "b", "c", "c"))

    assert found.warnings == (
        (
            "spread by tag:site: maxConcurrency 2 is more than 2 of 3 groups have targets: "
            "taken as all of them there"
        ),
        (
            "spread by tag:site: maxFailures 3 is more than 3 of 3 groups have targets: "
            "taken as all of them there"
        ),
    )


def test_a_cluster_is_in_one_group_of_each_spread() -> None:
    rules = (
        SpreadRule(by="location", max_concurrency=1),
        SpreadRule(by="resourceGroup", max_failures=0),
    )
    clusters = [cluster("a"), cluster("b", location="eastus"), cluster("c", group="rg2")]

    found = spreads.resolved(rules, clusters)

    assert [found.groups(one) for one in clusters] == [(1, 0), (0, 0), (1, 1)]


@pytest.mark.parametrize(
    ("members", "at_once", "strict", "failures"),
    [
        pytest.param([0, 0, 0, 1], 2 + 1, 2 + 1, None, id="two groups"),
        pytest.param([1], 1, 1, None, id="one of them"),
        pytest.param([0], 1, 1, 1, id="fewer than the caps"),
        pytest.param([2, 2, 2, 0], None, 1 + 1, 0 + 1, id="strict, a budget is a cap"),
    ],
)
def test_what_the_groups_allow_together(
    members: list[int], at_once: int, strict: int, failures: int | None
) -> None:
    groups = (group("a", 9, 2, 3), group("b", 9, 4, None), group("c", 9, None, 0))
    spread = Spread(by="x", groups=groups)

    assert spreads.at_once(spread, members, is_strict=False) == at_once
    assert spreads.at_once(spread, members, is_strict=True) == strict
    assert spreads.failures(spread, members) == failures
