"""Whole runs that reach into clusters: what is done there, and proved there."""

from __future__ import annotations

import dataclasses
from typing import Any

from fleet.model.desired import Presence, Rollout
from fleet.model.inside import AccessKind, ClusterAccess, Inside, Work, WorkKind
from fleet.sim import names
from fleet.spec import profiles
from tests.rig import rollouts
from tests.rig.cases import Case
from tests.rig.scenarios import MINUTE, mesh, scenario, world
from tests.rig.waiting import SCENARIOS as SCENARIOS  # noqa: PLC0414 - all of them, these included

OSM = profiles.load("osm")
# Whoever is killed again and again looks at less.
BRIEF = dataclasses.replace(
    OSM,
    checks=tuple(
        rule
        for rule in OSM.checks
        if rule.id in ("controller-endpoints", "meshconfig-drift", "leftovers-after-delete")
    ),
)
ACCESS = ClusterAccess(kind=AccessKind.KUBECONFIG)
APP = "bookstore"
CONFIG = Work(kind=WorkKind.MESH_CONFIG, patch='{"traffic":{"enableEgress":false}}')
METRICS = Work(kind=WorkKind.NAMESPACES, add=(APP,), metrics=(APP,))
LEAVE = Work(kind=WorkKind.NAMESPACES, remove=(APP,))
RESTART = Work(kind=WorkKind.RESTART, max_concurrency=2)
ORPHANS = Work(kind=WorkKind.ORPHANS)


def asked(*works: Work, spread: Any = None, inside: Any = None, **wishes: Any) -> Rollout:
    """The mesh of the profile, and what is done inside."""
    made = rollouts.rollout(spread=spread, wish=rollouts.desired(**{"profile": OSM, **wishes}))
    keys: dict[str, Any] = {"access": ACCESS, "works": works} | dict(inside or {})
    return dataclasses.replace(made, inside=Inside(**keys))


def broken(count: int, *breaks: str, at: int = 0) -> list[dict[str, Any]]:
    """One cluster with *breaks* inside."""
    return [{"cluster": names.cluster(at, count=count), "breaks": list(breaks)}]


@scenario
def inside(seed: int) -> Case:
    """An upgrade, its mesh's configuration and namespaces, proved; one is broken inside."""
    recipe = world(
        seed,
        clusters=2,
        distributions={"rancher_rke": 1},
        extensions=mesh("1.2.3"),
        overrides=broken(2, "controller-no-endpoints", at=1),
    )
    spread = rollouts.strategy(max_concurrency=2, progress_deadline=8 * MINUTE)
    return Case(recipe=recipe, asked=asked(METRICS, CONFIG, RESTART, spread=spread, profile=BRIEF))


@scenario
def away_with_it(seed: int) -> Case:
    """Namespaces leave the mesh, it is uninstalled, and what it forgot is removed."""
    recipe = world(
        seed,
        clusters=2,
        distributions={"rancher_rke": 1},
        extensions=mesh("1.2.6"),
        overrides=broken(2, "orphan-webhooks"),
    )
    wish = asked(LEAVE, ORPHANS, presence=Presence.ABSENT, version=None, profile=BRIEF)
    return Case(recipe=recipe, asked=wish)
