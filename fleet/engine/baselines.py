"""What gates measured before anything changed: asked once, when a plan is made.

Only gates whose conditions name a baseline are asked, each about all clusters
that the plan changes. What cannot be told is left open, and the plan warns: a
condition that needs it will be inconclusive.
"""

from __future__ import annotations

import asyncio
import dataclasses
import datetime as dt
from decimal import Decimal

from fleet.core import conditions, planner
from fleet.engine import requests
from fleet.model.gates import Gate, Reading
from fleet.model.plan import Plan
from fleet.ports import About, Probes

WAVE = "all"
"""What ``${wave}`` stands for."""
WINDOW = dt.timedelta(minutes=5)
"""What ``${window}`` stands for."""
_NAME = "baseline"
_AT_ONCE = 8


def is_wanted(gate: Gate) -> bool:
    """Tell whether one of a gate's conditions names the baseline."""
    return any(_names(text) for text in (gate.success, gate.failure) if text)


def wanted_by(plan: Plan) -> tuple[Gate, ...]:
    """Return the gates of a plan that are to be asked before anything changes."""
    return tuple(one for one in requests.gates_in_use(plan.head) if is_wanted(one))


async def measured(plan: Plan, probes: Probes) -> Plan:
    """Return *plan* with what is measured now: the same where no gate asks for it."""
    wanted = wanted_by(plan)
    if not wanted:
        return plan
    about, places = _about(plan), asyncio.Semaphore(_AT_ONCE)

    async def ask(gate: Gate) -> Reading:
        async with places:
            return await probes.measure(gate.probe, about)

    async with asyncio.TaskGroup() as tasks:
        asked = {one.name: tasks.create_task(ask(one), name=f"gate {one.name}") for one in wanted}
    readings = {name: task.result() for name, task in asked.items()}
    gates = tuple(
        dataclasses.replace(one, baseline=_figure(readings[one.name]))
        if one.name in readings
        else one
        for one in plan.head.gates
    )
    warnings = tuple(
        f"gate {name}: its baseline is not known: {why}"
        for name, reading in readings.items()
        if (why := _trouble(reading))
    )
    head = dataclasses.replace(plan.head, gates=gates, warnings=(*plan.head.warnings, *warnings))
    return planner.sealed(head, plan.targets)


def _names(text: str) -> bool:
    try:
        return _NAME in conditions.parse(text).names
    except ValueError:
        return False  # whoever reads the plan file says what is wrong with it


def _about(plan: Plan) -> About:
    changed = [one for _, targets in plan.by_wave() for one in targets]
    return About(
        wave=WAVE,
        clusters=[one.cluster_name for one in changed],
        cluster_ids=[one.cluster_id for one in changed],
        subscriptions=tuple(dict.fromkeys(one.subscription for one in changed)),
        window=WINDOW,
    )


def _figure(reading: Reading) -> str | None:
    return None if _trouble(reading) else reading.values[0]


def _trouble(reading: Reading) -> str:
    """Return why a reading is no baseline; empty where it is one."""
    if reading.error:
        return reading.error
    if not reading.values:
        return reading.detail or "the answer is empty"
    if len(reading.values) > 1:
        return f"the answer has {len(reading.values)} values, and one is needed"
    return "" if Decimal(reading.values[0]).is_finite() else f"it is {reading.values[0]}"
