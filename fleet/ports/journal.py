"""A run's history, and where all of them are kept."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from fleet.model.events import Actor, Event


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
