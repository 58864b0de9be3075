from __future__ import annotations

import copy
import dataclasses
from typing import Any
from urllib.parse import quote

import aiohttp
import pytest

from fleet.model.cluster import AutoUpgrade
from fleet.sim import stock
from fleet.sim.recipe import Faults, Special
from tests.rig.serving import CALM, EXTENSIONS, Heard, Stage, staged, with_faults

PIN = {"properties": {"version": "1.2.6", "autoUpgradeMinorVersion": False}}
INSTALL = {
    "identity": {"type": "SystemAssigned"},
    "properties": {
        "extensionType": "Microsoft.OpenServiceMesh",
        "autoUpgradeMinorVersion": False,
        "releaseTrain": "Stable",
        "version": "1.2.6",
        "scope": {"cluster": {}},
        "configurationSettings": {"osm.b": "2"},
        "configurationProtectedSettings": {"osm.secret": "s3cret"},
    },
}
EMPTY = dataclasses.replace(
    CALM, extensions=(dataclasses.replace(stock.OSM, installed={"absent": 1}),)
)


async def get(stage: Stage, **query: str) -> Heard:
    return await stage.caller.get(stage.extension(), **{"api_version": EXTENSIONS, **query})


async def send(stage: Stage, method: str, body: Any = None, **query: str) -> Heard:
    given = {"api_version": EXTENSIONS, **query}
    return await stage.caller.send(method, stage.extension(), body=body, query=given)


async def ended(stage: Stage, heard: Heard) -> Any:
    """Wait for an operation's end, and return how it ended."""
    url = heard.headers["Azure-AsyncOperation"]
    before = await stage.caller.get(url)
    assert before.status == 200
    stage.wait(seconds=61)
    after = await stage.caller.get(url)
    path = url.removeprefix(stage.base).partition("?")[0]
    serial = path.rpartition("/")[2]
    assert {**after.json, "status": before.json["status"]} == {
        **before.json,
        **({"error": after.json["error"]} if "error" in after.json else {}),
    }
    assert (after.json["id"], after.json["name"]) == (path, serial)
    return before.json["status"], after.json["status"], after.json.get("error")


async def test_an_extension_is_shown_with_nulls_written_and_protected_values_blanked() -> None:
    async with staged() as stage:
        heard = await get(stage)

    principal = heard.json["identity"]["principalId"]
    stamp = "2025-10-12T02:00:00.0000000+00:00"
    assert (heard.status, heard.json) == (
        200,
        {
            "id": stage.extension(),
            "name": "osm",
            "type": "Microsoft.KubernetesConfiguration/extensions",
            "properties": {
                "extensionType": "microsoft.openservicemesh",
                "autoUpgradeMinorVersion": False,
                "releaseTrain": "Stable",
                "version": "1.1.1",
                "currentVersion": "1.1.1",
                "scope": {"cluster": {"releaseNamespace": "arc-osm-system"}},
                "provisioningState": "Succeeded",
                "configurationSettings": {"osm.a": "1"},
                "configurationProtectedSettings": {"osm.key": ""},
                "statuses": [],
                "aksAssignedIdentity": None,
                "isSystemExtension": False,
            },
            "systemData": {
                "createdBy": None,
                "createdByType": None,
                "createdAt": stamp,
                "lastModifiedBy": None,
                "lastModifiedByType": None,
                "lastModifiedAt": stamp,
            },
            "identity": {"type": "SystemAssigned", "principalId": principal},
        },
    )


async def test_an_extension_of_a_namespace_is_shown_as_one() -> None:
    scope = {"namespace": {"targetNamespace": "shop"}}
    body: Any = copy.deepcopy(INSTALL)
    body["properties"]["scope"] = scope
    async with staged(EMPTY) as stage:
        written = await send(stage, "PUT", body)
        await ended(stage, written)
        heard = await get(stage)

    assert written.json["properties"]["scope"] == scope
    assert heard.json["properties"]["scope"] == scope


async def test_an_extension_that_is_not_there_is_missed_by_the_provider() -> None:
    async with staged(EMPTY) as stage:
        heard = await get(stage)
        patched = await send(stage, "PATCH", PIN)
        deleted = await send(stage, "DELETE")

    assert heard.json == {
        "error": {
            "code": "ResourceNotFound",
            "message": "Extension instance with name 'osm' not found.",
            "additionalInfo": [],
        }
    }
    assert "x-ms-failure-cause" not in heard.headers
    assert (heard.status, patched.status, deleted.status) == (404, 404, 204)
    assert (patched.json, deleted.body) == (heard.json, b"")


async def test_an_install_answers_201_and_is_there_after_its_operation() -> None:
    async with staged(EMPTY) as stage:
        stage.wait(minutes=1)
        heard = await send(stage, "PUT", INSTALL)
        meanwhile = await get(stage)
        operation = await ended(stage, heard)
        after = await get(stage)
        listed = await stage.caller.get(
            stage.extension().rpartition("/")[0], api_version=EXTENSIONS
        )

    properties = heard.json["properties"]
    assert heard.status == 201
    assert (properties["provisioningState"], properties["currentVersion"]) == ("Creating", None)
    assert meanwhile.json["properties"] == {**properties, "currentVersion": "1.2.6"}
    assert operation == ("Creating", "Succeeded", None)
    assert after.json["properties"] == {
        "extensionType": "microsoft.openservicemesh",
        "autoUpgradeMinorVersion": False,
        "releaseTrain": "Stable",
        "version": "1.2.6",
        "currentVersion": "1.2.6",
        "scope": {"cluster": {"releaseNamespace": "arc-osm-system"}},
        "provisioningState": "Succeeded",
        "configurationSettings": {"osm.b": "2"},
        "configurationProtectedSettings": {"osm.secret": ""},
        "statuses": [],
        "aksAssignedIdentity": None,
        "isSystemExtension": False,
    }
    assert after.json["systemData"]["createdAt"] == "2026-01-10T02:01:00.0000000+00:00"
    assert listed.json == {"value": [after.json], "nextLink": None}


async def test_the_operation_is_here_and_the_location_is_a_host_of_the_provider_s() -> None:
    async with staged() as stage:
        heard = await send(stage, "PATCH", PIN)
        url = heard.headers["Azure-AsyncOperation"]
        whole, cut = await stage.caller.get(url), await stage.caller.get(url[:-4])
        unknown = await stage.caller.get(url.replace("/operations/", "/operations/0"))
        location = stage.extension().split("/")[4].removeprefix("rg-")

    assert url.startswith(f"{stage.base}/subscriptions/")
    assert "/ConnectedClusters/" in url
    assert 3200 < len(url) < 3500
    assert heard.headers["Location"] == (
        f"https://{location}.rp.kubernetesconfiguration.azure.com"
        + stage.extension().replace("connectedClusters", "ConnectedClusters")
    )
    assert (whole.status, cut.status, unknown.status) == (200, 404, 404)
    assert "Retry-After" not in heard.headers


async def test_a_patch_answers_202_and_the_same_again_200() -> None:
    async with staged() as stage:
        stage.wait(minutes=5)
        heard = await send(stage, "PATCH", PIN)
        operation = await ended(stage, heard)
        after = await get(stage)
        again = await send(stage, "PATCH", PIN)

    shown = heard.json["properties"]
    assert (heard.status, shown["provisioningState"], shown["version"]) == (
        202,
        "Updating",
        "1.2.6",
    )
    assert operation == ("Updating", "Succeeded", None)
    assert after.json["properties"]["currentVersion"] == "1.2.6"
    system = after.json["systemData"]
    assert system["lastModifiedAt"] == "2026-01-10T02:05:00.0000000+00:00"
    assert system["createdAt"] < system["lastModifiedAt"]
    assert (again.status, again.json) == (200, after.json)
    assert "Azure-AsyncOperation" not in again.headers


async def test_a_put_over_what_is_there_answers_200() -> None:
    async with staged() as stage:
        heard = await send(stage, "PUT", INSTALL)

    assert heard.status == 200
    assert heard.json["properties"]["provisioningState"] == "Updating"
    assert "Azure-AsyncOperation" in heard.headers


async def test_a_deletion_answers_202_and_then_204() -> None:
    async with staged() as stage:
        heard = await send(stage, "DELETE", forceDelete="false")
        meanwhile = await get(stage)
        operation = await ended(stage, heard)
        gone = await get(stage)
        again = await send(stage, "DELETE")

    assert (heard.status, heard.body) == (202, b"")
    assert meanwhile.json["properties"]["provisioningState"] == "Deleting"
    assert operation == ("Deleting", "Succeeded", None)
    assert (gone.status, again.status) == (404, 204)


async def test_a_forced_deletion_is_over_at_once_even_while_another_operation_runs() -> None:
    async with staged() as stage:
        await send(stage, "PATCH", PIN)
        heard = await send(stage, "DELETE", forceDelete="true")
        gone = await get(stage)
        listed = await stage.caller.get(
            stage.extension().rpartition("/")[0], api_version=EXTENSIONS
        )
        again = await send(stage, "DELETE", forceDelete="true")
        stage.wait(minutes=5)
        later = await get(stage)
        effects = len(stage.served.plane.azure.world.effects)

    assert (heard.status, heard.json["statusCode"]) == (200, 200)
    assert heard.json["isSuccessStatusCode"] is True
    assert (gone.status, listed.json["value"], again.status, later.status) == (404, [], 204, 404)
    assert effects == 3


async def test_a_version_that_does_not_exist_fails_the_operation_and_the_extension() -> None:
    body = {"properties": {"version": "1.2.99", "autoUpgradeMinorVersion": False}}
    async with staged() as stage:
        _, word, error = await ended(stage, await send(stage, "PATCH", body))
        after = await get(stage)

    assert (word, error["code"]) == ("Failed", "ExtensionOperationFailed")
    said = "The extension operation failed with the following error:  "
    assert error["message"].startswith(f"{said}Failed to resolve the extension version")
    properties = after.json["properties"]
    assert (properties["provisioningState"], properties["version"]) == ("Failed", "1.2.99")
    assert properties["currentVersion"] == "1.2.99"
    assert properties["statuses"] == [
        {
            "code": "InstallationFailed",
            "displayStatus": None,
            "level": None,
            "message": error["message"].removeprefix(said),
            "time": None,
        }
    ]


async def test_a_write_while_another_runs_fails_as_an_operation() -> None:
    async with staged() as stage:
        await send(stage, "PATCH", PIN)
        heard = await send(stage, "PATCH", {"properties": {"configurationSettings": {"x": "y"}}})
        _, word, error = await ended(stage, heard)

    assert (heard.status, word, error["code"]) == (202, "Failed", "UpdateFailed")
    assert "conflicting operation in progress" in error["message"]


async def test_a_conflict_at_once_is_a_409() -> None:
    async with staged(with_faults(Faults(conflict_ppm=1_000_000))) as stage:
        answers = [
            await stage.caller.send(
                "PATCH", stage.extension(number), body=PIN, api_version=EXTENSIONS
            )
            for number in range(12)
        ]

    statuses = {one.status for one in answers}
    assert statuses == {202, 409}
    refused = next(one for one in answers if one.status == 409)
    assert refused.json["error"]["code"] == "UpdateFailed"


@pytest.mark.parametrize(
    ("faults", "has_effect"),
    [(Faults(reset_before_ppm=1_000_000), False), (Faults(reset_after_ppm=1_000_000), True)],
)
async def test_a_lost_answer_is_a_connection_that_breaks(
    faults: Faults, *, has_effect: bool
) -> None:
    async with staged(with_faults(faults)) as stage:
        with pytest.raises(aiohttp.ClientConnectionError):
            await send(stage, "PATCH", PIN)
        after = await get(stage)

    properties = after.json["properties"]
    expected = ("Updating", "1.2.6") if has_effect else ("Succeeded", "1.1.1")
    assert (properties["provisioningState"], properties["version"]) == expected


@pytest.mark.parametrize(
    ("method", "body", "status", "code"),
    [
        ("PUT", b"{", 400, "InvalidRequestContent"),
        ("PUT", {}, 400, "BadRequest"),
        ("PUT", [], 400, "BadRequest"),
        ("PUT", {"properties": {}}, 400, "BadRequest"),
        ("PUT", {"properties": {"extensionType": 5}}, 400, "BadRequest"),
        (
            "PUT",
            {"properties": {"extensionType": "Contoso.Other", "version": "1.0.0"}},
            400,
            "BadRequest",
        ),
        ("PATCH", {"properties": {"scope": {}}}, 400, "BadRequest"),
        ("PATCH", {"properties": {"configurationSettings": {"a": 1}}}, 400, "BadRequest"),
        ("PATCH", {"properties": {"autoUpgradeMinorVersion": "no"}}, 400, "BadRequest"),
        ("PATCH", {"properties": {"autoUpgradeMode": "sometimes"}}, 400, "BadRequest"),
        (
            "PATCH",
            {"properties": {"version": "1.2.6", "autoUpgradeMinorVersion": True}},
            400,
            "BadRequest",
        ),
        ("PATCH", {"properties": {"version": 1.2}}, 400, "BadRequest"),
    ],
)
async def test_bodies_are_checked_as_the_provider_does(
    method: str, body: Any, status: int, code: str
) -> None:
    async with staged() as stage:
        heard = await send(stage, method, body)
        after = await get(stage)

    assert heard.status == status, heard.body
    assert heard.json["error"]["code"] == code
    assert after.json["properties"]["provisioningState"] == "Succeeded"


async def test_a_body_must_say_that_it_is_json() -> None:
    async with staged() as stage:
        heard = await stage.caller.send(
            "PATCH",
            stage.extension(),
            body=b"{}",
            headers={"Content-Type": "text/plain"},
            api_version=EXTENSIONS,
        )

    assert (heard.status, heard.json["error"]["code"]) == (415, "UnsupportedMediaType")


async def test_2025_03_01_knows_modes_and_says_who_may_write() -> None:
    special = Special(cluster="store-0001-a", is_read_only=True)
    async with staged(dataclasses.replace(CALM, specials=(special,))) as stage:
        heard = await get(stage, api_version="2025-03-01")
        older = await get(stage)
        denied = await send(stage, "PATCH", PIN)
        number = 1
        body = {"properties": {"autoUpgradeMode": "patch"}}
        other = await stage.caller.send(
            "PATCH", stage.extension(number), body=body, api_version="2025-03-01"
        )

    added = {
        name: value
        for name, value in heard.json["properties"].items()
        if name not in older.json["properties"]
    }
    (access,) = added["managementDetails"].pop("accessDetails")
    assert added == {"autoUpgradeMode": "none", "managementDetails": {"category": "managed"}}
    assert (access["entity"], access["allowedActions"]) == ("Users", ["Read"])
    assert (denied.status, denied.json["error"]["code"]) == (403, "Forbidden")
    mode = other.json["properties"]["autoUpgradeMode"]
    assert (other.status, AutoUpgrade(mode)) == (202, AutoUpgrade.PATCH)


async def test_protected_values_come_back_nowhere() -> None:
    async with staged(EMPTY) as stage:
        heard = [await send(stage, "PUT", INSTALL), await get(stage)]
        stage.wait(minutes=5)
        heard += [await get(stage), await stage.caller.ask("kubernetesconfigurationresources")]

    assert all(b"s3cret" not in one.body for one in heard)
    assert b"osm.secret" in heard[-1].body


@pytest.mark.parametrize("name", ["a b", "a\nb", "\u00e9"])
async def test_a_strange_name_ends_no_header_and_its_operation_can_be_followed(name: str) -> None:
    async with staged(EMPTY) as stage:
        path = stage.extension(name=quote(name))
        heard = await stage.caller.send("PUT", path, body=INSTALL, api_version=EXTENSIONS)
        url = heard.headers["Azure-AsyncOperation"]
        operation = await stage.caller.get(url)

    assert (heard.status, heard.json["name"]) == (201, name)
    assert f"/extensions/{quote(name)}/operations/" in url
    assert heard.headers["Location"].endswith(f"/extensions/{quote(name)}")
    assert operation.json["status"] == "Creating"


async def test_who_was_written_without_an_identity_has_none() -> None:
    body = {name: value for name, value in INSTALL.items() if name != "identity"}
    async with staged(EMPTY) as stage:
        made = await send(stage, "PUT", body)
        shown = await get(stage)
        again = await send(stage, "PUT", INSTALL)
        (listed,) = (
            await stage.caller.get(stage.extension().rpartition("/")[0], api_version=EXTENSIONS)
        ).json["value"]

    assert "identity" not in made.json
    assert "identity" not in shown.json
    assert "identity" not in again.json  # it came in the way of the first one
    assert "identity" not in listed


async def test_a_refusal_tells_versions_where_the_provider_made_it() -> None:
    async with staged(EMPTY) as stage:
        ours = await get(stage)
        gateway_s = await stage.caller.get(
            stage.extension().replace("/store-", "/shop-"), api_version=EXTENSIONS
        )

    assert (ours.status, gateway_s.status) == (404, 404)
    assert ours.headers["api-supported-versions"].startswith("2022-11-01, 2023-05-01")
    assert "api-supported-versions" not in gateway_s.headers
