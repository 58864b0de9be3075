"""Which connected cluster a Kubernetes cluster says it is, and whether it is the one that is meant.

Where a kubeconfig leads is somebody's word, and a wrong one leads a change into another cluster.
Whoever connected a cluster to Azure left there what it is called, and that is compared with who
is meant, without regard to case. A cluster that says nothing is taken for what it is called.

Shapes:  every function is total, whatever a server answered.
Source:  Azure/azure-cli-extensions: connectedk8s compares this ConfigMap before it deletes a
         cluster, and azure-iot-ops before it installs; both refuse where it names another one.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, NamedTuple

from fleet.model.cluster import ClusterId
from fleet.model.objects import Resource, Sight, Want

CONFIG_MAPS = Resource("", "v1", "configmaps")
NAMESPACE = "azure-arc"
NAME = "azure-clusterconfig"

_KEYS = ("AZURE_SUBSCRIPTION_ID", "AZURE_RESOURCE_GROUP", "AZURE_RESOURCE_NAME")
_LONGEST = 100
"""Characters of one of them. Source: Azure's names of resource groups end at 90."""


class Plate(NamedTuple):
    """What a cluster says that it is called in Azure."""

    subscription: str
    resource_group: str
    cluster: str

    def is_of(self, cluster_id: ClusterId) -> bool:
        """Whether it is the plate of the cluster of that id."""
        own = (
            f"/subscriptions/{self.subscription}/resourceGroups/{self.resource_group}"
            f"/providers/Microsoft.Kubernetes/connectedClusters/{self.cluster}"
        )
        return own.lower() == cluster_id.lower()

    @property
    def words(self) -> str:
        """All of it, in a sentence."""
        group, subscription = self.resource_group, self.subscription
        return f"{self.cluster} of resource group {group} (subscription {subscription})"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Recognition:
    """Whether a cluster is the one that is meant."""

    is_it: bool | None
    """``None``: nothing says so, and nothing says otherwise."""
    plate: Plate | None = None
    """What it says; ``None``: nothing."""
    why: str = ""
    """Why nothing says so."""


def plate(found: Any) -> Plate | None:
    """Keep of the agents' ConfigMap what the cluster is called; ``None``: it does not tell."""
    data = found.get("data") if isinstance(found, Mapping) else None
    if not isinstance(data, Mapping):
        return None
    texts = [_text(data.get(key)) for key in _KEYS]
    return Plate(*texts) if all(texts) else None


def _text(value: Any) -> str:
    text = value.strip() if isinstance(value, str) else ""
    return text if len(text) <= _LONGEST and text.isprintable() else ""


WANT = Want(resource=CONFIG_MAPS, name=NAME, namespace=NAMESPACE, shape=plate)


def recognized(sight: Sight, cluster_id: ClusterId) -> Recognition:
    """Return whether a cluster is the one of *cluster_id*, by what was seen of :data:`WANT`."""
    where = f"the ConfigMap {NAME} in {NAMESPACE}"
    if sight.error:
        return Recognition(is_it=None, why=f"{where} may not be read")
    if not sight.objects:
        return Recognition(is_it=None, why=f"{where} is not there")
    found = sight.objects[0]
    if not isinstance(found, Plate):
        return Recognition(is_it=None, why=f"{where} names no cluster")
    return Recognition(is_it=found.is_of(cluster_id), plate=found)
