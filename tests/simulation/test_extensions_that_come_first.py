"""Extensions that a plan requires, in the simulated world: they come first, and stay."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from fleet.core import children
from fleet.core.children import FAILED, Choice
from fleet.core.state import RunState
from fleet.core.trail import Trail
from fleet.model.cluster import AutoUpgrade, Extension
from fleet.model.desired import Rollout
from fleet.model.plan import Action, Plan, Verb
from fleet.model.statuses import RunStatus
from fleet.model.strategy import FailureClass, OnBreach, RetryRule
from fleet.sim.world import World
from tests.rig import returns, rollouts, runs
from tests.unit.test_core_required import AGENT, NEEDS_AGENT

FILE: Mapping[str, Any] = {
    "clusters": 2,
    "seed": 5,
    "offlineShare": 0,
    "distributions": {"aks": 1},
    "extensions": [
        {
            "type": "Microsoft.openservicemesh",
            "installed": {"absent": 1},
        },
        {
            "type": "Contoso.Agent",
            "name": "agent",
            "namespace": "agents",
            "versions": {"stable": ["3.1.0", "3.2.0"]},
            "installed": {"absent": 1},
        },
    ],
}
SICK = "store-0001-a"
NO_AGENT: Mapping[str, Any] = {"fault": "operationFails", "cluster": SICK, "name": "agent"}
NO_MESH: Mapping[str, Any] = {"fault": "operationFails", "cluster": SICK, "name": "osm"}
NEEDS_AGENT_FIRST = rollouts.desired(requires=(NEEDS_AGENT,))


def world(*rules: Mapping[str, Any]) -> World:
    return World(runs.recipe(*rules, **FILE))


def asked(**changes: Any) -> Rollout:
    return rollouts.rollout(wish=NEEDS_AGENT_FIRST, spread=rollouts.strategy(**changes))


def written(found: World, cluster: str) -> list[tuple[str, Verb]]:
    """What was written to a cluster, in order."""
    return [
        (one.call.name, one.call.verb)
        for one in found.effects
        if one.call.cluster_id.endswith(cluster)
    ]


def test_what_came_meanwhile_is_left_alone() -> None:
    found = world()
    plan = returns.planned(found, asked())
    its_own = rollouts.desired(profile=AGENT, name="agent", namespace="agents", version="3.1.0")
    somebody = returns.forward(found, rollouts.rollout(wish=its_own))

    told = returns.child(found, somebody, lambda _state, _trail: plan)

    assert told.state.status is RunStatus.SUCCEEDED
    assert written(found, SICK) == [("agent", Verb.PUT), ("osm", Verb.PUT)]
    kept = {one.name: one.current_version for one in _there(found)[SICK]}
    assert kept == {"agent": "3.1.0", "osm": "1.2.6"}


def test_where_it_fails_the_targets_own_is_not_touched_and_nobody_writes_to_it_again() -> None:
    found = world(NO_AGENT)
    rule = RetryRule(attempts=2, on=(FailureClass.FAILED,))

    told = returns.forward(found, asked(retry=rule))
    again = returns.child(
        found, told, lambda state, trail: children.retry(state, trail, results=FAILED)
    )

    assert told.results == {SICK: "Failed", "store-0001-b": "Succeeded"}
    assert again.results == {SICK: "Failed"}
    assert "agent is Failed" in again.state.details[0]
    assert written(found, SICK) == [("agent", Verb.PUT)]


def test_a_way_back_leaves_it_there_and_says_so() -> None:
    found = world({**NO_MESH, "last": 1})
    told = returns.forward(found, asked(on_breach=OnBreach.ROLLBACK, max_failures=0))

    assert told.state.status is RunStatus.ROLLED_BACK
    assert [one.name for one in _there(found)[SICK]] == ["agent"]
    notes = {one.rollback.note for one in told.plan.targets if one.rollback}
    assert notes == {"uninstall it; agent stays"}


def test_who_is_as_wished_gets_what_it_lacks_and_nothing_of_that_is_taken_back() -> None:
    found = world()
    returns.forward(found, rollouts.rollout())
    told = returns.child(found, returns.forward(found, asked()), _rolled_back)

    assert written(found, SICK) == [("osm", Verb.PUT), ("agent", Verb.PUT)]
    assert [one.action for one in told.plan.targets] == [Action.BLOCKED, Action.BLOCKED]
    assert told.plan.targets[0].reason == "irreversible: agent stays, and nothing else changes"


def test_a_version_that_the_service_chooses_is_kept_new() -> None:
    free = dataclasses.replace(NEEDS_AGENT, version=None)
    wish = rollouts.desired(requires=(free,))
    found = world()

    returns.forward(found, rollouts.rollout(wish=wish))

    (agent,) = (one for one in _there(found)[SICK] if one.name == "agent")
    assert (agent.current_version, agent.auto_upgrade) == ("3.2.0", AutoUpgrade.COMPATIBLE)


def _rolled_back(state: RunState, trail: Trail) -> Plan:
    return children.rollback(state, trail, choice=Choice())


def _there(found: World) -> dict[str, tuple[Extension, ...]]:
    """What is on each cluster once all has settled."""
    later = found.last_at + 600 * rollouts.MINUTE
    return {one.name: one.extensions for one in found.clusters(later)}
