"""The policy assignments of a world, as whoever plans sees them.

They stand there and are never carried out: a world changes by what it is sent.
How they look on the wire is :mod:`fleet.sim.server.policies`' business.
"""

from __future__ import annotations

from collections.abc import Mapping

from fleet.model.cluster import AutoUpgrade, PolicyAssignment, PolicyDeployment
from fleet.sim import names
from fleet.sim.recipe import Policy, Recipe


def assignments(recipe: Recipe, extension_type: str) -> tuple[PolicyAssignment, ...]:
    """Return the assignments that deploy *extension_type*, ordered by id."""
    wanted = extension_type.lower()
    found = (
        _assignment(one, recipe) for one in recipe.policies if one.extension_type.lower() == wanted
    )
    return tuple(sorted(found, key=lambda one: one.id.lower()))


def management_groups(recipe: Recipe) -> Mapping[str, tuple[str, ...]]:
    """Return ``{subscription: ids of the groups above it}``: everywhere the root alone."""
    above = (names.root_group(recipe.seed),)
    return {names.subscription(number): above for number in range(recipe.subscription_count)}


def scope_of(policy: Policy, recipe: Recipe) -> str:
    """Return the id of what a policy is assigned to."""
    return policy.scope or names.root_group(recipe.seed)


def id_of(policy: Policy, recipe: Recipe) -> str:
    """Return the full id of an assignment."""
    scope = scope_of(policy, recipe)
    return f"{scope}/providers/Microsoft.Authorization/policyAssignments/{policy.name}"


def _assignment(policy: Policy, recipe: Recipe) -> PolicyAssignment:
    deployment = PolicyDeployment(
        extension_type=policy.extension_type,
        effect=policy.effect,
        auto_upgrade=AutoUpgrade.COMPATIBLE if policy.auto_upgrade else AutoUpgrade.NONE,
        version=policy.version,
        settings=policy.settings,
    )
    return PolicyAssignment(
        id=id_of(policy, recipe),
        name=policy.name,
        display_name=policy.display_name,
        scope=scope_of(policy, recipe),
        not_scopes=policy.not_scopes,
        is_enforced=policy.is_enforced,
        deployments=(deployment,),
    )
