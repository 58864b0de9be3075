"""Which extensions a run locks."""

from __future__ import annotations

from fleet.cli import locking
from fleet.core import fold, planner
from fleet.core.state import RunState
from fleet.model.statuses import Result
from fleet.ports import LockKey
from tests.rig import fleets, rollouts
from tests.unit.test_core_required import BOTH


def test_a_run_locks_what_it_may_install_first_too_and_keeps_what_is_at_work() -> None:
    asked = rollouts.rollout(wish=rollouts.desired(requires=BOTH))
    plan = planner.plan(asked, fleets.inventory(fleets.stores(2)))
    state = RunState()
    for event in fleets.opening(plan):
        fold.apply(state, event)
    endpoint, place = state.header.endpoint if state.header else "", plan.targets[0].cluster_id

    def keys(*names: str) -> tuple[LockKey, ...]:
        return tuple(LockKey(endpoint=endpoint, cluster_id=place, extension=one) for one in names)

    assert locking.keys_of_run(state)[:3] == keys("osm", "agent", "logs")
    assert len(locking.keys_of_run(state)) == 6
    state.results.update({0: Result.TIMED_OUT, 1: Result.SUCCEEDED})
    state.operations[0] = 1
    assert locking.keys_of_run(state) == keys("osm", "agent", "logs")
    assert locking.keys_at_work(state) == keys("logs")
