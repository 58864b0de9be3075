"""Policy assignments that deploy extensions: found, read, and never passed over in silence."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from fleet.azure import assignments, clouds, policies, service, templates
from fleet.azure.assignments import Library
from fleet.azure.builtins import BUILT_IN
from fleet.errors import TransientError
from fleet.model.cluster import AutoUpgrade, PolicyAssignment, PolicyDeployment
from fleet.sim import names, policies as simulated
from fleet.sim.recipe import DefinitionKind, Permissions, Policy, Recipe, Wire
from tests.rig import serving
from tests.rig.scripted import Got, Say, failure, speaking
from tests.rig.serving import CALM

KNOWN = (
    Path(__file__).parents[2].parent
    / "shared/reference/azure/policy/built-in-policies/policyDefinitions/Kubernetes"
)
OSM = "microsoft.openservicemesh"
MESH = "/providers/Microsoft.Authorization/policyDefinitions/73868911-4f4a-444f-adbd-5382bf70208a"
FLUX = "/providers/Microsoft.Authorization/policyDefinitions/f9175d5f-abc8-1dc3-bd3c-5d7476ada3d1"
SHIELD = "/providers/Microsoft.Authorization/policyDefinitions/708b60a6-d253-4fe0-9114-4be4c00f012c"
OWN = "/subscriptions/s1/providers/Microsoft.Authorization/policyDefinitions/own"
SET = "/subscriptions/s1/providers/Microsoft.Authorization/policySetDefinitions/set"
EMPTY = Library(definitions={}, initiatives={})


def assigned(kind: str, **properties: Any) -> dict[str, Any]:
    values = {name: {"value": value} for name, value in properties.pop("values", {}).items()}
    own_id = "/subscriptions/s1/providers/Microsoft.Authorization/policyAssignments/a1"
    own = {"policyDefinitionId": kind, "parameters": values, **properties}
    return {"id": own_id, "name": "a1", "properties": own}


def custom(*resources: Any, effect: str = "deployIfNotExists", **template: Any) -> dict[str, Any]:
    details = {
        "type": "Microsoft.KubernetesConfiguration/Extensions",
        "existenceCondition": {
            "anyOf": [
                {"field": "type", "exists": "true"},
                {
                    "allOf": [
                        {
                            "field": "Microsoft.KubernetesConfiguration/extensions/extensionType",
                            "equals": "[parameters('kind')]",
                        }
                    ]
                },
            ]
        },
        "deployment": {
            "properties": {
                "parameters": {"version": {"value": "[parameters('version')]"}},
                "template": {"resources": list(resources), **template},
            }
        },
    }
    own = {
        "parameters": {"kind": {"type": "String"}, "version": {"defaultValue": "1.1.1"}},
        "policyRule": {"if": {}, "then": {"effect": effect, "details": details}},
    }
    return {"id": OWN, "name": "own", "properties": own}


def resource(**properties: Any) -> dict[str, Any]:
    return {"type": "Microsoft.KubernetesConfiguration/extensions", "properties": properties}


def read(row: dict[str, Any], *definitions: dict[str, Any], **more: Any) -> PolicyAssignment:
    found = [assignments.definition(one) for one in definitions]
    sets = [assignments.initiative(one) for one in more.get("initiatives", ())]
    library = Library(
        definitions={one.id: one for one in found}, initiatives={one.id: one for one in sets}
    )
    return assignments.assignment(row, library)


def mesh(**changes: Any) -> PolicyDeployment:
    return dataclasses.replace(
        PolicyDeployment(
            extension_type=OSM, effect="DeployIfNotExists", auto_upgrade=AutoUpgrade.COMPATIBLE
        ),
        **changes,
    )


# --- reading -----------------------------------------------------------------------------


def test_an_assignment_is_read_with_everything_that_decides() -> None:
    row = assigned(
        MESH.upper(),
        displayName="Mesh",
        notScopes=["/subscriptions/s1/resourceGroups/rg"],
        enforcementMode="DoNotEnforce",
        values={"effect": "Disabled", "ExtensionVersion": "1.0.0"},
    )

    assert read(row) == PolicyAssignment(
        id=row["id"],
        name="a1",
        display_name="Mesh",
        scope="/subscriptions/s1",
        not_scopes=("/subscriptions/s1/resourceGroups/rg",),
        is_enforced=False,
        deployments=(mesh(effect="Disabled"),),
    )


@pytest.mark.parametrize(
    ("values", "auto_upgrade", "version", "helm"),
    [
        ({}, AutoUpgrade.COMPATIBLE, None, "true"),
        ({"version": "1.2.3"}, AutoUpgrade.COMPATIBLE, None, "true"),
        (
            {"AutoUpgradeMinorVersion": False, "version": "1.2.3", "helmControllerEnabled": False},
            AutoUpgrade.NONE,
            "1.2.3",
            "false",
        ),
    ],
)
def test_what_a_built_in_definition_sets_is_known_with_its_parameters(
    values: dict[str, Any], auto_upgrade: AutoUpgrade, version: str | None, helm: str
) -> None:
    (found,) = read(assigned(FLUX, values=values)).deployments

    assert (found.extension_type, found.auto_upgrade, found.version) == (
        "microsoft.flux",
        auto_upgrade,
        version,
    )
    assert found.settings["helm-controller.enabled"] == helm


def test_distributions_that_a_built_in_definition_spares_are_known() -> None:
    (usual,) = read(assigned(SHIELD)).deployments
    (own,) = read(assigned(SHIELD, values={"excludedDistributions": ["K3s"]})).deployments

    assert usual.spared_distributions == ("aks", "aks_management", "eks", "gke")
    assert own.spared_distributions == ("k3s",)


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (
            custom(
                resource(
                    extensionType=OSM,
                    autoUpgradeMinorVersion="[parameters('flag')]",
                    version="[variables('which')]",
                    configurationSettings={"a": True, "b": "[concat('x')]", "c": "[[literal]"},
                ),
                parameters={"flag": {"defaultValue": False}},
                variables={"which": "[parameters('version')]"},
            ),
            mesh(
                effect="deployIfNotExists",
                auto_upgrade=AutoUpgrade.NONE,
                version="1.1.1",
                settings={"a": "true", "c": "[literal]"},
            ),
        ),
        (
            custom(resource(extensionType=OSM, autoUpgradeMinorVersion=False, version="[if(1)]")),
            mesh(effect="deployIfNotExists", auto_upgrade=None),
        ),
        (
            custom(resource(extensionType=OSM, autoUpgradeMinorVersion="[not(true())]")),
            mesh(effect="deployIfNotExists", auto_upgrade=None),
        ),
        (
            custom(resource(extensionType=OSM, autoUpgradeMode="Patch")),
            mesh(effect="deployIfNotExists", auto_upgrade=AutoUpgrade.PATCH),
        ),
        (custom(resource(extensionType=OSM)), mesh(effect="deployIfNotExists")),
        (custom(resource(extensionType=OSM), effect="[parameters('none')]"), mesh()),
        (
            custom(
                {
                    "type": "Microsoft.Kubernetes/connectedClusters/providers/extensions",
                    "name": "[concat('c', '/Microsoft.KubernetesConfiguration/osm')]",
                    "properties": {"extensionType": OSM},
                }
            ),
            mesh(effect="deployIfNotExists"),
        ),
        (
            custom(
                {
                    "type": "Microsoft.Resources/deployments",
                    "properties": {
                        "template": {
                            "resources": {
                                "mesh": resource(
                                    extensionType=OSM,
                                    autoUpgradeMinorVersion=False,
                                    version="[parameters('version')]",
                                )
                            }
                        }
                    },
                }
            ),
            mesh(effect="deployIfNotExists", auto_upgrade=AutoUpgrade.NONE, version="1.1.1"),
        ),
        (
            custom(resource(extensionType=OSM), resource(extensionType=OSM)),
            mesh(effect="deployIfNotExists"),
        ),
    ],
)
def test_what_a_custom_definition_sets_is_read_out_of_its_template(
    found: dict[str, Any], expected: PolicyDeployment
) -> None:
    assert read(assigned(OWN), found).deployments == (expected,)


def test_a_type_comes_from_the_assignments_parameter_or_from_what_existence_asks_for() -> None:
    elsewhere = custom()
    del elsewhere["properties"]["policyRule"]["then"]["details"]["deployment"]["properties"]
    named = read(assigned(OWN, values={"kind": OSM}), elsewhere).deployments
    unnamed = read(assigned(OWN), elsewhere).deployments

    assert named == (mesh(effect="deployIfNotExists", auto_upgrade=None),)
    assert [one.extension_type for one in unnamed] == [""]


def test_extensions_of_managed_clusters_are_somebody_elses() -> None:
    elsewhere = {
        **resource(extensionType="microsoft.flux"),
        "scope": "[concat('Microsoft.ContainerService/managedClusters/', parameters('x'))]",
    }

    found = read(assigned(OWN), custom(resource(extensionType=OSM), elsewhere))
    assert [one.extension_type for one in found.deployments] == [OSM]


def initiative(*members: dict[str, Any]) -> dict[str, Any]:
    declared = {"all": {"type": "String", "defaultValue": "Disabled"}}
    return {"id": SET, "properties": {"parameters": declared, "policyDefinitions": list(members)}}


def member(kind: str, reference: str, effect: object) -> dict[str, Any]:
    return {
        "policyDefinitionId": kind,
        "policyDefinitionReferenceId": reference,
        "parameters": {"effect": {"value": effect}},
    }


BOTH = initiative(
    member(MESH, "Mesh", "[parameters('all')]"), member(FLUX, "Flux", "AuditIfNotExists")
)


@pytest.mark.parametrize(
    ("row", "effects"),
    [
        ({}, ["Disabled", "AuditIfNotExists"]),
        ({"values": {"ALL": "DeployIfNotExists"}}, ["DeployIfNotExists", "AuditIfNotExists"]),
        (
            {"overrides": [{"kind": "policyEffect", "value": "deployIfNotExists"}]},
            ["deployIfNotExists", "deployIfNotExists"],
        ),
        (
            {
                "overrides": [
                    {
                        "kind": "policyEffect",
                        "value": "deployIfNotExists",
                        "selectors": [{"kind": "policyDefinitionReferenceId", "in": ["flux"]}],
                    }
                ]
            },
            ["Disabled", "deployIfNotExists"],
        ),
        (
            {
                "values": {"all": "DeployIfNotExists"},
                "overrides": [
                    {
                        "kind": "policyEffect",
                        "value": "Disabled",
                        "selectors": [{"kind": "resourceLocation", "in": ["eastus"]}],
                    }
                ],
            },
            ["DeployIfNotExists", "AuditIfNotExists"],
        ),
        ({"overrides": [{"kind": "other", "value": "x"}]}, ["Disabled", "AuditIfNotExists"]),
    ],
)
def test_effects_pass_through_initiatives_and_overrides(
    row: dict[str, Any], effects: list[str]
) -> None:
    found = read(assigned(SET, **row), initiatives=[BOTH])

    assert [one.effect for one in found.deployments] == effects


@pytest.mark.parametrize(
    "row",
    [
        assigned(SET, values={}, notScopes="x", overrides="x"),
        assigned(OWN, parameters=[1]),
    ],
)
def test_what_has_no_shape_deploys_nothing_and_breaks_nothing(row: dict[str, Any]) -> None:
    empty = {"id": SET, "properties": {"policyDefinitions": "x", "parameters": 3}}
    bare = {"id": OWN, "properties": {"policyRule": {"then": []}}}

    assert read(row, bare, initiatives=[empty]).deployments == ()


@pytest.mark.parametrize("kind", [None, 7, [MESH], {"id": MESH}, ""])
def test_an_assignment_of_nobody_knows_what_may_deploy_anything(kind: Any) -> None:
    riddle = PolicyDeployment(extension_type="", effect="DeployIfNotExists")

    assert read(assigned(kind)).deployments == (riddle,)
    assert read({"id": "x", "properties": []}).deployments == (riddle,)


@pytest.mark.parametrize(
    ("mode", "is_enforced"),
    [
        ("DoNotEnforce", False),
        ("enroll", False),
        ("Default", True),
        (None, True),
        ("Later", True),
        (7, True),
        ([], True),
        ({"a": 1}, True),
        (False, True),
    ],
)
def test_an_assignment_acts_unless_its_mode_says_that_it_does_not(
    mode: Any, is_enforced: bool
) -> None:
    assert read(assigned(MESH, enforcementMode=mode)).is_enforced is is_enforced


def test_parameters_of_the_wrong_shape_set_what_cannot_be_told_or_nothing() -> None:
    shield = read(assigned(SHIELD, values={"excludedDistributions": 7, "effect": [1]}))
    spelled = read(assigned(SHIELD, values={"excludedDistributions": "aks"}))
    flux = read(assigned(FLUX, values={"helmControllerEnabled": {"a": 1}, "version": 7}))
    odd = read(assigned(FLUX, values={"autoUpgradeMinorVersion": "sometimes"}))

    assert [one.spared_distributions for one in (*shield.deployments, *spelled.deployments)] == [
        (),
        (),
    ]
    assert shield.deployments[0].effect == "DeployIfNotExists"
    assert flux.deployments[0].settings["helm-controller.enabled"] == "(no text)"
    assert flux.deployments[0].version is None
    assert odd.deployments[0].auto_upgrade is None


def test_an_override_without_a_value_changes_no_effect() -> None:
    row = assigned(MESH, overrides=[{"kind": "policyEffect", "value": None}])

    assert [one.effect for one in read(row).deployments] == ["DeployIfNotExists"]


def test_a_value_nested_beyond_reason_breaks_nothing() -> None:
    deep: Any = []
    for _ in range(1000):
        deep = [deep]
    row = assigned(FLUX, values={"version": deep, "helmControllerEnabled": deep}, displayName=deep)

    assert [one.extension_type for one in read(row).deployments] == ["microsoft.flux"]


def test_templates_that_nest_without_end_are_given_up() -> None:
    deep: dict[str, Any] = resource(extensionType=OSM)
    condition: Any = {"allOf": []}
    for _ in range(400):
        inner = {"template": {"resources": [deep]}}
        deep = {"type": "Microsoft.Resources/deployments", "properties": inner}
        condition = {"allOf": [condition]}
    found = custom(deep)
    found["properties"]["policyRule"]["then"]["details"]["existenceCondition"] = condition

    assert [one.extension_type for one in read(assigned(OWN), found).deployments] == [""]


@pytest.mark.skipif(not KNOWN.is_dir(), reason="the published definitions are not here")
@pytest.mark.parametrize("path", sorted(KNOWN.glob("*.json")), ids=lambda path: path.stem)
def test_what_is_known_of_published_definitions_is_what_they_say(path: Path) -> None:
    row = json.loads(path.read_text("utf-8-sig"))
    found = assignments.definition(row)
    told = templates.deployments_of(found.rule, found.defaults)

    known = assignments.assignment(assigned(row["id"]), EMPTY).deployments
    assert [dataclasses.replace(one, spared_distributions=()) for one in known] == list(told)
    assert bool(known) is (found.id in BUILT_IN)


# --- asking ------------------------------------------------------------------------------

HERE = f"/subscriptions/{names.subscription(0)}"
ASSIGNED = (
    Policy(name="built-in", extension_type=OSM, kind=DefinitionKind.BUILT_IN, display_name="Mesh"),
    Policy(
        name="own",
        extension_type=OSM,
        scope=HERE,
        not_scopes=(f"{HERE}/resourceGroups/rg-eastus",),
        auto_upgrade=False,
        version="1.1.1",
        settings={"a": "1"},
    ),
    Policy(
        name="set",
        extension_type=OSM,
        scope=f"{HERE}/resourceGroups/rg-westeurope",
        kind=DefinitionKind.INITIATIVE,
        is_enforced=False,
        effect="AuditIfNotExists",
    ),
    Policy(name="other", extension_type="microsoft.flux"),
)


async def seen_in(recipe: Recipe, *subscriptions: int) -> policies.Found:
    async with serving.staged(recipe) as stage:
        place = clouds.place(cloud=None, endpoint=stage.base, audience=None)
        async with service.connected(place, clock=stage.clock) as azure:
            return await policies.found(
                azure.graph,
                subscriptions=map(names.subscription, subscriptions or (0, 1, 2)),
                extension_type="Microsoft.OpenServiceMesh",
            )


async def test_every_kind_of_assignment_is_found_and_read() -> None:
    recipe = dataclasses.replace(CALM, policies=ASSIGNED)
    found = await seen_in(recipe)

    assert found.policies == simulated.assignments(recipe, OSM)
    assert [one.name for one in found.policies] == ["built-in", "own", "set"]
    assert found.warnings == ()
    assert found.management_groups == {
        subscription: tuple(one.lower() for one in groups)
        for subscription, groups in simulated.management_groups(recipe).items()
    }


async def test_only_what_counts_where_it_was_asked_is_found() -> None:
    found = await seen_in(dataclasses.replace(CALM, policies=ASSIGNED), 1)

    assert [one.name for one in found.policies] == ["built-in"]


async def test_a_world_without_such_policies_has_none_and_nothing_to_tell() -> None:
    assert await seen_in(CALM) == policies.Found()


async def test_a_right_that_is_missing_looks_like_an_empty_list_and_is_told() -> None:
    permissions = Permissions(not_actions=("Microsoft.Authorization/policyAssignments/read",))
    recipe = dataclasses.replace(CALM, policies=ASSIGNED, wire=Wire(permissions=permissions))
    found = await seen_in(recipe)

    (warning,) = found.warnings
    assert found.policies == ()
    assert warning.startswith("policies were not looked at")
    assert "no policy assignment at all can be read" in warning


async def test_nowhere_to_look_asks_nothing() -> None:
    async with speaking() as line:
        found = await policies.found(line.azure.graph, subscriptions=(), extension_type=OSM)

        assert (found, line.server.sent()) == (policies.Found(), [])


INVALID = Say(
    status=400,
    body={"error": {"code": "BadRequest", "details": [{"code": "InvalidTableName"}]}},
)


@pytest.mark.parametrize(
    "say", [failure(403, "AuthorizationFailed"), INVALID, Say(body={"rows": []})]
)
async def test_policies_that_cannot_be_asked_for_are_a_warning(say: Say) -> None:
    async with speaking() as line:
        line.server.on("POST", "Microsoft.ResourceGraph", say)
        found = await policies.found(line.azure.graph, subscriptions=("s1",), extension_type=OSM)

    (warning,) = found.warnings
    assert warning.startswith("policies were not looked at, so whether one would undo this plan")


async def test_trouble_that_may_pass_is_no_excuse() -> None:
    async with speaking() as line:
        line.server.on("POST", "Microsoft.ResourceGraph", failure(503, "Busy"))
        with pytest.raises(TransientError):
            await policies.found(line.azure.graph, subscriptions=("s1",), extension_type=OSM)


def answering(
    definitions: list[Any], assigned: list[Any], groups: list[Any] | None = None
) -> dict[str, list[Any]]:
    return {
        "policydefinitions": definitions,
        "policysetdefinitions": [],
        "policyassignments": assigned,
        "subscriptions": groups or [],
    }


async def seen_by(rows: dict[str, list[Any]], kind: str = OSM) -> tuple[policies.Found, list[str]]:
    def say(got: Got) -> Say:
        kind = got.json["query"].splitlines()[1]
        (found,) = (found for name, found in rows.items() if f"/{name}'" in kind)
        return Say(body={"data": found, "totalRecords": len(found), "resultTruncated": "false"})

    async with speaking() as line:
        line.server.on("POST", "Microsoft.ResourceGraph", say)
        found = await policies.found(line.azure.graph, subscriptions=("s1",), extension_type=kind)
        sent = [one.json for one in line.server.sent("POST")]
    about = [one for one in sent if "policyresources" in one["query"]]
    assert {one["options"]["authorizationScopeFilter"] for one in about} == {"AtScopeAboveAndBelow"}
    return found, [one["query"] for one in sent]


async def test_a_type_that_cannot_be_told_is_told() -> None:
    found, _ = await seen_by(answering([custom(resource())], [assigned(OWN)]))

    assert found.policies == ()
    told = "deploys extensions, and of which type cannot be told"
    own_id = assigned(OWN)["id"]
    assert found.warnings == (
        f"policy assignment {own_id} {told}: look whether it conflicts with this plan",
    )


async def test_a_type_that_the_assignment_says_is_no_riddle() -> None:
    row = assigned(OWN, values={"kind": "Microsoft.OpenServiceMesh"})
    other = assigned(OWN, values={"kind": "microsoft.flux"})
    found, _ = await seen_by(answering([custom(resource())], [row]))
    nothing, _ = await seen_by(answering([custom(resource())], [other]))

    assert [one.name for one in found.policies] == ["a1"]
    assert (nothing.policies, nothing.warnings) == ((), ())


async def test_definitions_of_other_types_are_asked_about_no_further() -> None:
    flux = custom(resource(extensionType="microsoft.flux"))
    found, queries = await seen_by(answering([flux], [{"assignments": 3}]), kind="Contoso.Till")

    assert found == policies.Found()
    assert queries == [policies.DEFINITIONS, policies.COUNT]


async def test_groups_that_may_not_be_read_are_not_known() -> None:
    scope = "/providers/Microsoft.Management/managementGroups/Root"
    row = assigned(MESH, scope=scope)
    above = {"id": "/subscriptions/s1", "subscriptionId": "S1", "groups": [{"name": "Root"}]}
    unknown = {**above, "groups": None}

    known, queries = await seen_by(answering([], [row], [above]))
    hidden, _ = await seen_by(answering([], [row], [unknown]))

    assert known.management_groups == {"s1": (scope.lower(),)}
    assert hidden.management_groups == {}
    assert queries[-1] == policies.GROUPS


@pytest.mark.parametrize(
    ("kinds", "line"),
    [
        ({MESH.lower()}, f"| where tostring(properties.policyDefinitionId) in~ ('{MESH.lower()}')"),
        ({"it's"}, None),
        ({f"/d{n}" for n in range(101)}, None),
    ],
)
def test_ids_narrow_a_query_as_far_as_they_safely_can(kinds: set[str], line: str | None) -> None:
    assert [one for one in policies.assigned(kinds).splitlines() if "Definition" in one] == (
        [line] if line else []
    )


def test_initiatives_are_looked_for_by_what_they_hold() -> None:
    query = policies.holding([MESH, OWN])

    assert query.splitlines()[2] == (
        "| where tostring(properties.policyDefinitions) contains "
        "'73868911-4f4a-444f-adbd-5382bf70208a' "
        "or tostring(properties.policyDefinitions) contains 'own'"
    )
