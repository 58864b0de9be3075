"""Who asks, by Azure's own word, and what it says of clusters now: both within a limit of time.

A token names somebody only once the service took it: what a credential hands out could be forged.
Where there is none in time, the operating system's user asks, and is told why.

Units:   limits are seconds of this machine.
Errors:  :exc:`~fleet.errors.RefusedError` for another endpoint, or another tenant, than the run's.
"""

from __future__ import annotations

import asyncio
import dataclasses
import datetime as dt
from collections.abc import Awaitable, Sequence
from typing import TypeVar

from fleet.azure.credentials import UNKNOWN, Identity
from fleet.cli import context, outside
from fleet.cli.context import Context
from fleet.cli.options import Where
from fleet.cli.outside import Outside
from fleet.core import readiness
from fleet.core.readiness import Readiness
from fleet.core.state import RunState
from fleet.errors import RefusedError, RemoteError
from fleet.model.events import Actor
from fleet.model.plan import Target
from fleet.model.scope import Match, Scope
from fleet.ports import Discovery

T = TypeVar("T")

IDENTITY_LIMIT_S = 20
"""How long Azure may take to say who somebody is."""
READINESS_LIMIT_S = 60
"""How long it may take to say how clusters are."""
_MOST_NAMES = 200
"""Of more clusters the names are not asked for one by one."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Meeting:
    """Who asks, when, and what is known of the clusters that it is about."""

    actor: Actor
    note: str
    """Why Azure does not say who they are; empty: it does."""
    now: dt.datetime
    readiness: Readiness | None = None
    unknown: str = ""
    """Why nothing is known of the clusters; empty where they are, or were not asked about."""


def met(
    found: Context, state: RunState, where: Where, *, targets: Sequence[Target] = ()
) -> Meeting:
    """Return who asks something of a run, and how *targets* are now."""
    where = outside.where_it_began(where, state)
    if where.world is None:
        return asyncio.run(_on_azure(state, where, targets))

    async def work(there: Outside) -> Meeting:
        _require_place(state, there.origin.endpoint)
        ready = await _ready(there.service, state, targets) if targets else None
        note = "a simulated fleet without HTTP knows nobody"
        actor, now = context.actor(), there.clock.now()
        return Meeting(actor=actor, note=note, now=now, readiness=ready)

    return outside.run(work, where=where, state_dir=found.state_dir, goes_on=state)


async def _on_azure(state: RunState, where: Where, targets: Sequence[Target]) -> Meeting:
    here, earliest = context.actor(), state.last_at
    try:
        there = await _within(IDENTITY_LIMIT_S, outside.whereabouts(where, not_before=earliest))
    except RemoteError as error:
        # A simulator that is gone has no time any more, and ours may be years away from it.
        now = outside.known_moment(state)
        return Meeting(actor=here, note=error.message, now=now, unknown=error.message)
    _require_place(state, there.place.url)
    now = there.clock.now()
    try:
        async with outside.connected(where, there) as service:
            identity = await _within(IDENTITY_LIMIT_S, service.vouched())
            actor, note = _person(state, identity)
            return await _looked(Meeting(actor=actor, note=note, now=now), service, state, targets)
    except RemoteError as error:
        return Meeting(actor=here, note=error.message, now=now, unknown=error.message)


async def _looked(
    found: Meeting, service: Discovery, state: RunState, targets: Sequence[Target]
) -> Meeting:
    if not targets:
        return found
    try:
        ready = await _within(READINESS_LIMIT_S, _ready(service, state, targets))
    except RemoteError as error:
        return dataclasses.replace(found, unknown=error.message)
    return dataclasses.replace(found, readiness=ready)


async def _within(limit_s: int, doing: Awaitable[T]) -> T:
    try:
        async with asyncio.timeout(limit_s):
            return await doing
    except TimeoutError:
        raise RemoteError(f"no answer within {limit_s} s") from None


def _person(state: RunState, identity: Identity) -> tuple[Actor, str]:
    tenant = state.header.tenant if state.header else identity.tenant
    if identity.tenant != tenant:
        message = f"the run's clusters are of tenant {tenant}, and the token of {identity.tenant}"
        raise RefusedError(message, hint=f"Log in there: az login --tenant {tenant}")
    if identity.name == UNKNOWN:
        return context.actor(), "the token does not say whom it is for"
    return context.actor(identity.name), ""


def _require_place(state: RunState, url: str) -> None:
    # NB: whoever may name the place that vouches for them may be anybody.
    header = state.header
    if header is not None and header.endpoint != url:
        message = f"run {header.run_id} began at {header.endpoint}, not at {url}"
        raise RefusedError(message, hint="Leave out --endpoint, --cloud and --world.")


async def _ready(service: Discovery, state: RunState, targets: Sequence[Target]) -> Readiness:
    names = tuple(one.cluster_name for one in targets)
    scope = Scope(
        subscriptions=tuple(sorted({one.subscription for one in targets})),
        match=Match(
            locations=tuple(sorted({one.location for one in targets})),
            names=names if len(names) <= _MOST_NAMES else (),
        ),
    )
    inventory = await service.inventory(
        scope,
        extension_type=state.plan.extension_type,
        release_train=next(iter(sorted(readiness.trains(targets))), None),
    )
    return readiness.of_wave(targets, inventory)
