"""What happens to a run as a whole."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Mapping
from typing import ClassVar

from fleet.model.events.actors import Actor
from fleet.model.plan import Digest, PlanHead, RunId, SpreadGroup, Target
from fleet.model.statuses import RunStatus
from fleet.model.strategy import RollbackScope


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class RunCreated:
    """The header: all that a reader in a year needs to know about where this came from."""

    kind: ClassVar[str] = "run.created"
    v: ClassVar[int] = 3

    at: dt.datetime
    run_id: RunId
    actor: Actor
    release: str
    endpoint: str
    cloud: str
    tenant: str
    principals: tuple[str, ...]
    tzdata_version: str
    plan_digest: Digest
    plan_text: str
    """The plan file as written; empty where a saved plan was run."""
    target_count: int
    plan: PlanHead
    discovered_at: dt.datetime | None
    """When the plan's inventory was read; ``None`` where a saved plan does not tell."""
    api_version: str
    """In which extensions are spoken of, for as long as the run lives."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class TargetsListed:
    """A stretch of the plan's targets, in order."""

    kind: ClassVar[str] = "run.targetsListed"
    v: ClassVar[int] = 1

    at: dt.datetime
    first: int
    targets: tuple[Target, ...]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class RunPlanned:
    """The plan is complete in the journal, and its digest was recomputed from it."""

    kind: ClassVar[str] = "run.planned"
    v: ClassVar[int] = 1

    at: dt.datetime
    plan_digest: Digest


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class RunStarted:
    """Somebody said yes."""

    kind: ClassVar[str] = "run.started"
    v: ClassVar[int] = 1

    at: dt.datetime
    actor: Actor
    consent: str
    """How: ``prompt`` or ``--yes``."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class RunTaken:
    """A runner took the lease; from here on its epoch writes."""

    kind: ClassVar[str] = "run.taken"
    v: ClassVar[int] = 1

    at: dt.datetime
    actor: Actor
    release: str


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class RunPausing:
    """Nothing new starts; what is in flight finishes."""

    kind: ClassVar[str] = "run.pausing"
    v: ClassVar[int] = 1

    at: dt.datetime
    actor: Actor | None
    """``None``: the run itself."""
    reason: str
    request_id: str | None
    is_bug: bool = False


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class RunPaused:
    """Nothing is in flight any more."""

    kind: ClassVar[str] = "run.paused"
    v: ClassVar[int] = 1

    at: dt.datetime


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class RunResumed:
    """A pause was ended."""

    kind: ClassVar[str] = "run.resumed"
    v: ClassVar[int] = 1

    at: dt.datetime
    actor: Actor
    reason: str
    request_id: str


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class RunStopping:
    """The run ends early: nothing new starts; what is in flight finishes."""

    kind: ClassVar[str] = "run.stopping"
    v: ClassVar[int] = 1

    at: dt.datetime
    actor: Actor | None
    reason: str
    request_id: str | None


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class RequestRefused:
    """Somebody asked for what cannot be done now."""

    kind: ClassVar[str] = "run.requestRefused"
    v: ClassVar[int] = 1

    at: dt.datetime
    actor: Actor
    asked: str
    reason: str
    request_id: str


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class RunFinished:
    """The end."""

    kind: ClassVar[str] = "run.finished"
    v: ClassVar[int] = 1

    at: dt.datetime
    status: RunStatus
    reason: str
    counts: Mapping[str, int]
    """Targets by how they ended; ``Pending`` for those never begun."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class RunRollingBack:
    """A budget broke, and the plan says what is taken back; the waves for it follow."""

    kind: ClassVar[str] = "run.rollingBack"
    v: ClassVar[int] = 1

    at: dt.datetime
    reason: str
    scope: RollbackScope
    left: tuple[int, ...]
    """Targets that were changed and cannot be taken back."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class JoinedGroup:
    """A value of a label that came up after the plan was made; the next one of its spread cap."""

    spread: int
    group: SpreadGroup


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class RunSurveyed:
    """Before a wave opened, it was looked which clusters are meant now."""

    kind: ClassVar[str] = "run.surveyed"
    v: ClassVar[int] = 1

    at: dt.datetime
    wave: int
    left: tuple[int, ...]
    """Targets that are not meant any more; those that have not started are removed."""
    joined: tuple[Target, ...]
    """Those that were not meant before: they wait in the last wave."""
    groups: tuple[JoinedGroup, ...]
    """Of spread caps, what the plan did not know of."""
    problem: str
    """Why nobody knows; then the wave has the members that it had. Empty: all is known."""


RunEvent = (
    RunCreated
    | TargetsListed
    | RunPlanned
    | RunStarted
    | RunTaken
    | RunPausing
    | RunPaused
    | RunResumed
    | RunStopping
    | RequestRefused
    | RunRollingBack
    | RunSurveyed
    | RunFinished
)
