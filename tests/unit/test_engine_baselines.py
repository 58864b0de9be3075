from __future__ import annotations

import asyncio
import dataclasses
import datetime as dt

import pytest

from fleet.core import planner
from fleet.engine import baselines
from fleet.model.gates import Gate, Probe, ProbeKind, Reading
from fleet.model.plan import Action, Plan
from fleet.ports import About
from tests.rig import fleets

TODAY = Gate(
    name="rate",
    probe=Probe(kind=ProbeKind.PROMETHEUS, url="http://p", query="rate"),
    success="value >= baseline - 0.005",
)


def gate(name: str, **changes: object) -> Gate:
    probe = dataclasses.replace(TODAY.probe, query=name)
    return dataclasses.replace(TODAY, name=name, probe=probe, **changes)  # type: ignore[arg-type]


def planned(*gates: Gate) -> Plan:
    """A plan for four clusters, of which three change."""
    targets = [
        *(
            fleets.target(n, cluster_name=f"store-{n}", subscription="s2" if n else "s1")
            for n in range(3)
        ),
        fleets.target(3, cluster_name="store-3", wave=None, action=Action.NO_CHANGE, steps=()),
    ]
    names = tuple(one.name for one in gates if one.name != "unused")
    waves = [fleets.wave(3, before_gates=names[:1], soak_gates=names[1:2], after_gates=names[2:])]
    return fleets.plan(waves, targets=targets, gates=gates)


class Answerer:
    """Answers by the query, and remembers who asked about what."""

    def __init__(self, **readings: Reading) -> None:
        self._readings = readings
        self.asked: list[tuple[str, About]] = []
        self.most_at_once = 0
        self._open = 0

    async def measure(self, probe: Probe, about: About) -> Reading:
        self.asked.append((probe.query, about))
        self._open += 1
        self.most_at_once = max(self.most_at_once, self._open)
        await asyncio.sleep(0)
        self._open -= 1
        return self._readings.get(probe.query, Reading(values=("1",)))


@pytest.mark.parametrize(
    ("success", "failure", "expected"),
    [
        ("value > baseline", "", True),
        ("", "value < 2 * baseline", True),
        ("value > 1", "", False),
        ("", "", False),
        ("baseline", "", False),  # no condition: the plan file is refused for it elsewhere
    ],
)
def test_only_a_condition_that_names_it_wants_a_baseline(
    success: str, failure: str, expected: bool
) -> None:
    one = gate("g", success=success, failure=failure)

    assert baselines.is_wanted(one) is expected


async def test_each_gate_that_wants_one_is_asked_once_about_all_that_changes() -> None:
    plan = planned(gate("a"), gate("b", success="value > 1"), gate("c"))
    asked = Answerer(a=Reading(values=("0.999",)), c=Reading(values=("17",), detail="of 9"))
    found = await baselines.measured(plan, asked)

    about = About(
        wave="all",
        clusters=["store-0", "store-1", "store-2"],
        cluster_ids=[one.cluster_id for one in plan.targets[:3]],
        subscriptions=("s1", "s2"),
        window=dt.timedelta(minutes=5),
    )
    assert sorted(asked.asked, key=lambda one: one[0]) == [("a", about), ("c", about)]
    assert [one.baseline for one in found.head.gates] == ["0.999", None, "17"]
    assert found.head.warnings == plan.head.warnings
    assert found == planner.sealed(found.head, plan.targets)
    assert found.digest != plan.digest


@pytest.mark.parametrize(
    ("reading", "why"),
    [
        (Reading(error="Prometheus at http://p: no connection"), "Prometheus at http://p: no conn"),
        (Reading(), "the answer is empty"),
        (Reading(detail="there is nothing at /a"), "there is nothing at /a"),
        (Reading(values=("1", "2")), "the answer has 2 values, and one is needed"),
        (Reading(values=("NaN",)), "it is NaN"),
        (Reading(values=("-Infinity",)), "it is -Infinity"),
    ],
)
async def test_what_cannot_be_told_is_left_open_with_a_warning(reading: Reading, why: str) -> None:
    plan = planned(gate("a"), gate("b"))
    found = await baselines.measured(plan, Answerer(a=reading))

    assert [one.baseline for one in found.head.gates] == [None, "1"]
    (warning,) = found.head.warnings[len(plan.head.warnings) :]
    assert warning.startswith(f"gate a: its baseline is not known: {why}")


@pytest.mark.parametrize("gates", [(), (gate("a", success="value > 1"),), (gate("unused"),)])
async def test_a_plan_that_needs_none_is_the_same_and_asks_nobody(gates: tuple[Gate, ...]) -> None:
    plan, asked = planned(*gates), Answerer()

    assert await baselines.measured(plan, asked) is plan
    assert asked.asked == []


async def test_not_everybody_is_asked_at_once() -> None:
    asked = Answerer()
    await baselines.measured(planned(*(gate(f"g{n}") for n in range(30))), asked)

    assert len(asked.asked) == 30
    assert asked.most_at_once == 8
