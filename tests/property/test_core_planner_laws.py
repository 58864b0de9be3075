"""Whatever the fleet and the strategy: nobody is forgotten, and the numbers are those printed."""

from __future__ import annotations

import contextlib
import json
import random
import re

import pytest
from hypothesis import given, settings, strategies as st

from fleet.core import planner, saved, selection
from fleet.errors import InputError
from fleet.model import codec
from fleet.model.cluster import Cluster
from fleet.model.desired import (
    Desired,
    FailureMode,
    Presence,
    Rollout,
    Scope,
    SettingsMode,
    Strategy,
)
from fleet.model.plan import Action, Plan, PlanHead, Target
from fleet.model.versions import parse
from tests.rig import fleets, rollouts

WISHES = st.builds(
    rollouts.desired,
    version=st.sampled_from(["1.2.6", "1.1.1", "1.0.0-1", "latest"]),
    settings=st.dictionaries(st.sampled_from("abc"), st.sampled_from("12"), max_size=2),
    settings_mode=st.sampled_from(SettingsMode),
    allow_skip_minor=st.booleans(),
    protected=st.sampled_from([{}, {"token": "TOKEN"}]),
) | st.sampled_from([rollouts.UNINSTALL, rollouts.AUTO])
ASKED = st.builds(
    lambda wish, spread, scope: rollouts.rollout(wish=wish, spread=spread, scope=scope),
    WISHES,
    fleets.strategies(),
    fleets.scopes(),
)


def planned(asked: Rollout, clusters: list[Cluster]) -> Plan:
    return planner.plan(asked, fleets.inventory(clusters))


@settings(max_examples=300, deadline=None)
@given(asked=ASKED, clusters=fleets.clusters())
def test_every_selected_cluster_is_in_one_wave_or_listed_with_a_reason(
    asked: Rollout, clusters: list[Cluster]
) -> None:
    plan = planned(asked, clusters)

    meant = {one.id for one in selection.selected(clusters, asked.scope)}
    assert sorted(one.cluster_id for one in plan.targets) == sorted(meant)
    in_waves = [one for _, some in plan.by_wave() for one in some]
    assert sum(wave.target_count for wave in plan.head.waves) == plan.change_count == len(in_waves)
    for wave, some in plan.by_wave():
        assert some
        assert all(one.wave == wave.name and one.action.is_change for one in some)
    for one in plan.targets[plan.change_count :]:
        assert one.wave is None
        assert not one.action.is_change
        assert one.reason
    for one in in_waves:
        assert one.steps
        assert one.rollback is not None


def _printed(note: str) -> int:
    """The last number of ``maxFailures: 20% of 37 -> 7`` or ``maxFailures: 9 -> 7, all ...``."""
    return int(re.findall(r"\d+(?!%)", note)[-1])


@settings(max_examples=300, deadline=None)
@given(asked=ASKED, clusters=fleets.clusters())
def test_the_numbers_are_those_printed_and_no_cap_is_passed(
    asked: Rollout, clusters: list[Cluster]
) -> None:
    plan = planned(asked, clusters)

    run = plan.head.limits
    for wave in plan.head.waves:
        assert [_printed(note) for note in wave.notes[:2]] == [
            wave.max_concurrency,
            wave.max_failures,
        ]
        assert 1 <= wave.effective_concurrency <= min(wave.max_concurrency, run.max_concurrency)
        assert wave.max_concurrency <= wave.target_count
        assert 0 <= wave.max_failures <= wave.target_count
        assert 1 <= wave.worst_case_failures <= wave.target_count
        if run.failure_mode is FailureMode.STRICT:
            tightest = min(wave.max_failures, run.max_failures)
            assert wave.effective_concurrency <= tightest + 1
            assert wave.worst_case_failures <= tightest + 1


@settings(max_examples=150, deadline=None)
@given(asked=ASKED, clusters=fleets.clusters(), seed=st.integers(0, 99))
def test_planning_is_deterministic_and_does_not_see_the_order_of_discovery(
    asked: Rollout, clusters: list[Cluster], seed: int
) -> None:
    shuffled = list(clusters)
    random.Random(seed).shuffle(shuffled)  # noqa: S311 - an order, not a secret

    plan = planned(asked, clusters)

    assert planned(asked, clusters) == plan
    assert planned(asked, shuffled) == plan


@settings(max_examples=150, deadline=None)
@given(asked=ASKED, clusters=fleets.clusters())
def test_plans_survive_being_written_down(asked: Rollout, clusters: list[Cluster]) -> None:
    plan = planned(asked, clusters)

    assert codec.from_json(PlanHead, codec.to_json(plan.head)) == plan.head
    assert [codec.from_json(Target, codec.to_json(one)) for one in plan.targets] == list(
        plan.targets
    )
    assert saved.plan_of(json.loads(json.dumps(saved.document(plan)))) == plan


@settings(max_examples=200, deadline=None)
@given(wish=WISHES, clusters=fleets.clusters(max_size=8))
def test_no_plan_goes_back_loses_a_protected_setting_or_touches_what_is_not_ours(
    wish: Desired, clusters: list[Cluster]
) -> None:
    plan = planned(rollouts.rollout(wish=wish), clusters)

    found = {one.id: one.extensions[0] for one in clusters if one.extensions}
    for target in plan.targets:
        was = found.get(target.cluster_id)
        assert target.action is not Action.DOWNGRADE
        if was is None or not target.steps:
            continue
        assert not was.is_system
        if wish.presence is Presence.PRESENT and target.steps[0].verb == "put":
            assert set(was.protected_keys) <= set(target.steps[0].protected or {})
        if target.from_version and target.from_version[0].isdigit():
            versions = [parse(step.version) for step in target.steps if step.version]
            assert all(one.release >= parse(target.from_version).release for one in versions)


@settings(max_examples=150, deadline=None)
@given(
    spread=fleets.strategies(has_rest=False),
    clusters=fleets.clusters(),
    unreachable=fleets.scopes(),
)
def test_without_a_rest_everybody_has_a_wave_or_the_plan_is_refused(
    spread: Strategy, clusters: list[Cluster], unreachable: Scope
) -> None:
    asked = rollouts.rollout(spread=spread, scope=unreachable)

    with contextlib.suppress(InputError):
        plan = planned(asked, clusters)
        assert plan.change_count == sum(one.action.is_change for one in plan.targets)
        return
    with pytest.raises(InputError, match="are in no wave"):
        planned(asked, clusters)
