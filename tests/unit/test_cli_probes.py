"""What measures for a command: at Azure's simulator by HTTP, and in a world without it."""

from __future__ import annotations

import dataclasses
import datetime as dt
from pathlib import Path

import pytest

from fleet.cli import outside, plans
from fleet.cli.context import DISCRETION
from fleet.cli.options import Where
from fleet.cli.outside import Outside
from fleet.errors import InputError, RefusedError
from fleet.model.gates import Gate, Probe, ProbeKind, Reading
from fleet.model.plan import Plan
from fleet.model.scope import Scope
from fleet.outside.probes import OutsideProbes
from fleet.ports import About
from fleet.sim.probes import SimulatedProbes
from fleet.sim.recipe import Metric, Turn
from tests.rig import background, fleets
from tests.rig.serving import CALM

OSM = "Microsoft.openservicemesh"
WORLD = """\
apiVersion: fleet/v1
kind: World
timeScale: max
clusters: 3
metrics:
  prometheus: [{contains: rate, values: [{value: 0.5}]}]
"""
RATE = Probe(kind=ProbeKind.PROMETHEUS, url="https://p", query="rate(x[1m])")


async def measured(found: Outside, *probes: Probe) -> list[Reading]:
    inventory = await found.service.inventory(Scope(), extension_type=OSM, release_train=None)
    about = About(
        wave="w",
        clusters=[one.name for one in inventory.clusters],
        cluster_ids=[one.id for one in inventory.clusters],
        subscriptions=[one.subscription for one in inventory.clusters],
        window=dt.timedelta(minutes=5),
    )
    asked = found.probes(OSM, {})
    return [await asked.measure(one, about) for one in probes]


def test_a_world_without_http_answers_by_its_script(tmp_path: Path) -> None:
    world = tmp_path / "world.yaml"
    world.write_text(WORLD)

    async def work(found: Outside) -> list[Reading]:
        assert isinstance(found.probes(OSM, {}), SimulatedProbes)
        return await measured(found, RATE)

    found = outside.run(work, where=Where(world=world), state_dir=tmp_path)
    assert found == [Reading(values=("0.5",))]


def test_a_simulated_azure_is_asked_over_http_under_its_own_identity(tmp_path: Path) -> None:
    turn = Turn(values=("0.25", "NaN"))
    recipe = dataclasses.replace(
        CALM,
        metrics=(
            Metric(kind=ProbeKind.PROMETHEUS, contains="rate(", turns=(turn,)),
            Metric(kind=ProbeKind.LOG_ANALYTICS, turns=(Turn(values=("7",)),)),
        ),
    )

    async def work(found: Outside) -> list[Reading]:
        assert isinstance(found.probes(OSM, {}), OutsideProbes)
        url = found.origin.endpoint
        return await measured(
            found,
            dataclasses.replace(RATE, url=url),
            dataclasses.replace(RATE, url=url, is_azure=True),
            Probe(kind=ProbeKind.LOG_ANALYTICS, workspace="w", query="T | count"),
            Probe(kind=ProbeKind.RESOURCE_GRAPH, query="resources | count"),
            Probe(kind=ProbeKind.EXTENSION),
        )

    with background.simulated(recipe, scale=60) as served:
        where = Where(endpoint=served.endpoint)
        found = outside.run(work, where=where, state_dir=tmp_path)

    count = str(CALM.cluster_count)
    assert found == [
        Reading(values=("0.25", "NaN")),
        Reading(values=("0.25", "NaN")),
        Reading(values=("7",)),
        Reading(values=(count,)),
        Reading(values=("1",), detail=f"{count} of {count} are well"),
    ]


# --- what headers hold -----------------------------------------------------------------------


def gated(**headers: str) -> Plan:
    gate = Gate(name="rate", probe=dataclasses.replace(RATE, headers=headers))
    return fleets.plan([fleets.wave(1, soak_gates=("rate",))], gates=(gate,))


def test_headers_are_secrets_from_the_moment_that_they_are_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PROM_AUTH", "hunter2-of-a-header")
    plan = gated(Authorization="PROM_AUTH")

    assert plans.vault(plan.head, plan.targets) == {"PROM_AUTH": "hunter2-of-a-header"}
    assert DISCRETION.text("it was hunter2-of-a-header") == "it was ***"


def test_a_header_s_variable_that_is_not_set_is_named() -> None:
    plan = gated(Authorization="PROM_AUTH")

    with pytest.raises(InputError, match="are to come from PROM_AUTH, which is not set"):
        plans.vault(plan.head, plan.targets)


def test_a_gate_that_no_wave_uses_needs_nothing() -> None:
    """Such as those of a way back, which is measured by none."""
    plan = gated(Authorization="PROM_AUTH")
    head = dataclasses.replace(plan.head, waves=(fleets.wave(1),))

    assert plans.vault(head, plan.targets) == {}


def test_a_header_that_also_stands_in_the_plan_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROM_AUTH", "rate(x[1m])")

    with pytest.raises(RefusedError, match="also stands in plain in the plan"):
        plans.refuse_secrets(gated(Authorization="PROM_AUTH"))
