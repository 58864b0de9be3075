"""membership: follow and onDrift: replan, in the simulated world."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from fleet.core import children
from fleet.core.children import Choice
from fleet.core.state import RunState
from fleet.core.trail import Trail
from fleet.engine import history, opening, virtual
from fleet.errors import TransientError
from fleet.journal.memory import MemoryStore
from fleet.model import events as e
from fleet.model.cluster import Cluster, Extension, Inventory
from fleet.model.desired import Membership, OnDrift, Rollout
from fleet.model.events import Event
from fleet.model.plan import Verb
from fleet.model.scope import Match, Scope, Unreachable
from fleet.model.statuses import RunStatus
from fleet.model.strategy import SpreadRule, WaveRule
from fleet.ports import ExtensionRef, RequestIds
from fleet.sim.ports import SimulatedAzure
from fleet.sim.world import World
from tests.rig import beside, rollouts, runs
from tests.rig.beside import Witness, Yard
from tests.simulation.test_runs_that_take_themselves_back import FILE, OFF

Changed = Callable[[Cluster], Cluster | None]
NAMES = tuple(f"store-000{n}-{side}" for n in (1, 2, 3, 4) for side in "ab")


class Moving(SimulatedAzure):
    """Discovery sees another fleet at each look: when the plan is made, and before each wave."""

    def __init__(self, world: World, first: Changed, *later: Changed) -> None:
        super().__init__(world, virtual.clock())
        self._looks = [first, *later]
        self.is_down = False

    async def inventory(self, scope: Scope, **about: Any) -> Inventory:
        found = await super().inventory(scope, **about)
        if self.is_down and len(self._looks) == 1:
            message = "Resource Graph is away"
            raise TransientError(message, status=503)
        change = self._looks.pop(0) if len(self._looks) > 1 else self._looks[0]
        clusters = tuple(one for cluster in found.clusters if (one := change(cluster)))
        return dataclasses.replace(found, clusters=clusters)


def without(*names: str) -> Changed:
    return lambda cluster: None if cluster.name in names else cluster


def following(**changes: Any) -> Rollout:
    waves = (WaveRule(name="first", size=2), WaveRule(name="rest", size="rest"))
    found = rollouts.rollout(wish=OFF, spread=rollouts.strategy(waves=waves, **changes))
    return dataclasses.replace(found, membership=Membership.FOLLOW)


@dataclasses.dataclass(slots=True, kw_only=True)
class Lived:
    state: RunState
    trail: Trail
    events: tuple[Event, ...]
    world: Witness
    yard: Yard

    @property
    def results(self) -> dict[str, str]:
        return {self.state.targets[n].cluster_name: str(r) for n, r in self.state.results.items()}


def lived(
    asked: Rollout,
    azure: Callable[[Witness], SimulatedAzure],
    *,
    rules: Sequence[Mapping[str, Any]] = (),
) -> Lived:
    world = Witness(runs.recipe(*rules, **FILE))
    yard = Yard(world=world)

    async def play() -> None:
        await yard.run(runs.RUN, asked, azure=lambda: azure(world))

    virtual.run(play())
    trail, reader = Trail(), yard.store.read(runs.RUN)
    state = history.load(reader, heed=trail.note)
    events = tuple(event for _, event in yard.store.read(runs.RUN).events())
    return Lived(state=state, trail=trail, events=events, world=world, yard=yard)


def test_clusters_that_appear_join_the_last_wave_and_those_that_go_are_removed() -> None:
    found = lived(
        following(),
        lambda world: Moving(world, without(NAMES[6], NAMES[7]), without(NAMES[4])),
    )

    assert found.state.status is RunStatus.SUCCEEDED
    assert found.results == {**dict.fromkeys(NAMES, "Succeeded"), NAMES[4]: "Removed"}
    joined = found.state.targets[6:]
    assert [(one.cluster_name, one.wave) for one in joined] == [
        (NAMES[6], "rest"),
        (NAMES[7], "rest"),
    ]
    assert NAMES[4] not in {one.cluster for one in found.world.spans}


def test_a_cluster_that_is_changed_already_stays_changed_when_it_is_meant_no_more() -> None:
    found = lived(following(), lambda world: Moving(world, without(), without(), without(NAMES[0])))

    assert found.results == dict.fromkeys(NAMES, "Succeeded")


def test_a_site_that_nobody_knew_has_the_tightest_cap_of_all() -> None:
    """The two that come are of one store that the plan had never heard of."""

    def renamed(cluster: Cluster) -> Cluster:
        is_new = cluster.name in NAMES[6:]
        return dataclasses.replace(cluster, tags={"site": "new"}) if is_new else cluster

    found = lived(
        following(spread=(SpreadRule(by="tag:site", max_concurrency=1),)),
        lambda world: Moving(world, without(*NAMES[6:]), renamed),
    )

    def store_of(cluster: str) -> str:
        return cluster.rpartition("-")[0]

    assert found.results == dict.fromkeys(NAMES, "Succeeded")
    assert set(beside.most_at_once(found.world.spans, store_of).values()) == {1}


def test_what_joined_can_be_tried_again_and_taken_back() -> None:
    sick = {"fault": "operationFails", "cluster": NAMES[7]}
    found = lived(
        following(spread=(SpreadRule(by="tag:site", max_concurrency=1),)),
        lambda world: Moving(world, without(*NAMES[6:]), without()),
        rules=[sick],
    )
    assert found.results == {**dict.fromkeys(NAMES, "Succeeded"), NAMES[7]: "Failed"}

    again = children.retry(found.state, found.trail, results=children.FAILED)
    back = children.rollback(found.state, found.trail, choice=Choice())

    assert [one.cluster_name for one in again.targets] == [NAMES[7]]
    assert [wave.name for wave in again.head.waves] == ["rest"]
    assert {one.cluster_name for one in back.targets} == set(NAMES)
    for plan in (again, back):
        assert virtual.run(_opened(plan)).status is RunStatus.RUNNING


async def _opened(plan: Any) -> RunState:
    async with MemoryStore().hold(runs.RUN, actor=runs.ALICE, create=True) as journal:
        return await opening.begin(journal, plan, runs.opening_of(), now=virtual.clock().now())


def test_what_cannot_be_looked_up_keeps_nobody_waiting_and_is_said() -> None:
    def away(world: World) -> Moving:
        found = Moving(world, without(*NAMES[6:]), without())
        found.is_down = True
        return found

    found = lived(following(), away)

    problems = [one.problem for one in found.events if isinstance(one, e.RunSurveyed)]
    assert found.state.status is RunStatus.SUCCEEDED
    assert set(problems) == {"Resource Graph is away"}
    assert set(found.results) == set(NAMES[:6])


def test_locks_are_taken_for_those_who_join_and_what_others_change_does_not_join() -> None:
    world = Witness(runs.recipe(**FILE))
    yard = Yard(world=world)
    theirs: list[Any] = []

    def note(_events: Sequence[Event], _state: RunState) -> None:
        theirs.append({key.cluster_id.rpartition("/")[2] for key in yard.held.keys(runs.RUN)})

    other = rollouts.rollout(
        wish=OFF,
        spread=rollouts.strategy(),
        scope=Scope(unreachable=Unreachable.DEFER, match=Match(names=(NAMES[7],))),
    )
    beside.together(
        lambda: yard.run(
            runs.RUN,
            following(),
            azure=lambda: Moving(world, without(*NAMES[6:]), without()),
            observe=note,
        ),
        lambda: yard.run("other", other),
    )

    assert NAMES[6] in theirs[-1]
    assert all(NAMES[7] not in held for held in theirs)
    assert {one.status for one in yard.states.values()} == {RunStatus.SUCCEEDED}


# --- onDrift: replan -----------------------------------------------------------------------


class Meddled(SimulatedAzure):
    """Somebody else's hand is at one cluster, just before the run's own."""

    def __init__(self, world: World, change: Callable[[int], Mapping[str, Any] | None]) -> None:
        super().__init__(world, virtual.clock())
        self._change, self._reads = change, 0

    async def get(self, ref: ExtensionRef, ids: RequestIds) -> Extension | None:
        found = await super().get(ref, ids)
        if not ref.cluster_id.endswith(NAMES[5]) or found is None:
            return found
        change = self._change(self._reads)
        self._reads += 1
        return found if change is None else dataclasses.replace(found, **change)


def replanning(on_drift: OnDrift = OnDrift.REPLAN) -> Rollout:
    wish = dataclasses.replace(OFF, on_drift=on_drift)
    return rollouts.rollout(wish=wish)


def told(found: Lived) -> list[Event]:
    return [one for one in found.events if isinstance(one, e.TargetReplanned)]


def test_what_changed_before_its_turn_is_planned_anew_and_carried_out() -> None:
    def once(read: int) -> Mapping[str, Any] | None:
        return {"settings": {"osm.osm.enableEgress": "perhaps"}} if read < 2 else None

    found = lived(replanning(), lambda world: Meddled(world, once))

    assert found.state.status is RunStatus.SUCCEEDED
    assert found.results == dict.fromkeys(NAMES, "Succeeded")
    assert len(told(found)) >= 1
    number = next(n for n, one in enumerate(found.state.targets) if one.cluster_name == NAMES[5])
    assert found.state.rounds[number] == len(told(found))
    (effect,) = [one for one in found.world.effects if one.call.cluster_id.endswith(NAMES[5])]
    assert effect.call.verb in (Verb.PATCH, Verb.PUT)


def test_what_somebody_keeps_changing_is_planned_anew_three_times_and_then_left() -> None:
    def always(read: int) -> Mapping[str, Any]:
        return {"settings": {"osm.osm.enableEgress": f"perhaps-{read}"}}

    found = lived(replanning(), lambda world: Meddled(world, always))

    assert len(told(found)) == 3
    assert found.results == {**dict.fromkeys(NAMES, "Succeeded"), NAMES[5]: "Drifted"}
    assert not [one for one in found.world.effects if one.call.cluster_id.endswith(NAMES[5])]


def test_nothing_is_done_where_somebody_did_it_already() -> None:
    wanted = {"settings": {"osm.osm.enableEgress": "false"}}

    found = lived(replanning(), lambda world: Meddled(world, lambda _read: wanted))

    assert found.state.status is RunStatus.SUCCEEDED
    assert found.results == {**dict.fromkeys(NAMES, "Succeeded"), NAMES[5]: "NoOp"}


def test_the_way_back_of_what_was_planned_anew_leads_to_what_was_there_then() -> None:
    def once(read: int) -> Mapping[str, Any] | None:
        return {"settings": {"osm.osm.enableEgress": "perhaps"}} if read < 2 else None

    found = lived(replanning(), lambda world: Meddled(world, once))

    back = children.rollback(found.state, found.trail, choice=Choice(targets=(NAMES[5],)))
    (target,) = back.targets
    (number,) = (n for n, one in enumerate(found.state.targets) if one.cluster_name == NAMES[5])
    was = found.state.targets[number].facts.settings["osm.osm.enableEgress"]
    assert target.owned == {"osm.osm.enableEgress": was}
    again = children.retry(found.state, found.trail, results=children.FAILED)
    assert again.targets == ()
