"""What the journal tells of an earlier process's last requests, to be counted by whoever goes on.

Every write is in it, and of reads those that came to something: not each look at an operation
that went on, nor a request that broke. Answers say soon enough what is really left.
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
"""How far back requests are kept: the largest bucket that was seen is full again after 80 s."""

_AFTER_A_READ = (e.StepChecked, e.OperationEnded, e.StepProved)


class Recollection:
    """The last requests and throttles, as they are read."""

    def __init__(self) -> None:
        self._sent: collections.deque[tuple[e.TargetEvent, Verb | None]] = collections.deque()
        self._unanswered: dict[int, Verb] = {}
        self._throttled: dict[int, tuple[e.StepHeld, Verb | None]] = {}

    def note(self, event: Event) -> None:
        """Take in the next event."""
        if not isinstance(event, e.TargetEvent):
            return
        verb = self._unanswered.pop(event.target, None)
        if isinstance(event, e.StepIntended):
            self._unanswered[event.target] = event.verb
            self._keep(event, event.verb)
        elif isinstance(event, _AFTER_A_READ):
            self._keep(event, None)
        elif isinstance(event, e.StepHeld) and event.reason is HoldReason.THROTTLED:
            self._throttled[event.target] = event, verb

    def traces(self, targets: Sequence[Target], *, now: dt.datetime) -> Sequence[Trace]:
        """Return what counts still, in order."""
        sent = [
            Trace(subscription=targets[one.target].subscription, verb=verb, at=one.at)
            for one, verb in self._sent
            if one.at >= now - REACH
        ]
        throttled = [
            Trace(
                subscription=targets[one.target].subscription,
                verb=verb,
                at=one.at,
                throttled_until=one.until,
            )
            for one, verb in self._throttled.values()
            if one.until > now
        ]
        return sorted([*sent, *throttled], key=lambda trace: trace.at)

    def _keep(self, event: e.TargetEvent, verb: Verb | None) -> None:
        self._sent.append((event, verb))
        while self._sent[0][0].at < event.at - REACH:
            self._sent.popleft()
