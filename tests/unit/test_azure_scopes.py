"""Where Resource Graph looks, what else must hold there, and what is done about half an answer."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from fleet.azure import kql
from fleet.azure.diagnosis import examine
from fleet.errors import InputError, RemoteError, UnexpectedPayloadError
from fleet.model.cluster import Inventory
from fleet.model.scope import Match, Scope
from tests.rig.scripted import Got, Line, Say, failure, speaking

GRAPH = "/providers/Microsoft.ResourceGraph/resources"
OSM = "microsoft.openservicemesh"
CLAUSE = "| where tags.tier =~ 'store'"
LIMIT_HIT = {"x-ms-tenant-subscription-limit-hit": "true"}


def page(*names: str, headers: dict[str, str] | None = None, **fields: Any) -> Say:
    """Rows of clusters for the query that asks for clusters."""
    group = "/subscriptions/s1/resourceGroups/rg/providers/Microsoft.Kubernetes/connectedClusters"
    rows = [{"id": f"{group}/{name}", "name": name, "location": "westeurope"} for name in names]
    found = {"totalRecords": len(rows), "count": len(rows), "data": rows}
    return Say(body={**found, "resultTruncated": "false", **fields}, headers=headers or {})


def answering(line: Line, say: Say) -> None:
    """Answer what is asked about clusters; nothing is known of policies and of versions."""

    def answer(got: Got) -> Say:
        return say if got.json["query"].startswith("resources\n") else page()

    line.server.on("POST", GRAPH, answer)
    line.server.on("GET", "/extensionTypes/", Say(body={"value": []}))


async def discovered(line: Line, scope: Scope) -> Inventory:
    return await line.azure.inventory(scope, extension_type=OSM, release_train=None)


def asked(line: Line) -> list[Any]:
    sent = [one.json for one in line.server.sent("POST", GRAPH)]
    return [one for one in sent if one["query"].startswith("resources\n")]


async def test_management_groups_are_asked_for_instead_of_subscriptions() -> None:
    async with speaking() as line:
        answering(line, page("a"))
        found = await discovered(line, Scope(management_groups=("stores", "Stores", "hubs")))

        assert asked(line) == [
            {
                "managementGroups": ["stores", "hubs"],
                "query": kql.clusters(Match()),
                "options": {
                    "$top": 1000,
                    "resultFormat": "objectArray",
                    "authorizationScopeFilter": "AtScopeAndBelow",
                },
            }
        ]
    assert [one.name for one in found.clusters] == ["a"]


async def test_more_than_ten_management_groups_are_asked_for_in_batches() -> None:
    """A cluster below two of them is one cluster."""
    async with speaking() as line:
        answering(line, page("a"))
        groups = tuple(f"g{n}" for n in range(21))
        found = await discovered(line, Scope(management_groups=groups))

        assert [len(one["managementGroups"]) for one in asked(line)] == [10, 10, 1]
    assert [one.name for one in found.clusters] == ["a"]


async def test_what_is_asked_about_is_named_where_it_fails() -> None:
    async with speaking() as line:
        line.server.on("POST", GRAPH, failure(400, "InvalidManagementGroups"))
        with pytest.raises(RemoteError, match="about stores, hubs: the answer was 400"):
            await discovered(line, Scope(management_groups=("stores", "hubs")))


async def test_a_clause_stands_behind_the_table_of_clusters() -> None:
    async with speaking() as line:
        answering(line, page("a"))
        await discovered(line, Scope(kql=CLAUSE, match=Match(locations=("westeurope",))))
        lines = asked(line)[0]["query"].splitlines()

    assert lines[:4] == [
        "resources",
        "| where type =~ 'microsoft.kubernetes/connectedclusters'",
        CLAUSE,
        "| where location in~ ('westeurope')",
    ]
    assert lines[kql.CLAUSE_LINE - 1] == CLAUSE


async def test_the_words_of_the_services_parser_reach_the_author_of_a_clause() -> None:
    details = [
        {"code": "InvalidQuery", "message": "Query is invalid."},
        {
            "code": "ParserFailure",
            "message": "ParserFailure",
            "line": 3,
            "characterPositionInLine": 20,
            "token": "~~",
        },
    ]
    error = {"code": "BadRequest", "message": "Please provide this.", "details": details}
    async with speaking() as line:
        line.server.on("POST", GRAPH, Say(status=400, body={"error": error}))
        with pytest.raises(InputError) as caught:
            await discovered(line, Scope(kql=CLAUSE))

    assert caught.value.message.endswith(
        "(InvalidQuery: Query is invalid.; ParserFailure at line 3, character 20, at '~~')"
    )
    assert caught.value.hint == (
        "If it is targets.kql that is meant: it begins at line 3 of the query."
    )


async def test_trouble_that_no_clause_can_cause_stays_what_it_is() -> None:
    async with speaking() as line:
        line.server.on("POST", GRAPH, failure(403, "AuthorizationFailed"))
        with pytest.raises(RemoteError):
            await discovered(line, Scope(kql=CLAUSE))


# --- half an answer ----------------------------------------------------------------------


async def test_a_part_of_the_tenant_will_do_where_the_plan_file_says_so() -> None:
    async with speaking() as line:
        answering(line, page("a", headers=LIMIT_HIT))
        found = await discovered(line, Scope(allows_partial=True))

        assert asked(line)[0]["options"]["allowPartialScopes"] is True
    assert [one.name for one in found.clusters] == ["a"]
    assert found.warnings[0] == (
        "not every subscription was searched: there are more than one search covers"
    )


async def test_a_list_that_is_cut_off_will_do_where_the_plan_file_says_so() -> None:
    say = page("a", "b", resultTruncated="true", totalRecords=7)
    async with speaking() as line:
        answering(line, say)
        with pytest.raises(UnexpectedPayloadError, match="cut off"):
            await discovered(line, Scope())
        found = await discovered(line, Scope(allows_partial=True))

    assert [one.name for one in found.clusters] == ["a", "b"]
    assert found.warnings[0] == "the list is cut off after 2 of 7"


async def test_a_list_that_goes_in_circles_is_an_error_whatever_the_plan_file_says() -> None:
    following: dict[str, Any] = {"$skipToken": "t"}
    async with speaking() as line:
        answering(line, page("a", totalRecords=2, **following))
        with pytest.raises(UnexpectedPayloadError, match="nothing leads on"):
            await discovered(line, Scope(allows_partial=True))


# --- when, and by doctor -----------------------------------------------------------------


async def test_discovery_tells_when_it_was_by_the_services_clock() -> None:
    async with speaking() as line:
        answering(line, page("a", headers={"Date": "Sat, 10 Jan 2026 03:04:05 GMT"}))
        found = await discovered(line, Scope())

    assert found.read_at == dt.datetime(2026, 1, 10, 3, 4, 5, tzinfo=dt.UTC)


async def test_an_examination_looks_below_the_management_groups() -> None:
    rows = [{"subscriptionId": "s1", "clusters": 3}]
    async with speaking() as line:
        line.server.on("POST", GRAPH, page(data=rows))
        line.server.on("GET", "", failure(404, "NotFound"))
        checks = await examine(line.azure, Scope(management_groups=("stores",)))

        assert asked(line)[0]["managementGroups"] == ["stores"]
    assert [one.detail for one in checks if one.name == "resource graph"] == [
        "1 subscriptions of stores have clusters that can be read"
    ]
