"""Work inside clusters as desired state: what must be read for it, and what is left to do then.

A work names a state. Of what was seen, :func:`edits` says what still has to be sent, so that doing
it twice is doing it once; :func:`changes` says it to people, :func:`undo` is the work that leads
back, and :func:`pending` what is waited for once everything was sent. Where :func:`blocked` says
something, what was seen makes it impossible, and nothing is left to do.

Nothing is sent here. Each kind is a module with these same functions.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from fleet.core.works import (
    meshconfig,
    monitoring,
    namespaces,
    orphans,
    privileged,
    restart,
    sidecars,
)
from fleet.core.works.sidecars import NamespaceSidecars as NamespaceSidecars
from fleet.model.inside import Work, WorkKind
from fleet.model.objects import Edit, Seen, Want

Changes = tuple[tuple[str, str | None, str | None], ...]
"""``((path, before, after), ...)``; ``None``: it is not there."""


class _Kind(Protocol):
    def wants(self, work: Work) -> tuple[Want, ...]: ...

    def blocked(self, work: Work, seen: Seen) -> str: ...

    def edits(self, work: Work, seen: Seen, *, token: str) -> tuple[Edit, ...]: ...

    def changes(self, work: Work, seen: Seen) -> Changes: ...

    def undo(self, work: Work, seen: Seen) -> Work | None: ...

    def pending(self, work: Work, seen: Seen, *, token: str) -> str: ...


_KINDS: Mapping[WorkKind, _Kind] = {
    WorkKind.MESH_CONFIG: meshconfig,
    WorkKind.NAMESPACES: namespaces,
    WorkKind.MONITORING: monitoring,
    WorkKind.PRIVILEGED: privileged,
    WorkKind.RESTART: restart,
    WorkKind.ORPHANS: orphans,
}


def wants(work: Work) -> tuple[Want, ...]:
    """Return what must be read, in the order it must be read in."""
    return _KINDS[work.kind].wants(work)


def blocked(work: Work, seen: Seen) -> str:
    """Return why it cannot be done, in a sentence; empty: nothing stands against it."""
    return _KINDS[work.kind].blocked(work, seen)


def edits(work: Work, seen: Seen, *, token: str) -> tuple[Edit, ...]:
    """Return what is left to do now; empty: it is so, or it is waited for, or it is blocked.

    Args:
        work: What shall be.
        seen: Of all that :func:`wants` names.
        token: The same for every look of one step, and another for every other step.
    """
    return () if blocked(work, seen) else _KINDS[work.kind].edits(work, seen, token=token)


def changes(work: Work, seen: Seen) -> Changes:
    """Return what would change, for people. NB: also of what is blocked, as far as it is known."""
    return _KINDS[work.kind].changes(work, seen)


def undo(work: Work, seen: Seen) -> Work | None:
    """Return the work that leads back to what was seen; ``None``: nothing changes, or none does."""
    return _KINDS[work.kind].undo(work, seen)


def pending(work: Work, seen: Seen, *, token: str = "") -> str:
    """Return what is waited for, where nothing is left to do; empty: it is done.

    Args:
        work: What shall be.
        seen: Of all that :func:`wants` names.
        token: As given to :func:`edits`: what was restarted by it is waited for to its end.
    """
    return _KINDS[work.kind].pending(work, seen, token=token)


def sidecar_wants(work: Work) -> tuple[Want, ...]:
    """Return what must be read for :func:`sidecars_of`."""
    return sidecars.wants(work)


def sidecars_of(work: Work, seen: Seen) -> tuple[NamespaceSidecars, ...]:
    """Return the sidecars of each namespace, counted: all of them, and those that are behind.

    Args:
        work: Of any kind: its mesh is the one that is meant, its ``add`` the namespaces; none: all.
        seen: Of all that :func:`sidecar_wants` names.
    """
    return sidecars.counted(work, seen)
