"""What a simulated Azure remembers of writes, and what lets a client into a cluster."""

from __future__ import annotations

import base64
import dataclasses
from typing import Any

import aiohttp
import pytest

from fleet.sim.recipe import Faults, Permissions, Wire
from tests.rig.serving import CALM, EXTENSIONS, Heard, Stage, staged, with_faults

SINCE = "eventTimestamp ge '2026-01-10T00:00:00Z'"
CORRELATION = "aaaaaaaa-0000-4000-8000-000000000001"
OTHER = "aaaaaaaa-0000-4000-8000-000000000002"


async def patched(stage: Stage, version: str, *, correlation: str = CORRELATION) -> Heard:
    properties = {"version": version, "autoUpgradeMinorVersion": False}
    return await stage.caller.send(
        "PATCH",
        stage.extension(),
        body={"properties": properties},
        headers={"x-ms-correlation-request-id": correlation, "x-ms-client-request-id": "mine"},
        api_version=EXTENSIONS,
    )


async def events(stage: Stage, filtered: str, **query: str) -> list[dict[str, Any]]:
    heard = await asked(stage, filtered, **query)
    assert heard.status == 200, heard.body
    found: list[dict[str, Any]] = heard.json["value"]
    return found


async def asked(stage: Stage, filtered: str, **query: str) -> Heard:
    subscription = stage.cluster().split("/")[2]
    path = (
        f"/subscriptions/{subscription}/providers/microsoft.insights/eventtypes/management/values"
    )
    return await stage.caller.send(
        "GET", path, query={"$filter": filtered, **query}, api_version="2015-04-01"
    )


def statuses(found: list[dict[str, Any]]) -> list[str]:
    return [one["status"]["value"] for one in found]


async def test_a_write_is_found_by_its_correlation_id_from_beginning_to_end() -> None:
    async with staged() as stage:
        await patched(stage, "1.2.6")
        await patched(stage, "1.2.6", correlation=OTHER)
        mine = f"{SINCE} and correlationId eq '{CORRELATION}'"
        before = await events(stage, mine)
        stage.wait(minutes=2)
        after = await events(stage, mine)
        extension, tenant = stage.extension(), stage.served.plane.tenant

    assert statuses(before) == ["Started", "Accepted"]
    assert statuses(after)[0] == "Succeeded"
    assert after[1:] == before
    assert after[0]["eventTimestamp"] == "2026-01-10T02:01:00.000000Z"
    begun = before[0]
    assert len({one["eventDataId"] for one in after}) == 3
    assert begun["caller"] != "simulated"
    assert begun["authorization"] == {
        "action": "Microsoft.KubernetesConfiguration/extensions/write",
        "scope": extension,
    }
    assert begun["httpRequest"] == {"clientRequestId": "mine", "method": "PATCH"}
    assert (begun["correlationId"], begun["tenantId"]) == (CORRELATION, tenant)


async def test_who_wrote_is_who_the_token_was_given_to() -> None:
    async with staged() as stage:
        other = await stage.stranger.log_in("somebody-else")
        await patched(stage, "1.2.6")
        await other.send("DELETE", stage.extension(1), api_version=EXTENSIONS)
        found = await events(stage, SINCE)

    assert len({one["caller"] for one in found}) == 2
    assert {one["operationName"]["value"].rsplit("/", 1)[1] for one in found} == {
        "write",
        "delete",
    }


async def test_a_write_whose_answer_was_lost_is_there_and_one_that_never_came_is_not() -> None:
    for faults, count in (
        (Faults(reset_after_ppm=1_000_000), 2),
        (Faults(reset_before_ppm=1_000_000), 0),
    ):
        async with staged(with_faults(faults)) as stage:
            with pytest.raises(aiohttp.ClientConnectionError):
                await patched(stage, "1.2.6")
            assert len(await events(stage, SINCE)) == count


async def test_what_was_refused_and_what_failed_is_told() -> None:
    async with staged(with_faults(Faults(throttled_ppm=1_000_000))) as stage:
        await patched(stage, "1.2.6")
        refused = await events(stage, SINCE)
    async with staged() as stage:
        await patched(stage, "9.9.9")
        stage.wait(minutes=2)
        failed = await events(stage, SINCE)

    assert statuses(refused) == ["Started", "Failed"]
    assert refused[1]["subStatus"]["value"] == "429"
    assert statuses(failed)[0] == "Failed"
    assert "9.9.9" in failed[0]["properties"]["statusMessage"]


@pytest.mark.parametrize(
    ("condition", "count"),
    [
        ("", 2),
        (" and eventTimestamp le '2026-01-10T03:00:00Z'", 2),
        (" and eventTimestamp le '2026-01-10T01:00:00'", 0),
        (" and resourceProvider eq 'microsoft.kubernetesconfiguration'", 2),
        (" and resourceProvider eq 'Microsoft.Compute'", 0),
        (" and resourceGroupName eq 'no'", 0),
        (" and resourceUri eq '{}'", 2),
    ],
)
async def test_conditions_select(condition: str, count: int) -> None:
    async with staged() as stage:
        await patched(stage, "1.2.6")
        found = await events(stage, SINCE + condition.format(stage.extension().upper()))

    assert len(found) == count


@pytest.mark.parametrize(
    "filtered",
    [
        "",
        f"correlationId eq '{CORRELATION}'",
        "eventTimestamp ge 'yesterday'",
        "eventTimestamp le '2026-01-10T03:00:00Z'",
        f"{SINCE} and caller eq 'x'",
        f"{SINCE} and correlationId eq 'x' and resourceUri eq 'y'",
        f"{SINCE} and correlationId ge 'x'",
        f"{SINCE} or correlationId eq 'x'",
    ],
)
async def test_a_filter_that_the_log_does_not_take_is_refused(filtered: str) -> None:
    async with staged() as stage:
        heard = await asked(stage, filtered)

    assert (heard.status, heard.json["error"]["code"]) == (400, "BadRequest")


async def test_only_what_is_selected_is_told() -> None:
    async with staged() as stage:
        await patched(stage, "1.2.6")
        found = await events(stage, SINCE, **{"$select": "correlationId, nonsense"})

    assert found == [{"correlationId": CORRELATION}] * 2


# --- credentials -------------------------------------------------------------------------


async def credential(stage: Stage, body: Any, cluster: str | None = None) -> Heard:
    path = f"{cluster or stage.cluster()}/listClusterUserCredential"
    return await stage.caller.send("POST", path, body=body, api_version="2024-01-01")


async def test_a_user_gets_a_kubeconfig_and_a_way_through_the_relay() -> None:
    async with staged() as stage:
        heard = await credential(stage, {"authenticationMethod": "AAD", "clientProxy": True})
        plain = await credential(stage, {"authenticationMethod": "Token", "clientProxy": False})

    relay = heard.json["hybridConnectionConfig"]
    (config,) = heard.json["kubeconfigs"]
    assert relay["token"].startswith("SharedAccessSignature ")
    assert relay["expirationTime"] == 1768021200
    assert base64.b64decode(config["value"]).startswith(b"apiVersion: v1\nkind: Config\n")
    assert set(plain.json) == {"kubeconfigs"}


@pytest.mark.parametrize(
    "body",
    [{}, [], {"authenticationMethod": "Password", "clientProxy": True}, {"clientProxy": True}],
)
async def test_a_credential_that_is_asked_for_wrongly_is_refused(body: Any) -> None:
    async with staged() as stage:
        heard = await credential(stage, body)

    assert heard.status == 400


async def test_there_is_no_credential_for_a_cluster_that_is_gone_or_forbidden() -> None:
    asks = {"authenticationMethod": "AAD", "clientProxy": True}
    async with staged() as stage:
        gone = await credential(stage, asks, stage.cluster().replace("0001", "9999"))
    hidden = Permissions(not_actions=("*/listClusterUserCredential/action",))
    recipe = dataclasses.replace(CALM, wire=Wire(permissions=hidden))
    async with staged(recipe) as stage:
        refused = await credential(stage, asks)

    assert (gone.status, refused.status) == (404, 403)
