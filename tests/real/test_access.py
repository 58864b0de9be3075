"""What may be done by whom: the roles that come with fleet, as a real API server takes them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from fleet.core import works
from fleet.core.nameplates import CONFIG_MAPS
from fleet.engine.inspecting import Inspector
from fleet.errors import ClusterError
from fleet.model.cluster import ClusterId
from fleet.model.inside import CheckMoment, CheckResult, Work, WorkKind
from fleet.model.objects import Resource
from tests.rig import charted, deployed, openshift, waysin
from tests.rig.charted import Objects
from tests.rig.doing import TOKEN, done, seen, sent
from tests.rig.realserver import LIMITED, RealServer
from tests.rig.roles import granted
from tests.rig.settling import Holder, without
from tests.rig.waysin import by_verdict

WORKS: Mapping[str, Work] = {
    "configuration": Work(
        kind=WorkKind.MESH_CONFIG, patch=json.dumps({"traffic": {"enableEgress": False}})
    ),
    "namespaces": Work(kind=WorkKind.NAMESPACES, add=(charted.PLAIN,), remove=("bookbuyer",)),
    "metrics": Work(kind=WorkKind.NAMESPACES, metrics=("bookstore",)),
    "monitoring": Work(kind=WorkKind.MONITORING, add=("bookstore",)),
    "restarts": Work(kind=WorkKind.RESTART, add=(charted.PLAIN,)),
    "orphans": Work(kind=WorkKind.ORPHANS),
}


def prepared(healthy: Objects, name: str) -> Objects:
    """Return a cluster in which there is something to do."""
    if name == "orphans":
        kept = ("Namespace", "MutatingWebhookConfiguration", "ValidatingWebhookConfiguration")
        own = [one for one in healthy if one.namespace == charted.NAMESPACE]
        return without(healthy, [one for one in own if one.kind not in kept])
    if name == "restarts":
        # Its pods were made before it came into the mesh.
        label = {"openservicemesh.io/monitored-by": "osm"}
        note = {"openservicemesh.io/sidecar-injection": "enabled"}
        meshed = charted.namespace(charted.PLAIN, labels=label, annotations=note)
        return {**healthy, charted.place(meshed): meshed}
    if name == "monitoring":
        made = deployed.made(
            "v1",
            "ConfigMap",
            "container-azm-ms-osmconfig",
            metadata={"namespace": "kube-system"},
            data={"schema-version": "v1"},
        )
        return {**healthy, charted.place(made): made}
    return healthy


async def checked(server: RealServer, folder: Path) -> tuple[CheckResult, ...]:
    inspector = Inspector(waysin.clusters(server, folder, token=LIMITED))
    return await inspector.inspect(waysin.subject(), waysin.rules())


# --- nothing --------------------------------------------------------------------------------------


async def test_who_may_nothing_is_told_what_was_refused(
    holder: Holder, server: RealServer, tmp_path: Path
) -> None:
    nodes = Resource("", "v1", "nodes")
    async with waysin.opened(server, tmp_path, token=LIMITED) as api:
        with pytest.raises(ClusterError) as refused:
            await api.get(nodes, "node-1")

    assert refused.value.status == 403
    said = 'User "limited" cannot get resource "nodes" in API group "" at the cluster scope'
    assert refused.value.message.startswith("cluster store-1: ")
    assert said in refused.value.message


async def test_what_may_not_be_read_is_unknown_and_why_is_told_once(
    holder: Holder, server: RealServer, tmp_path: Path
) -> None:
    found = await checked(server, tmp_path)

    ids = {one.id for one in waysin.rules()}
    azure = {"arm-provisioning"}
    assert by_verdict(found) == {"passed": azure, "unknown": ids - azure}
    told = [one.detail for one in found if "cannot" in one.detail]
    said = (
        'cluster store-1: deployments.apps is forbidden: User "limited" cannot list resource '
        '"deployments" in API group "apps" in the namespace "azure-arc"'
    )
    assert told == [said]


async def test_a_token_that_is_none_is_told_so(
    holder: Holder, server: RealServer, tmp_path: Path
) -> None:
    async with waysin.opened(server, tmp_path, token="none-of-ours") as api:  # noqa: S106
        with pytest.raises(ClusterError) as refused:
            await api.get(Resource("", "v1", "nodes"), "node-1")

    assert refused.value.status == 401
    assert "none-of-ours" not in refused.value.message + (refused.value.hint or "")


# --- the roles that come with fleet ---------------------------------------------------------------


async def test_the_reader_sees_all_that_checks_look_at_but_secrets(
    holder: Holder, server: RealServer, healthy: Objects, tmp_path: Path
) -> None:
    await holder.hold({**healthy, **granted("cluster-reader")})
    found = by_verdict(await checked(server, tmp_path))

    ids = {one.id for one in waysin.rules()}
    assert found == {"passed": ids - {"helm-release"}, "unknown": {"helm-release"}}


@pytest.mark.parametrize("name", WORKS)
async def test_the_reader_sees_what_is_to_be_done_and_may_not_do_it(
    name: str, holder: Holder, server: RealServer, healthy: Objects, tmp_path: Path
) -> None:
    await holder.hold({**prepared(healthy, name), **granted("cluster-reader")})
    work = WORKS[name]
    async with waysin.opened(server, tmp_path, token=LIMITED) as api:
        before = await seen(api, work)
        edits = works.edits(work, before, token=TOKEN)
        statuses = []
        for edit in edits:
            with pytest.raises(ClusterError) as refused:
                await sent(api, edit)
            statuses.append(refused.value.status)

    assert works.blocked(work, before) == ""
    assert statuses == [403] * len(edits)
    assert edits


@pytest.mark.parametrize("name", [one for one in WORKS if one != "restarts"])
async def test_the_writer_does_it(
    name: str, holder: Holder, server: RealServer, healthy: Objects, tmp_path: Path
) -> None:
    roles = granted("cluster-reader", "cluster-writer")
    await holder.hold({**prepared(healthy, name), **roles})
    async with waysin.opened(server, tmp_path, token=LIMITED) as api:
        await done(api, WORKS[name])


async def test_the_writer_restarts(
    holder: Holder, server: RealServer, healthy: Objects, tmp_path: Path
) -> None:
    """And waits: nobody makes the pods anew here."""
    roles = granted("cluster-reader", "cluster-writer")
    await holder.hold({**prepared(healthy, "restarts"), **roles})
    work = WORKS["restarts"]
    async with waysin.opened(server, tmp_path, token=LIMITED) as api:
        for edit in works.edits(work, await seen(api, work), token=TOKEN):
            await sent(api, edit)
        after = await seen(api, work)

    assert works.edits(work, after, token=TOKEN) == ()
    assert "rolling" in works.pending(work, after, token=TOKEN)


async def test_the_writer_may_make_the_list_where_there_is_none(
    holder: Holder, server: RealServer, healthy: Objects, tmp_path: Path
) -> None:
    await holder.hold({**healthy, **granted("cluster-reader", "cluster-writer")})
    async with waysin.opened(server, tmp_path, token=LIMITED) as api:
        await done(api, WORKS["monitoring"])


async def test_on_openshift_privileges_are_bound_and_taken_back(
    holder: Holder, server: RealServer, healthy: Objects, tmp_path: Path
) -> None:
    objects = {charted.place(one): one for one in openshift.objects()}
    roles = granted("cluster-reader", "cluster-writer", "cluster-openshift")
    await holder.hold({**healthy, **objects, **roles})
    async with waysin.opened(server, tmp_path, token=LIMITED) as api:
        back = await done(api, Work(kind=WorkKind.PRIVILEGED, add=("bookstore",)))
        await done(api, Work(kind=WorkKind.PRIVILEGED, add=("bookstore/bookstore",)))
        assert back is not None
        await done(api, back)


async def test_where_it_is_no_openshift_the_reader_may_know_it(
    holder: Holder, server: RealServer, healthy: Objects, tmp_path: Path
) -> None:
    await holder.hold({**healthy, **granted("cluster-reader")})
    async with waysin.opened(server, tmp_path, token=LIMITED) as api:
        assert await done(api, Work(kind=WorkKind.PRIVILEGED, add=("bookstore",))) is None


async def test_after_an_uninstall_the_reader_sees_what_is_left(
    holder: Holder, server: RealServer, healthy: Objects, tmp_path: Path
) -> None:
    await holder.hold({**prepared(healthy, "orphans"), **granted("cluster-reader")})
    inspector = Inspector(waysin.clusters(server, tmp_path, token=LIMITED))
    rules = waysin.rules(CheckMoment.ABSENT)
    found = by_verdict(await inspector.inspect(waysin.subject(), rules))

    assert found == {
        "failed": {"orphan-webhooks-after-delete"},
        "passed": {"leftovers-after-delete", "identity-after-delete"},
    }


async def test_the_reader_may_know_which_cluster_it_is_and_read_no_other_map(
    holder: Holder, server: RealServer, healthy: Objects, tmp_path: Path
) -> None:
    await holder.hold({**healthy, **granted("cluster-reader")})
    async with waysin.opened(server, tmp_path, token=LIMITED) as api:
        found = await api.get(CONFIG_MAPS, "azure-clusterconfig", namespace="azure-arc")
        with pytest.raises(ClusterError) as refused:
            await api.get(CONFIG_MAPS, "another", namespace="azure-arc")

    assert found is not None
    assert found["data"]["AZURE_RESOURCE_NAME"] == waysin.NAME
    assert refused.value.status == 403


async def test_who_may_not_know_which_cluster_it_is_is_let_in_and_told(
    holder: Holder, server: RealServer, healthy: Objects, tmp_path: Path
) -> None:
    roles = granted("cluster-reader")
    own = [at for at in roles if at.namespace == "azure-arc"]
    await holder.hold({**healthy, **without(roles, own)})
    found = by_verdict(await checked(server, tmp_path))

    assert own
    assert found["unknown"] == {"cluster-identity", "helm-release"}


async def test_another_cluster_is_refused_whoever_asks(
    holder: Holder, server: RealServer, healthy: Objects, tmp_path: Path
) -> None:
    other = charted.nameplate(ClusterId(f"{charted.CLUSTER}0"))
    await holder.hold({**healthy, charted.place(other): other, **granted("cluster-reader")})
    found = await checked(server, tmp_path)

    assert by_verdict(found)["passed"] == {"arm-provisioning"}
    assert found[0].detail.startswith(
        "cluster store-1: clusterAccess leads to another cluster: store-10 of resource group shops "
    )


async def test_without_the_reader_s_role_the_writer_is_in_the_dark(
    holder: Holder, server: RealServer, healthy: Objects, tmp_path: Path
) -> None:
    await holder.hold({**healthy, **granted("cluster-writer")})
    async with waysin.opened(server, tmp_path, token=LIMITED) as api:
        told = works.blocked(WORKS["configuration"], await seen(api, WORKS["configuration"]))

    assert 'User "limited" cannot get resource "meshconfigs"' in told
