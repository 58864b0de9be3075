"""More whole runs worth telling: those that wait, and that are judged.

The tests' first moment is a Saturday, 02:00 UTC; worlds begin there.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
from typing import Any

from fleet.model.approvals import ApprovalRule
from fleet.model.calendars import Calendar, Level, Overrun, Rule as Hours
from fleet.model.desired import Rollout, TagCalendars
from fleet.model.events import Actor
from fleet.model.gates import Gate, Moment, OnVerdict, Probe, ProbeKind
from fleet.model.strategy import FailureMode, OnBreach, WaveRule
from fleet.sim import names
from fleet.sim.recipe import Metric, Recipe, Turn
from fleet.sim.repertoire import Fault
from fleet.sim.script import Rule
from tests.rig import rollouts
from tests.rig.cases import Ask, Case, Meddling
from tests.rig.meddling import SCENARIOS as SCENARIOS  # noqa: PLC0414 - all of them, these included
from tests.rig.scenarios import MINUTE, STORM, mesh, scenario, scripted, world

HOUR = 60 * MINUTE
BOB = Actor(name="bob", host="desk", pid=1)
CAROL = Actor(name="carol", host="desk", pid=2, identity="carol@contoso.example")
ERRORS = Probe(kind=ProbeKind.PROMETHEUS, url="https://metrics.example", query="errors")
RATE = Gate(
    name="errors", probe=ERRORS, interval=5 * MINUTE, count=3, success="value <= baseline + 0.01"
)


def asked(spread: Any, *, wish: Any = None, **keys: Any) -> Rollout:
    return dataclasses.replace(rollouts.rollout(spread=spread, wish=wish), **keys)


def calendar(*allow: Hours, **keys: Any) -> Calendar:
    defaults = {"name": "nights", "level": Level.RUN, "zone": "Europe/Berlin"}
    return Calendar(**{**defaults, **keys}, allow=allow)


def measured(recipe: Recipe, *turns: Turn) -> Recipe:
    return dataclasses.replace(
        recipe, metrics=(Metric(kind=ProbeKind.PROMETHEUS, contains="errors", turns=turns),)
    )


# --- calendars ---------------------------------------------------------------------------


@scenario
def a_weekend_with_two_windows_and_a_freeze(seed: int) -> Case:
    """Windows on Saturday and Sunday nights; the second is frozen but for its last hour."""
    weekend = calendar(
        Hours(days=(5,), at="04:00", until="04:40"),
        Hours(days=(6,), at="01:00", until="05:00"),
        deny=(Hours(starts="2026-01-11T00:00:00", ends="2026-01-11T04:00:00"),),
    )
    spread = rollouts.strategy(
        waves=(
            WaveRule(name="canary", size=1, soak=10 * MINUTE),
            WaveRule(name="rest", size="rest"),
        ),
        max_concurrency=1 + seed % 3,
    )
    recipe = world(seed, clusters=5, faults=STORM, extensions=mesh())
    return Case(recipe=recipe, asked=asked(spread, calendars=(weekend,)))


@scenario
def stores_with_nights_of_their_own(seed: int) -> Case:
    """Each has a tag that says when; one night has no end before the next store's begins."""
    own = TagCalendars(name="stores", tag="maintenance", zone="UTC", overrun=Overrun.STOP_STARTING)
    values = ("sat-03-05", "sun-02-06", "sat-0430-0700", "mon-22-02")
    overrides = [
        {"cluster": names.cluster(n, count=5), "tags": {"maintenance": values[(n + seed) % 4]}}
        for n in range(5)
    ]
    recipe = world(seed, clusters=5, faults=STORM, extensions=mesh("1.0.0-1"), overrides=overrides)
    spread = rollouts.strategy(max_concurrency=2)
    return Case(recipe=recipe, asked=asked(spread, tag_calendars=(own,), start_buffer=20 * MINUTE))


@scenario
def windows_between_two_steps(seed: int) -> Case:
    """Two minors, and a window that is too short for both."""
    often = calendar(
        *(
            Hours(days=tuple(range(7)), at=f"{h:02}:00", until=f"{h:02}:07")
            for h in range(0, 24, 2)
        ),
        overrun=Overrun.STOP_STARTING if seed % 2 else Overrun.FINISH,
    )
    recipe = world(seed, clusters=3, faults=STORM, extensions=mesh("1.0.0-1"))
    spread = rollouts.strategy(max_concurrency=3)
    return Case(recipe=recipe, asked=asked(spread, calendars=(often,), start_buffer=MINUTE))


@scenario
def a_window_that_closes_on_somebody_elses_change(seed: int) -> Case:
    """Two are being changed by others when their turn comes; theirs ends after the window."""
    short = calendar(
        Hours(days=(5,), at="02:00", until="02:03"),
        Hours(days=(5,), at="05:00", until="06:00"),
        zone="UTC",
    )
    recipe = world(seed, clusters=4, extensions=mesh())
    spread = rollouts.strategy(max_concurrency=3)
    return Case(
        recipe=recipe,
        asked=asked(spread, calendars=(short,), start_buffer=MINUTE),
        meddlings=[
            Meddling(cluster=names.cluster(n, count=4), settings={"osm.osm.other": "1"})
            for n in (0, 2)
        ],
    )


@scenario
def an_override(seed: int) -> Case:
    """The window is days away, and somebody who may does not wait for it."""
    far = calendar(
        Hours(days=(3,), at="22:00", until="05:00"), overriders=("carol@contoso.example",)
    )
    recipe = world(seed, clusters=4, faults=STORM, extensions=mesh())
    asks = [
        Ask(after=30 * MINUTE, kind="override", subject="nights", actor=BOB),
        Ask(after=40 * MINUTE, kind="override", subject="nights", actor=CAROL),
    ]
    spread = rollouts.strategy(max_concurrency=2)
    return Case(recipe=recipe, asked=asked(spread, calendars=(far,)), asks=asks)


# --- approvals ---------------------------------------------------------------------------


@scenario
def approvals_early_and_late(seed: int) -> Case:
    """One before the second wave, given early; two after it, one of them by the wrong person."""
    before = ApprovalRule(when=Moment.BEFORE, life=dt.timedelta(days=2))
    after = ApprovalRule(when=Moment.AFTER, quorum=2)
    waves = (
        WaveRule(name="canary", size=1, soak=HOUR),
        WaveRule(name="half", size="50%", approvals=(before, after)),
        WaveRule(name="rest", size="rest"),
    )
    asks = [
        Ask(after=20 * MINUTE, kind="approve", subject="half:before", actor=CAROL),
        Ask(after=5 * HOUR, kind="approve", subject="half:after"),
        Ask(after=6 * HOUR, kind="approve", subject="half:after", actor=BOB),
        Ask(after=7 * HOUR, kind="approve", subject="half:after", actor=CAROL),
    ]
    recipe = world(seed, clusters=4, faults=STORM, extensions=mesh())
    spread = rollouts.strategy(waves=waves, max_concurrency=2)
    return Case(recipe=recipe, asked=rollouts.rollout(spread=spread), asks=asks)


# --- gates -------------------------------------------------------------------------------


@scenario
def gates_that_pass(seed: int) -> Case:
    """Before, in the soak and after; now and then there is no answer."""
    recipe = measured(
        world(seed, clusters=4, faults=STORM, extensions=mesh()),
        Turn(values=("0.02",)),
        Turn(after=10 * MINUTE, error="connection refused"),
        Turn(after=13 * MINUTE, values=("0.025",)),
    )
    waves = (
        WaveRule(
            name="canary",
            size=1,
            soak=40 * MINUTE,
            observe_every=10 * MINUTE,
            before_gates=("errors",),
            soak_gates=("steady",),
        ),
        WaveRule(name="rest", size="rest", after_gates=("errors",)),
    )
    known = dataclasses.replace(RATE, baseline="0.02")
    steady = Gate(name="steady", probe=ERRORS, interval=7 * MINUTE, success="value < 0.5")
    spread = rollouts.strategy(waves=waves, max_concurrency=2)
    return Case(recipe=recipe, asked=asked(spread, gates=(known, steady)))


@scenario
def a_gate_that_takes_the_canary_back(seed: int) -> Case:
    """What the canary breaks shows in its soak."""
    recipe = measured(
        world(seed, clusters=4, faults=STORM, extensions=mesh("1.2.6")),
        Turn(values=("0.02",)),
        Turn(after=15 * MINUTE, values=("0.4",)),
    )
    waves = (
        WaveRule(name="canary", size=2, soak=HOUR, soak_gates=("steady",)),
        WaveRule(name="rest", size="rest"),
    )
    steady = Gate(
        name="steady",
        probe=ERRORS,
        interval=7 * MINUTE,
        success="value < 0.1",
        on_fail=OnVerdict.ROLLBACK,
    )
    spread = rollouts.strategy(waves=waves, max_concurrency=2)
    wish = rollouts.desired(version=None, settings={"osm.osm.replicaCount": "3"})
    return Case(recipe=recipe, asked=asked(spread, wish=wish, gates=(steady,)))


@scenario
def a_gate_that_pauses_until_somebody_skips_it(seed: int) -> Case:
    """It has no data, whoever resumes; in the end somebody knows why."""
    recipe = measured(world(seed, clusters=3, faults=STORM, extensions=mesh()), Turn())
    waves = (WaveRule(name="all", size="rest", before_gates=("errors",)),)
    gate = Gate(name="errors", probe=ERRORS, success="value < 0.1")
    asks = [
        Ask(after=30 * MINUTE, kind="resume"),
        Ask(after=60 * MINUTE, kind="skip-gate", subject="errors", actor=BOB),
        Ask(after=90 * MINUTE, kind="resume"),
    ]
    spread = rollouts.strategy(waves=waves, max_concurrency=2)
    return Case(recipe=recipe, asked=asked(spread, gates=(gate,)), asks=asks)


# --- soaks -------------------------------------------------------------------------------


@scenario
def a_relapse_in_the_soak(seed: int) -> Case:
    """One of three fails long after it was proved: it counts, and the clock starts again."""
    calm = world(seed, clusters=5, extensions=mesh())
    recipe = scripted(
        calm, Rule(fault=Fault.RELAPSE, cluster=names.cluster(1, count=5), seconds=1500)
    )
    waves = (
        WaveRule(name="first", size=3, soak=HOUR, observe_every=10 * MINUTE, min_observations=4),
        WaveRule(name="rest", size="rest"),
    )
    spread = rollouts.strategy(
        waves=waves,
        max_concurrency=3,
        max_failures=1 - seed % 2,
        failure_mode=FailureMode.SOFT,
        on_breach=OnBreach.STOP,
    )
    return Case(recipe=recipe, asked=rollouts.rollout(spread=spread))


@scenario
def targets_that_must_stay_well(seed: int) -> Case:
    """Each keeps its slot for a quarter of an hour; one does not stay well."""
    calm = world(seed, clusters=4, faults=STORM if seed % 2 else {}, extensions=mesh())
    recipe = scripted(
        calm, Rule(fault=Fault.RELAPSE, cluster=names.cluster(2, count=4), seconds=300)
    )
    spread = rollouts.strategy(max_concurrency=2, min_success_time=15 * MINUTE, min_observations=3)
    return Case(recipe=recipe, asked=rollouts.rollout(spread=spread))
