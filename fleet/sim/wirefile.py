"""Parts of a world file that only those meet who speak HTTP."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field

from fleet.sim.quantities import Count
from fleet.sim.recipe import Challenge, Permissions, Rate, Wire
from fleet.spec.explanation import FileModel


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


class PermissionsPart(FileModel):
    """``permissions:``: what callers may do, as role definitions say it."""

    actions: list[str] = Field(default_factory=lambda: list(Permissions().actions))
    not_actions: list[str] = Field(default_factory=list)

    def permissions(self) -> Permissions:
        """Return them as the recipe has them."""
        return Permissions(actions=tuple(self.actions), not_actions=tuple(self.not_actions))


class ChallengePart(FileModel):
    """One of ``challenges:``: tokens that were good are not any more."""

    after_seconds: Annotated[int, Field(ge=0)]
    """From the world's beginning."""
    methods: list[Literal["GET", "PUT", "PATCH", "DELETE", "POST"]] = Field(default_factory=list)
    """Of the requests that are challenged; none: all."""
    context: Annotated[str, Field(pattern=r"^c[0-9]{1,2}$")] | None = None
    """An authentication context to be asked for; left out: tokens of before are revoked."""
    is_met: bool = True
    """Whether any token is good enough afterwards."""

    def challenge(self) -> Challenge:
        """Return it as the recipe has it."""
        return Challenge(
            after_s=self.after_seconds,
            methods=tuple(self.methods),
            context=self.context,
            is_met=self.is_met,
        )
