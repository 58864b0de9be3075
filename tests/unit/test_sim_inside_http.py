from __future__ import annotations

import dataclasses
import datetime as dt
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from fleet.errors import ClusterError
from fleet.model.cluster import Connectivity
from fleet.model.objects import Resource
from fleet.ports import ClusterApi, Clusters
from fleet.sim.breakage import Break
from fleet.sim.inside import asking, kubeconfigs, patching
from fleet.sim.inside.clusters import SimulatedClusters
from fleet.sim.recipe import Special
from fleet.sim.world import World
from tests.rig import serving
from tests.rig.serving import CALM, Caller, HandClock, Heard, Stage, staged

ROOT = "/kubernetes/store-0001-a"
NAMESPACE = "arc-osm-system"
CONFIGS = Resource("config.openservicemesh.io", "v1alpha2", "meshconfigs")
DEPLOYMENTS = Resource("apps", "v1", "deployments")
PODS = Resource("", "v1", "pods")
MAPS = Resource("", "v1", "configmaps")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Wire:
    """One cluster's API over HTTP, with the port's methods."""

    caller: Caller
    base: str = ROOT

    async def send(self, method: str, path: str, **more: Any) -> Heard:
        form = patching.MERGE if method == "PATCH" else "application/json"
        headers = {"Content-Type": form}
        return await self.caller.send(method, self.base + path, headers=headers, **more)

    async def get(
        self, resource: Resource, name: str, *, namespace: str | None = None
    ) -> Any | None:
        heard = await self.send("GET", resource.path(namespace, name))
        return None if heard.status == 404 else _document(heard)

    async def items(
        self, resource: Resource, *, namespace: str | None = None, selector: str = ""
    ) -> AsyncIterator[Any]:
        query = {"labelSelector": selector} if selector else {}
        heard = await self.send("GET", resource.path(namespace), query=query)
        for one in [] if heard.status == 404 else _document(heard)["items"]:
            yield one

    async def merge(
        self, resource: Resource, name: str, patch: Any, *, namespace: str | None = None
    ) -> Any:
        return _document(await self.send("PATCH", resource.path(namespace, name), body=patch))

    async def create(self, resource: Resource, body: Any, *, namespace: str | None = None) -> Any:
        return _document(await self.send("POST", resource.path(namespace), body=body))

    async def delete(self, resource: Resource, name: str, *, namespace: str | None = None) -> None:
        heard = await self.send("DELETE", resource.path(namespace, name))
        assert heard.status in (200, 404)


def _document(heard: Heard) -> Any:
    if heard.status >= 400:
        raise ClusterError(heard.json["message"], status=heard.status)
    return heard.json


def wire(stage: Stage, *, user: str = asking.ADMIN, number: int = 0) -> Wire:
    token = asking.token(stage.served.plane.recipe.seed, user)
    name = stage.cluster(number).rpartition("/")[2]
    caller = dataclasses.replace(stage.stranger, token=token)
    return Wire(caller=caller, base=f"/kubernetes/{name}")


async def _story(api: Any) -> list[Any]:
    """Do and read a bit of everything, and return all that was answered."""
    seen: list[Any] = [
        await api.get(DEPLOYMENTS, "osm-controller", namespace=NAMESPACE),
        await api.get(DEPLOYMENTS, "nothing", namespace=NAMESPACE),
        await api.get(Resource("example.com", "v1", "things"), "x"),
        [one async for one in api.items(PODS)],
        [one async for one in api.items(PODS, namespace=NAMESPACE, selector="app=osm-injector")],
        [one async for one in api.items(Resource("example.com", "v1", "things"))],
    ]
    for patch in ({"sidecar": {"logLevel": "debug"}}, {"traffic": {"enableEgress": "yes"}}):
        try:
            seen.append(
                await api.merge(CONFIGS, "osm-mesh-config", {"spec": patch}, namespace=NAMESPACE)
            )
        except ClusterError as error:
            seen.append((error.status, error.message))
    body = {"metadata": {"name": "one"}, "data": {"k": "v"}}
    for _ in range(2):
        try:
            seen.append(await api.create(MAPS, body, namespace="bookstore"))
        except ClusterError as error:
            seen.append((error.status, error.message))
    await api.delete(MAPS, "one", namespace="bookstore")
    await api.delete(MAPS, "one", namespace="bookstore")
    seen.append(await api.get(MAPS, "one", namespace="bookstore"))
    return seen


async def test_the_port_and_http_give_the_same_answers() -> None:
    async with staged() as stage:
        by_http = await _story(wire(stage))
        cluster_id = stage.served.plane.azure.world.cased(stage.cluster())  # type: ignore[arg-type]
    clock = HandClock(CALM.epoch)
    async with SimulatedClusters(World(CALM), clock).open(cluster_id) as api:
        by_port = await _story(api)

    assert by_port == by_http


async def test_an_error_that_passes_is_asked_again_and_one_that_does_not_is_told() -> None:
    specials = [
        Special(cluster="store-0001-a", breaks=(Break.API_FLAKY,)),
        Special(cluster="store-0001-b", breaks=(Break.API_UNAVAILABLE,)),
        Special(cluster="store-0002-a", breaks=(Break.API_UNREACHABLE,)),
        Special(cluster="store-0002-b", breaks=(Break.API_TIMEOUT,)),
        Special(cluster="store-0003-a", connectivity=Connectivity.OFFLINE),
    ]
    world = World(dataclasses.replace(CALM, specials=tuple(specials)))
    clusters = SimulatedClusters(world, HandClock(CALM.epoch))
    heard = []
    for cluster in world.clusters(CALM.epoch, range(5)):
        async with clusters.open(cluster.id) as api:
            heard.append([await _outcome(api) for _ in range(3)])

    assert heard == [
        ["well"] * 3,
        [(503, "the server is currently unable to handle the request")] * 3,
        [(None, "store-0002-a: connection refused")] * 3,
        [(None, "store-0002-b: no answer within 30 s")] * 3,
        [(None, "store-0003-a: connection refused")] * 3,
    ]


async def test_a_cluster_that_was_removed_has_no_way_in() -> None:
    specials = (Special(cluster="store-0001-a", removed_after=dt.timedelta(hours=1)),)
    world = World(dataclasses.replace(CALM, specials=specials))
    clock = HandClock(CALM.epoch)
    clusters: Clusters = SimulatedClusters(world, clock)
    cluster = next(world.clusters(CALM.epoch))
    async with clusters.open(cluster.id) as api:
        before = await _outcome(api)
        clock.move(dt.timedelta(hours=2))
        after = await _outcome(api)

    assert (before, after) == ("well", (None, "store-0001-a: no such host"))


async def _outcome(api: ClusterApi) -> Any:
    try:
        await api.get(DEPLOYMENTS, "osm-controller", namespace=NAMESPACE)
    except ClusterError as error:
        return error.status, error.message
    return "well"


async def test_who_has_no_token_of_the_clusters_is_a_stranger_there() -> None:
    async with staged() as stage:
        azure = await stage.caller.get(f"{ROOT}/api/v1/nodes")
        nobody = await wire(stage, user=asking.NOBODY).send("GET", "/api/v1/nodes")
        unknown = await stage.stranger.get("/kubernetes/store-9999-a/api/v1/nodes")

    assert (azure.status, azure.json["message"]) == (401, "Unauthorized")
    assert (nobody.status, nobody.json["reason"]) == (403, "Forbidden")
    assert unknown.status == 404


async def test_what_is_not_served_is_told_in_plain_text_and_a_wait_in_a_header() -> None:
    special = Special(cluster="store-0001-b", breaks=(Break.API_THROTTLED,))
    async with staged(dataclasses.replace(CALM, specials=(special,))) as stage:
        unknown = await wire(stage).send("GET", "/apis/example.com/v1/things")
        throttled = await wire(stage, number=1).send("GET", "/api/v1/nodes")

    assert (unknown.status, unknown.body) == (404, b"404 page not found\n")
    assert unknown.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert (throttled.status, throttled.headers["Retry-After"]) == (429, "1")
    assert throttled.json["details"] == {"retryAfterSeconds": 1}


async def test_a_server_that_cannot_be_reached_hangs_up() -> None:
    special = Special(cluster="store-0001-a", breaks=(Break.API_UNREACHABLE,))
    async with staged(dataclasses.replace(CALM, specials=(special,))) as stage:
        with pytest.raises(aiohttp.ClientError):
            await wire(stage).send("GET", "/api/v1/nodes")


async def test_events_come_as_lines_as_they_happen() -> None:
    async with staged() as stage:
        api = wire(stage)
        path = MAPS.path("bookstore")
        version = (await api.send("GET", path)).json["metadata"]["resourceVersion"]
        heard = []
        async with api.caller.session.get(
            f"{api.caller.base}{api.base}{path}",
            params={"watch": "true", "resourceVersion": version},
            headers={"Authorization": f"Bearer {api.caller.token}"},
        ) as events:
            for act in (
                api.create(MAPS, {"metadata": {"name": "a"}}, namespace="bookstore"),
                api.merge(MAPS, "a", {"data": {"k": "v"}}, namespace="bookstore"),
                api.delete(MAPS, "a", namespace="bookstore"),
            ):
                await act
                event = json.loads(await events.content.readline())
                heard.append((event["type"], event["object"].get("data")))

    assert heard == [("ADDED", None), ("MODIFIED", {"k": "v"}), ("DELETED", {"k": "v"})]


async def test_a_watch_ends_when_its_time_is_over() -> None:
    async with staged() as stage:
        query = {"watch": "true", "timeoutSeconds": "1", "fieldSelector": "metadata.name=default"}
        heard = await wire(stage).send("GET", "/api/v1/namespaces", query=query)

    lines = [json.loads(line) for line in heard.body.splitlines()]
    assert [(one["type"], one["object"]["metadata"]["name"]) for one in lines] == [
        ("ADDED", "default")
    ]


async def test_a_kubeconfig_leads_into_each_cluster(tmp_path: Path) -> None:
    async with staged() as stage:
        place = tmp_path / "config"
        kubeconfigs.write(
            place,
            ["store-0001-a", "store-0001-b"],
            endpoint=stage.base,
            seed=CALM.seed,
            user=asking.ADMIN,
            ca_file=None,
        )
        found = json.loads(place.read_text())
        token = found["users"][0]["user"]["token"]
        caller = dataclasses.replace(stage.stranger, token=token)
        names = {}
        for context in found["contexts"]:
            server = next(
                one["cluster"]["server"]
                for one in found["clusters"]
                if one["name"] == context["context"]["cluster"]
            )
            heard = await caller.get(f"{server}/api/v1/namespaces/azure-arc/configmaps")
            names[context["name"]] = heard.json["items"][0]["data"]["AZURE_RESOURCE_NAME"]

    assert names == {"store-0001-a": "store-0001-a", "store-0001-b": "store-0001-b"}
    assert place.stat().st_mode & 0o777 == 0o600
    assert found["current-context"] == "store-0001-a"


def test_a_directory_gets_a_file_for_each_cluster(tmp_path: Path) -> None:
    for name in ("a", "b"):
        kubeconfigs.write(
            tmp_path, [name], endpoint="http://x", seed=1, user=asking.READER, ca_file=None
        )

    files = sorted(tmp_path.iterdir())
    assert [one.name for one in files] == ["a.yaml", "b.yaml"]
    assert json.loads(files[0].read_text())["clusters"] == [
        {"name": "a", "cluster": {"server": "http://x/kubernetes/a"}}
    ]
    assert serving.TENANT not in files[0].read_text()
