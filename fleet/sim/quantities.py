"""Amounts as simulation files write them: shares, counts, weights and ranges.

Units:   ``_ppm`` are parts per million.
"""

from __future__ import annotations

import re
from typing import Annotated, Self

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from fleet.sim.recipe import Span
from fleet.spec import explanation
from fleet.spec.explanation import FileModel

WHOLE_PPM = 1_000_000
_SHARE = re.compile(r"(\d{1,3})(?:\.(\d{1,4}))?%")


def share_ppm(value: object) -> int:
    """Read a share.

    >>> share_ppm(3), share_ppm("0.25%")
    (30000, 2500)
    """
    match = _SHARE.fullmatch(f"{value}%" if type(value) is int else str(value))
    if match is None:
        message = 'a share is a whole number of per cent, or text such as "0.5%"'
        raise explanation.refusal(message)
    ppm = int(match[1]) * 10_000 + int((match[2] or "").ljust(4, "0"))
    if ppm > WHOLE_PPM:
        message = "a share is at most 100 per cent"
        raise explanation.refusal(message)
    return ppm


def _has_weight(weights: dict[str, int]) -> dict[str, int]:
    if not any(weights.values()):
        message = "at least one weight must be above zero"
        raise explanation.refusal(message)
    return weights


Share = Annotated[int, BeforeValidator(share_ppm)]
Count = Annotated[int, Field(ge=1)]
Weights = Annotated[dict[str, Annotated[int, Field(ge=0)]], AfterValidator(_has_weight)]


class SpanPart(FileModel):
    """``{min, max}``, both included."""

    min: Annotated[int, Field(ge=0)]
    max: Annotated[int, Field(ge=0)]

    @model_validator(mode="after")
    def _is_a_range(self) -> Self:
        if self.min > self.max:
            message = f"min ({self.min}) is above max ({self.max})"
            raise explanation.refusal(message)
        return self

    def span(self) -> Span:
        """Return it as the recipe has it."""
        return Span(low=self.min, high=self.max)
