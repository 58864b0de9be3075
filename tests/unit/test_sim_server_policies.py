"""Policies, containers and permissions of a simulated Azure: as rows, as lists, as refusals."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from fleet.sim import names
from fleet.sim.recipe import DefinitionKind, Permissions, Policy, Recipe, Special, Wire
from tests.rig.serving import CALM, CLUSTERS, EXTENSIONS, Stage, staged

OSM = "microsoft.openservicemesh"
HERE, THERE = (f"/subscriptions/{names.subscription(number)}" for number in (0, 1))
ROOT = names.root_group(CALM.seed)
POLICIES = dataclasses.replace(
    CALM,
    policies=(
        Policy(name="everywhere", extension_type=OSM, kind=DefinitionKind.BUILT_IN),
        Policy(name="own", extension_type=OSM, scope=HERE, is_enforced=False),
        Policy(
            name="group",
            extension_type=OSM,
            scope=f"{HERE}/resourceGroups/rg-eastus",
            kind=DefinitionKind.INITIATIVE,
        ),
        Policy(name="elsewhere", extension_type=OSM, scope=THERE),
    ),
)
BY_TYPE = "policyresources | where type =~ 'microsoft.authorization/{}' | project name"
ASSIGNMENTS = BY_TYPE.format("policyAssignments")


def restricted(*without: str, recipe: Recipe = CALM, actions: tuple[str, ...] = ("*",)) -> Recipe:
    permissions = Permissions(actions=actions, not_actions=without)
    return dataclasses.replace(recipe, wire=Wire(permissions=permissions))


async def rows(stage: Stage, query: str, filtered: str | None = None, *scope: str) -> list[Any]:
    options = {"authorizationScopeFilter": filtered} if filtered else {}
    asked = {"subscriptions": [one.split("/")[2] for one in scope]} if scope else {}
    heard = await stage.caller.ask(query, options=options, **asked)
    assert heard.status == 200, heard.body
    found: list[Any] = heard.json["data"]
    return found


async def named(stage: Stage, query: str, filtered: str | None = None, *scope: str) -> list[str]:
    return sorted(one["name"] for one in await rows(stage, query, filtered, *scope))


# --- rows --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("filtered", "expected"),
    [
        (None, ["SecurityCenterBuiltIn", "group", "own"]),
        ("AtScopeAndBelow", ["SecurityCenterBuiltIn", "group", "own"]),
        ("AtScopeAboveAndBelow", ["SecurityCenterBuiltIn", "everywhere", "group", "own"]),
        ("AtScopeAndAbove", ["SecurityCenterBuiltIn", "everywhere", "own"]),
        ("AtScopeExact", ["SecurityCenterBuiltIn", "own"]),
    ],
)
async def test_assignments_of_groups_above_are_rows_only_where_that_is_asked_for(
    filtered: str | None, expected: list[str]
) -> None:
    async with staged(POLICIES) as stage:
        assert await named(stage, ASSIGNMENTS, filtered, HERE) == expected
        assert len(await named(stage, ASSIGNMENTS)) == 3 + 4


async def test_a_filter_that_is_none_is_refused() -> None:
    async with staged() as stage:
        heard = await stage.caller.ask(ASSIGNMENTS, options={"authorizationScopeFilter": "All"})

    assert heard.status == 400


async def test_one_query_under_two_filters_is_two_questions() -> None:
    async with staged(POLICIES) as stage:
        below = await named(stage, ASSIGNMENTS, "AtScopeAndBelow", HERE)
        above = await named(stage, ASSIGNMENTS, "AtScopeAboveAndBelow", HERE)

    assert set(above) - set(below) == {"everywhere"}


async def test_definitions_and_initiatives_are_rows_with_their_rules() -> None:
    async with staged(POLICIES) as stage:
        definitions = await rows(
            stage,
            "policyresources | where type == 'microsoft.authorization/policydefinitions' "
            "| where tostring(properties.policyRule) contains 'KubernetesConfiguration/EXTENSIONS' "
            "| project name, made = tostring(properties.policyType), "
            "deploys = tostring(properties.policyRule.then.details.type) | order by name asc",
        )
        sets = await named(stage, BY_TYPE.format("policySetDefinitions"))

    assert [(one["name"], one["made"]) for one in definitions] == [
        ("73868911-4f4a-444f-adbd-5382bf70208a", "BuiltIn"),
        ("elsewhere", "Custom"),
        ("group", "Custom"),
        ("own", "Custom"),
    ]
    assert {one["deploys"] for one in definitions} == {
        "Microsoft.KubernetesConfiguration/extensions"
    }
    assert sets == ["1f3afdf9-d0c9-4c3d-847f-89da613e70a8", "group-set"]


async def test_states_say_which_clusters_comply() -> None:
    special = Special(cluster="store-0001-a", installed={"osm": "absent"})
    excluded = Policy(
        name="most",
        extension_type=OSM,
        not_scopes=(f"{ROOT}-x", THERE),
    )
    recipe = dataclasses.replace(CALM, specials=(special,), policies=(excluded,))
    async with staged(recipe) as stage:
        found = await rows(
            stage,
            "policyresources | where type =~ 'Microsoft.PolicyInsights/PolicyStates' "
            "| extend state = tostring(properties.complianceState) "
            "| project state, cluster = tostring(properties.resourceId)",
        )

    clusters = {one["cluster"].rsplit("/", 1)[1]: one["state"] for one in found}
    assert len(clusters) == 8, "those of the excluded subscription are not looked at"
    assert {name for name, state in clusters.items() if state == "NonCompliant"} == {"store-0001-a"}


async def test_subscriptions_and_groups_are_containers() -> None:
    async with staged() as stage:
        kinds = await rows(
            stage, "resourcecontainers | summarize count_ = count() by type | order by type asc"
        )
        (one,) = await rows(
            stage,
            "ResourceContainers | where type == 'microsoft.resources/subscriptions' "
            "| project id, groups = properties.managementGroupAncestorsChain",
            None,
            HERE,
        )

    assert [(kind["type"], kind["count_"]) for kind in kinds] == [
        ("microsoft.management/managementgroups", 1),
        ("microsoft.resources/subscriptions", 3),
        ("microsoft.resources/subscriptions/resourcegroups", 3 * len(CALM.locations)),
    ]
    assert one["id"] == HERE
    assert [f"{ROOT.rsplit('/', 1)[0]}/{group['name']}" for group in one["groups"]] == [ROOT]


async def test_what_may_not_be_read_is_left_out_of_the_tables_without_a_word() -> None:
    hidden = ("Microsoft.Authorization/policyAssignments/*", "Microsoft.Kubernetes/*")
    async with staged(restricted(*hidden, recipe=POLICIES)) as stage:
        assert await rows(stage, ASSIGNMENTS) == []
        assert await rows(stage, "resources | project id") == []
        assert len(await rows(stage, "kubernetesconfigurationresources | project id")) == 12
        assert len(await named(stage, BY_TYPE.format("policyDefinitions"))) == 4


# --- lists -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("filtered", "expected"),
    [
        ({}, ["SecurityCenterBuiltIn", "everywhere", "group", "own"]),
        ({"$filter": "atScope()"}, ["SecurityCenterBuiltIn", "everywhere", "own"]),
        ({"$filter": "atExactScope()"}, ["SecurityCenterBuiltIn", "own"]),
    ],
)
async def test_a_subscription_lists_the_assignments_that_count_in_it(
    filtered: dict[str, str], expected: list[str]
) -> None:
    path = f"{HERE}/providers/Microsoft.Authorization/policyAssignments"
    async with staged(POLICIES) as stage:
        heard = await stage.caller.send("GET", path, query=filtered, api_version="2022-06-01")

    assert sorted(one["name"] for one in heard.json["value"]) == expected
    (own,) = (one for one in heard.json["value"] if one["name"] == "own")
    assert own["id"] == f"{path}/own"
    assert own["properties"]["enforcementMode"] == "DoNotEnforce"
    assert own["properties"]["policyDefinitionId"] == (
        f"{ROOT}/providers/Microsoft.Authorization/policyDefinitions/own"
    )


async def test_a_filter_that_assignments_do_not_have_is_refused() -> None:
    path = f"{HERE}/providers/Microsoft.Authorization/policyAssignments"
    async with staged() as stage:
        heard = await stage.caller.send(
            "GET", path, query={"$filter": "policyDefinitionId eq 'x'"}, api_version="2022-06-01"
        )

    assert (heard.status, heard.json["error"]["code"]) == (400, "InvalidFilterInQueryString")


# --- rights ------------------------------------------------------------------------------


@pytest.mark.parametrize("below", ["", "/resourcegroups/rg-eastus", "cluster"])
async def test_what_the_caller_may_do_is_told_at_every_scope(below: str) -> None:
    async with staged(restricted("A/*/delete", actions=("A/*", "*/read"))) as stage:
        place = stage.cluster() if below == "cluster" else f"{HERE}{below}"
        heard = await stage.caller.send(
            "GET",
            f"{place}/providers/Microsoft.Authorization/permissions",
            api_version="2022-04-01",
        )

    assert heard.json == {
        "value": [
            {
                "actions": ["A/*", "*/read"],
                "notActions": ["A/*/delete"],
                "dataActions": [],
                "notDataActions": [],
            }
        ]
    }


async def test_everything_is_allowed_where_the_world_says_nothing() -> None:
    path = f"{HERE}/providers/Microsoft.Authorization/permissions"
    async with staged() as stage:
        heard = await stage.caller.send("GET", path, api_version="2022-04-01")
        nowhere = await stage.caller.send(
            "GET",
            f"{HERE}/resourceGroups/no/providers/Microsoft.Authorization/permissions",
            api_version="2022-04-01",
        )
        unknown = await stage.caller.send("GET", path, api_version="2001-01-01")

    assert (heard.json["value"][0]["actions"], heard.json["value"][0]["notActions"]) == (["*"], [])
    assert (nowhere.status, unknown.status) == (404, 404)


@pytest.mark.parametrize(
    ("method", "below", "version", "action"),
    [
        ("GET", "", CLUSTERS, "Microsoft.Kubernetes/connectedClusters/read"),
        ("GET", "osm", EXTENSIONS, "Microsoft.KubernetesConfiguration/extensions/read"),
        ("PUT", "osm", EXTENSIONS, "Microsoft.KubernetesConfiguration/extensions/write"),
        ("PATCH", "osm", EXTENSIONS, "Microsoft.KubernetesConfiguration/extensions/write"),
        ("DELETE", "osm", EXTENSIONS, "Microsoft.KubernetesConfiguration/extensions/delete"),
    ],
)
async def test_what_may_not_be_done_is_refused_and_changes_nothing(
    method: str, below: str, version: str, action: str
) -> None:
    async with staged(restricted(action)) as stage:
        path = stage.extension(name=below) if below else stage.cluster()
        heard = await stage.caller.send(method, path, api_version=version)
        world = stage.served.plane.azure.world

        assert world.hearings == ()
    assert heard.status == 403
    assert heard.headers["x-ms-failure-cause"] == "gateway"
    assert heard.json["error"]["code"] == "AuthorizationFailed"
    assert f"perform action '{action}' over scope '{path}'" in heard.json["error"]["message"]


async def test_types_of_a_location_are_a_right_of_their_own() -> None:
    types = "providers/Microsoft.KubernetesConfiguration/{}extensionTypes"
    action = "Microsoft.KubernetesConfiguration/locations/extensionTypes/read"
    async with staged(restricted(action)) as stage:
        there = await stage.caller.send(
            "GET",
            f"{HERE}/{types.format('locations/westeurope/')}",
            api_version="2023-05-01-preview",
        )
        here = await stage.caller.send(
            "GET", f"{stage.cluster()}/{types.format('')}", api_version="2023-05-01-preview"
        )

    assert (there.status, here.status) == (403, 200)


# --- how clusters comply -----------------------------------------------------------------

STATES = "/providers/Microsoft.PolicyInsights/policyStates/latest/queryResults"
COMPLYING = dataclasses.replace(
    CALM,
    specials=(Special(cluster="store-0001-a", installed={"osm": "absent"}),),
    policies=(
        Policy(name="everywhere", extension_type=OSM),
        Policy(name="elsewhere", extension_type=OSM, scope=THERE),
    ),
)


async def states(stage: Stage, scope: str, **query: str) -> Any:
    asked = {f"${name}": value for name, value in query.items()}
    return await stage.caller.send(
        "POST", f"{scope}{STATES}", query=asked, api_version="2019-10-01"
    )


async def test_states_are_told_by_subscription_by_group_and_by_cluster() -> None:
    async with staged(COMPLYING) as stage:
        cluster = stage.cluster()
        group = cluster.partition("/providers/")[0]
        heard = [await states(stage, scope) for scope in (HERE, group, cluster, THERE)]

    counts = [one.json["@odata.count"] for one in heard]
    assert [len(one.json["value"]) for one in heard] == counts
    assert (counts[0], counts[2], counts[3]) == (4, 1, 8)
    (own,) = heard[2].json["value"]
    assert (own["complianceState"], own["isCompliant"]) == ("NonCompliant", False)
    assert (own["resourceId"], own["policyAssignmentName"]) == (cluster.lower(), "everywhere")
    assert own["subscriptionId"] == HERE.split("/")[2]
    assert own["resourceGroup"] == group.rpartition("/")[2].lower()
    assert heard[0].json["@odata.nextLink"] is None


async def test_states_can_be_filtered_and_cut() -> None:
    async with staged(COMPLYING) as stage:
        bad = await states(stage, HERE, filter="complianceState eq 'NonCompliant'")
        both = "complianceState eq 'Compliant' and policyAssignmentName eq 'elsewhere'"
        good = await states(stage, THERE, filter=both)
        one = await states(stage, THERE, top="1")

    assert [len(found.json["value"]) for found in (bad, good, one)] == [1, 4, 1]


async def test_states_take_a_right_of_their_own() -> None:
    action = "Microsoft.PolicyInsights/policyStates/queryResults/read"
    async with staged(restricted(action, recipe=COMPLYING)) as stage:
        heard = [await states(stage, scope) for scope in (HERE, stage.cluster())]
    async with staged(restricted(recipe=COMPLYING, actions=("*/read",))) as stage:
        reader = await states(stage, HERE)

    assert [(one.status, one.json["error"]["code"]) for one in heard] == [
        (403, "AuthorizationFailed")
    ] * 2
    assert f"perform action '{action}'" in heard[0].json["error"]["message"]
    assert reader.status == 200


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ({"filter": "timestamp ge '2026-01-01'"}, "InvalidFilterInQueryString"),
        ({"top": "none"}, "InvalidTopInQueryString"),
        ({"top": "0"}, "InvalidTopInQueryString"),
    ],
)
async def test_a_question_for_states_that_is_none_is_refused(
    query: dict[str, str], code: str
) -> None:
    async with staged(COMPLYING) as stage:
        heard = await states(stage, HERE, **query)

    assert (heard.status, heard.json["error"]["code"]) == (400, code)
