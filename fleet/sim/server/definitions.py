"""Policy definitions and initiatives as JSON: what the service has, and what world files add.

Shapes:  a resource is a mapping with ``id``, ``name``, ``type`` and ``properties``.
Source:  the published structure of definitions; the built-in one for Open Service Mesh, cut down
         to what decides.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from fleet.sim import names
from fleet.sim.recipe import DefinitionKind, Policy, Recipe

Resource = Mapping[str, Any]

DEFINITION_TYPE = "Microsoft.Authorization/policyDefinitions"
INITIATIVE_TYPE = "Microsoft.Authorization/policySetDefinitions"
CLUSTERS = "Microsoft.Kubernetes/connectedClusters"

_EXTENSIONS = "Microsoft.KubernetesConfiguration/extensions"
_OSM = "73868911-4f4a-444f-adbd-5382bf70208a"
_BENCHMARK = "1f3afdf9-d0c9-4c3d-847f-89da613e70a8"
_SCHEMA = "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#"
_ROLE = "/providers/Microsoft.Authorization/roleDefinitions/8e3af657-a8ff-443c-a75c-2fe8c4bcb635"
_EFFECTS = ["DeployIfNotExists", "AuditIfNotExists", "Disabled"]


def definitions(recipe: Recipe) -> Iterator[Resource]:
    """Yield the policy definitions: the built-in one, and the custom ones."""
    parameters = {"effect": _parameter("String", _EFFECTS[0], _EFFECTS)}
    parameters |= {"ExtensionVersion": _parameter("String")}
    # Source: it hands the version down and never uses it, and nests one template in another.
    inner = _template([_extension("microsoft.openservicemesh", "osm", {"autoUpgrade": True})])
    outer = _template([_nested(inner)])
    yield _definition(
        f"/providers/{DEFINITION_TYPE}/{_OSM}",
        "BuiltIn",
        parameters,
        _rule("Microsoft.openservicemesh", outer, {}),
    )
    for one in recipe.policies:
        if one.kind is not DefinitionKind.BUILT_IN:
            yield _custom(one, recipe)


def initiatives(recipe: Recipe) -> Iterator[Resource]:
    """Yield the policy set definitions: that of Defender for Cloud, and the custom ones."""
    yield _initiative(benchmark_id(), "BuiltIn", {}, [])
    for one in recipe.policies:
        if one.kind is DefinitionKind.INITIATIVE:
            member = {
                "policyDefinitionId": definition_id(one, recipe),
                "policyDefinitionReferenceId": f"{one.name}-1",
                "parameters": {
                    "effect": {"value": "[parameters('effectOfAll')]"},
                    "version": {"value": "[parameters('version')]"},
                },
            }
            declared = {
                "effectOfAll": _parameter("String", "Disabled", _EFFECTS),
                "version": _parameter("String", ""),
            }
            own_id = _own_id(INITIATIVE_TYPE, f"{one.name}-set", recipe)
            yield _initiative(own_id, "Custom", declared, [member])


def assigned_id(policy: Policy, recipe: Recipe) -> str:
    """Return the id of what a policy's assignment is of."""
    if policy.kind is DefinitionKind.INITIATIVE:
        return _own_id(INITIATIVE_TYPE, f"{policy.name}-set", recipe)
    return definition_id(policy, recipe)


def definition_id(policy: Policy, recipe: Recipe) -> str:
    """Return the id of the definition that deploys a policy's extension."""
    if policy.kind is DefinitionKind.BUILT_IN:
        return f"/providers/{DEFINITION_TYPE}/{_OSM}"
    return _own_id(DEFINITION_TYPE, policy.name, recipe)


def benchmark_id() -> str:
    """Return the id of the initiative that Defender for Cloud assigns everywhere."""
    return f"/providers/{INITIATIVE_TYPE}/{_BENCHMARK}"


def _custom(policy: Policy, recipe: Recipe) -> Resource:
    own = {
        "autoUpgrade": policy.auto_upgrade,
        "version": "[parameters('version')]",
        "settings": policy.settings,
    }
    parameters = {
        "effect": _parameter("String", "AuditIfNotExists", _EFFECTS),
        "version": _parameter("String", ""),
    }
    template = _template(
        [_extension(policy.extension_type, policy.name, own)], version={"type": "string"}
    )
    passed = {"version": {"value": "[parameters('version')]"}}
    return _definition(
        definition_id(policy, recipe),
        "Custom",
        parameters,
        _rule(policy.extension_type, template, passed),
    )


def _own_id(kind: str, name: str, recipe: Recipe) -> str:
    return f"{names.root_group(recipe.seed)}/providers/{kind}/{name}"


def _definition(
    own_id: str, policy_type: str, parameters: Mapping[str, Any], rule: Mapping[str, Any]
) -> Resource:
    name = own_id.rpartition("/")[2]
    own = {
        "displayName": name,
        "policyType": policy_type,
        "mode": "Indexed",
        "metadata": {"category": "Kubernetes", "version": "1.0.0"},
        "parameters": parameters,
        "policyRule": rule,
    }
    return {"id": own_id, "name": name, "type": DEFINITION_TYPE, "properties": own}


def _initiative(
    own_id: str, policy_type: str, parameters: Mapping[str, Any], members: list[Mapping[str, Any]]
) -> Resource:
    name = own_id.rpartition("/")[2]
    own = {
        "displayName": name,
        "policyType": policy_type,
        "metadata": {"category": "Kubernetes"},
        "parameters": parameters,
        "policyDefinitions": members,
    }
    return {"id": own_id, "name": name, "type": INITIATIVE_TYPE, "properties": own}


# --- rules and templates -----------------------------------------------------------------


def _parameter(
    kind: str, default: object | None = None, allowed: list[str] | None = None
) -> Mapping[str, Any]:
    found: dict[str, Any] = {"type": kind}
    if default is not None:
        found["defaultValue"] = default
    if allowed is not None:
        found["allowedValues"] = allowed
    return found


def _rule(
    extension_type: str, template: Mapping[str, Any], passed: Mapping[str, Any]
) -> Mapping[str, Any]:
    asked = {"extensionType": extension_type, "provisioningState": "Succeeded"}
    values = {name: {"value": f"[field('{name}')]"} for name in ("location", "id")}
    details = {
        "type": _EXTENSIONS,
        "roleDefinitionIds": [_ROLE],
        "existenceCondition": {
            "allOf": [
                {"field": f"{_EXTENSIONS}/{name}", "equals": value} for name, value in asked.items()
            ]
        },
        "deployment": {
            "properties": {
                "mode": "incremental",
                "parameters": {**values, **passed},
                "template": template,
            }
        },
    }
    return {
        "if": {"field": "type", "equals": CLUSTERS},
        "then": {"effect": "[parameters('effect')]", "details": details},
    }


def _template(resources: list[Mapping[str, Any]], **parameters: Any) -> Mapping[str, Any]:
    declared = {"location": {"type": "string"}, "id": {"type": "string"}}
    return {
        "$schema": _SCHEMA,
        "contentVersion": "1.0.0.0",
        "parameters": {**declared, **parameters},
        "resources": resources,
    }


def _nested(template: Mapping[str, Any]) -> Mapping[str, Any]:
    passed = {name: {"value": f"[parameters('{name}')]"} for name in ("location", "id")}
    return {
        "type": "Microsoft.Resources/deployments",
        "name": "[concat('arc-extension-', uniqueString(parameters('id')))]",
        "apiVersion": "2020-10-01",
        "resourceGroup": "[split(parameters('id'), '/')[4]]",
        "properties": {
            "mode": "Incremental",
            "expressionEvaluationOptions": {"scope": "inner"},
            "parameters": passed,
            "template": template,
        },
    }


def _extension(extension_type: str, name: str, own: Mapping[str, Any]) -> Mapping[str, Any]:
    properties: dict[str, Any] = {
        "extensionType": extension_type.lower(),
        "autoUpgradeMinorVersion": own["autoUpgrade"],
    }
    if "version" in own:
        properties["version"] = own["version"]
    if own.get("settings"):
        properties["configurationSettings"] = dict(own["settings"])
    return {
        "type": _EXTENSIONS,
        "apiVersion": "2023-05-01",
        "name": name,
        "identity": {"type": "SystemAssigned"},
        "properties": properties,
        "scope": f"[concat('{CLUSTERS}/', split(parameters('id'), '/')[8])]",
    }
