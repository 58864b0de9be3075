"""Looking which clusters the plan's selector means now, before a wave opens.

What cannot be found out keeps nobody waiting: the wave has the members that it had, and the
journal says why.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Awaitable, Callable, Sequence

from fleet.core import again
from fleet.engine.clock import Clock
from fleet.errors import InvariantError, RemoteError
from fleet.model import events as e
from fleet.model.commands import Survey
from fleet.model.plan import PlanHead, Target
from fleet.ports import Discovery

Claim = Callable[[Sequence[Target], dt.datetime], Awaitable[Sequence[Target]]]
"""Locks targets, and returns those that could be."""


async def surveyed(
    command: Survey,
    *,
    head: PlanHead,
    targets: Sequence[Target],
    discovery: Discovery,
    clock: Clock,
    claim: Claim | None,
) -> e.RunSurveyed:
    """Return what the journal says of who is meant now.

    Who joins is locked first; what another run is changing joins later, or not at all.
    """
    try:
        found = await _census(command, head, targets, discovery)
    except RemoteError as error:
        return problem(command, error.message, clock=clock)
    joined = await claim(found.joined, clock.now()) if claim else found.joined
    return e.RunSurveyed(
        at=clock.now(),
        wave=command.wave,
        left=found.left,
        joined=tuple(joined),
        groups=found.groups,
        problem="",
    )


def problem(command: Survey, message: str, *, clock: Clock) -> e.RunSurveyed:
    """Return that nobody knows, and why."""
    return e.RunSurveyed(
        at=clock.now(), wave=command.wave, left=(), joined=(), groups=(), problem=message
    )


async def _census(
    command: Survey, head: PlanHead, targets: Sequence[Target], discovery: Discovery
) -> again.Census:
    basis = head.basis
    if basis is None:
        message = "the plan does not hold what it was computed from"
        raise InvariantError(message)
    inventory = await discovery.inventory(
        basis.scope,
        extension_type=head.extension_type,
        release_train=basis.desired.release_train,
    )
    return again.census(head, targets, inventory, spreads=command.spreads)
