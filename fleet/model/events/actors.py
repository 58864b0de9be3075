"""Who does things."""

from __future__ import annotations

import dataclasses


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Actor:
    """Who did it."""

    name: str
    host: str
    pid: int
