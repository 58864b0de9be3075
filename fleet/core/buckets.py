"""How fast requests may go out: token buckets and quotas, as arithmetic.

Whoever wants to send takes a place in a line, is told its moment, and leaves the line when it
sends. The moment is asked for again on waking: what the service said meanwhile may have moved it.
Sleeping, and which request belongs to which bucket, are :mod:`fleet.azure.pace`'s business.

Units:   tokens outside; millionths of one inside, so that a rate of so many a second is as many a
         microsecond, and nothing is ever rounded in our favour.
Errors:  :exc:`ValueError` for a bucket that could never give.
"""

from __future__ import annotations

import bisect
import dataclasses
import datetime as dt

_TOKEN = 1_000_000
_MICROSECOND = dt.timedelta(microseconds=1)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """What a bucket holds, and how fast it fills."""

    burst: int
    per_second: int
    spare: int = 0
    """Tokens that are never asked for: somebody else may need them, and clocks differ."""

    def __post_init__(self) -> None:
        if self.per_second < 1 or not 0 <= self.spare < self.burst:
            message = "a bucket needs a rate, and more than it spares"
            raise ValueError(message)


class Line:
    """Who waits, in the order they came."""

    __slots__ = ("_last", "_waiting")

    def __init__(self) -> None:
        self._last = 0
        self._waiting: list[int] = []

    def __len__(self) -> int:
        return len(self._waiting)

    def join(self) -> int:
        """Take the last place, and return the ticket for it."""
        self._last += 1
        self._waiting.append(self._last)
        return self._last

    def before(self, ticket: int) -> int:
        """Return how many wait before *ticket*."""
        return bisect.bisect_left(self._waiting, ticket)

    def leave(self, ticket: int) -> None:
        """Give the place up."""
        del self._waiting[self.before(ticket)]


class Bucket:
    """Tokens that come back with time; one request takes one.

    What is in it is an estimate of what the service holds: full at first, lowered by every request
    that goes out, and set right by what answers say is left.
    """

    __slots__ = ("_at", "_burst", "_line", "_out", "_rate", "_sent", "_spare", "_tokens")

    def __init__(self, rate: Rate, *, now: dt.datetime) -> None:
        self._burst = rate.burst * _TOKEN
        self._rate = rate.per_second
        self._spare = rate.spare * _TOKEN
        self._tokens = self._burst
        self._at = now
        """When there were so many; to come, where the bucket is closed until then."""
        self._line = Line()
        self._sent = 0
        self._out: dict[int, int] = {}
        """``{ticket: how many had been sent, less those not answered, when it was sent}``."""

    @property
    def is_unknown(self) -> bool:
        """Whether nobody has asked anything of it yet, so that it is full by hearsay only."""
        return not self._sent and not self._line

    def room(self, now: dt.datetime) -> int:
        """Return what is left beyond those who wait, in millionths of a token.

        Below zero where the next one to come would have to wait.
        """
        self._refill(now)
        debt = max(_microseconds(self._at - now), 0) * self._rate
        return self._tokens - self._spare - len(self._line) * _TOKEN - debt

    def reserve(self) -> int:
        """Take a place in the line, and return the ticket for it."""
        return self._line.join()

    def withdraw(self, ticket: int) -> None:
        """Give a place up; nothing was sent."""
        self._line.leave(ticket)

    def due_at(self, ticket: int, *, now: dt.datetime) -> dt.datetime:
        """Return when *ticket* may send, as far as is known: at once, or its own moment."""
        self._refill(now)
        needed = (self._line.before(ticket) + 1) * _TOKEN + self._spare - self._tokens
        if needed <= 0:
            return max(self._at, now)
        return self._at - (-needed // self._rate) * _MICROSECOND  # rounded up

    def take(self, ticket: int, *, now: dt.datetime) -> None:
        """Leave the line with a token: the request goes out."""
        self._line.leave(ticket)
        self._refill(now)
        self._tokens -= _TOKEN
        self._sent += 1
        self._out[ticket] = self._sent - len(self._out)

    def settle(self, ticket: int, *, now: dt.datetime, left: int | None) -> None:
        """Take in the answer to a request that went out; or that there will be none.

        Args:
            ticket: Whose.
            now: The moment.
            left: What the service says is left; ``None``: it does not say.
        """
        self._refill(now)
        rivals = self._sent - self._out.pop(ticket)
        if left is not None:
            self._learn(left, at_least=left - rivals, now=now)

    def give_back(self, ticket: int, *, now: dt.datetime) -> None:
        """Put the token of a request back that went out, and was counted elsewhere."""
        self._refill(now)
        del self._out[ticket]
        self._tokens = min(self._tokens + _TOKEN, self._burst)

    def charge(self, *, now: dt.datetime, left: int | None = None) -> None:
        """Count a request that went out without a ticket."""
        self._refill(now)
        self._tokens -= _TOKEN
        self._sent += 1
        if left is not None:
            self._learn(left, at_least=None, now=now)

    def close(self, *, until: dt.datetime, now: dt.datetime) -> None:
        """Give nothing before *until*, and begin from nothing then: the service said so."""
        self._refill(now)
        self._at = max(self._at, until)
        self._tokens = 0

    def _learn(self, left: int, *, at_least: int | None, now: dt.datetime) -> None:
        """Set right what is there.

        The service counts before it answers: of our own other requests that were out meanwhile
        it may have counted all since it said what is left, or none. Where it holds more than we
        ever thought, its bucket is a larger one.
        """
        self._burst = max(self._burst, (left + 1) * _TOKEN)
        self._refill(now)
        if self._at > now:
            return  # NB: this was said before the bucket was closed
        if at_least is not None:
            self._tokens = max(self._tokens, at_least * _TOKEN)
        self._tokens = min(self._tokens, (left - len(self._out)) * _TOKEN)

    def _refill(self, now: dt.datetime) -> None:
        """Let time pass.

        What is under way may be counted as late as now: until then the service's bucket was full,
        and nothing came back. So there is never more than would fit beside it.
        """
        if now > self._at:
            more = _microseconds(now - self._at) * self._rate
            room = self._burst - len(self._out) * _TOKEN - self._tokens
            self._tokens += max(min(more, room), 0)
            self._at = now


class Quota:
    """So many requests in any span; the service says when it is whole again."""

    __slots__ = (
        "_closed_until",
        "_left",
        "_limit",
        "_line",
        "_out",
        "_sent_at",
        "_span",
        "_whole_at",
    )

    def __init__(self, *, limit: int, span: dt.timedelta, now: dt.datetime) -> None:
        if limit < 1:
            message = "a quota of nothing can never be used"
            raise ValueError(message)
        self._limit = limit
        self._span = span
        self._line = Line()
        self._sent_at: list[dt.datetime] = []
        self._out: set[int] = set()
        self._left = limit
        self._whole_at = now
        self._closed_until = now

    @property
    def is_unknown(self) -> bool:
        """Whether nobody has asked anything of it yet."""
        return not self._sent_at and not self._line

    def room(self, now: dt.datetime) -> int:
        """Return what is left beyond those who wait, in millionths of a request."""
        return (self._free(now) - len(self._line)) * _TOKEN

    def reserve(self) -> int:
        """Take a place in the line, and return the ticket for it."""
        return self._line.join()

    def withdraw(self, ticket: int) -> None:
        """Give a place up; nothing was sent."""
        self._line.leave(ticket)

    def due_at(self, ticket: int, *, now: dt.datetime) -> dt.datetime:
        """Return when *ticket* may send, as far as is known.

        Of those who wait for the same end of a span, the first ones go.
        """
        place = self._line.before(ticket)
        if place < self._free(now):
            return now
        soonest = max(self._closed_until, now)
        if now < self._whole_at and self._left <= place:
            soonest = max(soonest, self._whole_at)
        recent = self._recent(now)
        over = place - (self._limit - len(recent))
        if over < 0:
            return soonest
        return max(soonest, (recent[min(over, len(recent) - 1)] if recent else now) + self._span)

    def take(self, ticket: int, *, now: dt.datetime) -> None:
        """Leave the line: the request goes out."""
        self._line.leave(ticket)
        self._sent_at = [*self._recent(now), now]
        self._out.add(ticket)
        self._left -= 1

    def settle(
        self,
        ticket: int,
        *,
        now: dt.datetime,
        left: int | None,
        whole_in: dt.timedelta | None,
    ) -> None:
        """Take in the answer to a request that went out; or that there will be none.

        Args:
            ticket: Whose.
            now: The moment.
            left: What the service says is left; ``None``: it does not say.
            whole_in: When it is whole again; ``None``: it does not say.
        """
        self._out.discard(ticket)
        if left is not None and whole_in is not None:
            self._left = left - len(self._out)
            self._whole_at = now + whole_in

    def close(self, *, until: dt.datetime, now: dt.datetime) -> None:
        """Give nothing before *until*: the service said so."""
        self._closed_until = max(self._closed_until, until, now)

    def _free(self, now: dt.datetime) -> int:
        if now < self._closed_until:
            return 0
        free = self._limit - len(self._recent(now))
        return min(free, self._left) if now < self._whole_at else free

    def _recent(self, now: dt.datetime) -> list[dt.datetime]:
        return [one for one in self._sent_at if one > now - self._span]


def _microseconds(duration: dt.timedelta) -> int:
    return duration // _MICROSECOND
