"""Which versions the service offers, per release train, and where they do not run.

A version counts as offered where every location of the clusters offers it, and
what any of them says of its limits holds.
Where the service does not know the type, does not speak this api, or does not
let us read it, nothing is known of the train, and the profile's own list serves.

Source:  extensionTypes were seen refused as InvalidResourceType for some subscriptions; the role
         that may write extensions does not always read their types.
"""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Iterable, Mapping
from http import HTTPStatus

from fleet.azure import limits, paths
from fleet.azure.answers import Answer, Object, next_link, problem_of
from fleet.azure.refusals import refusal
from fleet.azure.requests import Request
from fleet.azure.retries import reading
from fleet.azure.wire import Wire
from fleet.errors import UnexpectedPayloadError
from fleet.model.cluster import Cluster, VersionLimits

Offer = Mapping[str, VersionLimits]
"""Versions, in the service's order, each with its limits."""

DEFAULT_TRAIN = "stable"
CONCURRENCY = 8
_MOST_PAGES = 200
_LONGEST_VERSION = 128
_UNKNOWN_CODES = frozenset(
    {"invalidresourcetype", "noregisteredproviderfound", "invalidapiversionparameter"}
)
_LEFT_OUT = (HTTPStatus.NOT_FOUND, HTTPStatus.FORBIDDEN, HTTPStatus.BAD_REQUEST)


async def offered(
    wire: Wire, clusters: Iterable[Cluster], *, extension_type: str, release_train: str | None
) -> Mapping[str, Offer | None]:
    """Return ``{release train, lower case: versions}`` for *extension_type*.

    ``None`` instead of versions: the service does not tell.

    Args:
        wire: Where to ask.
        clusters: Whose locations count, and whose trains are asked for as well.
        extension_type: As the service calls it.
        release_train: The one that is wished for; ``None``: the service's default.
    """
    clusters = tuple(clusters)
    # One subscription of each location asks for it.
    places = {one.location: one.subscription for one in reversed(clusters)}
    trains = _trains(clusters, extension_type, release_train) if places else ()
    found = await _all(wire, extension_type, trains, places)
    return {train: _common(found, train) for train in trains}


def _trains(
    clusters: Iterable[Cluster], extension_type: str, release_train: str | None
) -> tuple[str, ...]:
    used = {
        one.release_train.lower()
        for cluster in clusters
        for one in cluster.extensions
        if one.extension_type.lower() == extension_type.lower()
    }
    return tuple(sorted({*used, (release_train or DEFAULT_TRAIN).lower()}))


async def _all(
    wire: Wire, extension_type: str, trains: Iterable[str], places: Mapping[str, str]
) -> Mapping[tuple[str, str], Offer | None]:
    gate = asyncio.Semaphore(CONCURRENCY)

    async def one(train: str, location: str) -> Offer | None:
        url = _url(wire.place.url, places[location], location, extension_type, train)
        async with gate:
            return await _list(wire, url, what=f"versions of {extension_type} in {location}")

    try:
        async with asyncio.TaskGroup() as tasks:
            asked = {
                (train, location): tasks.create_task(one(train, location))
                for train in trains
                for location in places
            }
    except ExceptionGroup as group:
        # The first says enough; the others were cancelled or say the same.
        raise group.exceptions[0] from None
    return {key: task.result() for key, task in asked.items()}


def _common(found: Mapping[tuple[str, str], Offer | None], train: str) -> Offer | None:
    offers = [offer for (one, _), offer in found.items() if one == train]
    known = [offer for offer in offers if offer is not None]
    if not known or len(known) < len(offers):
        return None
    everywhere = set(known[0]).intersection(*known[1:])
    return {
        version: limits.together(offer[version] for offer in known)
        for version in known[0]
        if version in everywhere
    }


async def _list(wire: Wire, url: str, *, what: str) -> Offer | None:
    """Return all versions from *url* on; ``None`` where the service does not know or say."""
    versions: dict[str, VersionLimits] = {}
    seen: set[str] = set()
    following: str | None = url
    while following is not None:
        if following in seen or len(seen) >= _MOST_PAGES or not wire.place.is_at(following):
            message = f"{what}: the next page leads in a circle or to another host"
            raise UnexpectedPayloadError(message)
        seen.add(following)
        request = Request(method="GET", url=following, what=what)
        answer = await reading(
            functools.partial(wire.call, request, passing=_LEFT_OUT), clock=wire.clock
        )
        if answer.status in _LEFT_OUT:
            if _is_unknown(answer):
                return None
            raise refusal(answer, request, now=wire.clock.now())
        body = answer.object(what=what)
        versions |= dict(_versions(body.get("value"), what))
        following = next_link(body, what)
    return versions


def _is_unknown(answer: Answer) -> bool:
    if answer.status == HTTPStatus.BAD_REQUEST:
        return problem_of(answer).code.lower() in _UNKNOWN_CODES
    return True


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


def _url(base: str, subscription: str, location: str, extension_type: str, train: str) -> str:
    path = (
        f"/subscriptions/{paths.quoted(subscription)}/providers/{paths.PROVIDER}"
        f"/locations/{paths.quoted(location)}/extensionTypes/{paths.quoted(extension_type.lower())}/versions"
    )
    query = {
        "api-version": paths.TYPES_API,
        "clusterType": "connectedClusters",
        "releaseTrain": train,
    }
    return paths.url(base, path, query)
