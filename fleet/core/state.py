"""What the journal adds up to: the state of a run, with the indexes decisions need.

Mutable, and changed by :mod:`fleet.core.fold` only. Neither folding an event
nor deciding looks at the whole fleet: a wave's targets are neighbours, so what
is pending is a cursor; what is in flight has a record of its own; what ended
is one entry in a map.

``agenda`` and the hold timers say which targets in flight nobody works on.
They are not history: after a restart every target in flight is on the agenda.
"""

from __future__ import annotations

import collections
import dataclasses
import datetime as dt

from fleet.core.moves import Phase
from fleet.core.timers import Timers
from fleet.errors import InvariantError
from fleet.model.events import Actor, RunCreated
from fleet.model.plan import PlanHead, Target
from fleet.model.statuses import HoldReason, Result, RunStatus, WaveStatus


@dataclasses.dataclass(slots=True, kw_only=True)
class Active:
    """A target that has started and not ended."""

    phase: Phase
    wave: int
    step: int = 0
    step_began_at: dt.datetime
    attempt: int = 0
    """Writes sent for this step so far."""
    has_written: bool = False
    """Whether any step of it sent a write."""
    mark_before: str | None = None
    """The extension as read just before the write."""
    mark_accepted: str | None = None
    """The extension as the write's own answer showed it."""
    has_operation: bool = False
    deadline: dt.datetime | None = None
    """By when the step must be proved; set when the write is accepted."""
    held: HoldReason | None = None
    held_count: int = 0
    """Holds in this step, in a row."""
    ending: tuple[Result, str] | None = None
    error: str | None = None
    """What the operation said, if it failed; evidence, unlike :attr:`message`."""
    message: str = ""
    """The last thing that a person should know about it."""


@dataclasses.dataclass(slots=True, kw_only=True)
class WaveState:
    """A wave under way."""

    first: int
    """Its first target."""
    end: int
    """One past its last target."""
    cursor: int
    """Its next target to start."""
    status: WaveStatus = WaveStatus.NOT_STARTED
    in_flight: int = 0
    failures: int = 0
    forgiven: int = 0
    """Failures that a person resumed the run in spite of."""
    is_breached: bool = False
    last_success_at: dt.datetime | None = None
    soaks_until: dt.datetime | None = None

    @property
    def is_drained(self) -> bool:
        """Whether all of its targets have ended."""
        return self.cursor == self.end and not self.in_flight


@dataclasses.dataclass(slots=True, kw_only=True)
class RunState:
    """A run, folded from its journal."""

    header: RunCreated | None = None
    targets: list[Target] = dataclasses.field(default_factory=list)
    status: RunStatus = RunStatus.DRAFT
    waves: list[WaveState] = dataclasses.field(default_factory=list)
    current: int = 0
    """The wave that is open, or opens next."""
    active: dict[int, Active] = dataclasses.field(default_factory=dict)
    unknown: set[int] = dataclasses.field(default_factory=set)
    """Active targets that a bug of ours hit; they hold no slot."""
    results: dict[int, Result] = dataclasses.field(default_factory=dict)
    details: dict[int, str] = dataclasses.field(default_factory=dict)
    """Why, for targets that did not simply succeed."""
    counts: collections.Counter[Result] = dataclasses.field(default_factory=collections.Counter)
    in_flight: int = 0
    failures: int = 0
    forgiven: int = 0
    is_breached: bool = False
    operations: dict[int, int] = dataclasses.field(default_factory=dict)
    """``{target: step}`` whose operation was not seen to end: physical work, slot or no slot."""
    stopped_by: tuple[Actor | None, str] | None = None
    """Who asked last for a pause or a stop, and why."""
    has_bug: bool = False
    holder: Actor | None = None
    finish_reason: str = ""
    last_at: dt.datetime | None = None
    agenda: dict[int, None] = dataclasses.field(default_factory=dict)
    timers: Timers[int] = dataclasses.field(default_factory=Timers)
    """Holds and deadlines, by target."""

    @property
    def plan(self) -> PlanHead:
        """The plan's head."""
        if self.header is None:
            message = "the journal does not begin with its header"
            raise InvariantError(message)
        return self.header.plan

    @property
    def pending_count(self) -> int:
        """Targets never begun."""
        return sum(wave.end - wave.cursor for wave in self.waves)

    @property
    def change_count(self) -> int:
        """Targets the plan changes."""
        return self.waves[-1].end if self.waves else 0

    def status_counts(self) -> dict[str, int]:
        """Return how many targets stand where; only what there is."""
        found = {str(result): count for result, count in sorted(self.counts.items())}
        found |= {
            "InProgress": self.in_flight,
            "Unknown": len(self.unknown),
            "Pending": self.pending_count,
        }
        return {name: count for name, count in found.items() if count}
