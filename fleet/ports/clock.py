"""Time."""

from __future__ import annotations

import datetime as dt
from typing import Protocol


class Clock(Protocol):
    """Time, for everybody in one run."""

    def now(self) -> dt.datetime:
        """Return the moment, aware, in UTC."""

    async def sleep(self, duration: dt.timedelta) -> None:
        """Wait, in this clock's time; not at all where *duration* is not positive."""
