"""A computed plan: per cluster what is done and why, and the waves it is done in.

A plan is frozen. Its targets stand in the order they are changed in: wave by
wave, so a wave is a run of neighbours, and those that need nothing come last.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import enum
from collections.abc import Iterator, Mapping
from typing import NewType

from fleet.model.approvals import ApprovalRule
from fleet.model.calendars import Calendar
from fleet.model.cluster import AutoUpgrade, ClusterId, LocalVersions, VersionLimits, nothing
from fleet.model.codec import SPARSE
from fleet.model.desired import Desired, Membership, OnDrift, TagCalendars
from fleet.model.gates import Gate
from fleet.model.inside import CheckRule, ClusterAccess, Work
from fleet.model.notices import Subscriber
from fleet.model.scope import Scope, Unreachable
from fleet.model.strategy import FailureClass, FailureMode, OnBreach, RollbackScope
from fleet.model.versions import VersionOrder

RunId = NewType("RunId", str)
Digest = NewType("Digest", str)
"""``sha256:`` and 64 hexadecimal digits, over canonical JSON."""

# Source: the OSM article gives 3 to 5 minutes; twice that, as nobody measured it here.
UNMEASURED_BUFFER = dt.timedelta(minutes=10)
"""How long a target is taken to need until enough of the run's own are known."""

CATCH_UP = "catch-up"
"""The wave, always the last, of clusters that were not connected when the plan was made."""


class Action(enum.StrEnum):
    """What a target needs, computed from what is and what shall be."""

    INSTALL = "install"
    PIN = "pin"
    UPGRADE = "upgrade"
    DOWNGRADE = "downgrade"
    ENABLE_AUTO_UPGRADE = "enable-auto-upgrade"
    RECONFIGURE = "reconfigure"
    UNINSTALL = "uninstall"
    NO_CHANGE = "no-change"
    SKIP = "skip"
    BLOCKED = "blocked"

    @property
    def is_change(self) -> bool:
        """Whether a request will be sent for it."""
        return self not in _NO_REQUEST


_NO_REQUEST = frozenset({Action.NO_CHANGE, Action.SKIP, Action.BLOCKED})


class Verb(enum.StrEnum):
    """The request a step sends."""

    PUT = "put"
    PATCH = "patch"
    DELETE = "delete"
    CONFIGURE = "configure"
    """Nothing to Azure: :attr:`Step.work`, inside the cluster."""


AZURES = (Verb.PUT, Verb.PATCH, Verb.DELETE)
"""The verbs of requests to Azure."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class OtherExtension:
    """An extension that a target's own one needs: installed where it is not there, else left."""

    name: str
    extension_type: str
    namespace: str | None
    is_namespaced: bool = False


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One write, with what must be true after it. ``None`` means: not part of this step."""

    verb: Verb
    version: str | None = None
    auto_upgrade: AutoUpgrade | None = None
    release_train: str | None = None
    settings: Mapping[str, str] | None = None
    """The owned keys; the request carries them merged into what a fresh GET returned."""
    is_exact: bool = False
    """Whether :attr:`settings` is the whole map, and other keys go."""
    protected: Mapping[str, str] | None = None
    """``{setting: environment variable}``: sent whole, or not at all."""
    why: str = ""
    namespace: str | None = dataclasses.field(default=None, metadata=SPARSE)
    """Where a PUT creates it; ``None``: where it is, else where the plan says."""
    is_namespaced: bool = dataclasses.field(default=False, metadata=SPARSE)
    """Whether it is created for :attr:`namespace`, not for the cluster."""
    work: Work | None = dataclasses.field(default=None, metadata=SPARSE)
    """Given exactly where the verb is ``configure``."""
    other: OtherExtension | None = dataclasses.field(default=None, metadata=SPARSE)
    """Another extension, that must be there first; ``None``: the step is about the target's."""

    @property
    def is_own(self) -> bool:
        """Whether it writes to the target's own extension, which facts and diff are of."""
        return self.other is None and self.work is None


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What the decision about a target rested on, and nothing else."""

    is_present: bool
    version: str | None = None
    current_version: str | None = None
    auto_upgrade: AutoUpgrade | None = None
    release_train: str | None = None
    is_failed: bool = False
    settings: Mapping[str, str] = dataclasses.field(default_factory=nothing)
    """Those the plan file owns (all of them in exact mode), as found: what a rollback restores."""
    protected_keys: tuple[str, ...] = ()
    is_version_open: bool = dataclasses.field(default=False, metadata=SPARSE)
    """Whether the service chose the version after the plan was made: then any will do."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One line of a target's diff. ``None`` means absent."""

    path: str
    before: str | None
    after: str | None


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Rollback:
    """The way back, as far as there is one.

    Not possible and with steps is partial: they restore what the note says, and no more.
    Not possible and without is irreversible.
    """

    is_possible: bool
    """Whether everything that the change touches comes back."""
    note: str
    """What going back restores, or why it cannot be done."""
    steps: tuple[Step, ...] = dataclasses.field(default=(), metadata=SPARSE)
    """The writes that do it, settled when the plan is made."""

    @property
    def is_partial(self) -> bool:
        """Whether some of it comes back, and not all."""
        return bool(self.steps) and not self.is_possible

    @property
    def is_one_way(self) -> bool:
        """Whether nothing of it comes back."""
        return not (self.is_possible or self.steps)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A cluster and what is done to the extension on it."""

    cluster_id: ClusterId
    cluster_name: str
    subscription: str
    location: str
    extension_name: str
    action: Action
    reason: str
    wave: str | None
    """``None`` where nothing is done."""
    from_version: str | None
    to_version: str | None
    steps: tuple[Step, ...] = ()
    owned: Mapping[str, str] = dataclasses.field(default_factory=nothing)
    """The settings that the plan file owns, as they shall be: watched for drift, and proved."""
    diff: tuple[Change, ...] = ()
    rollback: Rollback | None = None
    facts: Facts
    facts_digest: Digest
    groups: tuple[int, ...] = dataclasses.field(default=(), metadata=SPARSE)
    """For each of the plan's spread caps, which of its groups the cluster is in."""
    is_unsure: bool = dataclasses.field(default=False, metadata=SPARSE)
    """Whether an earlier change left it in a state that is not known: then nothing is drift."""
    calendars: tuple[int, ...] = dataclasses.field(default=(), metadata=SPARSE)
    """Of the plan's calendars, those of its own, beside the run's and its wave's."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Wave:
    """A wave with every number resolved."""

    name: str
    target_count: int
    max_concurrency: int
    max_failures: int
    """More failures than this are a breach."""
    worst_case_failures: int
    """The most that can fail before the wave stops, whatever happens."""
    effective_concurrency: int
    """The most that can be in flight at once under every cap, strict budgets included."""
    soak: dt.timedelta
    notes: tuple[str, ...] = ()
    """How the numbers came about, such as ``maxConcurrency: 10% of 37 -> 3``."""
    timeout: dt.timedelta | None = dataclasses.field(default=None, metadata=SPARSE)
    """From its opening to the end of its last target."""
    not_before: dt.datetime | None = dataclasses.field(default=None, metadata=SPARSE)
    """It does not open earlier."""
    calendars: tuple[int, ...] = dataclasses.field(default=(), metadata=SPARSE)
    """Of the plan's calendars, those of its own, beside the run's."""
    min_success_time: dt.timedelta | None = dataclasses.field(default=None, metadata=SPARSE)
    """How long a target must stay well after its proof; it keeps its slot meanwhile."""
    min_observations: int = dataclasses.field(default=0, metadata=SPARSE)
    """How often all must have been found well before the soak ends, or a target's time."""
    observe_every: dt.timedelta | None = dataclasses.field(default=None, metadata=SPARSE)
    """Between two looks during the soak; ``None``: nobody looks."""
    before_gates: tuple[str, ...] = dataclasses.field(default=(), metadata=SPARSE)
    soak_gates: tuple[str, ...] = dataclasses.field(default=(), metadata=SPARSE)
    after_gates: tuple[str, ...] = dataclasses.field(default=(), metadata=SPARSE)
    """Names of the plan's gates."""
    approvals: tuple[ApprovalRule, ...] = dataclasses.field(default=(), metadata=SPARSE)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class SpreadGroup:
    """The targets with one value of a label."""

    value: str
    """Empty: the label is not there. Nobody knows what those share, so they are one group."""
    target_count: int
    max_concurrency: int | None
    max_failures: int | None


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """A cap for each value of a label, in the whole run."""

    by: str
    groups: tuple[SpreadGroup, ...]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Pool:
    """A cap that several runs share."""

    name: str
    max_concurrency: int


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Retry:
    """How often a target that failed is tried again before it counts as failed."""

    attempts: int
    """Beside the first."""
    backoff: dt.timedelta
    """Before the first of them; doubled each time."""
    on: tuple[FailureClass, ...]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Undo:
    """What a run takes back by itself when its budget breaks."""

    scope: RollbackScope
    max_concurrency: int


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Basis:
    """What the plan was computed from, for clusters that are judged anew while it runs."""

    desired: Desired
    scope: Scope
    versions: Mapping[str, tuple[str, ...]]
    """``{release train, lower case: versions offered}``, as they were when the plan was made."""
    version_limits: Mapping[str, Mapping[str, VersionLimits]]
    local_versions: Mapping[str, LocalVersions] | None = dataclasses.field(
        default=None, metadata=SPARSE
    )
    """``{release train, lower case: what each location offers}``, where locations differ."""
    tag_calendars: tuple[TagCalendars, ...] = dataclasses.field(default=(), metadata=SPARSE)
    """What tags bind clusters that join; the calendars themselves are the plan's."""
    works: tuple[Work, ...] = dataclasses.field(default=(), metadata=SPARSE)
    """What is done inside clusters."""


class Purpose(enum.StrEnum):
    """What a run that follows another is for."""

    RETRY = "retry"
    ROLLBACK = "rollback"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Parent:
    """The run that this one follows."""

    run_id: RunId
    plan_digest: Digest
    purpose: Purpose


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What holds for the whole run."""

    max_concurrency: int
    max_failures: int
    failure_mode: FailureMode
    on_breach: OnBreach
    start_deadline: dt.timedelta
    progress_deadline: dt.timedelta
    notes: tuple[str, ...] = ()
    """How the numbers came about, such as ``maxFailures: 5% of 120 -> 6``."""
    min_success: int | None = dataclasses.field(default=None, metadata=SPARSE)
    """How many must succeed for the run to count as succeeded; ``None``: all."""
    run_timeout: dt.timedelta | None = dataclasses.field(default=None, metadata=SPARSE)
    """From the first wave's opening to the end of the last target."""
    stalled_after: dt.timedelta | None = dataclasses.field(default=None, metadata=SPARSE)
    """From the accepted write; a target that takes longer is named, and nothing else happens."""
    retry: Retry | None = dataclasses.field(default=None, metadata=SPARSE)
    undo: Undo | None = dataclasses.field(default=None, metadata=SPARSE)
    """Given exactly where :attr:`on_breach`, or what a gate leads to, is ``rollback``."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class PlanHead:
    """A plan without its targets."""

    name: str
    owner: str | None
    change: str | None
    extension_type: str
    namespace: str | None
    on_drift: OnDrift
    unreachable: Unreachable
    limits: Limits
    waves: tuple[Wave, ...]
    warnings: tuple[str, ...]
    inventory_digest: Digest
    spreads: tuple[Spread, ...] = dataclasses.field(default=(), metadata=SPARSE)
    pools: tuple[Pool, ...] = dataclasses.field(default=(), metadata=SPARSE)
    membership: Membership = dataclasses.field(default=Membership.FROZEN, metadata=SPARSE)
    basis: Basis | None = dataclasses.field(default=None, metadata=SPARSE)
    """Given exactly where clusters are judged anew: ``onDrift: replan``, ``membership: follow``."""
    parent: Parent | None = dataclasses.field(default=None, metadata=SPARSE)
    not_before: dt.datetime | None = dataclasses.field(default=None, metadata=SPARSE)
    """No wave opens earlier."""
    calendars: tuple[Calendar, ...] = dataclasses.field(default=(), metadata=SPARSE)
    """All of them; waves and targets name theirs by their place here."""
    start_buffer: dt.timedelta | None = dataclasses.field(default=None, metadata=SPARSE)
    """How long before a window closes nothing starts any more; ``None``: as long as nine of ten
    targets of this run take, or :data:`UNMEASURED_BUFFER` until enough have ended."""
    gates: tuple[Gate, ...] = dataclasses.field(default=(), metadata=SPARSE)
    is_namespaced: bool = dataclasses.field(default=False, metadata=SPARSE)
    """Whether an install is for :attr:`namespace`, not for the cluster."""
    notify: tuple[Subscriber, ...] = dataclasses.field(default=(), metadata=SPARSE)
    notice: str | None = dataclasses.field(default=None, metadata=SPARSE)
    """What is to be known of the extension, whatever the plan does."""
    access: ClusterAccess = dataclasses.field(default=ClusterAccess(), metadata=SPARSE)
    checks: tuple[CheckRule, ...] = dataclasses.field(default=(), metadata=SPARSE)
    """What proves a target beside Azure's own word; none: nothing inside is looked at."""
    version_order: VersionOrder = dataclasses.field(default=VersionOrder.SEMVER, metadata=SPARSE)
    """How versions of the extension follow each other, where checks have to know."""

    @property
    def is_inspected(self) -> bool:
        """Whether a target is proved inside its cluster as well."""
        return bool(self.checks) and self.access.is_given


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a run will do. The digest names it: two plans with one digest are the same."""

    head: PlanHead
    targets: tuple[Target, ...]
    digest: Digest

    def by_wave(self) -> Iterator[tuple[Wave, tuple[Target, ...]]]:
        """Yield each wave with its targets, in order."""
        start = 0
        for wave in self.head.waves:
            yield wave, self.targets[start : start + wave.target_count]
            start += wave.target_count

    @property
    def change_count(self) -> int:
        """How many targets a run would write to."""
        return sum(wave.target_count for wave in self.head.waves)
