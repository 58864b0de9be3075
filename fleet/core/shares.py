"""A share of the fleet, as an integer: the only place that rounds.

Other engines round the same percentage up, down or to everything; a reader of
a plan must not have to know. Ours rounds to the safe side: what may be changed
at once, and what may fail, is rounded down; what must succeed is rounded up.
What the plan prints is what this returns.
"""

from __future__ import annotations

import dataclasses

from fleet.model.strategy import Amount


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """A resolved amount."""

    count: int
    note: str
    """How it came about, such as ``20% of 37 -> 7``."""
    is_clamped: bool = False
    """Whether an integer was larger than what there is."""


def rounded_down(amount: Amount, *, of: int, at_least: int = 0) -> Share:
    """Resolve *amount* against *of* things: never more than there are.

    Args:
        amount: An integer, or a percentage such as ``"20%"``.
        of: How many there are.
        at_least: What a share that rounds to less becomes, as far as there are so many.

    >>> rounded_down("20%", of=37, at_least=1)
    Share(count=7, note='20% of 37 -> 7', is_clamped=False)
    >>> rounded_down(5, of=3).count
    3
    """
    return _resolved(amount, of=of, at_least=at_least, spare=0)


def rounded_up(amount: Amount, *, of: int) -> Share:
    """Resolve *amount* against *of* things, a fraction counting as one more.

    >>> rounded_up("90%", of=37)
    Share(count=34, note='90% of 37 -> 34', is_clamped=False)
    """
    return _resolved(amount, of=of, at_least=0, spare=99)


def _resolved(amount: Amount, *, of: int, at_least: int, spare: int) -> Share:
    if isinstance(amount, str):
        share = (of * int(amount.removesuffix("%")) + spare) // 100
        count = min(max(share, at_least), of)
        return Share(count=count, note=f"{amount} of {of} -> {count}")
    if amount > of:
        return Share(count=of, note=f"{amount} -> {of}, all there are", is_clamped=True)
    return Share(count=amount, note=str(amount))
