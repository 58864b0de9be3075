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

from fleet.model.cluster import AutoUpgrade, ClusterId, nothing
from fleet.model.desired import FailureMode, OnBreach, OnDrift, Unreachable

RunId = NewType("RunId", str)
Digest = NewType("Digest", str)
"""``sha256:`` and 64 hexadecimal digits, over canonical JSON."""

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


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One line of a target's diff. ``None`` means absent."""

    path: str
    before: str | None
    after: str | None


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Rollback:
    """The way back, as far as there is one."""

    is_possible: bool
    note: str
    """What going back restores, or why it cannot be done."""


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
