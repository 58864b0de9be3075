"""A run's places in the pools that it shares with other runs: asked for, used, given back.

What is granted is no history: it is asked for before each round of decisions, and what the round
did not use is given back at once. A run that gets nothing says since when, so that others leave it
what becomes free.
"""

from __future__ import annotations

import datetime as dt

from fleet.core import course
from fleet.core.state import RunState
from fleet.errors import InvariantError
from fleet.ports import Pools

LOOK_AGAIN = dt.timedelta(seconds=15)
"""How soon to ask again where a pool was full: nobody tells when a place becomes free."""


class Places:
    """The places of one run."""

    def __init__(self, pools: Pools | None, state: RunState) -> None:
        self._pools, self._state = pools, state
        self._asked = 0
        self._since: dt.datetime | None = None
        """From when on nothing could be started that might have been."""
        if state.plan.pools and pools is None:
            message = "the plan names pools, and nobody keeps them"
            raise InvariantError(message)

    def ask(self, now: dt.datetime) -> None:
        """Say how many more may start, for the decisions that follow."""
        if self._state.plan.pools:
            in_use, more = self._in_use(), course.startable(self._state)
            granted = self._reserve(in_use + more, now)
            self._state.room = max(0, granted - in_use)
            self._asked = more
            is_waiting = more > 0 and not self._state.room
            self._since = (self._since or now) if is_waiting else None

    def settle(self, now: dt.datetime) -> dt.datetime | None:
        """Give back what was not used; return when to ask again, where more could have been."""
        if not self._state.plan.pools:
            return None
        self._reserve(self._in_use(), now)
        if not course.startable(self._state):
            return None
        # Nothing was asked for where a wave has only opened now.
        return now + LOOK_AGAIN if self._asked else now

    def _in_use(self) -> int:
        """Slots, and operations that go on without one."""
        left = sum(target not in self._state.active for target in self._state.operations)
        return self._state.in_flight + left

    def _reserve(self, wanted: int, now: dt.datetime) -> int:
        header, pools = self._state.header, self._pools
        if header is None or pools is None:
            return 0
        in_use = self._in_use()
        return min(
            pools.reserve(
                pool.name,
                run_id=header.run_id,
                in_use=in_use,
                wanted=wanted,
                cap=pool.max_concurrency,
                now=now,
                since=self._since,
            )
            for pool in self._state.plan.pools
        )
