"""Whatever the fleet and the strategy: nobody is forgotten, and the numbers are those printed."""

from __future__ import annotations

import collections
import contextlib
import dataclasses
import json
import os
import random
import re

import pytest
from hypothesis import given, settings, strategies as st

from fleet.core import order, planner, saved, selection
from fleet.errors import InputError
from fleet.model import codec
from fleet.model.cluster import Cluster
from fleet.model.desired import Desired, Presence, Rollout, SettingsMode
from fleet.model.plan import Action, Plan, PlanHead, Target
from fleet.model.scope import Scope
from fleet.model.strategy import FailureMode, OnBreach, Strategy, WaveRule
from fleet.model.versions import parse
from tests.rig import drawn, fleets, rollouts

TIMES = int(os.environ.get("SIMULATION_TIMES", "1"))
"""How many times as many plans as in every check."""
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
    drawn.strategies(),
    drawn.scopes(),
)


def planned(asked: Rollout, clusters: list[Cluster]) -> Plan:
    return planner.plan(asked, fleets.inventory(clusters))


@settings(max_examples=100 * TIMES, deadline=None)
@given(asked=ASKED, clusters=drawn.clusters())
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


@settings(max_examples=40 * TIMES, deadline=None)
@given(asked=ASKED, clusters=drawn.clusters())
def test_those_of_a_wave_stand_in_order_and_its_parts_follow_one_another(
    asked: Rollout, clusters: list[Cluster]
) -> None:
    """But for a list, which has an order of its own, and those that stand in for somebody."""
    rules = tuple(
        dataclasses.replace(rule, targets=(), size="10%" if rule.targets else rule.size)
        for rule in asked.strategy.waves
    )
    plain = tuple(dataclasses.replace(rule, has_substitutes=False) for rule in rules)
    spread = dataclasses.replace(asked.strategy, waves=plain)

    plan = planned(dataclasses.replace(asked, strategy=spread), clusters)

    chosen = selection.selected(clusters, asked.scope)
    wanted = order.ordered(chosen, spread.sort_key, cluster=lambda one: one)
    places = {one.id: n for n, one in enumerate(wanted)}
    whole: dict[str, list[int]] = collections.defaultdict(list)
    for wave, some in plan.by_wave():
        name = re.sub("-[0-9]+$", "", wave.name)
        whole[name] += [places[one.cluster_id] for one in some]
    assert all(found == sorted(found) for found in whole.values())


def _printed(note: str) -> int:
    """The last number of ``maxFailures: 20% of 37 -> 7`` or ``maxFailures: 9 -> 7, all ...``."""
    return int(re.findall(r"\d+(?!%)", note)[-1])


@settings(max_examples=100 * TIMES, deadline=None)
@given(asked=ASKED, clusters=drawn.clusters())
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
        assert all(wave.effective_concurrency <= pool.max_concurrency for pool in plan.head.pools)
        assert 0 <= wave.max_failures <= wave.target_count
        assert 1 <= wave.worst_case_failures <= wave.target_count
        if run.failure_mode is FailureMode.STRICT:
            tightest = min(wave.max_failures, run.max_failures)
            assert wave.effective_concurrency <= tightest + 1
            assert wave.worst_case_failures <= tightest + 1


@settings(max_examples=60 * TIMES, deadline=None)
@given(asked=ASKED, clusters=drawn.clusters())
def test_caps_of_labels_are_of_all_that_change_and_never_more_than_there_are(
    asked: Rollout, clusters: list[Cluster]
) -> None:
    plan = planned(asked, clusters)

    changed = plan.targets[: plan.change_count]
    assert all(len(one.groups) == len(plan.head.spreads) for one in changed)
    assert all(one.groups == () for one in plan.targets[plan.change_count :])
    for n, spread in enumerate(plan.head.spreads):
        counts = collections.Counter(one.groups[n] for one in changed)
        assert [counts[place] for place in range(len(spread.groups))] == [
            group.target_count for group in spread.groups
        ]
        for group in spread.groups:
            assert 1 <= (group.max_concurrency or 1) <= group.target_count
            assert 0 <= (group.max_failures or 0) <= group.target_count
        for wave, some in plan.by_wave():
            inside = collections.Counter(one.groups[n] for one in some)
            # As many as may start while every group keeps to its cap, and strictly to its budget.
            is_strict = plan.head.limits.failure_mode is FailureMode.STRICT
            most = failing = 0
            for place, count in inside.items():
                group = spread.groups[place]
                budget = group.max_failures
                slack = budget + 1 if is_strict and budget is not None else count
                most += min(count, group.max_concurrency or count, slack)
                failing += count if budget is None else min(count, budget)
            assert wave.effective_concurrency <= most
            assert wave.worst_case_failures <= failing + wave.effective_concurrency


@settings(max_examples=40 * TIMES, deadline=None)
@given(asked=ASKED, clusters=drawn.clusters())
def test_the_runs_numbers_are_never_more_than_there_are(
    asked: Rollout, clusters: list[Cluster]
) -> None:
    plan = planned(asked, clusters)

    run, count = plan.head.limits, plan.change_count
    assert 1 <= run.max_concurrency <= max(count, 1)
    assert 0 <= run.max_failures <= count
    assert (run.min_success is None) is (asked.strategy.min_success is None)
    assert min(count, 1) <= (count if run.min_success is None else run.min_success) <= count
    assert (run.undo is not None) is (run.on_breach is OnBreach.ROLLBACK)
    assert run.undo is None or 1 <= run.undo.max_concurrency <= max(count, 1)


@settings(max_examples=40 * TIMES, deadline=None)
@given(asked=ASKED, clusters=drawn.clusters())
def test_a_held_cluster_is_changed_by_no_plan(asked: Rollout, clusters: list[Cluster]) -> None:
    plan = planned(asked, clusters)

    held = {one.id for one in clusters if one.tags.get("rollout", "").lower() == "hold"}
    assert not any(one.action.is_change for one in plan.targets if one.cluster_id in held)
    told = any("held by the tag" in warning for warning in plan.head.warnings)
    skipped = [one for one in plan.targets if one.reason.startswith("held by its tag")]
    assert told is bool(skipped)


@settings(max_examples=30 * TIMES, deadline=None)
@given(asked=ASKED, clusters=drawn.clusters(), keys=st.permutations(["name", "-tag:env"]))
def test_a_sort_key_loses_nobody(asked: Rollout, clusters: list[Cluster], keys: list[str]) -> None:
    rest = (WaveRule(name="rest", size="rest"),)
    plain = dataclasses.replace(asked.strategy, waves=rest, sort_key=())
    by_key = dataclasses.replace(plain, sort_key=tuple(keys))

    one, other = (
        planned(dataclasses.replace(asked, strategy=spread), clusters) for spread in (plain, by_key)
    )

    assert {target.cluster_id for target in one.targets} == {
        target.cluster_id for target in other.targets
    }
    assert one.head.limits == other.head.limits


@settings(max_examples=60 * TIMES, deadline=None)
@given(asked=ASKED, clusters=drawn.clusters(), seed=st.integers(0, 99))
def test_planning_is_deterministic_and_does_not_see_the_order_of_discovery(
    asked: Rollout, clusters: list[Cluster], seed: int
) -> None:
    shuffled = list(clusters)
    random.Random(seed).shuffle(shuffled)  # noqa: S311 - an order, not a secret

    plan = planned(asked, clusters)

    assert planned(asked, clusters) == plan
    assert planned(asked, shuffled) == plan


@settings(max_examples=60 * TIMES, deadline=None)
@given(asked=ASKED, clusters=drawn.clusters())
def test_plans_survive_being_written_down(asked: Rollout, clusters: list[Cluster]) -> None:
    plan = planned(asked, clusters)

    assert codec.from_json(PlanHead, codec.to_json(plan.head)) == plan.head
    assert [codec.from_json(Target, codec.to_json(one)) for one in plan.targets] == list(
        plan.targets
    )
    assert saved.plan_of(json.loads(json.dumps(saved.document(plan)))) == plan


@settings(max_examples=70 * TIMES, deadline=None)
@given(wish=WISHES, clusters=drawn.clusters(max_size=8))
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


@settings(max_examples=60 * TIMES, deadline=None)
@given(
    spread=drawn.strategies(has_rest=False),
    clusters=drawn.clusters(),
    unreachable=drawn.scopes(),
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


@settings(max_examples=60 * TIMES, deadline=None)
@given(asked=ASKED, clusters=drawn.clusters())
def test_strict_selection_refuses_exactly_what_is_warned_about_without_it(
    asked: Rollout, clusters: list[Cluster]
) -> None:
    """Whoever stands in for a canary may be selected by a later wave: that is no mistake."""
    rules = (dataclasses.replace(one, has_substitutes=False) for one in asked.strategy.waves)
    loose = dataclasses.replace(asked.strategy, waves=tuple(rules))
    strict = dataclasses.replace(loose, has_strict_selection=True)

    plan = planned(dataclasses.replace(asked, strategy=loose), clusters)

    overlaps = [one for one in plan.head.warnings if "in an earlier wave already" in one]
    if overlaps:
        with pytest.raises(InputError) as caught:
            planned(dataclasses.replace(asked, strategy=strict), clusters)
        assert str(caught.value).startswith(overlaps[0])
    else:
        assert planned(dataclasses.replace(asked, strategy=strict), clusters) == plan
