"""What a run needs of Azure."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Protocol

from fleet.model.cluster import AutoUpgrade, Cluster, ClusterId, Extension, Inventory
from fleet.model.plan import Verb
from fleet.model.scope import Scope


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ExtensionRef:
    """Which extension, on which cluster."""

    cluster_id: ClusterId
    name: str


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class RequestIds:
    """What is sent along, so that the service's own log and the journal can be joined."""

    correlation_id: str
    """One for all requests of a (run, target, step)."""
    client_request_id: str
    """One for each request."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Write:
    """A request that changes an extension. ``None`` means: not carried."""

    verb: Verb
    extension_type: str
    namespace: str | None
    location: str
    """The cluster's; an install needs it for the extension's identity."""
    version: str | None = None
    auto_upgrade: AutoUpgrade | None = None
    release_train: str | None = None
    settings: Mapping[str, str] | None = None
    """The whole plain map."""
    protected: Mapping[str, str] | None = dataclasses.field(default=None, repr=False)
    """The whole protected map, with values: never logged, never journaled."""
    is_namespaced: bool = False
    """Whether a PUT makes it one of :attr:`namespace`, not of the cluster."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """The service took a write."""

    operation_url: str | None = dataclasses.field(repr=False)
    """Signed, so a secret. ``None``: it finished at once."""
    extension: Extension | None
    """As the answer shows it; ``None`` where the answer shows none."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class OperationStatus:
    """One read of an operation."""

    status: str
    """The service's own word, such as ``Creating`` or ``Succeeded``."""
    is_terminal: bool
    has_succeeded: bool
    error: str | None = None
    is_conflict: bool = False
    """Whether it failed only because another operation was in progress."""
    retry_after_s: float | None = None


class Discovery(Protocol):
    """Which clusters exist."""

    async def inventory(
        self, scope: Scope, *, extension_type: str, release_train: str | None
    ) -> Inventory:
        """Return the clusters that *scope* selects, with their extensions of every type.

        Args:
            scope: Where to look, and what is meant. More may be returned than it means.
            extension_type: Whose versions are asked for.
            release_train: The train that is wished for; ``None``: the service's default. Trains
                that the extensions found are on are asked for as well.
        """

    async def cluster(self, cluster_id: ClusterId, ids: RequestIds) -> Cluster:
        """Return one cluster as it is now; :exc:`LostClusterError` where it is gone."""


class Extensions(Protocol):
    """Reads and writes of extensions; each is one request."""

    async def get(self, ref: ExtensionRef, ids: RequestIds) -> Extension | None:
        """Return the extension; ``None`` where the cluster is there and it is not."""

    async def write(self, ref: ExtensionRef, write: Write, ids: RequestIds) -> Accepted:
        """Send one write, once: an attempt is the caller's decision, never repeated here."""

    async def operation(self, url: str, ids: RequestIds) -> OperationStatus:
        """Read the state of an operation."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Unwell:
    """An extension that is not in order, as the service's index has it: a suspicion, no proof."""

    cluster_id: ClusterId
    state: str
    """The service's own word, such as ``Failed``."""


class Health(Protocol):
    """How a whole wave is, in a few requests however many are in it."""

    async def unwell(
        self, *, extension_type: str, subscriptions: Sequence[str], ids: RequestIds
    ) -> Sequence[Unwell]:
        """Return the extensions of this type that are neither in order nor being changed."""


class Service(Discovery, Extensions, Health, Protocol):
    """What a run needs of Azure."""
