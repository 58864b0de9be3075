"""How a plan file spreads a change over the fleet: waves, caps and budgets, before any is resolved.

What they come to for a plan's clusters: :mod:`fleet.model.plan`.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import enum

from fleet.model.approvals import ApprovalRule
from fleet.model.scope import Match


class FailureMode(enum.StrEnum):
    """When the failure budget bites."""

    SOFT = "soft"
    """Nothing starts after a breach."""
    STRICT = "strict"
    """Never so many in flight that their failures could break the budget by more than one."""


class OnBreach(enum.StrEnum):
    """What a broken budget leads to."""

    STOP = "stop"
    PAUSE = "pause"
    ROLLBACK = "rollback"
    """Take back what was changed, as far as :attr:`RollbackRule.scope` says."""


class RollbackScope(enum.StrEnum):
    """What is taken back when a budget breaks."""

    TARGET = "target"
    """Those that failed."""
    WAVE = "wave"
    """All that the broken wave changed."""
    RUN = "run"
    """All that the run changed, the newest wave first."""


class FailureClass(enum.StrEnum):
    """Why a target failed, as far as trying again is concerned."""

    FAILED = "failed"
    """The operation ended badly, or the extension did."""
    TIMED_OUT = "timedOut"
    """Nothing was accepted, or nothing was proved, in time."""
    REFUSED = "refused"
    """The service refused the request itself."""


Amount = int | str
"""An integer, a percentage such as ``"10%"``, or (for a size) ``"rest"``."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class RampUp:
    """How what a wave takes is cut into waves that grow."""

    start: Amount = 1
    """The size of the first."""
    factor: int = 2
    """By how much each is larger than the one before; 1: all are alike."""
    most: Amount | None = None
    """No wave is larger than this."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class WaveRule:
    """One wave as the plan file words it, before any number is resolved."""

    name: str
    size: Amount | None = None
    """Of all targets that need a change; ``None`` with a selector means all it selects."""
    selector: Match | None = None
    targets: tuple[str, ...] = ()
    """Cluster names or ids, in this order."""
    max_concurrency: Amount | None = None
    max_failures: Amount | None = None
    soak: dt.timedelta = dt.timedelta(0)
    """How long to wait after the wave's last success before the next wave opens."""
    timeout: dt.timedelta | None = None
    """From its opening to the end of its last target; ``None``: the strategy's."""
    ramp_up: RampUp | None = None
    is_required: bool = False
    """Whether what it selects or lists must be there, changed or not."""
    has_substitutes: bool = False
    """Whether the next targets in order stand in for those that are absent or need no change."""
    substitutes: tuple[str, ...] = ()
    """Cluster names or ids that stand in, instead of the next in order."""
    is_part: bool = False
    """Whether several waves came of one: a number in it is a limit, and meant for all of them."""
    not_before: dt.datetime | None = None
    """It does not open earlier."""
    calendars: tuple[str, ...] = ()
    """Names of those at the level of waves that bind it."""
    min_success_time: dt.timedelta | None = None
    """How long a target must stay well after its proof; ``None``: the strategy's."""
    min_observations: int | None = None
    observe_every: dt.timedelta | None = None
    """Between two looks during the soak; ``None``: the strategy's."""
    before_gates: tuple[str, ...] | None = None
    """Names; ``None``: those of the plan file for all waves."""
    soak_gates: tuple[str, ...] | None = None
    after_gates: tuple[str, ...] | None = None
    approvals: tuple[ApprovalRule, ...] | None = None


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class SpreadRule:
    """A cap for each value of a label, across all waves."""

    by: str
    """``location``, ``subscription``, ``distribution``, ``resourceGroup`` or ``tag:NAME``."""
    max_concurrency: Amount | None = None
    """Of the targets with the same value."""
    max_failures: Amount | None = None


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class RetryRule:
    """How often a target that failed is tried again before it counts as failed."""

    attempts: int
    """Beside the first."""
    backoff: dt.timedelta = dt.timedelta(minutes=1)
    """Before the first of them; doubled each time."""
    on: tuple[FailureClass, ...] = (FailureClass.FAILED, FailureClass.TIMED_OUT)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class PoolRule:
    """A cap that several runs share by its name."""

    name: str
    max_concurrency: int


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class RollbackRule:
    """How a run takes back what it changed, when its budget breaks."""

    scope: RollbackScope = RollbackScope.TARGET
    max_concurrency: Amount | None = None
    """Going back may be faster than forward; ``None``: as forward."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Strategy:
    """How the change spreads over the fleet."""

    name: str
    waves: tuple[WaveRule, ...]
    max_concurrency: Amount = 1
    """For the whole run."""
    max_failures: Amount = 0
    """For the whole run."""
    wave_max_concurrency: Amount | None = None
    """For waves that set none of their own."""
    wave_max_failures: Amount | None = None
    failure_mode: FailureMode = FailureMode.SOFT
    on_breach: OnBreach = OnBreach.STOP
    start_deadline: dt.timedelta = dt.timedelta(minutes=30)
    """From taking a slot to the accepted write."""
    progress_deadline: dt.timedelta = dt.timedelta(minutes=30)
    """From the accepted write to proof."""
    uninstall_deadline: dt.timedelta = dt.timedelta(minutes=45)
    """The same for an uninstall, where the plan file says nothing else."""
    spread: tuple[SpreadRule, ...] = ()
    min_success: Amount | None = None
    """How many must succeed for the run to count as succeeded; ``None``: all."""
    wave_timeout: dt.timedelta | None = None
    """For waves that set none of their own."""
    run_timeout: dt.timedelta | None = None
    stalled_after: dt.timedelta | None = None
    """From the accepted write; a target that takes longer is named, and nothing else happens."""
    retry: RetryRule | None = None
    rollback: RollbackRule = RollbackRule()
    """Used with ``onBreach: rollback`` only."""
    pools: tuple[PoolRule, ...] = ()
    sort_key: tuple[str, ...] = ()
    """Labels to order by before the name; with a ``-`` before it, the largest comes first."""
    has_strict_selection: bool = False
    """Whether a target that two waves select is an error, and no warning."""
    min_success_time: dt.timedelta | None = None
    """For waves that set none of their own, like the two that follow."""
    min_observations: int = 0
    observe_every: dt.timedelta | None = None
