"""Looking who is meant now: what the journal is told of it."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Sequence

from fleet.core import planner
from fleet.engine import surveying
from fleet.engine.clock import Clock
from fleet.errors import RemoteError
from fleet.model import events as e
from fleet.model.cluster import Cluster, ClusterId, Inventory
from fleet.model.commands import Survey
from fleet.model.desired import Membership
from fleet.model.events import JoinedGroup
from fleet.model.plan import Plan, Target
from fleet.model.scope import Scope
from fleet.model.strategy import SpreadRule
from fleet.ports import RequestIds
from tests.rig import rollouts
from tests.rig.fleets import T0, cluster, extension, inventory


class Found:
    """A discovery that finds these clusters, or nothing at all."""

    def __init__(self, clusters: Sequence[Cluster] | RemoteError) -> None:
        self._clusters = clusters

    async def inventory(
        self, scope: Scope, *, extension_type: str, release_train: str | None
    ) -> Inventory:
        assert (extension_type, release_train) == (rollouts.MESH.extension_type, None)
        assert scope == rollouts.rollout().scope
        if isinstance(self._clusters, RemoteError):
            raise self._clusters
        return inventory(self._clusters)

    async def cluster(self, cluster_id: ClusterId, ids: RequestIds) -> Cluster:
        raise AssertionError(cluster_id, ids)


def store(n: int, site: str) -> Cluster:
    return cluster(f"store-{n}", extension("1.2.3"), tags={"site": site})


BEFORE = [store(1, "a"), store(2, "b")]
NOW = [store(2, "b"), store(3, "c"), store(4, "d")]


def planned() -> Plan:
    spread = rollouts.strategy(spread=(SpreadRule(by="tag:site", max_concurrency=1),))
    asked = dataclasses.replace(rollouts.rollout(spread=spread), membership=Membership.FOLLOW)
    return planner.plan(asked, inventory(BEFORE))


async def surveyed(
    clusters: Sequence[Cluster] | RemoteError,
    *,
    claim: surveying.Claim | None = None,
    known: Sequence[str] = (),
) -> e.RunSurveyed:
    """Look, in a run in which the sites *known* came up since."""
    made = planned()
    (spread,) = made.head.spreads
    more = tuple(dataclasses.replace(spread.groups[0], value=one) for one in known)
    grown = dataclasses.replace(spread, groups=(*spread.groups, *more))
    return await surveying.surveyed(
        Survey(wave=1, spreads=(grown,)),
        head=made.head,
        targets=made.targets,
        discovery=Found(clusters),
        clock=Clock(T0, loop_time=lambda: 0.0),
        claim=claim,
    )


def summary(event: e.RunSurveyed) -> tuple[object, ...]:
    joined = [(one.cluster_name, one.groups) for one in event.joined]
    return event.wave, event.left, joined, [one.group.value for one in event.groups]


async def test_who_left_and_who_came_is_told() -> None:
    event = await surveyed(NOW)

    assert summary(event) == (1, (0,), [("store-3", (2,)), ("store-4", (3,))], ["c", "d"])
    assert (event.at, event.problem) == (T0, "")


async def test_a_label_that_came_up_in_an_earlier_look_is_known() -> None:
    event = await surveyed(NOW, known=("c",))

    assert summary(event) == (1, (0,), [("store-3", (2,)), ("store-4", (3,))], ["d"])


async def test_whom_another_run_holds_does_not_join() -> None:
    async def claim(asked: Sequence[Target], now: dt.datetime) -> Sequence[Target]:
        assert now == T0
        return asked[1:]

    event = await surveyed(NOW, claim=claim)

    assert summary(event) == (1, (0,), [("store-4", (3,))], ["c", "d"])
    assert all(isinstance(one, JoinedGroup) for one in event.groups)


async def test_what_cannot_be_found_out_is_told_and_changes_nobody() -> None:
    event = await surveyed(RemoteError("Resource Graph did not answer"))

    assert event == e.RunSurveyed(
        at=T0, wave=1, left=(), joined=(), groups=(), problem="Resource Graph did not answer"
    )
