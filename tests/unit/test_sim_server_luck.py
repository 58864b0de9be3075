"""A world that is met over HTTP is the one that is met through the ports."""

from __future__ import annotations

import dataclasses

import aiohttp
import pytest

from fleet.errors import LostAnswerError, RemoteError
from fleet.model.cluster import AutoUpgrade, ClusterId
from fleet.model.plan import Verb
from fleet.ports import ExtensionRef, RequestIds, Write
from fleet.sim.ports import SimulatedAzure
from fleet.sim.recipe import Faults, Recipe
from fleet.sim.world import World
from tests.rig.serving import CALM, EXTENSIONS, HandClock, Stage, staged

_LOST = 0
"""Stands for the status of an answer that never came."""
STORMY: Recipe = dataclasses.replace(
    CALM,
    cluster_count=60,
    faults=Faults(
        throttled_ppm=100_000,
        transient_error_ppm=100_000,
        reset_before_ppm=100_000,
        reset_after_ppm=100_000,
        conflict_ppm=200_000,
        operation_fails_ppm=300_000,
    ),
)
IDS = RequestIds(correlation_id="session", client_request_id="request")
PIN = Write(
    verb=Verb.PATCH,
    extension_type="",
    namespace=None,
    location="",
    version="1.2.6",
    auto_upgrade=AutoUpgrade.NONE,
)


async def through_ports(number: int, azure: SimulatedAzure, clock: HandClock) -> list[int]:
    """Pin and read a cluster's extension; return the statuses."""
    cluster = next(azure.world.clusters(clock.now(), [number]))
    ref = ExtensionRef(cluster_id=ClusterId(cluster.id), name="osm")
    statuses = []
    try:
        accepted = await azure.write(ref, PIN, IDS)
        statuses.append(202 if accepted.operation_url else 200)
    except LostAnswerError:
        statuses.append(_LOST)
    except RemoteError as error:
        statuses.append(error.status or 500)
    try:
        await azure.get(ref, IDS)
        statuses.append(200)
    except RemoteError as error:
        statuses.append(error.status or 500)
    return statuses


async def over_http(number: int, stage: Stage) -> list[int]:
    body = {"properties": {"version": "1.2.6", "autoUpgradeMinorVersion": False}}
    path, statuses = stage.extension(number), []
    try:
        heard = await stage.caller.send("PATCH", path, body=body, api_version=EXTENSIONS)
        statuses.append(heard.status)
    except aiohttp.ClientConnectionError:
        statuses.append(_LOST)
    statuses.append((await stage.caller.get(path, api_version=EXTENSIONS)).status)
    return statuses


@pytest.mark.parametrize("seed", [1, 2])
async def test_the_same_calls_meet_the_same_luck_and_leave_the_same_world(seed: int) -> None:
    recipe = dataclasses.replace(STORMY, seed=seed)
    clock = HandClock(recipe.epoch)
    azure = SimulatedAzure(World(recipe), clock)
    async with staged(recipe) as stage:
        world = stage.served.plane.azure.world
        ours = [await over_http(number, stage) for number in range(60)]
        theirs = [await through_ports(number, azure, clock) for number in range(60)]
        stage.wait(minutes=5)
        clock.move(stage.clock.now() - clock.now())

        assert ours == theirs
        assert {status for pair in ours for status in pair} == {_LOST, 200, 202, 409, 429, 503}
        assert list(world.clusters(clock.now())) == list(azure.world.clusters(clock.now()))
