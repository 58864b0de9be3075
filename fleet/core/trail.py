"""How far each target of a run came: what a run that follows it has to know beside its results.

Drawn from the events, next to the state: whether a write of it may have taken
effect, and which of its steps were proved.
"""

from __future__ import annotations

import dataclasses

from fleet.model import events as e
from fleet.model.events import Event
from fleet.model.statuses import Finding, HoldReason


@dataclasses.dataclass(slots=True, kw_only=True)
class Footprint:
    """What a run left of itself on one target."""

    is_written: bool = False
    """Whether a write of it took effect, or may have."""
    proved_count: int = 0
    """Steps that were proved, or found done."""
    is_late: bool = False
    """Whether it was put off to the catch-up wave."""
    is_pending: bool = False
    """Whether a write is out and was not answered."""


class Trail:
    """The footprints of a run, as its events are read."""

    def __init__(self) -> None:
        self._found: dict[int, Footprint] = {}

    def of(self, target: int) -> Footprint:
        """Return what is known of one target; nothing where it never started."""
        return self._found.get(target) or Footprint()

    def note(self, event: Event) -> None:
        """Take in the next event."""
        if not isinstance(event, e.TargetEvent):
            return
        one = self._found.setdefault(event.target, Footprint())
        match event:
            case e.TargetStarted() | e.TargetReplanned():
                one.proved_count = 0
            case e.StepIntended():
                one.is_pending = True
            case e.StepAccepted() | e.StepLost() | e.StepUnknown():
                one.is_written = one.is_written or one.is_pending
                one.is_pending = False
            case e.StepHeld():
                # A service in trouble may have done what it answered with an error.
                is_told = event.reason is not HoldReason.TRANSIENT
                one.is_written = one.is_written or (one.is_pending and not is_told)
                one.is_pending = False
            case e.StepFailed():
                one.is_pending = False
            case e.StepProved():
                one.proved_count = event.step + 1
            case e.StepChecked(finding=Finding.DONE):
                one.proved_count = event.step + 1
            case e.TargetPutOff():
                one.is_late = True
            case _:
                pass
