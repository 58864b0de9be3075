"""A wave cut into waves that grow: 1, 2, 4 and so on, until nobody is left."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from typing import TypeVar

from fleet.core import shares
from fleet.errors import InputError
from fleet.model.strategy import RampUp, WaveRule

MAX_WAVES = 1000
"""More are no help to anybody, and each is opened, closed and shown."""

T = TypeVar("T")


def cut(rule: WaveRule, members: Sequence[T]) -> list[tuple[WaveRule, tuple[T, ...]]]:
    """Return the waves that *rule* means, with the *members* of each.

    Raises:
        InputError: It would be more than :data:`MAX_WAVES`.
    """
    if rule.ramp_up is None or not members:
        return [(rule, tuple(members))]
    made: list[tuple[WaveRule, tuple[T, ...]]] = []
    start = 0
    for size in _sizes(rule.ramp_up, len(members)):
        part = dataclasses.replace(rule, name=f"{rule.name}-{len(made) + 1}", is_part=True)
        made.append((part, tuple(members[start : start + size])))
        start += size
        if len(made) > MAX_WAVES:
            raise InputError(
                f"wave {rule.name}: rampUp makes more than {MAX_WAVES} waves "
                f"of {len(members)} targets",
                hint="Raise rampUp.factor or rampUp.max.",
            )
    return made


def _sizes(ramp: RampUp, count: int) -> Iterator[int]:
    size = shares.rounded_down(ramp.start, of=count, at_least=1).count
    most = shares.rounded_down(ramp.most or count, of=count, at_least=1).count
    left = count
    while left:
        taken = min(size, most, left)
        yield taken
        left -= taken
        size *= ramp.factor
