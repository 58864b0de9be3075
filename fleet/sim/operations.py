"""Long-running operations: from the accepted write to its end, and what each read shows.

Nothing is stored while time passes: an operation knows from its first moment
when and how it will end, and every read compares that with its own moment.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import hashlib

from fleet.model.cluster import ClusterId, Extension
from fleet.model.plan import Verb
from fleet.ports import OperationStatus

# Source: recorded operations answer with these words while they run.
_WORDS = {Verb.PUT: "Creating", Verb.PATCH: "Updating", Verb.DELETE: "Deleting"}
_HOST = "https://management.azure.com"
_CERTIFICATE_BYTES = 1380
_SIGNATURE_BYTES = 170


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One operation, with its end already known."""

    id: str
    """A GUID."""
    cluster_id: ClusterId
    name: str
    verb: Verb
    at: dt.datetime
    ends_at: dt.datetime | None
    """``None``: never."""
    error: str | None = None
    """``None``: the operation says that it succeeded."""
    is_conflict: bool = False

    def has_ended(self, now: dt.datetime) -> bool:
        """Tell whether it is over."""
        return self.ends_at is not None and self.ends_at <= now

    def status(self, now: dt.datetime) -> OperationStatus:
        """Return what a read at *now* shows."""
        if not self.has_ended(now):
            word = _WORDS[self.verb]
            return OperationStatus(status=word, is_terminal=False, has_succeeded=False)
        if self.error is None:
            return OperationStatus(status="Succeeded", is_terminal=True, has_succeeded=True)
        return OperationStatus(
            status="Failed",
            is_terminal=True,
            has_succeeded=False,
            error=self.error,
            is_conflict=self.is_conflict,
        )

    @property
    def url(self) -> str:
        """Where it is read: signed, and longer than a naive column.

        Source: recorded since 2023: 3.2 to 3.3 KB, ``ConnectedClusters`` in this casing.
        """
        cluster = self.cluster_id.replace("/connectedClusters/", "/ConnectedClusters/")
        seal = hashlib.shake_256(self.id.encode()).hexdigest(_CERTIFICATE_BYTES + _SIGNATURE_BYTES)
        certificate, signature = seal[: 2 * _CERTIFICATE_BYTES], seal[2 * _CERTIFICATE_BYTES :]
        return (
            f"{_HOST}{cluster}/providers/Microsoft.KubernetesConfiguration/extensions/{self.name}"
            f"/operations/{self.id}?api-version=2023-05-01&t={int(self.at.timestamp())}"
            f"&c={certificate}&s={signature}&h={signature[:43]}"
        )


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Relapse:
    """An extension that was well, and is not any more."""

    at: dt.datetime
    extension: Extension


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Instance:
    """One extension over time: what was, what is going on, and what will be."""

    settled: Extension | None
    """After the operation; as it always was where there is none."""
    operation: Operation | None = None
    meanwhile: Extension | None = None
    """What a GET shows until :attr:`shown_at`."""
    shown_at: dt.datetime | None = None
    """From when a GET shows the end; ``None`` with an operation: never."""
    since: dt.datetime
    """When it became as it is settled."""
    relapse: Relapse | None = None
    """What becomes of it after that."""

    def shown(self, now: dt.datetime) -> Extension | None:
        """Return what a GET at *now* returns."""
        if self.operation is None or (self.shown_at is not None and self.shown_at <= now):
            return self._now(now)
        return self.meanwhile

    def underneath(self, now: dt.datetime) -> Extension | None:
        """Return what a write at *now* builds on."""
        return self.meanwhile if self.is_busy(now) else self._now(now)

    def _now(self, now: dt.datetime) -> Extension | None:
        return self.relapse.extension if self.relapse and self.relapse.at <= now else self.settled

    def is_busy(self, now: dt.datetime) -> bool:
        """Tell whether a write at *now* would come between."""
        return self.operation is not None and not self.operation.has_ended(now)


def operation_id(url: str) -> str | None:
    """Return the id in an operation's URL; ``None`` where it holds none."""
    _, found, tail = url.partition("/operations/")
    return tail.partition("?")[0] if found else None
