"""What the journal tells of an earlier process's last requests, to be counted by whoever goes on.

Only writes are kept, and what was throttled: of reads, the journal does not tell, and their bucket
is full again before a process has begun.
"""

from __future__ import annotations

import collections
import datetime as dt
from collections.abc import Sequence

from fleet.model import events as e
from fleet.model.events import Event
from fleet.model.plan import Target, Verb
from fleet.model.statuses import HoldReason
from fleet.model.traces import Trace

REACH = dt.timedelta(minutes=5)
"""How far back writes are kept: a bucket of the largest size that was seen is full after 80 s."""


class Recollection:
    """The last writes and throttles, as they are read."""

    def __init__(self) -> None:
        self._writes: collections.deque[e.StepIntended] = collections.deque()
        self._unanswered: dict[int, Verb] = {}
        self._throttled: dict[int, tuple[Verb | None, e.StepHeld]] = {}

    def note(self, event: Event) -> None:
        """Take in the next event."""
        if not isinstance(event, e.TargetEvent):
            return
        if isinstance(event, e.StepIntended):
            self._writes.append(event)
            self._unanswered[event.target] = event.verb
            while self._writes[0].at < event.at - REACH:
                self._writes.popleft()
            return
        verb = self._unanswered.pop(event.target, None)
        if isinstance(event, e.StepHeld) and event.reason is HoldReason.THROTTLED:
            self._throttled[event.target] = verb, event

    def traces(self, targets: Sequence[Target], *, now: dt.datetime) -> Sequence[Trace]:
        """Return what counts still, in order."""
        writes = [
            Trace(subscription=targets[one.target].subscription, verb=one.verb, at=one.at)
            for one in self._writes
            if one.at >= now - REACH
        ]
        throttled = [
            Trace(
                subscription=targets[one.target].subscription,
                verb=verb,
                at=one.at,
                throttled_until=one.until,
            )
            for verb, one in self._throttled.values()
            if one.until > now
        ]
        return sorted([*writes, *throttled], key=lambda trace: trace.at)
