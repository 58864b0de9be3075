"""World files: how a simulated fleet is written down.

Every key has a default, so ``{apiVersion: fleet/v1, kind: World}`` is a world.
An extension of a type that is known here starts from what is known of it. A
share is a whole number of per cent, or text such as ``"0.5%"``.

Not here: reading YAML and pointing at lines (:mod:`fleet.spec`).
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import re
from collections.abc import Iterator
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from fleet.model.cluster import Connectivity, ProvisioningState, UnsupportedKubernetes
from fleet.sim import names, stock
from fleet.sim.breakage import Break
from fleet.sim.breakfile import InsidePart, Platform
from fleet.sim.metricsfile import MetricsPart
from fleet.sim.quantities import WHOLE_PPM, Count, Share, SpanPart
from fleet.sim.recipe import (
    ABSENT,
    Casing,
    DefinitionKind,
    ExtensionRecipe,
    Faults,
    PatchSettings,
    Permissions,
    Policy,
    Rate,
    Recipe,
    Span,
    Special,
    Wire,
)
from fleet.sim.wirefile import ChallengePart
from fleet.spec import explanation
from fleet.spec.explanation import FileModel
from fleet.spec.flaws import Flaw, quoted

_SCOPE = re.compile(
    r"/(?:subscriptions/[^/]+|providers/Microsoft\.Management/managementGroups/[^/]+$)",
    re.IGNORECASE,
)
_ANY = "any"
_FASTEST = 100_000
"""A day of ours is then 270 years: beyond that the calendar ends within days."""


def _moment(value: object) -> object:
    if not isinstance(value, str):
        return value
    try:
        moment = dt.datetime.fromisoformat(value)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        message = "a moment with a zone is needed, such as 2026-01-10T02:00:00Z"
        raise explanation.refusal(message)
    return moment.astimezone(dt.UTC)


def _has_weight(weights: dict[str, int]) -> dict[str, int]:
    if not any(weights.values()):
        message = "at least one weight must be above zero"
        raise explanation.refusal(message)
    return weights


def _time_scale(value: object) -> object:
    if value == "max" or (type(value) is int and 1 <= value <= _FASTEST):
        return value
    message = f"expected a whole number from 1 to {_FASTEST}, or max"
    raise explanation.refusal(message)


TimeScale = Annotated[int | str, BeforeValidator(_time_scale)]
Weights = Annotated[dict[str, Annotated[int, Field(ge=0)]], AfterValidator(_has_weight)]
Moment = Annotated[dt.datetime, BeforeValidator(_moment)]


class FaultsPart(FileModel):
    """``faults:``, each a share; of requests and of operations at most one hits each."""

    throttled: Share = 0
    transient_error: Share = 0
    reset_before: Share = 0
    reset_after: Share = 0
    conflict: Share = 0
    retry_after_seconds: Count = 10
    operation_fails: Share = 0
    stuck_operation: Share = 0
    silent_failure: Share = 0
    offline_midway: Share = 0
    late_read: Share = 0
    late_read_seconds: SpanPart = SpanPart(min=5, max=30)

    @model_validator(mode="after")
    def _leaves_room(self) -> Self:
        of_requests = (
            self.throttled,
            self.transient_error,
            self.reset_before,
            self.reset_after,
            self.conflict,
        )
        of_operations = (
            self.operation_fails,
            self.stuck_operation,
            self.silent_failure,
            self.offline_midway,
        )
        if max(sum(of_requests), sum(of_operations)) > WHOLE_PPM:
            message = "the shares of requests, and those of operations, add up to 100% at most"
            raise explanation.refusal(message)
        return self

    def faults(self) -> Faults:
        """Return them as the recipe has them."""
        return Faults(
            throttled_ppm=self.throttled,
            transient_error_ppm=self.transient_error,
            reset_before_ppm=self.reset_before,
            reset_after_ppm=self.reset_after,
            conflict_ppm=self.conflict,
            retry_after_s=self.retry_after_seconds,
            operation_fails_ppm=self.operation_fails,
            stuck_operation_ppm=self.stuck_operation,
            silent_failure_ppm=self.silent_failure,
            offline_midway_ppm=self.offline_midway,
            late_read_ppm=self.late_read,
            late_read_s=self.late_read_seconds.span(),
        )


class ExtensionPart(FileModel):
    """One of ``extensions:``. What is left out comes from the stock, by type."""

    type: Annotated[str, Field(min_length=1)]
    name: str | None = None
    namespace: str | None = None
    versions: dict[str, Annotated[list[str], Field(min_length=1)]] | None = None
    installed: Weights | None = None
    auto_upgrade: Share | None = None
    failed_share: Share | None = None
    settings: dict[str, str] | None = None
    distribution_settings: dict[str, dict[str, str]] | None = None
    protected_keys: list[str] | None = None
    unsupported_kubernetes: dict[str, dict[str, list[str]]] | None = None
    """``{version: {distribution, or any: ranges of Kubernetes versions}}``."""

    @model_validator(mode="after")
    def _is_complete(self) -> Self:
        if stock.extension(self.type) is None and not (self.name and self.versions):
            message = f"nothing is known of {self.type}: give its name and its versions"
            raise explanation.refusal(message)
        return self

    def recipe(self) -> ExtensionRecipe:
        """Return it as the recipe has it."""
        base = stock.extension(self.type) or ExtensionRecipe(
            extension_type=self.type,
            name=str(self.name),
            namespace=None,
            versions={},
            installed={ABSENT: 1},
        )
        return dataclasses.replace(base, **self._given())

    def _given(self) -> dict[str, Any]:
        trains = (self.versions or {}).items()
        given: dict[str, Any] = {
            "extension_type": self.type,
            "name": self.name,
            "namespace": self.namespace,
            "versions": {train.lower(): tuple(offered) for train, offered in trains} or None,
            "installed": self.installed,
            "auto_upgrade_ppm": self.auto_upgrade,
            "failed_ppm": self.failed_share,
            "settings": self.settings,
            "distribution_settings": self.distribution_settings,
            "protected_keys": self.protected_keys and tuple(self.protected_keys),
            "unsupported": self.unsupported_kubernetes and self._unsupported(),
        }
        return {field: value for field, value in given.items() if value is not None}

    def _unsupported(self) -> dict[str, tuple[UnsupportedKubernetes, ...]]:
        return {
            version: tuple(
                UnsupportedKubernetes(
                    distributions=() if name == _ANY else (name.lower(),), ranges=tuple(ranges)
                )
                for name, ranges in limits.items()
            )
            for version, limits in (self.unsupported_kubernetes or {}).items()
        }


class DurationsPart(FileModel):
    """``durations:``."""

    operation: SpanPart = SpanPart(min=90, max=300)
    """Seconds."""
    call: SpanPart = SpanPart(min=40, max=250)
    """Milliseconds."""


class RatePart(FileModel):
    """One of ``arm:``."""

    burst: Count
    per_second: Count

    @classmethod
    def of(cls, rate: Rate) -> Self:
        """Return what would be written for *rate*."""
        return cls.model_validate({"burst": rate.burst, "perSecond": rate.per_second})

    def rate(self) -> Rate:
        """Return it as the recipe has it."""
        return Rate(burst=self.burst, per_second=self.per_second)


class ArmPart(FileModel):
    """``arm:``: how many requests one principal may make in one subscription."""

    reads: RatePart = RatePart.of(Wire().reads)
    writes: RatePart = RatePart.of(Wire().writes)
    deletes: RatePart = RatePart.of(Wire().deletes)


def _span(part: SpanPart | None) -> Span | None:
    return None if part is None else part.span()


class OverridePart(FileModel):
    """One of ``overrides:``: a cluster that is not left to the lots."""

    cluster: str
    distribution: str | None = None
    kubernetes_version: str | None = None
    connectivity: Annotated[Connectivity, Field(strict=False)] | None = None
    tags: dict[str, str] = Field(default_factory=dict)
    version: str | None = None
    """Of the first extension: a version, or ``absent``."""
    installed: dict[str, str] = Field(default_factory=dict)
    """The same for any extension, by instance name."""
    auto_upgrade: bool | None = None
    provisioning_state: Annotated[ProvisioningState, Field(strict=False)] | None = None
    settings: dict[str, str] | None = None
    read_only: bool = False
    removed_after_seconds: Annotated[int, Field(ge=0)] | None = None
    faults: FaultsPart | None = None
    """Instead of the world's, all of them."""
    operation: SpanPart | None = None
    """Seconds."""
    breaks: list[Annotated[Break, Field(strict=False)]] = Field(default_factory=list)
    """What is broken inside, for good."""
    platforms: list[Platform] = Field(default_factory=list)
    """Of its nodes, one each; left out: as drawn."""

    def special(self, first: str) -> Special:
        """Return it as the recipe has it; *first* is the first extension's instance name."""
        installed = {name.lower(): version for name, version in self.installed.items()}
        if self.version is not None:
            installed[first.lower()] = self.version
        after_s = self.removed_after_seconds
        return Special(
            cluster=self.cluster,
            distribution=self.distribution,
            kubernetes_version=self.kubernetes_version,
            connectivity=self.connectivity,
            tags=self.tags,
            installed=installed,
            auto_upgrade=self.auto_upgrade,
            provisioning_state=self.provisioning_state,
            settings=self.settings,
            is_read_only=self.read_only,
            removed_after=None if after_s is None else dt.timedelta(seconds=after_s),
            faults=None if self.faults is None else self.faults.faults(),
            operation_s=_span(self.operation),
            breaks=tuple(self.breaks),
            platforms=tuple(self.platforms),
        )


def _scope(value: str) -> str:
    if not _SCOPE.match(value):
        message = f"{quoted(value)} is not the id of a management group or of something below one"
        raise explanation.refusal(message, "leave it out for the root management group")
    return value


Scope = Annotated[str, AfterValidator(_scope)]


class PolicyPart(FileModel):
    """One of ``policies:``: an assignment that stands there; nobody carries it out."""

    name: Annotated[str, Field(min_length=1, max_length=64)]
    extension_type: Annotated[str, Field(min_length=1)]
    display_name: str = ""
    scope: Scope | None = None
    not_scopes: list[Scope] = Field(default_factory=list)
    enforcement_mode: Literal["Default", "DoNotEnforce"] = "Default"
    effect: Literal["DeployIfNotExists", "AuditIfNotExists", "Disabled"] = "DeployIfNotExists"
    definition: Annotated[DefinitionKind, Field(strict=False)] = DefinitionKind.CUSTOM
    auto_upgrade: bool = True
    version: str | None = None
    settings: dict[str, str] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _is_there(self) -> Self:
        if self.definition is not DefinitionKind.BUILT_IN:
            return self
        if self.extension_type.lower() != stock.OSM.extension_type.lower():
            message = f"the built-in definition is of {stock.OSM.extension_type} alone"
            raise explanation.refusal(message)
        if self.version or self.settings or not self.auto_upgrade:
            message = "the built-in definition sets neither version nor settings"
            raise explanation.refusal(message)
        return self

    def policy(self) -> Policy:
        """Return it as the recipe has it."""
        return Policy(
            name=self.name,
            extension_type=self.extension_type,
            display_name=self.display_name,
            scope=self.scope,
            not_scopes=tuple(self.not_scopes),
            is_enforced=self.enforcement_mode == "Default",
            effect=self.effect,
            kind=self.definition,
            auto_upgrade=self.auto_upgrade,
            version=self.version,
            settings=self.settings,
        )


class PermissionsPart(FileModel):
    """``permissions:``: what callers may do, as role definitions say it."""

    actions: list[str] = Field(default_factory=lambda: list(Permissions().actions))
    not_actions: list[str] = Field(default_factory=list)

    def permissions(self) -> Permissions:
        """Return them as the recipe has them."""
        return Permissions(actions=tuple(self.actions), not_actions=tuple(self.not_actions))


class WorldFile(FileModel):
    """A whole world file."""

    api_version: Literal["fleet/v1"]
    kind: Literal["World"]
    seed: int = 1
    epoch: Moment = stock.EPOCH
    time_scale: TimeScale = 60
    """Simulated seconds a second, or ``max``: as fast as a virtual loop can."""
    clusters: Annotated[int, Field(ge=1, le=1_000_000)] = 200
    subscriptions: Annotated[int, Field(ge=1, le=10_000)] = 2
    locations: Weights = stock.LOCATIONS
    distributions: Weights = stock.DISTRIBUTIONS
    kubernetes_versions: Weights = stock.KUBERNETES_VERSIONS
    agent_versions: Weights = stock.AGENT_VERSIONS
    offline_share: Share = 20_000
    offline_seconds: SpanPart | None = None
    patch_settings: Annotated[PatchSettings, Field(strict=False)] = PatchSettings.MERGE
    auto_upgrade_after_seconds: SpanPart | None = None
    extensions: Annotated[list[ExtensionPart], Field(min_length=1)] | None = None
    durations: DurationsPart = DurationsPart()
    faults: FaultsPart = FaultsPart()
    overrides: list[OverridePart] = Field(default_factory=list)
    policies: list[PolicyPart] = Field(default_factory=list)
    arm: ArmPart = ArmPart()
    """With what follows: met over HTTP only."""
    token_seconds: Count = Wire().token_s
    graph_casing: Annotated[Casing, Field(strict=False)] = Casing.PASCAL
    graph_lag_seconds: Annotated[int, Field(ge=0)] = Wire().graph_lag_s
    """How late Resource Graph learns what agents report: heartbeats, and how operations end."""
    permissions: PermissionsPart = PermissionsPart()
    challenges: list[ChallengePart] = Field(default_factory=list)
    metrics: MetricsPart = MetricsPart()
    """What probes measure, over time."""
    inside: InsidePart = InsidePart()
    """What clusters are inside."""

    @classmethod
    def cross_check(cls, data: Any) -> Iterator[Flaw]:
        """Yield what is wrong between keys: an override for a cluster that is not there."""
        count = data.get("clusters", cls.model_fields["clusters"].default)
        overrides = data.get("overrides")
        if not isinstance(count, int) or not isinstance(overrides, list) or count < 1:
            return
        for place, one in enumerate(overrides):
            name = one.get("cluster") if isinstance(one, dict) else None
            if isinstance(name, str) and names.index(name, count=count) is None:
                last = names.cluster(count - 1, count=count)
                yield Flaw(
                    path=("overrides", place, "cluster"),
                    message=f"no cluster of this world is called {quoted(name)}",
                    hint=f"they are called {names.cluster(0, count=count)} to {last}",
                )

    def recipe(self) -> Recipe:
        """Return the world as values."""
        extensions: tuple[ExtensionRecipe, ...] = stock.EXTENSIONS
        if self.extensions is not None:
            extensions = tuple(one.recipe() for one in self.extensions)
        return Recipe(
            seed=self.seed,
            epoch=self.epoch,
            time_scale=self.time_scale if isinstance(self.time_scale, int) else None,
            cluster_count=self.clusters,
            subscription_count=self.subscriptions,
            locations=self.locations,
            distributions=self.distributions,
            kubernetes_versions=self.kubernetes_versions,
            agent_versions=self.agent_versions,
            offline_ppm=self.offline_share,
            offline_s=_span(self.offline_seconds),
            patch_settings=self.patch_settings,
            auto_upgrade_after_s=_span(self.auto_upgrade_after_seconds),
            extensions=extensions,
            operation_s=self.durations.operation.span(),
            call_ms=self.durations.call.span(),
            faults=self.faults.faults(),
            specials=tuple(one.special(extensions[0].name) for one in self.overrides),
            policies=tuple(one.policy() for one in self.policies),
            wire=Wire(
                reads=self.arm.reads.rate(),
                writes=self.arm.writes.rate(),
                deletes=self.arm.deletes.rate(),
                token_s=self.token_seconds,
                graph_casing=self.graph_casing,
                graph_lag_s=self.graph_lag_seconds,
                permissions=self.permissions.permissions(),
                challenges=tuple(one.challenge() for one in self.challenges),
            ),
            metrics=self.metrics.metrics(),
            insides=self.inside.insides(),
        )


def default_recipe() -> Recipe:
    """Return the world of an empty world file."""
    return WorldFile.model_validate({"apiVersion": "fleet/v1", "kind": "World"}).recipe()
