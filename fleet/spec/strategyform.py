"""What a plan file may say of how a change spreads.

What must hold between keys is in :mod:`fleet.spec.waverules`.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BeforeValidator, Discriminator, Field, Tag

from fleet.model.strategy import FailureClass, FailureMode, OnBreach, RollbackScope
from fleet.spec import flaws, strategies
from fleet.spec.amounts import Attempts, Concurrency, Count, Failures, Share, list_or_one
from fleet.spec.explanation import FileModel, refusal
from fleet.spec.gateform import Observations
from fleet.spec.values import Deadline, Duration, Label, Name, SortKey
from fleet.spec.waveform import WaveFile

# NB: strict mode takes no text for an enum; these fields read it by its value.
_BY_VALUE = Field(strict=False)
_SOME = Field(min_length=1)


SortKeys = Annotated[
    Annotated[SortKey, Tag("<one>")] | Annotated[Annotated[list[SortKey], _SOME], Tag("<list>")],
    Discriminator(list_or_one),
]


class SpreadFile(FileModel):
    """A cap for each value of a label, in the whole run. It has one of the two numbers, or both."""

    by: Label
    """location, subscription, distribution, resourceGroup, or tag:NAME."""
    max_concurrency: Concurrency | None = None
    """How many with the same value may be in flight at once: a number, or a percentage of them."""
    max_failures: Failures | None = None
    """How many with the same value may fail; one more is a breach."""


class RetryFile(FileModel):
    """What is tried again before it counts as failed."""

    attempts: Attempts
    """How often, beside the first time."""
    backoff: Duration | None = None
    """How long to wait before the first of them: 1m where nothing is said; doubled each time."""
    on: Annotated[list[Annotated[FailureClass, _BY_VALUE]], _SOME] | None = None
    """After which failures: failed and timedOut where nothing is said."""


class RollbackFile(FileModel):
    """How onBreach: rollback goes."""

    scope: Annotated[RollbackScope, _BY_VALUE] = RollbackScope.TARGET
    """What is taken back: targets that failed, all of the broken wave, or all of the run."""
    max_concurrency: Concurrency | None = None
    """How many at once: a number, or a percentage of all; as forward where nothing is said."""


class PoolFile(FileModel):
    """A cap that several runs share by its name."""

    name: Name
    """What the runs call it."""
    max_concurrency: Count
    """How many may be in flight at once in all of them together."""


class StrategyFile(FileModel):
    """How the change spreads. Percentages are rounded down, and the plan prints the numbers."""

    waves: Annotated[list[WaveFile], _SOME]
    """In this order. Without a wave of size rest, every target must be in one of them."""
    max_concurrency: Concurrency | None = None
    """How many may be in flight at once in the whole run: 1 where nothing is said."""
    max_failures: Failures | None = None
    """How many may fail in the whole run: 0 where nothing is said."""
    wave_max_concurrency: Concurrency | None = None
    """For waves that set none: a number, or a percentage of the wave."""
    wave_max_failures: Failures | None = None
    """For waves that set none: a number, or a percentage of the wave."""
    failure_mode: Annotated[FailureMode, _BY_VALUE] = FailureMode.SOFT
    """soft: nothing starts after a breach. strict: nor can a breach be larger than by one."""
    on_breach: Annotated[OnBreach, _BY_VALUE] = OnBreach.STOP
    """What a broken budget leads to."""
    start_deadline: Deadline | None = None
    """From a target's turn to the accepted request: 30m where nothing is said."""
    progress_deadline: Deadline | None = None
    """From there to proof: 30m where nothing is said, and 45m for an uninstall."""
    spread: Annotated[list[SpreadFile], _SOME] | None = None
    """Caps for each value of a label, such as one cluster of a site at once."""
    min_success: Share | None = None
    """How many must succeed for the run to count as succeeded: all where nothing is said."""
    wave_timeout: Deadline | None = None
    """For waves that set none: from a wave's opening to the end of its last target."""
    run_timeout: Deadline | None = None
    """From the first wave's opening to the end of the last target."""
    stalled_after: Deadline | None = None
    """From the accepted request: a target that takes longer is named, and goes on."""
    retry: RetryFile | None = None
    """What is tried again before it counts as failed."""
    rollback: RollbackFile | None = None
    """How onBreach: rollback goes."""
    pools: Annotated[list[PoolFile], _SOME] | None = None
    """Caps that this run shares with others that name them."""
    strict_selection: bool = False
    """Whether a target that two waves select is an error; else the first has it, with a warning."""
    sort_key: SortKeys | None = None
    """Labels to order clusters by, before their name; with - before one, the largest first."""
    min_success_time: Duration | None = None
    """For waves that set none: how long a target must stay well after its proof."""
    min_observations: Observations | None = None
    """For waves that set none, and soak: how often all must have been found well meanwhile."""
    observe_every: Deadline | None = None
    """For waves that set none, and soak: between two looks at all."""


def _strategy_kind(value: Any) -> str:
    return "<name>" if isinstance(value, str) else "<block>"


def _name_or_block(value: Any) -> Any:
    if value is not None and not isinstance(value, str | dict):
        message = f"expected the name of a strategy or a block, found {flaws.kind_of(value)}"
        raise refusal(message, "one of: " + ", ".join(strategies.names()))
    return value


StrategyOrName = Annotated[
    Annotated[str, Tag("<name>")] | Annotated[StrategyFile, Tag("<block>")],
    Discriminator(_strategy_kind),
    BeforeValidator(_name_or_block),
]
