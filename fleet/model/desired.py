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
from fleet.model.scope import Scope
from fleet.model.strategy import Strategy
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


class Membership(enum.StrEnum):
    """Whether clusters may join and leave a run under way."""

    FROZEN = "frozen"
    FOLLOW = "follow"


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
