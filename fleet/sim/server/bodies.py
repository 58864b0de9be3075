"""Clusters and extensions as JSON: the keys, nulls and spellings that were recorded.

Source:  recorded bodies of 2022 to 2025; the published specification for what 2025-03-01 adds.
"""

from __future__ import annotations

import base64
import datetime as dt
import functools
import hashlib
from collections.abc import Iterator, Mapping
from typing import Any

from fleet.core import draws
from fleet.model import codec
from fleet.model.cluster import AutoUpgrade, Cluster, Connectivity, Extension, ProvisioningState
from fleet.sim import messages, names
from fleet.sim.recipe import Recipe

CLUSTER_TYPE = "microsoft.kubernetes/connectedclusters"
EXTENSION_TYPE = "Microsoft.KubernetesConfiguration/extensions"

_OLDEST = "2021-10-01"
_LATER = frozenset(
    {
        "privateLinkState",
        "azureHybridBenefit",
        "aadProfile",
        "arcAgentProfile",
        "managedIdentityCertificateExpirationTime",
    }
)
"""Properties of clusters that it does not know."""
_CERTIFICATE_DAYS = 90
_WITH_MODE = "2025-03-01"
_KEY_BYTES = 526
_INFRASTRUCTURES = {"aks": "azure", "eks": "aws", "gke": "gcp"}
_MOST_NODES = 5
_CORES = 4
_OPERATION_FAILED = "The extension operation failed with the following error:  "


def tenant(recipe: Recipe) -> str:
    """Return the id of the one tenant of a world."""
    return _tenant(recipe.seed)


def containers(recipe: Recipe) -> Iterator[Mapping[str, Any]]:
    """Yield the root management group, the subscriptions, and the resource groups in them."""
    root = names.root_group(recipe.seed)
    name = tenant(recipe)
    above = {"displayName": "Tenant Root Group", "name": name}
    yield {
        "id": root,
        "name": name,
        "type": "microsoft.management/managementgroups",
        "properties": {
            "displayName": above["displayName"],
            "tenantId": name,
            "details": {"managementGroupAncestorsChain": []},
        },
    }
    for number in range(recipe.subscription_count):
        subscription = f"/subscriptions/{names.subscription(number)}"
        yield {
            "id": subscription,
            "name": f"stores-{number + 1}",
            "type": "microsoft.resources/subscriptions",
            "properties": {"state": "Enabled", "managementGroupAncestorsChain": [above]},
        }
        for location in recipe.locations:
            group = names.resource_group(location)
            yield {
                "id": f"{subscription}/resourceGroups/{group}",
                "name": group,
                "type": "microsoft.resources/subscriptions/resourcegroups",
                "location": location,
                "properties": {"provisioningState": "Succeeded"},
            }


def cluster(found: Cluster, recipe: Recipe, *, version: str) -> dict[str, Any]:
    """Return a connected cluster."""
    made_at = _seven_digits(recipe.epoch - dt.timedelta(days=90))
    return {
        "id": found.id,
        "name": found.name,
        "type": CLUSTER_TYPE,
        "location": found.location,
        "tags": dict(found.tags),
        "systemData": {
            "createdBy": "stores@contoso.example",
            "createdByType": "User",
            "createdAt": made_at,
            "lastModifiedBy": "stores@contoso.example",
            "lastModifiedByType": "User",
            "lastModifiedAt": made_at,
        },
        "identity": cluster_identity(found, recipe),
        "properties": cluster_properties(found, recipe, is_oldest=version == _OLDEST),
    }


def cluster_identity(found: Cluster, recipe: Recipe) -> dict[str, str]:
    """Return the identity of a cluster's agents."""
    return {
        "principalId": draws.guid(recipe.seed, "agents", found.name),
        "tenantId": tenant(recipe),
        "type": "SystemAssigned",
    }


def cluster_properties(
    found: Cluster, recipe: Recipe, *, is_oldest: bool = False
) -> dict[str, Any]:
    """Return what stands below ``properties``; 2021-10-01 knows less."""
    properties: dict[str, Any] = {
        "provisioningState": "Succeeded",
        "connectivityStatus": found.connectivity.value,
        "privateLinkState": "Disabled",
        "azureHybridBenefit": "NotApplicable",
        "agentPublicKeyCertificate": _public_key(recipe.seed),
        "aadProfile": {},
        "distribution": found.distribution,
        "infrastructure": _INFRASTRUCTURES.get(found.distribution, "generic"),
        "arcAgentProfile": {"agentAutoUpgrade": "Enabled"},
    }
    properties |= _heartbeat(found, recipe)
    return {name: one for name, one in properties.items() if not (is_oldest and name in _LATER)}


def extension(
    found: Extension, *, id_: str, created_at: str, principal_id: str | None, version: str
) -> dict[str, Any]:
    """Return an extension.

    Args:
        found: As the world has it.
        id_: In the caller's spelling, which the service repeats.
        created_at: When it was first written, as the world writes moments.
        principal_id: Of its identity; ``None``: it has none.
        version: The api-version that was asked in.
    """
    modified_at = found.modified_at or created_at
    identity = {"type": "SystemAssigned", "principalId": principal_id}
    return {
        "id": id_,
        "name": found.name,
        "type": EXTENSION_TYPE,
        "properties": {**extension_properties(found), **_since_2025(found, version)},
        "systemData": {
            "createdBy": None,
            "createdByType": None,
            "createdAt": _with_offset(created_at),
            "lastModifiedBy": None,
            "lastModifiedByType": None,
            "lastModifiedAt": _with_offset(modified_at),
        },
        **({} if principal_id is None else {"identity": identity}),
    }


def extension_properties(found: Extension) -> dict[str, Any]:
    """Return what stands below ``properties``: nulls are written, protected values blanked."""
    return {
        "extensionType": found.extension_type,
        "autoUpgradeMinorVersion": found.auto_upgrade is AutoUpgrade.COMPATIBLE,
        "releaseTrain": found.release_train,
        "version": found.version,
        "currentVersion": found.current_version,
        "scope": _scope(found),
        "provisioningState": found.provisioning_state.value,
        "configurationSettings": dict(found.settings),
        "configurationProtectedSettings": dict.fromkeys(found.protected_keys, ""),
        "statuses": _statuses(found),
        "aksAssignedIdentity": None,
        "isSystemExtension": found.is_system,
    }


def _scope(found: Extension) -> dict[str, dict[str, str | None]]:
    if found.is_namespaced:
        return {"namespace": {"targetNamespace": found.namespace}}
    return {"cluster": {"releaseNamespace": found.namespace}}


def _statuses(found: Extension) -> list[dict[str, str | None]]:
    if found.provisioning_state is not ProvisioningState.FAILED or found.error is None:
        return []
    # Source: recorded: the operation says the first words, and the extension does not.
    status = {
        "code": "InstallationFailed",
        "displayStatus": None,
        "level": None,
        "message": found.error.removeprefix(_OPERATION_FAILED),
        "time": None,
    }
    return [status]


def _since_2025(found: Extension, version: str) -> dict[str, Any]:
    if version < _WITH_MODE:
        return {}
    added: dict[str, Any] = {"autoUpgradeMode": found.auto_upgrade.value}
    if found.is_read_only:
        access = {
            "entity": "Users",
            "allowedActions": ["Read"],
            "description": messages.read_only(found.name),
        }
        added["managementDetails"] = {"category": "managed", "accessDetails": [access]}
    return added


def _heartbeat(found: Cluster, recipe: Recipe) -> Mapping[str, Any]:
    """Return what the agents report; nothing before they were heard of for the first time."""
    if found.connectivity in (Connectivity.CONNECTING, Connectivity.AGENT_NOT_INSTALLED):
        return {}
    nodes = draws.between(1, _MOST_NODES, recipe.seed, "nodes", found.name)
    heard_at = found.last_connectivity_at
    return {
        "kubernetesVersion": found.kubernetes_version,
        "totalNodeCount": nodes,
        "agentVersion": found.agent_version,
        "totalCoreCount": nodes * _CORES,
        "lastConnectivityTime": None if heard_at is None else milliseconds(heard_at),
        "managedIdentityCertificateExpirationTime": f"{_expiry(found, recipe):%Y-%m-%dT%H:%M:00Z}",
    }


def _expiry(found: Cluster, recipe: Recipe) -> dt.datetime:
    """Return until when the agents can prove who they are; over where the cluster is expired."""
    # Source: recorded: to the minute, and ninety days from when it was made.
    is_over = found.connectivity is Connectivity.EXPIRED
    left = draws.between(1, _CERTIFICATE_DAYS, recipe.seed, "certificate", found.name)
    return recipe.epoch + dt.timedelta(days=-left if is_over else left)


def milliseconds(moment: dt.datetime) -> str:
    """Return *moment* as heartbeats are written."""
    return moment.isoformat(timespec="milliseconds")[:-6] + "Z"


def _seven_digits(moment: dt.datetime) -> str:
    return codec.utc_text(moment)[:-1] + "0Z"


def _with_offset(stamp: str) -> str:
    """Return a stamp of the world as the provider writes it: seven digits, and an offset."""
    return stamp.removesuffix("Z") + "0+00:00"


@functools.lru_cache(maxsize=4)
def _tenant(seed: int) -> str:
    return names.tenant(seed)


@functools.lru_cache(maxsize=4)
def _public_key(seed: int) -> str:
    # One for all clusters of a world: nobody reads it, and its length is what counts.
    content = hashlib.shake_256(f"{seed}".encode()).digest(_KEY_BYTES)
    return base64.b64encode(content).decode()
