"""Forward, back, and forward again over random plans in the simulated world.

Wherever a plan says that its way back is possible, the world is afterwards what it was.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
from typing import Any

from hypothesis import given, settings, strategies as st

from fleet.core import children
from fleet.core.children import Choice
from fleet.core.state import RunState
from fleet.core.trail import Trail
from fleet.model.cluster import AutoUpgrade, Extension
from fleet.model.desired import Desired, Presence, Profile, SettingsMode
from fleet.model.plan import Action, Plan, Target
from fleet.model.statuses import Result
from fleet.sim.recipe import Faults, PatchSettings
from tests.rig import returns, rollouts, runs

OFFERED = ("1.0.0", "1.1.1", "1.2.3", "1.2.6")
PLAIN = Profile(
    name="plain",
    extension_type="Contoso.Plain",
    instance_name="plain",
    namespace="plain-system",
    has_one_instance=True,
)
GOOD = {Result.SUCCEEDED, Result.NO_OP}
VAULT = {"TOKEN": "s3cret"}
SOON = dt.timedelta(minutes=30)
"""After the last write everything has settled."""

profiles = st.builds(
    lambda stepwise, back: dataclasses.replace(
        PLAIN, has_sequential_minors=stepwise, may_downgrade=back
    ),
    st.booleans(),
    st.booleans(),
)
wishes = st.builds(
    lambda profile, what, train, own, mode, protected: Desired(
        profile=profile,
        name="plain",
        namespace="plain-system",
        release_train=train,
        settings=own,
        settings_mode=mode,
        protected=protected,
        allow_downgrade=True,
        **what,
    ),
    profiles,
    st.sampled_from(
        [
            *({"version": one} for one in OFFERED),
            {"version": None, "auto_upgrade": AutoUpgrade.COMPATIBLE},
            {"version": None, "auto_upgrade": AutoUpgrade.NONE},
            {"version": None, "auto_upgrade": None},
        ]
    )
    | st.just({"version": None, "presence": Presence.ABSENT}),
    st.sampled_from([None, None, "stable", "preview"]),
    st.dictionaries(st.sampled_from("abc"), st.sampled_from("12"), max_size=2),
    st.sampled_from(SettingsMode),
    st.sampled_from([{}, {}, {"token": "TOKEN"}]),
)
worlds: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {
        "seed": st.integers(0, 10_000),
        "patchSettings": st.sampled_from(["merge", "replace"]),
        "extensions": st.builds(
            lambda own, keys: [
                {
                    "type": "Contoso.Plain",
                    "name": "plain",
                    "namespace": "plain-system",
                    "versions": {"stable": list(OFFERED), "preview": [*OFFERED, "1.3.0"]},
                    "installed": {"absent": 1, "1.0.0": 1, "1.1.1": 1, "1.2.6": 1},
                    "autoUpgrade": 40,
                    "failedShare": 10,
                    "settings": own,
                    "protectedKeys": keys,
                }
            ],
            st.dictionaries(st.sampled_from("abcd"), st.sampled_from("012"), max_size=3),
            st.sampled_from([None, None, ["token"]]),
        ),
    }
)


def back(state: RunState, trail: Trail) -> Plan:
    return children.rollback(state, trail, choice=Choice())


def as_it_was(before: Extension | None, target: Target) -> Extension | None:
    """What a possible way back leads to: all as before, but for the flag of an older pin."""
    if before is None:
        return None
    stays_off = target.action is Action.UPGRADE
    return dataclasses.replace(
        before,
        auto_upgrade=AutoUpgrade.NONE if stays_off else before.auto_upgrade,
        version=before.current_version if stays_off else before.version,
        **UNTOLD,
    )


UNTOLD: dict[str, Any] = {"modified_at": None, "release_train": "", "error": None}
"""What a change stamps, and what the service spells as it likes."""


def plain(found: Extension | None) -> Extension | None:
    return None if found is None else dataclasses.replace(found, **UNTOLD)


def told(target: Target, *times: dict[str, Extension | None]) -> str:
    """What a person needs to see of a law that does not hold."""
    return "\n".join(str(one) for one in (target, *(time[target.cluster_name] for time in times)))


def trains(found: Extension | None) -> str:
    return found.release_train.lower() if found else ""


@settings(max_examples=60, deadline=None)
@given(keys=worlds, wish=wishes)
def test_what_can_be_taken_back_is_afterwards_as_it_was(
    keys: dict[str, Any], wish: Desired
) -> None:
    world = runs.world(
        clusters=5, offlineShare=0, distributions={"aks": 1}, subscriptions=1, **keys
    )
    assert world.recipe.patch_settings in PatchSettings
    before = returns.extensions(world, world.last_at)

    there = returns.forward(world, rollouts.rollout(wish=wish), vault=VAULT)
    between = returns.extensions(world, world.last_at + SOON)
    home = returns.child(world, there, back, run="back")
    after = returns.extensions(world, world.last_at + SOON)

    assert set(there.state.results.values()) <= GOOD, there.state.details
    assert set(home.state.results.values()) <= GOOD, home.state.details
    stuck = {one.cluster_name for one in home.plan.targets if one.action is Action.BLOCKED}
    for target in there.plan.targets:
        name, way = target.cluster_name, target.rollback
        if way is None or not way.steps:
            assert after[name] == between[name]
            assert (name in stuck) == target.action.is_change
        elif way.is_possible:
            assert plain(after[name]) == as_it_was(before[name], target), told(
                target, before, between, after
            )
            assert trains(after[name]) == trains(before[name])
        else:
            assert way.note.startswith("partial: ")

    again = returns.child(world, home, back, run="again", vault=VAULT)
    finally_ = returns.extensions(world, world.last_at + SOON)

    assert set(again.state.results.values()) <= GOOD, again.state.details
    for target in there.plan.targets:
        if target.rollback and target.rollback.is_possible:
            name = target.cluster_name
            assert plain(finally_[name]) == plain(between[name]), told(
                target, before, between, after, finally_
            )


@settings(max_examples=60, deadline=None)
@given(keys=worlds, wish=wishes)
def test_what_failed_anywhere_on_its_way_goes_back_too(keys: dict[str, Any], wish: Desired) -> None:
    """The agents are well again when going back begins; what they did until then, nobody knows."""
    faults = {"operationFails": 35, "silentFailure": 15, "resetAfter": 5}
    world = runs.world(
        clusters=5,
        offlineShare=0,
        distributions={"aks": 1},
        subscriptions=1,
        faults=faults,
        **keys,
    )
    before = returns.extensions(world, world.last_at)
    there = returns.forward(world, rollouts.rollout(wish=wish), vault=VAULT)
    between = returns.extensions(world, world.last_at + SOON)
    world.recipe = dataclasses.replace(world.recipe, faults=Faults())

    home = returns.child(world, there, back, run="back", vault=VAULT)
    after = returns.extensions(world, world.last_at + SOON)

    assert set(home.state.results.values()) <= GOOD, home.state.details
    for target in there.plan.targets:
        name, way = target.cluster_name, target.rollback
        was, is_, now = before[name], between[name], after[name]
        if way is None or not way.steps:
            assert now == is_
        elif way.is_possible:
            assert trains(now) == trains(was)
            # Where nothing was changed in the end, nothing need be pinned.
            assert plain(now) in (as_it_was(was, target), plain(was)), told(
                target, before, between, after
            )


@settings(max_examples=50, deadline=None)
@given(keys=worlds, wish=wishes)
def test_what_failed_is_as_planned_after_a_retry(keys: dict[str, Any], wish: Desired) -> None:
    faults = {"operationFails": 35, "silentFailure": 15, "resetAfter": 5}
    world = runs.world(
        clusters=5,
        offlineShare=0,
        distributions={"aks": 1},
        subscriptions=1,
        faults=faults,
        **keys,
    )
    asked = rollouts.rollout(wish=wish)
    there = returns.forward(world, asked, vault=VAULT)
    world.recipe = dataclasses.replace(world.recipe, faults=Faults())

    more = returns.child(world, there, retry, run="retry", vault=VAULT)

    assert set(more.state.results.values()) <= GOOD, more.state.details
    left = {name for name, one in there.results.items() if one in children.FAILED}
    assert {one.cluster_name for one in more.plan.targets} == left
    again = returns.planned(world, asked)
    assert {one.action for one in again.targets if one.cluster_name in left} <= {Action.NO_CHANGE}


def retry(state: RunState, trail: Trail) -> Plan:
    return children.retry(state, trail, results=children.FAILED)
