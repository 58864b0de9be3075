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

from fleet.core.caps import Caps
from fleet.core.durations import Durations
from fleet.core.gates import Tally
from fleet.core.hours import Hours
from fleet.core.lines import Line
from fleet.core.moves import Phase
from fleet.core.timers import Timers
from fleet.core.windows import Zones
from fleet.errors import InvariantError
from fleet.model.calendars import Level
from fleet.model.events import (
    Actor,
    ApprovalGiven,
    GateEnded,
    GateMeasured,
    GateSkipped,
    RunCreated,
    RunWaiting,
    WindowOverridden,
)
from fleet.model.gates import Moment, OnVerdict
from fleet.model.plan import CATCH_UP, PlanHead, Target, Wave
from fleet.model.statuses import HoldReason, Result, RunStatus, WaveStatus
from fleet.model.strategy import FailureClass


def _no_zones(key: str) -> dt.tzinfo:
    message = f"nobody gave this run zone data, and it needs {key}"
    raise InvariantError(message)


@dataclasses.dataclass(slots=True, kw_only=True)
class Active:
    """A target that has started and not ended."""

    phase: Phase
    wave: int
    started_at: dt.datetime
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
    failure: FailureClass | None = None
    """Why it is about to fail, where trying again may help."""
    retried_after: FailureClass | None = None
    """What it is tried again after, if it is."""
    retry_count: int = 0
    replan_count: int = 0
    is_again: bool = False
    """Whether this step follows a failure of ours."""
    is_stalled: bool = False
    proved_at: dt.datetime | None = None
    """Since when it must stay well, where the plan says for how long."""
    observations: int = 0
    """How often it was found well since."""
    snapshot: str | None = None
    """What a change must preserve, as it was before the first write."""

    @property
    def is_untouched(self) -> bool:
        """Whether no write of it ever left: then it can begin again as if it never had."""
        return not (self.has_written or self.step or self.attempt)


@dataclasses.dataclass(slots=True, kw_only=True)
class GateState:
    """A gate at one moment of a wave's life."""

    entered_at: dt.datetime
    tally: Tally = dataclasses.field(default_factory=Tally)
    last: GateMeasured | None = None
    ended: GateEnded | GateSkipped | None = None

    @property
    def bars(self) -> OnVerdict | None:
        """What it leads to, where it ended and does not let the run go on."""
        if not isinstance(self.ended, GateEnded) or self.ended.action is OnVerdict.CONTINUE:
            return None
        return self.ended.action


@dataclasses.dataclass(slots=True, kw_only=True)
class WaveState:
    """A wave under way."""

    planned: Wave
    """As the plan has it; the run's own limits where a catch-up wave became necessary."""
    first: int
    """Its first target."""
    end: int
    """One past its last target."""
    line: Line
    """Those of it that wait."""
    late_count: int = 0
    """Targets that joined it after the plan was made, or were put off to it."""
    put_off_count: int = 0
    """Its targets that were put off to the catch-up wave."""
    status: WaveStatus = WaveStatus.NOT_STARTED
    in_flight: int = 0
    failures: int = 0
    forgiven: int = 0
    """Failures that a person resumed the run in spite of."""
    is_breached: bool = False
    changed: list[int] = dataclasses.field(default_factory=list)
    """Its targets to which something was sent, as they ended."""
    is_back: bool = False
    """Whether it takes back what others changed."""
    is_surveyed: bool = False
    """Whether it was looked who is meant, where clusters may join and leave."""
    opened_at: dt.datetime | None = None
    due_at: dt.datetime | None = None
    """When it must have ended; ``None``: whenever."""
    is_overdue: bool = False
    last_success_at: dt.datetime | None = None
    soaks_until: dt.datetime | None = None
    is_soak_skipped: bool = False
    observed_at: dt.datetime | None = None
    """When all were looked at last during the soak, or its clock was started."""
    observations: int = 0
    """How often all were found well since the soak's clock was started last."""
    gates: dict[tuple[Moment, str], GateState] = dataclasses.field(default_factory=dict)

    @property
    def is_catch_up(self) -> bool:
        """Whether it is the last wave, for clusters that were not connected."""
        return self.planned.name == CATCH_UP

    @property
    def target_count(self) -> int:
        """Targets whose turn comes, or came, in this wave."""
        return self.end - self.first - self.put_off_count + self.late_count

    @property
    def waiting_count(self) -> int:
        """Targets that have not started."""
        return self.line.count

    @property
    def done_count(self) -> int:
        """Targets that have ended."""
        return self.target_count - self.waiting_count - self.in_flight

    @property
    def is_drained(self) -> bool:
        """Whether all of its targets have ended."""
        return not (self.waiting_count or self.in_flight)


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
    caps: Caps = dataclasses.field(default_factory=Caps)
    room: int | None = dataclasses.field(default=None, compare=False)
    """How many more may start by the pools that are shared with other runs; ``None``: no pools.
    Not history: whoever runs the run asks."""
    is_surveying: bool = dataclasses.field(default=False, compare=False)
    """Whether somebody looks who is meant now. Not history: whoever takes over looks again."""
    zones: Zones = dataclasses.field(default=_no_zones, compare=False)
    """Zone data, for whoever decides."""
    measuring: set[tuple[int, Moment, str]] = dataclasses.field(default_factory=set, compare=False)
    """Gates that are being measured now. Not history: whoever takes over measures again."""
    is_looking: bool = dataclasses.field(default=False, compare=False)
    """Whether somebody looks at all of a wave now. Likewise."""
    wait: RunWaiting | None = None
    """What the run waits for, where it is waiting."""
    approvals: dict[tuple[int, Moment], list[ApprovalGiven]] = dataclasses.field(
        default_factory=dict
    )
    """``{(wave, before or after it): who agreed}``."""
    amendments: dict[int, int] = dataclasses.field(default_factory=dict)
    """``{wave: how often}`` what it does changed after the plan was made; only where it did."""
    overrides: dict[int, WindowOverridden] = dataclasses.field(default_factory=dict)
    """``{calendar: who lets changes start outside of it}``."""
    shut: dict[tuple[int, ...], dt.datetime | None] = dataclasses.field(default_factory=dict)
    """Calendars that let nothing start, as far as is written down, and until when."""
    reopenings: Timers[tuple[int, ...]] = dataclasses.field(default_factory=Timers)
    durations: Durations = dataclasses.field(default_factory=Durations)
    """How long targets took, where windows make it matter."""
    is_rolling_back: bool = False
    touched: set[int] = dataclasses.field(default_factory=set)
    """Targets that did not succeed, and to which something was sent."""
    irreversible: tuple[int, ...] = ()
    """Of a run that takes back what it changed: targets that cannot be."""
    rounds: dict[int, int] = dataclasses.field(default_factory=dict)
    """``{target: how often}`` its steps were set anew; only where they were."""
    due_at: dt.datetime | None = None
    """When the run must have ended."""
    paused_at: dt.datetime | None = None
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
    stalls: Timers[int] = dataclasses.field(default_factory=Timers)
    """When a target is to be named because it takes so long."""
    _hours: Hours | None = dataclasses.field(default=None, compare=False, repr=False)
    _run_calendars: tuple[int, ...] | None = dataclasses.field(default=None, compare=False)

    @property
    def plan(self) -> PlanHead:
        """The plan's head."""
        if self.header is None:
            message = "the journal does not begin with its header"
            raise InvariantError(message)
        return self.header.plan

    @property
    def hours(self) -> Hours:
        """When the plan's calendars are open, overrides heeded."""
        if self._hours is None:
            self._hours = Hours(self.plan.calendars, self.zones)
            for number, override in self.overrides.items():
                self._hours.overridden[number] = override.until
        return self._hours

    def void_approvals(self, wave: int) -> None:
        """Forget who agreed to a wave: it is not what they agreed to any more."""
        self.amendments[wave] = self.amendments.get(wave, 0) + 1
        for moment in Moment:
            self.approvals.pop((wave, moment), None)

    def override(self, event: WindowOverridden) -> None:
        """Heed a calendar no more."""
        self.overrides[event.calendar] = event
        if self._hours is not None:
            self._hours.overridden[event.calendar] = event.until

    def calendars_of(self, wave: WaveState) -> tuple[int, ...]:
        """Return the calendars that bind all of *wave*."""
        if self._run_calendars is None:
            everybody, all_of_them = (Level.GLOBAL, Level.RUN), enumerate(self.plan.calendars)
            self._run_calendars = tuple(n for n, one in all_of_them if one.level in everybody)
        return (*self._run_calendars, *wave.planned.calendars)

    @property
    def pending_count(self) -> int:
        """Targets never begun; who waits to be taken back has been."""
        return sum(wave.waiting_count for wave in self.waves if not wave.is_back)

    @property
    def change_count(self) -> int:
        """Targets the plan changes."""
        return self.waves[-1].end if self.waves else 0

    @property
    def stalled(self) -> list[int]:
        """Targets in flight that take longer than the plan expects."""
        return [target for target, active in self.active.items() if active.is_stalled]

    @property
    def is_held_back(self) -> bool:
        """Whether a broken budget, or a wave that is overdue, lets nothing more start."""
        if self.is_rolling_back:
            return False
        wave = self.waves[self.current] if self.current < len(self.waves) else None
        is_wave_held = wave is not None and (wave.is_breached or wave.is_overdue)
        return is_wave_held or self.is_breached or self.caps.is_breached

    def status_counts(self) -> dict[str, int]:
        """Return how many targets stand where; only what there is."""
        found = {str(result): count for result, count in sorted(self.counts.items())}
        found |= {
            "InProgress": self.in_flight,
            "Unknown": len(self.unknown),
            "Pending": self.pending_count,
        }
        return {name: count for name, count in found.items() if count}
