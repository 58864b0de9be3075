"""What a plan file asks for, after it was checked: values, no syntax.

:mod:`fleet.spec` makes these from YAML; the planner reads nothing else.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import enum
from collections.abc import Mapping

from fleet.model.advice import Advice, Need
from fleet.model.approvals import ApprovalRule
from fleet.model.calendars import Calendar, Overrun, Rule
from fleet.model.cluster import AutoUpgrade, nothing
from fleet.model.codec import SPARSE
from fleet.model.gates import Gate
from fleet.model.inside import CheckRule, Inside
from fleet.model.notices import Subscriber
from fleet.model.versions import VersionOrder


class Presence(enum.StrEnum):
    """Whether the extension shall be there."""

    PRESENT = "present"
    ABSENT = "absent"


class SettingsMode(enum.StrEnum):
    """How much of the settings map belongs to the plan file."""

    OWNED = "owned"
    """The keys that the file names; all others are left as they are."""
    EXACT = "exact"
    """The whole map: what the file does not name is removed."""


class OnDrift(enum.StrEnum):
    """What to do with a target that changed between plan and act."""

    FAIL = "fail"
    SKIP = "skip"
    REPLAN = "replan"
    """Work out anew what it needs, from what it is now."""


class Unreachable(enum.StrEnum):
    """What to do with a cluster whose agents are not connected."""

    DEFER = "defer"
    """Try it again in a catch-up wave at the end."""
    SKIP = "skip"
    FAIL = "fail"


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


class Membership(enum.StrEnum):
    """Whether clusters may join and leave a run under way."""

    FROZEN = "frozen"
    FOLLOW = "follow"


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


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """A selector: every field that is given must hold; each is a list of alternatives."""

    tags: Mapping[str, tuple[str, ...]] = dataclasses.field(default_factory=dict)
    locations: tuple[str, ...] = ()
    distributions: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    """Shell-style patterns over the cluster's name, such as ``store-01*``."""

    @property
    def is_empty(self) -> bool:
        """Whether it says nothing (as ``match`` it takes all, as ``exclude`` none)."""
        return not (self.tags or self.locations or self.distributions or self.names)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """Where to look for clusters, and which of them are meant."""

    subscriptions: tuple[str, ...] = ()
    management_groups: tuple[str, ...] = ()
    """Their ids, without a path. Neither these nor subscriptions: the whole tenant."""
    match: Match = Match()
    exclude: Match = Match()
    kql: str | None = None
    """What else must hold, as a clause of the query; only discovery can tell whether it does."""
    allows_partial: bool = False
    """Whether an answer that leaves something out will do."""
    unreachable: Unreachable = Unreachable.DEFER


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """What is known of one extension type. Data: see ``fleet/spec/profiles``."""

    name: str
    extension_type: str
    instance_name: str | None
    """The name that an install uses."""
    namespace: str | None
    has_one_instance: bool = False
    """Whether a second instance on one cluster is refused by the extension itself."""
    version_order: VersionOrder = VersionOrder.SEMVER
    has_sequential_minors: bool = False
    """Whether minors must be taken one after another."""
    may_downgrade: bool = True
    distributions: tuple[str, ...] = ()
    """Supported ones, lower case; empty means that nothing is known, and all pass."""
    supported_minor_count: int | None = None
    """How many of the most recent minors the publisher supports."""
    catalogue: tuple[str, ...] = ()
    """Versions known when this release was made; used where the service offers none."""
    distribution_settings: Mapping[str, Mapping[str, str]] = dataclasses.field(default_factory=dict)
    """``{distribution: settings}`` that a cluster of this distribution always needs."""
    is_namespaced: bool = dataclasses.field(default=False, metadata=SPARSE)
    """Whether an instance is installed for a namespace, not for the cluster."""
    cluster_types: tuple[str, ...] = dataclasses.field(default=(), metadata=SPARSE)
    """Supported ones, lower case; empty means that nothing is known, and connected ones pass."""
    needs: tuple[Need, ...] = dataclasses.field(default=(), metadata=SPARSE)
    """What settings ask of a cluster."""
    notice: str | None = dataclasses.field(default=None, metadata=SPARSE)
    """What everybody who plans with it has to know, such as that it retires."""
    platforms: tuple[str, ...] = dataclasses.field(default=(), metadata=SPARSE)
    """Of nodes, one of which it needs, such as ``linux/amd64``; empty: nothing is known."""
    checks: tuple[CheckRule, ...] = dataclasses.field(default=(), metadata=SPARSE)
    """What is looked at inside a cluster."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Requirement:
    """Another extension that must be there first: installed where it is not, else left alone."""

    profile: Profile
    name: str
    namespace: str | None
    version: str | None = None
    """A pin; ``None``: the service chooses."""
    auto_upgrade: AutoUpgrade | None = None
    """``None``: off where a version is pinned, else new minors and patches."""
    release_train: str | None = None
    settings: Mapping[str, str] = dataclasses.field(default_factory=nothing)
    protected: Mapping[str, str] = dataclasses.field(default_factory=nothing)
    """``{setting: name of the environment variable that holds it}``; never a value."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Desired:
    """How the extension shall be on every selected cluster."""

    profile: Profile
    name: str
    namespace: str | None
    presence: Presence = Presence.PRESENT
    version: str | None = None
    """A pin, ``latest``, or ``None``."""
    auto_upgrade: AutoUpgrade | None = None
    """``None`` leaves the flag as it is (and off where a version is pinned)."""
    release_train: str | None = None
    settings: Mapping[str, str] = dataclasses.field(default_factory=nothing)
    settings_mode: SettingsMode = SettingsMode.OWNED
    protected: Mapping[str, str] = dataclasses.field(default_factory=nothing)
    """``{setting: name of the environment variable that holds it}``; never a value."""
    on_drift: OnDrift = OnDrift.FAIL
    allow_downgrade: bool = False
    allow_skip_minor: bool = False
    requires: tuple[Requirement, ...] = dataclasses.field(default=(), metadata=SPARSE)
    """Other extensions, in the order they are installed in."""


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


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class TagCalendars:
    """Calendars of single targets, by the value of one of their tags."""

    name: str
    tag: str
    zone: str
    """For values that are spans themselves, such as ``sun-02-06``, where no tag says another."""
    zone_tag: str | None = None
    """The tag that holds a cluster's own zone."""
    named: Mapping[str, tuple[tuple[Rule, ...], tuple[Rule, ...]]] = dataclasses.field(
        default_factory=dict
    )
    """``{value, lower case: (allow, deny)}``."""
    must_be_tagged: bool = True
    """Whether a cluster without the tag is left alone; else no calendar of this kind binds it."""
    overrun: Overrun = Overrun.FINISH
    overriders: tuple[str, ...] = ()
    source: str = ""
    """As of a calendar, like what follows."""
    known_until: dt.datetime | None = None


class Missed(enum.StrEnum):
    """What becomes of an occurrence whose time passed while nobody was there to begin it."""

    SKIP = "skip"
    """It is left out; the next one comes in its turn."""
    LATEST = "latest"
    """The last of those that were missed is begun late; the others are left out."""


class Overlap(enum.StrEnum):
    """What becomes of an occurrence while an earlier one's run is still under way."""

    SKIP = "skip"
    QUEUE = "queue"
    """It is begun once that run has ended."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleRule:
    """When a plan file is to be run, again and again."""

    zone: str
    rule: Rule
    """By cron, or recurring; its length is how late an occurrence may begin and not be missed."""
    missed: Missed = Missed.SKIP
    overlap: Overlap = Overlap.SKIP


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Rollout:
    """A checked plan file."""

    name: str
    owner: str | None
    change: str | None
    """The change record, as the change-management system calls it."""
    scope: Scope
    desired: Desired
    strategy: Strategy
    text: str
    """The file as written, for the journal's header."""
    membership: Membership = Membership.FROZEN
    acknowledged_policies: tuple[str, ...] = ()
    """Names or ids of assignments whose conflict with the plan is accepted."""
    not_before: dt.datetime | None = None
    """No wave opens earlier."""
    calendars: tuple[Calendar, ...] = ()
    """Of the world, the run and the waves."""
    tag_calendars: tuple[TagCalendars, ...] = ()
    start_buffer: dt.timedelta | None = None
    """How long before a window closes nothing starts any more; ``None``: as measured."""
    gates: tuple[Gate, ...] = ()
    before_gates: tuple[str, ...] = ()
    """For waves that name none of their own, like the two that follow."""
    soak_gates: tuple[str, ...] = ()
    after_gates: tuple[str, ...] = ()
    approvals: Mapping[str, tuple[ApprovalRule, ...]] = dataclasses.field(default_factory=dict)
    """``{wave's name: what it needs}``; under ``""`` what the others need."""
    notify: tuple[Subscriber, ...] = ()
    schedule: ScheduleRule | None = None
    inside: Inside = dataclasses.field(default_factory=Inside)
    advice: Advice = dataclasses.field(default_factory=Advice)
