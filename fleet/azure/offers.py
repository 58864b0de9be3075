"""One list of the versions that a type has on a release train, as one place offers it.

A list that does not come because the place does not know the type, does not
speak this api, or does not let us read it, is no error: it is :class:`Untold`.

Errors:  :exc:`UnexpectedPayloadError` for what is no list; the RemoteErrors of other answers.
Source:  extensionTypes were seen refused as InvalidResourceType for some subscriptions; the role
         that may write extensions does not always read their types.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from http import HTTPStatus

from fleet.azure import limits
from fleet.azure.answers import Answer, Object, line, next_link, problem_of
from fleet.azure.reads import read
from fleet.azure.refusals import refusal
from fleet.azure.requests import Request
from fleet.azure.wire import Wire
from fleet.errors import UnexpectedPayloadError
from fleet.model.cluster import VersionLimits

Offer = Mapping[str, VersionLimits]
"""Versions, in the service's order, each with its limits."""

_MOST_PAGES = 200
_LONGEST_VERSION = 128
_LONGEST_CODE = 60
_UNKNOWN_CODES = frozenset(
    {
        "invalidresourcetype",
        "noregisteredproviderfound",
        "invalidapiversionparameter",
        "locationnotavailableforresourcetype",
    }
)
_LEFT_OUT = (HTTPStatus.NOT_FOUND, HTTPStatus.FORBIDDEN, HTTPStatus.BAD_REQUEST)


@dataclasses.dataclass(frozen=True, slots=True)
class Untold:
    """A place does not tell what it offers."""

    why: str
    """Status and code, such as ``403 AuthorizationFailed``."""


async def offer(wire: Wire, url: str, *, what: str) -> Offer | Untold:
    """Return all versions from *url* on."""
    versions: dict[str, VersionLimits] = {}
    seen: set[str] = set()
    following: str | None = url
    while following is not None:
        if following in seen or len(seen) >= _MOST_PAGES or not wire.place.is_at(following):
            message = f"{what}: the next page leads in a circle or to another host"
            raise UnexpectedPayloadError(message)
        seen.add(following)
        request = Request(method="GET", url=following, what=what)
        answer, body = await read(wire, request, passing=_LEFT_OUT)
        if answer.status in _LEFT_OUT:
            if _is_unknown(answer):
                return _untold(answer)
            raise refusal(answer, request, now=wire.clock.now())
        versions |= dict(_versions(body.get("value"), what))
        following = next_link(body, what)
    return versions


def _is_unknown(answer: Answer) -> bool:
    if answer.status == HTTPStatus.BAD_REQUEST:
        return problem_of(answer).code.lower() in _UNKNOWN_CODES
    return True


def _untold(answer: Answer) -> Untold:
    return Untold(line(f"{answer.status} {problem_of(answer).code}", longest=_LONGEST_CODE))


def _versions(value: object, what: str) -> Iterable[tuple[str, VersionLimits]]:
    if not isinstance(value, list):
        message = f"{what}: value is missing or cannot be read"
        raise UnexpectedPayloadError(message)
    for one in value:
        fields = one if isinstance(one, dict) else {}
        properties = fields.get("properties")
        own: Object = properties if isinstance(properties, dict) else {}
        found = own.get("version") or fields.get("name")
        if not isinstance(found, str) or not 0 < len(found) <= _LONGEST_VERSION:
            message = f"{what}: version is missing or cannot be read"
            raise UnexpectedPayloadError(message)
        yield found, limits.limits_of(own)
