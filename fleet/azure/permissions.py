"""What a plan must be allowed to do, and whether the caller is: asked, never tried.

Asked of a subscription first, as what is granted there holds below; where
something is missing, of each resource group with clusters that are meant. What
was granted on single clusters is not seen.

Errors:  none; what cannot be asked is a :class:`Check` that says so.
Source:  Microsoft.Authorization/permissions of 2022-04-01; role definitions: an action is allowed
         where one grant allows it and that same grant does not take it back.
"""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from fleet.azure import kql, paths
from fleet.azure.answers import Object, next_link
from fleet.azure.checks import Check, Verdict
from fleet.azure.reads import read
from fleet.azure.requests import Request
from fleet.azure.templates import lowered
from fleet.errors import AuthError, FleetError, UnexpectedPayloadError
from fleet.model.desired import Presence
from fleet.model.scope import Scope

if TYPE_CHECKING:
    from fleet.azure.service import AzureService
    from fleet.azure.wire import Wire

ASKING = "Microsoft.Authorization/permissions/read"
"""What it takes to ask."""
_CLUSTERS = "Microsoft.Kubernetes/connectedClusters"
_EXTENSIONS = f"{paths.PROVIDER}/extensions"
_CONCURRENCY = 8
_TRIES = 3
_MOST_PAGES = 20
_MOST_GROUPS = 50
"""Resource groups that are asked one by one, in one subscription."""
_NAMED = 5
_HINT = "Whoever grants access there can assign a role that allows it: see deploy/azure-role.json."
_HINT_OF_ASKING = f"Whoever grants access can allow {ASKING}; until then it shows when it is tried."


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """An action, in the words of role definitions."""

    action: str
    without: str | None = None
    """What is done without it; ``None``: nothing works."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """What one role allows."""

    actions: tuple[str, ...]
    not_actions: tuple[str, ...] = ()


def needs(presence: Presence) -> tuple[Need, ...]:
    """Return what a plan must be allowed to do: to delete only where it uninstalls."""
    deed = "delete" if presence is Presence.ABSENT else "write"
    unseen = "policies are not looked at"
    return (
        Need(action=f"{_CLUSTERS}/read"),
        Need(action=f"{_EXTENSIONS}/read"),
        Need(action=f"{_EXTENSIONS}/{deed}"),
        Need(action=f"{_EXTENSIONS}/operations/read"),
        Need(
            action=f"{paths.PROVIDER}/locations/extensionTypes/versions/read",
            without="one cluster of each location is asked, else the profile's versions are used",
        ),
        Need(
            action="Microsoft.Resources/subscriptions/read",
            without="a policy of any management group counts",
        ),
        Need(
            action="Microsoft.Resources/subscriptions/providers/read",
            without="whether the provider is registered is not seen",
        ),
        *(
            Need(action=f"Microsoft.Authorization/{kind}/read", without=unseen)
            for kind in ("policyAssignments", "policyDefinitions", "policySetDefinitions")
        ),
    )


def is_allowed(action: str, grants: Iterable[Grant]) -> bool:
    """Tell whether *grants* allow an action; patterns have ``*``, and no case."""
    return any(_fits(action, one.actions) and not _fits(action, one.not_actions) for one in grants)


async def checks(
    service: AzureService, scope: Scope, presence: Presence, *, subscriptions: Sequence[str]
) -> list[Check]:
    """Look at every subscription, and at its resource groups where that is not enough."""
    examination = _Examination(service=service, scope=scope, needs=needs(presence))
    gate = asyncio.Semaphore(_CONCURRENCY)

    async def one(subscription: str) -> Check:
        async with gate:
            return await _looked_at(examination, subscription)

    async with asyncio.TaskGroup() as tasks:
        asked = [tasks.create_task(one(subscription)) for subscription in subscriptions]
    return [task.result() for task in asked]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class _Examination:
    service: AzureService
    scope: Scope
    needs: tuple[Need, ...]


async def _looked_at(examination: _Examination, subscription: str) -> Check:
    name = f"permissions, {subscription}"
    place = f"/subscriptions/{paths.quoted(subscription)}"
    try:
        missing = await _missing(examination.service.wire, place, examination.needs)
        wished = [one for one in missing if one.without is not None]
        needed = tuple(one for one in missing if one.without is None)
        lacking = await _in_groups(examination, subscription, needed) if needed else {}
    except AuthError as error:
        return Check(name=name, verdict=Verdict.FAIL, detail=error.message, hint=error.hint)
    except FleetError as error:
        detail = f"what is allowed cannot be asked: {error.message}"
        return Check(name=name, verdict=Verdict.WARN, detail=detail, hint=_HINT_OF_ASKING)
    return _told(name, lacking, wished)


def _told(name: str, lacking: Mapping[str, Sequence[Need]], wished: Sequence[Need]) -> Check:
    told = [
        f"{place}: {', '.join(one.action for one in needed)}"
        for place, needed in list(lacking.items())[:_NAMED]
    ]
    if len(lacking) > _NAMED:
        told.append(f"and {len(lacking) - _NAMED} places more")
    told += [f"{one.action} (without it, {one.without})" for one in wished]
    if not told:
        detail = "all that this plan needs is allowed"
        return Check(name=name, verdict=Verdict.OK, detail=detail)
    verdict = Verdict.FAIL if lacking else Verdict.WARN
    return Check(name=name, verdict=verdict, detail=f"missing: {'; '.join(told)}", hint=_HINT)


async def _in_groups(
    examination: _Examination, subscription: str, needed: tuple[Need, ...]
) -> Mapping[str, Sequence[Need]]:
    """Return what is missing where, of what the subscription itself does not allow."""
    groups = await _groups(examination, subscription)
    if not groups or len(groups) > _MOST_GROUPS:
        return {"the subscription": needed}
    found = {}
    for group in groups:
        place = f"/subscriptions/{paths.quoted(subscription)}/resourceGroups/{paths.quoted(group)}"
        missing = await _missing(examination.service.wire, place, needed)
        if missing:
            found[group] = missing
    return found


async def _groups(examination: _Examination, subscription: str) -> Sequence[str]:
    """Return the resource groups with clusters that are meant."""
    rows, _ = await examination.service.graph.table(
        kql.groups(examination.scope.match, examination.scope.kql), subscriptions=(subscription,)
    )
    names = {found for row in rows if isinstance(found := row.get("resourceGroup"), str)}
    return sorted(one for one in names if one)


async def _missing(wire: Wire, place: str, needed: Sequence[Need]) -> tuple[Need, ...]:
    grants = await _grants(wire, place)
    return tuple(one for one in needed if not is_allowed(one.action, grants))


async def _grants(wire: Wire, place: str) -> tuple[Grant, ...]:
    """Return what the caller is granted at a place, from above too."""
    query = {"api-version": paths.PERMISSIONS_API}
    path = f"{place}/providers/Microsoft.Authorization/permissions"
    following: str | None = paths.url(wire.place.url, path, query)
    found: list[Grant] = []
    for _ in range(_MOST_PAGES):
        if following is None:
            return tuple(found)
        request = Request(method="GET", url=following, what=f"asking what is allowed in {place}")
        _, body = await read(wire, request, tries=_TRIES)
        found += _read(body, request.what)
        following = next_link(body, request.what)
    message = f"asking what is allowed in {place}: the list has no end"
    raise UnexpectedPayloadError(message)


def _read(body: Object, what: str) -> Iterator[Grant]:
    value = body.get("value")
    if not isinstance(value, list):
        message = f"{what}: value is missing or cannot be read"
        raise UnexpectedPayloadError(message)
    for one in value:
        fields = lowered(one)
        yield Grant(
            actions=_patterns(fields, "actions", what),
            not_actions=_patterns(fields, "notActions", what),
        )


def _patterns(fields: Mapping[str, object], name: str, what: str) -> tuple[str, ...]:
    # NB: what is taken back and cannot be read must not count as allowed.
    value = fields.get(name.lower())
    if not isinstance(value, list | None) or not all(isinstance(one, str) for one in value or ()):
        message = f"{what}: {name} cannot be read"
        raise UnexpectedPayloadError(message)
    return tuple(value or ())


def _fits(action: str, patterns: Iterable[str]) -> bool:
    return any(_is_match(action.lower(), one.lower()) for one in patterns)


def _is_match(action: str, pattern: str) -> bool:
    # NB: an asterisk is the only wildcard, and stands for slashes too. No regular expression: of
    # many asterisks in a row of letters, it would try every way.
    first, *others = pattern.split("*")
    if not others:
        return action == pattern
    *inner, last = others
    at = len(first)
    if not action.startswith(first):
        return False
    for part in inner:
        found = action.find(part, at)
        if found < 0:
            return False
        at = found + len(part)
    return action.endswith(last) and len(action) - len(last) >= at
