from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from fleet.core import assignment, waves
from fleet.core.waves import Cap
from fleet.model.plan import Limits, Pool, Retry, Spread, SpreadGroup, Undo
from fleet.model.strategy import (
    Amount,
    FailureClass,
    FailureMode,
    OnBreach,
    RetryRule,
    RollbackRule,
    RollbackScope,
    WaveRule,
)
from tests.rig import rollouts
from tests.rig.fleets import limits, members, stores

STRICT = FailureMode.STRICT


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


# --- what else holds in a wave -----------------------------------------------------------


@pytest.mark.parametrize(
    ("caps", "mode", "effective", "worst"),
    [
        pytest.param([Cap(cause="the pool wan", at_once=4)], "soft", 4, 9, id="fewer at once"),
        pytest.param([Cap(cause="x", at_once=99)], "soft", 10, 15, id="a cap that is no cap"),
        pytest.param([Cap(cause="x", failures=2)], "soft", 10, 12, id="labels forgive less"),
        pytest.param([Cap(cause="x", at_once=3, failures=2)], "soft", 3, 5, id="both"),
        pytest.param([Cap(cause="x", at_once=3)], "strict", 3, 6, id="strict, and fewer"),
        pytest.param(
            [Cap(cause="x", failures=0)], "strict", 6, 6, id="strict, labels forgive none"
        ),
        pytest.param(
            [Cap(cause="x", at_once=7), Cap(cause="y", at_once=2)], "soft", 2, 7, id="the least"
        ),
    ],
)
def test_caps_of_labels_and_pools_bound_a_wave(
    caps: list[Cap], mode: str, effective: int, worst: int
) -> None:
    run = limits(max_concurrency=10, max_failures=5, failure_mode=FailureMode(mode))

    wave = waves.resolved(
        WaveRule(name="w"), count=37, strategy=rollouts.strategy(), limits=run, caps=caps
    )

    assert (wave.effective_concurrency, wave.worst_case_failures) == (effective, worst)
    if effective < 6:
        cause = min(caps, key=lambda one: one.at_once or 99).cause
        assert wave.notes[-1].startswith(f"{cause} leaves {effective} of 10 at once")


def test_a_label_lets_as_many_start_as_its_groups_in_the_wave_do() -> None:
    group = SpreadGroup(value="a", target_count=9, max_concurrency=2, max_failures=None)
    spread = Spread(by="location", groups=(group,) * 3)

    members = [(0,), (0,), (0,), (1,), (2,), (2,)]
    pools = [Pool(name="wan", max_concurrency=7)]

    caps = waves.caps_of([spread], pools, members, is_strict=False)

    assert caps == [
        Cap(cause="the spread by location", at_once=2 + 1 + 2),
        Cap(cause="the pool wan", at_once=7),
    ]


# --- what holds for the run --------------------------------------------------------------


def test_a_run_that_says_nothing_of_it_has_no_such_numbers() -> None:
    run = waves.limits_of(rollouts.strategy(), count=9, is_uninstall=False)

    assert (run.min_success, run.run_timeout, run.stalled_after, run.retry, run.undo) == (None,) * 5


def test_everything_that_a_run_may_say() -> None:
    spread = rollouts.strategy(
        min_success="90%",
        run_timeout=dt.timedelta(hours=9),
        stalled_after=dt.timedelta(minutes=7),
        retry=RetryRule(attempts=2),
        on_breach=OnBreach.ROLLBACK,
        rollback=RollbackRule(scope=RollbackScope.RUN, max_concurrency="40%"),
    )

    run = waves.limits_of(spread, count=37, is_uninstall=False)

    assert run.min_success == 34  # 33.3: what must succeed is rounded up
    assert run.run_timeout == dt.timedelta(hours=9)
    assert run.stalled_after == dt.timedelta(minutes=7)
    assert run.retry == Retry(
        attempts=2,
        backoff=dt.timedelta(minutes=1),
        on=(FailureClass.FAILED, FailureClass.TIMED_OUT),
    )
    assert run.undo == Undo(scope=RollbackScope.RUN, max_concurrency=14)
    assert run.notes == (
        "maxConcurrency: 10",
        "maxFailures: 100% of 37 -> 37",
        "minSuccess: 90% of 37 -> 34",
        "rollback.maxConcurrency: 40% of 37 -> 14",
    )


def test_going_back_is_as_wide_as_going_forward_where_nothing_else_is_said() -> None:
    spread = rollouts.strategy(max_concurrency="20%", on_breach=OnBreach.ROLLBACK)

    run = waves.limits_of(spread, count=37, is_uninstall=False)

    assert run.undo == Undo(scope=RollbackScope.TARGET, max_concurrency=7)


@pytest.mark.parametrize(
    ("own", "hours"), [(None, 6), (dt.timedelta(hours=1), 1)], ids=["the strategy's", "its own"]
)
def test_whose_timeout_a_wave_has(own: dt.timedelta | None, hours: int) -> None:
    wave = resolved(3, {"timeout": own}, wave_timeout=dt.timedelta(hours=6))

    assert wave.timeout == dt.timedelta(hours=hours)


def test_numbers_of_a_wave_that_became_several_are_limits_and_not_warned_about() -> None:
    rules = (WaveRule(name="a-1", size=1, max_concurrency=9, is_part=True),)
    spread = rollouts.strategy(waves=rules, max_concurrency=1, max_failures=0)
    made = assignment.assign(members(stores(1)), spread, late=())

    assert waves.clamps(spread, made, count=1) == ()


def test_run_numbers_above_the_count_are_warned_about_whatever_they_are_for() -> None:
    spread = rollouts.strategy(
        max_concurrency=1,
        max_failures=0,
        min_success=5,
        on_breach=OnBreach.ROLLBACK,
        rollback=RollbackRule(max_concurrency=9),
    )
    made = assignment.assign(members(stores(2)), spread, late=())

    assert waves.clamps(spread, made, count=2) == (
        "the run: minSuccess 5 is more than the 2 targets there are: taken as 2",
        "the run: rollback.maxConcurrency 9 is more than the 2 targets there are: taken as 2",
    )
