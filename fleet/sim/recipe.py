"""What a simulated world is made of: checked values, no syntax, nothing drawn yet.

:mod:`fleet.sim.worldfile` makes a recipe from a file; together with the calls
that a world has heard, it is everything that the world's state depends on.

Units:   ``_ppm`` are parts per million of requests, operations or clusters.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import enum
from collections.abc import Mapping

from fleet.core import draws
from fleet.model.cluster import (
    Connectivity,
    ProvisioningState,
    UnsupportedKubernetes,
    nothing,
)
from fleet.model.gates import ProbeKind
from fleet.sim.breakage import Break, Insides
from fleet.sim.script import NOTHING, Script

ABSENT = "absent"
"""In a lot over versions: the extension is not there."""


class PatchSettings(enum.StrEnum):
    """What the service does with a settings map that a PATCH carries.

    Which of them the real one does was never recorded, so a world can do either.
    """

    MERGE = "merge"
    REPLACE = "replace"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """A range that is drawn from, both ends included."""

    low: int
    high: int

    def drawn(self, seed: int, *parts: draws.Part) -> int:
        """Return one value of the range."""
        return draws.between(self.low, self.high, seed, *parts)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Faults:
    """How often what goes wrong."""

    # Of requests, at most one each.
    throttled_ppm: int = 0
    transient_error_ppm: int = 0
    reset_before_ppm: int = 0
    """The connection is lost before a write took effect."""
    reset_after_ppm: int = 0
    """The connection is lost after it did."""
    conflict_ppm: int = 0
    """Somebody else's operation is in progress: half at once, half as the operation's end."""
    retry_after_s: int = 10

    # Of operations, at most one each.
    operation_fails_ppm: int = 0
    stuck_operation_ppm: int = 0
    """It never ends."""
    silent_failure_ppm: int = 0
    """The operation says that it succeeded, the extension that it failed."""
    offline_midway_ppm: int = 0
    """The agents go offline: the operation goes on until the service gives up."""

    # Of operations that go well.
    late_read_ppm: int = 0
    """The operation has ended, and a GET shows it some seconds later."""
    late_read_s: Span = Span(low=5, high=30)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ExtensionRecipe:
    """One extension type, as the service offers it and as the fleet has it."""

    extension_type: str
    name: str
    namespace: str | None
    versions: Mapping[str, tuple[str, ...]]
    """``{release train, lower case: versions offered, the latest last}``."""
    installed: Mapping[str, int]
    """Weights of the versions that clusters start with, and of :data:`ABSENT`."""
    auto_upgrade_ppm: int = 0
    """Of the instances: those whose version the service chooses."""
    failed_ppm: int = 0
    """Of the instances: those whose last write failed."""
    settings: Mapping[str, str] = dataclasses.field(default_factory=nothing)
    distribution_settings: Mapping[str, Mapping[str, str]] = dataclasses.field(default_factory=dict)
    """``{distribution: settings}`` on top of those."""
    protected_keys: tuple[str, ...] = ()
    unsupported: Mapping[str, tuple[UnsupportedKubernetes, ...]] = dataclasses.field(
        default_factory=dict
    )
    """``{version: where it does not run}``: told by the catalogue, and not enforced."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Special:
    """A cluster that is not left to the lots. ``None`` means: as drawn."""

    cluster: str
    """Its name."""
    distribution: str | None = None
    kubernetes_version: str | None = None
    connectivity: Connectivity | None = None
    tags: Mapping[str, str] = dataclasses.field(default_factory=nothing)
    """Added to the drawn ones."""
    installed: Mapping[str, str] = dataclasses.field(default_factory=nothing)
    """``{instance name: version}``, or :data:`ABSENT`."""
    auto_upgrade: bool | None = None
    provisioning_state: ProvisioningState | None = None
    settings: Mapping[str, str] | None = None
    is_read_only: bool = False
    """These four are about the world's first extension."""
    removed_after: dt.timedelta | None = None
    """From the epoch: then the cluster is gone."""
    faults: Faults | None = None
    """Instead of the world's, all of them."""
    operation_s: Span | None = None
    breaks: tuple[Break, ...] = ()
    """What is broken inside, from the beginning and for good."""
    platforms: tuple[str, ...] = ()
    """Of its nodes, one each."""


class DefinitionKind(enum.StrEnum):
    """What a policy assignment is of."""

    BUILT_IN = "built-in"
    """The service's own definition; there is one, for Open Service Mesh."""
    CUSTOM = "custom"
    INITIATIVE = "initiative"
    """A set of definitions, with a custom one in it."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """A policy assignment that puts an extension on clusters. The world does not carry it out."""

    name: str
    extension_type: str
    display_name: str = ""
    scope: str | None = None
    """``None``: the root management group."""
    not_scopes: tuple[str, ...] = ()
    is_enforced: bool = True
    effect: str = "DeployIfNotExists"
    kind: DefinitionKind = DefinitionKind.CUSTOM
    auto_upgrade: bool = True
    version: str | None = None
    """Sent where auto-upgrade is off."""
    settings: Mapping[str, str] = dataclasses.field(default_factory=nothing)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Permissions:
    """What callers may do: patterns with ``*``, in the words of role definitions."""

    actions: tuple[str, ...] = ("*",)
    not_actions: tuple[str, ...] = ()


class Casing(enum.StrEnum):
    """How Resource Graph spells the properties of extensions.

    Its documents show Pascal case, and no answer was ever recorded: a world can do either.
    """

    PASCAL = "pascal"
    CAMEL = "camel"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """A bucket of tokens: one request takes one."""

    burst: int
    per_second: int


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Challenge:
    """From some moment on other tokens are wanted: continuous access evaluation."""

    after_s: int
    """From the epoch."""
    methods: tuple[str, ...] = ()
    """Of the requests; empty: all."""
    context: str | None = None
    """What tokens must have been asked for; ``None``: those of before are revoked."""
    is_met: bool = True
    """Whether any token that can be had is good enough."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Wire:
    """What only those meet who speak HTTP (:mod:`fleet.sim.server`)."""

    # Source: documented: of one subscription, for one principal, in one region.
    reads: Rate = Rate(burst=250, per_second=25)
    writes: Rate = Rate(burst=200, per_second=10)
    deletes: Rate = Rate(burst=200, per_second=10)
    token_s: int = 3600
    """How long a token is good for."""
    graph_casing: Casing = Casing.PASCAL
    graph_lag_s: int = 0
    """How late Resource Graph learns what agents report."""
    permissions: Permissions = Permissions()
    challenges: tuple[Challenge, ...] = ()


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """What an answerer says from some moment on."""

    after: dt.timedelta = dt.timedelta(0)
    """Since the first write; before it, no time has passed."""
    values: tuple[str, ...] = ()
    """Decimals, ``NaN`` and ``Infinity`` among them; empty: there is no data."""
    error: str = ""
    """Why there is no answer; empty: there is one."""
    takes: dt.timedelta = dt.timedelta(0)
    """How long it takes to say so."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """What is measured in this world, and how that changes."""

    kind: ProbeKind
    contains: str = ""
    """What a query, address or command holds that this is the answer to; empty: any."""
    turns: tuple[Turn, ...]
    """In order of their moments."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """A world, before anything is drawn or has happened."""

    seed: int
    epoch: dt.datetime
    """When the world's time begins."""
    time_scale: int | None
    """Simulated seconds a second; ``None``: as fast as a virtual loop can."""
    cluster_count: int
    subscription_count: int
    locations: Mapping[str, int]
    distributions: Mapping[str, int]
    kubernetes_versions: Mapping[str, int]
    agent_versions: Mapping[str, int]
    offline_ppm: int
    """Of the clusters: those that are offline when the world begins."""
    offline_s: Span | None
    """How long after the epoch they come back; ``None``: they do not."""
    patch_settings: PatchSettings
    auto_upgrade_after_s: Span | None
    """How long the service takes to upgrade by itself; ``None``: it never does."""
    extensions: tuple[ExtensionRecipe, ...]
    operation_s: Span
    call_ms: Span
    faults: Faults
    specials: tuple[Special, ...] = ()
    policies: tuple[Policy, ...] = ()
    wire: Wire = Wire()
    script: Script = NOTHING
    """What goes wrong beside :attr:`faults`, and before them."""
    metrics: tuple[Metric, ...] = ()
    """Of those that fit, the first answers."""
    insides: Insides = dataclasses.field(default_factory=Insides)
    """What clusters are inside."""
