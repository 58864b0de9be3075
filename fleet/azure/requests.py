"""A request, as it is about to leave: what for, under which ids, and what it may change."""

from __future__ import annotations

import dataclasses
import uuid

from fleet.ports import RequestIds

_WRITES = frozenset({"PUT", "PATCH", "DELETE"})


def fresh_ids(correlation_id: str | None = None) -> RequestIds:
    """Return ids for a request that nobody gave any."""
    return RequestIds(
        correlation_id=correlation_id or str(uuid.uuid4()), client_request_id=str(uuid.uuid4())
    )


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One request."""

    method: str
    url: str = dataclasses.field(repr=False)
    """Absolute, and sent as it stands. May be signed, so a secret."""
    what: str
    """What it is for, to begin a message with."""
    ids: RequestIds = dataclasses.field(default_factory=fresh_ids)
    body: bytes | None = dataclasses.field(default=None, repr=False)

    @property
    def is_write(self) -> bool:
        """Whether it changes a resource. A POST here is always a query."""
        return self.method in _WRITES
