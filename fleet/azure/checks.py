"""What an examination says, one piece at a time; who examines is :mod:`fleet.azure.diagnosis`."""

from __future__ import annotations

import dataclasses
import enum


class Verdict(enum.StrEnum):
    """What a check came to."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One thing that was looked at."""

    name: str
    verdict: Verdict
    detail: str
    hint: str | None = None
