"""What a run's journal tells of requests that an earlier process sent: they count still."""

from __future__ import annotations

import dataclasses
import datetime as dt

from fleet.model.plan import Verb


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """A request that left, as far as is known, or one that the service refused for now."""

    subscription: str
    verb: Verb | None
    """``None``: it was a read."""
    at: dt.datetime
    throttled_until: dt.datetime | None = None
    """Until when the service asked for no more of the kind."""
