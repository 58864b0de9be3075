"""Timers against the most naive thing that could do the same: a dict that is searched."""

from __future__ import annotations

import datetime as dt

from hypothesis import given, strategies as st

from fleet.core.timers import Timers
from tests.rig.fleets import T0, seconds

KEYS = st.integers(0, 6)
MOMENTS = st.integers(0, 20).map(lambda count: T0 + seconds(count))
MOVES = st.lists(st.tuples(KEYS, st.none() | MOMENTS), max_size=120)


@given(moves=MOVES, now=MOMENTS)
def test_agrees_with_a_dict_after_every_move(
    moves: list[tuple[int, dt.datetime | None]], now: dt.datetime
) -> None:
    timers: Timers[int] = Timers()
    model: dict[int, dt.datetime] = {}
    for key, due in moves:
        if due is None:
            timers.cancel(key)
            model.pop(key, None)
        else:
            timers.set(key, due)
            model[key] = due
        found = list(timers.due(now))

        assert timers.moments() == model
        assert (key in timers) == (key in model)
        assert timers.next_at == min(model.values(), default=None)
        assert sorted(found) == sorted(key for key, moment in model.items() if moment <= now)
        assert len(timers._heap) <= 2 * len(model) + 17


@given(moves=MOVES)
def test_equal_where_the_moments_are_whatever_the_way(
    moves: list[tuple[int, dt.datetime | None]],
) -> None:
    long_way, short_way = Timers[int](), Timers[int]()
    for key, due in moves:
        long_way.set(key, due) if due else long_way.cancel(key)
    for key, due in sorted(long_way.moments().items(), reverse=True):
        short_way.set(key, due)

    assert long_way == short_way
