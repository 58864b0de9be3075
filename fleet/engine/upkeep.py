"""A run's lease on its locks, renewed while its process lives.

Renewed early enough to be missed twice. The commit waits for the disk on a
thread; time by the run's clock may pass meanwhile, and no harm is done by it.

Errors:  :exc:`~fleet.errors.LostLocksError` once the locks are somebody else's.
"""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Sequence

from fleet.errors import LostLocksError
from fleet.model.events import Actor
from fleet.model.plan import Target
from fleet.ports import LockKey, Locks, Pools

LEASE = dt.timedelta(minutes=15)
"""How long locks outlive their process, by the run's clock: what it had sent may still be at
work, and somebody may want to take the run over."""
_PARTS = 3


class LeaseKeeper:
    """A :class:`fleet.ports.Upkeep` for the locks of one run."""

    def __init__(
        self,
        locks: Locks,
        *,
        run_id: str,
        actor: Actor,
        endpoint: str,
        taken_at: dt.datetime,
        pools: Pools | None = None,
        lease: dt.timedelta = LEASE,
    ) -> None:
        self._locks, self._run_id, self._lease = locks, run_id, lease
        self._actor, self._endpoint = actor, endpoint
        self.pools = pools
        """Those that the run shares with others."""
        self._next_at = taken_at + lease / _PARTS

    async def claim(self, targets: Sequence[Target], now: dt.datetime) -> Sequence[Target]:
        """Lock what joins the run; return those that no other run is changing."""
        return [one for one in targets if await asyncio.to_thread(self._claimed, one, now)]

    def _claimed(self, target: Target, now: dt.datetime) -> bool:
        key = LockKey(
            endpoint=self._endpoint,
            cluster_id=target.cluster_id,
            extension=target.extension_name,
        )
        taking = self._locks.take(
            self._run_id, actor=self._actor, keys=[key], now=now, lease=self._lease
        )
        return not taking.conflicts

    async def tend(self, now: dt.datetime) -> None:
        """Renew the lease, if it is time."""
        if now < self._next_at:
            return
        is_ours = await asyncio.to_thread(
            self._locks.renew, self._run_id, now=now, lease=self._lease
        )
        if not is_ours:
            raise _lost(self._run_id)
        self._next_at = now + self._lease / _PARTS


def _lost(run_id: str) -> LostLocksError:
    message = (
        f"run {run_id} does not hold its locks any more: "
        "they were released by force, or another run took them over; nothing more was started"
    )
    hint = (
        "`fleet locks` says who holds what. What is in flight goes on there, and is looked up by: "
        f"fleet run --run-id {run_id}, once the locks are free."
    )
    return LostLocksError(message, hint=hint)
