"""What waves must stand, from the plan file to the plan."""

from __future__ import annotations

import dataclasses
import datetime as dt
from typing import Any

import jsonschema
import pytest

from fleet.core import planner, saved
from fleet.model.approvals import ApprovalRule
from fleet.model.cluster import Connectivity
from fleet.model.desired import Rollout
from fleet.model.gates import Gate, Moment, OnVerdict, Probe, ProbeKind
from fleet.model.plan import CATCH_UP, Plan, Undo, Wave
from fleet.model.strategy import RampUp, RollbackRule, RollbackScope, WaveRule
from fleet.spec import schemas
from tests.rig import fleets, rollouts

MINUTE, HOUR = dt.timedelta(minutes=1), dt.timedelta(hours=1)
SECOND = dt.timedelta(seconds=1)
BEFORE, AFTER = ApprovalRule(when=Moment.BEFORE), ApprovalRule(when=Moment.AFTER)


def gate(name: str = "rate", **keys: Any) -> Gate:
    return Gate(name=name, probe=Probe(kind=ProbeKind.EXTENSION), **keys)


def asked(*rules: WaveRule, gates: tuple[Gate, ...] = (), **keys: Any) -> Rollout:
    """A rollout of *rules*; keys of its strategy begin with ``all_``."""
    of_all = {key.removeprefix("all_"): keys.pop(key) for key in list(keys) if key[:4] == "all_"}
    spread = rollouts.strategy(waves=rules or rollouts.REST, **of_all)
    return dataclasses.replace(rollouts.rollout(spread=spread), gates=gates, **keys)


def planned(rollout: Rollout, count: int = 4, late: int = 0) -> Plan:
    old = fleets.extension("1.2.3")
    away = [fleets.cluster(f"z{n}", old, connectivity=Connectivity.OFFLINE) for n in range(late)]
    return planner.plan(rollout, fleets.inventory([*fleets.stores(count, old), *away]))


def waves(rollout: Rollout, count: int = 4, late: int = 0) -> dict[str, Wave]:
    return {wave.name: wave for wave in planned(rollout, count, late).head.waves}


def warned(rollout: Rollout, count: int = 4) -> list[str]:
    return [one for one in planned(rollout, count).head.warnings if "gate" in one or "soak" in one]


FIRST = WaveRule(name="first", size=1, soak=HOUR)
REST = WaveRule(name="rest", size="rest")


# --- gates --------------------------------------------------------------------------------


def test_a_wave_has_its_own_gates_and_else_those_of_the_file() -> None:
    own = dataclasses.replace(FIRST, before_gates=("b",), soak_gates=(), after_gates=("a", "b"))
    found = waves(
        asked(
            own,
            WaveRule(name="second", size=1, soak=HOUR),
            gates=(gate("a"), gate("b"), gate("c")),
            before_gates=("a",),
            soak_gates=("c",),
            after_gates=("b",),
        ),
        count=2,
    )

    assert [(one.before_gates, one.soak_gates, one.after_gates) for one in found.values()] == [
        (("b",), (), ("a", "b")),
        (("a",), ("c",), ("b",)),
    ]


def test_nothing_is_measured_in_a_soak_that_is_not_there() -> None:
    found = waves(asked(FIRST, REST, gates=(gate(),), soak_gates=("rate",)))

    assert [one.soak_gates for one in found.values()] == [("rate",), ()]


def test_the_plan_has_the_gates_that_waves_name_in_the_files_order_and_warns_of_others() -> None:
    rollout = asked(
        gates=(gate("a"), gate("b"), gate("c")), before_gates=("c",), after_gates=("a",)
    )

    assert planned(rollout).head.gates == (gate("a"), gate("c"))
    assert warned(rollout) == ["gate b: no wave uses it"]


def test_a_gate_of_a_wave_that_nobody_is_left_for_is_not_called_unused() -> None:
    rule = WaveRule(name="none", targets=("nobody",), before_gates=("rate",))
    rollout = asked(rule, REST, gates=(gate(),))

    assert planned(rollout).head.gates == ()
    assert warned(rollout) == []


def test_the_wave_of_late_clusters_comes_after_all_that_was_judged() -> None:
    rollout = asked(
        gates=(gate(),),
        before_gates=("rate",),
        after_gates=("rate",),
        approvals={"": (BEFORE,)},
        all_min_success_time=MINUTE,
    )

    late = waves(rollout, late=1)[CATCH_UP]

    assert (late.before_gates, late.after_gates, late.approvals, late.min_success_time) == (
        (),
        (),
        (),
        None,
    )


@pytest.mark.parametrize(
    ("keys", "told"),
    [
        pytest.param({"interval": 10 * MINUTE, "count": 7}, None, id="it fits to the minute"),
        pytest.param(
            {"interval": 10 * MINUTE, "count": 8},
            "8 measurements take 1h10m, and the soak is 1h: it is judged by fewer",
            id="too many",
        ),
        pytest.param(
            {"interval": MINUTE, "initial_delay": 2 * HOUR, "count": 2},
            "2 measurements take 2h1m, and the soak is 1h: the wave soaks longer",
            id="too late",
        ),
        pytest.param(
            {"initial_delay": 61 * MINUTE},
            "the first measurement comes after 1h1m, and the soak is 1h: the wave soaks longer",
            id="one, too late",
        ),
        pytest.param({"interval": MINUTE}, None, id="as long as the soak lasts"),
    ],
)
def test_a_soak_that_is_too_short_for_its_gates_is_told_of(
    keys: dict[str, Any], told: str | None
) -> None:
    rollout = asked(FIRST, REST, gates=(gate(**keys),), soak_gates=("rate",))

    assert warned(rollout) == ([f"wave first: gate rate: {told}"] if told else [])


def test_a_gate_without_an_end_must_be_measured_as_often_as_all_must_be_looked_at() -> None:
    rule = dataclasses.replace(FIRST, min_observations=20)
    rollout = asked(rule, REST, gates=(gate(interval=5 * MINUTE),), soak_gates=("rate",))

    told = "wave first: gate rate: {}, and the soak is 1h: the wave soaks longer"
    assert warned(rollout) == [told.format("20 measurements take 1h35m")]


# --- rollback -----------------------------------------------------------------------------


@pytest.mark.parametrize("key", ["on_fail", "on_inconclusive", "on_no_data", "on_error"])
def test_a_gate_that_leads_to_a_rollback_has_its_limits_ready(key: str) -> None:
    going_back = gate(**{key: OnVerdict.ROLLBACK})
    rule = RollbackRule(scope=RollbackScope.WAVE, max_concurrency="50%")
    rollout = asked(gates=(going_back,), after_gates=("rate",), all_rollback=rule)

    assert planned(rollout).head.limits.undo == Undo(scope=RollbackScope.WAVE, max_concurrency=2)


@pytest.mark.parametrize(
    "rollout",
    [
        asked(gates=(gate(on_fail=OnVerdict.ROLLBACK),)),
        asked(gates=(gate(on_fail=OnVerdict.ROLLBACK, is_dry_run=True),), after_gates=("rate",)),
        asked(gates=(gate(),), after_gates=("rate",)),
    ],
    ids=["nobody names it", "it is a rehearsal", "it leads to a stop"],
)
def test_without_such_a_gate_nothing_is_taken_back(rollout: Rollout) -> None:
    assert planned(rollout).head.limits.undo is None


def test_what_a_gates_rollback_cannot_take_back_is_told() -> None:
    """The mesh is not downgraded."""
    rollout = asked(gates=(gate(on_fail=OnVerdict.ROLLBACK),), after_gates=("rate",))

    told = "the rollback of a gate cannot take back 4 of 4: irreversible"
    assert told in planned(rollout).head.warnings


# --- approvals ----------------------------------------------------------------------------


def test_a_wave_has_its_own_approvals_else_those_of_its_name_else_those_of_all() -> None:
    rules = (
        WaveRule(name="own", size=1, approvals=(AFTER,)),
        WaveRule(name="none", size=1, approvals=()),
        WaveRule(name="named", size=1),
        REST,
    )
    found = waves(asked(*rules, approvals={"": (BEFORE,), "named": (BEFORE, AFTER)}))

    assert {name: one.approvals for name, one in found.items()} == {
        "own": (AFTER,),
        "none": (),
        "named": (BEFORE, AFTER),
        "rest": (BEFORE,),
    }


def test_each_part_of_a_wave_needs_what_the_wave_needs() -> None:
    rule = WaveRule(name="ramp", size="rest", ramp_up=RampUp(start=1, factor=2))
    found = waves(asked(rule, approvals={"ramp": (BEFORE,), "": (AFTER,)}))

    assert {name: one.approvals for name, one in found.items()} == {
        "ramp-1": (BEFORE,),
        "ramp-2": (BEFORE,),
        "ramp-3": (BEFORE,),
    }


def test_a_wave_whose_name_looks_like_a_part_is_none() -> None:
    found = waves(asked(WaveRule(name="a-1", size="rest"), approvals={"a": (BEFORE,)}))

    assert found["a-1"].approvals == ()


# --- looks --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rule", "of_all", "count", "every"),
    [
        pytest.param({}, {}, 0, None, id="a soak alone is a wait"),
        pytest.param({"observe_every": MINUTE}, {}, 0, MINUTE, id="as it says"),
        pytest.param({}, {"observe_every": MINUTE}, 0, MINUTE, id="as its strategy says"),
        pytest.param({"min_observations": 5}, {}, 5, 6 * MINUTE, id="a tenth of the soak"),
        pytest.param({"min_observations": 30}, {}, 30, 2 * MINUTE, id="often enough"),
        pytest.param({"min_observations": 7}, {}, 7, 6 * MINUTE, id="more often than that"),
        pytest.param({}, {"min_observations": 24}, 24, 150 * SECOND, id="for all waves"),
        pytest.param({"min_observations": 0}, {"min_observations": 9}, 0, None, id="not here"),
        pytest.param(
            {"soak": 10 * HOUR, "min_observations": 3}, {}, 3, 10 * MINUTE, id="of a long one"
        ),
        pytest.param({"soak": 5 * MINUTE, "min_observations": 2}, {}, 2, MINUTE, id="of a short"),
        pytest.param(
            {"soak": 40 * SECOND, "min_observations": 1}, {}, 1, 20 * SECOND, id="of a tiny one"
        ),
        pytest.param(
            {"soak": MINUTE, "min_observations": 100}, {}, 100, 10 * SECOND, id="not too often"
        ),
        pytest.param(
            {"soak": 0 * HOUR}, {"min_observations": 9, "observe_every": MINUTE}, 0, None, id="none"
        ),
        pytest.param(
            {"soak": 0 * HOUR, "min_success_time": MINUTE},
            {"min_observations": 9},
            9,
            None,
            id="each target for itself",
        ),
    ],
)
def test_how_often_a_soaking_wave_is_looked_at(
    rule: dict[str, Any], of_all: dict[str, Any], count: int, every: dt.timedelta | None
) -> None:
    of_strategy = {f"all_{key}": value for key, value in of_all.items()}
    first = waves(asked(dataclasses.replace(FIRST, **rule), REST, **of_strategy))["first"]

    assert (first.min_observations, first.observe_every) == (count, every)


def test_a_soak_with_gates_is_looked_at_too() -> None:
    first = waves(asked(FIRST, REST, gates=(gate(),), soak_gates=("rate",)))["first"]

    assert first.observe_every == 6 * MINUTE
    assert first.notes[-1] == "observeEvery: of a soak of 1h -> 6m"


def test_looks_that_take_longer_than_the_soak_are_told_of() -> None:
    rule = dataclasses.replace(FIRST, min_observations=7, observe_every=10 * MINUTE)

    assert warned(asked(rule, REST)) == [
        "wave first: 7 looks take 1h10m, and its soak is 1h: it soaks longer"
    ]


def test_targets_that_are_looked_at_without_a_rest_are_told_of() -> None:
    hasty = WaveRule(name="rest", size="rest", min_success_time=MINUTE, min_observations=7)
    calm = dataclasses.replace(hasty, min_observations=6)

    told = "wave rest: each target is looked at 7 times in 1m"
    assert told in planned(asked(hasty)).head.warnings
    assert not [one for one in planned(asked(calm)).head.warnings if "looked at" in one]


@pytest.mark.parametrize(
    ("own", "of_all", "expected"),
    [
        (None, None, None),
        (None, MINUTE, MINUTE),
        (HOUR, MINUTE, HOUR),
        (dt.timedelta(0), MINUTE, None),
    ],
)
def test_how_long_a_target_must_stay_well(
    own: dt.timedelta | None, of_all: dt.timedelta | None, expected: dt.timedelta | None
) -> None:
    rule = WaveRule(name="rest", size="rest", min_success_time=own)

    assert waves(asked(rule, all_min_success_time=of_all))["rest"].min_success_time == expected


# --- as it is printed ---------------------------------------------------------------------


def test_a_gated_plan_fits_its_schema_and_comes_back_whole() -> None:
    rule = dataclasses.replace(
        FIRST, approvals=(BEFORE, AFTER), min_success_time=MINUTE, min_observations=3
    )
    whole = Gate(
        name="rate",
        probe=Probe(
            kind=ProbeKind.PROMETHEUS,
            url="https://a.example",
            query="up",
            headers={"A": "B"},
            is_azure=True,
        ),
        success="value > 1",
        failure="value < 0",
        interval=MINUTE,
        count=3,
        is_dry_run=True,
        baseline="0.5",
    )
    made = planned(asked(rule, REST, gates=(whole,), before_gates=("rate",), after_gates=("rate",)))
    document = saved.document(made)

    jsonschema.Draft202012Validator(schemas.plan_schema()).validate(document)
    assert saved.plan_of(document) == made
