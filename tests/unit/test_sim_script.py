from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from hypothesis import given, strategies as st

from fleet.sim.faultfile import FaultFile
from fleet.sim.repertoire import Asked, Fault, Level
from fleet.sim.script import Case, Counted, Rule, Script, Tally

GET = Case(asked=Asked.EXTENSION, method="GET", at=dt.timedelta(0), lot=("here",))


def case(**changes: Any) -> Case:
    given_: dict[str, Any] = {
        "asked": Asked.EXTENSION,
        "method": "GET",
        "at": dt.timedelta(0),
        "lot": ("here",),
        **changes,
    }
    return Case(**given_)


def tally(*rules: Rule, seed: int = 1, script_seed: int | None = None) -> Tally:
    return Tally(Script(seed=script_seed, rules=rules), Level.REQUEST, seed=seed)


def hits(found: Tally, count: int, one: Case = GET) -> list[int]:
    """Return which of so many cases meet something, from 1."""
    return [number for number in range(1, count + 1) if found.met(one) is not None]


def reset(**changes: Any) -> Rule:
    return Rule(fault=Fault.RESET_BEFORE, **changes)


def test_a_rule_is_met_from_nth_to_nth_and_each_so_manieth_of_those() -> None:
    assert hits(tally(reset()), 3) == [1, 2, 3]
    assert hits(tally(reset(first=2, last=3)), 5) == [2, 3]
    assert hits(tally(reset(every=3)), 8) == [1, 4, 7]
    assert hits(tally(reset(first=2, last=7, every=2)), 9) == [2, 4, 6]


@pytest.mark.parametrize(
    ("rule", "fitting", "other"),
    [
        (reset(on=frozenset({Asked.OPERATION})), case(asked=Asked.OPERATION), case()),
        (reset(methods=frozenset({"PATCH"})), case(method="PATCH"), case()),
        (reset(cluster="store-*-a"), case(cluster="Store-0007-A"), case(cluster="store-0007-b")),
        (reset(subscription="*1"), case(subscription="0-1"), case(subscription="0-2")),
        (reset(name="osm"), case(name="OSM"), case(name="flux")),
        (reset(cluster="*-a"), case(cluster="x-a"), case()),
        (
            Rule(fault=Fault.DUPLICATE_ROWS),
            case(asked=Asked.GRAPH, method="POST"),
            case(asked=Asked.CLUSTERS),
        ),
        (reset(), case(asked=Asked.TOKEN), case(asked=Asked.METADATA)),
    ],
)
def test_a_rule_counts_what_it_is_about_and_nothing_else(
    rule: Rule, fitting: Case, other: Case
) -> None:
    found = tally(rule)

    assert (found.met(fitting), found.met(other)) == (rule, None)


def test_a_time_has_a_beginning_and_an_end() -> None:
    minutes = [case(at=dt.timedelta(minutes=number)) for number in range(5)]
    found = tally(reset(after=dt.timedelta(minutes=1), until=dt.timedelta(minutes=3)))

    assert [found.met(one) is not None for one in minutes] == [False, True, True, False, False]


def test_each_cluster_may_have_a_count_of_its_own() -> None:
    found = tally(reset(last=1, counted=Counted.CLUSTER))
    order = ["a", "b", "A", "b", "c"]

    assert [found.met(case(cluster=one)) is not None for one in order] == [
        *(True, True, False, False, True)
    ]


def test_the_first_rule_that_fits_counts_and_the_others_go_on_counting() -> None:
    early, late = reset(last=2), Rule(fault=Fault.RESET_AFTER, first=2)
    found = tally(early, late)

    assert [found.met(GET) for _ in range(3)] == [early, early, late]
    assert found.met_counts == {Fault.RESET_BEFORE: 2, Fault.RESET_AFTER: 1}


def test_a_level_leaves_the_rules_of_others_alone() -> None:
    write = Rule(fault=Fault.STUCK_OPERATION)
    script = Script(rules=(write, reset()))

    assert Tally(script, Level.WRITE, seed=1).met(case(method="PUT")) == write
    assert Tally(script, Level.REQUEST, seed=1).met(case(method="PUT")) == reset()


# --- shares ------------------------------------------------------------------------------


def test_a_share_is_drawn_from_the_seed() -> None:
    rule = reset(share_ppm=100_000)
    runs = [hits(tally(rule, seed=seed), 2000) for seed in (1, 1, 2)]

    assert runs[0] == runs[1] != runs[2]
    assert 150 <= len(runs[0]) <= 250
    assert hits(tally(rule, seed=9, script_seed=1), 2000) == runs[0]


@given(order=st.permutations([("a",)] * 5 + [("b",)] * 5 + [("c",)] * 5))
def test_what_others_ask_changes_nobody_s_luck(order: list[tuple[str, ...]]) -> None:
    """The n-th of a kind meets the same, whatever comes in between."""
    rule = reset(share_ppm=500_000)
    alone = {
        lot: [number in hits(tally(rule), 5, case(lot=lot)) for number in range(1, 6)]
        for lot in {*order}
    }
    found, mixed = tally(rule), {lot: list[bool]() for lot in {*order}}
    for lot in order:
        mixed[lot].append(found.met(case(lot=lot)) is not None)

    assert mixed == alone


# --- the clock ---------------------------------------------------------------------------


def test_jumps_add_up_and_each_has_its_moment() -> None:
    written = {
        "apiVersion": "fleet/v1",
        "kind": "Faults",
        "rules": [
            {"fault": "clockJump", "afterSeconds": 60, "seconds": 7200},
            {"fault": "clockJump", "afterSeconds": 120, "seconds": -10_000},
            {"fault": "clockJump", "seconds": 5},
        ],
    }
    script = FaultFile.model_validate(written).script()

    jumps = [script.jump(dt.timedelta(seconds=at)).total_seconds() for at in (0, 59, 60, 120)]

    assert jumps == [5, 5, 7205, -2795]
