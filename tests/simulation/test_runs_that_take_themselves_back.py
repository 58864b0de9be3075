"""onBreach: rollback, in the simulated world: all is as before, or it is said what is not."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from fleet.core import children, leftovers
from fleet.core.children import Choice
from fleet.core.state import RunState
from fleet.engine import history, virtual
from fleet.journal.memory import MemoryStore
from fleet.model import events as e
from fleet.model.cluster import Extension
from fleet.model.desired import Rollout
from fleet.model.events import Event
from fleet.model.statuses import RunStatus
from fleet.model.strategy import OnBreach, RollbackRule, RollbackScope, WaveRule
from fleet.sim.world import World
from fleet.ui import statusview
from tests.rig import deaths, returns, rollouts, runs
from tests.rig.cases import Case
from tests.rig.deaths import Deaths

SETTINGS = {"osm.osm.meshName": "osm", "osm.osm.enableEgress": "true"}
FILE: Mapping[str, Any] = {
    "clusters": 8,
    "seed": 5,
    "offlineShare": 0,
    "distributions": {"aks": 1},
    "extensions": [
        {
            "type": "Microsoft.openservicemesh",
            "name": "osm",
            "namespace": "arc-osm-system",
            "installed": {"1.1.1": 1},
            "settings": SETTINGS,
        }
    ],
}
OFF = rollouts.desired(version=None, settings={"osm.osm.enableEgress": "false"})
FIRST = ("store-0001-a", "store-0001-b", "store-0002-a")
REST = ("store-0002-b", "store-0003-a", "store-0003-b", "store-0004-a", "store-0004-b")
SICK_ONE = "store-0003-a"


ALWAYS = {"fault": "operationFails", "cluster": SICK_ONE}
ONCE = {**ALWAYS, "countedBy": "cluster", "last": 1}


def world(*rules: Mapping[str, Any], **keys: Any) -> World:
    return World(runs.recipe(*rules, **{**FILE, **keys}))


def asked(scope: RollbackScope, *, back_at_once: int | None = None, **changes: Any) -> Rollout:
    return rollouts.rollout(
        wish=changes.pop("wish", OFF),
        spread=rollouts.strategy(
            max_failures=0,
            waves=(WaveRule(name="first", size=3), WaveRule(name="rest", size="rest")),
            on_breach=OnBreach.ROLLBACK,
            rollback=RollbackRule(scope=scope, max_concurrency=back_at_once),
            **changes,
        ),
    )


def egress(found: World) -> dict[str, str | None]:
    later = found.last_at + dt.timedelta(hours=1)
    return {name: _egress(one) for name, one in returns.extensions(found, later).items()}


def _egress(one: Extension | None) -> str | None:
    assert one is not None
    return one.settings.get("osm.osm.enableEgress")


@pytest.mark.parametrize(
    ("scope", "back"),
    [
        (RollbackScope.TARGET, {SICK_ONE}),
        (RollbackScope.WAVE, set(REST)),
        (RollbackScope.RUN, {*FIRST, *REST}),
    ],
)
def test_what_the_scope_names_is_as_before_and_nothing_else_is_touched(
    scope: RollbackScope, back: set[str]
) -> None:
    found = world(ONCE)

    told = returns.forward(found, asked(scope))

    assert told.state.status is RunStatus.ROLLED_BACK
    assert {name for name, one in told.results.items() if one == "RolledBack"} == back
    assert egress(found) == {n: "true" if n in back else "false" for n in (*FIRST, *REST)}
    later = found.last_at + dt.timedelta(hours=1)
    assert {
        one.settings["osm.osm.meshName"] for one in returns.extensions(found, later).values() if one
    } == {"osm"}
    assert list(leftovers.leftovers(told.state)) == []


def test_the_newest_wave_goes_first_and_in_it_what_failed() -> None:
    found = world(ONCE)

    told = returns.forward(found, asked(RollbackScope.RUN, back_at_once=1, wave_max_concurrency=1))

    order = [one.call.cluster_id.rpartition("/")[2] for one in found.effects]
    assert order[order.index(SICK_ONE) + 1 :] == [SICK_ONE, "store-0002-b", *reversed(FIRST)]
    assert [wave.planned.name for wave in told.state.waves] == [
        *("first", "rest", "back-rest", "back-first")
    ]


def test_one_that_cannot_be_taken_back_keeps_nobody_and_is_told_with_the_way_on() -> None:
    found = world(ALWAYS)

    told = returns.forward(found, asked(RollbackScope.RUN))

    assert told.state.status is RunStatus.FAILED
    assert told.state.finish_reason == (
        f"the failure budget was broken; 7 taken back, 1 not: {SICK_ONE}"
    )
    (left,) = leftovers.leftovers(told.state)
    assert (left.target.cluster_name, left.result) == (SICK_ONE, "Failed")
    assert left.advice == (f"mend the cause, then fleet rollback {runs.RUN} --target {SICK_ONE}")
    assert {n: v for n, v in egress(found).items() if n != SICK_ONE} == {
        n: "true" for n in (*FIRST, *REST) if n != SICK_ONE
    }


def test_what_a_run_could_not_take_back_itself_is_taken_back_by_command_and_nothing_twice() -> None:
    found = world({**ONCE, "last": 2})
    parent = returns.forward(found, asked(RollbackScope.RUN))
    heard = len(found.effects)

    child = returns.child(
        found, parent, lambda state, trail: children.rollback(state, trail, choice=Choice())
    )

    assert child.results == {SICK_ONE: "Succeeded"}
    assert [wave.name for wave in child.plan.head.waves] == ["back-rest"]
    assert len(found.effects) == heard + 1
    assert egress(found) == dict.fromkeys((*FIRST, *REST), "true")
    again = children.retry(parent.state, parent.trail, results=children.FAILED)
    assert again.targets == ()


def test_the_irreversible_are_left_and_named_and_a_part_is_not_called_the_whole() -> None:
    """Of Open Service Mesh no older version can be put back; an install can be."""
    found = world(
        ALWAYS,
        overrides=[
            {"cluster": FIRST[0], "version": "absent"},
            {"cluster": FIRST[1], "autoUpgrade": True},
        ],
    )

    told = returns.forward(found, asked(RollbackScope.RUN, wish=rollouts.desired()))

    assert told.state.status is RunStatus.FAILED
    left = {one.target.cluster_name: one.result for one in leftovers.leftovers(told.state)}
    assert set(left) == {*FIRST[1:], *REST}
    assert set(left.values()) == {"NotTakenBack", "Partial"}
    assert left[FIRST[1]] == "Partial"
    assert set(told.state.finish_reason.partition(": ")[0].split(", ")) >= {"2 in part"}
    assert told.results[FIRST[0]] == "RolledBack"
    assert returns.extensions(found, found.last_at + dt.timedelta(hours=1))[FIRST[0]] is None


def test_a_wave_that_is_overdue_is_taken_back_too_and_it_is_said_why() -> None:
    slow = {"cluster": SICK_ONE, "operation": {"min": 1500, "max": 1500}}
    found = world(overrides=[slow])

    told = returns.forward(found, asked(RollbackScope.RUN, wave_timeout=dt.timedelta(minutes=12)))

    assert told.state.status is RunStatus.ROLLED_BACK
    assert told.state.finish_reason == "wave rest was not done in its time; 8 taken back"
    assert egress(found) == dict.fromkeys((*FIRST, *REST), "true")


@pytest.mark.parametrize("life", range(6, 34, 3))
def test_a_runner_that_dies_anywhere_on_the_way_back_leaves_it_to_the_next(life: int) -> None:
    found, store = world(ONCE), MemoryStore()

    virtual.run(
        deaths.play(
            store,
            found,
            Case(recipe=found.recipe, asked=asked(RollbackScope.RUN)),
            Deaths(lives=[life, 5, 5]),
        )
    )

    state = history.load(store.read(runs.RUN))
    assert state.status is RunStatus.ROLLED_BACK
    assert state.status_counts() == {"RolledBack": 8}
    assert egress(found) == dict.fromkeys((*FIRST, *REST), "true")
    changes = [one.call.cluster_id for one in found.effects if one.is_change]
    assert len(changes) == 16  # there and back, once each


def test_while_a_run_goes_back_each_target_is_told_once_and_what_waits_is_named() -> None:
    seen: list[tuple[int, list[str], str]] = []

    def look(events: Sequence[Event], state: RunState) -> None:
        is_new = isinstance(events[-1], e.TargetStarted) or not seen
        if state.is_rolling_back and not state.status.is_terminal and is_new:
            found = statusview.document(state, holder=None)
            assert sum(found["counts"].values()) == len(found["targets"]) == 8
            waiting = [one for one in found["targets"] if "to be taken back" in one["detail"]]
            seen.append((len(waiting), found["reasons"], found["status"]))

    returns.forward(world(ONCE), asked(RollbackScope.RUN, back_at_once=2), observe=look)

    count, reasons, status = seen[0]
    assert status == "RollingBack"
    assert reasons == [f"the failure budget was broken: {count} wait to be taken back"]
    assert count >= 6
    assert seen[-1][0] == 0


def test_what_the_scope_did_not_name_is_taken_back_by_command() -> None:
    found = world(ONCE)
    parent = returns.forward(found, asked(RollbackScope.WAVE))
    assert parent.state.status is RunStatus.ROLLED_BACK

    child = returns.child(
        found, parent, lambda state, trail: children.rollback(state, trail, choice=Choice())
    )

    assert child.results == dict.fromkeys(FIRST, "Succeeded")
    assert egress(found) == dict.fromkeys((*FIRST, *REST), "true")
