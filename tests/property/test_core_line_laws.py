"""A line with caps against the most naive thing that could do the same: a list that is scanned."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from hypothesis import given, settings, strategies as st

from fleet.core import caps as caps_module
from fleet.core.caps import Caps
from fleet.core.lines import Line
from fleet.model.plan import Spread, SpreadGroup, Target
from tests.rig import fleets

MOST = 12
GROUPS = 3
OTHERS = ["late", "over", "take out", "add", "ask", "shut", "reopen", "give back"]
CALENDARS = ((), (0,), (1,))
"""Every third target is bound by none, by one, by another."""
Move = tuple[str, int]
MOVES: st.SearchStrategy[list[Move]] = st.lists(
    st.tuples(
        st.sampled_from(["start"] * 4 + ["end"] * 3 + OTHERS),
        st.integers(0, 99),
    ),
    max_size=60,
)
PLACES = st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2)), min_size=MOST, max_size=MOST)
MANY = st.lists(st.none() | st.integers(1, 3), min_size=2 * GROUPS, max_size=2 * GROUPS)


@dataclasses.dataclass
class Naive:
    """Who waits, in order, and who holds a place; looked through from the front each time."""

    places: Sequence[tuple[int, int]]
    most: Sequence[Sequence[int | None]]
    waiting: list[int]
    slots: list[int] = dataclasses.field(default_factory=list)
    physical: list[int] = dataclasses.field(default_factory=list)
    shut: set[tuple[int, ...]] = dataclasses.field(default_factory=set)

    def first(self) -> int | None:
        return next((one for one in self.waiting if self.may(one)), None)

    def may(self, target: int) -> bool:
        if CALENDARS[target % 3] in self.shut:
            return False
        for n, group in enumerate(self.places[target]):
            alike = sum(self.places[one][n] == group for one in self.physical)
            most = self.most[n][group]
            if most is not None and alike >= most:
                return False
        return True


@settings(max_examples=600)
@given(places=PLACES, many=MANY, moves=MOVES, first=st.integers(0, MOST))
def test_the_same_target_is_next_whatever_has_happened(
    places: list[tuple[int, int]], many: list[int | None], moves: list[Move], first: int
) -> None:
    """The first ones are of the plan; the others come to wait later."""
    most = [many[:GROUPS], many[GROUPS:]]
    caps = Caps(tuple(_spread(n, limits) for n, limits in enumerate(most)))
    line = Line(0, first)
    plans = [
        fleets.target(groups=place, calendars=CALENDARS[n % 3]) for n, place in enumerate(places)
    ]
    naive = Naive(places=places, most=most, waiting=list(range(first)))
    to_come = list(range(first, MOST))

    for what, lot in moves:
        _move(what, lot, line, caps, plans, naive, to_come)

        assert line.count == len(naive.waiting)
        assert list(line.waiting()) == naive.waiting
        if what != "ask":  # to ask seldom is to be allowed to be wrong for long
            continue
        assert line.first(caps, plans.__getitem__, (), naive.shut) == naive.first()
    assert line.first(caps, plans.__getitem__, (), naive.shut) == naive.first()
    out = [one for one in naive.waiting if CALENDARS[one % 3] in naive.shut]
    assert line.is_all_shut_out == (line.shut_out_count == len(naive.waiting))
    assert line.shut_out_count <= len(out)


def _spread(n: int, limits: Sequence[int | None]) -> Spread:
    groups = tuple(
        SpreadGroup(value=f"{g}", target_count=1, max_concurrency=one, max_failures=None)
        for g, one in enumerate(limits)
    )
    return Spread(by=f"tag:{n}", groups=groups)


def _move(
    what: str,
    lot: int,
    line: Line,
    caps: Caps,
    plans: Sequence[Target],
    naive: Naive,
    to_come: list[int],
) -> None:
    """Do one thing to both, if it can be done."""
    first = line.first(caps, plans.__getitem__, (), naive.shut) if what == "start" else None
    if (target := first) is not None:
        assert target == naive.first()
        line.start(target)
        caps.start(plans[target])
        naive.waiting.remove(target)
        naive.slots.append(target)
        naive.physical.append(target)
    elif what in ("end", "late") and naive.slots:
        target = naive.slots.pop(lot % len(naive.slots))
        caps.free(plans[target])
        if what == "end":
            _over(target, line, caps, plans, naive)
    elif what == "over" and (left := [one for one in naive.physical if one not in naive.slots]):
        _over(left[lot % len(left)], line, caps, plans, naive)
    elif what == "shut":
        naive.shut.add(CALENDARS[1 + lot % 2])
    elif what == "reopen":
        naive.shut.discard(CALENDARS[1 + lot % 2])
        line.reopen(CALENDARS[1 + lot % 2])
    elif what == "give back" and naive.slots:
        target = naive.slots.pop(lot % len(naive.slots))
        caps.free(plans[target])
        _over(target, line, caps, plans, naive)
        line.add(target)
        naive.waiting.append(target)
    elif what == "take out" and naive.waiting:
        target = naive.waiting.pop(lot % len(naive.waiting))
        line.take_out(target)
    elif what == "add" and to_come:
        target = to_come.pop(0)
        line.add(target)
        naive.waiting.append(target)


def _over(target: int, line: Line, caps: Caps, plans: Sequence[Target], naive: Naive) -> None:
    naive.physical.remove(target)
    caps.over(plans[target])
    line.wake(list(caps_module.keys(plans[target])))


@given(places=PLACES, many=MANY, moves=MOVES)
def test_lines_are_equal_where_the_same_wait_wherever_they_are_parked(
    places: list[tuple[int, int]], many: list[int | None], moves: list[Move]
) -> None:
    """Asking parks targets, and is no history."""
    most = [many[:GROUPS], many[GROUPS:]]
    caps = Caps(tuple(_spread(n, limits) for n, limits in enumerate(most)))
    plans = [fleets.target(groups=place) for place in places]
    asked, quiet = Line(0, MOST), Line(0, MOST)
    for _, lot in moves:
        caps.start(plans[lot % MOST])
        asked.first(caps, plans.__getitem__)

    assert asked == quiet
    asked.wake_all()
    assert asked == quiet
