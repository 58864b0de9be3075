"""Visits to clusters, as :class:`fleet.ports.Clusters` has them.

A cluster is opened, spoken to and closed: connections, files and programs go
with it, whatever happens meanwhile. No more are open at a time than the plan
file allows.

Errors:  :exc:`ClusterError`, which begins with the cluster's name.
"""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

from fleet.core import namesakes
from fleet.core.namesakes import Named
from fleet.errors import ClusterError, InputError
from fleet.kube import arcproxy, credentials, wire
from fleet.kube.api import Api, of
from fleet.kube.credentials import Credentials
from fleet.kube.plugins import Plugins
from fleet.kube.trust import Trust
from fleet.kube.turns import Turns
from fleet.kube.ways import Ways
from fleet.model.cluster import ClusterId
from fleet.model.inside import AccessKind, ClusterAccess
from fleet.net import connections
from fleet.net.network import Network
from fleet.ports import Clock, ClusterApi


class KubeClusters:
    """Opens clusters."""

    def __init__(
        self, access: ClusterAccess, *, base: Path, clock: Clock, network: Network
    ) -> None:
        self._access = access
        self._clock = clock
        self._network = network
        self._ways = Ways(access, base, clock)
        self._plugins = Plugins(clock)
        self._trust = Trust(network)
        self._turns = Turns()
        connections.read_tls_by(wire.CHUNK)
        is_proxied = access.kind is AccessKind.PROXY
        self._places = asyncio.Semaphore(
            arcproxy.AT_A_TIME if is_proxied else access.max_concurrency
        )

    @contextlib.asynccontextmanager
    async def open(self, cluster_id: ClusterId) -> AsyncIterator[ClusterApi]:
        """Open one; waits while as many as may be are open."""
        try:
            named = namesakes.named(cluster_id)
        except InputError as error:
            raise ClusterError(error.message) from None
        async with self._places, contextlib.AsyncExitStack() as stack:
            try:
                api = await self._opened(named, stack)
            except ClusterError as error:
                raise of(error, _who(named)) from None
            yield api

    async def _opened(self, named: Named, stack: contextlib.AsyncExitStack) -> ClusterApi:
        try:
            with tempfile.TemporaryDirectory(prefix="fleet-kube-") as folder:
                found = await self._credentials(named, Path(folder), stack)
                connected = await stack.enter_async_context(
                    wire.opened(
                        found,
                        network=self._network,
                        authorities=self._trust,
                        limit_s=self._access.timeout.total_seconds(),
                        turns=self._turns,
                    )
                )
        except OSError as error:
            message = f"its credentials cannot be put into files: {error.strerror or error}"
            raise ClusterError(message, hint="Look at TMPDIR and its disk.") from None
        return Api(connected, _who(named), self._clock)

    async def _credentials(
        self, named: Named, folder: Path, stack: contextlib.AsyncExitStack
    ) -> Credentials:
        if self._access.kind is AccessKind.IN_CLUSTER:
            if not named.is_called(self._access.cluster):
                message = f"clusterAccess.inCluster is another: {self._access.cluster}"
                raise ClusterError(message, hint=_ONLY_ONE)
            return credentials.inside()
        found = await stack.enter_async_context(self._ways.kubeconfig(named, folder))
        limit_s = self._access.timeout.total_seconds()
        try:
            async with asyncio.timeout(limit_s):
                return await credentials.load(found, folder, self._plugins)
        except TimeoutError:
            message = f"its kubeconfig's exec plugin gave nothing within {limit_s:g} s"
            raise ClusterError(message, hint=_SLOW) from None


_ONLY_ONE = "From inside, only the cluster that fleet runs in is reached: select no other."
_SLOW = "clusterAccess.timeout allows more; it may ask nobody: it has no terminal."


def _who(named: Named) -> str:
    return f"cluster {named.cluster}"
