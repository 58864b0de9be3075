"""The events that a call comes to, with what they all carry: the moment, the ids, the waits."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping

from fleet.core import draws, pacing, turns
from fleet.engine.clock import Clock
from fleet.engine.outcomes import Outcome
from fleet.model import events as e
from fleet.model.commands import Check, Command, Follow, Prove, Send, Watch
from fleet.model.inside import CheckResult
from fleet.model.statuses import Finding, HoldReason
from fleet.ports import RequestIds

_SEED = 0


class Replies:
    """Makes the outcomes of one run's calls."""

    def __init__(self, run_id: str, clock: Clock) -> None:
        self._run_id = run_id
        self._clock = clock

    def checked(
        self,
        command: Check,
        finding: Finding,
        *,
        mark: str,
        detail: str,
        evidence: Mapping[str, str],
        snapshot: str | None = None,
    ) -> Outcome:
        """Return what a look before a write, or instead of its answer, came to."""
        event = e.StepChecked(
            at=self._clock.now(),
            target=command.target,
            step=command.step,
            finding=finding,
            mark=mark,
            detail=detail,
            evidence=evidence,
            snapshot=snapshot,
        )
        return Outcome(event=event)

    def accepted(
        self, command: Send, *, operation_sha256: str | None, mark: str | None, keep: str | None
    ) -> Outcome:
        """Return that a write was taken."""
        event = e.StepAccepted(
            at=self._clock.now(),
            target=command.target,
            step=command.step,
            attempt=command.attempt,
            operation_sha256=operation_sha256,
            mark=mark,
        )
        return Outcome(event=event, keep=keep)

    def lost(self, command: Send, code: str, message: str) -> Outcome:
        """Return that whether a write took effect is not known."""
        event = e.StepLost(
            at=self._clock.now(),
            target=command.target,
            step=command.step,
            attempt=command.attempt,
            code=code,
            message=message,
        )
        return Outcome(event=event)

    def held(
        self, command: Command, reason: HoldReason, wait: dt.timedelta, code: str, message: str
    ) -> Outcome:
        """Return that the target waits."""
        now = self._clock.now()
        event = e.StepHeld(
            at=now,
            target=command.target,
            step=command.step,
            reason=reason,
            until=now + wait,
            code=code,
            message=message,
        )
        return Outcome(event=event)

    def failed(self, command: Command, code: str, message: str) -> Outcome:
        """Return that it will not get better by waiting."""
        event = e.StepFailed(
            at=self._clock.now(),
            target=command.target,
            step=command.step,
            code=code,
            message=message,
        )
        return Outcome(event=event, drops=True)

    def proved(self, command: Prove, evidence: Mapping[str, str]) -> Outcome:
        """Return that what the step was to bring about was seen."""
        event = e.StepProved(
            at=self._clock.now(), target=command.target, step=command.step, evidence=evidence
        )
        return Outcome(event=event, drops=True)

    def observed(self, command: Watch, checks: tuple[CheckResult, ...]) -> Outcome:
        """Return that a target was found well, with what was seen inside its cluster."""
        event = e.TargetObserved(
            at=self._clock.now(), target=command.target, step=command.step, checks=checks
        )
        return Outcome(event=event)

    def unknown(self, command: Command, message: str) -> Outcome:
        """Return that a bug of ours hit the target."""
        event = e.StepUnknown(
            at=self._clock.now(), target=command.target, step=command.step, message=message
        )
        return Outcome(event=event)

    def ids(self, command: Check | Follow | Prove | Watch, purpose: str) -> RequestIds:
        """Return under which ids a read goes out."""
        run_id, target, step = self._run_id, command.target, command.step
        moment = self._clock.now().isoformat()
        return RequestIds(
            correlation_id=turns.correlation_id(
                run_id, target=target, step=step, round_=command.round
            ),
            client_request_id=draws.guid(run_id, target, step, purpose, moment),
        )

    def backoff(
        self,
        command: Check | Follow | Prove | Watch,
        *,
        first: dt.timedelta = pacing.FIRST_WAIT,
        count: int | None = None,
    ) -> dt.timedelta:
        """Return how long to wait before the next look.

        Args:
            command: The look that came to nothing.
            first: The wait after none.
            count: How often it was waited before; ``None``: as the command says.
        """
        waited = command.held_count if count is None else count
        return pacing.backoff(waited, jitter_ppm=self.jitter(command), first=first)

    def jitter(self, command: Command) -> int:
        """Return the draw of a wait, a number from 0 up to one million."""
        count = command.attempt if isinstance(command, Send) else command.held_count
        return draws.fraction_ppm(
            _SEED, self._run_id, "backoff", command.target, command.step, count
        )
