from __future__ import annotations

import base64
import dataclasses
import json
from typing import Any

import pytest

from fleet.sim.recipe import Wire
from tests.rig.serving import CALM, CLUSTERS, TENANT, Caller, Heard, staged

GOOD = {
    "grant_type": "client_credentials",
    "client_id": "me",
    "client_secret": "any",
    "scope": "https://management.azure.com/.default",
}


async def post(caller: Caller, **changed: str | None) -> Heard:
    form = {name: value for name, value in {**GOOD, **changed}.items() if value is not None}
    body = "&".join(f"{name}={value}" for name, value in form.items()).encode()
    return await caller.send(
        "POST",
        f"/{TENANT}/oauth2/v2.0/token",
        body=body,
        headers={"Content-Type": "application/x-www-form-urlencoded"},
    )


def claims(token: str) -> Any:
    return json.loads(base64.urlsafe_b64decode(token.split(".")[1] + "=="))


async def test_a_token_says_who_for_what_and_until_when_in_simulated_time() -> None:
    async with staged() as stage:
        stage.wait(hours=1)
        first, other = await post(stage.stranger), await post(stage.stranger, client_id="you")

    document = first.json
    token = document.pop("access_token")
    assert document == {"token_type": "Bearer", "expires_in": 3600, "ext_expires_in": 3600}
    found, now = claims(token), int(CALM.epoch.timestamp()) + 3600
    oid, other_claims = found.pop("oid"), claims(other.json["access_token"])
    assert found.pop("uti") != other_claims["uti"], "no two tokens are the same"
    assert found == {
        "aud": "https://management.azure.com",
        "iss": f"{stage.base}/{TENANT}/v2.0",
        "iat": now,
        "nbf": now,
        "exp": now + 3600,
        "appid": "me",
        "idtyp": "app",
        "sub": oid,
        "tid": TENANT,
        "ver": "1.0",
    }
    assert other_claims["oid"] != oid


async def test_a_token_of_a_user_names_them_and_the_client_they_came_by() -> None:
    async with staged() as stage:
        asked = {"grant_type": "password", "username": "Ada@x.example", "password": "any"}
        first = await post(stage.stranger, client_secret=None, **asked)
        again = await post(stage.stranger, **{**asked, "username": "ada@x.example"})

    found = claims(first.json["access_token"])
    oid = found["oid"]
    assert oid == claims(again.json["access_token"])["oid"]
    assert {name: found[name] for name in ("appid", "idtyp", "name", "scp", "sub")} == {
        "appid": "me",
        "idtyp": "user",
        "name": "Ada",
        "scp": "user_impersonation",
        "sub": oid,
    }
    assert found["upn"] == found["unique_name"] == "Ada@x.example"


@pytest.mark.parametrize(
    ("changed", "status", "error", "number"),
    [
        ({"grant_type": None}, 400, "invalid_request", 900144),
        ({"client_id": None}, 400, "invalid_request", 900144),
        ({"scope": None}, 400, "invalid_request", 900144),
        ({"grant_type": "implicit"}, 400, "unsupported_grant_type", 70003),
        ({"grant_type": "password"}, 400, "invalid_request", 900144),
        ({"grant_type": "password", "username": "a@x.example"}, 400, "invalid_request", 900144),
        ({"client_secret": None}, 401, "invalid_client", 7000218),
        ({"scope": "https://management.azure.com"}, 400, "invalid_scope", 1002012),
    ],
)
async def test_a_form_that_is_wrong_gets_no_token(
    changed: dict[str, str | None], status: int, error: str, number: int
) -> None:
    async with staged() as stage:
        heard = await post(stage.stranger, **changed)

    assert heard.status == status
    assert (heard.json["error"], heard.json["error_codes"]) == (error, [number])
    assert heard.json["error_description"].startswith(f"AADSTS{number}: ")
    assert heard.json["timestamp"] == "2026-01-10 02:00:00Z"


async def refused(caller: Caller, path: str, token: str | None) -> Heard:
    asker = dataclasses.replace(caller, token=token)
    heard = await asker.get(path, api_version=CLUSTERS)
    assert heard.status == 401
    assert heard.headers["WWW-Authenticate"].startswith('Bearer authorization_uri="http://127.')
    return heard


async def test_nobody_gets_in_without_a_token_of_this_server() -> None:
    async with staged() as stage, staged() as another:
        path = stage.cluster()
        foreign = await another.stranger.log_in(scope=f"{stage.base}/.default")
        wrong = await stage.stranger.log_in(scope="https://graph.microsoft.com/.default")
        token = stage.caller.token or ""
        head, body, seal = token.split(".")
        bent = f"{head}.{body[:-4]}AAAA.{seal}"
        codes = {
            name: (await refused(stage.stranger, path, given)).json["error"]["code"]
            for name, given in {
                "none": None,
                "nonsense": "x",
                "foreign": foreign.token,
                "bent": bent,
                "for another": wrong.token,
            }.items()
        }
        basic = await stage.stranger.send(
            "GET", path, api_version=CLUSTERS, headers={"Authorization": "Basic eA=="}
        )

    assert codes == {
        "none": "AuthenticationFailed",
        "nonsense": "InvalidAuthenticationToken",
        "foreign": "InvalidAuthenticationToken",
        "bent": "InvalidAuthenticationToken",
        "for another": "InvalidAuthenticationTokenAudience",
    }
    assert basic.json["error"]["code"] == "AuthenticationFailed"


async def test_a_token_ends_by_the_world_s_clock() -> None:
    recipe = dataclasses.replace(CALM, wire=Wire(token_s=600))
    async with staged(recipe) as stage:
        stage.wait(seconds=599)
        good = await stage.caller.get(stage.cluster(), api_version=CLUSTERS)
        stage.wait(seconds=1)
        heard = await refused(stage.stranger, stage.cluster(), stage.caller.token)
        again = await (await stage.stranger.log_in()).get(stage.cluster(), api_version=CLUSTERS)

    assert (good.status, again.status) == (200, 200)
    assert heard.json == {
        "error": {
            "code": "ExpiredAuthenticationToken",
            "message": (
                "The access token expiry UTC time '1/10/2026 2:10:00 AM' is earlier than current "
                "UTC time '1/10/2026 2:10:00 AM'."
            ),
        }
    }


async def test_azure_s_own_audience_is_as_good_as_the_server_s() -> None:
    async with staged() as stage:
        heard = []
        for scope in ("https://management.azure.com//.default", f"{stage.base}/.default"):
            caller = await stage.stranger.log_in(scope=scope)
            heard.append((await caller.get(stage.cluster(), api_version=CLUSTERS)).status)

    assert heard == [200, 200]
