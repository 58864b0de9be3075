"""``overrides:`` of world files: clusters that are not left to the lots."""

from __future__ import annotations

import datetime as dt
from typing import Annotated

from pydantic import Field

from fleet.model.cluster import Connectivity, ProvisioningState
from fleet.sim.breakage import Break
from fleet.sim.breakfile import Platform
from fleet.sim.chancefile import FaultsPart
from fleet.sim.quantities import SpanPart
from fleet.sim.recipe import Special
from fleet.spec.explanation import FileModel


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
            operation_s=None if self.operation is None else self.operation.span(),
            breaks=tuple(self.breaks),
            platforms=tuple(self.platforms),
        )
