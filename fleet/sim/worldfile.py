"""World files: how a simulated fleet is written down.

Every key has a default, so ``{apiVersion: fleet/v1, kind: World}`` is a world.
An extension of a type that is known here starts from what is known of it. A
share is a whole number of per cent, or text such as ``"0.5%"``.

Not here: its larger parts (:mod:`fleet.sim.overridefile` and its like); reading YAML and pointing
at lines (:mod:`fleet.spec`).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from fleet.sim import names, stock
from fleet.sim.breakfile import InsidePart
from fleet.sim.chancefile import FaultsPart
from fleet.sim.extensionfile import ExtensionPart
from fleet.sim.metricsfile import MetricsPart
from fleet.sim.overridefile import OverridePart
from fleet.sim.policyfile import PolicyPart
from fleet.sim.quantities import Count, Share, SpanPart, Weights
from fleet.sim.recipe import Casing, ExtensionRecipe, PatchSettings, Recipe, Span, Wire
from fleet.sim.wirefile import ArmPart, ChallengePart, PermissionsPart
from fleet.spec import explanation
from fleet.spec.explanation import FileModel
from fleet.spec.flaws import Flaw, quoted

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


def _time_scale(value: object) -> object:
    if value == "max" or (type(value) is int and 1 <= value <= _FASTEST):
        return value
    message = f"expected a whole number from 1 to {_FASTEST}, or max"
    raise explanation.refusal(message)


TimeScale = Annotated[int | str, BeforeValidator(_time_scale)]
Moment = Annotated[dt.datetime, BeforeValidator(_moment)]


class DurationsPart(FileModel):
    """``durations:``."""

    operation: SpanPart = SpanPart(min=90, max=300)
    """Seconds."""
    call: SpanPart = SpanPart(min=40, max=250)
    """Milliseconds."""


def _span(part: SpanPart | None) -> Span | None:
    return None if part is None else part.span()


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
