"""What people have changed inside one cluster: edits, in order, on top of what extensions make.

An edit of an object that an extension has made is a difference, so that the
object goes on with the extension; with that object it goes as well. A cluster
nobody has changed has none of this.

Units:   versions are the API's resource versions, as numbers.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from fleet.sim.inside import merging

Key = tuple[str, str, str, str]
"""Group, plural, namespace (or nothing) and name."""

_MOST = 4000
"""Edits that are kept, before those that were overtaken are forgotten."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """How an object differs from what it would be, since some version."""

    key: Key
    version: int
    uid: str | None = None
    """Of the object that it is about; ``None``: there was none, and :attr:`whole` is one."""
    patch: Mapping[str, Any] | None = None
    whole: Mapping[str, Any] | None = None

    @property
    def is_gone(self) -> bool:
        """Whether the object was deleted."""
        return self.patch is None and self.whole is None


class Overlay:
    """The edits of one cluster."""

    def __init__(self) -> None:
        self._entries: list[Entry] = []
        self._current: dict[Key, Entry] = {}
        self._base: dict[Key, Entry] = {}
        self.oldest = 0
        """The first version that can still be told."""

    @property
    def last(self) -> int:
        """The version of the last edit; 0 where there is none."""
        return self._entries[-1].version if self._entries else 0

    def add(self, entry: Entry) -> None:
        """Take an edit."""
        self._entries.append(entry)
        self._current[entry.key] = entry
        if len(self._entries) > _MOST:
            self._forget()

    def at(self, version: int) -> Mapping[Key, Entry]:
        """Return the edits as they were at a version."""
        if version >= self.last:
            return self._current
        found = dict(self._base)
        for one in self._entries:
            if one.version <= version:
                found[one.key] = one
        return found

    def _forget(self) -> None:
        half = _MOST // 2
        self._base |= {one.key: one for one in self._entries[:half]}
        self.oldest = self._entries[half - 1].version
        self._entries = self._entries[half:]


def applied(base: Mapping[str, Any] | None, entry: Entry) -> dict[str, Any] | None:
    """Return an object as an edit leaves it; ``None``: it is not there."""
    if entry.whole is not None:
        return dict(entry.whole)
    if base is None or base["metadata"]["uid"] != entry.uid:
        # NB: what the edit was about is gone, and something else may have come since.
        return None if base is None else dict(base)
    if entry.patch is None:
        return None
    found: dict[str, Any] = merging.merged(base, entry.patch)
    version = max(int(base["metadata"]["resourceVersion"]), entry.version)
    return found | {"metadata": {**found["metadata"], "resourceVersion": str(version)}}
