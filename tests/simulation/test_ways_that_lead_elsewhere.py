"""Ways into clusters that lead into another one: what a run does there, and what it says of it."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest

from fleet.core import children
from fleet.core.children import Choice
from fleet.core.state import RunState
from fleet.core.trail import Trail
from fleet.engine.clock import Clock
from fleet.model import events as e
from fleet.model.cluster import ClusterId
from fleet.model.desired import Presence
from fleet.model.events import Event
from fleet.model.inside import Severity, Verdict
from fleet.model.plan import Action, Plan
from fleet.ports import ClusterApi, Clusters
from fleet.sim import names
from fleet.sim.inside.clusters import SimulatedClusters
from fleet.sim.ports import SimulatedAzure
from fleet.sim.world import World
from tests.rig import returns, runs
from tests.rig.entering import BRIEF, CONFIG, METRICS, OSM, RESTART, asked
from tests.rig.returns import Told

ONE, OTHER = "store-0001-a", "store-0001-b"
IDENTITY, GONE = (
    dataclasses.replace(OSM, checks=tuple(rule for rule in OSM.checks if rule.id == name))
    for name in ("cluster-identity", "orphan-webhooks-after-delete")
)
ELSEWHERE = f"clusterAccess leads to another cluster: {OTHER} of resource group "


def world(installed: str = "1.2.6", *breaks: str, **keys: Any) -> World:
    extension = {
        "type": "Microsoft.openservicemesh",
        "installed": {installed: 1},
        "autoUpgrade": 0,
        "failedShare": 0,
    }
    file = {
        "clusters": 1,
        "seed": 1,
        "offlineShare": 0,
        "distributions": {"rancher_rke": 1},
        "extensions": [extension],
        "overrides": [{"cluster": ONE, "breaks": list(breaks)}],
    }
    return runs.world(**{**file, **keys})


class Astray:
    """A way that leads to a cluster of another fleet, from some visit on."""

    def __init__(self, installed: str = "1.2.6", *, since: int = 0) -> None:
        self.fleet = world(installed, clusters=2, overrides=[])
        self.other = next(self.fleet.clusters(self.fleet.recipe.epoch, [1])).id
        self.visit_count = 0
        self._since = since
        self._right: Clusters | None = None
        self._wrong: Clusters | None = None

    def way(self, azure: SimulatedAzure, clock: Clock) -> Clusters:
        """Lead there while a run goes on."""
        self._right = SimulatedClusters(azure.world, clock)
        self._wrong = SimulatedClusters(self.fleet, clock)
        return self

    @contextlib.asynccontextmanager
    async def open(self, cluster_id: ClusterId) -> AsyncIterator[ClusterApi]:
        assert self._right is not None
        assert self._wrong is not None
        is_wrong = self.visit_count >= self._since
        self.visit_count += 1
        way = self._wrong.open(self.other) if is_wrong else self._right.open(cluster_id)
        async with way as api:
            yield api

    @property
    def is_untouched(self) -> bool:
        """Whether nothing was changed where it leads."""
        return not self.fleet.edits(self.other)


def told(found: World, astray: Astray, *works: Any, **wishes: Any) -> tuple[Told, list[Event]]:
    """A run, and what was written down of it."""
    events: list[Event] = []

    def observe(some: Sequence[Event], _state: RunState) -> None:
        events.extend(some)

    wish = asked(*works, **{"profile": BRIEF, **wishes})
    return returns.forward(found, wish, observe=observe, way=astray.way), events


def test_the_fleet_next_door_would_take_the_same_changes() -> None:
    """Else that it stays as it is would say nothing."""
    astray = Astray()
    wish = asked(METRICS, CONFIG, profile=BRIEF)
    plan = returns.planned(astray.fleet, wish)

    assert {one.cluster_name: one.action for one in plan.targets}[OTHER] is Action.RECONFIGURE


def test_what_leads_elsewhere_fails_the_target_at_once_and_the_journal_says_where() -> None:
    found, astray = world(), Astray()
    ended, events = told(found, astray, METRICS, CONFIG)

    assert ended.results == {ONE: "Failed"}
    assert astray.is_untouched
    assert astray.visit_count == 1
    assert not [one for one in events if isinstance(one, e.StepIntended | e.StepHeld)]
    (failed,) = (one for one in events if isinstance(one, e.StepFailed))
    subscription = names.subscription(0)
    assert (failed.code, failed.message) == (
        "F381",
        f"cluster {ONE}: {ELSEWHERE}{astray.other.split('/')[4]} (subscription {subscription})",
    )


def test_from_whichever_visit_on_it_leads_elsewhere_nothing_is_written_there() -> None:
    straight = Astray(since=1_000)
    ended, _ = told(world("1.2.3"), straight, METRICS, RESTART)
    assert ended.results == {ONE: "Succeeded"}

    assert straight.visit_count > 9
    for since in range(straight.visit_count):
        astray = Astray(since=since)
        ended, events = told(world("1.2.3"), astray, METRICS, RESTART)

        assert astray.is_untouched, since
        assert ended.results[ONE] in ("Failed", "TimedOut"), since
        assert ELSEWHERE in ended.state.details[0], since
        assert [one for one in events if ELSEWHERE in getattr(one, "message", "")], since


def test_before_the_first_write_to_azure_it_is_noticed_where_anything_must_be_preserved() -> None:
    found, astray = world("1.2.3"), Astray()
    ended, events = told(found, astray)

    assert ended.results == {ONE: "Failed"}
    assert ELSEWHERE in ended.state.details[0]
    assert not [one for one in events if isinstance(one, e.StepIntended)]


def test_an_uninstall_is_not_proved_by_a_cluster_that_never_had_it() -> None:
    astray = Astray("absent")
    ended, _ = told(world(), astray, presence=Presence.ABSENT, version=None, profile=GONE)

    assert ended.results == {ONE: "TimedOut"}
    assert ELSEWHERE in ended.state.details[0]


def test_nothing_is_taken_back_elsewhere() -> None:
    found, straight = world(), Astray(since=1_000)
    forward, _ = told(found, straight, CONFIG)
    assert forward.results == {ONE: "Succeeded"}

    astray = Astray()
    back = returns.child(found, forward, _taken_back, way=astray.way)

    assert back.results == {ONE: "Failed"}
    assert astray.is_untouched
    assert ELSEWHERE in back.state.details[0]


def _taken_back(state: RunState, trail: Trail) -> Plan:
    return children.rollback(state, trail, choice=Choice())


# --- before a run ------------------------------------------------------------------------


def test_a_plan_blocks_what_would_be_changed_elsewhere() -> None:
    (target,) = returns.planned(world("1.2.6", "another-cluster"), asked(CONFIG)).targets

    assert (target.action, target.steps) == (Action.BLOCKED, ())
    assert target.reason.startswith(
        f"inside the cluster: clusterAccess leads to another cluster: not-{ONE} of resource group "
    )


def test_where_only_azure_is_written_to_a_plan_warns() -> None:
    plan = returns.planned(world("1.2.3", "another-cluster"), asked())

    assert plan.targets[0].action is Action.UPGRADE
    (warning,) = (one for one in plan.head.warnings if "another" in one)
    assert warning.startswith(
        "inside 1 of 1 not everything could be looked at: clusterAccess leads to another cluster: "
    )


# --- where nothing says so -----------------------------------------------------------------


@pytest.mark.parametrize("severity", [Severity.WARN, Severity.GATE])
def test_where_nothing_says_which_cluster_it_is_that_is_told(severity: Severity) -> None:
    events: list[Event] = []
    inside = {"severities": {"cluster-identity": severity}}
    wish = asked(CONFIG, profile=IDENTITY, inside=inside)
    found = world("1.2.6", "clusterconfig-missing")
    ended = returns.forward(found, wish, observe=lambda some, _state: events.extend(some))

    assert ended.plan.head.warnings[-1] == (
        "inside 1 of 1 nothing says which cluster it is: the ConfigMap azure-clusterconfig in "
        "azure-arc is not there"
    )
    assert found.edits(ended.plan.targets[0].cluster_id)
    if severity is Severity.GATE:
        assert ended.results == {ONE: "TimedOut"}
        return
    assert ended.results == {ONE: "Succeeded"}
    (seen,) = (one.checks for one in events if isinstance(one, e.TargetObserved))
    assert [(one.check, one.verdict) for one in seen] == [("cluster-identity", Verdict.FAILED)]
