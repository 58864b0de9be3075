"""What the engine asks of the world, as protocols. Adapters implement them; nobody inherits.

The same protocols are spoken by the simulator, by Azure and by fakes in tests.
A method raises an error of :mod:`fleet.errors` and nothing else: vendor errors
are translated where they are first seen.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import NamedTuple, Protocol

from fleet.core.notices import Notice
from fleet.model.cluster import AutoUpgrade, Cluster, ClusterId, Extension, Inventory
from fleet.model.desired import Scope
from fleet.model.events import Actor, Event
from fleet.model.gates import Probe, Reading
from fleet.model.plan import Target, Verb


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


# --- measurements ------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """What a measurement is about: fills in a query's ``${...}``."""

    wave: str
    clusters: Sequence[str]
    """Names of the clusters that the wave changes."""
    cluster_ids: Sequence[ClusterId]
    subscriptions: Sequence[str]
    window: dt.timedelta
    """Since when it is of interest: ``${window}``, in seconds such as ``300s``."""


class Probes(Protocol):
    """Numbers from outside."""

    async def measure(self, probe: Probe, about: About) -> Reading:
        """Ask once, within the probe's timeout.

        Whatever the answer, it is a reading: an answerer that cannot be reached, or that says
        rubbish, is one with an error.
        """


# --- those who are told ------------------------------------------------------------------


class Pause(Protocol):
    """A wait between two tries."""

    async def __call__(self, seconds: float, *, is_asked_for: bool) -> None:
        """Wait; where the process is about to end, only as long as the other side asked for."""


class Messenger(Protocol):
    """The way to one subscriber."""

    async def bring(self, notice: Notice, pause: Pause) -> None:
        """Bring *notice*, trying again while that may help, for a bounded time.

        Raises:
            RemoteError: It was not taken; where its status is 410, nothing more is wanted there.
        """


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
    told: Mapping[str, int] = dataclasses.field(default_factory=dict)
    """``{subscriber: record}`` up to which each was told; never goes back."""


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

    def told(self) -> Mapping[str, int]:
        """Return up to which record each subscriber was told."""

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


# --- runs beside each other --------------------------------------------------------------


class LockKey(NamedTuple):
    """What one run at a time may change. Names are compared without regard to case."""

    endpoint: str
    """Of the service: two simulated fleets may use the same ids."""
    cluster_id: ClusterId
    extension: str
    """Its name on the cluster."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class LockHolder:
    """A run that holds locks, or held them when its process died."""

    run_id: str
    actor: Actor
    """Whose process took them."""
    leased_at: dt.datetime
    leased_until: dt.datetime
    """Of the run's clock, like every moment here."""
    is_alive: bool
    """Whether a process carries the run on now: then nothing is taken from it, lease or not."""

    def may_keep(self, now: dt.datetime) -> bool:
        """Tell whether what it holds is still its own."""
        return self.is_alive or self._is_leased(now)

    def _is_leased(self, now: dt.datetime) -> bool:
        # NB: one that ends later than any lease that could be given now was given by another
        # clock: a simulator that was started anew, or a machine whose time was set back.
        length = self.leased_until - self.leased_at
        return now < self.leased_until <= now + 2 * length


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Conflict:
    """Locks that are wanted, and held by another run."""

    holder: LockHolder
    count: int
    first: tuple[LockKey, ...]
    """Some of them, in order, lower case."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Taking:
    """What came of an attempt to take locks: all of them, or, where there are conflicts, none."""

    conflicts: tuple[Conflict, ...] = ()
    taken_over: tuple[Conflict, ...] = ()
    """Where they were before: with runs whose lease is over and that nobody carries on."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """Locks that a person took from a run that nobody carried on."""

    run_id: str
    holder: Actor
    """Whose process had them."""
    actor: Actor
    reason: str
    at: dt.datetime
    """By the wall clock."""


class Locks(Protocol):
    """Which run may change which extension: one at a time, across processes."""

    def take(
        self,
        run_id: str,
        *,
        actor: Actor,
        keys: Iterable[LockKey],
        now: dt.datetime,
        lease: dt.timedelta,
    ) -> Taking:
        """Take all of *keys*, or none; what the run holds already, it holds on."""

    def conflicts(
        self, run_id: str, *, keys: Iterable[LockKey], now: dt.datetime
    ) -> Sequence[Conflict]:
        """Return what would keep *run_id* from taking *keys*, and take nothing."""

    def renew(self, run_id: str, *, now: dt.datetime, lease: dt.timedelta) -> bool:
        """Extend the lease of all that *run_id* holds; ``False`` where it holds nothing more."""

    def release(self, run_id: str, *, keys: Iterable[LockKey]) -> None:
        """Let go of *keys*."""

    def finish(self, run_id: str, *, keep: Iterable[LockKey] = ()) -> None:
        """Let go of everything but *keep*, which goes when the lease ends."""

    def holders(self) -> Sequence[LockHolder]:
        """Return the runs that hold locks, by their ids."""


class Pools(Protocol):
    """Places that several runs share. Each call is cheap: no commit waits for the disk."""

    def reserve(
        self,
        pool: str,
        *,
        run_id: str,
        in_use: int,
        wanted: int,
        cap: int,
        now: dt.datetime,
        since: dt.datetime | None = None,
    ) -> int:
        """Set how many places of *pool* a run has, and return how many these are.

        Where several runs want more than there are, each comes to its share: whoever has waited
        longer, and has less than that, is left what becomes free.

        A run gives back by wanting fewer. Asking again for the same is no second reservation, so
        that whoever takes a run over simply says what it has in flight. A run without locks has
        no places.

        Args:
            pool: Its name.
            run_id: Whose places.
            in_use: What the run has in flight; never less is granted.
            wanted: How many it could use, those included.
            cap: How many there are for all runs, as this one's plan has it.
            now: By the run's clock: places of a run whose lease is over are free.
            since: From when on the run could not start what it would have; ``None``: it can.
        """


class Upkeep(Protocol):
    """What a process does to keep what its run holds, and to get what it needs beside."""

    @property
    def pools(self) -> Pools | None:
        """The pools that the run shares with others, where its plan names any."""

    async def claim(self, targets: Sequence[Target], now: dt.datetime) -> Sequence[Target]:
        """Lock what joins the run; return those that no other run is changing."""

    async def tend(self, now: dt.datetime) -> None:
        """Do it, if it is time; costs nothing where it is not.

        Raises:
            LostLocksError: Another run may change the same extensions now: start nothing more.
        """
