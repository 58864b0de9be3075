"""What a world says to probes: by its script and its clock, and of extensions the truth."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Sequence

import pytest

from fleet.core import figures
from fleet.engine import virtual
from fleet.model.gates import Probe, ProbeKind, Reading
from fleet.ports import About, ExtensionRef, Probes
from fleet.sim import names, stock
from fleet.sim.faultfile import FaultFile
from fleet.sim.ports import SimulatedAzure
from fleet.sim.probes import SimulatedProbes
from fleet.sim.recipe import Metric, Recipe, Turn
from fleet.sim.world import World
from tests.rig.serving import CALM
from tests.unit.test_sim_ports import IDS, PIN

OSM = "Microsoft.openservicemesh"
MINUTES = dt.timedelta(minutes=1)
PROMETHEUS = Probe(kind=ProbeKind.PROMETHEUS, url="http://p", query='rate(x{c=~"${clusters}"}[5m])')
RATE = Metric(
    kind=ProbeKind.PROMETHEUS,
    contains="rate(",
    turns=(
        Turn(values=("0.999",)),
        Turn(after=10 * MINUTES, values=("0.5", "NaN")),
        Turn(after=20 * MINUTES),
        Turn(after=30 * MINUTES, error="the server is down"),
    ),
)


def scripted(*metrics: Metric) -> Recipe:
    return dataclasses.replace(CALM, metrics=metrics)


def about(world: World, *, count: int = 3) -> About:
    clusters = list(world.clusters(CALM.epoch, range(count)))
    return About(
        wave="canary",
        clusters=[one.name for one in clusters],
        cluster_ids=[one.id for one in clusters],
        subscriptions=[names.subscription(n) for n in range(CALM.subscription_count)],
        window=dt.timedelta(minutes=5),
    )


def measured(
    recipe: Recipe, probe: Probe, *, minutes: Sequence[int], first_write_at: int = 60
) -> list[Reading]:
    """Measure after so many minutes each; the first write comes after *first_write_at* of them."""
    world = World(recipe)

    async def main() -> list[Reading]:
        clock = virtual.clock()
        azure = SimulatedAzure(world, clock)
        probes: Probes = SimulatedProbes(azure, clock, extension_type=OSM)
        readings = []
        cluster = next(world.clusters(recipe.epoch))
        events = sorted([(first_write_at, False), *((at, True) for at in minutes)])
        for at, is_measured in events:
            await clock.sleep(recipe.epoch + at * MINUTES - clock.now())
            if is_measured:
                readings.append(await probes.measure(probe, about(world)))
            else:
                ref = ExtensionRef(cluster_id=cluster.id, name="osm")
                await azure.write(ref, dataclasses.replace(PIN, protected=None), IDS)
        return readings

    return virtual.run(main(), start_at=recipe.epoch)


def test_answers_follow_the_world_s_clock_from_the_first_write_on() -> None:
    found = measured(scripted(RATE), PROMETHEUS, minutes=[0, 59, 61, 69, 71, 79, 81, 91])

    assert found == [
        Reading(values=("0.999",)),
        Reading(values=("0.999",)),
        Reading(values=("0.999",)),
        Reading(values=("0.999",)),
        Reading(values=("0.5", "NaN")),
        Reading(values=("0.5", "NaN")),
        Reading(),
        Reading(error="the server is down"),
    ]


def test_the_first_answer_that_fits_is_given_and_without_one_there_is_no_data() -> None:
    other = Metric(kind=ProbeKind.PROMETHEUS, turns=(Turn(values=("7",)),))
    late = Metric(kind=ProbeKind.HTTP, turns=(Turn(after=MINUTES, values=("1",)),))
    recipe = scripted(RATE, other, late)

    assert measured(recipe, PROMETHEUS, minutes=[0]) == [Reading(values=("0.999",))]
    plain = dataclasses.replace(PROMETHEUS, query="up")
    assert measured(recipe, plain, minutes=[0]) == [Reading(values=("7",))]
    http = Probe(kind=ProbeKind.HTTP, url="http://h/health")
    assert measured(recipe, http, minutes=[0, 62]) == [Reading(), Reading(values=("1",))]
    logs = Probe(kind=ProbeKind.LOG_ANALYTICS, workspace="w", query="T | count")
    assert measured(recipe, logs, minutes=[0]) == [Reading()]


@pytest.mark.parametrize(
    ("probe", "contains"),
    [
        (PROMETHEUS, f'c=~"{names.cluster(0, count=CALM.cluster_count)}|'),
        (
            Probe(kind=ProbeKind.LOG_ANALYTICS, query="T | where c in (${clusters})"),
            f"in ('{names.cluster(0, count=CALM.cluster_count)}', '",
        ),
        (Probe(kind=ProbeKind.HTTP, url="https://h/${wave}/x"), "https://h/canary/x"),
        (Probe(kind=ProbeKind.COMMAND, argv=("check", "--wave=${wave}")), "check --wave=canary"),
    ],
    ids=lambda one: one.kind if isinstance(one, Probe) else "",
)
def test_what_is_asked_is_looked_at_as_it_would_be_sent(probe: Probe, contains: str) -> None:
    metric = Metric(kind=probe.kind, contains=contains, turns=(Turn(values=("1",)),))

    assert measured(scripted(metric), probe, minutes=[0]) == [Reading(values=("1",))]


def test_a_query_that_cannot_be_filled_in_is_a_reading_with_that_error() -> None:
    probe = dataclasses.replace(PROMETHEUS, query="${nothing}")

    assert measured(scripted(RATE), probe, minutes=[0]) == [
        Reading(error="nothing is known of ${nothing}")
    ]


@pytest.mark.parametrize(
    ("takes_s", "expected"),
    [(29, Reading(values=("1",))), (31, Reading(error="no answer within 30 s"))],
)
def test_an_answer_may_come_late_or_too_late(takes_s: int, expected: Reading) -> None:
    turn = Turn(values=("1",), takes=dt.timedelta(seconds=takes_s))
    metric = Metric(kind=ProbeKind.PROMETHEUS, turns=(turn,))

    async def main() -> tuple[Reading, dt.timedelta]:
        clock = virtual.clock()
        world = World(scripted(metric))
        probes = SimulatedProbes(SimulatedAzure(world, clock), clock, extension_type=OSM)
        began_at = clock.now()
        return await probes.measure(PROMETHEUS, about(world)), clock.now() - began_at

    reading, took = virtual.run(main(), start_at=CALM.epoch)
    assert reading == expected
    assert min(takes_s, 30) <= took.total_seconds() < 31


def test_an_extension_is_looked_up_and_a_relapse_is_seen() -> None:
    rule = {"fault": "relapse", "seconds": 600}
    script = FaultFile.model_validate(
        {"apiVersion": "fleet/v1", "kind": "Faults", "rules": [rule]}
    ).script()
    probe = Probe(kind=ProbeKind.EXTENSION)
    recipe = dataclasses.replace(CALM, script=script)
    found = measured(recipe, probe, minutes=[1, 20], first_write_at=2)

    first = about(World(recipe)).clusters[0]
    assert found == [
        Reading(values=("1",), detail="3 of 3 are well"),
        Reading(values=("0.666666",), detail=f"2 of 3 are well: {first} Failed"),
    ]
    assert stock.OSM.extension_type == OSM
    assert figures.figure(found[0].values[0]) == "1"
