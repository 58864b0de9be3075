"""How a journal begins: the header, the whole plan, somebody's yes, and who runs it."""

from __future__ import annotations

import dataclasses
import datetime as dt

from fleet import zones
from fleet.core import fold
from fleet.core.state import RunState
from fleet.errors import InvariantError, RefusedError
from fleet.model import events as e
from fleet.model.events import Actor, Event
from fleet.model.plan import Plan, RunId
from fleet.ports import Batch, Journal

_STRETCH = 500
"""Targets in one record: small enough to read, large enough not to be many."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where a run talks to, and as whom: fixed by its header for good."""

    endpoint: str
    cloud: str
    tenant: str
    principals: tuple[str, ...]
    api_version: str
    """Of extensions."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """What a new run's header needs beside its plan."""

    run_id: RunId
    actor: Actor
    origin: Origin
    release: str
    tzdata_version: str
    plan_text: str
    consent: str
    discovered_at: dt.datetime | None
    """When the plan's inventory was read; ``None`` for a saved plan."""


async def begin(journal: Journal, plan: Plan, opening: Opening, *, now: dt.datetime) -> RunState:
    """Write a new run's first records, all or none, and return the state they add up to."""
    events = _first_events(plan, opening, now)
    state = RunState(zones=zones.zone)
    for event in events:
        fold.apply(state, event)
    await journal.append(Batch(events=events))
    return state


async def take(
    journal: Journal, state: RunState, *, actor: Actor, release: str, now: dt.datetime
) -> None:
    """Write down who carries the run on from here.

    Raises:
        InputError: The zone data of this machine does not know the zone of a calendar.
    """
    # NB: said before anything is done: in the middle of a decision it would be a bug of ours.
    state.hours.opening((), now)
    event = e.RunTaken(at=now, actor=actor, release=release)
    fold.apply(state, event)
    await journal.append(Batch(events=[event]))


def require_origin(state: RunState, origin: Origin) -> None:
    """Refuse to carry a run on anywhere else, or as anybody else, than it began."""
    header = state.header
    if header is None:
        message = "a run without a header cannot be carried on"
        raise InvariantError(message)
    for field in dataclasses.fields(Origin):
        was, now = getattr(header, field.name), getattr(origin, field.name)
        if was != now:
            name = field.name.replace("_", "-")
            message = f"run {header.run_id} began with {name} {was}, not {now}"
            raise RefusedError(message, hint=f"Carry it on with the {name} it began with.")


def _first_events(plan: Plan, opening: Opening, now: dt.datetime) -> list[Event]:
    header = e.RunCreated(
        at=now,
        run_id=opening.run_id,
        actor=opening.actor,
        release=opening.release,
        endpoint=opening.origin.endpoint,
        cloud=opening.origin.cloud,
        tenant=opening.origin.tenant,
        principals=opening.origin.principals,
        tzdata_version=opening.tzdata_version,
        plan_digest=plan.digest,
        plan_text=opening.plan_text,
        target_count=len(plan.targets),
        plan=plan.head,
        discovered_at=opening.discovered_at,
        api_version=opening.origin.api_version,
    )
    stretches = [
        e.TargetsListed(at=now, first=first, targets=plan.targets[first : first + _STRETCH])
        for first in range(0, len(plan.targets), _STRETCH)
    ]
    return [
        header,
        *stretches,
        e.RunPlanned(at=now, plan_digest=plan.digest),
        e.RunStarted(at=now, actor=opening.actor, consent=opening.consent),
        e.RunTaken(at=now, actor=opening.actor, release=opening.release),
    ]
