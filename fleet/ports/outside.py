"""Numbers from outside, and those outside who are told."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Sequence
from typing import Protocol

from fleet.core.notices import Notice
from fleet.model.cluster import ClusterId
from fleet.model.gates import Probe, Reading


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
