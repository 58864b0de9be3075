"""Requests to an API server: what is sent, what of answers is understood, what is tried again."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime as dt
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from fleet.errors import ClusterError
from fleet.model.inside import AccessKind, ClusterAccess
from fleet.model.objects import Resource
from fleet.ports import ClusterApi
from tests.rig import apiserver
from tests.rig.apiserver import CUT, SECRET, SILENT, ApiServer, Got, status
from tests.rig.scripted import SkippingClock

PODS = Resource("", "v1", "pods")
CONFIGS = Resource("config.openservicemesh.io", "v1alpha2", "meshconfigs")
MESH = "/apis/config.openservicemesh.io/v1alpha2/namespaces/arc-osm-system/meshconfigs"
ONE = {"kind": "MeshConfig", "metadata": {"name": "m"}}


@dataclasses.dataclass(frozen=True, slots=True)
class Scene:
    """A server, and a cluster opened there."""

    server: ApiServer
    api: ClusterApi
    clock: SkippingClock

    async def names(self, **given: Any) -> list[str]:
        return [one["metadata"]["name"] async for one in self.api.items(PODS, **given)]


@contextlib.asynccontextmanager
async def opened(tmp_path: Path) -> AsyncIterator[Scene]:
    clock = SkippingClock()
    async with apiserver.served() as server:
        apiserver.written(tmp_path / "kube", apiserver.kubeconfig(server.url, token=SECRET))
        access = ClusterAccess(
            kind=AccessKind.KUBECONFIG, path="kube", timeout=dt.timedelta(seconds=0.3)
        )
        ways = apiserver.ways(tmp_path, access, clock=clock)
        async with ways.open(apiserver.cluster_id()) as api:
            yield Scene(server, api, clock)


def page(*names: str, after: str = "") -> dict[str, Any]:
    return {
        "kind": "PodList",
        "metadata": {"continue": after} if after else {},
        "items": [{"metadata": {"name": name, "namespace": "n"}} for name in names],
    }


def paged(after: str = "") -> Got:
    query = (("limit", "500"), ("continue", after)) if after else (("limit", "500"),)
    return Got(method="GET", path="/api/v1/pods", query=query)


async def refused(scene: Scene, *, name: str = "m") -> ClusterError:
    with pytest.raises(ClusterError) as caught:
        await scene.api.get(CONFIGS, name, namespace="arc-osm-system")
    assert SECRET not in repr(caught.value) + str(caught.value) + str(caught.value.hint)
    assert caught.value.__cause__ is None
    return caught.value


# --- what is sent ---------------------------------------------------------------------------


async def test_an_object_is_asked_for_with_the_token(tmp_path: Path) -> None:
    async with opened(tmp_path) as scene:
        scene.server.on("GET", f"{MESH}/m", (200, ONE))

        assert await scene.api.get(CONFIGS, "m", namespace="arc-osm-system") == ONE

        assert scene.server.got == [Got(method="GET", path=f"{MESH}/m")]
        assert scene.server.headers[0]["Authorization"] == f"Bearer {SECRET}"
        assert scene.server.headers[0]["User-Agent"].startswith("arc-fleet/")


async def test_a_patch_is_a_merge_patch_in_our_name(tmp_path: Path) -> None:
    async with opened(tmp_path) as scene:
        scene.server.on("PATCH", f"{MESH}/m", (200, ONE))
        patch = {"spec": {"traffic": {"port": None}}}

        for is_dry_run in (False, True):
            made = scene.api.merge(
                CONFIGS, "m", patch, namespace="arc-osm-system", is_dry_run=is_dry_run
            )
            assert await made == ONE

        sent = Got(
            method="PATCH",
            path=f"{MESH}/m",
            query=(("fieldManager", "fleet"),),
            body=patch,
            kind="application/merge-patch+json",
        )
        dry = (("fieldManager", "fleet"), ("dryRun", "All"))
        assert scene.server.got == [sent, dataclasses.replace(sent, query=dry)]


async def test_an_object_is_created_where_its_kind_is_served(tmp_path: Path) -> None:
    async with opened(tmp_path) as scene:
        scene.server.on("POST", MESH, (201, ONE))

        assert (
            await scene.api.create(CONFIGS, ONE, namespace="arc-osm-system", is_dry_run=True) == ONE
        )

        assert scene.server.got == [
            Got(
                method="POST",
                path=MESH,
                query=(("fieldManager", "fleet"), ("dryRun", "All")),
                body=ONE,
                kind="application/json",
            )
        ]


async def test_what_is_to_be_deleted_may_be_gone(tmp_path: Path) -> None:
    async with opened(tmp_path) as scene:
        scene.server.on("DELETE", f"{MESH}/m", (200, status(200, "")), (404, status(404, "no")))

        await scene.api.delete(CONFIGS, "m", namespace="arc-osm-system")
        await scene.api.delete(CONFIGS, "m", namespace="arc-osm-system")

        assert scene.server.got == [Got(method="DELETE", path=f"{MESH}/m")] * 2


async def test_a_name_cannot_lead_to_another_path(tmp_path: Path) -> None:
    async with opened(tmp_path) as scene:
        assert await scene.api.get(PODS, "../secrets/x?y#z", namespace="a/b") is None

        path = "/api/v1/namespaces/a%2Fb/pods/..%2Fsecrets%2Fx%3Fy%23z"
        assert scene.server.got == [Got(method="GET", path=path)]


# --- lists ----------------------------------------------------------------------------------


async def test_a_list_is_read_page_by_page(tmp_path: Path) -> None:
    async with opened(tmp_path) as scene:
        scene.server.on(
            "GET", "/api/v1/pods", (200, page("a", "b", after="t=1&")), (200, page("c"))
        )

        assert await scene.names() == ["a", "b", "c"]

        assert scene.server.got == [paged(), paged("t=1&")]


async def test_pages_that_do_not_end_are_an_error(tmp_path: Path) -> None:
    async with opened(tmp_path) as scene:
        scene.server.on("GET", "/api/v1/pods", (200, page("a", after="t")))

        with pytest.raises(ClusterError) as caught:
            await scene.names()

        assert caught.value.message == "cluster c1: list of pods: its pages do not end"
        assert scene.server.got == [paged(), paged("t")]


async def test_no_page_is_asked_for_before_it_is_wanted(tmp_path: Path) -> None:
    async with opened(tmp_path) as scene:
        scene.server.on("GET", "/api/v1/pods", (200, page("a", "b", after="t")), (200, page("c")))

        async for one in scene.api.items(PODS):
            assert one["metadata"]["name"] == "a"
            break

        assert scene.server.got == [paged()]


async def test_labels_select(tmp_path: Path) -> None:
    async with opened(tmp_path) as scene:
        path = "/api/v1/namespaces/n/pods"
        scene.server.on("GET", path, (200, {"kind": "PodList", "metadata": {}, "items": None}))

        assert await scene.names(namespace="n", selector="app in (a, b),!c=d") == []

        selected = (("limit", "500"), ("labelSelector", "app in (a, b),!c=d"))
        assert scene.server.got == [Got(method="GET", path=path, query=selected)]


async def test_a_list_that_expired_is_read_on_with_what_the_server_offers(tmp_path: Path) -> None:
    async with opened(tmp_path) as scene:
        scene.server.on(
            "GET",
            "/api/v1/pods",
            (200, page("a", after="old")),
            (410, {**status(410, "too old"), "metadata": {"continue": "new"}}),
            (200, page("b")),
        )

        assert await scene.names() == ["a", "b"]

        assert scene.server.got == [paged(), paged("old"), paged("new")]


async def test_a_list_that_expired_is_begun_again_once_and_tells_nothing_twice(
    tmp_path: Path,
) -> None:
    async with opened(tmp_path) as scene:
        gone = (410, status(410, "The provided continue parameter is too old"))
        scene.server.on(
            "GET",
            "/api/v1/pods",
            (200, page("a", "b", after="old")),
            gone,
            (200, page("a", "b", "c", after="other")),
            (200, page("d")),
        )

        assert await scene.names() == ["a", "b", "c", "d"]
        assert scene.server.got == [paged(), paged("old"), paged(), paged("other")]

        more = (200, page("a", after="t"))
        scene.server.on("GET", "/api/v1/pods", more, gone, more, gone)
        with pytest.raises(ClusterError) as caught:
            await scene.names()
        assert caught.value.message == "cluster c1: The provided continue parameter is too old"


async def test_a_page_that_breaks_off_is_read_again_and_tells_nothing_twice(
    tmp_path: Path,
) -> None:
    whole = page("a", "b", "c", after="t")
    text = json.dumps(whole)
    async with opened(tmp_path) as scene:
        scene.server.on(
            "GET",
            "/api/v1/pods",
            (apiserver.CUT, text[: text.index('"c"')]),
            (200, whole),
            (apiserver.CUT, json.dumps(page("d"))[:-1]),
            (200, page("d", "e")),
        )

        assert await scene.names() == ["a", "b", "c", "d", "e"]

        assert scene.server.got == [paged(), paged(), paged("t"), paged("t")]
        assert scene.clock.slept_s == [0.5, 1]


async def test_a_page_that_always_breaks_off_is_given_up(tmp_path: Path) -> None:
    async with opened(tmp_path) as scene:
        text = json.dumps(page("a", "b"))
        scene.server.on("GET", "/api/v1/pods", (apiserver.CUT, text[:-5]))

        with pytest.raises(ClusterError) as caught:
            await scene.names()

        assert caught.value.message == "cluster c1: list of pods: the connection broke"
        assert scene.server.got == [paged()] * 4


# --- absence --------------------------------------------------------------------------------


async def test_what_is_not_there_is_none_and_a_kind_that_is_not_there_is_empty(
    tmp_path: Path,
) -> None:
    async with opened(tmp_path) as scene:
        scene.server.on("GET", f"{MESH}/m", (404, status(404, 'meshconfigs "m" not found')))

        assert await scene.api.get(CONFIGS, "m", namespace="arc-osm-system") is None
        assert await scene.api.get(Resource("x.io", "v1", "xs"), "x") is None
        assert await scene.names() == []


async def test_a_404_of_somebody_else_is_no_absence(tmp_path: Path) -> None:
    async with opened(tmp_path) as scene:
        scene.server.on("GET", f"{MESH}/m", (404, "<html>nginx</html>"))

        error = await refused(scene)

        what = "get of meshconfigs m in arc-osm-system"
        assert error.message == f"cluster c1: {what}: the answer was 404 with an HTML page"
        assert error.status == 404


# --- refusals -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "said", "hint"),
    [
        pytest.param(
            403,
            'meshconfigs.config.openservicemesh.io "m" is forbidden: User "fleet" cannot get '
            'resource "meshconfigs" in API group "config.openservicemesh.io"',
            "Let whoever runs the cluster bind the ClusterRole fleet-reader of "
            "deploy/kubernetes/cluster-reader.yaml; docs/cluster-access.md says how.",
            id="forbidden",
        ),
        pytest.param(
            401,
            "Unauthorized",
            "Its kubeconfig's credentials are not accepted: log in again, or renew them.",
            id="not logged in",
        ),
        pytest.param(409, "the object has been modified", ClusterError.advice, id="conflict"),
    ],
)
async def test_a_refusal_is_told_in_the_servers_words(
    tmp_path: Path, code: int, said: str, hint: str
) -> None:
    async with opened(tmp_path) as scene:
        scene.server.on("GET", f"{MESH}/m", (code, status(code, said)))

        error = await refused(scene)

        assert (error.message, error.status, error.hint) == (f"cluster c1: {said}", code, hint)
        assert len(scene.server.got) == 1


async def test_a_change_that_is_invalid_is_told_word_by_word(tmp_path: Path) -> None:
    async with opened(tmp_path) as scene:
        said = (
            'MeshConfig.config.openservicemesh.io "m" is invalid: spec.sidecar.logLevel: '
            'Unsupported value: "loud": supported values: "error", "debug"'
        )
        scene.server.on("PATCH", f"{MESH}/m", (422, status(422, said)))

        with pytest.raises(ClusterError) as caught:
            await scene.api.merge(CONFIGS, "m", {}, namespace="arc-osm-system", is_dry_run=True)

        assert (caught.value.message, caught.value.status) == (f"cluster c1: {said}", 422)


async def test_a_write_that_is_forbidden_names_the_role_for_writes(tmp_path: Path) -> None:
    async with opened(tmp_path) as scene:
        scene.server.on("PATCH", f"{MESH}/m", (403, status(403, "no")))

        with pytest.raises(ClusterError) as caught:
            await scene.api.merge(CONFIGS, "m", {}, namespace="arc-osm-system")

        assert "fleet-writer of deploy/kubernetes/cluster-writer.yaml" in str(caught.value.hint)


async def test_what_looks_like_a_secret_is_in_no_message(tmp_path: Path) -> None:
    async with opened(tmp_path) as scene:
        said = "webhook said\n\x1b[31m: token=hunter2abc"
        scene.server.on("GET", f"{MESH}/m", (400, status(400, said)))

        error = await refused(scene)

        assert error.message == "cluster c1: webhook said [31m: token=***"


@pytest.mark.parametrize(
    ("code", "body", "shown"),
    [
        pytest.param(200, "<html>Sign in</html>", "200 with an HTML page", id="html"),
        pytest.param(200, "", "200 with nothing in it", id="empty"),
        pytest.param(200, "[1]", "200 with 3 bytes", id="no object"),
        pytest.param(200, '{"a": 1}', "200 with 8 bytes", id="no kind"),
    ],
)
async def test_what_no_api_server_answers_is_no_object(
    tmp_path: Path, code: int, body: str, shown: str
) -> None:
    async with opened(tmp_path) as scene:
        scene.server.on("GET", f"{MESH}/m", (code, body))

        error = await refused(scene)

        assert error.message == (
            f"cluster c1: the answer was {shown}, and not as Kubernetes answers"
        )


async def test_no_redirect_is_followed(tmp_path: Path) -> None:
    async with opened(tmp_path) as scene:
        scene.server.on("GET", f"{MESH}/m", (302, "", {"Location": "/elsewhere"}))
        scene.server.on("PATCH", f"{MESH}/m", (307, "", {"Location": "/elsewhere"}))

        error = await refused(scene)
        with pytest.raises(ClusterError):
            await scene.api.merge(CONFIGS, "m", {}, namespace="arc-osm-system")

        assert error.message == (
            "cluster c1: its server answers with a redirect, which Kubernetes does not"
        )
        assert [got.method for got in scene.server.got] == ["GET", "PATCH"]


# --- again ----------------------------------------------------------------------------------


async def test_a_read_waits_as_long_as_it_is_told_to(tmp_path: Path) -> None:
    async with opened(tmp_path) as scene:
        busy = (429, status(429, "too many requests"), {"Retry-After": "7"})
        scene.server.on(
            "GET", f"{MESH}/m", (CUT, None), (CUT, None), busy, (503, "down"), (200, ONE)
        )

        assert await scene.api.get(CONFIGS, "m", namespace="arc-osm-system") == ONE

        assert scene.clock.slept_s == [0.5, 7, 2]


async def test_a_read_is_given_up_after_some_tries(tmp_path: Path) -> None:
    async with opened(tmp_path) as scene:
        scene.server.on("GET", f"{MESH}/m", (503, status(503, "etcd is away")))

        error = await refused(scene)

        assert (error.message, error.status) == ("cluster c1: etcd is away", 503)
        assert len(scene.server.got) == 4
        assert scene.clock.slept_s == [0.5, 1, 2]


async def test_nobody_waits_for_an_hour(tmp_path: Path) -> None:
    async with opened(tmp_path) as scene:
        scene.server.on("GET", f"{MESH}/m", (429, status(429, "later"), {"Retry-After": "3600"}))

        error = await refused(scene)

        assert (error.message, error.retry_after_s) == ("cluster c1: later", 3600)
        assert len(scene.server.got) == 1


async def written(api: ClusterApi, method: str) -> None:
    where = "arc-osm-system"
    match method:
        case "PATCH":
            await api.merge(CONFIGS, "m", {}, namespace=where)
        case "POST":
            await api.create(CONFIGS, ONE, namespace=where)
        case _:
            await api.delete(CONFIGS, "m", namespace=where)


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        pytest.param((503, status(503, "etcd is away")), "etcd is away", id="refused"),
        pytest.param((429, status(429, "wait"), {"Retry-After": "1"}), "wait", id="too many"),
        pytest.param(
            (CUT, None),
            "{}: the connection broke; whether it took effect is unknown",
            id="cut",
        ),
        pytest.param(
            (SILENT, None),
            "{}: no answer within 0.3 s; whether it took effect is unknown",
            id="silent",
        ),
    ],
)
@pytest.mark.parametrize("method", ["PATCH", "POST", "DELETE"])
async def test_a_write_is_sent_once(tmp_path: Path, method: str, answer: Any, said: str) -> None:
    async with opened(tmp_path) as scene:
        scene.server.on("GET", f"{MESH}/m", (200, ONE))
        await scene.api.get(CONFIGS, "m", namespace="arc-osm-system")  # the connection is kept
        scene.server.got.clear()
        scene.server.on(method, MESH if method == "POST" else f"{MESH}/m", answer)

        with pytest.raises(ClusterError) as caught:
            await written(scene.api, method)

        called = {"PATCH": "patch of meshconfigs m", "POST": "create of meshconfigs"}
        what = called.get(method, "delete of meshconfigs m") + " in arc-osm-system"
        assert caught.value.message == "cluster c1: " + said.format(what)
        assert [got.method for got in scene.server.got] == [method]
        assert scene.clock.slept_s == []
