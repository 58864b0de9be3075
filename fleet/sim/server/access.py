"""What callers may do: the permissions that are told, and the refusals that follow from them.

Every caller may do the same: what the world file says, which is everything
where it says nothing.

Source:  Microsoft.Authorization/permissions of 2022-04-01; refusals as users report them.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Mapping

from fleet.sim.recipe import Permissions
from fleet.sim.server import answers
from fleet.sim.server.answers import Answer
from fleet.sim.server.asks import Ask
from fleet.sim.server.plane import Plane
from fleet.sim.server.routes import Kind

_CLUSTERS = "Microsoft.Kubernetes/connectedClusters"
_PROVIDER = "Microsoft.KubernetesConfiguration"
_EXTENSIONS = f"{_PROVIDER}/extensions"
_TYPES = f"{_PROVIDER}/extensionTypes"
_ACTIONS: Mapping[tuple[Kind, str], str] = {
    (Kind.SUBSCRIPTION, "GET"): "Microsoft.Resources/subscriptions/read",
    (Kind.PROVIDER, "GET"): "Microsoft.Resources/subscriptions/providers/read",
    (Kind.CLUSTERS, "GET"): f"{_CLUSTERS}/read",
    (Kind.CLUSTER, "GET"): f"{_CLUSTERS}/read",
    (Kind.CREDENTIAL, "POST"): f"{_CLUSTERS}/listClusterUserCredential/action",
    (Kind.EXTENSIONS, "GET"): f"{_EXTENSIONS}/read",
    (Kind.EXTENSION, "GET"): f"{_EXTENSIONS}/read",
    (Kind.EXTENSION, "PUT"): f"{_EXTENSIONS}/write",
    (Kind.EXTENSION, "PATCH"): f"{_EXTENSIONS}/write",
    (Kind.EXTENSION, "DELETE"): f"{_EXTENSIONS}/delete",
    (Kind.OPERATION, "GET"): f"{_EXTENSIONS}/operations/read",
    (Kind.TYPES, "GET"): f"{_TYPES}/read",
    (Kind.TYPE, "GET"): f"{_TYPES}/read",
    (Kind.TYPE_VERSIONS, "GET"): f"{_TYPES}/versions/read",
    (Kind.TYPE_VERSION, "GET"): f"{_TYPES}/versions/read",
    (Kind.ASSIGNMENTS, "GET"): "Microsoft.Authorization/policyAssignments/read",
    (Kind.STATES, "POST"): "Microsoft.PolicyInsights/policyStates/queryResults/read",
    (Kind.PERMISSIONS, "GET"): "Microsoft.Authorization/permissions/read",
    (Kind.ACTIVITY, "GET"): "Microsoft.Insights/eventtypes/values/read",
}


async def permissions(plane: Plane, ask: Ask, parts: Mapping[str, str]) -> Answer:
    """GET of what the caller may do somewhere."""
    del parts
    await plane.azure.visit(ask.path)
    given = plane.recipe.wire.permissions
    value = {
        "actions": list(given.actions),
        "notActions": list(given.not_actions),
        "dataActions": [],
        "notDataActions": [],
    }
    return answers.found({"value": [value]})


def may(given: Permissions, action: str) -> bool:
    """Tell whether *given* allows an action."""
    return _fits(action, given.actions) and not _fits(action, given.not_actions)


def check(plane: Plane, ask: Ask, kind: Kind, *, oid: str) -> None:
    """Refuse what the caller may not do."""
    action = _ACTIONS.get((kind, ask.method))
    if action is not None and "/locations/" in ask.path.lower():
        action = action.replace(_PROVIDER, f"{_PROVIDER}/locations")
    if action is None or may(plane.recipe.wire.permissions, action):
        return
    message = (
        f"The client '{oid}' with object id '{oid}' does not have authorization to perform action "
        f"'{action}' over scope '{ask.path}' or the scope is invalid. If access was recently "
        "granted, please refresh your credentials."
    )
    raise answers.refusal(403, "AuthorizationFailed", message)


def _fits(action: str, patterns: tuple[str, ...]) -> bool:
    return any(fnmatch.fnmatchcase(action.lower(), one.lower()) for one in patterns)
