"""A rotten answer to every request: a correct reading or a classified error, and nothing else.

Of each type of request stands here what a false success would be. What was not
rotted must be read as if nothing had been.
"""

from __future__ import annotations

import asyncio
import dataclasses
import datetime as dt
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st

from fleet.azure import clouds
from fleet.azure.service import AzureService, PublishedTime, published_time
from fleet.errors import RemoteError
from fleet.model.cluster import (
    AutoUpgrade,
    Cluster,
    Connectivity,
    Extension,
    ProvisioningState,
)
from fleet.model.plan import AZURES, Verb
from fleet.ports import Accepted, OperationStatus, Write
from tests.rig import rotting, scripted
from tests.rig.rotting import SECRET, URL, Door, Place, Rotten, rotten
from tests.rig.scripted import IDS, Say
from tests.rig.tasting import (
    CLUSTER,
    FEW,
    GOOD_CLUSTER,
    GOOD_EXTENSION,
    GRAPH,
    OSM,
    REF,
    SOME,
    Came,
    came,
    is_fit,
    lowered,
    read_as,
)

P: Place = ("properties",)
EXTENSION_PLACES: Mapping[str, tuple[Place, ...]] = {
    "name": (("name",),),
    "extension_type": ((*P, "extensionType"),),
    "version": ((*P, "version"), (*P, "autoUpgradeMinorVersion")),
    "current_version": ((*P, "currentVersion"), (*P, "version")),
    "auto_upgrade": ((*P, "autoUpgradeMinorVersion"), (*P, "version"), (*P, "currentVersion")),
    "release_train": ((*P, "releaseTrain"),),
    "provisioning_state": ((*P, "provisioningState"),),
    "settings": ((*P, "configurationSettings"),),
    "protected_keys": ((*P, "configurationProtectedSettings"),),
    "namespace": ((*P, "scope"),),
    "is_system": ((*P, "isSystemExtension"),),
    "is_read_only": ((*P, "managementDetails"),),
    "error": ((*P, "statuses"), (*P, "errorInfo")),
}
"""Where each field of ours is read from."""
CLUSTER_PLACES: Mapping[str, tuple[Place, ...]] = {
    "id": (("id",),),
    "subscription": (("id",),),
    "name": (("name",), ("id",)),
    "location": (("location",),),
    "tags": (("tags",),),
    "distribution": ((*P, "distribution"),),
    "kubernetes_version": ((*P, "kubernetesVersion"),),
    "agent_version": ((*P, "agentVersion"),),
    "connectivity": ((*P, "connectivityStatus"), (*P, "lastConnectivityTime")),
    "last_connectivity_at": ((*P, "lastConnectivityTime"),),
}


# --- extensions --------------------------------------------------------------------------

GOOD = Extension(
    name="osm",
    extension_type=OSM,
    version="1.2.6",
    current_version="1.2.6",
    auto_upgrade=AutoUpgrade.NONE,
    release_train="pilot",
    provisioning_state=ProvisioningState.SUCCEEDED,
    settings={"osm.a": "1", "osm.b": "2"},
    protected_keys=("osm.key",),
    namespace="arc-osm-system",
    is_read_only=True,
    modified_at="2026-01-10T02:00:00Z",
)
MODERN = {
    **GOOD_EXTENSION,
    "properties": {
        **{k: v for k, v in GOOD_EXTENSION["properties"].items() if not k.startswith("auto")},
        "autoUpgradeMode": "none",
    },
}


def is_true_of(found: Extension, document: Any) -> None:
    """Look that nothing is claimed that the answer does not say."""
    own = lowered(lowered(document).get("properties"))
    if found.provisioning_state is ProvisioningState.SUCCEEDED:
        assert str(own["provisioningstate"]).lower() == "succeeded"
    if found.current_version is not None and "currentversion" in own:
        assert found.current_version == own["currentversion"]
    if found.version is not None:
        assert found.version == own["version"]
    assert found.release_train == (own.get("releasetrain") or "stable")
    mode, flag = own.get("autoupgrademode"), own.get("autoupgrademinorversion")
    if mode is None:
        says_on = flag is None or str(flag).lower() == "true"
    else:
        says_on = str(mode).lower() == "compatible" or str(flag).lower() == "true"
    assert (found.auto_upgrade is AutoUpgrade.COMPATIBLE) is says_on
    if found.auto_upgrade is AutoUpgrade.PATCH:
        assert str(mode).lower() == "patch" or not own.get("version")
    if not found.is_system:
        assert str(own.get("issystemextension") or False).lower() == "false"
    if not found.is_read_only:
        access = lowered(own.get("managementdetails")).get("accessdetails") or []
        users = [one for one in map(lowered, access) if str(one.get("entity")) == "Users"]
        assert not any(one.get("allowedactions") in (["Read"], []) for one in users)
    assert len(found.error or "") <= 1200
    assert len(found.modified_at or "") <= 1024


@SOME
@given(rot=st.sampled_from((GOOD_EXTENSION, MODERN)).flatmap(lambda one: rotten(Say(body=one))))
def test_an_extension_is_read_as_it_is_said_to_be_or_not_at_all(rot: Rotten) -> None:
    door = Door()
    door.on("GET", "/extensions/osm", rot.say)

    found = came(lambda azure: azure.get(REF, IDS), door)

    assert len(door.got) <= 3
    if found.error is None:
        assert isinstance(found.value, Extension)
        is_true_of(found.value, rot.document)
        places = {
            field: tuple(
                (*P, "autoUpgradeMode")
                if one == (*P, "autoUpgradeMinorVersion") and "autoUpgradeMode" in str(rot.places)
                else one
                for one in where
            )
            for field, where in EXTENSION_PLACES.items()
        }
        read_as(found.value, GOOD, rot, places)


@SOME
@given(
    verb=st.sampled_from(AZURES),
    status=st.sampled_from((200, 201, 202)),
    url=st.sampled_from((f"{URL}/operations/1?s=x", "http://trap.invalid/1", "", "::", None)),
    rot=rotten(Say(body=GOOD_EXTENSION)),
)
def test_an_accepted_write_proves_nothing_that_its_answer_does_not_say(
    verb: Verb, status: int, url: str | None, rot: Rotten
) -> None:
    door = Door()
    headers = {} if url is None else {"Azure-AsyncOperation": url}
    said = dataclasses.replace(rot.say, status=status, headers={**headers, **rot.say.headers})
    door.on(verb.name, "/extensions/osm", said)
    write = Write(
        verb=verb, extension_type=OSM, namespace=None, location="westeurope", version="1.2.6"
    )

    found = came(lambda azure: azure.write(REF, write, IDS), door)

    assert len([one for one in door.got if one.method == verb.name]) == 1
    if found.error is None:
        assert isinstance(found.value, Accepted)
        accepted = found.value
        assert accepted.operation_url is None or accepted.operation_url.startswith(f"{URL}/")
        if accepted.extension is not None:
            is_true_of(accepted.extension, rot.document)
            read_as(accepted.extension, GOOD, rot, EXTENSION_PLACES)


CODES = st.sampled_from((400, 401, 403, 404, 408, 409, 412, 429, 500, 502, 503, 504))
FAILURE = {
    "error": {
        "code": "ResourceNotFound",
        "message": "Extension instance with name 'osm' not found.",
        "details": [{"code": "Inner", "message": "Why.", "line": 1, "token": "x"}],
    }
}


@FEW
@given(
    status=CODES,
    method=st.sampled_from(("get", "delete", "put", "graph", "cluster")),
    data=st.data(),
)
def test_a_rotten_refusal_is_still_a_refusal_and_absence_only_what_says_so(
    status: int, method: str, data: st.DataObject
) -> None:
    rot = data.draw(rotten(Say(status=status, body=FAILURE)))
    door = Door()
    for verb in ("GET", "PUT", "DELETE"):
        door.on(verb, "/connectedClusters/c1", rot.say)
    door.on("POST", GRAPH, rot.say)
    write = Write(verb=Verb.PUT, extension_type=OSM, namespace=None, location="westeurope")

    async def call(azure: AzureService) -> object:
        match method:
            case "get":
                return await azure.get(REF, IDS)
            case "cluster":
                return await azure.cluster(CLUSTER, IDS)
            case "graph":
                return await azure.graph.resources("x", subscriptions=("s1",), read=dict)
            case _:
                verb = Verb.PUT if method == "put" else Verb.DELETE
                return await azure.write(REF, dataclasses.replace(write, verb=verb), IDS)

    found = came(call, door)

    if found.error is None:
        assert (status, method) in ((404, "get"), (404, "delete"))
        message = lowered(lowered(rot.document).get("error") or rot.document).get("message")
        assert str(message).strip().lower().startswith("extension instance")


# --- operations --------------------------------------------------------------------------


@SOME
@given(
    status=st.sampled_from((200, 202)),
    good=st.sampled_from(
        (
            {"id": "x", "name": "1", "status": "Creating"},
            {"id": "x", "name": "1", "status": "Failed", "error": FAILURE["error"]},
        )
    ),
    data=st.data(),
)
def test_an_operation_has_succeeded_only_where_it_says_so(
    status: int, good: dict[str, Any], data: st.DataObject
) -> None:
    rot = data.draw(rotten(Say(status=status, body=good)))
    door = Door()
    door.on("GET", "/operations/1", rot.say)

    found = came(lambda azure: azure.operation(f"{URL}/operations/1?s={SECRET}", IDS), door)

    if found.error is not None:
        assert SECRET not in found.error.message
        return
    assert isinstance(found.value, OperationStatus)
    read: OperationStatus = found.value
    assert len(read.status) <= 100
    assert len(read.error or "") <= 1200
    assert read.retry_after_s is None or 0 < read.retry_after_s <= 1e9
    if read.has_succeeded:
        # By contract, where nothing at all is said of it.
        assert "status" not in rot.document
        assert status == 200
    if rot.spares(("status",)):
        assert read.is_terminal is (good["status"] == "Failed")


# --- clusters ----------------------------------------------------------------------------

READ_CLUSTER = Cluster(
    id=CLUSTER,
    name="c1",
    subscription="s1",
    resource_group="rg",
    location="westeurope",
    distribution="k3s",
    kubernetes_version="1.30.2",
    agent_version="1.20.3",
    connectivity=Connectivity.CONNECTED,
    last_connectivity_at=dt.datetime(2026, 1, 10, 1, 55, tzinfo=dt.UTC),
    tags={"env": "prod"},
)


@SOME
@given(rot=rotten(Say(body=GOOD_CLUSTER)))
def test_a_cluster_is_connected_only_where_it_says_so_and_since_when(rot: Rotten) -> None:
    door = Door()
    door.on("GET", "/connectedClusters/c1", rot.say)

    found = came(lambda azure: azure.cluster(CLUSTER, IDS), door)

    if found.error is None:
        assert isinstance(found.value, Cluster)
        read: Cluster = found.value
        read_as(read, READ_CLUSTER, rot, CLUSTER_PLACES)
        if read.is_reachable:
            own = lowered(lowered(rot.document)["properties"])
            assert own["connectivitystatus"].lower() == "connected"
            assert read.last_connectivity_at is not None


# --- who we are ----------------------------------------------------------------------------

GOOD_TOKEN = scripted.token()


@SOME
@given(rot=rotten(GOOD_TOKEN), status=st.sampled_from((200, 200, 400, 401, 429, 503)))
def test_nobody_is_somebody_because_a_token_could_not_be_read(rot: Rotten, status: int) -> None:
    door = Door()
    door.on("POST", scripted.TOKEN_PATH, dataclasses.replace(rot.say, status=status))
    door.on("GET", "/extensions/osm", Say(body=GOOD_EXTENSION))

    async def call(azure: AzureService) -> object:
        identity = await azure.identity()
        await azure.get(REF, IDS)
        return identity

    found = came(call, door)

    sent = [one for one in door.got if one.method == "GET"]
    assert all(one.headers["authorization"].isprintable() for one in sent)
    if found.error is not None:
        assert SECRET not in found.error.message
    else:
        assert status == 200
        known = (found.value.tenant, found.value.principal)
        assert known == ("tenant-1", "principal-1") or not rot.spares(("access_token",))


# --- over HTTP ---------------------------------------------------------------------------

TIME = {"now": "2026-01-10T02:00:00+00:00", "timeScale": "60", "seed": 7}


@settings(FEW, max_examples=60)
@given(rot=rotten(Say(body=TIME)))
def test_a_time_is_told_or_not_and_never_one_that_cannot_be(rot: Rotten) -> None:
    async def asked() -> PublishedTime | None:
        async with scripted.serving() as server:
            server.on("GET", "/metadata/simulation", rot.say)
            place = clouds.place(cloud=None, endpoint=server.url, audience=None)
            return await published_time(place, clock=scripted.SkippingClock())

    try:
        found = asyncio.run(asked())
    except RemoteError as error:
        is_fit(error)
        return
    assert found is not None
    assert 2000 <= found.now.year < 2200
    assert 0 < found.scale <= 10**9
    if rot.spares(("now",), ("timeScale",)):
        assert (found.now.isoformat(), str(found.scale)) == ("2026-01-10T02:00:00+00:00", "60")


@settings(FEW, max_examples=60)
@given(
    rot=rotten(Say(body=GOOD_EXTENSION)),
    spoiled=st.sampled_from(
        (
            {},
            {"Content-Type": "application/json; charset=no-such"},
            {"Content-Type": "text/html"},
            {"Content-Encoding": "gzip"},
            {"Content-Encoding": "no-such"},
        )
    ),
    breaks_off=st.booleans(),
)
def test_over_http_an_answer_is_read_as_it_is_without_a_network(
    rot: Rotten, spoiled: dict[str, str], breaks_off: bool
) -> None:
    """Whatever is wrong with how it is sent is an error, and the rest the same."""
    said = dataclasses.replace(
        rot.say, headers={**_sendable(rot.say.headers), **spoiled}, breaks_off=breaks_off
    )
    door = Door()
    door.on("GET", "/extensions/osm", said)

    async def asked() -> Came:
        async with scripted.speaking() as line:
            line.server.on("GET", "/extensions/osm", said)
            try:
                return Came(await line.azure.get(REF, IDS))
            except RemoteError as error:
                return Came(error=error)

    found = asyncio.run(asked())

    if found.error is not None:
        is_fit(found.error)
    # NB: a packing that nobody knows is none: what came is read as it came.
    if not breaks_off and spoiled.get("Content-Encoding") != "gzip":
        direct = came(lambda azure: azure.get(REF, IDS), door)
        assert (found.value, str(found.error)) == (direct.value, str(direct.error))
    else:
        assert found.value is None


def _sendable(headers: Mapping[str, str]) -> Mapping[str, str]:
    return {name: value for name, value in headers.items() if value.isascii()}


@pytest.mark.parametrize("spoil", rotting.TEXTS)
def test_the_rig_writes_what_it_is_told_to(spoil: bytes) -> None:
    assert rotting._encoded({"a": [1]}, {("a", 0): rotting.Raw(spoil)}) == b'{"a":[' + spoil + b"]}"
