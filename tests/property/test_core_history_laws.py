"""Random histories of runs: whatever happens, the laws hold."""

from __future__ import annotations

import os

import orjson
from hypothesis import given, settings, strategies as st

from fleet.core import rollout
from fleet.core.moves import Phase
from fleet.model import records
from fleet.model.plan import Plan
from fleet.model.statuses import RunStatus
from tests.rig import drawn, fleets, histories, judgements

LUCK = st.sampled_from([histories.KIND, histories.ROUGH, histories.ROTTEN])
SEEDS = st.integers(0, 2**32)
TIMES = int(os.environ.get("SIMULATION_TIMES", "1"))
"""How many times as many histories as in every check."""


@settings(max_examples=120 * TIMES, deadline=None)
@given(plan=drawn.run_plans(), seed=SEEDS, luck=LUCK, unrest=st.sampled_from([0, 0, 2000, 8000]))
def test_every_history_ends_and_breaks_no_law(
    plan: Plan, seed: int, luck: dict[str, int], unrest: int
) -> None:
    life = histories.Life(plan, seed=seed, luck=luck, unrest=unrest)

    life.run()

    status = life.state.status
    assert status.is_terminal or status is RunStatus.PAUSED
    replayed = fleets.folded(records.from_record(orjson.loads(body)) for body in life.records)
    assert histories.history_of(replayed) == histories.history_of(life.state)
    assert rollout.decide(life.state, now=life.now).is_idle


@settings(max_examples=40 * TIMES, deadline=None)
@given(plan=drawn.run_plans(has_all_day=True), seed=SEEDS)
def test_a_history_without_mishaps_succeeds(plan: Plan, seed: int) -> None:
    life = histories.Life(plan, seed=seed, luck={"good": 9, "done": 1}, unrest=0)

    life.run()

    assert life.state.status is RunStatus.SUCCEEDED
    assert not life.state.pending_count
    assert not life.state.active


@settings(max_examples=40 * TIMES, deadline=None)
@given(plan=drawn.run_plans(), seed=SEEDS, luck=LUCK)
def test_a_death_after_every_decision_changes_no_law(
    plan: Plan, seed: int, luck: dict[str, int]
) -> None:
    """Every second runner dies at once, between what it decided and what it would have done."""
    life = histories.Life(plan, seed=seed, luck=luck, unrest=0)
    alive = life.one_turn

    def dying() -> None:
        alive()
        if not life.state.status.is_terminal and life.turn % 3 == 0:
            life.die()

    life.one_turn = dying  # type: ignore[method-assign]
    life.run()

    assert life.state.status.is_terminal or life.state.status is RunStatus.PAUSED
    assert all(one.phase is Phase.UNKNOWN for one in life.state.active.values())


@settings(max_examples=40 * TIMES, deadline=None)
@given(
    plan=judgements.judged_plans(),
    seed=SEEDS,
    luck=LUCK,
    unrest=st.sampled_from([0, 0, 2000, 8000]),
)
def test_every_history_that_is_judged_ends_and_breaks_no_law(
    plan: Plan, seed: int, luck: dict[str, int], unrest: int
) -> None:
    """Windows, gates, soaks, moments and approvals among everything else."""
    life = judgements.JudgedLife(plan, seed=seed, luck=luck, unrest=unrest)

    life.run()

    status = life.state.status
    assert status.is_terminal or status is RunStatus.PAUSED
    replayed = fleets.folded(records.from_record(orjson.loads(body)) for body in life.records)
    assert histories.history_of(replayed) == histories.history_of(life.state)
    assert rollout.decide(life.state, now=life.now).is_idle
