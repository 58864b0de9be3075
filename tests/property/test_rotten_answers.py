"""A rotten answer to every request: a correct reading or a classified error, and nothing else.

Of each type of request stands here what a false success would be. What was not
rotted must be read as if nothing had been.
"""

from __future__ import annotations

import asyncio
import dataclasses
import datetime as dt
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from fleet.azure import clouds, diagnosis, permissions, policies
from fleet.azure.checks import Check, Verdict
from fleet.azure.policies import Found
from fleet.azure.service import AzureService, PublishedTime, published_time
from fleet.core import planner
from fleet.errors import InputError, RemoteError
from fleet.model.cluster import (
    AutoUpgrade,
    Cluster,
    ClusterId,
    Connectivity,
    Extension,
    Inventory,
    ProvisioningState,
)
from fleet.model.desired import Match, Presence, Scope
from fleet.model.plan import Verb
from fleet.ports import Accepted, ExtensionRef, OperationStatus, Write
from tests.rig import rollouts, rotting, scripted
from tests.rig.rotting import SECRET, URL, Door, Place, Rotten, answered_by, page, rotten
from tests.rig.scripted import IDS, Got, Say

SOME = settings(
    max_examples=300,
    deadline=None,
    phases=(Phase.explicit, Phase.generate, Phase.shrink),
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
FEW = settings(SOME, max_examples=150)
LONGEST_MESSAGE = 1000
MOST_REQUESTS = 60
GROUP = "/subscriptions/s1/resourceGroups/rg"
CLUSTER = ClusterId(f"{GROUP}/providers/Microsoft.Kubernetes/connectedClusters/c1")
REF = ExtensionRef(cluster_id=CLUSTER, name="osm")
OSM = "microsoft.openservicemesh"
GRAPH = "Microsoft.ResourceGraph/resources"

GOOD_EXTENSION: dict[str, Any] = {
    "id": f"{CLUSTER}/providers/Microsoft.KubernetesConfiguration/extensions/osm",
    "name": "osm",
    "type": "Microsoft.KubernetesConfiguration/extensions",
    "properties": {
        "extensionType": OSM,
        "autoUpgradeMinorVersion": False,
        "releaseTrain": "pilot",
        "version": "1.2.6",
        "currentVersion": "1.2.6",
        "provisioningState": "Succeeded",
        "configurationSettings": {"osm.a": "1", "osm.b": "2"},
        "configurationProtectedSettings": {"osm.key": ""},
        "scope": {"cluster": {"releaseNamespace": "arc-osm-system"}},
        "isSystemExtension": False,
        "statuses": [{"code": "Installed", "level": "Information", "message": "fine"}],
        "errorInfo": None,
        "managementDetails": {
            "category": "managed",
            "accessDetails": [{"entity": "Users", "allowedActions": ["Read"]}],
        },
    },
    "systemData": {"lastModifiedAt": "2026-01-10T02:00:00Z"},
}
GOOD_CLUSTER: dict[str, Any] = {
    "id": CLUSTER,
    "name": "c1",
    "location": "westeurope",
    "tags": {"env": "prod"},
    "properties": {
        "distribution": "k3s",
        "kubernetesVersion": "1.30.2",
        "agentVersion": "1.20.3",
        "connectivityStatus": "Connected",
        "lastConnectivityTime": "2026-01-10T01:55:00Z",
    },
}
P: Place = ("properties",)
EXTENSION_PLACES: Mapping[str, tuple[Place, ...]] = {
    "name": (("name",),),
    "extension_type": ((*P, "extensionType"),),
    "version": ((*P, "version"), (*P, "autoUpgradeMinorVersion")),
    "current_version": ((*P, "currentVersion"), (*P, "version")),
    "auto_upgrade": ((*P, "autoUpgradeMinorVersion"), (*P, "version"), (*P, "currentVersion")),
    "release_train": ((*P, "releaseTrain"),),
    "provisioning_state": ((*P, "provisioningState"),),
    "settings": ((*P, "configurationSettings"),),
    "protected_keys": ((*P, "configurationProtectedSettings"),),
    "namespace": ((*P, "scope"),),
    "is_system": ((*P, "isSystemExtension"),),
    "is_read_only": ((*P, "managementDetails"),),
    "error": ((*P, "statuses"), (*P, "errorInfo")),
}
"""Where each field of ours is read from."""
CLUSTER_PLACES: Mapping[str, tuple[Place, ...]] = {
    "id": (("id",),),
    "subscription": (("id",),),
    "name": (("name",), ("id",)),
    "location": (("location",),),
    "tags": (("tags",),),
    "distribution": ((*P, "distribution"),),
    "kubernetes_version": ((*P, "kubernetesVersion"),),
    "agent_version": ((*P, "agentVersion"),),
    "connectivity": ((*P, "connectivityStatus"), (*P, "lastConnectivityTime")),
    "last_connectivity_at": ((*P, "lastConnectivityTime"),),
}


@dataclasses.dataclass(frozen=True, slots=True)
class Came:
    """What a call came to."""

    value: Any = None
    error: RemoteError | InputError | None = None


def came(call: Callable[[AzureService], Awaitable[Any]], door: Door) -> Came:
    """Make *call*, and look that what it raises is fit to be shown."""

    async def made() -> Came:
        try:
            async with asyncio.timeout(30):
                return Came(await call(answered_by(door)))
        except (RemoteError, InputError) as error:
            return Came(error=error)

    found = asyncio.run(made())
    assert len(door.got) <= MOST_REQUESTS
    if found.error is not None:
        _is_fit(found.error)
    return found


def _is_fit(error: RemoteError | InputError) -> None:
    shown = f"{error.message} {error.hint}"
    assert error.message
    assert len(shown) <= LONGEST_MESSAGE, shown[:2000]
    assert shown.isprintable(), repr(shown)
    if isinstance(error, RemoteError):
        assert len(error.correlation_id or "") <= 100
        wait_s = error.retry_after_s
        assert wait_s is None or 0 <= wait_s <= 1e9


def read_as(found: Any, good: Any, rot: Rotten, places: Mapping[str, tuple[Place, ...]]) -> None:
    """Look that all fields are as they were, of which nothing was touched."""
    spared = [field for field, where in places.items() if rot.spares(*where)]
    was = {field: getattr(good, field) for field in spared}
    assert {field: getattr(found, field) for field in spared} == was


def _lowered(value: Any) -> Mapping[str, Any]:
    return {key.lower(): one for key, one in value.items()} if isinstance(value, dict) else {}


# --- extensions --------------------------------------------------------------------------

GOOD = Extension(
    name="osm",
    extension_type=OSM,
    version="1.2.6",
    current_version="1.2.6",
    auto_upgrade=AutoUpgrade.NONE,
    release_train="pilot",
    provisioning_state=ProvisioningState.SUCCEEDED,
    settings={"osm.a": "1", "osm.b": "2"},
    protected_keys=("osm.key",),
    namespace="arc-osm-system",
    is_read_only=True,
    modified_at="2026-01-10T02:00:00Z",
)
MODERN = {
    **GOOD_EXTENSION,
    "properties": {
        **{k: v for k, v in GOOD_EXTENSION["properties"].items() if not k.startswith("auto")},
        "autoUpgradeMode": "none",
    },
}


def is_true_of(found: Extension, document: Any) -> None:
    """Look that nothing is claimed that the answer does not say."""
    own = _lowered(_lowered(document).get("properties"))
    if found.provisioning_state is ProvisioningState.SUCCEEDED:
        assert str(own["provisioningstate"]).lower() == "succeeded"
    if found.current_version is not None and "currentversion" in own:
        assert found.current_version == own["currentversion"]
    if found.version is not None:
        assert found.version == own["version"]
    assert found.release_train == (own.get("releasetrain") or "stable")
    mode, flag = own.get("autoupgrademode"), own.get("autoupgrademinorversion")
    if mode is None:
        says_on = flag is None or str(flag).lower() == "true"
    else:
        says_on = str(mode).lower() == "compatible" or str(flag).lower() == "true"
    assert (found.auto_upgrade is AutoUpgrade.COMPATIBLE) is says_on
    if found.auto_upgrade is AutoUpgrade.PATCH:
        assert str(mode).lower() == "patch" or not own.get("version")
    if not found.is_system:
        assert str(own.get("issystemextension") or False).lower() == "false"
    if not found.is_read_only:
        access = _lowered(own.get("managementdetails")).get("accessdetails") or []
        users = [one for one in map(_lowered, access) if str(one.get("entity")) == "Users"]
        assert not any(one.get("allowedactions") in (["Read"], []) for one in users)
    assert len(found.error or "") <= 1200
    assert len(found.modified_at or "") <= 1024


@SOME
@given(rot=st.sampled_from((GOOD_EXTENSION, MODERN)).flatmap(lambda one: rotten(Say(body=one))))
def test_an_extension_is_read_as_it_is_said_to_be_or_not_at_all(rot: Rotten) -> None:
    door = Door()
    door.on("GET", "/extensions/osm", rot.say)

    found = came(lambda azure: azure.get(REF, IDS), door)

    assert len(door.got) <= 3
    if found.error is None:
        assert isinstance(found.value, Extension)
        is_true_of(found.value, rot.document)
        places = {
            field: tuple(
                (*P, "autoUpgradeMode")
                if one == (*P, "autoUpgradeMinorVersion") and "autoUpgradeMode" in str(rot.places)
                else one
                for one in where
            )
            for field, where in EXTENSION_PLACES.items()
        }
        read_as(found.value, GOOD, rot, places)


@SOME
@given(
    verb=st.sampled_from(Verb),
    status=st.sampled_from((200, 201, 202)),
    url=st.sampled_from((f"{URL}/operations/1?s=x", "http://trap.invalid/1", "", "::", None)),
    rot=rotten(Say(body=GOOD_EXTENSION)),
)
def test_an_accepted_write_proves_nothing_that_its_answer_does_not_say(
    verb: Verb, status: int, url: str | None, rot: Rotten
) -> None:
    door = Door()
    headers = {} if url is None else {"Azure-AsyncOperation": url}
    said = dataclasses.replace(rot.say, status=status, headers={**headers, **rot.say.headers})
    door.on(verb.name, "/extensions/osm", said)
    write = Write(
        verb=verb, extension_type=OSM, namespace=None, location="westeurope", version="1.2.6"
    )

    found = came(lambda azure: azure.write(REF, write, IDS), door)

    assert len([one for one in door.got if one.method == verb.name]) == 1
    if found.error is None:
        assert isinstance(found.value, Accepted)
        accepted = found.value
        assert accepted.operation_url is None or accepted.operation_url.startswith(f"{URL}/")
        if accepted.extension is not None:
            is_true_of(accepted.extension, rot.document)
            read_as(accepted.extension, GOOD, rot, EXTENSION_PLACES)


CODES = st.sampled_from((400, 401, 403, 404, 408, 409, 412, 429, 500, 502, 503, 504))
FAILURE = {
    "error": {
        "code": "ResourceNotFound",
        "message": "Extension instance with name 'osm' not found.",
        "details": [{"code": "Inner", "message": "Why.", "line": 1, "token": "x"}],
    }
}


@SOME
@given(
    status=CODES,
    method=st.sampled_from(("get", "delete", "put", "graph", "cluster")),
    data=st.data(),
)
def test_a_rotten_refusal_is_still_a_refusal_and_absence_only_what_says_so(
    status: int, method: str, data: st.DataObject
) -> None:
    rot = data.draw(rotten(Say(status=status, body=FAILURE)))
    door = Door()
    for verb in ("GET", "PUT", "DELETE"):
        door.on(verb, "/connectedClusters/c1", rot.say)
    door.on("POST", GRAPH, rot.say)
    write = Write(verb=Verb.PUT, extension_type=OSM, namespace=None, location="westeurope")

    async def call(azure: AzureService) -> object:
        match method:
            case "get":
                return await azure.get(REF, IDS)
            case "cluster":
                return await azure.cluster(CLUSTER, IDS)
            case "graph":
                return await azure.graph.resources("x", subscriptions=("s1",), read=dict)
            case _:
                verb = Verb.PUT if method == "put" else Verb.DELETE
                return await azure.write(REF, dataclasses.replace(write, verb=verb), IDS)

    found = came(call, door)

    if found.error is None:
        assert (status, method) in ((404, "get"), (404, "delete"))
        message = _lowered(_lowered(rot.document).get("error") or rot.document).get("message")
        assert str(message).strip().lower().startswith("extension instance")


# --- operations --------------------------------------------------------------------------


@SOME
@given(
    status=st.sampled_from((200, 202)),
    good=st.sampled_from(
        (
            {"id": "x", "name": "1", "status": "Creating"},
            {"id": "x", "name": "1", "status": "Failed", "error": FAILURE["error"]},
        )
    ),
    data=st.data(),
)
def test_an_operation_has_succeeded_only_where_it_says_so(
    status: int, good: dict[str, Any], data: st.DataObject
) -> None:
    rot = data.draw(rotten(Say(status=status, body=good)))
    door = Door()
    door.on("GET", "/operations/1", rot.say)

    found = came(lambda azure: azure.operation(f"{URL}/operations/1?s={SECRET}", IDS), door)

    if found.error is not None:
        assert SECRET not in found.error.message
        return
    assert isinstance(found.value, OperationStatus)
    read: OperationStatus = found.value
    assert len(read.status) <= 100
    assert len(read.error or "") <= 1200
    assert read.retry_after_s is None or 0 < read.retry_after_s <= 1e9
    if read.has_succeeded:
        # By contract, where nothing at all is said of it.
        assert "status" not in rot.document
        assert status == 200
    if rot.spares(("status",)):
        assert read.is_terminal is (good["status"] == "Failed")


# --- clusters ----------------------------------------------------------------------------

READ_CLUSTER = Cluster(
    id=CLUSTER,
    name="c1",
    subscription="s1",
    resource_group="rg",
    location="westeurope",
    distribution="k3s",
    kubernetes_version="1.30.2",
    agent_version="1.20.3",
    connectivity=Connectivity.CONNECTED,
    last_connectivity_at=dt.datetime(2026, 1, 10, 1, 55, tzinfo=dt.UTC),
    tags={"env": "prod"},
)


@SOME
@given(rot=rotten(Say(body=GOOD_CLUSTER)))
def test_a_cluster_is_connected_only_where_it_says_so_and_since_when(rot: Rotten) -> None:
    door = Door()
    door.on("GET", "/connectedClusters/c1", rot.say)

    found = came(lambda azure: azure.cluster(CLUSTER, IDS), door)

    if found.error is None:
        assert isinstance(found.value, Cluster)
        read: Cluster = found.value
        read_as(read, READ_CLUSTER, rot, CLUSTER_PLACES)
        if read.is_reachable:
            own = _lowered(_lowered(rot.document)["properties"])
            assert own["connectivitystatus"].lower() == "connected"
            assert read.last_connectivity_at is not None


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
            _is_fit(error)


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


@SOME
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


@SOME
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


GOOD_TOKEN = scripted.token()


@SOME
@given(rot=rotten(GOOD_TOKEN), status=st.sampled_from((200, 200, 400, 401, 429, 503)))
def test_nobody_is_somebody_because_a_token_could_not_be_read(rot: Rotten, status: int) -> None:
    door = Door()
    door.on("POST", scripted.TOKEN_PATH, dataclasses.replace(rot.say, status=status))
    door.on("GET", "/extensions/osm", Say(body=GOOD_EXTENSION))

    async def call(azure: AzureService) -> object:
        identity = await azure.identity()
        await azure.get(REF, IDS)
        return identity

    found = came(call, door)

    sent = [one for one in door.got if one.method == "GET"]
    assert all(one.headers["authorization"].isprintable() for one in sent)
    if found.error is not None:
        assert SECRET not in found.error.message
    else:
        assert status == 200
        known = (found.value.tenant, found.value.principal)
        assert known == ("tenant-1", "principal-1") or not rot.spares(("access_token",))


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


# --- over HTTP ---------------------------------------------------------------------------

TIME = {"now": "2026-01-10T02:00:00+00:00", "timeScale": "60", "seed": 7}


@settings(FEW, max_examples=100)
@given(rot=rotten(Say(body=TIME)))
def test_a_time_is_told_or_not_and_never_one_that_cannot_be(rot: Rotten) -> None:
    async def asked() -> PublishedTime | None:
        async with scripted.serving() as server:
            server.on("GET", "/metadata/simulation", rot.say)
            place = clouds.place(cloud=None, endpoint=server.url, audience=None)
            return await published_time(place, clock=scripted.SkippingClock())

    try:
        found = asyncio.run(asked())
    except RemoteError as error:
        _is_fit(error)
        return
    assert found is not None
    assert 2000 <= found.now.year < 2200
    assert 0 < found.scale <= 10**9
    if rot.spares(("now",), ("timeScale",)):
        assert (found.now.isoformat(), str(found.scale)) == ("2026-01-10T02:00:00+00:00", "60")


@settings(FEW, max_examples=100)
@given(
    rot=rotten(Say(body=GOOD_EXTENSION)),
    spoiled=st.sampled_from(
        (
            {},
            {"Content-Type": "application/json; charset=no-such"},
            {"Content-Type": "text/html"},
            {"Content-Encoding": "gzip"},
            {"Content-Encoding": "no-such"},
        )
    ),
    breaks_off=st.booleans(),
)
def test_over_http_an_answer_is_read_as_it_is_without_a_network(
    rot: Rotten, spoiled: dict[str, str], breaks_off: bool
) -> None:
    """Whatever is wrong with how it is sent is an error, and the rest the same."""
    said = dataclasses.replace(
        rot.say, headers={**_sendable(rot.say.headers), **spoiled}, breaks_off=breaks_off
    )
    door = Door()
    door.on("GET", "/extensions/osm", said)

    async def asked() -> Came:
        async with scripted.speaking() as line:
            line.server.on("GET", "/extensions/osm", said)
            try:
                return Came(await line.azure.get(REF, IDS))
            except RemoteError as error:
                return Came(error=error)

    found = asyncio.run(asked())

    if found.error is not None:
        _is_fit(found.error)
    # NB: a packing that nobody knows is none: what came is read as it came.
    if not breaks_off and spoiled.get("Content-Encoding") != "gzip":
        direct = came(lambda azure: azure.get(REF, IDS), door)
        assert (found.value, str(found.error)) == (direct.value, str(direct.error))
    else:
        assert found.value is None


def _sendable(headers: Mapping[str, str]) -> Mapping[str, str]:
    return {name: value for name, value in headers.items() if value.isascii()}


@pytest.mark.parametrize("spoil", rotting.TEXTS)
def test_the_rig_writes_what_it_is_told_to(spoil: bytes) -> None:
    assert rotting._encoded({"a": [1]}, {("a", 0): rotting.Raw(spoil)}) == b'{"a":[' + spoil + b"]}"
