from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import duckdb
import duckdb_kql
import pytest
from azure.mgmt.resourcegraph.aio import ResourceGraphClient
from hypothesis import given, settings, strategies as st

from fleet.azure import kql, payloads
from fleet.core import selection
from fleet.errors import (
    AuthError,
    DeniedError,
    LostAnswerError,
    RemoteError,
    ThrottledError,
    TransientError,
    UnexpectedPayloadError,
)
from fleet.model.cluster import (
    AutoUpgrade,
    Cluster,
    Extension,
    Inventory,
    ProvisioningState,
    UnreadExtension,
)
from fleet.model.scope import Match, Scope
from tests.rig.scripted import (
    TOKEN_PATH,
    Got,
    Line,
    Say,
    failure,
    jwt,
    serving,
    speaking,
    token,
)

RECORDINGS = Path(__file__).parents[2].parent / "shared" / "reference" / "azure" / "recordings"
GRAPH = "/providers/Microsoft.ResourceGraph/resources?api-version=2024-04-01"
TYPES = "/extensionTypes/"
OSM = "microsoft.openservicemesh"


def cluster_id(name: str, subscription: str = "s1") -> str:
    group = f"/subscriptions/{subscription}/resourceGroups/Rg"
    return f"{group}/providers/Microsoft.Kubernetes/connectedClusters/{name}"


def row(name: str, *extensions: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {
        "id": cluster_id(name),
        "name": name,
        "location": "westeurope",
        "tags": None,
        "distribution": "k3s",
        "kubernetesVersion": "1.30",
        "agentVersion": "",
        "connectivityStatus": "Connected",
        "lastConnectivityTime": "",
        "extensions": list(extensions) or None,
        **fields,
    }


def osm(train: str = "stable", **properties: Any) -> dict[str, Any]:
    own = {"ExtensionType": OSM, "releaseTrain": train, "provisioningState": "Succeeded"}
    own |= properties
    return {"name": "osm", "properties": own}


def page(*rows: dict[str, Any], after: str | None = None, **fields: Any) -> Say:
    found = {"totalRecords": len(rows), "count": len(rows), "data": list(rows), "facets": []}
    headers = fields.pop("headers", {})
    body = {**found, "resultTruncated": "false", **fields}
    return Say(body={**body, "$skipToken": after} if after else body, headers=headers)


def versions(*names: str, link: str | None = None) -> Say:
    value = [{"name": name, "properties": {"version": name}} for name in names]
    return Say(body={"value": value, "nextLink": link})


async def discovered(line: Line, scope: Scope | None = None, train: str | None = None) -> Inventory:
    return await line.azure.inventory(scope or Scope(), extension_type=OSM, release_train=train)


def asked(line: Line) -> list[Any]:
    return [one.json for one in _about_clusters(line)]


def _about_clusters(line: Line) -> list[Got]:
    """What was asked before policies were looked at."""
    sent = line.server.sent("POST")
    return [one for one in sent if one.json["query"].startswith("resources\n")]


# --- Resource Graph ----------------------------------------------------------------------


async def test_the_released_client_still_has_the_method_that_we_pin() -> None:
    assert callable(ResourceGraphClient._send_request)


async def test_one_query_finds_the_clusters_with_their_extensions() -> None:
    async with speaking() as line:
        line.server.on("POST", GRAPH, page(row("b"), row("A", osm(version="1.2.6"))))
        line.server.on("GET", TYPES, versions("1.2.6"))
        found = await discovered(line, Scope(subscriptions=("s1", "S1", "s2")))
        sent = _about_clusters(line)

    assert [one.path for one in sent] == [GRAPH]
    assert sent[0].json == {
        "subscriptions": ["s1", "s2"],
        "query": kql.clusters(Match()),
        "options": {
            "$top": 1000,
            "resultFormat": "objectArray",
            "authorizationScopeFilter": "AtScopeAndBelow",
        },
    }
    assert sent[0].headers["authorization"].startswith("Bearer ")
    assert sent[0].headers["user-agent"].startswith("arc-fleet/")
    assert len(sent[0].headers["x-ms-correlation-request-id"]) == 36
    assert [one.id for one in found.clusters] == [cluster_id("A"), cluster_id("b")]
    assert found.clusters[0].extensions == (
        Extension(
            name="osm",
            extension_type=OSM,
            version=None,
            current_version="1.2.6",
            auto_upgrade=AutoUpgrade.COMPATIBLE,
            release_train="stable",
            provisioning_state=ProvisioningState.SUCCEEDED,
        ),
    )
    assert found.versions == {"stable": ("1.2.6",)}


async def test_no_subscription_means_the_whole_tenant() -> None:
    async with speaking() as line:
        line.server.on("POST", GRAPH, page())
        found = await discovered(line)

        assert "subscriptions" not in asked(line)[0]
    assert found == Inventory(clusters=(), versions={})


async def test_more_than_a_thousand_subscriptions_are_asked_for_in_batches() -> None:
    async with speaking() as line:
        line.server.on("POST", GRAPH, page())
        await discovered(line, Scope(subscriptions=tuple(f"s{n}" for n in range(2001))))

        assert [len(one["subscriptions"]) for one in asked(line)] == [1000, 1000, 1]


async def test_pages_are_followed_by_their_token_and_rows_are_told_apart_by_id() -> None:
    async with speaking() as line:
        upper = row("b", id=cluster_id("b").upper())
        line.server.on(
            "POST",
            GRAPH,
            [
                page(row("a"), row("b"), after="t1", totalRecords=3),
                page(upper, row("c"), after="t2", totalRecords=3),
                page(totalRecords=3),
            ],
        )
        line.server.on("GET", TYPES, versions())
        found = await discovered(line)

        assert [one["options"].get("$skipToken") for one in asked(line)] == [None, "t1", "t2"]
    assert [one.name for one in found.clusters] == ["a", "b", "c"]


@pytest.mark.parametrize(
    "first",
    [
        pytest.param(
            [page(row("a"), after="t", totalRecords=3), page(row("c"), totalRecords=2)],
            id="the total moved",
        ),
        pytest.param(
            [page(row("a"), after="t", totalRecords=3), page(row("c"), totalRecords=3)],
            id="a row slipped through",
        ),
    ],
)
async def test_a_list_that_moved_while_it_was_read_is_read_once_more(first: list[Say]) -> None:
    async with speaking() as line:
        again = page(row("b"), row("c"), totalRecords=3)
        line.server.on("POST", GRAPH, [*first, again])
        line.server.on("GET", TYPES, versions())
        found = await discovered(line)

        assert len(asked(line)) == 3
    assert [one.name for one in found.clusters] == ["a", "b", "c"]


async def test_rows_that_are_missing_twice_are_no_list_that_moved() -> None:
    """As when the token that leads on is not there."""
    async with speaking() as line:
        line.server.on("POST", GRAPH, page(row("a"), totalRecords=3))
        line.server.on("GET", TYPES, versions())
        with pytest.raises(UnexpectedPayloadError, match="cut off after 1 of 3, read twice"):
            await discovered(line)

        assert len(asked(line)) == 2
        found = await discovered(line, Scope(allows_partial=True))

    assert [one.name for one in found.clusters] == ["a"]
    assert found.warnings[0] == "the list is cut off after 1 of 3"


@pytest.mark.parametrize(
    "say",
    [
        page(row("a"), resultTruncated="true"),
        page(row("a"), resultTruncated="maybe"),
        page(row("a"), resultTruncated=[]),
        page(row("a"), totalRecords="1"),
        page(row("a"), totalRecords=None),
        page(row("a"), totalRecords=True),
        Say(body={"data": [], "totalRecords": 0, "$skipToken": 7}),
        page(row("a"), after="t"),
        Say(body={"totalRecords": 0}),
        Say(body={"data": {"columns": [], "rows": []}}),
        page({"name": "no id"}),
        Say(body=b"[]"),
        Say(body=b"<html>"),
    ],
)
async def test_a_list_that_is_cut_off_or_cannot_be_read_is_an_error(say: Say) -> None:
    async with speaking() as line:
        line.server.on("POST", GRAPH, say)
        with pytest.raises(UnexpectedPayloadError):
            await discovered(line)


async def test_a_tenant_of_which_only_a_part_was_searched_is_an_error() -> None:
    async with speaking() as line:
        headers = {"x-ms-tenant-subscription-limit-hit": "true"}
        line.server.on("POST", GRAPH, page(row("a"), headers=headers))
        with pytest.raises(RemoteError, match="not every subscription") as caught:
            await discovered(line)

    assert caught.value.hint == (
        "Name the subscriptions in the plan file, or say targets.allowPartialScopes: true."
    )


async def test_pages_that_are_too_large_are_asked_for_in_smaller_ones() -> None:
    too_large = {"code": "ResponsePayloadTooLarge", "message": "limit of 16777216"}
    refused = Say(status=400, body={"error": {"code": "BadRequest", "details": [too_large]}})

    def answer(got: Got) -> Say:
        return refused if got.json["options"]["$top"] > 200 else page(row("a"))

    async with speaking() as line:
        line.server.on("POST", GRAPH, answer)
        line.server.on("GET", TYPES, versions())
        found = await discovered(line)
        line.server.on("POST", GRAPH, refused)
        with pytest.raises(RemoteError, match="40 clusters are more than"):
            await discovered(line)

    assert [one.name for one in found.clusters] == ["a"]


# --- quotas and trouble ------------------------------------------------------------------

USED_UP = {"x-ms-user-quota-remaining": "0", "x-ms-user-quota-resets-after": "00:00:05"}


async def test_a_quota_that_is_used_up_is_waited_for_before_the_next_query() -> None:
    async with speaking() as line:
        line.server.on(
            "POST",
            GRAPH,
            [
                page(row("a"), after="t", totalRecords=2, headers=USED_UP),
                page(row("b"), totalRecords=2),
            ],
        )
        line.server.on("GET", TYPES, versions())
        await discovered(line)

        assert line.clock.slept_s == [5.0]


@pytest.mark.parametrize(
    ("headers", "waited_s"),
    [
        ({"Retry-After": "9"}, 9.0),
        ({"x-ms-user-quota-resets-after": "00:00:04"}, 4.0),
        ({}, 1.0),
    ],
)
async def test_a_throttled_query_is_asked_again_when_the_service_says(
    headers: dict[str, str], waited_s: float
) -> None:
    async with speaking() as line:
        throttled = Say(status=429, body={"error": {"code": "RateLimiting"}}, headers=headers)
        line.server.on("POST", GRAPH, [throttled, page()])
        await discovered(line)

        assert line.clock.slept_s == [waited_s]


async def test_a_service_that_stays_throttled_is_asked_eight_times() -> None:
    async with speaking() as line:
        line.server.on("POST", GRAPH, failure(429, "RateLimiting", retry_after="5"))
        with pytest.raises(ThrottledError):
            await discovered(line)

        assert (len(asked(line)), line.clock.slept_s) == (8, [5.0] * 7)


@pytest.mark.parametrize(
    "trouble",
    [failure(503, "Busy"), failure(500, "Oops"), Say(hangs_up=True), Say(breaks_off=True)],
)
async def test_what_may_pass_is_asked_again(trouble: Say) -> None:
    async with speaking() as line:
        line.server.on("POST", GRAPH, [trouble, trouble, page()])
        await discovered(line)

        assert line.clock.slept_s == [1.0, 2.0]


async def test_a_query_without_an_answer_ends_in_time() -> None:
    async with speaking(call_limit_s=0.05) as line:
        line.server.on("POST", GRAPH, Say(stalls=True))
        with pytest.raises((TransientError, LostAnswerError), match="no answer in time"):
            await discovered(line)


async def test_a_query_that_is_refused_shows_what_is_wrong_with_it() -> None:
    """As it was recorded, with the line and the character."""
    details = [
        {"code": "InvalidQuery", "message": "Query is invalid."},
        {
            "code": "ParserFailure",
            "message": "ParserFailure",
            "line": 1,
            "characterPositionInLine": 11,
            "token": "<EOF>",
        },
    ]
    error = {"code": "BadRequest", "message": "Please provide below info.", "details": details}
    async with speaking() as line:
        line.server.on("POST", GRAPH, Say(status=400, body={"error": error}))
        with pytest.raises(RemoteError) as caught:
            await discovered(line)

        assert len(asked(line)) == 1
    assert caught.value.message == (
        "asking Resource Graph about the tenant: the answer was 400: "
        "(BadRequest) Please provide below info. "
        "(InvalidQuery: Query is invalid.; ParserFailure at line 1, character 11, at '<EOF>')"
    )


async def test_subscriptions_that_may_not_be_read_are_named() -> None:
    async with speaking() as line:
        line.server.on("POST", GRAPH, failure(403, "AuthorizationFailed", "No access."))
        with pytest.raises(DeniedError) as caught:
            await discovered(line, Scope(subscriptions=("s1", "s2")))

    assert caught.value.message == (
        "asking Resource Graph about s1, s2: not allowed: (AuthorizationFailed) No access."
    )


async def test_a_token_that_the_graph_refuses_is_handled_as_everywhere() -> None:
    async with speaking() as line:
        line.server.on("POST", GRAPH, failure(401, "InvalidAuthenticationToken"))
        with pytest.raises(AuthError):
            await discovered(line)

        assert len(asked(line)) == 1


GARBLED = (
    Say(body=b"<html>Sign in to this network</html>", headers={"Content-Type": "text/html"}),
    Say(body=b'{"data": [{"id"'),
    Say(body=b""),
    Say(body=[]),
)


@pytest.mark.parametrize("garbled", GARBLED)
async def test_what_is_no_answer_at_all_is_asked_for_again_by_every_read(garbled: Say) -> None:
    """By those of clusters, of versions and of policies alike."""
    met: list[str] = []

    def once(key: str, sound: Say) -> Say:
        if key in met:
            return sound
        met.append(key)
        return garbled

    async with speaking() as line:
        line.server.on("POST", GRAPH, lambda got: once(got.json["query"], page(*_rows_of(got))))
        line.server.on("GET", TYPES, lambda _: once("versions", versions("1.2.6")))
        found = await discovered(line)

    assert len(met) > 2
    assert ([one.name for one in found.clusters], found.versions) == (["a"], {"stable": ("1.2.6",)})
    assert line.clock.slept_s == [1.0] * len(met)
    assert [one for one in found.warnings if "were not looked at" in one] == [
        one for one in found.warnings if "no policy assignment at all" in one
    ]


def _rows_of(got: Got) -> list[dict[str, Any]]:
    return [row("a", osm())] if got.json["query"].startswith("resources\n") else []


@pytest.mark.parametrize("garbled", GARBLED)
async def test_what_stays_no_answer_ends_after_as_many_tries_as_any_trouble(garbled: Say) -> None:
    async with speaking() as line:
        line.server.on("POST", GRAPH, garbled)
        with pytest.raises(UnexpectedPayloadError) as caught:
            await discovered(line)

        assert len(asked(line)) == 8
    assert (caught.value.code, caught.value.status) == ("F370", 200)
    assert line.clock.slept_s == [1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0]


async def test_an_answer_that_says_something_else_is_told_at_once() -> None:
    async with speaking() as line:
        line.server.on("POST", GRAPH, Say(body={"data": "none", "totalRecords": 1}))
        with pytest.raises(UnexpectedPayloadError):
            await discovered(line)

        assert len(asked(line)) == 1


async def test_a_token_that_the_first_read_finds_refused_is_fetched_anew_once() -> None:
    texts = [jwt(tid="t", oid="1", iat=n) for n in range(4)]
    refused = failure(401, "InvalidAuthenticationToken")
    async with speaking() as line:
        line.server.on("POST", TOKEN_PATH, [token(one) for one in texts])
        line.server.on("POST", GRAPH, [refused, page(row("a"))])
        line.server.on("GET", TYPES, versions("1.2.6"))
        found = await discovered(line)
        used = [one.headers["authorization"] for one in line.server.sent("POST")]
        assert [one.name for one in found.clusters] == ["a"]
        assert used[:2] == [f"Bearer {one}" for one in texts[:2]]

    async with speaking() as line:
        line.server.on("POST", TOKEN_PATH, [token(one) for one in texts])
        line.server.on("POST", GRAPH, refused)
        with pytest.raises(AuthError):
            await discovered(line)
        assert len(asked(line)) == 2


async def test_an_extension_that_cannot_be_read_costs_no_other_cluster() -> None:
    odd = osm(autoUpgradeMode="weekly")
    async with speaking() as line:
        line.server.on("POST", GRAPH, page(row("a", osm()), row("b", odd), row("c", osm(), odd)))
        line.server.on("GET", TYPES, versions("1.2.6"))
        found = await discovered(line)

    why = "autoUpgradeMode is missing or cannot be read"
    unread = (UnreadExtension(name="osm", extension_type=OSM, why=why),)
    assert [(len(one.extensions), one.unread) for one in found.clusters] == [
        (1, ()),
        (0, unread),
        (1, unread),
    ]


@pytest.mark.parametrize("lacking", ["id", "location"])
async def test_a_row_that_is_no_cluster_is_an_error_as_it_was(lacking: str) -> None:
    async with speaking() as line:
        line.server.on("POST", GRAPH, page(row("a"), row("b", **{lacking: None})))
        with pytest.raises(UnexpectedPayloadError):
            await discovered(line)


# --- versions ----------------------------------------------------------------------------


async def test_versions_are_asked_for_by_train_and_location() -> None:
    async with speaking() as line:
        line.server.on(
            "POST",
            GRAPH,
            page(
                row("a", osm("Pilot")),
                row("b", {"name": "x", "properties": {"extensionType": "y", "releaseTrain": "z"}}),
                row("c", id=cluster_id("c", "s2"), location="northeurope"),
                row("d", id=cluster_id("d", "s2")),
            ),
        )
        line.server.on("GET", TYPES, versions("1.2.6"))
        found = await discovered(line, train="Stable")
        sent = sorted(one.path for one in line.server.sent("GET"))

    assert sent == [
        f"/subscriptions/{subscription}/providers/Microsoft.KubernetesConfiguration/locations/"
        f"{location}/extensionTypes/{OSM}/versions?api-version=2023-05-01-preview"
        f"&clusterType=connectedClusters&releaseTrain={train}"
        for subscription, location in (("s1", "westeurope"), ("s2", "northeurope"))
        for train in ("pilot", "stable")
    ]
    assert found.versions == {"pilot": ("1.2.6",), "stable": ("1.2.6",)}


async def test_a_version_counts_where_every_location_offers_it() -> None:
    async with speaking() as line:
        line.server.on("POST", GRAPH, page(row("a"), row("b", location="northeurope")))
        line.server.on("GET", "/westeurope/", versions("1.2.6", "1.2.5", "1.1.0"))
        line.server.on("GET", "/northeurope/", versions("1.1.0", "1.2.6"))
        found = await discovered(line)

    assert {train: set(names) for train, names in found.versions.items()} == {
        "stable": {"1.2.6", "1.1.0"}
    }


async def test_pages_of_versions_are_followed_to_the_letter_on_the_same_host() -> None:
    async with speaking() as line:
        link = f"{line.server.url}/next{TYPES}?continuationToken=%257Ba%2Bb%257D&x=%2f"
        line.server.on("POST", GRAPH, page(row("a")))
        line.server.on("GET", TYPES, versions("1.2.6", link=link))
        line.server.on("GET", "/next", versions("1.2.5"))
        found = await discovered(line)

        assert line.server.sent("GET")[-1].path == link.removeprefix(line.server.url)
    assert found.versions == {"stable": ("1.2.6", "1.2.5")}


async def test_the_next_page_is_never_looked_for_elsewhere_or_in_a_circle() -> None:
    async with serving() as trap, speaking() as line:
        line.server.on("POST", GRAPH, page(row("a")))
        line.server.on("GET", TYPES, versions("1", link=f"{trap.url}/x"))
        with pytest.raises(UnexpectedPayloadError):
            await discovered(line)
        line.server.on("GET", TYPES, versions("1", link=f"{line.server.url}{TYPES}"))
        with pytest.raises(UnexpectedPayloadError):
            await discovered(line)

        assert trap.got == []


@pytest.mark.parametrize(
    "say",
    [
        failure(404, "InvalidResourceType"),
        failure(404, "ResourceNotFound"),
        failure(400, "NoRegisteredProviderFound"),
        failure(400, "InvalidResourceType"),
        failure(403, "AuthorizationFailed"),
        Say(status=404),
    ],
)
async def test_a_train_that_is_not_known_somewhere_is_left_out_and_told(say: Say) -> None:
    async with speaking() as line:
        line.server.on("POST", GRAPH, page(row("a"), row("b", osm("pilot"))))
        line.server.on("GET", "releaseTrain=stable", say)
        line.server.on("GET", "releaseTrain=pilot", versions("1"))
        found = await discovered(line)

    assert found.versions == {"pilot": ("1",)}
    trains = [one.partition(":")[0] for one in found.warnings if "train" in one]
    assert trains == ["release train stable"]


async def test_versions_in_trouble_are_asked_for_again_and_then_told() -> None:
    async with speaking() as line:
        line.server.on("POST", GRAPH, page(row("a")))
        line.server.on("GET", TYPES, [failure(503, "Busy"), versions("1")])
        assert (await discovered(line)).versions == {"stable": ("1",)}

        for say, error in (
            (failure(503, "Busy"), TransientError),
            (failure(400, "Bad"), RemoteError),
            (Say(body={"value": None}), UnexpectedPayloadError),
            (Say(body={"value": [{}]}), UnexpectedPayloadError),
            (Say(body={"value": [{"name": "9" * 5000}]}), UnexpectedPayloadError),
            (Say(body={"value": [], "nextLink": 7}), UnexpectedPayloadError),
        ):
            line.server.on("GET", TYPES, say)
            with pytest.raises(error):
                await discovered(line)


@pytest.mark.skipif(not RECORDINGS.is_dir(), reason="the recorded traffic is not here")
async def test_recorded_versions_can_be_read() -> None:
    recorded = json.loads(
        (RECORDINGS / "extension-types-2023-05-01-preview.recorded-2023-09.json").read_text()
    )
    body = next(
        one["response"]["body"]
        for one in recorded["interactions"]
        if "/versions?" in one["request"]["uri"]
    )
    async with speaking() as line:
        line.server.on("POST", GRAPH, page(row("a")))
        line.server.on("GET", TYPES, Say(body=body))
        found = await discovered(line)

    assert found.versions["stable"][:3] == ("1.5.0", "1.4.0", "1.3.0")


# --- the query itself --------------------------------------------------------------------


def table(*rows: dict[str, Any], extensions: tuple[tuple[str, dict[str, Any]], ...] = ()) -> Any:
    con = duckdb.connect()
    con.execute(
        "create table resources(id varchar, name varchar, type varchar, location varchar, "
        "subscriptionId varchar, tags json, properties json)"
    )
    con.execute(
        "create table kubernetesconfigurationresources(id varchar, name varchar, type varchar, "
        "properties json)"
    )
    for one in rows:
        con.execute(
            "insert into resources values (?, ?, ?, ?, ?, ?, ?)",
            [
                one["id"],
                one["name"],
                one.get("type", "Microsoft.Kubernetes/ConnectedClusters"),
                one["location"],
                "s1",
                json.dumps(one["tags"]),
                json.dumps({"distribution": one["distribution"]}),
            ],
        )
    for own_id, properties in extensions:
        con.execute(
            "insert into kubernetesconfigurationresources values (?, ?, ?, ?)",
            [
                own_id,
                own_id.rsplit("/", 1)[1],
                "microsoft.kubernetesconfiguration/extensions",
                json.dumps(properties),
            ],
        )
    return con


def executed(con: Any, query: str) -> list[Cluster]:
    relation = duckdb_kql.query(con, query)
    rows = [dict(zip(relation.columns, one, strict=True)) for one in relation.fetchall()]
    for one in rows:
        one["tags"] = json.loads(one["tags"]) if one["tags"] else None
        one["extensions"] = [json.loads(item) for item in one["extensions"] or ()]
    return [payloads.row(one) for one in rows]


def test_the_query_puts_every_extension_on_its_cluster_whatever_the_casing() -> None:
    kind = "providers/Microsoft.KubernetesConfiguration/Extensions"
    con = table(
        row("b"),
        row("a"),
        row("c", type="microsoft.compute/disks"),
        extensions=(
            (f"{cluster_id('a').lower()}/{kind}/osm", {"ExtensionType": OSM}),
            (f"{cluster_id('A')}/{kind.lower()}/flux", {"extensionType": "microsoft.flux"}),
            (f"/subscriptions/s/managedClusters/x/{kind}/osm", {"extensionType": OSM}),
        ),
    )
    found = executed(con, kql.clusters(Match()))

    assert [(one.name, [e.extension_type for e in one.extensions]) for one in found] == [
        ("a", ["microsoft.flux", OSM]),
        ("b", []),
    ]


words = st.sampled_from(
    ["prod", "Prod", "test", "it's", 'quo"te', "back\\slash", "", "ü", "a b", "x' or 1 == 1 //"]
)
tag_names = st.sampled_from(["env", "Env", "tier"])
names = st.sampled_from(["store-01", "Store-02", "hub", "store-1", "x.y"])
places = st.sampled_from(["westeurope", "northeurope"])
kinds = st.sampled_from(["k3s", "K3s", "openshift", ""])
patterns = st.sampled_from(
    ["store*", "STORE-0?", "*01", "hub", "Hub", "store-[01]*", "x.y", "it's*"]
)
selectors = st.builds(
    Match,
    tags=st.dictionaries(tag_names, st.lists(words, min_size=1, max_size=2).map(tuple), max_size=2),
    locations=st.lists(places.map(str.upper), max_size=1).map(tuple),
    distributions=st.lists(kinds, max_size=2).map(tuple),
    names=st.lists(patterns, max_size=2).map(tuple),
)
fleets = st.lists(
    st.builds(
        lambda name, location, kind, tags: row(
            name, location=location, distribution=kind, tags=tags
        ),
        names,
        places,
        kinds,
        st.dictionaries(tag_names, words, max_size=2),
    ),
    max_size=4,
    unique_by=lambda one: one["id"].lower(),
)


@settings(max_examples=25, deadline=None)
@given(fleet=fleets, match=selectors)
def test_the_query_loses_no_cluster_that_the_selector_means(
    fleet: list[dict[str, Any]], match: Match
) -> None:
    found = executed(table(*fleet), kql.clusters(match))
    everything = [payloads.row({**one, "extensions": None}) for one in fleet]

    meant = {one.id for one in everything if selection.is_match(one, match)}
    assert meant <= {one.id for one in found}


@pytest.mark.parametrize(
    ("match", "where"),
    [
        (Match(locations=("westeurope", "x")), "location in~ ('westeurope', 'x')"),
        (Match(distributions=("k3s",)), "tostring(properties.distribution) in~ ('k3s')"),
        (Match(tags={"env": ("prod",)}), "tostring(tags) contains 'prod'"),
        (Match(names=("store-01*", "hub")), "name startswith 'store-01' or name =~ 'hub'"),
        (Match(names=("store*", "*1")), None),
        (Match(tags={"env": ("it's",)}), None),
        (Match(tags={"env": ("",)}), None),
        (Match(locations=("x' or 1 == 1",)), None),
    ],
)
def test_a_selector_narrows_the_query_as_far_as_it_safely_can(
    match: Match, where: str | None
) -> None:
    plain = kql.clusters(Match())
    narrowed = kql.clusters(match)

    assert set(narrowed.splitlines()) - set(plain.splitlines()) == (
        {f"| where {where}"} if where else set()
    )


def test_the_query_that_counts_has_a_row_for_each_subscription_with_clusters() -> None:
    relation = duckdb_kql.query(table(row("a"), row("b")), kql.COUNT)

    assert relation.fetchall() == [("s1", 2)]
