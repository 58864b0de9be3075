"""What planning costs does not grow beyond the fleet: work is counted, not time."""

from __future__ import annotations

import dataclasses

from fleet import zones
from fleet.core import (
    crons,
    hours,
    patterns,
    planner,
    policy,
    spans,
    timetables,
    wallclock,
    weekdays,
    weeks,
    windows,
)
from fleet.model.calendars import Calendar, Level, Rule
from fleet.model.cluster import Cluster, Inventory
from fleet.model.desired import TagCalendars
from tests.rig import fleets, rollouts
from tests.rig.work import calls_of

KINDS = 20
FREEZE = Calendar(
    name="freeze",
    level=Level.RUN,
    zone="Europe/Berlin",
    deny=(Rule(starts="2026-12-18T12:00:00", ends="2027-01-07T06:00:00"),),
)
ASKED = dataclasses.replace(
    rollouts.rollout(),
    calendars=(FREEZE,),
    tag_calendars=(TagCalendars(name="stores", tag="maintenance", zone="Europe/Berlin"),),
)
OF_WINDOWS = (
    crons, hours, patterns, spans, timetables, wallclock, weekdays, weeks, windows,
)  # fmt: skip


def found(count: int) -> Inventory:
    """Return clusters of two versions, whose tags name one of some windows."""

    def one(n: int) -> Cluster:
        mesh = fleets.extension("1.1.1" if n % 2 else "1.2.3", modified_at=f"stamp {n}")
        tags = {"maintenance": f"sun-{n % KINDS:02}-23"}
        return fleets.cluster(f"store-{n:05}", mesh, tags=tags)

    return dataclasses.replace(fleets.inventory(map(one, range(count))), read_at=fleets.T0)


def plan(inventory: Inventory) -> None:
    made = planner.plan(ASKED, inventory, zones=zones.zone)
    assert made.change_count == len(inventory.clusters)
    assert len(made.head.calendars) == KINDS + 1


def test_windows_are_worked_out_once_for_each_calendar_and_not_for_each_target() -> None:
    few, many = found(100), found(1_000)
    plan(few)  # zones are read once in a process

    small, large = (
        calls_of(lambda: plan(inventory), modules=OF_WINDOWS)  # noqa: B023 - called at once
        for inventory in (few, many)
    )

    assert small == large > 0


def test_clusters_are_judged_once_for_each_kind() -> None:
    assert calls_of(lambda: plan(found(1_000)), only=[policy.judge]) == 2


def test_one_target_more_is_some_calls_more() -> None:
    few, many = found(200), found(1_200)
    plan(few)

    small, large = (
        calls_of(lambda: plan(inventory))  # noqa: B023 - called at once
        for inventory in (few, many)
    )

    assert (large - small) / 1_000 < 200
