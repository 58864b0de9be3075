"""What stands between us and a rollout, looked at piece by piece.

Every piece is looked at, whatever became of the others; nothing is written.
What is found is told, not judged further: showing it is the command line's business. Where several
principals share the work, each must be able to do all of it.

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

from fleet.azure import answers, authorities, dialects, kql, paths, permissions
from fleet.azure.answers import Answer, Object
from fleet.azure.checks import Check, Verdict
from fleet.azure.credentials import Identity
from fleet.azure.requests import Request
from fleet.azure.service import AzureService
from fleet.azure.tokens import MARGIN
from fleet.azure.transport import exchange
from fleet.errors import FleetError
from fleet.model.desired import Presence
from fleet.model.scope import Scope

_CONCURRENCY = 8
_TRIES = 3
_SKEW_LIMIT_S = 60
_SUBSCRIPTION = re.compile(r"[A-Za-z0-9._-]{1,90}")
_QUOTAS = ("x-ms-ratelimit-remaining-", "x-ms-user-quota-")
_NO_TOKEN = "not looked at: there is no token"  # noqa: S105 - none is
_NO_TOKEN_HINT = "See what is said of the credential."  # noqa: S105 - none is


@dataclasses.dataclass(slots=True, kw_only=True)
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


@dataclasses.dataclass(slots=True, kw_only=True)
class _Person:
    """One of those we are, and what was seen as it."""

    service: AzureService
    """Which asks as nobody else."""
    name: str
    suffix: str
    """Behind the names of its checks, where there are several."""
    seen: _Seen
    identity: Identity | None = None
    """``None``: there is no token."""


async def examine(
    service: AzureService, scope: Scope, presence: Presence = Presence.PRESENT
) -> tuple[Check, ...]:
    """Look at everything that a rollout over *scope* needs of *service*, as everybody we are.

    Args:
        service: Which is asked, and never written to.
        scope: Where the rollout looks for clusters.
        presence: Whether it installs or uninstalls: these are different rights.
    """
    names = service.wire.principals.names
    people = [_person(service, name, scope, is_alone=len(names) == 1) for name in names]
    checks: list[Check] = []
    for number, one in enumerate(people):
        checks += await _guarded(
            f"credential{one.suffix}", functools.partial(_credential, one, people[:number])
        )
    first = people[0].seen
    checks += [
        *await authorities.checks(service),
        *await _guarded("endpoint", functools.partial(_endpoint, service, first)),
        *await _guarded("clock", functools.partial(_clock, service, first)),
    ]
    for one in people:
        checks += await _rights(one, scope, presence)
    able = next((one for one in people if one.identity), people[0])
    checks += await _providers(able)
    checks += [_quotas(one) for one in people]
    return tuple(checks)


def _person(service: AzureService, name: str, scope: Scope, *, is_alone: bool) -> _Person:
    return _Person(
        service=service.alone(name),
        name=name,
        suffix="" if is_alone else f", {name}",
        seen=_Seen(
            subscriptions=tuple(dict.fromkeys(scope.subscriptions)),
            management_groups=scope.management_groups,
        ),
    )


async def _rights(one: _Person, scope: Scope, presence: Presence) -> Sequence[Check]:
    """Look at what one of us may see and do."""
    name = f"resource graph{one.suffix}"
    if one.identity is None:
        return [
            _unseen(name),
            *(_unseen(f"permissions, {place}{one.suffix}") for place in one.seen.subscriptions),
        ]
    seen = await _guarded(name, functools.partial(_graph, one))
    allowed = await permissions.checks(
        one.service, scope, presence, subscriptions=one.seen.subscriptions
    )
    return [
        *seen,
        *(dataclasses.replace(check, name=f"{check.name}{one.suffix}") for check in allowed),
    ]


def _unseen(name: str) -> Check:
    return Check(name=name, verdict=Verdict.FAIL, detail=_NO_TOKEN, hint=_NO_TOKEN_HINT)


async def _guarded(name: str, check: Callable[[], Awaitable[Sequence[Check]]]) -> Sequence[Check]:
    try:
        return await check()
    except FleetError as error:
        return (Check(name=name, verdict=Verdict.FAIL, detail=error.message, hint=error.hint),)


async def _credential(one: _Person, others: Sequence[_Person]) -> Sequence[Check]:
    wire = one.service.wire
    token = await wire.tokens.current()
    identity = one.identity = await wire.tokens.identity()
    detail = (
        f"{one.name}: principal {identity.principal} of tenant {identity.tenant}, "
        f"token good until {token.expires_at:%Y-%m-%d %H:%M:%S} UTC"
    )
    verdict, hint = Verdict.OK, None
    if token.expires_at - wire.clock.now() <= MARGIN:
        verdict, hint = Verdict.WARN, "It ends soon; can the credential renew it by itself?"
    for other in others:
        if other.identity == identity:
            verdict, hint = Verdict.WARN, f"It is the same as {other.name}, and adds nothing."
        elif other.identity and other.identity.tenant != identity.tenant:
            verdict, hint = Verdict.FAIL, "Name credentials of one tenant."
    name = f"credential{one.suffix}"
    return (Check(name=name, verdict=verdict, detail=detail, hint=hint),)


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


async def _graph(one: _Person) -> Sequence[Check]:
    """Ask once for all subscriptions: the quota is 15 queries in 5 seconds."""
    seen = one.seen
    rows, answer = await one.service.graph.table(
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
        name = f"resource graph{one.suffix}"
        return (Check(name=name, verdict=verdict, detail=detail, hint=hint),)
    return tuple(
        _readable(f"resource graph, {place}{one.suffix}", counts.get(place.lower()))
        for place in seen.subscriptions
    )


def _readable(name: str, count: object) -> Check:
    if isinstance(count, int) and count > 0:
        detail = f"{count} connected clusters can be read"
        return Check(name=name, verdict=Verdict.OK, detail=detail)
    return Check(
        name=name,
        verdict=Verdict.WARN,
        detail="no connected cluster can be read",
        hint="Either it has none, or the role Reader is missing: it looks the same from here.",
    )


async def _providers(able: _Person) -> Sequence[Check]:
    """Look at every subscription as one of us: registered is registered for all."""
    service, seen = able.service, able.seen
    if able.identity is None:
        return [_unseen(f"provider, {subscription}") for subscription in seen.subscriptions]
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
    answer, body = await dialects.provider(service.wire, subscription, tries=_TRIES)
    seen.keep(answer)
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


def _quotas(one: _Person) -> Check:
    name, seen = f"quotas{one.suffix}", one.seen
    if not seen.quotas:
        detail = "no answer said how many requests are left"
        return Check(name=name, verdict=Verdict.OK, detail=detail)
    detail = ", ".join(
        f"{header.removeprefix('x-ms-')} {value}" for header, value in sorted(seen.quotas.items())
    )
    used_up = any(
        "remaining" in header and value.strip() == "0" for header, value in seen.quotas.items()
    )
    hint = "Another user of this identity may be using it up." if used_up else None
    verdict = Verdict.WARN if used_up else Verdict.OK
    return Check(name=name, verdict=verdict, detail=detail, hint=hint)
