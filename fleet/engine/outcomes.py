"""What the performer's calls came to, on the way to the journal."""

from __future__ import annotations

import asyncio
import dataclasses

from fleet.model.events import GateMeasured, OperationEnded, RunSurveyed, TargetEvent, WaveObserved
from fleet.ports import Batch, OperationKey

Reported = TargetEvent | RunSurveyed | GateMeasured | WaveObserved
"""What a call may come to."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """One event, with what becomes of the operation's URL in the same commit."""

    event: Reported
    keep: str | None = dataclasses.field(default=None, repr=False)
    """The URL to remember; signed, so a secret."""
    drops: bool = False
    """Whether the operation is over and its URL is to be erased."""


class Outbox:
    """Outcomes in the order they came in, and a bell that rings when there is anything new."""

    def __init__(self) -> None:
        self._waiting: list[Outcome] = []
        self._bell = asyncio.Event()

    def put(self, outcome: Outcome) -> None:
        """Leave *outcome* for the runner."""
        self._waiting.append(outcome)
        self._bell.set()

    def withdraw(self, target: int) -> None:
        """Take back what was said of *target*'s operation: a later look has the last word."""
        self._waiting = [
            one
            for one in self._waiting
            if not isinstance(one.event, OperationEnded) or one.event.target != target
        ]

    def ring(self) -> None:
        """Wake the runner without an outcome."""
        self._bell.set()

    def take(self) -> list[Outcome]:
        """Return what has come in since the last time."""
        taken, self._waiting = self._waiting, []
        self._bell.clear()
        return taken

    async def heard(self) -> None:
        """Return when the bell has rung."""
        await self._bell.wait()


def batch_of(outcomes: list[Outcome]) -> Batch:
    """Return what makes *outcomes* durable together."""
    keyed = [
        (OperationKey(target=o.event.target, step=o.event.step), o)
        for o in outcomes
        if isinstance(o.event, TargetEvent) and hasattr(o.event, "step")
    ]
    return Batch(
        events=[outcome.event for outcome in outcomes],
        keep={key: outcome.keep for key, outcome in keyed if outcome.keep is not None},
        drop=[key for key, outcome in keyed if outcome.drops],
    )
