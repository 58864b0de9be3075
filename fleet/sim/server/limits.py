"""How much may be asked: Resource Manager's buckets, and Resource Graph's quota.

A bucket belongs to a subscription, a principal and a kind of request; a second
one, fifteen times as large, is shared by all principals. Whoever asks before
the wait is over begins to wait anew.

Units:   tokens; the caller says when, in the world's time.
Source:  documented limits; recorded headers: the global ones are exactly 15 times the others.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import math
from collections.abc import Mapping

from fleet.sim.recipe import Rate, Wire
from fleet.sim.server import answers
from fleet.sim.server.answers import Answer, RefusalError

_GLOBAL = 15
_KINDS = {"GET": "reads", "HEAD": "reads", "DELETE": "deletes"}
_ACTIONS = {"reads": "read", "writes": "write", "deletes": "delete"}

GRAPH_QUOTA = 15
GRAPH_WINDOW = dt.timedelta(seconds=5)


class Bucket:
    """Tokens that come back with time."""

    def __init__(self, rate: Rate, *, now: dt.datetime) -> None:
        self._rate = rate
        self._tokens = float(rate.burst)
        self._at = now
        self._closed_until = now

    def wait_s(self, now: dt.datetime) -> int:
        """Return how long to wait for a token; 0 where there is one. Asking early begins anew."""
        passed_s = max((now - self._at).total_seconds(), 0.0)
        self._at = max(now, self._at)
        self._tokens = min(self._rate.burst, self._tokens + passed_s * self._rate.per_second)
        if self._tokens >= 1 and now >= self._closed_until:
            return 0
        wait_s = max(math.ceil((1 - self._tokens) / self._rate.per_second), 1)
        self._closed_until = now + dt.timedelta(seconds=wait_s)
        return wait_s

    def take(self) -> int:
        """Take a token, and return how many are left."""
        self._tokens -= 1
        return int(self._tokens)


@dataclasses.dataclass(slots=True, kw_only=True)
class _Window:
    """A quota that is whole again when its time is over."""

    ends_at: dt.datetime
    used: int = 0


class Limits:
    """Every bucket and quota of one server."""

    def __init__(self, wire: Wire) -> None:
        self._rates = {"reads": wire.reads, "writes": wire.writes, "deletes": wire.deletes}
        self._buckets: dict[tuple[str, str, str], Bucket] = {}
        self._windows: dict[str, _Window] = {}

    def take(
        self, method: str, *, subscription: str | None, principal: str, now: dt.datetime
    ) -> Mapping[str, str]:
        """Take what a request costs, and return the headers that say what is left.

        Args:
            method: The HTTP method.
            subscription: Whose; ``None``: the tenant's own.
            principal: The object id in the token.
            now: The moment.
        """
        kind = kind_of(method)
        scope = "tenant" if subscription is None else "subscription"
        own = self._bucket(kind, subscription or "", principal, now=now)
        shared = self._bucket(kind, subscription or "", "", now=now)
        wait_s = own.wait_s(now) or shared.wait_s(now)
        if wait_s:
            raise RefusalError(throttled(kind, subscription, principal, wait_s))
        return {
            f"x-ms-ratelimit-remaining-{scope}-{kind}": str(own.take()),
            f"x-ms-ratelimit-remaining-{scope}-global-{kind}": str(shared.take()),
        }

    def take_query(self, principal: str, *, now: dt.datetime) -> Mapping[str, str]:
        """Take one query of Resource Graph's quota, and return the headers that tell of it.

        NB: no Retry-After when it is used up: none was ever seen, and the headers say when.
        """
        window = self._windows.get(principal)
        if window is None or window.ends_at <= now:
            window = self._windows[principal] = _Window(ends_at=now + GRAPH_WINDOW)
        is_over = window.used >= GRAPH_QUOTA
        window.used += not is_over
        headers = _quota(window, now)
        if is_over:
            raise RefusalError(_no_quota(headers))
        return headers

    def _bucket(self, kind: str, subscription: str, principal: str, *, now: dt.datetime) -> Bucket:
        key = kind, subscription.lower(), principal
        found = self._buckets.get(key)
        if found is None:
            rate = self._rates[kind]
            if not principal:
                burst, per_second = rate.burst * _GLOBAL, rate.per_second * _GLOBAL
                rate = Rate(burst=burst, per_second=per_second)
            found = self._buckets[key] = Bucket(rate, now=now)
        return found


def kind_of(method: str) -> str:
    """Return which bucket a request is taken from."""
    return _KINDS.get(method, "writes")


def throttled(kind: str, subscription: str | None, principal: str, wait_s: int) -> Answer:
    """Return what Resource Manager says where a bucket is empty."""
    scope = "tenant" if subscription is None else f"subscription '{subscription}'"
    message = (
        f"Number of '{_ACTIONS[kind]}' requests for {scope} actor '{principal}' exceeded. "
        f"Please try again after '{wait_s}' seconds after additional tokens are available. "
        "Refer to https://aka.ms/arm-throttling for additional information."
    )
    code = "TenantRequestsThrottled" if subscription is None else "SubscriptionRequestsThrottled"
    headers = {"Retry-After": str(wait_s)}
    return answers.by_gateway(429, code, message, headers=headers)


def no_quota(wait_s: int) -> Answer:
    """Return what Resource Graph says where its quota is used up for that long."""
    return _no_quota(_quota_headers(left=0, left_s=wait_s))


def _quota(window: _Window, now: dt.datetime) -> Mapping[str, str]:
    left_s = math.ceil((window.ends_at - now).total_seconds())
    return _quota_headers(left=GRAPH_QUOTA - window.used, left_s=left_s)


def _quota_headers(*, left: int, left_s: int) -> Mapping[str, str]:
    minutes, seconds = divmod(left_s, 60)
    return {
        "x-ms-user-quota-remaining": str(left),
        "x-ms-user-quota-resets-after": f"{minutes // 60:02d}:{minutes % 60:02d}:{seconds:02d}",
        "x-ms-ratelimit-remaining-tenant-resource-requests": str(left),
    }


def _no_quota(headers: Mapping[str, str]) -> Answer:
    message = (
        "Client application has been throttled and should not attempt to repeat the request "
        "until an amount of time has elapsed. Please see https://aka.ms/resourcegraph-throttling "
        "for help."
    )
    return answers.failed(
        429,
        "RateLimiting",
        message,
        details=[{"code": "RateLimiting", "message": message}],
        headers=headers,
    )
