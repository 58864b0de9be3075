from __future__ import annotations

import base64
import dataclasses
import json
from typing import Any

import pytest

from fleet.sim import stock
from fleet.sim.recipe import Casing, Wire
from tests.rig.serving import CALM, EXTENSIONS, GRAPH, Heard, Stage, staged

CLUSTERS = "resources | where type =~ 'microsoft.kubernetes/connectedclusters'"
HALF = dataclasses.replace(
    CALM, extensions=(dataclasses.replace(CALM.extensions[0], installed={"absent": 1, "1.1.1": 1}),)
)
"""Some clusters have Open Service Mesh, and some have not."""

# The queries of the service's own documentation, in our layout.
WITH_IT = """
KubernetesConfigurationResources
| where type == 'microsoft.kubernetesconfiguration/extensions'
| where properties.ExtensionType == 'microsoft.openservicemesh'
| parse id with connectedClusterId '/providers/Microsoft.KubernetesConfiguration/Extensions' *
| project connectedClusterId
"""
WITHOUT_IT = """
Resources
| where type =~ 'Microsoft.Kubernetes/connectedClusters'
| extend connectedClusterId = tolower(id) | project connectedClusterId
| join kind = leftouter
  (KubernetesConfigurationResources
  | where type == 'microsoft.kubernetesconfiguration/extensions'
  | where properties.ExtensionType == 'microsoft.openservicemesh'
  | parse tolower(id) with connectedClusterId
      '/providers/microsoft.kubernetesconfiguration/extensions' *
  | project connectedClusterId
) on connectedClusterId
| where connectedClusterId1 == ''
| project connectedClusterId
"""
WITH_FLUX_CONFIGURATIONS = """
resources
| where type =~ 'Microsoft.Kubernetes/connectedClusters'
    or type =~ 'Microsoft.ContainerService/managedClusters'
| extend clusterId = tolower(id) | project clusterId
| join
( kubernetesconfigurationresources
| where type == 'microsoft.kubernetesconfiguration/fluxconfigurations'
| parse tolower(id) with clusterId
    '/providers/microsoft.kubernetesconfiguration/fluxconfigurations' *
| project clusterId
) on clusterId
| project clusterId
"""
INVENTORY = """
resources
| where type =~ 'microsoft.kubernetes/connectedclusters'
| extend clusterId = tolower(id)
| join kind=leftouter (
    kubernetesconfigurationresources
    | where type =~ 'microsoft.kubernetesconfiguration/extensions'
    | extend clusterId = tolower(tostring(split(tolower(id),
        '/providers/microsoft.kubernetesconfiguration/')[0]))
    | summarize extensions = make_list(bag_pack('name', name, 'properties', properties))
        by clusterId
) on clusterId
| project id, name, tags, connectivity = tostring(properties.connectivityStatus), extensions
| order by id asc
"""


async def rows(stage: Stage, query: str, **options: Any) -> Any:
    heard = await stage.caller.ask(query, options=options)
    assert heard.status == 200, heard.body
    return heard.json["data"]


def with_osm(stage: Stage, *, has_it: bool) -> list[str]:
    """Return the ids of the clusters that have it, or have it not."""
    world = stage.served.plane.azure.world
    found = [one.id for one in world.clusters(stage.clock.now()) if bool(one.extensions) == has_it]
    assert found
    return sorted(found)


async def test_the_documentation_s_queries_run() -> None:
    async with staged(HALF) as stage:
        having = await rows(stage, WITH_IT)
        lacking = await rows(stage, WITHOUT_IT)
        flux = await rows(stage, WITH_FLUX_CONFIGURATIONS)
        everything = await rows(
            stage,
            "Resources | project id, subscriptionId, location, type, properties.agentVersion, "
            "properties.kubernetesVersion, properties.distribution, properties.infrastructure, "
            "properties.totalNodeCount, properties.totalCoreCount "
            "| where type =~ 'Microsoft.Kubernetes/connectedClusters'",
        )
        expected = with_osm(stage, has_it=True), with_osm(stage, has_it=False)

    assert sorted(one["connectedClusterId"] for one in having) == expected[0]
    found = sorted(one["connectedClusterId"] for one in lacking)
    assert found == [one.lower() for one in expected[1]]
    assert flux == []
    assert len(everything) == 12
    first = everything[0]
    assert first["properties_totalCoreCount"] == 4 * first["properties_totalNodeCount"]
    assert first["properties_agentVersion"] in stock.AGENT_VERSIONS


async def test_an_inventory_joins_clusters_and_their_extensions() -> None:
    async with staged(HALF) as stage:
        found = await rows(stage, INVENTORY)
        world = stage.served.plane.azure.world
        clusters = sorted(world.clusters(stage.clock.now()), key=lambda one: one.id)

    assert [one["id"] for one in found] == [one.id for one in clusters]
    for one, cluster in zip(found, clusters, strict=True):
        extensions = one.pop("extensions")
        assert one == {
            "id": cluster.id,
            "name": cluster.name,
            "tags": dict(cluster.tags),
            "connectivity": "Connected",
        }
        assert (extensions is None) == (not cluster.extensions)
        for extension in extensions or ():
            assert extension["properties"]["CurrentVersion"] == "1.1.1"


async def test_whole_rows_have_the_columns_that_were_recorded() -> None:
    async with staged() as stage:
        (cluster,) = await rows(stage, f"{CLUSTERS} | order by id asc | take 1")
        (extension,) = await rows(stage, "kubernetesconfigurationresources | take 1")

    columns = {
        *("id", "name", "type", "tenantId", "kind", "location", "resourceGroup"),
        *("subscriptionId", "managedBy", "sku", "plan", "properties", "tags", "identity"),
        *("zones", "extendedLocation"),
    }
    assert set(cluster) == set(extension) == columns
    assert (cluster["type"], cluster["kind"], cluster["sku"]) == (
        "microsoft.kubernetes/connectedclusters",
        "",
        None,
    )
    assert extension["type"] == "microsoft.kubernetesconfiguration/extensions"
    assert extension["properties"] == {
        "ExtensionType": "microsoft.openservicemesh",
        "AutoUpgradeMinorVersion": False,
        "ReleaseTrain": "Stable",
        "Version": "1.1.1",
        "CurrentVersion": "1.1.1",
        "Scope": {"cluster": {"ReleaseNamespace": "arc-osm-system"}},
        "ProvisioningState": "Succeeded",
        "ConfigurationSettings": {"osm.a": "1"},
        "ConfigurationProtectedSettings": {"osm.key": ""},
        "Statuses": [],
        "AksAssignedIdentity": None,
        "IsSystemExtension": False,
    }


async def test_a_world_may_spell_extensions_in_camel_case() -> None:
    wire = Wire(graph_casing=Casing.CAMEL)
    async with staged(dataclasses.replace(CALM, wire=wire)) as stage:
        (one,) = await rows(stage, "kubernetesconfigurationresources | take 1")

    assert one["properties"]["currentVersion"] == "1.1.1"
    assert "/extensions/" in one["id"]


async def test_pages_go_on_by_offset_until_everything_was_there_once() -> None:
    async with staged() as stage:
        heard = await stage.caller.ask(
            f"{CLUSTERS} | project id | order by id asc", options={"$top": 5}
        )
        tokens, found, sizes = [], [], []
        while True:
            document = heard.json
            assert (document["totalRecords"], document["facets"]) == (12, [])
            assert document["resultTruncated"] == "false"
            sizes.append(document["count"])
            found += [one["id"] for one in document["data"]]
            token = document.get("$skipToken")
            if token is None:
                break
            tokens.append(json.loads(base64.b64decode(token)))
            heard = await stage.caller.ask(
                f"{CLUSTERS} | project id | order by id asc", options={"$skipToken": token}
            )

    assert sizes == [5, 5, 2]
    assert found == sorted(set(found))
    assert len(found) == 12
    assert tokens[1] == {
        "$id": "1",
        "MaxRows": 5,
        "RowsToSkip": 10,
        "KustoClusterUrl": tokens[0]["KustoClusterUrl"],
    }


async def test_a_result_without_ids_or_with_a_limit_has_no_pages() -> None:
    async with staged() as stage:
        nameless = await stage.caller.ask(f"{CLUSTERS} | project name", options={"$top": 5})
        limited = await stage.caller.ask(
            f"{CLUSTERS} | project id | limit 7", options={"$top": 5, "$skip": 3}
        )
        skipped = await stage.caller.ask(f"{CLUSTERS} | project id", options={"$skip": 10})

    for heard, total in ((nameless, 12), (limited, 7)):
        assert "$skipToken" not in heard.json
        assert (heard.json["resultTruncated"], heard.json["totalRecords"]) == ("true", total)
        assert heard.json["count"] == 5
    assert (skipped.json["count"], skipped.json["totalRecords"]) == (2, 12)


async def test_tables_are_another_form_of_the_same() -> None:
    query = (
        f"{CLUSTERS} | where name == 'store-0001-a' | project name, tags, "
        "nodes = toint(properties.totalNodeCount), half = 0.5, on = true, at = now(), "
        "missing = toint(properties.nothing), zones"
    )
    async with staged() as stage:
        tags = dict(next(stage.served.plane.azure.world.clusters(stage.clock.now(), [0])).tags)
        found = await rows(stage, query, resultFormat="table")
        (document,) = await rows(stage, query)

    kinds = {one["name"]: one["type"] for one in found["columns"]}
    nodes = document["nodes"]
    assert kinds == {
        "name": "string",
        "tags": "object",
        "nodes": "integer",
        "half": "number",
        "on": "boolean",
        "at": "datetime",
        "missing": "integer",
        "zones": "object",
    }
    moment = "2026-01-10T02:00:00.0000000Z"
    assert found["rows"] == [["store-0001-a", tags, nodes, 0.5, True, moment, None, None]]
    assert document == dict(zip(kinds, found["rows"][0], strict=True))


async def test_only_what_lies_in_the_subscriptions_is_seen() -> None:
    async with staged() as stage:
        first, second, _ = stage.served.plane.subscriptions
        both = "resources | union kubernetesconfigurationresources | summarize count() by type"

        async def counted(**scope: Any) -> dict[str, int]:
            heard = await stage.caller.ask(both, **scope)
            return {one["type"].rpartition("/")[2]: one["count_"] for one in heard.json["data"]}

        everything = await counted()
        one = await counted(subscriptions=[first.upper()])
        two = await counted(subscriptions=[first, second, "nobody-s"])
        tenant = await counted(managementGroups=[stage.served.plane.tenant])
        nobody = await stage.caller.ask(both, subscriptions=["nobody-s"])

    assert everything == tenant == {"connectedclusters": 12, "extensions": 12}
    assert one == {"connectedclusters": 4, "extensions": 4}
    assert two == {"connectedclusters": 8, "extensions": 8}
    assert nobody.json["error"]["details"][1]["code"] == "NoValidSubscriptionsInQueryRequest"


async def test_a_write_is_seen_by_the_next_query_and_not_by_pages_of_the_last() -> None:
    query = "kubernetesconfigurationresources | project id, state = properties.ProvisioningState"
    async with staged() as stage:
        before = await stage.caller.ask(query, options={"$top": 6})
        await stage.caller.send("DELETE", stage.extension(), api_version=EXTENSIONS)
        page = await stage.caller.ask(query, options={"$skipToken": before.json["$skipToken"]})
        after = await rows(stage, query)
        stage.wait(minutes=2)
        later = await rows(stage, query)

    seen = before.json["data"] + page.json["data"]
    assert ({one["state"] for one in seen}, len(seen)) == ({"Succeeded"}, 12)
    assert {one["state"] for one in after} == {"Succeeded", "Deleting"}
    assert len(later) == 11


async def test_what_agents_report_comes_late_where_the_world_says_so() -> None:
    """A write is known at once; how its operation ended, and heartbeats, are not."""
    late = dataclasses.replace(CALM, wire=Wire(graph_lag_s=600))
    table = "kubernetesconfigurationresources"
    states = table + " | where id has '{}' | project s = properties.ProvisioningState"
    heard_of = "resources | project at = todatetime(properties.lastConnectivityTime) | top 1 by at"
    seen = []
    async with staged(late) as stage:
        query = states.format(stage.cluster().rpartition("/")[2])
        stage.wait(minutes=40)
        patch = {"properties": {"version": "1.2.6", "autoUpgradeMinorVersion": False}}
        await stage.caller.send("PATCH", stage.extension(), body=patch, api_version=EXTENSIONS)
        for seconds in (0, 60, 590, 20):
            stage.wait(seconds=seconds)
            ((row,), (beat,)) = [await rows(stage, one) for one in (query, heard_of)]
            seen.append((row["s"], beat["at"][11:19]))
        shown = await stage.caller.get(stage.extension(), api_version=EXTENSIONS)

    # The operation ended after a minute, and a heartbeat comes every five.
    assert seen == [
        *(("Updating", "02:30:00"), ("Updating", "02:30:00"), ("Updating", "02:40:00")),
        ("Succeeded", "02:40:00"),
    ]
    assert shown.json["properties"]["provisioningState"] == "Succeeded"


async def test_strings_are_never_null_after_an_outer_join() -> None:
    absent = (
        "| join kind={kind} (kubernetesconfigurationresources | where name == 'nothing' "
        "| project key = id, theirs = name, more = properties) on $left.id == $right.key "
    )
    async with staged() as stage:
        left = await rows(
            stage,
            f"{CLUSTERS} | project id, name {absent.format(kind='leftouter')}"
            "| where theirs == '' and isnull(more) | project theirs, more, name "
            "| top 1 by name asc",
        )
        full = await rows(
            stage,
            "kubernetesconfigurationresources | where name == 'nothing' | project key = id, theirs "
            f"= name | join kind=fullouter ({CLUSTERS} | project id, name) on $left.key == "
            "$right.id | where theirs == '' | summarize count()",
        )
        nested = await rows(
            stage,
            "let gone = kubernetesconfigurationresources | where name == 'nothing' | project "
            f"key = id; {CLUSTERS} | project id | join kind=leftouter ({CLUSTERS} | project id "
            "| join kind=leftouter gone on $left.id == $right.key | where key == '') on id "
            "| where key == '' and id1 != '' | count",
        )

    assert left == [{"theirs": "", "more": None, "name": "store-0001-a"}]
    assert full == [{"count_": 12}]
    assert nested == [{"Count": 12}]


async def test_a_query_may_leave_its_table_out() -> None:
    async with staged() as stage:
        found = await rows(stage, "project id, tags | limit 2")

    assert [sorted(one) for one in found] == [["id", "tags"]] * 2


async def refused(stage: Stage, query: str, **options: Any) -> Any:
    heard: Heard = await stage.caller.ask(query, options=options)
    assert (heard.status, heard.json["error"]["code"]) == (400, "BadRequest")
    assert heard.headers["x-ms-user-quota-resets-after"] == "00:00:05"
    message = heard.json["error"]["message"]
    assert message.startswith(
        "Please provide below info when asking for support: "
        "timestamp = 2026-01-10T02:00:00.0000000Z, correlationId = "
    )
    first, *others = heard.json["error"]["details"]
    assert first["code"] == "InvalidQuery"
    stage.clock.move(-(stage.clock.now() - CALM.epoch))
    return others


async def test_queries_that_cannot_be_are_refused_with_the_place_or_the_reason() -> None:
    join = "| join kind={} (resources | project id) on id "
    async with staged() as stage:
        syntax = await refused(stage, "resources | where isempty(id")
        bare = await refused(stage, "where where")
        codes = {
            query: (await refused(stage, query))[0]["code"]
            for query in (
                "nothing | take 1",
                "resources | join (nothing) on id",
                "resources | where nothing == 1",
                "resources " + join.format("leftanti"),
                "resources " + join.format("inner") * 4,
                "resources | summarize make_list(name, 2)",
                "resources | facet by location",
                ".show tables",
            )
        }

    assert syntax == [
        {
            "code": "ParserFailure",
            "message": "ParserFailure",
            "line": 1,
            "characterPositionInLine": 25,
            "token": "(",
            "expectedToken": "{<EOF>, ';'}",
        }
    ]
    assert bare[0]["code"] == "ParserFailure"
    assert list(codes.values()) == [
        "InvalidTableName",
        "InvalidTableName",
        "UnresolvedName",
        "UnsupportedJoinFlavor",
        "JoinLimitExceeded",
        "NotSupportedBySimulator",
        "NotSupportedBySimulator",
        "ParserFailure",
    ]


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ({"$top": 1001}, "InvalidQueryOptions"),
        ({"$top": 0}, "InvalidQueryOptions"),
        ({"$top": "5"}, "InvalidQueryOptions"),
        ({"$skip": -1}, "InvalidQueryOptions"),
        ({"resultFormat": "csv"}, "InvalidQueryOptions"),
        ({"$skipToken": "x"}, "InvalidSkipToken"),
    ],
)
async def test_options_have_their_bounds(options: dict[str, Any], code: str) -> None:
    async with staged() as stage:
        (found,) = await refused(stage, "resources | count", **options)

    assert found["code"] == code


async def test_a_query_reaches_no_file() -> None:
    async with staged() as stage:
        found = await refused(stage, "externaldata(line:string) ['/etc/hostname'] | project line")

    assert found[0]["code"] in ("NotSupportedBySimulator", "SemanticError")


async def test_a_query_needs_a_token_and_a_version() -> None:
    path = "/providers/Microsoft.ResourceGraph/resources"
    async with staged() as stage:
        stranger = await stage.stranger.ask("resources | count")
        heard = await stage.caller.send("POST", path, body={"query": "resources | count"})
        shouted = await stage.caller.send(
            "POST", path.upper(), body={"query": "resources | count"}, api_version=GRAPH
        )

    assert (stranger.status, heard.status, shouted.json["data"]) == (401, 400, [{"Count": 12}])


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("options", []),
        ("subscriptions", "one"),
        ("managementGroups", 5),
        ("facets", {"expression": "location"}),
        ("facets", ["location"]),
        ("facets", [{"expression": 1}]),
    ],
)
async def test_a_body_of_the_wrong_shape_is_refused(name: str, value: Any) -> None:
    async with staged() as stage:
        path = "/providers/Microsoft.ResourceGraph/resources"
        body = {"query": "resources", name: value}
        heard = await stage.caller.send("POST", path, body=body, api_version=GRAPH)

    codes = [one["code"] for one in heard.json["error"]["details"]]
    assert (heard.status, codes) == (400, ["InvalidQuery", "InvalidRequest"])
