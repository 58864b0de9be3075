"""A run's places in the pools that it shares with other runs: asked for, used, given back.

What is granted is no history: it is asked for before each round of decisions, and what the round
did not use is given back at once.
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
        if state.plan.pools and pools is None:
            message = "the plan names pools, and nobody keeps them"
            raise InvariantError(message)

    def ask(self, now: dt.datetime) -> None:
        """Say how many more may start, for the decisions that follow."""
        if self._state.plan.pools:
            in_use = self._in_use()
            granted = self._reserve(in_use + course.startable(self._state), now)
            self._state.room = max(0, granted - in_use)

    def settle(self, now: dt.datetime) -> dt.datetime | None:
        """Give back what was not used; return when to ask again, where more could have been."""
        if not self._state.plan.pools:
            return None
        self._reserve(self._in_use(), now)
        return now + LOOK_AGAIN if course.startable(self._state) else None

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
            )
            for pool in self._state.plan.pools
        )
