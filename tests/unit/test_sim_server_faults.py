"""Each fault of a request, as a client sees it on the wire, and whether anything was done."""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
from collections.abc import Mapping
from typing import Any

import aiohttp
import pytest

from fleet.sim.faultfile import FaultFile
from fleet.sim.recipe import Recipe
from fleet.sim.repertoire import REPERTOIRE, Fault, Level
from tests.rig.serving import CALM, CLUSTERS, EXTENSIONS, TENANT, Heard, Stage, staged

PIN = {"properties": {"version": "1.2.6", "autoUpgradeMinorVersion": False}}
ON = ("extension",)
LOST = (aiohttp.ClientConnectionError, aiohttp.ClientPayloadError)


def scripted(*rules: Mapping[str, Any], **changes: Any) -> Recipe:
    written = {"apiVersion": "fleet/v1", "kind": "Faults", "rules": list(rules)}
    script = FaultFile.model_validate(written).script()
    return dataclasses.replace(CALM, script=script, **changes)


def once(fault: Fault, *on: str, **more: Any) -> dict[str, Any]:
    return {"fault": fault.value, "on": list(on or ON), "last": 1, **more}


async def pin(stage: Stage) -> Heard:
    return await stage.caller.send("PATCH", stage.extension(), body=PIN, api_version=EXTENSIONS)


async def read(stage: Stage) -> Heard:
    return await stage.caller.get(stage.extension(), api_version=EXTENSIONS)


# --- answers in place of the service's ---------------------------------------------------

INSTEAD: Mapping[Fault, tuple[int, str, bool]] = {
    Fault.THROTTLED: (429, "SubscriptionRequestsThrottled", True),
    Fault.PROVIDER_THROTTLED: (429, "TooManyRequests", False),
    Fault.INTERNAL_ERROR: (500, "InternalServerError", True),
    Fault.BAD_GATEWAY: (502, "BadGatewayConnection", True),
    Fault.UNAVAILABLE: (503, "ServiceUnavailable", True),
    Fault.GATEWAY_TIMEOUT: (504, "GatewayTimeout", True),
    Fault.GATEWAY_TIMEOUT_AFTER: (504, "GatewayTimeout", True),
}
DONE = frozenset(
    {
        *(Fault.GATEWAY_TIMEOUT_AFTER, Fault.RESET_AFTER, Fault.CUT_BODY, Fault.TRUNCATED_JSON),
        *(Fault.SLOW_ANSWER, Fault.SLOW_BODY),
    }
)
"""After these a write has taken effect; after all others it has not."""


@pytest.mark.parametrize("fault", INSTEAD)
async def test_an_error_comes_in_the_words_of_whoever_makes_it(fault: Fault) -> None:
    status, code, is_by_gateway = INSTEAD[fault]
    async with staged(scripted(once(fault, retryAfterSeconds=25))) as stage:
        heard, again = await pin(stage), await pin(stage)
        world = stage.served.plane.azure.world

    assert (heard.status, heard.json["error"]["code"]) == (status, code)
    assert heard.headers["Retry-After"] == "25"
    assert (heard.headers.get("x-ms-failure-cause") == "gateway") == is_by_gateway
    assert again.status == 202
    # Where the first took effect, the second meets an operation in progress, and has none.
    assert len(world.effects) == 1
    assert len(world.hearings) == (2 if fault in DONE else 1)


async def test_errors_without_a_wait_tell_none_and_throttles_always_do() -> None:
    rules = [once(fault, first=place, last=place) for place, fault in enumerate(INSTEAD, start=1)]
    async with staged(scripted(*rules)) as stage:
        heard = [await read(stage) for _ in rules]

    assert [one.headers.get("Retry-After") for one in heard] == ["10", "10", *[None] * 5]


async def test_resource_graph_is_throttled_in_its_own_way() -> None:
    rule = once(Fault.THROTTLED, "graph", retryAfterSeconds=75)
    async with staged(scripted(rule)) as stage:
        heard, again = [await stage.caller.ask("resources | count") for _ in range(2)]

    assert (heard.status, heard.json["error"]["code"]) == (429, "RateLimiting")
    assert heard.headers["x-ms-user-quota-remaining"] == "0"
    assert heard.headers["x-ms-user-quota-resets-after"] == "00:01:15"
    assert "Retry-After" not in heard.headers
    assert again.status == 200


@pytest.mark.parametrize("fault", [Fault.THROTTLED, Fault.UNAVAILABLE])
async def test_the_token_service_fails_in_its_own_way(fault: Fault) -> None:
    form = {"grant_type": "client_credentials", "client_id": "c", "client_secret": "s"}
    rule = once(fault, "token", first=2, last=2, retryAfterSeconds=5)
    async with staged(scripted(rule)) as stage:
        url = f"{stage.base}/{TENANT}/oauth2/v2.0/token"
        async with stage.stranger.session.post(url, data=form) as answer:
            document = await answer.json()

    assert (answer.status, document["error"]) == (INSTEAD[fault][0], "temporarily_unavailable")
    assert answer.headers["Retry-After"] == "5"


@pytest.mark.parametrize("status", [None, 200, 503])
async def test_a_page_of_html_is_no_answer(status: int | None) -> None:
    more = {} if status is None else {"status": status}
    async with staged(scripted(once(Fault.HTML_PAGE, **more))) as stage:
        heard = await pin(stage)
        after = await read(stage)

    assert (heard.status, heard.headers["Content-Type"]) == (status or 502, "text/html")
    assert heard.body.startswith(b"<!DOCTYPE html")
    assert after.json["properties"]["version"] == "1.1.1"


# --- connections and bodies --------------------------------------------------------------


@pytest.mark.parametrize("fault", [Fault.RESET_BEFORE, Fault.RESET_AFTER, Fault.CUT_BODY])
async def test_a_connection_breaks_before_or_after_the_write_took_effect(fault: Fault) -> None:
    async with staged(scripted(once(fault))) as stage:
        with pytest.raises(LOST):
            await pin(stage)
        after = await read(stage)

    expected = ("Updating", "1.2.6") if fault in DONE else ("Succeeded", "1.1.1")
    properties = after.json["properties"]
    assert (properties["provisioningState"], properties["version"]) == expected


async def test_json_ends_half_way_in_an_answer_that_is_whole() -> None:
    async with staged(scripted(once(Fault.TRUNCATED_JSON))) as stage:
        heard = await pin(stage)
        after = await read(stage)

    assert (heard.status, "Azure-AsyncOperation" in heard.headers) == (202, True)
    assert heard.headers["Content-Length"] == str(len(heard.body))
    with pytest.raises(json.JSONDecodeError):
        json.loads(heard.body)
    assert after.json["properties"]["provisioningState"] == "Updating"


@pytest.mark.parametrize("fault", [Fault.SLOW_ANSWER, Fault.SLOW_BODY])
async def test_a_slow_answer_is_whole_and_takes_the_worlds_time(fault: Fault) -> None:
    async with staged(scripted(once(fault, seconds=45))) as stage:
        began_at = stage.clock.now()
        heard = await pin(stage)
        took = stage.clock.now() - began_at

    assert (heard.status, heard.json["properties"]["version"]) == (202, "1.2.6")
    assert took == dt.timedelta(seconds=45)


async def test_pages_repeat_a_row_and_hold_everything_all_the_same() -> None:
    pages: list[list[str]] = []
    async with staged(scripted({"fault": "duplicateRows", "rows": 5})) as stage:
        options: dict[str, Any] = {"$top": 1000}
        while True:
            heard = await stage.caller.ask(
                "resources | project id, name | order by id asc", options=options
            )
            pages.append([row["name"] for row in heard.json["data"]])
            if "$skipToken" not in heard.json:
                break
            options["$skipToken"] = heard.json["$skipToken"]

    assert [len(page) for page in pages] == [5, 5, 4]
    assert [page[-1] for page in pages[:-1]] == [page[0] for page in pages[1:]]
    assert len({name for page in pages for name in page}) == CALM.cluster_count


async def test_a_query_that_is_none_is_left_to_the_service() -> None:
    async with staged(scripted({"fault": "duplicateRows"})) as stage:
        heard = [
            await stage.caller.send(
                "POST",
                "/providers/Microsoft.ResourceGraph/resources",
                body=body,
                api_version="2024-04-01",
            )
            for body in (b"{", b"[]", b'{"query": "resources", "options": []}')
        ]

    assert [one.status for one in heard] == [400, 400, 400]


# --- the clock ---------------------------------------------------------------------------


async def test_a_clock_jumps_in_all_that_is_told_and_the_fleet_ages_as_before() -> None:
    rule = {"fault": "clockJump", "afterSeconds": 90, "seconds": 7200}
    async with staged(scripted(rule)) as stage:
        await pin(stage)
        stage.wait(seconds=89)
        before = await stage.stranger.get("/metadata/simulation")
        stage.wait(seconds=1)
        after = await stage.stranger.get("/metadata/simulation")
        refused = await read(stage)
        stage_again = dataclasses.replace(stage, caller=await stage.stranger.log_in())
        shown = await read(stage_again)

    assert before.json["now"] == "2026-01-10T02:01:29.000000Z"
    assert after.json["now"] == "2026-01-10T04:01:30.000000Z"
    assert after.headers["Date"] == "Sat, 10 Jan 2026 04:01:30 GMT"
    # A token of two hours ago is over, and the operation took a minute and no more.
    assert refused.json["error"]["code"] == "ExpiredAuthenticationToken"
    assert shown.json["properties"]["provisioningState"] == "Succeeded"


# --- what is told of it ------------------------------------------------------------------


async def test_how_often_each_fault_was_met_is_published() -> None:
    rules = (
        {"fault": "unavailable", "on": ["cluster"], "last": 2},
        {"fault": "stuckOperation", "last": 1},
    )
    async with staged(scripted(*rules)) as stage:
        for _ in range(3):
            await stage.caller.get(stage.cluster(), api_version=CLUSTERS)
        await pin(stage)
        heard = await stage.stranger.get("/metadata/simulation")

    assert heard.json["faults"] == {"stuckOperation": 1, "unavailable": 2}


def test_every_fault_of_requests_is_tried_here() -> None:
    tried = {*INSTEAD, *DONE, Fault.HTML_PAGE, Fault.RESET_BEFORE, Fault.DUPLICATE_ROWS}

    assert {one for one, entry in REPERTOIRE.items() if entry.level is Level.REQUEST} == tried
