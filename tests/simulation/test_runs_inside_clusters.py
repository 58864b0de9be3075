"""Whole runs that reach into clusters: work there, and proof there."""

from __future__ import annotations

import asyncio
import dataclasses
from typing import Any

from fleet.engine import virtual
from fleet.journal.memory import MemoryStore
from fleet.model import events as e
from fleet.model.desired import Rollout
from fleet.model.inside import AccessKind, ClusterAccess, Inside, Work, WorkKind
from fleet.model.statuses import Result, RunStatus
from fleet.sim.ports import SimulatedAzure
from fleet.spec import profiles
from tests.rig import rollouts, runs
from tests.rig.runs import RUN

OSM = profiles.load("osm")
ACCESS = ClusterAccess(kind=AccessKind.KUBECONFIG)
CONFIG = Work(kind=WorkKind.MESH_CONFIG, patch='{"traffic":{"enableEgress":true}}')


def asked(*works: Work, **wishes: Any) -> Rollout:
    wish = rollouts.desired(profile=OSM, **wishes)
    made = rollouts.rollout(wish=wish)
    return dataclasses.replace(made, inside=Inside(access=ACCESS, works=works))


def world(**keys: Any) -> Any:
    mesh = {
        "type": "Microsoft.openservicemesh",
        "installed": {"1.2.3": 1},
        "autoUpgrade": 0,
        "failedShare": 0,
    }
    return runs.world(**{"clusters": 3, "seed": 1, "offlineShare": 0, "extensions": [mesh], **keys})


def test_try() -> None:
    async def main() -> None:
        azure = SimulatedAzure(world(), virtual.clock())
        plan = await runs.planned(asked(CONFIG), azure)
        for one in plan.targets:
            print(one.action, one.reason, one.diff, one.rollback, len(one.steps))
        print(plan.head.warnings)
        store = MemoryStore()
        async with store.hold(RUN, actor=runs.ALICE, create=True) as journal:
            runner = await runs.begun(journal, plan, azure)
            state = await runner.run()
            for n, one in journal.events():
                print(n, str(one)[:400])
        print(state.status, state.results, state.details)
        raise AssertionError

    virtual.run(main(), start_at=world().recipe.epoch)
