"""``breaks:`` and ``inside:`` of simulation files: what is broken inside clusters, and where."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Self

from pydantic import Field, model_validator

from fleet.sim.breakage import Break, Broken, Insides
from fleet.sim.quantities import WHOLE_PPM, Count, Share
from fleet.spec import explanation
from fleet.spec.explanation import FileModel

Pattern = Annotated[str, Field(min_length=1)]
Platform = Annotated[str, Field(pattern=r"^[a-z]+/[a-z0-9]+$")]


class BreakPart(FileModel):
    """One of ``breaks:``."""

    what: Annotated[Break, Field(strict=False)]
    cluster: Pattern = "*"
    """A name, or a pattern with ``*``."""
    share: Share = WHOLE_PPM
    """Of those clusters, by lot."""
    version: Pattern | None = None
    """Of the mesh, or a pattern: only while that runs."""
    after_seconds: Annotated[int, Field(ge=0)] = 0
    """In the world's time, since its beginning."""
    until_seconds: Count | None = None

    @model_validator(mode="after")
    def _is_a_while(self) -> Self:
        if self.until_seconds is not None and self.until_seconds <= self.after_seconds:
            message = f"untilSeconds ({self.until_seconds}) is not after afterSeconds"
            raise explanation.refusal(message)
        return self

    def broken(self) -> Broken:
        """Return it as the recipe has it."""
        until = self.until_seconds
        return Broken(
            what=self.what,
            cluster=self.cluster,
            share_ppm=self.share,
            version=self.version,
            after=dt.timedelta(seconds=self.after_seconds),
            until=None if until is None else dt.timedelta(seconds=until),
        )


class InsidePart(FileModel):
    """``inside:`` of a world file."""

    breaks: list[BreakPart] = Field(default_factory=list)
    meshed_share: Share = Insides().meshed_ppm
    """Of the namespaces with workloads, where there is a mesh from the beginning."""
    platforms: dict[Platform, Annotated[int, Field(ge=0)]] = Field(
        default_factory=lambda: dict(Insides().platforms)
    )
    """Weights of the node that clusters have beside those of linux/amd64."""

    @model_validator(mode="after")
    def _has_platforms(self) -> Self:
        if not any(self.platforms.values()):
            message = "at least one weight of platforms must be above zero"
            raise explanation.refusal(message)
        return self

    def insides(self) -> Insides:
        """Return it as the recipe has it."""
        return Insides(
            broken=tuple(one.broken() for one in self.breaks),
            meshed_ppm=self.meshed_share,
            platforms=self.platforms,
        )
