from __future__ import annotations

import dataclasses

import pytest

from fleet.sim import stock
from fleet.sim.recipe import Faults
from tests.rig.serving import CALM, CLUSTERS, EXTENSIONS, TENANT, connected, staged, with_faults

GUID = "0f0e0d0c-1111-4222-8333-444444444444"


async def test_every_answer_carries_simulated_time_and_the_caller_s_ids() -> None:
    async with staged() as stage:
        stage.wait(minutes=50, milliseconds=700)
        heard = await stage.caller.send(
            "GET",
            stage.cluster(),
            api_version=CLUSTERS,
            headers={
                "x-ms-correlation-request-id": GUID,
                "x-ms-client-request-id": "mine",
                "x-ms-return-client-request-id": "true",
            },
        )
        other = await stage.caller.get(stage.cluster(), api_version=CLUSTERS)

    assert heard.headers["Date"] == "Sat, 10 Jan 2026 02:50:00 GMT"
    assert heard.headers["Content-Type"] == "application/json; charset=utf-8"
    assert heard.headers["Cache-Control"] == "no-cache"
    assert heard.headers["x-ms-correlation-request-id"] == GUID
    assert heard.headers["x-ms-client-request-id"] == "mine"
    serial = heard.headers["x-ms-request-id"]
    assert heard.headers["x-ms-routing-request-id"].startswith("WESTEUROPE:20260110T025000Z:")
    who, region, last = heard.headers["x-ms-operation-identifier"].split("/")
    assert (who.partition(",objectId=")[0], region) == (f"tenantId={TENANT}", "westeurope")
    assert last == serial
    assert "x-ms-client-request-id" not in other.headers
    assert other.headers["x-ms-correlation-request-id"] not in (GUID, serial)


async def test_paths_and_the_version_s_key_are_read_in_any_case() -> None:
    async with staged() as stage:
        expected = await stage.caller.get(stage.cluster(), api_version=CLUSTERS)
        shouted = (
            stage.cluster()
            .replace("/providers/", "/Providers/")
            .replace("connectedClusters", "ConnectedClusters")
        )
        heard = await stage.caller.get(f"{shouted}?API-Version={CLUSTERS}")
        extension = await stage.caller.get(
            stage.extension().replace("/extensions/", "/Extensions/"), api_version=EXTENSIONS
        )

    assert (heard.status, heard.json) == (200, expected.json)
    # This provider repeats what it was asked for.
    assert "/Extensions/osm" in extension.json["id"]


@pytest.mark.parametrize(
    ("query", "status", "code", "message"),
    [
        (
            {},
            400,
            "MissingApiVersionParameter",
            "The api-version query parameter (?api-version=) is required for all requests.",
        ),
        (
            {"api_version": "latest"},
            400,
            "InvalidApiVersionParameter",
            (
                "The api-version 'latest' is invalid. The supported versions are "
                "'2022-11-01,2023-05-01,2024-11-01,2025-03-01'."
            ),
        ),
        (
            {"api_version": "1999-01-01"},
            404,
            "InvalidResourceType",
            (
                "The resource type could not be found in the namespace "
                "'Microsoft.KubernetesConfiguration' for api version '1999-01-01'."
            ),
        ),
    ],
)
async def test_a_wrong_api_version_is_refused_by_the_gateway(
    query: dict[str, str], status: int, code: str, message: str
) -> None:
    async with staged() as stage:
        heard = await stage.caller.get(stage.extension(), **query)

    assert heard.headers["x-ms-failure-cause"] == "gateway"
    assert (heard.status, heard.json) == (status, {"error": {"code": code, "message": message}})


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("/subscriptions/nobody-s", "InvalidSubscriptionId"),
        ("/subscriptions/{s}/providers/Microsoft.Nothing/things", "InvalidResourceNamespace"),
        ("/subscriptions/{s}/providers/Microsoft.Kubernetes/things", "InvalidResourceType"),
        ("/nothing", "NotFound"),
        ("/subscriptions/00000000-0000-0000-0000-00000000ffff", "SubscriptionNotFound"),
        (
            (
                "/subscriptions/{s}/resourceGroups/nowhere/providers/Microsoft.Kubernetes"
                "/connectedClusters"
            ),
            "ResourceGroupNotFound",
        ),
    ],
)
async def test_what_is_not_there_is_told_apart(path: str, code: str) -> None:
    async with staged() as stage:
        subscription = stage.cluster().split("/")[2]
        heard = await stage.caller.get(path.format(s=subscription), api_version=CLUSTERS)

    status = 400 if code == "InvalidSubscriptionId" else 404
    assert (heard.status, heard.json["error"]["code"]) == (status, code)
    assert heard.headers["x-ms-failure-cause"] == "gateway"


async def test_a_method_that_nobody_serves_is_refused() -> None:
    async with staged() as stage:
        heard = await stage.caller.send("DELETE", stage.cluster(), api_version=CLUSTERS)

    assert (heard.status, heard.json["error"]["code"]) == (405, "MethodNotAllowed")


async def test_a_throttled_request_says_when_to_come_again() -> None:
    recipe = with_faults(Faults(throttled_ppm=1_000_000, retry_after_s=17))
    async with staged(recipe) as stage:
        heard = await stage.caller.get(stage.extension(), api_version=EXTENSIONS)

    message = "Too many requests. Please try again after sometime."
    assert (heard.status, heard.headers["Retry-After"]) == (429, "17")
    assert heard.json == {
        "error": {"code": "TooManyRequests", "message": message, "additionalInfo": []}
    }
    assert "x-ms-failure-cause" not in heard.headers


async def test_a_service_in_trouble_answers_503() -> None:
    async with staged(with_faults(Faults(transient_error_ppm=1_000_000))) as stage:
        heard = await stage.caller.get(stage.extension(), api_version=EXTENSIONS)

    assert (heard.status, heard.json["error"]["code"]) == (503, "ServiceUnavailable")
    assert "Retry-After" not in heard.headers


async def test_the_simulated_clock_is_published_to_everybody() -> None:
    recipe = dataclasses.replace(CALM, seed=7, subscription_count=2)
    async with staged(recipe) as stage:
        stage.wait(seconds=90, microseconds=5)
        heard = await stage.stranger.get("/metadata/simulation")

    tenant = heard.json["tenantId"]
    assert heard.json == {
        "now": "2026-01-10T02:01:30.000005Z",
        "epoch": "2026-01-10T02:00:00.000000Z",
        "timeScale": "60",
        "seed": 7,
        "clusters": 12,
        "subscriptions": [
            "00000000-0000-0000-0000-000000000001",
            "00000000-0000-0000-0000-000000000002",
        ],
        "tenantId": tenant,
        "faults": {},
    }
    assert len(tenant) == 36


async def test_everything_that_a_login_looks_up_is_here() -> None:
    async with staged() as stage:
        one = await stage.stranger.get("/metadata/endpoints", api_version="2022-09-01")
        many = await stage.stranger.get("/metadata/endpoints", api_version="2019-05-01")
        openid = await stage.stranger.get(f"/{TENANT}/v2.0/.well-known/openid-configuration")

    assert one.json["resourceManager"] == stage.base
    assert one.json["authentication"]["loginEndpoint"] == stage.base
    assert many.json == [one.json]
    assert openid.json["token_endpoint"] == f"{stage.base}/{TENANT}/oauth2/v2.0/token"


async def test_subscriptions_and_providers_are_listed() -> None:
    async with staged() as stage:
        listed = await stage.caller.get("/subscriptions", api_version="2022-12-01")
        first = listed.json["value"][0]
        one = await stage.caller.get(first["id"], api_version="2022-12-01")
        provider = await stage.caller.get(
            f"{first['id']}/providers/microsoft.kubernetesconfiguration", api_version="2025-04-01"
        )

    assert listed.json["count"] == {"type": "Total", "value": 3}
    assert [each["subscriptionId"][-1] for each in listed.json["value"]] == ["1", "2", "3"]
    assert (one.json, first["state"]) == (first, "Enabled")
    assert provider.json["registrationState"] == "Registered"
    assert {
        each["resourceType"]: each["apiVersions"] for each in provider.json["resourceTypes"]
    } == {
        "extensions": ["2025-03-01", "2024-11-01", "2023-05-01", "2022-11-01"],
        "extensionTypes": ["2024-11-01-preview", "2023-05-01-preview"],
        "locations/extensionTypes": ["2024-11-01-preview", "2023-05-01-preview"],
    }


async def test_tls_is_trusted_by_the_file_that_is_named_and_by_nothing_else() -> None:
    async with staged(has_tls=True) as stage:
        path = stage.served.ca_file
        assert path is not None
        assert stage.base.startswith("https://127.0.0.1:")
        mode = path.stat().st_mode & 0o777
        heard = await stage.caller.get(stage.cluster(), api_version=CLUSTERS)
        async with connected(stage.base.replace("127.0.0.1", "localhost"), ca_file=path) as other:
            again = await other.get("/metadata/simulation")

    assert (heard.status, again.status, mode) == (200, 200, 0o600)
    assert not path.exists()


def test_the_epoch_is_a_saturday() -> None:
    """What the headers above are read against."""
    assert f"{stock.EPOCH:%a}" == "Sat"
