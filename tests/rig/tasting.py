"""What a call comes to that is answered badly, and what holds of whatever it comes to.

An error that is raised must be fit to be shown; a value must be as it was, as
far as nothing was touched.
"""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from hypothesis import HealthCheck, Phase, settings

from fleet.azure.service import AzureService
from fleet.errors import InputError, RemoteError
from fleet.model.cluster import ClusterId
from fleet.ports import ExtensionRef
from tests.rig.rotting import Door, Place, Rotten, answered_by

SOME = settings(
    max_examples=200,
    deadline=None,
    phases=(Phase.explicit, Phase.generate, Phase.shrink),
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
FEW = settings(SOME, max_examples=100)
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
        is_fit(found.error)
    return found


def is_fit(error: RemoteError | InputError) -> None:
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


def lowered(value: Any) -> Mapping[str, Any]:
    return {key.lower(): one for key, one in value.items()} if isinstance(value, dict) else {}
