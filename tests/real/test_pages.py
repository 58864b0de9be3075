"""Long lists of a real API server: page by page, and when its store forgets what they were of."""

from __future__ import annotations

from pathlib import Path

from fleet.kube.api import PAGE
from fleet.model.objects import Resource
from tests.rig import charted, deployed, waysin
from tests.rig.charted import Objects
from tests.rig.realserver import RealServer
from tests.rig.serving import Caller
from tests.rig.settling import Holder

MAPS = Resource("", "v1", "configmaps")
COUNT = 2 * PAGE + 7
NAMES = [f"map-{number:04}" for number in range(COUNT)]


def many(healthy: Objects) -> Objects:
    about = {"namespace": charted.PLAIN, "labels": {"many": "yes"}}
    maps = [deployed.made("v1", "ConfigMap", name, metadata=about) for name in NAMES]
    return {**healthy, **{charted.place(one): one for one in maps}}


async def test_every_object_of_every_page_is_seen_once(
    holder: Holder, server: RealServer, healthy: Objects, tmp_path: Path
) -> None:
    await holder.hold(many(healthy))
    async with waysin.opened(server, tmp_path) as api:
        everywhere = [one async for one in api.items(MAPS, selector="many=yes")]
        there = [one async for one in api.items(MAPS, namespace=charted.PLAIN)]
        none = [one async for one in api.items(MAPS, selector="many=no")]

    assert [one["metadata"]["name"] for one in everywhere] == NAMES
    assert {one["metadata"]["name"] for one in there} >= set(NAMES)
    assert none == []


async def test_a_list_that_the_store_forgets_meanwhile_is_read_to_its_end(
    holder: Holder, server: RealServer, healthy: Objects, tmp_path: Path
) -> None:
    """The server answers 410, and how to go on."""
    await holder.hold(many(healthy))
    found: list[str] = []
    async with waysin.opened(server, tmp_path) as api:
        async for one in api.items(MAPS, selector="many=yes"):
            found.append(one["metadata"]["name"])
            if len(found) == 1:
                made = deployed.made("v1", "ConfigMap", "later", metadata={"namespace": "default"})
                await api.create(MAPS, made, namespace="default")
                server.compact()

    assert found == NAMES


async def test_the_server_does_answer_so(
    holder: Holder, admin: Caller, server: RealServer, healthy: Objects
) -> None:
    await holder.hold(many(healthy))
    maps = f"/api/v1/namespaces/{charted.PLAIN}/configmaps"
    first = (await admin.get(maps, limit="2")).json["metadata"]
    gone = await admin.send("DELETE", f"{maps}/{NAMES[-1]}")
    server.compact()
    second = await admin.get(maps, **{"limit": "2", "continue": first["continue"]})

    assert (gone.status, second.status, second.json["reason"]) == (200, 410, "Expired")
    assert second.json["metadata"]["continue"]


async def test_a_kind_that_is_not_there_has_no_objects(
    holder: Holder, server: RealServer, tmp_path: Path
) -> None:
    async with waysin.opened(server, tmp_path) as api:
        for group, version in (("apps", "v1"), ("teapots.example.com", "v1"), ("apps", "v9")):
            resource = Resource(group, version, "teapots")
            assert [one async for one in api.items(resource)] == []
            assert await api.get(resource, "one", namespace="default") is None
            await api.delete(resource, "one", namespace="default")
