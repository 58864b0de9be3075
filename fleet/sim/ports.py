"""The simulated service behind the engine's ports: latency, then the world, then the answer.

NB: the ledger's few file operations are made on the event loop: a write to a
local file takes less than a hand-over to a thread.
"""

from __future__ import annotations

import contextlib
import datetime as dt
from collections import Counter
from collections.abc import Sequence

from fleet.core import selection
from fleet.errors import InputError
from fleet.model.cluster import Cluster, ClusterId, Extension, Inventory, ProvisioningState
from fleet.model.scope import Scope
from fleet.ports import (
    Accepted,
    Clock,
    ExtensionRef,
    OperationStatus,
    RequestIds,
    Unwell,
    Write,
)
from fleet.sim import calls, faults, names, policies
from fleet.sim.ledger import Ledger
from fleet.sim.world import World
from fleet.sim.writes import Heard

_NOT_WELL = (ProvisioningState.FAILED, ProvisioningState.CANCELED)
_PAGE = 1000
"""Clusters in one answer of a discovery."""


class SimulatedAzure:
    """A world that is spoken to: a :class:`fleet.ports.Service`."""

    def __init__(self, world: World, clock: Clock, store: Ledger | None = None) -> None:
        self.world = world
        self._clock = clock
        self._store = store
        self._calls: Counter[str] = Counter()

    async def inventory(
        self,
        scope: Scope,
        *,
        extension_type: str,
        release_train: str | None,  # noqa: ARG002 - every train's versions are returned
    ) -> Inventory:
        """Return the clusters that *scope* selects, ordered by id."""
        _require_simple(scope, seed=self.world.recipe.seed)
        pages = -(-self.world.recipe.cluster_count // _PAGE)
        await self._travel("inventory", trips=pages)
        now = self._look()
        found = selection.selected(self.world.clusters(now), scope)
        return Inventory(
            clusters=tuple(sorted(found, key=lambda cluster: cluster.id)),
            versions=self.world.versions(extension_type),
            version_limits=self.world.version_limits(extension_type),
            policies=policies.assignments(self.world.recipe, extension_type),
            management_groups=policies.management_groups(self.world.recipe),
            read_at=now,
        )

    async def cluster(self, cluster_id: ClusterId, ids: RequestIds) -> Cluster:  # noqa: ARG002
        """Return one cluster as it is now."""
        await self._travel(cluster_id)
        now = self._look()
        return self.world.cluster(cluster_id, now)

    async def get(self, ref: ExtensionRef, ids: RequestIds) -> Extension | None:
        """Return the extension; ``None`` where the cluster is there and it is not."""
        await self._travel(ref.cluster_id)
        now = self._look()
        self._meet(ref.cluster_id, ids, now)
        return self.world.extension(ref.cluster_id, ref.name, now)

    async def write(self, ref: ExtensionRef, write: Write, ids: RequestIds) -> Accepted:
        """Send one write, once."""
        return await self._sent(ref, write, ids, is_forced=False, caller=None)

    async def send(
        self,
        ref: ExtensionRef,
        write: Write,
        ids: RequestIds,
        *,
        caller: str,
        is_forced: bool = False,
    ) -> Accepted:
        """Send one write as it comes by the wire: from somebody, and perhaps forced."""
        return await self._sent(ref, write, ids, is_forced=is_forced, caller=caller)

    async def operation(self, url: str, ids: RequestIds) -> OperationStatus:
        """Read the state of an operation."""
        cluster_id = ClusterId(_cluster_path(url))
        await self._travel(cluster_id)
        now = self._look()
        status = self.world.operation(url, now)
        self._meet(cluster_id, ids, now)
        return status

    async def unwell(
        self,
        *,
        extension_type: str,
        subscriptions: Sequence[str],
        ids: RequestIds,  # noqa: ARG002 - nobody keeps a log of them
    ) -> Sequence[Unwell]:
        """Return the extensions of this type whose last write did not end well."""
        await self._travel("health")
        now = self._look()
        places = {one.lower() for one in subscriptions}
        found = [
            Unwell(cluster_id=ClusterId(cluster.id.lower()), state=one.provisioning_state.value)
            for cluster in self.world.clusters(now)
            if cluster.subscription.lower() in places
            for one in cluster.extensions
            if one.extension_type.lower() == extension_type.lower()
            and one.provisioning_state in _NOT_WELL
        ]
        return sorted(found, key=lambda one: one.cluster_id)

    async def visit(self, place: str) -> dt.datetime:
        """Make a request that has no port, and return the moment at which it is heard."""
        await self._travel(place)
        return self._look()

    async def _sent(
        self,
        ref: ExtensionRef,
        write: Write,
        ids: RequestIds,
        *,
        is_forced: bool,
        caller: str | None,
    ) -> Accepted:
        await self._travel(ref.cluster_id)
        with self._alone():
            now = self._look()
            call = calls.call(ref, write, ids, at=now, is_forced=is_forced, caller=caller)
            if self._store is not None:
                self._store.append(call)
            heard = self.world.hear(call)
        # The way back: whoever is stopped here has changed the world and does not know it.
        await self._travel(ref.cluster_id)
        return _accepted(heard)

    async def _travel(self, place: str, *, trips: int = 1) -> None:
        """Take as long as requests take."""
        self._calls[place] += 1
        recipe = self.world.recipe
        call_ms = recipe.call_ms.drawn(recipe.seed, "latency", place, self._calls[place])
        await self._clock.sleep(dt.timedelta(milliseconds=call_ms) * trips)

    def _look(self) -> dt.datetime:
        """Take in what other processes have done, and return the moment."""
        if self._store is not None:
            self.world.replay(self._store.news())
        # NB: another process may be ahead of us; nobody looks at a moment that others have left.
        return max(self._clock.now(), self.world.last_at)

    def _alone(self) -> contextlib.AbstractContextManager[None]:
        return contextlib.nullcontext() if self._store is None else self._store.alone()

    def _meet(self, cluster_id: ClusterId, ids: RequestIds, now: dt.datetime) -> None:
        """Meet what can go wrong with a read."""
        rules, count = self.world.faults_at(cluster_id, now), self._calls[cluster_id]
        answer = faults.read_answer(rules, self.world.recipe.seed, cluster_id, count)
        error = faults.error_of(answer, rules, correlation_id=ids.correlation_id)
        if error is not None:
            raise error


def _require_simple(scope: Scope, *, seed: int) -> None:
    """Refuse what only the query language, or a tree of groups, could tell."""
    if scope.kql is not None:
        message = "targets.kql cannot be carried out by a world that is used without HTTP"
        hint = "Start `fleet sim serve`, which executes queries, and name it with --endpoint."
        raise InputError(message, hint=hint)
    root = names.tenant(seed)
    unknown = [group for group in scope.management_groups if group.lower() != root]
    if unknown:
        message = f"there is no management group {unknown[0]} in this world"
        raise InputError(message, hint=f"It has one, the root: {root}. Or say tenant: true.")


def _accepted(heard: Heard) -> Accepted:
    if heard.error is not None:
        raise heard.error
    url = None if heard.operation is None else heard.operation.url
    return Accepted(operation_url=url, extension=heard.extension)


def _cluster_path(url: str) -> str:
    """Return the cluster's id out of an operation's URL."""
    path = "/" + url.partition("://")[2].partition("/")[2]
    return path.partition("/providers/Microsoft.KubernetesConfiguration/")[0]
