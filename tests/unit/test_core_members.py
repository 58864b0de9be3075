"""``membership: follow``: who joins and who leaves while a run goes on."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import pytest

from fleet.core import again, planner
from fleet.errors import IllegalTransitionError
from fleet.model import events as e
from fleet.model.cluster import Cluster
from fleet.model.commands import Survey
from fleet.model.desired import Membership
from fleet.model.events import JoinedGroup
from fleet.model.plan import CATCH_UP, Plan, Spread, SpreadGroup, Wave
from fleet.model.statuses import Result, RunStatus, WaveStatus
from fleet.model.strategy import SpreadRule
from tests.rig import rollouts
from tests.rig.byhand import Hand
from tests.rig.fleets import cluster, extension, inventory, opened, plan, snapshot, target, wave
from tests.rig.samples import event

SITE = SpreadGroup(value="a", target_count=2, max_concurrency=1, max_failures=None)
NEW = dataclasses.replace(SITE, value="b", target_count=1)
SPREAD = Spread(by="tag:site", groups=(SITE,))


def run(*waves: Wave, **changes: Any) -> Hand:
    """Open a run that looks who is meant before each wave."""
    made = plan(waves or (wave(2), wave(1, name="w1")), membership=Membership.FOLLOW, **changes)
    return Hand(opened(made)).settle()


def surveyed(hand: Hand, **changes: Any) -> Hand:
    """Answer what was asked last."""
    return hand.tell(event(e.RunSurveyed, at=hand.now, wave=hand.state.current, **changes)).settle()


def members(hand: Hand, n: int) -> list[int]:
    return list(hand.state.waves[n].line.waiting())


def test_it_is_looked_who_is_meant_before_each_wave_and_nothing_starts_meanwhile() -> None:
    hand = run()
    assert (hand.out, hand.in_flight) == ([Survey(wave=0, spreads=())], [])

    assert surveyed(hand).in_flight == [0, 1]
    hand.end(0).end(1)
    assert (hand.out[-1], hand.in_flight) == (Survey(wave=1, spreads=()), [])
    assert surveyed(hand).end(2).state.status is RunStatus.SUCCEEDED


def test_a_frozen_run_asks_nobody() -> None:
    hand = Hand(opened(plan([wave(1)]))).settle()

    assert hand.in_flight == [0]


def test_what_cannot_be_found_out_keeps_nobody_waiting() -> None:
    assert surveyed(run(), problem="no answer").in_flight == [0, 1]


def test_who_joins_waits_in_the_last_wave_that_is_not_catching_up() -> None:
    hand = run(wave(1), wave(1, name="w1"), wave(1, name=CATCH_UP))

    surveyed(hand, joined=(target(3), target(4)))

    assert (members(hand, 1), members(hand, 2)) == ([1, 3, 4], [2])
    assert [one.wave for one in hand.state.targets[3:]] == ["w1", "w1"]
    assert (hand.state.waves[1].target_count, hand.state.waves[1].done_count) == (3, 0)


def test_who_joins_before_the_catch_up_wave_waits_in_it() -> None:
    hand = run(wave(1), wave(1, name=CATCH_UP))
    surveyed(hand).end(0)

    surveyed(hand, joined=(target(2),))

    assert hand.state.waves[1].status is WaveStatus.RUNNING
    assert hand.in_flight == [1]
    assert hand.end(1).in_flight == [2]


def test_who_joins_passes_over_waves_that_were_skipped() -> None:
    hand = run(wave(1), wave(1, name="w1"), wave(1, name="w2"))
    hand.ask("skip-wave", "w2")

    surveyed(hand, joined=(target(3),))

    assert members(hand, 1) == [1, 3]


def test_who_left_is_removed_if_it_has_not_begun() -> None:
    hand = surveyed(run()).end(0)

    hand.end(1)
    surveyed(hand, left=(0, 2))

    assert (hand.state.status, hand.state.finish_reason) == (RunStatus.SUCCEEDED, "1 removed")
    assert hand.state.results == {
        0: Result.SUCCEEDED,
        1: Result.SUCCEEDED,
        2: Result.REMOVED,
    }
    assert hand.state.details == {2: "the selector does not mean it any more"}


def test_who_left_while_being_changed_is_finished() -> None:
    hand = run(wave(2, max_concurrency=1), wave(1, name="w1"))
    surveyed(hand).end(0).end(1)

    surveyed(hand, left=(0, 1))

    assert (hand.in_flight, hand.state.results) == (
        [2],
        {0: Result.SUCCEEDED, 1: Result.SUCCEEDED},
    )


def test_who_was_put_off_and_left_is_removed() -> None:
    hand = surveyed(run()).end(0, Result.DEFERRED).end(1)

    surveyed(hand, left=(0,))

    assert hand.state.results[0] is Result.REMOVED
    assert members(hand, 2) == []


def test_a_wave_that_everybody_left_opens_and_closes() -> None:
    hand = surveyed(run(), left=(0, 1))

    assert hand.state.waves[0].status is WaveStatus.SUCCEEDED
    assert hand.out[-1] == Survey(wave=1, spreads=())


def test_a_value_that_nobody_knew_is_a_group_of_its_own_and_capped() -> None:
    made = [target(n, groups=(0,)) for n in range(2)]
    hand = run(wave(2), targets=made, spreads=(SPREAD,))
    assert hand.out == [Survey(wave=0, spreads=(SPREAD,))]
    joined = (target(2, groups=(1,)), target(3, groups=(1,)))

    surveyed(hand, joined=joined, groups=(JoinedGroup(spread=0, group=NEW),))

    assert hand.in_flight == [0, 2]
    assert hand.end(2).in_flight == [0, 3]


def test_the_next_look_is_told_of_the_values_that_came_up_before() -> None:
    made = [target(n, groups=(0,)) for n in range(2)]
    hand = run(wave(1), wave(1, name="w1"), targets=made, spreads=(SPREAD,))

    surveyed(hand, joined=(target(2, groups=(1,)),), groups=(JoinedGroup(spread=0, group=NEW),))
    hand.end(0)

    grown = Spread(by="tag:site", groups=(SITE, NEW))
    assert hand.out[-1] == Survey(wave=1, spreads=(grown,))


def test_a_wave_that_is_skipped_while_somebody_looks_is_looked_at_no_more() -> None:
    hand = run()
    hand.ask("skip-wave", "w0")

    hand.settle()

    assert [one.wave for one in hand.out if isinstance(one, Survey)] == [0, 1]


def test_whoever_takes_over_looks_again() -> None:
    hand = run()
    hand.state.is_surveying = False

    assert hand.settle().out == [Survey(wave=0, spreads=())] * 2


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        pytest.param({"wave": 1}, "wave 1 is not the one that opens next", id="another wave"),
        pytest.param({"wave": 9}, "wave 9 is not the one that opens next", id="no such wave"),
        pytest.param(
            {"joined": (target(3, groups=(0, 0)),)}, "not planned as the others", id="groups"
        ),
        pytest.param(
            {"joined": (dataclasses.replace(target(3), groups=(4,)),)},
            "not planned as the others",
            id="a group too many",
        ),
    ],
)
def test_what_a_journal_may_not_say_changes_nothing(changes: dict[str, Any], match: str) -> None:
    hand = run()
    before = snapshot(hand.state)

    with pytest.raises(IllegalTransitionError, match=match):
        hand.tell(event(e.RunSurveyed, **changes))
    assert snapshot(hand.state) == before


def test_nobody_joins_a_group_that_is_not_there() -> None:
    hand = run(wave(1), targets=[target(0, groups=(0,))], spreads=(SPREAD,))

    with pytest.raises(IllegalTransitionError, match="in groups that are not there"):
        hand.tell(event(e.RunSurveyed, joined=(target(1, groups=(1,)),)))


@pytest.mark.parametrize("joined", [(), (target(1),)])
def test_nobody_joins_a_wave_that_is_open(joined: tuple[Any, ...]) -> None:
    hand = Hand(opened(plan([wave(1)]))).settle()
    before = snapshot(hand.state)

    with pytest.raises(IllegalTransitionError, match="not the one that opens next"):
        hand.tell(event(e.RunSurveyed, joined=joined))
    assert snapshot(hand.state) == before


# --- who is meant now ---------------------------------------------------------------------


def store(n: int, site: str, **changes: Any) -> Cluster:
    return cluster(f"store-{n}", extension("1.2.3"), tags={"site": site}, **changes)


def followed(clusters: Sequence[Cluster]) -> Plan:
    spread = rollouts.strategy(
        spread=(SpreadRule(by="tag:site", max_concurrency=2, max_failures=1),)
    )
    asked = dataclasses.replace(rollouts.rollout(spread=spread), membership=Membership.FOLLOW)
    return planner.plan(asked, inventory(clusters))


BEFORE = [store(1, "a"), store(2, "a"), store(3, "b")]


def test_a_census_tells_who_left_who_came_and_what_label_is_new() -> None:
    made = followed(BEFORE)
    now = [store(2, "a"), store(3, "b"), store(4, "A"), store(5, "z"), store(6, "z")]

    found = again.census(made.head, made.targets, inventory(now), spreads=made.head.spreads)

    assert found.left == (0,)
    assert [(one.cluster_name, one.groups) for one in found.joined] == [
        ("store-4", (0,)),
        ("store-5", (2,)),
        ("store-6", (2,)),
    ]
    tight = made.head.spreads[0].groups[1]
    assert found.groups == (
        JoinedGroup(spread=0, group=dataclasses.replace(tight, value="z", target_count=1)),
    )


def test_a_census_knows_the_labels_that_came_up_before() -> None:
    made = followed(BEFORE)
    first = again.census(
        made.head, made.targets, inventory([*BEFORE, store(4, "y")]), spreads=made.head.spreads
    )
    spread = made.head.spreads[0]
    grown = dataclasses.replace(spread, groups=(*spread.groups, first.groups[0].group))

    second = again.census(
        made.head,
        (*made.targets, *first.joined),
        inventory([*BEFORE, store(4, "y"), store(5, "y"), store(6, "z")]),
        spreads=(grown,),
    )

    assert [(one.cluster_name, one.groups) for one in second.joined] == [
        ("store-5", (2,)),
        ("store-6", (3,)),
    ]
    assert [one.group.value for one in second.groups] == ["z"]


def test_who_needs_nothing_does_not_join() -> None:
    made = followed(BEFORE)
    well = cluster("store-9", extension("1.2.6"), tags={"site": "a"})

    found = again.census(
        made.head, made.targets, inventory([*BEFORE, well]), spreads=made.head.spreads
    )

    assert (found.left, found.joined, found.groups) == ((), (), ())
