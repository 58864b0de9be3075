"""How long a run's operations last, as far as reads have shown, and when the next read is worth it.

A life table, as actuaries keep it: for each age, how many operations ended at it, and for how long
any was seen to run through it. A read tells both what had ended and what had not, so operations
that go on are learned from as well: without them, what ends late would be taken for rare. What
ended between two reads ended at any moment between them.

The next read comes when a certain share of those that ran at the last one have ended. If that
share is one in so many, an operation takes so many reads, however its durations are distributed.
Each operation brings a few reads in; the share is what still runs over what is left of them. Those
that end late so inherit what the others did not need, and their ends are seen soon.

Shapes:  ages are cut into bins that grow with age.
Units:   seconds inside, ``float``.
"""

from __future__ import annotations

import bisect
import datetime as dt
import itertools
import math

READS_EACH = 2.0
"""How many an operation brings in. NB: three are allowed; more would cost more than they tell."""

_SOONEST, _LATEST = 0.1, 0.5
"""Shares: nobody is read before the fastest tenth, nor left alone for much more than half."""
_VARIATION = 0.35
"""By how much the shares of operations differ: some are read early, and the others learn."""
_GOLDEN = (math.sqrt(5) - 1) / 2

# Source: an OSM install takes 92 s, an uninstall 122 s, where it was recorded; its article gives 3
# to 5 minutes.
_GUESS_S = 150.0
"""What is believed before anything is known, with the weight of one operation."""
_FEW = 3
"""Operations that were seen through an age, below which little is known of it."""
_LOWEST_RATE = 1e-6
"""A second: an operation may always end, however many did not."""
_SHORTEST_GAP = dt.timedelta(seconds=5)

_ENOUGH_NEWS = 50
"""When one in so many reads is news, the risks are summed up anew."""

_EDGES_S = tuple(250 * (1.02**number - 1) for number in range(401))
"""From 5 s, by 2 % of age and more, to a week."""
_SPANS_S = tuple(end - begin for begin, end in itertools.pairwise(_EDGES_S))


class Lifetimes:
    """What is known of all operations of a run."""

    __slots__ = ("_ended", "_left", "_news", "_risk", "_seen_s", "_turn")

    def __init__(self) -> None:
        self._ended = [0.0] * len(_SPANS_S)
        self._seen_s = [0.0] * len(_SPANS_S)
        self._risk = [0.0]
        """Up to each edge: how many times over an operation could have ended."""
        self._news = 0
        self._left = 0.0
        self._turn = 0
        self._sum_up()

    def begin(self) -> None:
        """Take in an operation: it brings reads."""
        self._left += READS_EACH

    def spend(self) -> None:
        """Count a read."""
        self._left -= 1

    def eagerness(self) -> float:
        """Return how soon the next one is to be read, as a multiple of the common share.

        They differ evenly, whoever asks: the golden ratio is as far from all fractions as can be.
        """
        self._turn += 1
        return 1 + _VARIATION * (2 * (self._turn * _GOLDEN % 1) - 1)

    def saw(self, since: dt.timedelta, until: dt.timedelta, *, has_ended: bool) -> None:
        """Learn that an operation ran at the age *since*, and *until* ended or ran on."""
        begin_s, end_s = max(since.total_seconds(), 0.0), until.total_seconds()
        if end_s <= begin_s:
            return
        number = bisect.bisect_right(_EDGES_S, begin_s) - 1
        while number < len(_SPANS_S) and _EDGES_S[number] < end_s:
            seen_s = min(end_s, _EDGES_S[number + 1]) - max(begin_s, _EDGES_S[number])
            if has_ended:
                self._ended[number] += seen_s / (end_s - begin_s)
            self._seen_s[number] += seen_s / 2 if has_ended else seen_s
            number += 1
        self._news += 1
        if self._news * _ENOUGH_NEWS >= self._turn:
            self._sum_up()

    def next_read(
        self, since: dt.timedelta, *, eagerness: float, running_count: int
    ) -> dt.timedelta:
        """Return at what age to read an operation that was seen to run at the age *since*.

        Args:
            since: Zero where it was not read yet.
            eagerness: Its own, see :meth:`eagerness`.
            running_count: How many have not been seen to end.
        """
        share = eagerness * running_count / max(self._left, 1.0)
        share = min(max(share, _SOONEST), _LATEST)
        since_s = max(since.total_seconds(), 0.0)
        due_s = self._age_s(self._risk_at(since_s) - math.log1p(-share))
        return max(dt.timedelta(seconds=due_s), since + _SHORTEST_GAP)

    def _risk_at(self, age_s: float) -> float:
        number = min(bisect.bisect_right(_EDGES_S, age_s), len(_SPANS_S)) - 1
        part = (age_s - _EDGES_S[number]) / _SPANS_S[number]
        return self._risk[number] + part * (self._risk[number + 1] - self._risk[number])

    def _age_s(self, risk: float) -> float:
        """Return the age at which *risk* has been run."""
        number = min(bisect.bisect_right(self._risk, risk), len(_SPANS_S)) - 1
        part = (risk - self._risk[number]) / (self._risk[number + 1] - self._risk[number])
        return _EDGES_S[number] + part * _SPANS_S[number]

    def _sum_up(self) -> None:
        """Sum the risks up, from the youngest age on.

        What was seen to happen a little earlier in life counts as one more operation that ended.
        Where little was seen, what has lasted long is believed to go on for about as long again.
        """
        rate, risk = 1 / _GUESS_S, 0.0
        self._risk = [risk]
        for number, span_s in enumerate(_SPANS_S):
            seen_s = self._seen_s[number]
            rate = (self._ended[number] + 1) / (seen_s + 1 / rate)
            if seen_s < _FEW * span_s:
                rate = max(rate, 1 / max(_EDGES_S[number], _GUESS_S))
            risk += max(rate, _LOWEST_RATE) * span_s
            self._risk.append(risk)
        self._news = 0
