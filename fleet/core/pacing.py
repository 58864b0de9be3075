"""When to try again, and what an error asks for: as arithmetic.

Sleeping on the answers is the engine's business. Nobody else decides to retry.

Units:   ``timedelta``; jitter is a number from 0 up to one million, drawn by the caller.
"""

from __future__ import annotations

import dataclasses
import datetime as dt

from fleet import errors
from fleet.model.statuses import HoldReason

FIRST_WAIT = dt.timedelta(seconds=10)
LONGEST_WAIT = dt.timedelta(minutes=5)
CONFLICT_WAIT = dt.timedelta(seconds=30)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """Wait, then look again; not a failure."""

    reason: HoldReason
    wait: dt.timedelta


@dataclasses.dataclass(frozen=True, slots=True)
class Lost:
    """Whether the write took effect is unknown: look it up."""


@dataclasses.dataclass(frozen=True, slots=True)
class Fail:
    """It will not get better by waiting."""


Disposition = Hold | Lost | Fail


def backoff(count: int, *, jitter_ppm: int, first: dt.timedelta = FIRST_WAIT) -> dt.timedelta:
    """Return how long to wait after *count* waits: doubling, capped, the upper half by chance.

    >>> backoff(0, jitter_ppm=0), backoff(20, jitter_ppm=999_999) <= LONGEST_WAIT
    (datetime.timedelta(seconds=5), True)
    """
    full: dt.timedelta = min(first * (1 << min(count, 16)), LONGEST_WAIT)
    return full / 2 + full / 2 * jitter_ppm / 1_000_000


def before_retry(count: int, *, jitter_ppm: int, first: dt.timedelta) -> dt.timedelta:
    """Return how long a target waits before it is tried again: what the file says, and doubling.

    A tenth by chance on top: those that failed together need not come back together.

    >>> before_retry(2, jitter_ppm=0, first=dt.timedelta(minutes=10))
    datetime.timedelta(seconds=2400)
    """
    full = min(first * (1 << min(count, 16)), _LONGEST_RETRY)
    return full + full * jitter_ppm / 10_000_000


_LONGEST_RETRY = dt.timedelta(days=1)


def after_write(error: errors.RemoteError, *, count: int, jitter_ppm: int) -> Disposition:
    """Return what an error in answer to a write asks for.

    Args:
        error: What the adapter made of the answer.
        count: Holds of this step so far.
        jitter_ppm: A draw.
    """
    if isinstance(error, (errors.LostAnswerError, errors.UnexpectedPayloadError)):
        return Lost()
    return _waiting(error, count=count, jitter_ppm=jitter_ppm) or Fail()


def after_read(error: errors.RemoteError, *, count: int, jitter_ppm: int) -> Hold | Fail:
    """Return what an error in answer to a read asks for; a read can always be repeated."""
    if isinstance(error, (errors.LostAnswerError, errors.UnexpectedPayloadError)):
        wait = _wait(error, count, jitter_ppm, first=FIRST_WAIT)
        return Hold(reason=HoldReason.TRANSIENT, wait=wait)
    return _waiting(error, count=count, jitter_ppm=jitter_ppm) or Fail()


def after_look(error: errors.RemoteError, *, count: int, jitter_ppm: int) -> Hold:
    """Return what an error asks for that keeps a write, once it is out, from being looked at.

    The write may well have taken effect, so no such error makes it a failure: it is looked at
    again, for as long as its deadline allows.
    """
    found = after_read(error, count=count, jitter_ppm=jitter_ppm)
    if isinstance(found, Hold):
        return found
    wait = _wait(error, count, jitter_ppm, first=FIRST_WAIT)
    return Hold(reason=HoldReason.TRANSIENT, wait=wait)


def _waiting(error: errors.RemoteError, *, count: int, jitter_ppm: int) -> Hold | None:
    for cls, reason, first in _WAITS:
        if isinstance(error, cls):
            return Hold(reason=reason, wait=_wait(error, count, jitter_ppm, first=first))
    return None


def _wait(
    error: errors.RemoteError, count: int, jitter_ppm: int, *, first: dt.timedelta
) -> dt.timedelta:
    if error.retry_after_s is not None:
        # Source: calling before Retry-After is over restarts the wait.
        return dt.timedelta(seconds=error.retry_after_s)
    return backoff(count, jitter_ppm=jitter_ppm, first=first)


_WAITS: tuple[tuple[type[errors.RemoteError], HoldReason, dt.timedelta], ...] = (
    (errors.ThrottledError, HoldReason.THROTTLED, FIRST_WAIT),
    (errors.ConflictError, HoldReason.CONFLICT, CONFLICT_WAIT),
    (errors.TransientError, HoldReason.TRANSIENT, FIRST_WAIT),
    (errors.AuthError, HoldReason.IDENTITY, FIRST_WAIT),
)
