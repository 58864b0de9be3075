"""Who is next: the targets of one wave that wait, in order, past those that a cap holds up.

Whoever is held up is parked with the group that is full, and looked at again when a place in it
becomes free: so a question looks at few targets, however many wait. Whoever's own calendars are
known to be closed is passed over likewise. Which target is next depends on who waits, which groups
are full and which calendars are closed, and on nothing else: asking changes where a target is
parked, never the answer.

Shapes:  a place orders targets: those of the plan by number, those that came later after them.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Collection, Iterator, Sequence

from fleet.core.caps import Caps, Key, keys
from fleet.model.plan import Target

_LATER = 1 << 40
_Waiting = tuple[int, int]
"""A place, and who has it."""


class Line:
    """The targets of a wave that wait."""

    __slots__ = (
        "_awake",
        "_cursor",
        "_end",
        "_first",
        "_gone",
        "_joined",
        "_late",
        "_late_cursor",
        "_parked",
        "_shut_out",
        "count",
    )

    def __init__(self, first: int, end: int) -> None:
        self._first = self._cursor = first
        self._end = end
        self._late: list[int] = []
        self._late_cursor = 0
        self._joined: set[int] = set()
        self._gone: set[int] = set()
        self._parked: dict[Key, list[_Waiting]] = {}
        self._shut_out: dict[tuple[int, ...], list[_Waiting]] = {}
        self._awake: list[_Waiting] = []
        self.count = end - first
        """How many wait."""

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Line):
            return NotImplemented
        return list(self.waiting()) == list(other.waiting())

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"Line({list(self.waiting())})"

    @property
    def joined(self) -> frozenset[int]:
        """Those that came to wait after the others, whether they wait still or not."""
        return frozenset(self._joined)

    def waiting(self) -> Iterator[int]:
        """Yield all that wait, in their order."""
        held = [one for heap in self._heaps() for one in heap]
        held += ((one, one) for one in range(self._cursor, self._end))
        late = enumerate(self._late[self._late_cursor :], start=_LATER + self._late_cursor)
        yield from (one for _, one in sorted((*held, *late)) if one not in self._gone)

    def has(self, target: int) -> bool:
        """Whether *target*, which has not started, waits here."""
        return (self._first <= target < self._end or target in self._joined) and (
            target not in self._gone
        )

    def add(self, target: int) -> None:
        """Let *target* wait after all others."""
        self._late.append(target)
        self._joined.add(target)
        self.count += 1

    def take_out(self, target: int) -> None:
        """Let *target*, which waits, wait no longer."""
        self._gone.add(target)
        self.count -= 1

    def wake(self, one: Sequence[Key]) -> None:
        """Look again at one target that each of these groups held up."""
        for key in one:
            if heap := self._parked.get(key):
                heapq.heappush(self._awake, heapq.heappop(heap))

    def wake_all(self) -> None:
        """Look again at everybody."""
        self._awake = [one for heap in self._heaps() for one in heap]
        heapq.heapify(self._awake)
        self._parked.clear()
        self._shut_out.clear()

    def reopen(self, calendars: tuple[int, ...]) -> None:
        """Look again at all that these calendars kept from starting."""
        for found in self._shut_out.pop(calendars, ()):
            heapq.heappush(self._awake, found)

    @property
    def is_all_shut_out(self) -> bool:
        """Whether all that wait are known to be kept from starting by their own calendars."""
        return self.shut_out_count == self.count

    @property
    def shut_out_count(self) -> int:
        """How many are."""
        held = (one for heap in self._shut_out.values() for _, one in heap)
        return sum(one not in self._gone for one in held)

    def _heaps(self) -> Iterator[list[_Waiting]]:
        yield from (*self._parked.values(), *self._shut_out.values(), self._awake)

    def first(
        self,
        caps: Caps,
        plan: Callable[[int], Target],
        at_work: Collection[int] = (),
        shut: Collection[tuple[int, ...]] = (),
    ) -> int | None:
        """Return whose turn it is; ``None``: nobody may start.

        Args:
            caps: Which groups are full.
            plan: What is planned for a target.
            at_work: Who is counted in its groups before it starts.
            shut: Calendars that let nothing start.
        """
        while (found := self._peek()) is not None:
            _, target = found
            planned, is_gone = plan(target), target in self._gone
            is_shut = planned.calendars in shut
            key = None if is_gone else caps.full(planned, is_at_work=target in at_work)
            if key is None and not (is_gone or is_shut):
                return target
            self._drop(found)
            if is_gone:
                self._gone.discard(target)
            elif is_shut:
                self._shut_out.setdefault(planned.calendars, []).append(found)
            elif key is not None:
                heapq.heappush(self._parked.setdefault(key, []), found)
            # Its other groups have a place that it does not take: somebody else may.
            self.wake([one for one in keys(planned) if not caps.is_full(one)])
        return None

    def _peek(self) -> _Waiting | None:
        return min(self._heads(), default=None)

    def _heads(self) -> Iterator[_Waiting]:
        if self._awake:
            yield self._awake[0]
        if self._cursor < self._end:
            yield self._cursor, self._cursor
        elif self._late_cursor < len(self._late):
            yield _LATER + self._late_cursor, self._late[self._late_cursor]

    def _drop(self, found: _Waiting) -> None:
        """Take *found*, the first of all, out of where it stands."""
        if self._awake and self._awake[0] == found:
            heapq.heappop(self._awake)
        elif self._cursor < self._end:
            self._cursor += 1
        else:
            self._late_cursor += 1

    def start(self, target: int) -> None:
        """Let *target*, the one that :meth:`first` returned, go."""
        found = self._peek()
        if found is None or found[1] != target:
            message = f"target {target} is not the first"
            raise ValueError(message)
        self._drop(found)
        self.count -= 1
