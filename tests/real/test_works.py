"""What fleet does inside clusters, done to a real API server: once, again, and back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from fleet.core import works
from fleet.core.works import restart
from fleet.errors import ClusterError
from fleet.model.inside import Work, WorkKind
from fleet.model.objects import Resource
from fleet.ports import ClusterApi
from tests.rig import charted, deployed, openshift, waysin
from tests.rig.charted import NAMESPACE, Objects, Place
from tests.rig.doing import TOKEN, done, seen, sent
from tests.rig.realserver import RealServer
from tests.rig.serving import Caller
from tests.rig.settling import MERGE, Holder, path, without

SPACES = Resource("", "v1", "namespaces")
MESHES = Resource("config.openservicemesh.io", "v1alpha2", "meshconfigs")
MAPS = Resource("", "v1", "configmaps")
MESH = "osm-mesh-config"
LIST = "container-azm-ms-osmconfig"
TEXT = "osm-metric-collection-configuration"


async def spec(api: ClusterApi) -> Any:
    found = await api.get(MESHES, MESH, namespace=NAMESPACE)
    assert found is not None
    return found["spec"]


def configured(**patch: Any) -> Work:
    return Work(kind=WorkKind.MESH_CONFIG, patch=json.dumps(patch))


# --- the configuration of the mesh ----------------------------------------------------------------


async def test_a_configuration_is_changed_and_led_back(
    holder: Holder, server: RealServer, tmp_path: Path
) -> None:
    work = configured(
        traffic={"enableEgress": False, "outboundPortExclusionList": [6379]},
        sidecar={"logLevel": "debug"},
        observability={"tracing": {"enable": True, "port": 9411}},
    )
    async with waysin.opened(server, tmp_path) as api:
        before = await spec(api)
        back = await done(api, work)
        after = await spec(api)
        assert back is not None
        await done(api, back)

        assert after["traffic"]["outboundPortExclusionList"] == [6379]
        assert after["sidecar"]["logLevel"] == "debug"
        assert after["observability"]["tracing"] == {"enable": True, "port": 9411}
        assert await spec(api) == before


async def test_a_dry_run_changes_nothing(
    holder: Holder, server: RealServer, tmp_path: Path
) -> None:
    work = configured(traffic={"enableEgress": False})
    async with waysin.opened(server, tmp_path) as api:
        before = await api.get(MESHES, MESH, namespace=NAMESPACE)
        for edit in works.edits(work, await seen(api, work), token=TOKEN):
            await sent(api, edit, is_dry_run=True)

        assert await api.get(MESHES, MESH, namespace=NAMESPACE) == before


@pytest.mark.parametrize("is_dry_run", [True, False], ids=["dry", "real"])
async def test_a_wrong_value_is_refused_in_the_server_s_words(
    is_dry_run: bool, holder: Holder, server: RealServer, tmp_path: Path
) -> None:
    work = configured(traffic={"enableEgress": "no"})
    async with waysin.opened(server, tmp_path) as api:
        (edit,) = works.edits(work, await seen(api, work), token=TOKEN)
        with pytest.raises(ClusterError) as refused:
            await sent(api, edit, is_dry_run=is_dry_run)

    assert refused.value.status == 422
    assert (
        'spec.traffic.enableEgress: Invalid value: "string": '
        'spec.traffic.enableEgress in body must be of type boolean: "string"'
    ) in refused.value.message
    assert refused.value.message.startswith("cluster store-1: ")


async def test_what_a_mesh_does_not_have_is_dropped_without_a_word(
    holder: Holder, server: RealServer, tmp_path: Path
) -> None:
    """So that a name that is misspelt has to be found before: no server says it."""
    async with waysin.opened(server, tmp_path) as api:
        before = await spec(api)
        patch = {"spec": {"traffic": {"enableEgres": True}}}
        await api.merge(MESHES, MESH, patch, namespace=NAMESPACE)

        assert await spec(api) == before


async def test_without_a_mesh_there_is_nothing_to_configure(
    holder: Holder, server: RealServer, healthy: Objects, tmp_path: Path
) -> None:
    await holder.hold(without(healthy, [one for one in healthy if one.kind == "MeshConfig"]))
    work = configured(traffic={"enableEgress": False})
    async with waysin.opened(server, tmp_path) as api:
        told = works.blocked(work, await seen(api, work))

    assert told == f"there is no MeshConfig {MESH} in {NAMESPACE}: the mesh is not up"


# --- namespaces -----------------------------------------------------------------------------------


async def about(api: ClusterApi, name: str) -> tuple[dict[str, str], dict[str, str]]:
    found = await api.get(SPACES, name)
    assert found is not None
    return found["metadata"].get("labels", {}), found["metadata"].get("annotations", {})


async def test_namespaces_join_and_leave_and_are_led_back(
    holder: Holder, server: RealServer, tmp_path: Path
) -> None:
    work = Work(
        kind=WorkKind.NAMESPACES,
        add=(charted.PLAIN,),
        remove=("bookbuyer",),
        metrics=("bookstore",),
    )
    names = (charted.PLAIN, "bookbuyer", "bookstore")
    async with waysin.opened(server, tmp_path) as api:
        before = [await about(api, one) for one in names]
        back = await done(api, work)
        after = [await about(api, one) for one in names]
        pods = [one async for one in api.items(Resource("", "v1", "pods"), namespace="bookstore")]
        assert back is not None
        await done(api, back)

        inside, injected = (
            {"openservicemesh.io/monitored-by": "osm"},
            {"openservicemesh.io/sidecar-injection": "enabled"},
        )
        scraped = {**injected, "openservicemesh.io/metrics": "enabled"}
        assert after == [(inside, injected), ({}, {}), (inside, scraped)]
        assert [one["metadata"]["annotations"]["prometheus.io/port"] for one in pods] == ["15010"]
        assert [await about(api, one) for one in names] == before


async def test_a_namespace_that_is_not_there_is_in_the_way(
    holder: Holder, server: RealServer, tmp_path: Path
) -> None:
    work = Work(kind=WorkKind.NAMESPACES, add=("nowhere",))
    async with waysin.opened(server, tmp_path) as api:
        assert "nowhere" in works.blocked(work, await seen(api, work))


# --- what Azure Monitor reads ---------------------------------------------------------------------

OTHERS = """\
# OSM metric collection settings
[osm_metric_collection_configuration.settings]
    # Namespaces to monitor
    monitor_namespaces = ["theirs"]  # by hand
"""


async def listed(api: ClusterApi) -> Any:
    found = await api.get(MAPS, LIST, namespace="kube-system")
    return found and found["data"]


async def test_the_list_is_made_where_there_is_none(
    holder: Holder, server: RealServer, tmp_path: Path
) -> None:
    work = Work(kind=WorkKind.MONITORING, add=charted.MESHED)
    async with waysin.opened(server, tmp_path) as api:
        await done(api, work)
        data = await listed(api)

    assert data["schema-version"] == "v1"
    assert 'monitor_namespaces = ["bookbuyer", "bookstore"]' in data[TEXT]


async def test_names_are_added_to_a_list_of_others_and_taken_out(
    holder: Holder, server: RealServer, healthy: Objects, tmp_path: Path
) -> None:
    data = {"schema-version": "v1", "config-version": "ver1", TEXT: OTHERS, "more": "kept"}
    made = deployed.made("v1", "ConfigMap", LIST, metadata={"namespace": "kube-system"}, data=data)
    await holder.hold({**healthy, charted.place(made): made})
    work = Work(kind=WorkKind.MONITORING, add=("bookstore",))
    async with waysin.opened(server, tmp_path) as api:
        back = await done(api, work)
        after = await listed(api)
        assert back is not None
        await done(api, back)

        wanted = OTHERS.replace('["theirs"]', '["theirs", "bookstore"]')
        assert after == {**data, TEXT: wanted}
        assert await listed(api) == data


# --- restarts -------------------------------------------------------------------------------------


async def test_a_workload_is_restarted_once_and_waited_for(
    holder: Holder, admin: Caller, server: RealServer, healthy: Objects, tmp_path: Path
) -> None:
    """The server counts the generation up, and its controller, who is played here, follows."""
    newer = {"spec": {"sidecar": {"envoyImage": "envoy:new"}}}
    work = Work(kind=WorkKind.RESTART, add=("bookstore",))
    deployment = _place(healthy, "Deployment", "bookstore")
    async with waysin.opened(server, tmp_path) as api:
        await api.merge(MESHES, MESH, newer, namespace=NAMESPACE)
        (edit,) = works.edits(work, await seen(api, work), token=TOKEN)
        await sent(api, edit)
        rolling = await seen(api, work)
        found = (await admin.get(path(deployment))).json
        await _follow(holder, admin, healthy, found)
        over = await seen(api, work)

    annotations = found["spec"]["template"]["metadata"]["annotations"]
    assert (annotations, found["metadata"]["generation"]) == ({restart.RESTARTED: TOKEN}, 2)
    assert works.edits(work, rolling, token=TOKEN) == ()
    told = "1 workload is rolling: bookstore/Deployment/bookstore"
    assert works.pending(work, rolling, token=TOKEN) == told
    assert works.edits(work, over, token=TOKEN) == ()
    assert works.pending(work, over, token=TOKEN) == ""


async def _follow(holder: Holder, admin: Caller, healthy: Objects, found: Any) -> None:
    """Do what a controller, the injector and a kubelet would."""
    status = {**deployed.rolled_out(1), "observedGeneration": found["metadata"]["generation"]}
    place = charted.place(found)
    await admin.send("PATCH", f"{path(place)}/status", body={"status": status}, headers=MERGE)
    pod = _place(healthy, "Pod", deployed.pod_name("bookstore"))
    image = {"spec": {"containers": [{"name": "bookstore", "image": "bookstore:1"}, NEW]}}
    heard = await admin.send("PATCH", path(pod), body=image, headers=MERGE)
    assert heard.status == 200, heard.body


NEW = {"name": "envoy", "image": "envoy:new"}


def _place(objects: Objects, kind: str, name: str) -> Place:
    (found,) = [one for one in objects if (one.kind, one.name) == (kind, name)]
    return found


# --- what an uninstall leaves ---------------------------------------------------------------------


def uninstalled(healthy: Objects) -> Objects:
    """Return what is left where the chart's cleanup did not find the webhooks."""
    kept = ("Namespace", "MutatingWebhookConfiguration", "ValidatingWebhookConfiguration")
    own = [one for one in healthy if one.namespace == NAMESPACE and one.kind not in kept]
    return without(healthy, own)


async def test_orphans_bar_every_pod_until_they_are_removed(
    holder: Holder, admin: Caller, server: RealServer, healthy: Objects, tmp_path: Path
) -> None:
    await holder.hold(uninstalled(healthy))
    pod = {"metadata": {"name": "new"}, "spec": {"containers": list(deployed.boxes("new"))}}
    pods = "/api/v1/namespaces/bookstore/pods"
    barred = await admin.send("POST", pods, body=pod)
    async with waysin.opened(server, tmp_path) as api:
        assert await done(api, Work(kind=WorkKind.ORPHANS)) is None
    made = await admin.send("POST", pods, body=pod)

    assert barred.status == 500
    assert 'failed calling webhook "osm-inject.k8s.io"' in barred.json["message"]
    assert made.status == 201


async def test_webhooks_with_somebody_behind_are_left_alone(
    holder: Holder, server: RealServer, tmp_path: Path
) -> None:
    work = Work(kind=WorkKind.ORPHANS)
    async with waysin.opened(server, tmp_path) as api:
        found = await seen(api, work)

    assert works.edits(work, found, token=TOKEN) == ()
    assert "osm-injector" in works.pending(work, found, token=TOKEN)


# --- OpenShift ------------------------------------------------------------------------------------


async def test_where_it_is_no_openshift_nothing_is_granted(
    holder: Holder, server: RealServer, tmp_path: Path
) -> None:
    async with waysin.opened(server, tmp_path) as api:
        assert await done(api, Work(kind=WorkKind.PRIVILEGED, add=("bookstore",))) is None


async def test_openshift_s_constraints_are_bound_and_taken_back(
    holder: Holder, server: RealServer, healthy: Objects, tmp_path: Path
) -> None:
    await holder.hold({**healthy, **{charted.place(one): one for one in openshift.objects()}})
    bindings = Resource("rbac.authorization.k8s.io", "v1", "rolebindings")
    work = Work(kind=WorkKind.PRIVILEGED, add=("bookstore", "bookbuyer/bookbuyer"))
    async with waysin.opened(server, tmp_path) as api:
        back = await done(api, work)
        made = [one async for one in api.items(bindings, namespace="bookbuyer")]
        assert back is not None
        await done(api, back)
        left = [one async for one in api.items(bindings, namespace="bookbuyer")]

    account = {"kind": "ServiceAccount", "name": "bookbuyer", "namespace": "bookbuyer"}
    assert [one["subjects"] for one in made] == [[account]]
    assert left == []
