"""What a client asks before anything else: endpoints, subscriptions, providers, the simulation.

Source:  the public endpoints' documents, cut down to what clients read.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fleet.model import codec
from fleet.sim.server import answers, routes
from fleet.sim.server.answers import Answer
from fleet.sim.server.asks import Ask
from fleet.sim.server.plane import Plane

_ONE_OBJECT = "2022-09-01"
"""From this api-version on the endpoints are one object, and a list before."""
_PROVIDERS: Mapping[str, Mapping[str, Sequence[str]]] = {
    "Microsoft.Kubernetes": {"connectedClusters": routes.CLUSTER_VERSIONS},
    "Microsoft.KubernetesConfiguration": {
        "extensions": routes.EXTENSION_VERSIONS,
        "extensionTypes": routes.TYPE_VERSIONS,
        "locations/extensionTypes": routes.TYPE_VERSIONS,
    },
    "Microsoft.ResourceGraph": {"resources": routes.GRAPH_VERSIONS},
}
_DEFAULTS = {"extensions": "2023-05-01"}


async def simulation(plane: Plane, ask: Ask, parts: Mapping[str, str]) -> Answer:
    """What no real service has: its clock, for clients that live by it; and what went wrong."""
    del ask, parts
    recipe = plane.recipe
    met = plane.tally.met_counts + plane.azure.world.tally.met_counts
    document = {
        "now": codec.utc_text(plane.told()),
        "epoch": codec.utc_text(recipe.epoch),
        "timeScale": str(plane.scale),
        "seed": recipe.seed,
        "clusters": recipe.cluster_count,
        "subscriptions": list(plane.subscriptions),
        "tenantId": plane.tenant,
        "faults": {fault.value: met[fault] for fault in sorted(met)},
    }
    return answers.found(document)


async def endpoints(plane: Plane, ask: Ask, parts: Mapping[str, str]) -> Answer:
    """Where everything is: here."""
    del plane, parts
    audiences = ["https://management.core.windows.net/", "https://management.azure.com/", ask.base]
    document = {
        "name": "AzureCloud",
        "resourceManager": ask.base,
        "authentication": {
            "loginEndpoint": ask.base,
            "audiences": audiences,
            "tenant": "common",
            "identityProvider": "AAD",
        },
        "portal": ask.base,
        "graph": ask.base,
        "graphAudience": ask.base,
        "microsoftGraphResourceId": ask.base,
        "gallery": ask.base,
        "batch": ask.base,
        "media": ask.base,
        "sqlManagement": ask.base,
        "vmImageAliasDoc": ask.base,
        "activeDirectoryDataLake": ask.base,
        "suffixes": {"storage": "invalid", "keyVaultDns": "invalid"},
    }
    is_one = ask.version >= _ONE_OBJECT
    return answers.found(document if is_one else [document])


async def openid(plane: Plane, ask: Ask, parts: Mapping[str, str]) -> Answer:
    """Where tokens come from."""
    del plane
    base = f"{ask.base}/{parts['tenant']}"
    document = {
        "issuer": f"{base}/v2.0",
        "token_endpoint": f"{base}/oauth2/v2.0/token",
        "authorization_endpoint": f"{base}/oauth2/v2.0/authorize",
        "device_authorization_endpoint": f"{base}/oauth2/v2.0/devicecode",
        "jwks_uri": f"{base}/discovery/v2.0/keys",
        "token_endpoint_auth_methods_supported": ["client_secret_post", "private_key_jwt"],
        "response_types_supported": ["code", "id_token", "code id_token", "id_token token"],
        "scopes_supported": ["openid", "profile", "email", "offline_access"],
        "subject_types_supported": ["pairwise"],
        "id_token_signing_alg_values_supported": ["RS256"],
        "tenant_region_scope": "EU",
    }
    return answers.found(document)


async def token(plane: Plane, ask: Ask, parts: Mapping[str, str]) -> Answer:
    """POST for a token."""
    return plane.tokens.issue(ask, parts["tenant"], now=plane.told())


async def subscriptions(plane: Plane, ask: Ask, parts: Mapping[str, str]) -> Answer:
    """GET of all subscriptions."""
    del parts
    await plane.azure.visit(ask.path)
    value = [_subscription(plane, *one) for one in plane.subscriptions.items()]
    return answers.found({"value": value, "count": {"type": "Total", "value": len(value)}})


async def subscription(plane: Plane, ask: Ask, parts: Mapping[str, str]) -> Answer:
    """GET of a subscription."""
    await plane.azure.visit(ask.path)
    found = parts["subscription"].lower()
    return answers.found(_subscription(plane, found, plane.subscriptions[found]))


async def provider(plane: Plane, ask: Ask, parts: Mapping[str, str]) -> Answer:
    """GET of a provider's registration."""
    await plane.azure.visit(ask.path)
    names = {name.lower(): name for name in _PROVIDERS}
    namespace = names.get(parts["namespace"].lower())
    if namespace is None:
        message = f"The resource namespace '{parts['namespace']}' is invalid."
        raise answers.refusal(404, "InvalidResourceNamespace", message)
    document = {
        "id": f"/subscriptions/{parts['subscription']}/providers/{namespace}",
        "namespace": namespace,
        "resourceTypes": [
            {
                "resourceType": name,
                "locations": list(plane.recipe.locations),
                "apiVersions": sorted(versions, reverse=True),
                "defaultApiVersion": _DEFAULTS.get(name, max(versions)),
                "capabilities": "SupportsExtension",
            }
            for name, versions in _PROVIDERS[namespace].items()
        ],
        "registrationState": "Registered",
        "registrationPolicy": "RegistrationRequired",
    }
    return answers.found(document)


def _subscription(plane: Plane, found: str, number: int) -> dict[str, Any]:
    return {
        "id": f"/subscriptions/{found}",
        "authorizationSource": "RoleBased",
        "managedByTenants": [],
        "subscriptionId": found,
        "tenantId": plane.tenant,
        "displayName": f"stores-{number + 1}",
        "state": "Enabled",
        "subscriptionPolicies": {
            "locationPlacementId": "Public_2014-09-01",
            "quotaId": "EnterpriseAgreement_2014-09-01",
            "spendingLimit": "Off",
        },
    }
