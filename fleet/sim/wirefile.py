"""Parts of a world file that only those meet who speak HTTP."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from fleet.sim.recipe import Challenge
from fleet.spec.explanation import FileModel


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
