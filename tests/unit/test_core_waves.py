from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from fleet.core import assignment, waves
from fleet.core.assignment import Member
from fleet.errors import InputError
from fleet.model.cluster import Cluster
from fleet.model.desired import Amount, FailureMode, Match, WaveRule
from fleet.model.plan import CATCH_UP, Limits
from tests.rig import rollouts
from tests.rig.fleets import cluster, limits, stores, target

REST = WaveRule(name="rest", size="rest")
STRICT = FailureMode.STRICT


def members(clusters: Sequence[Cluster]) -> list[Member]:
    return [
        (one, target(n, cluster_id=one.id, cluster_name=one.name)) for n, one in enumerate(clusters)
    ]


def assigned(
    *rules: WaveRule, clusters: Sequence[Cluster], late: Sequence[Cluster] = ()
) -> tuple[dict[str, list[str]], tuple[str, ...]]:
    spread = rollouts.strategy(waves=rules)
    made = assignment.assign(members(clusters), spread, late=members(late))
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


# --- numbers -----------------------------------------------------------------------------


def resolved(
    count: int, rule: dict[str, Any] | None = None, run: Limits | None = None, **spread: Any
) -> Any:
    return waves.resolved(
        WaveRule(name="w", **(rule or {})),
        count=count,
        strategy=rollouts.strategy(**spread),
        limits=run or limits(max_concurrency=10, max_failures=5),
    )


@pytest.mark.parametrize(
    ("rule", "spread", "concurrency", "failures"),
    [
        pytest.param({}, {}, 10, 5, id="the run's"),
        pytest.param(
            {}, {"wave_max_concurrency": 4, "wave_max_failures": 1}, 4, 1, id="all waves'"
        ),
        pytest.param(
            {"max_concurrency": 2, "max_failures": 0},
            {"wave_max_concurrency": 4, "wave_max_failures": 1},
            2,
            0,
            id="its own",
        ),
        pytest.param({"max_concurrency": "10%", "max_failures": "10%"}, {}, 3, 3, id="percentages"),
        pytest.param({"max_concurrency": "1%", "max_failures": "1%"}, {}, 1, 0, id="tiny shares"),
        pytest.param({"max_concurrency": 99, "max_failures": 99}, {}, 37, 37, id="clamped"),
    ],
)
def test_whose_numbers_hold(
    rule: dict[str, Amount], spread: dict[str, Any], concurrency: int, failures: int
) -> None:
    wave = resolved(37, rule, **spread)

    assert (wave.max_concurrency, wave.max_failures) == (concurrency, failures)


@pytest.mark.parametrize(
    ("mode", "concurrency", "failures", "run_failures", "count", "worst", "effective"),
    [
        pytest.param("soft", 10, 2, 99, 37, 12, 10, id="soft: the budget and all in flight"),
        pytest.param("soft", 10, 2, 99, 11, 11, 10, id="soft: no more than there are"),
        pytest.param("soft", 10, 0, 99, 37, 10, 10, id="soft: no budget"),
        pytest.param("soft", 10, 9, 1, 37, 11, 10, id="soft: the run's budget is tighter"),
        pytest.param("strict", 10, 2, 99, 37, 3, 3, id="strict: the budget and one"),
        pytest.param("strict", 2, 5, 99, 37, 6, 2, id="strict: wider than the concurrency"),
        pytest.param("strict", 10, 5, 1, 37, 2, 2, id="strict: the run's budget is tighter"),
        pytest.param("strict", 10, 0, 0, 1, 1, 1, id="strict: one"),
    ],
)
def test_the_worst_case(
    mode: str,
    concurrency: int,
    failures: int,
    run_failures: int,
    count: int,
    worst: int,
    effective: int,
) -> None:
    run = limits(max_failures=run_failures, failure_mode=FailureMode(mode))

    wave = resolved(count, {"max_concurrency": concurrency, "max_failures": failures}, run)

    assert (wave.worst_case_failures, wave.effective_concurrency) == (worst, effective)


def test_notes_say_how_each_number_came_about_and_what_a_strict_budget_costs() -> None:
    run = limits(max_failures=1, failure_mode=STRICT)

    wave = resolved(37, {"max_concurrency": "20%", "max_failures": "10%"}, run)

    assert wave.notes == (
        "maxConcurrency: 20% of 37 -> 7",
        "maxFailures: 10% of 37 -> 3",
        "the strict failure budget leaves 2 of 7 at once: about 1 h 35 min at 5 min a target",
    )


def test_the_runs_concurrency_cuts_a_waves() -> None:
    wave = resolved(37, {"max_concurrency": 20}, limits(max_concurrency=5))

    assert wave.effective_concurrency == 5
    assert wave.notes[-1].startswith("the run's maxConcurrency leaves 5 of 20 at once")


def test_integers_above_the_count_are_warned_about() -> None:
    rules = (WaveRule(name="a", size=2, max_failures=3), WaveRule(name="b", size="rest"))
    spread = rollouts.strategy(waves=rules, max_concurrency=50, max_failures=0)
    made = assignment.assign(members(stores(4)), spread, late=())

    assert waves.clamps(spread, made, count=4) == (
        "the run: maxConcurrency 50 is more than the 4 targets there are: taken as 4",
        "wave a: maxFailures 3 is more than the 2 targets there are: taken as 2",
    )


@pytest.mark.parametrize(
    ("amount", "count", "concurrency"),
    [("1%", 3, 1), ("50%", 3, 1), (9, 3, 3), (2, 3, 2), ("50%", 0, 1), (5, 0, 1)],
)
def test_a_run_starts_at_least_one_at_once(amount: Amount, count: int, concurrency: int) -> None:
    spread = rollouts.strategy(max_concurrency=amount)

    assert waves.limits_of(spread, count=count, is_uninstall=False).max_concurrency == concurrency


def test_an_uninstall_has_its_own_deadline() -> None:
    spread = rollouts.strategy()

    both = [
        waves.limits_of(spread, count=1, is_uninstall=it).progress_deadline for it in (False, True)
    ]

    assert both == [spread.progress_deadline, spread.uninstall_deadline]
