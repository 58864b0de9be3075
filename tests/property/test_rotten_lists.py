"""A rotten list: no row, page, version, policy or right is lost in it, or gained, unnoticed."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import orjson
from hypothesis import given, strategies as st

from fleet.azure import diagnosis, permissions, policies
from fleet.azure.checks import Check, Verdict
from fleet.azure.policies import Found
from fleet.core import planner, unread
from fleet.errors import InputError
from fleet.model.cluster import (
    Inventory,
)
from fleet.model.desired import Presence
from fleet.model.plan import Action
from fleet.model.scope import Match, Scope
from tests.rig import rollouts
from tests.rig.rotting import URL, Door, Rotten, page, rotten
from tests.rig.scripted import Got, Say
from tests.rig.tasting import (
    CLUSTER,
    FEW,
    GOOD_CLUSTER,
    GOOD_EXTENSION,
    GRAPH,
    LONGEST_MESSAGE,
    MOST_REQUESTS,
    OSM,
    SOME,
    Came,
    came,
    is_fit,
)

# --- discovery ---------------------------------------------------------------------------


def row(number: int) -> dict[str, Any]:
    extension = {"name": "osm", "properties": GOOD_EXTENSION["properties"]}
    return {
        **{key: value for key, value in GOOD_CLUSTER.items() if key != "properties"},
        **GOOD_CLUSTER["properties"],
        "id": f"{CLUSTER[:-1]}{number}",
        "name": f"c{number}",
        "extensions": [extension],
    }


ROWS = tuple(map(row, range(4)))
VERSIONS = {
    "value": [
        {
            "name": version,
            "properties": {
                "version": version,
                "supportedClusterTypes": ["connectedClusters"],
                "unsupportedKubernetesVersions": {
                    "connectedCluster": [
                        {"distributions": ["k3s"], "unsupportedVersions": [">1.22"]}
                    ]
                },
            },
        }
        for version in ("1.2.6", "1.1.1")
    ],
    "nextLink": f"{URL}/next/extensionTypes/versions?p=2",
}
LAST_VERSIONS = Say(body={"value": [{"name": "1.2.5", "properties": {"version": "1.2.5"}}]})
SCOPE = Scope(subscriptions=("s1",))


def discovering(*, rows: Say | None = None, offered: Say | None = None) -> Door:
    door = Door()

    def graph(got: Got) -> Say:
        asked = got.json
        if not asked["query"].startswith("resources\n"):
            return page([])
        if "$skipToken" in asked["options"]:
            return page(ROWS[2:], total=4)
        return rows or page(ROWS[:2], after="t", total=4)

    door.on("POST", GRAPH, graph)
    door.on("GET", "/extensionTypes/", offered or Say(body=VERSIONS))
    door.on("GET", "/next/", LAST_VERSIONS)
    return door


def discovered(door: Door, scope: Scope = SCOPE) -> Came:
    return came(
        lambda azure: azure.inventory(scope, extension_type=OSM, release_train="stable"), door
    )


def is_plannable(found: Inventory) -> None:
    """Look that a plan can be made of it, whatever stands in it."""
    for wish in (rollouts.desired(), rollouts.AUTO, rollouts.desired(version="latest")):
        try:
            planner.plan(rollouts.rollout(wish=wish), found)
        except InputError as error:
            is_fit(error)


WHOLE: Inventory = discovered(discovering()).value


@SOME
@given(rot=rotten(page(ROWS[:2], after="t", total=4)))
def test_a_rotten_page_loses_no_cluster_and_no_later_page(rot: Rotten) -> None:
    found = discovered(discovering(rows=rot.say))

    if found.error is not None:
        return
    read: Inventory = found.value
    assert read.clusters[-2:] == WHOLE.clusters[-2:]
    whole = {one.id: one for one in WHOLE.clusters}
    if rot.spares(("totalRecords",)) or rot.spares(("data",)):
        assert len(read.clusters) == len(whole)
    for number in range(2):
        if rot.spares(("data", number)):
            own = row(number)["id"]
            assert [one for one in read.clusters if one.id == own] == [whole[own]]
    is_plannable(read)


def is_json(say: Say) -> bool:
    try:
        orjson.loads(say.body)
    except orjson.JSONDecodeError:
        return False
    return True


@SOME
@given(rot=rotten(page(ROWS[:2], after="t", total=4)))
def test_an_extension_that_cannot_be_read_is_told_and_stops_no_other_cluster(rot: Rotten) -> None:
    found = discovered(discovering(rows=rot.say))

    is_within = all(place[2:3] == ("extensions",) and len(place) > 3 for place in rot.places)
    if rot.places and is_within and is_json(rot.say):
        assert found.error is None
    if found.error is not None:
        return
    read: Inventory = found.value
    for number in range(2):
        place = ("data", number, "extensions", 0)
        is_gone = rot.is_whole or any(one == place[: len(one)] for one in rot.places)
        mine = [one for one in read.clusters if one.id == row(number)["id"]]
        if is_gone or not mine:
            continue
        (cluster,) = mine
        assert len(cluster.extensions) + len(cluster.unread) == 1
        if cluster.unread:
            (target,) = planner.plan(
                rollouts.rollout(), dataclasses.replace(read, clusters=(cluster,))
            ).targets
            is_meant = unread.trouble(cluster, rollouts.desired()) != ""
            assert (target.action is Action.BLOCKED) is is_meant
            is_other = cluster.unread[0].extension_type not in (None, OSM)
            assert is_meant or is_other


@FEW
@given(rot=rotten(Say(body=VERSIONS)))
def test_rotten_versions_offer_nothing_that_nobody_said_and_lose_no_later_page(rot: Rotten) -> None:
    found = discovered(discovering(offered=rot.say))

    if found.error is not None:
        return
    read: Inventory = found.value
    assert read.clusters == WHOLE.clusters
    offered = read.versions.get("stable", ())
    assert "1.2.5" in offered or ("nextLink",) in rot.places
    for number, version in enumerate(("1.2.6", "1.1.1")):
        if rot.spares(("value", number)):
            assert version in offered
            assert (
                read.version_limits["stable"][version] == (WHOLE.version_limits["stable"][version])
            )
    is_plannable(read)


# --- policies ----------------------------------------------------------------------------

MESH = "/providers/Microsoft.Authorization/policyDefinitions/73868911-4f4a-444f-adbd-5382bf70208a"
SHIELD = "/providers/Microsoft.Authorization/policyDefinitions/708b60a6-d253-4fe0-9114-4be4c00f012c"
OWN = "/subscriptions/s1/providers/Microsoft.Authorization/policyDefinitions/own"
DEFINITION = {
    "id": OWN,
    "name": "own",
    "properties": {
        "parameters": {"kind": {"defaultValue": OSM}},
        "policyRule": {
            "then": {
                "effect": "deployIfNotExists",
                "details": {
                    "type": "Microsoft.KubernetesConfiguration/extensions",
                    "deployment": {
                        "properties": {
                            "parameters": {"kind": {"value": "[parameters('kind')]"}},
                            "template": {
                                "resources": [
                                    {
                                        "type": "Microsoft.KubernetesConfiguration/extensions",
                                        "properties": {
                                            "extensionType": "[parameters('kind')]",
                                            "version": "1.1.1",
                                            "autoUpgradeMinorVersion": False,
                                            "configurationSettings": {"a": "1"},
                                        },
                                    }
                                ]
                            },
                        }
                    },
                },
            }
        },
    },
}
INITIATIVE = {
    "id": "/subscriptions/s1/providers/Microsoft.Authorization/policySetDefinitions/set",
    "properties": {
        "parameters": {"kind": {"defaultValue": OSM}},
        "policyDefinitions": [
            {
                "policyDefinitionId": OWN,
                "policyDefinitionReferenceId": "one",
                "parameters": {"kind": {"value": "[parameters('kind')]"}},
            }
        ],
    },
}


def assignment(name: str, kind: str, **values: Any) -> dict[str, Any]:
    return {
        "id": f"/subscriptions/s1/providers/Microsoft.Authorization/policyAssignments/{name}",
        "name": name,
        "properties": {
            "policyDefinitionId": kind,
            "displayName": name,
            "scope": "/providers/Microsoft.Management/managementGroups/top",
            "notScopes": ["/subscriptions/s9"],
            "enforcementMode": "Default",
            "parameters": {key: {"value": value} for key, value in values.items()},
            "overrides": [
                {
                    "kind": "policyEffect",
                    "value": "deployIfNotExists",
                    "selectors": [{"kind": "policyDefinitionReferenceId", "in": ["one"]}],
                }
            ],
        },
    }


ASSIGNMENTS = (
    assignment("a-mesh", MESH, effect="DeployIfNotExists"),
    assignment("b-shield", SHIELD, excludedDistributions=["kind"]),
    assignment("c-own", OWN),
    assignment("d-set", str(INITIATIVE["id"])),
)
CHAIN = {"id": "/subscriptions/s1", "subscriptionId": "s1", "groups": [{"name": "top"}]}
TABLES: Mapping[str, Say] = {
    "policydefinitions": page([DEFINITION]),
    "policysetdefinitions": page([INITIATIVE]),
    "policyassignments": page(ASSIGNMENTS),
    "summarize": page([{"assignments": 3}]),
    "resourcecontainers": page([CHAIN]),
}


MARKS = {
    "resourcecontainers": "resourcecontainers",
    "summarize": "summarize",
    **{
        one: f"'microsoft.authorization/{one}'"
        for one in ("policydefinitions", "policysetdefinitions", "policyassignments")
    },
}
"""What tells the queries apart."""


def looked_at(table: str, rot: Say, *, extension_type: str = OSM) -> Came:
    door = Door()

    def graph(got: Got) -> Say:
        query = got.json["query"]
        kind = next(one for one in MARKS if MARKS[one] in query)
        return rot if kind == table else TABLES[kind]

    door.on("POST", GRAPH, graph)
    return came(
        lambda azure: policies.found(
            azure.graph, subscriptions=("s1",), extension_type=extension_type
        ),
        door,
    )


UNTOUCHED: Found = looked_at("", Say()).value


def test_what_is_to_be_rotted_is_sound_before() -> None:
    assert [one.name for one in WHOLE.clusters] == ["c0", "c1", "c2", "c3"]
    assert WHOLE.versions == {
        "stable": ("1.2.6", "1.1.1", "1.2.5"),
        "pilot": ("1.2.6", "1.1.1", "1.2.5"),
    }
    assert [one.name for one in UNTOUCHED.policies] == ["a-mesh", "c-own", "d-set"]
    assert UNTOUCHED.warnings == ()
    assert list(UNTOUCHED.management_groups) == ["s1"]


@FEW
@given(table=st.sampled_from(sorted(TABLES)), data=st.data())
def test_a_policy_is_found_or_it_is_told_that_it_could_not_be(
    table: str, data: st.DataObject
) -> None:
    rot = data.draw(rotten(TABLES[table]))
    found = looked_at(table, rot.say)

    if found.error is not None:
        return
    read: Found = found.value
    names = {one.id for one in read.policies}
    if table in ("policydefinitions", "policysetdefinitions") and not read.warnings:
        assert {one.id for one in UNTOUCHED.policies if "a-mesh" in one.id} <= names
    if table == "policyassignments" and not read.warnings:
        for number, one in enumerate(ASSIGNMENTS):
            if one["name"] != "b-shield" and rot.spares(("data", number)):
                same = [p for p in UNTOUCHED.policies if p.id == one["id"]]
                assert [p for p in read.policies if p.id == one["id"]] == same
        assert len(read.policies) == len(UNTOUCHED.policies) or not rot.spares(("data",))
    if table == "resourcecontainers" and read.management_groups:
        assert read.management_groups == UNTOUCHED.management_groups or not rot.spares(("data",))
        assert all("none" not in one for one in read.management_groups)


@SOME
@given(place=st.sampled_from(("policyDefinitionId", "enforcementMode")), data=st.data())
def test_an_assignment_whose_kind_or_mode_cannot_be_read_is_never_taken_for_harmless(
    place: str, data: st.DataObject
) -> None:
    spoil: Any = data.draw(st.sampled_from((None, 7, [], {}, True, "", "weekly")))
    own = ASSIGNMENTS[0]
    spoiled = {**own, "properties": {**own["properties"], place: spoil}}
    found = looked_at("policyassignments", page([spoiled])).value

    if place == "enforcementMode":
        assert [one.is_enforced for one in found.policies] == [True]
    elif spoil != "weekly":
        assert found.warnings


# --- what else is asked ------------------------------------------------------------------

GRANTS = {
    "value": [
        {
            "actions": ["*"],
            "notActions": ["Microsoft.KubernetesConfiguration/*/write"],
            "dataActions": [],
        },
        {"actions": ["*/read"], "notActions": []},
    ],
    "nextLink": f"{URL}/next/permissions",
}


@SOME
@given(rot=rotten(Say(body=GRANTS)))
def test_nothing_counts_as_allowed_because_a_grant_could_not_be_read(rot: Rotten) -> None:
    door = Door()
    door.on("GET", "/permissions", rot.say)
    door.on("GET", "/next/", Say(body={"value": []}))
    door.on("POST", GRAPH, page([]))

    (check,) = came(
        lambda azure: permissions.checks(
            azure, Scope(match=Match()), Presence.PRESENT, subscriptions=("s1",)
        ),
        door,
    ).value

    assert isinstance(check, Check)
    assert len(check.detail) <= 2 * LONGEST_MESSAGE
    assert len(door.got) <= MOST_REQUESTS
    if check.verdict is Verdict.OK:
        (first, *_) = rot.document["value"]
        write = "Microsoft.KubernetesConfiguration/*/write"
        assert write not in (first.get("notActions") or ())


METADATA = {
    "registrationState": "Registered",
    "resourceTypes": [
        {"resourceType": "fluxConfigurations", "apiVersions": ["2099-01-01"]},
        {"resourceType": "extensions", "apiVersions": ["2025-03-01", "2023-05-01"]},
    ],
}


@SOME
@given(rot=rotten(Say(body=METADATA)))
def test_an_api_version_is_routed_only_where_the_metadata_say_so(rot: Rotten) -> None:
    door = Door()
    door.on("GET", "/providers/Microsoft.KubernetesConfiguration", rot.say)

    found = came(lambda azure: azure.api_versions(["s1"]), door)

    if found.error is None:
        whole = ["2023-05-01", "2025-03-01"]
        assert found.value == (whole if rot.spares(("resourceTypes",)) else found.value)
        text = rot.say.body.decode()
        assert all(f'"{one}"' in text for one in found.value)
    elif rot.spares(("resourceTypes",)):
        assert not rot.is_whole or rot.say.body


EXAMINED: Mapping[str, Say] = {
    "/metadata/endpoints": Say(
        body={"name": "x"}, headers={"Date": "Sat, 10 Jan 2026 02:00:00 GMT"}
    ),
    GRAPH: page([{"subscriptionId": "s1", "clusters": 3}]),
    "/permissions": Say(body={"value": [{"actions": ["*"], "notActions": []}]}),
    "/providers/Microsoft.KubernetesConfiguration": Say(body=METADATA),
}
CHECKED = {
    "/metadata/endpoints": ("endpoint", "clock"),
    GRAPH: ("resource graph, s1",),
    "/permissions": ("permissions, s1",),
    "/providers/Microsoft.KubernetesConfiguration": ("provider, s1",),
}


@FEW
@given(which=st.sampled_from(sorted(EXAMINED)), is_tenant=st.booleans(), data=st.data())
def test_an_examination_of_anything_rotten_is_made_to_its_end(
    which: str, is_tenant: bool, data: st.DataObject
) -> None:
    rot = data.draw(rotten(EXAMINED[which]))
    door = Door()
    for part, say in EXAMINED.items():
        for method in ("GET", "POST"):
            door.on(method, part, rot.say if part == which else say)
    scope = Scope() if is_tenant else SCOPE

    checks = came(lambda azure: diagnosis.examine(azure, scope), door).value

    named = {one.name: one for one in checks}
    assert all(len(one.detail) <= 2 * LONGEST_MESSAGE for one in checks)
    assert all(one.detail.isprintable() for one in checks)
    if is_tenant and which == GRAPH:
        return
    for part, names in CHECKED.items():
        if part != which:
            found = [named[name].verdict for name in names if not (is_tenant and part == GRAPH)]
            assert set(found) <= {Verdict.OK}, named
    if which == GRAPH and "resource graph" in named:
        assert named["resource graph"].verdict is Verdict.FAIL
    elif which == GRAPH and named["resource graph, s1"].verdict is Verdict.OK:
        assert any(
            isinstance(one.get("clusters"), int) and one["clusters"] > 0
            for one in rot.document["data"]
        )
