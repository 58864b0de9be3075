from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import pytest

from fleet.core import assignment
from fleet.errors import InputError
from fleet.model.cluster import Cluster
from fleet.model.plan import CATCH_UP
from fleet.model.scope import Match
from fleet.model.strategy import RampUp, WaveRule
from tests.rig import rollouts
from tests.rig.fleets import cluster, members, stores

REST = WaveRule(name="rest", size="rest")
CANARY = WaveRule(
    name="canary", targets=("store-001", "store-002"), is_required=True, has_substitutes=True
)
WEST = Match(locations=("westeurope",))


def assigned(
    *rules: WaveRule,
    clusters: Sequence[Cluster],
    late: Sequence[Cluster] = (),
    idle: Sequence[Cluster] = (),
    **spread: Any,
) -> tuple[dict[str, list[str]], tuple[str, ...]]:
    made = assignment.assign(
        members(clusters),
        rollouts.strategy(waves=rules, **spread),
        late=members(late),
        idle=idle,
    )
    return {rule.name: [one.name for one, _ in some] for rule, some in made.waves}, made.warnings


def test_sizes_are_taken_in_order_and_percentages_are_of_all() -> None:
    found, warnings = assigned(
        WaveRule(name="canary", size=1),
        WaveRule(name="some", size="25%"),
        REST,
        clusters=stores(10),
    )

    assert {name: len(some) for name, some in found.items()} == {"canary": 1, "some": 2, "rest": 7}
    assert found["canary"] == ["store-001"]
    assert found["some"] == ["store-002", "store-003"]
    assert warnings == ()


def test_a_percentage_takes_at_least_one() -> None:
    found, _ = assigned(WaveRule(name="some", size="1%"), REST, clusters=stores(3))

    assert len(found["some"]) == 1


def test_a_size_above_the_count_is_clamped_with_a_warning() -> None:
    found, warnings = assigned(WaveRule(name="all", size=5), clusters=stores(3))

    assert len(found["all"]) == 3
    assert warnings == ("wave all: size 5 is more than the 3 targets there are",)


def test_a_target_in_two_waves_is_in_the_first_and_warned_about() -> None:
    here = WaveRule(name="here", selector=Match(locations=("westeurope",)))
    also = WaveRule(name="also", targets=("store-001", "store-002"))

    found, warnings = assigned(also, here, clusters=stores(3))

    assert found == {"also": ["store-001", "store-002"], "here": ["store-003"]}
    assert warnings == ("wave here: in an earlier wave already: store-001, store-002",)


def test_listed_targets_keep_the_order_of_the_list() -> None:
    rule = WaveRule(name="listed", targets=("STORE-003", "store-001"))

    found, _ = assigned(rule, REST, clusters=stores(3))

    assert found["listed"] == ["store-003", "store-001"]


def test_a_listed_target_that_is_not_there_is_warned_about() -> None:
    _, warnings = assigned(WaveRule(name="w", targets=("store-009",)), REST, clusters=stores(2))

    assert warnings == ("wave w: not selected: store-009",)


def test_a_name_in_two_resource_groups_means_both() -> None:
    twins = [cluster("store-1"), cluster("store-1", group="rg2"), cluster("store-2")]

    found, _ = assigned(WaveRule(name="w", targets=("store-1",)), REST, clusters=twins)

    assert found == {"w": ["store-1", "store-1"], "rest": ["store-2"]}


def test_an_id_means_one() -> None:
    twins = [cluster("store-1"), cluster("store-1", group="rg2")]

    found, _ = assigned(WaveRule(name="w", targets=(twins[1].id.upper(),)), REST, clusters=twins)

    assert {name: len(some) for name, some in found.items()} == {"w": 1, "rest": 1}


def test_a_target_in_no_wave_is_refused_by_name() -> None:
    with pytest.raises(InputError, match=r"7 targets are in no wave: store-003, .* and 2 more"):
        assigned(WaveRule(name="few", size=2), clusters=stores(9))


def test_late_ones_make_the_last_wave_in_no_denominator() -> None:
    found, _ = assigned(
        WaveRule(name="half", size="50%"), REST, clusters=stores(4), late=[cluster("far")]
    )

    assert {name: len(some) for name, some in found.items()} == {
        "half": 2,
        "rest": 2,
        CATCH_UP: 1,
    }
    assert list(found)[-1] == CATCH_UP


# --- a target in two waves, where that is an error ---------------------------------------


def test_with_strict_selection_a_target_in_two_waves_is_refused() -> None:
    also = WaveRule(name="also", targets=("store-001",))
    here = WaveRule(name="here", selector=WEST)

    with pytest.raises(InputError, match="wave here: in an earlier wave already: store-001"):
        assigned(also, here, clusters=stores(3), has_strict_selection=True)


def test_with_strict_selection_a_wave_may_not_select_whom_a_size_took() -> None:
    rules = (WaveRule(name="one", size=1), WaveRule(name="here", selector=WEST))

    with pytest.raises(InputError, match="wave here: in an earlier wave already: store-001"):
        assigned(*rules, clusters=stores(3), has_strict_selection=True)


def test_with_strict_selection_a_wave_may_select_whom_a_canary_needed() -> None:
    found, warnings = assigned(
        CANARY,
        WaveRule(name="here", selector=Match(names=("*3", "*4"))),
        clusters=stores(4)[1:],
        idle=stores(1),
        has_strict_selection=True,
    )

    assert found == {"canary": ["store-002", "store-003"], "here": ["store-004"]}
    assert warnings[-1] == "wave here: in an earlier wave already: store-003"


# --- canaries ----------------------------------------------------------------------------


def test_canaries_that_need_no_change_are_replaced_by_the_next_in_order() -> None:
    found, warnings = assigned(CANARY, REST, clusters=stores(5)[2:], idle=stores(2))

    assert found == {"canary": ["store-003", "store-004"], "rest": ["store-005"]}
    assert warnings == (
        "wave canary: not changed, or not connected: store-001, store-002",
        "wave canary: in place of those that are not changed: store-003, store-004",
    )


def test_a_canary_that_is_not_connected_is_replaced_and_tried_last() -> None:
    found, _ = assigned(CANARY, REST, clusters=stores(4)[1:], late=stores(1))

    assert found == {
        "canary": ["store-002", "store-003"],
        "rest": ["store-004"],
        CATCH_UP: ["store-001"],
    }


def test_a_selector_of_canaries_takes_one_in_place_of_all() -> None:
    rule = WaveRule(name="canary", selector=WEST, has_substitutes=True)
    others = [cluster(f"far-{n}", location="eastus") for n in (1, 2)]

    assert assigned(rule, REST, clusters=others)[0] == {"canary": ["far-1"], "rest": ["far-2"]}
    kept, _ = assigned(rule, REST, clusters=[*others, cluster("near")])
    assert kept == {"canary": ["near"], "rest": ["far-1", "far-2"]}


def test_those_that_a_list_names_stand_in_and_nobody_else() -> None:
    rule = dataclasses.replace(CANARY, substitutes=("store-009", "STORE-005", "store-004"))

    found, _ = assigned(rule, REST, clusters=stores(5)[2:], idle=stores(2))

    assert found == {"canary": ["store-005", "store-004"], "rest": ["store-003"]}


def test_where_nobody_is_left_to_stand_in_the_wave_is_told_to_be_empty() -> None:
    rule = dataclasses.replace(CANARY, substitutes=("store-009",))

    found, warnings = assigned(rule, REST, clusters=stores(3)[2:], idle=stores(2))

    assert found == {"canary": [], "rest": ["store-003"]}
    assert warnings[-1] == "wave canary: nobody is left to stand in for those that are not changed"


def test_canaries_that_do_not_exist_are_refused_by_name() -> None:
    with pytest.raises(InputError, match=r"wave canary is required: not selected: store-002$"):
        assigned(CANARY, REST, clusters=stores(1))


def test_a_required_selector_that_means_nobody_is_refused() -> None:
    rule = WaveRule(name="ring", selector=Match(tags={"ring": ("canary",)}), is_required=True)
    done = cluster("done", tags={"ring": "canary"})

    with pytest.raises(InputError, match="wave ring is required: it matches none"):
        assigned(rule, REST, clusters=stores(2))
    found, _ = assigned(rule, REST, clusters=stores(2), idle=[done])
    assert found == {"ring": [], "rest": ["store-001", "store-002"]}


def test_without_substitutes_a_canary_that_needs_no_change_is_nobody() -> None:
    rule = dataclasses.replace(CANARY, has_substitutes=False)

    found, _ = assigned(rule, REST, clusters=stores(3)[1:], idle=stores(1))

    assert found == {"canary": ["store-002"], "rest": ["store-003"]}


# --- waves that grow ---------------------------------------------------------------------


def test_a_ramp_up_cuts_what_its_wave_takes() -> None:
    rule = WaveRule(name="half", size="50%", ramp_up=RampUp())

    found, _ = assigned(rule, REST, clusters=stores(20))

    assert {name: len(some) for name, some in found.items()} == {
        "half-1": 1,
        "half-2": 2,
        "half-3": 4,
        "half-4": 3,
        "rest": 10,
    }
    assert [name for some in found.values() for name in some] == [one.name for one in stores(20)]
