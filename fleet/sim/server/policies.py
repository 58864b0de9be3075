"""Policy assignments and states on the wire, as JSON and as rows.

Beside what the world file names, every subscription has the assignment that
Defender for Cloud makes by itself, which deploys nothing.

Source:  the published structure of assignments; official samples of rows.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from fleet.core import draws
from fleet.model import codec
from fleet.model.cluster import Cluster, ProvisioningState
from fleet.sim import names, policies
from fleet.sim.recipe import DefinitionKind, Policy, Recipe
from fleet.sim.server import answers, definitions
from fleet.sim.server.answers import Answer
from fleet.sim.server.asks import Ask
from fleet.sim.server.definitions import Resource
from fleet.sim.server.plane import Plane

ASSIGNMENT_TYPE = "Microsoft.Authorization/policyAssignments"
STATE_TYPE = "Microsoft.PolicyInsights/policyStates"


async def assigned(plane: Plane, ask: Ask, parts: Mapping[str, str]) -> Answer:
    """GET of the assignments that count in a subscription: its own, those below and above it."""
    await plane.azure.visit(ask.path)
    here = f"/subscriptions/{parts['subscription']}".lower()
    wanted = ask.query.get("$filter", "").lower()
    value = [
        one
        for one in assignments(plane.recipe)
        if _is_wanted(str(one["properties"]["scope"]).lower(), here, wanted)
    ]
    return answers.found({"value": value})


def assignments(recipe: Recipe) -> Iterator[Resource]:
    """Yield the policy assignments."""
    for number in range(recipe.subscription_count):
        scope = f"/subscriptions/{names.subscription(number)}"
        yield _assignment(
            f"{scope}/providers/{ASSIGNMENT_TYPE}/SecurityCenterBuiltIn",
            scope=scope,
            displayName=f"ASC Default (subscription: {names.subscription(number)})",
            policyDefinitionId=definitions.benchmark_id(),
            parameters={},
        )
    for one in recipe.policies:
        yield _assignment(
            policies.id_of(one, recipe),
            scope=policies.scope_of(one, recipe),
            displayName=one.display_name,
            policyDefinitionId=definitions.assigned_id(one, recipe),
            parameters=_values(one),
            notScopes=list(one.not_scopes),
            enforcementMode="Default" if one.is_enforced else "DoNotEnforce",
        )


def states(found: Cluster, recipe: Recipe) -> Iterator[Resource]:
    """Yield how a cluster complies with each of the world file's policies that count for it."""
    for one in recipe.policies:
        is_in = _is_below(found, policies.scope_of(one, recipe), recipe)
        is_out = any(_is_below(found, scope, recipe) for scope in one.not_scopes)
        if one.effect != "Disabled" and is_in and not is_out:
            yield _state(one, found, recipe)


def _is_below(found: Cluster, scope: str, recipe: Recipe) -> bool:
    is_root = scope.lower() == names.root_group(recipe.seed).lower()
    return is_root or f"{found.id}/".lower().startswith(f"{scope}/".lower())


def _is_wanted(scope: str, here: str, wanted: str) -> bool:
    """Tell whether an assignment at *scope* is in a subscription's list, as its filter has it."""
    is_exact, is_above = scope == here, not scope.startswith("/subscriptions/")
    match wanted.replace(" ", ""):
        case "":
            return is_exact or is_above or scope.startswith(f"{here}/")
        case "atscope()":
            return is_exact or is_above
        case "atexactscope()":
            return is_exact
        case _:
            message = f"The filter '{wanted}' is not supported."
            raise answers.refusal(400, "InvalidFilterInQueryString", message)


def _values(policy: Policy) -> Mapping[str, Any]:
    effect = "effectOfAll" if policy.kind is DefinitionKind.INITIATIVE else "effect"
    if policy.kind is DefinitionKind.BUILT_IN:
        return {effect: {"value": policy.effect}, "ExtensionVersion": {"value": "1.0.0-1"}}
    return {effect: {"value": policy.effect}, "version": {"value": policy.version or ""}}


def _assignment(own_id: str, **properties: Any) -> Resource:
    own = {"notScopes": [], "metadata": {}, "enforcementMode": "Default", **properties}
    return {
        "id": own_id,
        "name": own_id.rpartition("/")[2],
        "type": ASSIGNMENT_TYPE,
        "properties": own,
    }


def _state(policy: Policy, found: Cluster, recipe: Recipe) -> Resource:
    wanted = policy.extension_type.lower()
    is_sound = any(
        one.extension_type == wanted and one.provisioning_state is ProvisioningState.SUCCEEDED
        for one in found.extensions
    )
    name = draws.guid(recipe.seed, "state", policy.name, found.name)
    own = {
        "resourceId": found.id.lower(),
        "resourceType": definitions.CLUSTERS,
        "policyAssignmentId": policies.id_of(policy, recipe).lower(),
        "policyAssignmentName": policy.name,
        "policyAssignmentScope": policies.scope_of(policy, recipe),
        "policyDefinitionId": definitions.definition_id(policy, recipe).lower(),
        "policyDefinitionAction": policy.effect.lower(),
        "complianceState": "Compliant" if is_sound else "NonCompliant",
        "timestamp": codec.utc_text(recipe.epoch),
    }
    return {
        "id": f"{found.id}/providers/{STATE_TYPE}/{name}",
        "name": name,
        "type": STATE_TYPE,
        "properties": own,
    }
