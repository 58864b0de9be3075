"""In which api-version extensions are spoken of, and what each has words for."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from fleet.azure import clouds, dialects, payloads, service
from fleet.errors import DeniedError, InputError, RemoteError
from fleet.model.cluster import AutoUpgrade, ClusterId
from fleet.model.plan import Verb
from fleet.model.scope import Scope
from fleet.ports import ExtensionRef, Write
from tests.rig import serving
from tests.rig.scripted import IDS, Say, SkippingClock, failure, speaking
from tests.rig.serving import Stage

MODERN = "2025-03-01"
CLUSTER = ClusterId(
    "/subscriptions/s1/resourceGroups/rg/providers/Microsoft.Kubernetes/connectedClusters/c1"
)
REF = ExtensionRef(cluster_id=CLUSTER, name="osm")
SHOWN = {"name": "osm", "properties": {"extensionType": "microsoft.openservicemesh"}}
PROVIDER = "/providers/Microsoft.KubernetesConfiguration?api-version=2021-04-01"


def write(verb: Verb, **fields: Any) -> Write:
    base = Write(
        verb=verb,
        extension_type="Microsoft.openservicemesh",
        namespace="arc-osm-system",
        location="westeurope",
    )
    return dataclasses.replace(base, **fields)


def metadata(*versions: str) -> Say:
    types = [
        {"resourceType": "fluxConfigurations", "apiVersions": ["2099-01-01"]},
        {"resourceType": "Extensions", "apiVersions": list(versions)},
    ]
    return Say(body={"registrationState": "Registered", "resourceTypes": types})


# --- what is sent ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("api_version", "wish", "carried"),
    [
        ("2022-11-01", AutoUpgrade.COMPATIBLE, {"autoUpgradeMinorVersion": True}),
        ("2023-05-01", AutoUpgrade.NONE, {"autoUpgradeMinorVersion": False}),
        ("2024-11-01", AutoUpgrade.COMPATIBLE, {"autoUpgradeMinorVersion": True}),
        (MODERN, AutoUpgrade.NONE, {"autoUpgradeMode": "none"}),
        (MODERN, AutoUpgrade.PATCH, {"autoUpgradeMode": "patch"}),
        (MODERN, AutoUpgrade.COMPATIBLE, {"autoUpgradeMode": "compatible"}),
        (MODERN, None, {}),
    ],
)
@pytest.mark.parametrize("verb", [Verb.PUT, Verb.PATCH])
async def test_each_api_version_is_asked_for_by_name_and_in_its_own_words(
    verb: Verb, api_version: str, wish: AutoUpgrade | None, carried: dict[str, Any]
) -> None:
    async with speaking() as line:
        line.server.on(verb.name, "/extensions/osm", Say(body=SHOWN))
        azure = line.azure.speaking(api_version)
        await azure.write(REF, write(verb, auto_upgrade=wish, release_train="stable"), IDS)
        (sent,) = line.server.sent(verb.name)

    assert sent.path.endswith(f"/extensions/osm?api-version={api_version}")
    properties = sent.json["properties"]
    said = {name: one for name, one in properties.items() if name.startswith("autoUpgrade")}
    assert said == carried
    assert properties["releaseTrain"] == "stable"


async def test_reads_and_deletes_are_spoken_in_it_too() -> None:
    async with speaking() as line:
        line.server.on("GET", "/extensions/osm", Say(body=SHOWN))
        line.server.on("DELETE", "/extensions/osm", Say(status=204))
        azure = line.azure.speaking(MODERN)
        await azure.get(REF, IDS)
        await azure.write(REF, write(Verb.DELETE), IDS)
        paths = [one.path for one in line.server.sent(part="/extensions/osm")]

    assert [path.rpartition("?")[2] for path in paths] == [
        f"api-version={MODERN}",
        f"api-version={MODERN}&forceDelete=false",
    ]


@pytest.mark.parametrize("api_version", ["2022-11-01", "2023-05-01", "2024-11-01"])
async def test_patches_alone_cannot_be_said_before_there_were_modes(api_version: str) -> None:
    async with speaking() as line:
        azure = line.azure.speaking(api_version)
        with pytest.raises(InputError, match=f"cannot be said in api-version {api_version}"):
            await azure.write(REF, write(Verb.PATCH, auto_upgrade=AutoUpgrade.PATCH), IDS)

        assert line.server.sent("PATCH") == []


async def test_an_api_version_that_is_not_spoken_here_is_refused_before_anything_is_sent() -> None:
    place = clouds.place(cloud=None, endpoint="http://127.0.0.1:9", audience=None)
    with pytest.raises(InputError, match="'2021-09-01' is no api-version") as caught:
        async with service.connected(place, clock=SkippingClock(), api_version="2021-09-01"):
            pass

    assert caught.value.hint == "One of: 2022-11-01, 2023-05-01, 2024-11-01, 2025-03-01."


# --- what is read ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("properties", "expected"),
    [
        ({"autoUpgradeMode": "patch", "autoUpgradeMinorVersion": True}, AutoUpgrade.PATCH),
        ({"autoUpgradeMode": "None", "version": "1.2.6"}, AutoUpgrade.NONE),
        ({"autoUpgradeMinorVersion": False, "version": "1.2.6"}, AutoUpgrade.NONE),
        ({"autoUpgradeMinorVersion": False, "version": None}, AutoUpgrade.PATCH),
        ({"autoUpgradeMinorVersion": True, "version": None}, AutoUpgrade.COMPATIBLE),
        ({}, AutoUpgrade.COMPATIBLE),
    ],
)
def test_both_shapes_are_read_as_one_of_three(
    properties: dict[str, Any], expected: AutoUpgrade
) -> None:
    own = {"extensionType": "x.y", "currentVersion": "1.2.6", **properties}

    found = payloads.extension({"name": "osm", "properties": own}, where="c1")

    assert found.auto_upgrade is expected
    assert found.version == ("1.2.6" if expected is AutoUpgrade.NONE else None)


def test_an_old_shape_without_a_current_version_is_pinned_where_the_flag_is_off() -> None:
    own = {"extensionType": "x.y", "autoUpgradeMinorVersion": False, "installState": "Pending"}

    found = payloads.extension({"name": "osm", "properties": own}, where="c1")

    assert found.auto_upgrade is AutoUpgrade.NONE


# --- what is offered ---------------------------------------------------------------------


async def test_only_what_every_subscription_routes_and_we_speak_is_common() -> None:
    async with speaking() as line:
        line.server.on("GET", f"/s1{PROVIDER}", metadata(MODERN, "2024-11-01", "2023-05-01"))
        line.server.on("GET", f"/s2{PROVIDER}", metadata("2026-01-01", MODERN, "2023-05-01"))
        found = await line.azure.api_versions(["s1", "s2", "s1"])

        assert len(line.server.sent("GET")) == 2
    assert found == ["2023-05-01", MODERN]


async def test_metadata_without_the_type_offers_nothing_and_a_refusal_is_told() -> None:
    async with speaking() as line:
        line.server.on("GET", PROVIDER, Say(body={"resourceTypes": None}))
        assert await line.azure.api_versions(["s1"]) == []
        odd = {"resourceType": "extensions", "apiVersions": [7, None, ["2023-05-01"], "x" * 5000]}
        types = [None, 7, {"resourceType": ["extensions"]}, odd]
        line.server.on("GET", PROVIDER, Say(body={"resourceTypes": types}))
        assert await line.azure.api_versions(["s1"]) == []

        line.server.on("GET", PROVIDER, failure(403, "AuthorizationFailed"))
        with pytest.raises(DeniedError):
            await line.azure.api_versions(["s1"])


@pytest.mark.parametrize("api_version", ["2022-11-01", "2023-05-01", "2024-11-01", MODERN])
def test_what_is_spoken_is_known(api_version: str) -> None:
    assert dialects.known(api_version) == api_version


# --- the whole way, against the simulator ------------------------------------------------


async def test_patches_alone_are_set_and_read_back_in_a_simulated_azure() -> None:
    """In the words of each api-version, and by discovery, which has words of its own."""
    async with serving.staged() as stage, _connected(stage, MODERN) as azure:
        ref = ExtensionRef(cluster_id=ClusterId(stage.cluster(0)), name="osm")
        wish = write(Verb.PATCH, auto_upgrade=AutoUpgrade.PATCH, release_train="stable")
        taken = await azure.write(ref, wish, IDS)
        assert taken.operation_url is not None
        stage.wait(minutes=5)
        ended = await azure.operation(taken.operation_url, IDS)
        read = [
            await azure.speaking(version).get(ref, IDS)
            for version in await azure.api_versions([_subscription(stage)])
        ]
        inventory = await azure.inventory(
            Scope(), extension_type="microsoft.openservicemesh", release_train=None
        )
        raw = await stage.caller.get(stage.extension(0), api_version=MODERN)

    assert ended.has_succeeded
    assert raw.json["properties"]["autoUpgradeMode"] == "patch"
    assert [one and one.auto_upgrade for one in read] == [AutoUpgrade.PATCH] * 4
    modes = {one.id: one.extensions[0].auto_upgrade for one in inventory.clusters}
    assert modes.pop(ref.cluster_id) is AutoUpgrade.PATCH
    assert set(modes.values()) == {AutoUpgrade.NONE}


async def test_an_api_version_that_the_endpoint_does_not_route_is_a_plain_refusal() -> None:
    async with speaking() as line:
        line.server.on("GET", "/extensions/osm", failure(400, "InvalidApiVersionParameter"))
        with pytest.raises(RemoteError) as caught:
            await line.azure.speaking(MODERN).get(REF, IDS)

    assert caught.value.hint == "This endpoint does not offer the api-version that fleet speaks."


def _connected(stage: Stage, api_version: str) -> Any:
    place = clouds.place(cloud=None, endpoint=stage.base, audience=None)
    return service.connected(place, clock=stage.clock, api_version=api_version)


def _subscription(stage: Stage) -> str:
    return stage.cluster(0).split("/")[2]
