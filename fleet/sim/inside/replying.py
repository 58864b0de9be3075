"""What comes back from a cluster's API."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from fleet.sim.inside.listing import Watch


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What comes back."""

    code: int = 200
    document: Mapping[str, Any] | None = None
    text: str = ""
    """Where there is no document."""
    headers: Mapping[str, str] = dataclasses.field(default_factory=dict)
    watch: Watch | None = None
    """Where events are to follow."""
