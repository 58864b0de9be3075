"""Calendars in a plan: who is bound by which, and what is refused since it never opens."""

from __future__ import annotations

import dataclasses
import datetime as dt
from typing import Any

import pytest

from fleet import zones
from fleet.core import bindings, planner, waves
from fleet.errors import InputError, InvariantError
from fleet.model import codec
from fleet.model.calendars import Calendar, Level, Rule
from fleet.model.cluster import Cluster, Connectivity
from fleet.model.desired import Membership, Rollout, TagCalendars
from fleet.model.plan import CATCH_UP, Action, Plan, PlanHead
from fleet.model.strategy import WaveRule
from tests.rig import rollouts
from tests.rig.fleets import T0, cluster, extension, inventory

NIGHTS = Rule(days=(0, 1, 2, 3, 4), at="22:00", until="05:00")
OVER = Rule(starts="2025-01-01T00:00:00", ends="2025-01-02T00:00:00")
STORES = TagCalendars(name="stores", tag="maintenance", zone="Europe/Berlin", zone_tag="timezone")
CANARY = WaveRule(name="canary", size=1)


def calendar(name: str, level: Level = Level.RUN, *allow: Rule, **more: Any) -> Calendar:
    return Calendar(name=name, level=level, zone="UTC", allow=allow or (NIGHTS,), **more)


def asked(*rules: WaveRule, **changes: Any) -> Rollout:
    spread = rollouts.strategy(
        waves=(*rules, WaveRule(name="rest", size="rest")), max_concurrency=1
    )
    return dataclasses.replace(rollouts.rollout(spread=spread), **changes)


def store(n: int, tag: str | None = None, **changes: Any) -> Cluster:
    tags = {} if tag is None else {"maintenance": tag}
    return cluster(f"store-{n}", extension("1.2.3"), **{"tags": tags, **changes})


def planned(rollout: Rollout, *clusters: Cluster) -> Plan:
    found = dataclasses.replace(inventory(clusters or [store(n) for n in range(3)]), read_at=T0)
    return planner.plan(rollout, found, zones=zones.zone)


def names(head: PlanHead, places: tuple[int, ...]) -> list[str]:
    return [head.calendars[place].name for place in places]


def test_calendars_of_the_world_and_the_run_stand_in_the_plan_and_bind_everybody() -> None:
    world, run = calendar("world", Level.GLOBAL), calendar("run")

    plan = planned(asked(calendars=(world, run), start_buffer=dt.timedelta(0)))

    assert plan.head.calendars == (world, run)
    assert plan.head.start_buffer == dt.timedelta(0)
    assert {wave.calendars for wave in plan.head.waves} == {()}
    assert {one.calendars for one in plan.targets} == {()}


def test_a_wave_is_bound_by_those_that_it_lists_and_every_part_of_it_is() -> None:
    late = T0 + dt.timedelta(days=1)
    one, other = calendar("one", Level.WAVE), calendar("other", Level.WAVE)
    rules = (dataclasses.replace(CANARY, calendars=("other",), not_before=late),)

    plan = planned(asked(*rules, calendars=(calendar("run"), one, other), not_before=T0))

    assert [one.name for one in plan.head.calendars] == ["run", "other"]
    assert [(one.name, one.calendars, one.not_before) for one in plan.head.waves] == [
        ("canary", (1,), late),
        ("rest", (), None),
    ]
    assert plan.head.not_before == T0
    assert plan.head.warnings == ("calendar one: no wave lists it, so it binds nobody",)


def test_who_is_late_is_bound_by_the_calendars_of_all_waves() -> None:
    rules = (
        dataclasses.replace(CANARY, calendars=("b",)),
        WaveRule(name="more", size=1, calendars=("a",)),
    )
    some = (calendar("a", Level.WAVE), calendar("b", Level.WAVE))
    far = store(9, connectivity=Connectivity.OFFLINE)

    plan = planned(asked(*rules, calendars=some), *(store(n) for n in range(3)), far)

    assert [(one.name, names(plan.head, one.calendars)) for one in plan.head.waves] == [
        ("canary", ["b"]),
        ("more", ["a"]),
        ("rest", []),
        (CATCH_UP, ["a", "b"]),
    ]
    later = waves.catch_up(plan.head.limits, calendars=bindings.of_catch_up(plan.head.waves))
    assert later.calendars == plan.head.waves[-1].calendars


def test_targets_are_bound_by_what_their_tags_say_and_share_calendars() -> None:
    clusters = (
        store(1, "sun-02-06"),
        store(2, "SUN-02-06 "),
        store(3, "sat-22-04"),
        cluster(
            "store-4",
            extension("1.2.3"),
            tags={"Maintenance": "sun-02-06", "timezone": "Europe/Lisbon"},
        ),
        cluster("store-5", extension("1.2.6"), tags={"maintenance": "tue-01-02"}),
    )

    plan = planned(asked(tag_calendars=(STORES,), calendars=(calendar("run"),)), *clusters)

    found = {one.cluster_name: names(plan.head, one.calendars) for one in plan.targets}
    assert found == {
        "store-1": ["stores:sun-02-06"],
        "store-2": ["stores:sun-02-06"],
        "store-3": ["stores:sat-22-04"],
        "store-4": ["stores:sun-02-06@Europe/Lisbon"],
        "store-5": [],
    }
    # What needs nothing brings no calendar into the plan.
    assert [one.name for one in plan.head.calendars] == [
        "run",
        "stores:sat-22-04",
        "stores:sun-02-06",
        "stores:sun-02-06@Europe/Lisbon",
    ]
    assert codec.from_json(PlanHead, codec.to_json(plan.head)) == plan.head


def test_a_cluster_whose_tag_cannot_be_read_is_blocked_and_the_others_go_on() -> None:
    plan = planned(
        asked(tag_calendars=(STORES,)), store(1), store(2, "soon"), store(3, "sun-02-06")
    )

    found = {one.cluster_name: (one.action, one.wave, one.steps != ()) for one in plan.targets}
    assert found == {
        "store-1": (Action.BLOCKED, None, False),
        "store-2": (Action.BLOCKED, None, False),
        "store-3": (Action.UPGRADE, "rest", True),
    }
    assert "it has no tag maintenance" in plan.targets[1].reason
    assert "its tag maintenance='soon' is no time" in plan.targets[2].reason


def test_who_needs_nothing_is_not_asked_for_a_tag() -> None:
    plan = planned(asked(tag_calendars=(STORES,)), cluster("store-1", extension("1.2.6")))

    assert [one.action for one in plan.targets] == [Action.NO_CHANGE]


def test_the_same_fleet_gives_the_same_plan_in_whichever_order_it_is_read() -> None:
    clusters = [store(n, f"sun-0{n}-06") for n in range(1, 5)]
    rollout = asked(tag_calendars=(STORES,))

    assert planned(rollout, *clusters) == planned(rollout, *clusters[::-1])


def test_a_plan_without_calendars_is_what_it_was() -> None:
    rollout = asked(CANARY)
    found = inventory([store(n) for n in range(3)])

    assert planner.plan(rollout, found) == planner.plan(rollout, found, zones=zones.zone)
    assert not {"calendars", "notBefore"} & codec.to_json(planner.plan(rollout, found).head).keys()


def test_calendars_without_zone_data_are_our_mistake() -> None:
    with pytest.raises(InvariantError):
        planner.plan(asked(tag_calendars=(STORES,)), inventory([store(1)]))


# --- what never opens --------------------------------------------------------------------


def refused(rollout: Rollout, *clusters: Cluster) -> str:
    with pytest.raises(InputError) as caught:
        planned(rollout, *clusters)
    assert caught.value.hint
    return caught.value.message


def test_a_calendar_that_is_over_is_refused() -> None:
    told = refused(asked(calendars=(calendar("once", Level.RUN, OVER),)))

    assert told.startswith("calendar once: it is never open from 2026-01-10 on")
    assert told.endswith("what it allows is over, or has not begun by then")


def test_a_window_that_is_over_when_the_run_may_begin_is_refused() -> None:
    once = Rule(starts="2026-02-01T00:00:00", ends="2026-02-02T00:00:00")
    rollout = asked(calendars=(calendar("once", Level.RUN, once),))

    assert planned(rollout).change_count
    assert "it is never open from 2026-03-01 on" in refused(
        dataclasses.replace(rollout, not_before=dt.datetime(2026, 3, 1, tzinfo=dt.UTC))
    )


def test_everything_that_never_opens_is_told_at_once() -> None:
    daily = Rule(days=tuple(range(7)), at="00:00", until="24:00")
    some = (calendar("a", Level.RUN, OVER), calendar("b", Level.GLOBAL, deny=(daily,)))

    assert [line.split(":")[0] for line in refused(asked(calendars=some)).split("\n")] == [
        "calendar a",
        "calendar b",
    ]


def test_calendars_that_are_never_open_at_once_are_refused_where_a_wave_has_both() -> None:
    days = calendar("days", Level.WAVE, Rule(days=(0, 1, 2, 3, 4), at="08:00", until="17:00"))
    rollout = asked(calendars=(calendar("nights"), days))

    assert planned(rollout).change_count
    both = asked(dataclasses.replace(CANARY, calendars=("days",)), calendars=rollout.calendars)
    assert refused(both) == (
        "wave canary: its calendars are never open at once for longer than the start buffer of "
        "10 min: nights, days"
    )


def test_a_window_that_is_shorter_than_the_start_buffer_is_refused() -> None:
    short = calendar("short", Level.RUN, Rule(days=(6,), at="02:00", until="02:05"))

    assert "longer than the start buffer of 10 min" in refused(asked(calendars=(short,)))
    assert planned(asked(calendars=(short,), start_buffer=dt.timedelta(minutes=4))).change_count


def test_a_target_whose_own_window_the_run_never_shares_is_named_in_a_warning() -> None:
    clusters = [store(n, "mon-08-17") for n in range(1, 8)]
    rollout = asked(calendars=(calendar("nights"),), tag_calendars=(STORES,))

    plan = planned(rollout, *clusters, store(9, "mon-fri-22-05"))

    named = "store-1, store-2, store-3, store-4, store-5 and 2 more"
    why = "never changed, since these are never open at once: nights, stores:mon-08-17"
    assert plan.head.warnings == (f"{named}: {why}",)


# --- while a run goes on, and after it ---------------------------------------------------


def test_who_joins_is_bound_by_the_plans_calendars_or_does_not_join() -> None:
    rollout = asked(tag_calendars=(STORES,), membership=Membership.FOLLOW)
    head = planned(rollout, store(1, "sun-02-06"), store(2, "sat-22-04")).head

    assert head.basis is not None
    rules = head.basis.tag_calendars
    assert rules == (STORES,)
    found = [
        bindings.joining(store(9, tag), rules, head.calendars)
        for tag in ("Sun-02-06", "sat-22-04", "mon-01-02", "soon", None)
    ]
    assert [places and names(head, places) for places in found] == [
        ["stores:sun-02-06"],
        ["stores:sat-22-04"],
        None,
        None,
        None,
    ]
    free = dataclasses.replace(STORES, must_be_tagged=False)
    assert bindings.joining(store(9), (free,), head.calendars) == ()


def test_a_plan_made_from_another_has_todays_calendars_of_the_world() -> None:
    own, old = calendar("nights"), calendar("freeze", Level.GLOBAL, OVER)
    head = planned(asked()).head
    head = dataclasses.replace(head, calendars=(old, own))
    new, more = calendar("freeze", Level.GLOBAL), calendar("more", Level.GLOBAL)

    assert bindings.under(head, ()).calendars == (old, own)
    assert bindings.under(head, (new, more)).calendars == (new, own, more)
    with pytest.raises(InputError, match="a calendar of its own that is called nights"):
        bindings.under(head, (calendar("nights", Level.GLOBAL),))
