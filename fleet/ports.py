"""What the engine asks of the world, as protocols. Adapters implement them; nobody inherits.

The same protocols are spoken by the simulator, by Azure and by fakes in tests.
A method raises an error of :mod:`fleet.errors` and nothing else: vendor errors
are translated where they are first seen.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from fleet.model.cluster import AutoUpgrade, Cluster, ClusterId, Extension, Inventory
from fleet.model.desired import Scope
from fleet.model.events import Actor, Event
from fleet.model.plan import Verb


class Clock(Protocol):
    """Time, for everybody in one run."""

    def now(self) -> dt.datetime:
        """Return the moment, aware, in UTC."""

    async def sleep(self, duration: dt.timedelta) -> None:
        """Wait, in this clock's time; not at all where *duration* is not positive."""


# --- the service -------------------------------------------------------------------------


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


# --- the journal -------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class OperationKey:
    """Whose operation it is."""

    target: int
    step: int


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """What becomes durable together."""

    events: Sequence[Event]
    keep: Mapping[OperationKey, str] = dataclasses.field(default_factory=dict, repr=False)
    """Operation URLs to remember until they are dropped."""
    drop: Sequence[OperationKey] = ()


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """Something a person asks of a run from another process."""

    id: str
    kind: str
    """Such as ``pause``; :mod:`fleet.core.answers` knows them all."""
    actor: Actor
    reason: str
    at: dt.datetime
    subject: str = ""
    """Whom it is about: a cluster or a wave. Empty: the run."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class StoredRecord:
    """One link of the chain, as it lies on disk."""

    seq: int
    """From 1."""
    body: bytes
    link: bytes

    @property
    def triple(self) -> tuple[int, bytes, bytes]:
        """What :func:`fleet.core.chain.verify` takes."""
        return self.seq, self.body, self.link


class JournalReader(Protocol):
    """A run's history, for those who only look."""

    def records(self, *, after: int = 0) -> Iterator[StoredRecord]:
        """Yield what is stored after position *after*, in order."""

    def events(self, *, after: int = 0) -> Iterator[tuple[int, Event]]:
        """Yield ``(position, event)``."""

    def holder(self) -> Actor | None:
        """Return who runs it now; ``None`` where nobody does."""

    def close(self) -> None:
        """Let go of the file."""


class Journal(JournalReader, Protocol):
    """A run's history, for the one that holds it."""

    @property
    def epoch(self) -> int:
        """Which holding this is; from 1."""

    async def append(self, batch: Batch) -> None:
        """Make *batch* durable, all or nothing; :exc:`FencedError` after a takeover."""

    def operations(self) -> Mapping[OperationKey, str]:
        """Return the operation URLs that are still remembered."""

    def has_news(self) -> bool:
        """Tell cheaply whether :meth:`requests` may return something."""

    def requests(self) -> Sequence[Request]:
        """Return what people asked and no event has answered yet, oldest first."""


class JournalStore(Protocol):
    """All runs of one place."""

    def hold(
        self, run_id: str, *, actor: Actor, secrets: Sequence[str] = (), create: bool = False
    ) -> AbstractAsyncContextManager[Journal]:
        """Hold a run for writing; :exc:`HeldError` names who already does.

        *secrets* are replaced in everything that is written.
        """

    def read(self, run_id: str) -> JournalReader:
        """Open a run for reading; :exc:`InputError` where there is none."""

    def ask(self, run_id: str, request: Request) -> None:
        """Leave *request* for the runner; the same id twice is one request."""

    def runs(self) -> Sequence[str]:
        """Return the ids of all runs, newest first."""
