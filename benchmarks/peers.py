"""The same change by Microsoft's own clients, in the two ways in which it is usually scripted.

One finds the clusters by a query, sends each its PATCH, and waits with the
poller that comes back: many at a time under asyncio, with a semaphore, or in
threads. No GET comes before a write, and nothing is proved after it but what
the poller reads at the end.
"""

from __future__ import annotations

import asyncio
import collections
import dataclasses
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from azure.core.credentials import AccessToken
from azure.core.exceptions import AzureError
from azure.core.pipeline.policies import SansIOHTTPPolicy
from azure.mgmt.kubernetesconfiguration.extensions import (
    KubernetesConfigurationExtensionsMgmtClient as Extensions,
)
from azure.mgmt.kubernetesconfiguration.extensions.aio import (
    KubernetesConfigurationExtensionsMgmtClient as AsyncExtensions,
)
from azure.mgmt.resourcegraph import ResourceGraphClient as Graph
from azure.mgmt.resourcegraph.aio import ResourceGraphClient as AsyncGraph
from azure.mgmt.resourcegraph.models import QueryRequest, QueryRequestOptions

POLL_EVERY_S = 30
"""The pollers' own interval."""
_QUERY = "resources | where type =~ 'microsoft.kubernetes/connectedclusters' | project id"
_PIN = {"properties": {"version": "1.2.6", "autoUpgradeMinorVersion": False}}


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What a peer came to."""

    makespan_s: float
    """Simulated seconds from the first write to the end of the last poller."""
    requests: int
    refused: int
    """Of those: answered with 429."""
    failed: int
    """Targets whose poller raised."""
    cpu_s: float


class Tally(SansIOHTTPPolicy[Any, Any]):
    """Shows the token, counts answers, and translates waits into this machine's time."""

    def __init__(self, token: str, *, scale: int) -> None:
        super().__init__()
        self.statuses: collections.Counter[int] = collections.Counter()
        self._token = token
        self._scale = scale

    def on_request(self, request: Any) -> None:
        """Show the token: the policy that would do it refuses plain HTTP."""
        request.http_request.headers["Authorization"] = f"Bearer {self._token}"

    def on_response(self, request: Any, response: Any) -> None:  # noqa: ARG002 - the base's
        """Count the answer. NB: what it asks to wait is simulated seconds; clients sleep ours."""
        self.statuses[response.http_response.status_code] += 1
        headers = response.http_response.headers
        if "Retry-After" in headers:
            headers["Retry-After"] = str(float(headers["Retry-After"]) / self._scale)


class Nobody:
    """A credential that is never asked: :class:`Tally` has the token."""

    def get_token(self, *_: str, **__: Any) -> AccessToken:
        """Never happens."""
        raise NotImplementedError


async def by_asyncio(endpoint: str, token: str, *, at_once: int, scale: int) -> Found:
    """Change every cluster, *at_once* under a semaphore."""
    tally = Tally(token, scale=scale)
    given = _arguments(endpoint, tally, scale)
    async with AsyncGraph(_nobody(), **given) as graph:
        found = await graph.resources(_question())
    clusters = _by_subscription(found)
    failed: list[str] = []
    room = asyncio.Semaphore(at_once)

    async def change(client: AsyncExtensions, cluster: str) -> None:
        async with room:
            try:
                poller = await client.extensions.begin_update(*_target(cluster), _PIN)
                await poller.result()
            except AzureError:
                failed.append(cluster)

    clients = {one: AsyncExtensions(_nobody(), one, **given) for one in clusters}
    loop, cpu_s = asyncio.get_running_loop(), time.process_time()
    began_s = loop.time()
    async with asyncio.TaskGroup() as tasks:
        for subscription, ids in clusters.items():
            for one in ids:
                tasks.create_task(change(clients[subscription], one))
    took_s = loop.time() - began_s
    cpu_s = time.process_time() - cpu_s
    for client in clients.values():
        await client.close()
    return _found(tally, took_s * scale, failed, cpu_s)


def by_threads(endpoint: str, token: str, *, at_once: int, scale: int) -> Found:
    """Change every cluster, in so many threads."""
    tally = Tally(token, scale=scale)
    given = _arguments(endpoint, tally, scale)
    with Graph(Nobody(), **given) as graph:
        clusters = _by_subscription(graph.resources(_question()))
    failed: list[str] = []
    clients = {one: Extensions(Nobody(), one, **given) for one in clusters}

    def change(client: Extensions, cluster: str) -> None:
        try:
            client.extensions.begin_update(*_target(cluster), _PIN).result()
        except AzureError:
            failed.append(cluster)

    began_s, cpu_s = time.monotonic(), time.process_time()
    with ThreadPoolExecutor(at_once) as pool:
        for subscription, ids in clusters.items():
            for one in ids:
                pool.submit(change, clients[subscription], one)
    took_s, cpu_s = time.monotonic() - began_s, time.process_time() - cpu_s
    for client in clients.values():
        client.close()
    return _found(tally, took_s * scale, failed, cpu_s)


def _found(tally: Tally, makespan_s: float, failed: Sequence[str], cpu_s: float) -> Found:
    return Found(
        makespan_s=makespan_s,
        requests=tally.statuses.total(),
        refused=tally.statuses[429],
        failed=len(failed),
        cpu_s=cpu_s,
    )


def _nobody() -> Any:
    """Return the same for clients that await: they do not ask either."""
    return Nobody()


def _arguments(endpoint: str, tally: Tally, scale: int) -> dict[str, Any]:
    return {
        "base_url": endpoint,
        "credential_scopes": [f"{endpoint}/.default"],
        "authentication_policy": tally,
        "polling_interval": POLL_EVERY_S / scale,
    }


def _question() -> QueryRequest:
    return QueryRequest(query=_QUERY, options=QueryRequestOptions(top=1000))


def _by_subscription(found: Any) -> dict[str, list[str]]:
    assert found.count == found.total_records
    clusters: dict[str, list[str]] = {}
    for row in found.data:
        clusters.setdefault(row["id"].split("/")[2], []).append(row["id"])
    return clusters


def _target(cluster: str) -> tuple[str, str, str, str, str]:
    parts = cluster.split("/")
    return parts[4], "Microsoft.Kubernetes", "connectedClusters", parts[8], "osm"
