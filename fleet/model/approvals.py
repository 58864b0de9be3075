"""Approvals that a wave needs: how many people, of whom, and for how long they hold."""

from __future__ import annotations

import dataclasses
import datetime as dt

from fleet.model.codec import SPARSE
from fleet.model.gates import Moment

DEFAULT_LIFE = dt.timedelta(days=7)
# Source: what AWS Systems Manager allows for a change request.
LONGEST_LIFE = dt.timedelta(days=30)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalRule:
    """Who must have agreed before a wave opens, or before it closes."""

    when: Moment
    """Before the wave, or after it; never during its soak."""
    quorum: int = 1
    """How many different people."""
    not_author: bool = True
    """Whether whoever began the run does not count."""
    life: dt.timedelta = DEFAULT_LIFE
    """How long one holds; at most 30 days."""
    by: tuple[str, ...] = dataclasses.field(default=(), metadata=SPARSE)
    """Whose count, as an actor is called; empty: anybody's."""
