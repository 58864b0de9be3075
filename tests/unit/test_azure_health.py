"""Who is not in order: one question about all subscriptions, by the ports and over HTTP alike."""

from __future__ import annotations

import dataclasses
import datetime as dt
from typing import Any

import pytest

from fleet.engine import virtual
from fleet.errors import UnexpectedPayloadError
from fleet.model.cluster import ClusterId, ProvisioningState
from fleet.ports import Unwell
from fleet.sim import names, stock, worldfile
from fleet.sim.ports import SimulatedAzure
from fleet.sim.recipe import Casing, Recipe, Special, Wire
from fleet.sim.world import World
from tests.rig import loopback
from tests.rig.scripted import IDS, Line, Say, speaking

GRAPH = "/providers/Microsoft.ResourceGraph/resources"
OSM = "Microsoft.openservicemesh"
CLUSTER = "/subscriptions/S1/resourceGroups/Rg/providers/Microsoft.Kubernetes/connectedClusters/A"
EXTENSIONS = "/providers/Microsoft.KubernetesConfiguration/Extensions"
SUBSCRIPTIONS = 3


def _recipe(casing: Casing = Casing.CAMEL) -> Recipe:
    """Thirty clusters, of which one failed, one was canceled and one is at work."""
    states = (
        ProvisioningState.FAILED,
        ProvisioningState.CANCELED,
        ProvisioningState.UPDATING,
        ProvisioningState.DELETING,
    )
    osm = dataclasses.replace(stock.OSM, installed={"1.2.6": 1}, failed_ppm=0, auto_upgrade_ppm=0)
    # Of another type some have failed, too.
    flux = dataclasses.replace(
        osm, extension_type="microsoft.flux", name="flux", failed_ppm=500_000
    )
    return dataclasses.replace(
        worldfile.default_recipe(),
        cluster_count=30,
        subscription_count=SUBSCRIPTIONS,
        extensions=(osm, flux),
        specials=tuple(
            Special(cluster=names.cluster(number, count=30), provisioning_state=state)
            for number, state in enumerate(states)
        ),
        wire=Wire(graph_casing=casing),
    )


def _lower(cluster_id: str) -> ClusterId:
    return ClusterId(cluster_id.lower())


def _expected(world: World, subscriptions: tuple[str, ...]) -> list[Unwell]:
    clusters = list(world.clusters(stock.EPOCH, [0, 1]))
    states = ("Failed", "Canceled")
    found = [
        Unwell(cluster_id=_lower(one.id), state=state)
        for one, state in zip(clusters, states, strict=True)
        if one.subscription in subscriptions
    ]
    return sorted(found, key=lambda one: one.cluster_id)


EVERYWHERE = tuple(names.subscription(number) for number in range(SUBSCRIPTIONS))


@pytest.mark.parametrize(
    "places",
    [EVERYWHERE, EVERYWHERE[:1], EVERYWHERE[1:], EVERYWHERE[2:], ()],
    ids=["all", "first", "others", "last", "none"],
)
def test_a_world_tells_who_ended_badly_and_nobody_who_is_at_work(places: tuple[str, ...]) -> None:
    world = World(_recipe())

    async def ask() -> Any:
        azure = SimulatedAzure(world, virtual.clock())
        return await azure.unwell(extension_type=OSM, subscriptions=places, ids=IDS)

    assert virtual.run(ask(), start_at=stock.EPOCH) == _expected(world, places)


@pytest.mark.parametrize("casing", Casing)
def test_a_client_over_http_is_told_the_same(casing: Casing) -> None:
    recipe = _recipe(casing)

    async def ask() -> Any:
        async with loopback.living(recipe) as (_, azure, _):
            return [
                await azure.unwell(extension_type=kind, subscriptions=EVERYWHERE, ids=IDS)
                for kind in (OSM, OSM.upper(), "microsoft.none")
            ]

    expected = _expected(World(recipe), EVERYWHERE)
    assert expected
    assert loopback.run(ask()) == [expected, expected, []]


# --- what is asked and read ------------------------------------------------------------------


def _row(name: str = "osm", state: Any = "Failed", **fields: Any) -> dict[str, Any]:
    row = {"id": f"{CLUSTER}{EXTENSIONS}/{name}", "extensionType": OSM, "state": state}
    return row | fields


def _page(*rows: dict[str, Any], total: int | None = None, after: str | None = None) -> Say:
    body = {"totalRecords": total or len(rows), "data": list(rows), "resultTruncated": "false"}
    return Say(body=body | ({"$skipToken": after} if after else {}))


async def _asked(line: Line, *subscriptions: str) -> Any:
    return await line.azure.unwell(
        extension_type=OSM, subscriptions=subscriptions or ("s1",), ids=IDS
    )


async def test_pages_and_batches_of_subscriptions_are_read_to_the_end() -> None:
    places = [f"s{number}" for number in range(1001)]
    other = CLUSTER.replace("/A", "/B")
    pages = [
        _page(_row(), total=2, after="more"),
        _page(_row(id=f"{other}{EXTENSIONS}/osm", state="Canceled"), total=2),
        _page(),
    ]
    async with speaking() as line:
        line.server.on("POST", GRAPH, pages)
        found = await _asked(line, *places)
        sent = [one.json for one in line.server.sent("POST", GRAPH)]
        ids = [
            one.headers["x-ms-correlation-request-id"] for one in line.server.sent("POST", GRAPH)
        ]

    assert found == [
        Unwell(cluster_id=_lower(CLUSTER), state="Failed"),
        Unwell(cluster_id=_lower(other), state="Canceled"),
    ]
    assert [len(one["subscriptions"]) for one in sent] == [1000, 1000, 1]
    assert [one["options"].get("$skipToken") for one in sent] == [None, "more", None]
    assert ids == [IDS.correlation_id] * 3


async def test_without_subscriptions_nobody_is_asked_about_the_whole_tenant() -> None:
    async with speaking() as line:
        found = await line.azure.unwell(extension_type=OSM, subscriptions=(), ids=IDS)

        assert (list(found), line.server.got) == ([], [])


@pytest.mark.parametrize(
    "row",
    [
        pytest.param(_row(extensionType="microsoft.flux"), id="another type"),
        pytest.param(_row(extensionType=None), id="no type"),
        pytest.param(
            _row(id="/subscriptions/s/resourceGroups/g/providers/Microsoft.ContainerService/x/y"),
            id="not of Arc",
        ),
    ],
)
async def test_a_row_that_is_not_meant_is_left_out(row: dict[str, Any]) -> None:
    async with speaking() as line:
        line.server.on("POST", GRAPH, _page(row))

        assert await _asked(line) == []


@pytest.mark.parametrize("state", [None, "", 7, {"x": 1}])
async def test_a_row_without_a_state_is_not_taken_for_health(state: object) -> None:
    async with speaking() as line:
        line.server.on("POST", GRAPH, _page(_row(state=state)))

        with pytest.raises(UnexpectedPayloadError, match="osm: state is missing or cannot be read"):
            await _asked(line)


async def test_a_state_of_any_length_is_a_word_in_the_end() -> None:
    async with speaking() as line:
        line.server.on("POST", GRAPH, _page(_row(state="Failed\n" * 1000)))
        (found,) = await _asked(line)

    assert (len(found.state), found.state[:13]) == (64, "Failed Failed")


async def test_a_type_that_is_no_harmless_text_is_compared_here_and_not_there() -> None:
    async with speaking() as line:
        line.server.on("POST", GRAPH, _page(_row(extensionType="x' or 1 == 1")))
        found = await line.azure.unwell(
            extension_type="X' or 1 == 1", subscriptions=("s1",), ids=IDS
        )
        (sent,) = line.server.sent("POST", GRAPH)

    assert len(found) == 1
    assert "1 == 1" not in sent.json["query"]


def test_asking_takes_a_call_s_time() -> None:
    async def ask() -> dt.datetime:
        azure = SimulatedAzure(World(_recipe()), virtual.clock())
        await azure.unwell(extension_type=OSM, subscriptions=EVERYWHERE, ids=IDS)
        return virtual.clock().now()

    assert virtual.run(ask(), start_at=stock.EPOCH) > stock.EPOCH
