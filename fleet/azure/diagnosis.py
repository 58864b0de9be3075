"""What stands between us and a rollout, looked at piece by piece.

Every piece is looked at, whatever became of the others; nothing is written.
What is found is told, not judged further: showing it is the command line's business.

Errors:  none; what fails is a :class:`Check` that says so.
"""

from __future__ import annotations

import asyncio
import dataclasses
import datetime as dt
import functools
import re
from collections.abc import Awaitable, Callable, Sequence
from http import HTTPStatus

from fleet.azure import answers, dialects, kql, paths, permissions
from fleet.azure.answers import Answer, Object
from fleet.azure.checks import Check, Verdict
from fleet.azure.requests import Request
from fleet.azure.service import AzureService
from fleet.azure.tokens import MARGIN
from fleet.azure.transport import exchange
from fleet.errors import FleetError
from fleet.model.desired import Presence, Scope

_CONCURRENCY = 8
_TRIES = 3
_SKEW_LIMIT_S = 60
_SUBSCRIPTION = re.compile(r"[A-Za-z0-9._-]{1,90}")
_QUOTAS = ("x-ms-ratelimit-remaining-", "x-ms-user-quota-")


@dataclasses.dataclass(slots=True)
class _Seen:
    """What one check leaves for the next."""

    quotas: dict[str, str] = dataclasses.field(default_factory=dict)
    answered: Answer | None = None
    subscriptions: tuple[str, ...] = ()
    management_groups: tuple[str, ...] = ()

    def keep(self, answer: Answer) -> None:
        self.quotas |= {
            name: answers.line(value, longest=40)
            for name, value in answer.headers.items()
            if name.startswith(_QUOTAS)
        }


async def examine(
    service: AzureService, scope: Scope, presence: Presence = Presence.PRESENT
) -> tuple[Check, ...]:
    """Look at everything that a rollout over *scope* needs of *service*.

    Args:
        service: Which is asked, and never written to.
        scope: Where the rollout looks for clusters.
        presence: Whether it installs or uninstalls: these are different rights.
    """
    seen = _Seen(
        subscriptions=tuple(dict.fromkeys(scope.subscriptions)),
        management_groups=scope.management_groups,
    )
    checks = [
        *await _guarded("credential", functools.partial(_credential, service)),
        *await _guarded("endpoint", functools.partial(_endpoint, service, seen)),
        *await _guarded("clock", functools.partial(_clock, service, seen)),
        *await _guarded("resource graph", functools.partial(_graph, service, seen)),
    ]
    checks += await permissions.checks(service, scope, presence, subscriptions=seen.subscriptions)
    checks += await _providers(service, seen)
    checks += [_quotas(seen)]
    return tuple(checks)


async def _guarded(name: str, check: Callable[[], Awaitable[Sequence[Check]]]) -> Sequence[Check]:
    try:
        return await check()
    except FleetError as error:
        return (Check(name=name, verdict=Verdict.FAIL, detail=error.message, hint=error.hint),)


async def _credential(service: AzureService) -> Sequence[Check]:
    token = await service.wire.tokens.current()
    identity = await service.identity()
    left = token.expires_at - service.wire.clock.now()
    detail = (
        f"{service.kind}: principal {identity.principal} of tenant {identity.tenant}, "
        f"token good until {token.expires_at:%Y-%m-%d %H:%M:%S} UTC"
    )
    verdict = Verdict.OK if left > MARGIN else Verdict.WARN
    hint = None if left > MARGIN else "It ends soon; can the credential renew it by itself?"
    return (Check(name="credential", verdict=verdict, detail=detail, hint=hint),)


async def _endpoint(service: AzureService, seen: _Seen) -> Sequence[Check]:
    """Ask what needs no token, so that a missing one does not hide a missing network."""
    wire = service.wire
    query = {"api-version": paths.ENDPOINTS_API}
    request = Request(
        method="GET",
        url=paths.url(wire.place.url, "/metadata/endpoints", query),
        what=f"asking {wire.place.url}",
    )
    seen.answered = await exchange(wire.opened, request, {})
    seen.keep(seen.answered)
    transport = "without TLS" if wire.place.is_plain else "over TLS"
    detail = f"{wire.place.url} ({wire.place.cloud}) answers {transport}"
    if seen.answered.status < HTTPStatus.INTERNAL_SERVER_ERROR:
        return (Check(name="endpoint", verdict=Verdict.OK, detail=detail),)
    detail = f"{detail}, with {seen.answered.status}"
    return (Check(name="endpoint", verdict=Verdict.WARN, detail=detail),)


async def _clock(service: AzureService, seen: _Seen) -> Sequence[Check]:
    theirs = answers.moment(seen.answered.headers.get("date")) if seen.answered else None
    if theirs is None:
        detail = "the endpoint does not say what time it is"
        return (Check(name="clock", verdict=Verdict.WARN, detail=detail),)
    skew: dt.timedelta = service.wire.clock.now() - theirs
    skew_s = round(skew.total_seconds())
    ahead = "ahead of" if skew_s > 0 else "behind"
    detail = f"{abs(skew_s)} s {ahead} the service's" if skew_s else "the same as the service's"
    if abs(skew_s) <= _SKEW_LIMIT_S:
        return (Check(name="clock", verdict=Verdict.OK, detail=detail),)
    hint = "Set this machine's clock: tokens and windows go by it."
    return (Check(name="clock", verdict=Verdict.WARN, detail=detail, hint=hint),)


async def _graph(service: AzureService, seen: _Seen) -> Sequence[Check]:
    """Ask once for all subscriptions: the quota is 15 queries in 5 seconds."""
    rows, answer = await service.graph.table(
        kql.COUNT, subscriptions=seen.subscriptions, management_groups=seen.management_groups
    )
    seen.keep(answer)
    counts = {
        found.lower(): row.get("clusters")
        for row in rows
        if isinstance(found := row.get("subscriptionId"), str) and _SUBSCRIPTION.fullmatch(found)
    }
    if not seen.subscriptions:
        seen.subscriptions = tuple(sorted(counts))
        whose = ", ".join(seen.management_groups) or "the tenant"
        detail = f"{len(counts)} subscriptions of {whose} have clusters that can be read"
        hint = None if counts else "Ask for the role Reader on the subscriptions that are meant."
        verdict = Verdict.OK if counts else Verdict.WARN
        return (Check(name="resource graph", verdict=verdict, detail=detail, hint=hint),)
    return tuple(_readable(one, counts.get(one.lower())) for one in seen.subscriptions)


def _readable(subscription: str, count: object) -> Check:
    name = f"resource graph, {subscription}"
    if isinstance(count, int) and count > 0:
        detail = f"{count} connected clusters can be read"
        return Check(name=name, verdict=Verdict.OK, detail=detail)
    return Check(
        name=name,
        verdict=Verdict.WARN,
        detail="no connected cluster can be read",
        hint="Either it has none, or the role Reader is missing: it looks the same from here.",
    )


async def _providers(service: AzureService, seen: _Seen) -> Sequence[Check]:
    gate = asyncio.Semaphore(_CONCURRENCY)

    async def one(subscription: str) -> Sequence[Check]:
        name = f"provider, {subscription}"
        async with gate:
            return await _guarded(
                name, functools.partial(_provider, service, seen, subscription, name)
            )

    async with asyncio.TaskGroup() as tasks:
        asked = [tasks.create_task(one(subscription)) for subscription in seen.subscriptions]
    return [check for task in asked for check in task.result()]


async def _provider(
    service: AzureService, seen: _Seen, subscription: str, name: str
) -> Sequence[Check]:
    answer = await dialects.provider(service.wire, subscription, tries=_TRIES)
    seen.keep(answer)
    body = answer.object(what=f"reading {paths.PROVIDER}")
    found = body.get("registrationState")
    state = answers.line(found, longest=40) if isinstance(found, str) else ""
    if state.lower() != "registered":
        detail = f"{paths.PROVIDER} is {state or 'in an unknown state'}"
        hint = f"az provider register --namespace {paths.PROVIDER} --subscription {subscription}"
        return (Check(name=name, verdict=Verdict.FAIL, detail=detail, hint=hint),)
    return (_versions(body, name, spoken=service.api_version),)


def _versions(body: Object, name: str, *, spoken: str) -> Check:
    offered = dialects.routed(body)
    if spoken in offered:
        detail = f"registered; extensions are spoken in {', '.join(offered)}"
        return Check(name=name, verdict=Verdict.OK, detail=detail)
    detail = (
        f"registered; {spoken}, which is to be spoken, is not among the api-versions "
        f"offered for extensions ({', '.join(offered) or 'none'})"
    )
    return Check(name=name, verdict=Verdict.WARN, detail=detail)


def _quotas(seen: _Seen) -> Check:
    if not seen.quotas:
        detail = "no answer said how many requests are left"
        return Check(name="quotas", verdict=Verdict.OK, detail=detail)
    detail = ", ".join(
        f"{name.removeprefix('x-ms-')} {value}" for name, value in sorted(seen.quotas.items())
    )
    used_up = any(
        "remaining" in name and value.strip() == "0" for name, value in seen.quotas.items()
    )
    hint = "Another user of this identity may be using it up." if used_up else None
    verdict = Verdict.WARN if used_up else Verdict.OK
    return Check(name="quotas", verdict=verdict, detail=detail, hint=hint)
