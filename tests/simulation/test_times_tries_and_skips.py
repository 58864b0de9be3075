"""Timeouts, stalls, retries, minSuccess and skips, in the simulated world."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Mapping
from typing import Any

import pytest

from fleet.core import children
from fleet.core.trail import Trail
from fleet.engine import history, virtual
from fleet.journal.memory import MemoryStore
from fleet.model import events as e
from fleet.model.desired import Rollout
from fleet.model.plan import Verb
from fleet.model.statuses import RunStatus, WaveStatus
from fleet.model.strategy import FailureClass, RetryRule, WaveRule
from fleet.ports import Request
from fleet.sim.ports import SimulatedAzure
from fleet.sim.world import World
from fleet.ui import statusview
from tests.rig import returns, rollouts, runs
from tests.rig.returns import Told
from tests.simulation.test_runs_that_take_themselves_back import FILE, OFF, SICK_ONE

MINUTE = dt.timedelta(minutes=1)
ONCE: Mapping[str, Any] = {"fault": "operationFails", "cluster": SICK_ONE, "last": 1}
STUCK: Mapping[str, Any] = {"fault": "stuckOperation", "cluster": SICK_ONE}
TWO = (WaveRule(name="first", size=4), WaveRule(name="rest", size="rest"))


def world(*rules: Mapping[str, Any], **keys: Any) -> World:
    return World(runs.recipe(*rules, **{**FILE, **keys}))


def asked(**changes: Any) -> Rollout:
    return rollouts.rollout(wish=OFF, spread=rollouts.strategy(**changes))


# --- trying again ----------------------------------------------------------------------------


def test_an_agent_that_fails_once_is_tried_again_by_put_and_costs_no_budget() -> None:
    found = world(ONCE)

    told = returns.forward(found, asked(max_failures=0, retry=RetryRule(attempts=1)))

    assert told.state.status is RunStatus.SUCCEEDED
    assert told.state.failures == 0
    verbs = [one.call.verb for one in found.effects if one.call.cluster_id.endswith(SICK_ONE)]
    # A PATCH of what is there already would be answered with a 200, and mend nothing.
    assert verbs == [Verb.PATCH, Verb.PUT]


def test_a_retry_waits_twice_as_long_each_time_and_ends_as_a_failure_after_the_last() -> None:
    always = {key: value for key, value in ONCE.items() if key != "last"}
    rule = RetryRule(attempts=3, backoff=10 * MINUTE)
    waits: list[dt.timedelta] = []

    told = returns.forward(world(always), asked(retry=rule), observe=_waits(waits))

    assert told.results[SICK_ONE] == "Failed"
    assert told.state.failures == 1
    assert [one // (10 * MINUTE) for one in waits] == [1, 2, 4]


def _waits(found: list[dt.timedelta]) -> Any:
    def observe(events: Any, _state: Any) -> None:
        found.extend(one.until - one.at for one in events if isinstance(one, e.TargetRetried))

    return observe


def test_what_is_not_named_is_not_tried_again() -> None:
    rule = RetryRule(attempts=3, on=(FailureClass.TIMED_OUT,))

    told = returns.forward(world(ONCE), asked(retry=rule))

    assert told.results[SICK_ONE] == "Failed"


# --- time ------------------------------------------------------------------------------------


def test_a_run_that_is_out_of_time_starts_nothing_more_and_says_what_it_did_not_begin() -> None:
    found = world(STUCK)

    told = returns.forward(found, asked(max_concurrency=1, waves=TWO, run_timeout=25 * MINUTE))

    state = told.state
    assert state.status is RunStatus.FAILED
    assert state.pending_count > 0
    assert state.finish_reason.endswith(f"{state.pending_count} not begun")
    assert state.waves[state.current - 1].status is WaveStatus.FAILED


def test_after_a_run_out_of_time_a_new_one_has_what_was_not_begun() -> None:
    found = world()
    parent = returns.forward(found, asked(max_concurrency=1, run_timeout=10 * MINUTE))
    assert parent.state.status is RunStatus.FAILED

    rest = returns.forward(found, asked(max_concurrency=1))

    assert rest.state.status is RunStatus.SUCCEEDED
    assert len(rest.results) == parent.state.pending_count
    assert len(found.effects) == 8


def test_who_timed_out_is_tried_again_by_a_child_with_time_of_its_own() -> None:
    slow = {"cluster": SICK_ONE, "operation": {"min": 2400, "max": 2400}}
    found = world(overrides=[slow])
    parent = returns.forward(found, asked(run_timeout=45 * MINUTE))
    assert parent.results[SICK_ONE] == "TimedOut"

    child = returns.child(
        found, parent, lambda state, trail: children.retry(state, trail, results=children.FAILED)
    )

    # Its operation has ended meanwhile: there is nothing to do, and that is looked up.
    assert child.results == {SICK_ONE: "NoOp"}
    assert child.state.status is RunStatus.SUCCEEDED


def test_whoever_takes_long_is_named_while_it_does_and_no_longer() -> None:
    slow = {"cluster": SICK_ONE, "operation": {"min": 1200, "max": 1200}}
    said: list[tuple[bool, list[str], list[str]]] = []

    def observe(events: Any, state: Any) -> None:
        if any(isinstance(one, (e.TargetStalled, e.RunFinished)) for one in events):
            document = statusview.document(state, holder=None)
            stalled = [one["clusterName"] for one in document["targets"] if one["isStalled"]]
            lines = [line for line in statusview.reasons(state) if line.startswith("stalled")]
            said.append((state.status.is_terminal, stalled, lines))

    returns.forward(world(overrides=[slow]), asked(stalled_after=8 * MINUTE), observe=observe)

    assert said == [
        (False, [SICK_ONE], [f"stalled: {SICK_ONE}"]),
        (True, [], []),
    ]


# --- how many must succeed ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("least", "status", "reason"),
    [
        (None, RunStatus.SUCCEEDED_WITH_FAILURES, "1 failed"),
        (7, RunStatus.SUCCEEDED, "7 succeeded, and 7 must: 1 failed"),
        (8, RunStatus.SUCCEEDED_WITH_FAILURES, "7 succeeded, and 8 must: 1 failed"),
    ],
)
def test_failures_are_success_only_where_the_file_says_how_many_must_succeed(
    least: int | None, status: RunStatus, reason: str
) -> None:
    told = returns.forward(world(ONCE), asked(min_success=least))

    assert (told.state.status, told.state.finish_reason) == (status, reason)


# --- skipping ------------------------------------------------------------------------------------


def test_what_was_skipped_is_tried_again_by_a_child() -> None:
    found = world()
    parent = _skipping(found, ("skip-target", SICK_ONE))
    assert parent.results[SICK_ONE] == "Skipped"
    (number,) = (n for n, one in enumerate(parent.state.targets) if one.cluster_name == SICK_ONE)
    assert parent.state.details[number] == "a test (by alice@ops-1)"

    child = returns.child(
        found,
        parent,
        lambda state, trail: children.retry(
            state, trail, results=frozenset({parent.state.results[number]})
        ),
    )

    assert child.results == {SICK_ONE: "Succeeded"}


def test_a_wave_that_is_skipped_is_none_of_the_budget_s_business() -> None:
    told = _skipping(world(), ("skip-wave", "rest"))

    assert told.state.status is RunStatus.SUCCEEDED
    assert told.state.waves[1].status is WaveStatus.SKIPPED
    assert told.state.status_counts() == {"Skipped": 4, "Succeeded": 4}


def test_what_is_in_flight_is_not_skipped() -> None:
    told = _skipping(world(), ("skip-target", "store-0001-a"))

    assert told.results["store-0001-a"] == "Succeeded"


def _skipping(found: World, wanted: tuple[str, str]) -> Told:
    """Somebody skips, from another process, while the first wave is under way."""
    store, (kind, subject) = MemoryStore(), wanted

    async def play() -> Any:
        azure = SimulatedAzure(found, virtual.clock())
        plan = await runs.planned(asked(waves=TWO), azure)

        def ask(events: Any, _state: Any) -> None:
            if any(isinstance(one, e.StepAccepted) for one in events):
                request = Request(
                    id="q1",  # the same each time: it is one request
                    kind=kind,
                    subject=subject,
                    actor=runs.ALICE,
                    reason="a test",
                    at=events[-1].at,
                )
                store.ask(runs.RUN, request)

        async with store.hold(runs.RUN, actor=runs.ALICE, create=True) as journal:
            settings = dataclasses.replace(runs.QUIET, inbox_every_s=5)
            runner = await runs.begun(journal, plan, azure, observe=ask, settings=settings)
            await runner.run()
        return plan

    plan, trail = virtual.run(play()), Trail()
    return Told(plan=plan, state=history.load(store.read(runs.RUN), heed=trail.note), trail=trail)
