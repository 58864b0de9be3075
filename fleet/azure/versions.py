"""Which versions the service offers, per release train and location, and where they do not run.

Each location is asked. One that does not tell is asked about again by way of a
cluster there, which is told the same by another route and right; where that one
does not tell either, nothing is known of the location, and the profile's own
list serves. What any location says of a version's limits holds in all.

Requests grow with the locations, and never with the clusters.
"""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Iterable, Mapping, Sequence

from fleet.azure import limits, offers, paths
from fleet.azure.offers import Offer, Untold
from fleet.azure.wire import Wire
from fleet.model.cluster import Cluster, LocalVersions, VersionLimits

DEFAULT_TRAIN = "stable"
CONCURRENCY = 8
_NAMED = 3
_UNTOLD = "the service does not tell (is reading extension types allowed?) which versions it offers"
_PROFILE = "what the profile knows is used there instead"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Offered:
    """What is offered, as an inventory holds it."""

    versions: Mapping[str, tuple[str, ...]]
    local_versions: Mapping[str, LocalVersions]
    limits: Mapping[str, Mapping[str, VersionLimits]]
    warnings: tuple[str, ...]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    """A location, and whom to ask about it."""

    location: str
    subscription: str
    cluster_id: str | None
    """A connected cluster there; ``None``: none is."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class _Found:
    """What is known of one train in one location."""

    location: str
    offer: Offer | None
    """``None``: nothing."""
    note: str = ""
    """Where it is from, if not from the location itself; or why nothing is known."""


async def offered(
    wire: Wire, clusters: Iterable[Cluster], *, extension_type: str, release_train: str | None
) -> Offered:
    """Return what is offered of *extension_type* where *clusters* are.

    Args:
        wire: Where to ask.
        clusters: Ordered by id: whose locations count, and whose trains are asked for as well.
        extension_type: As the service calls it.
        release_train: The one that is wished for; ``None``: the service's default.
    """
    clusters = tuple(clusters)
    places = _places(clusters)
    trains = _trains(clusters, extension_type, release_train) if places else ()
    found = await _all(wire, extension_type, trains, places)
    told = {
        train: some for train, some in found.items() if any(one.offer is not None for one in some)
    }
    common = {train: _everywhere(some) for train, some in told.items()}
    limited = {train: _limits(some) for train, some in told.items()}
    return Offered(
        versions=common,
        local_versions={
            train: {one.location: None if one.offer is None else tuple(one.offer) for one in some}
            for train, some in told.items()
            if not _are_alike(some)
        },
        limits={
            train: some for train, one in limited.items() if (some := limits.only_limited(one))
        },
        warnings=(
            *(warning for train, some in found.items() for warning in _warnings(train, some)),
            *(warning for one in limited.values() for warning in limits.unreadable(one)),
        ),
    )


def _places(clusters: Iterable[Cluster]) -> Sequence[_Place]:
    """Return each location once, with the first subscription and connected cluster in it."""
    firsts: dict[str, Cluster] = {}
    connected: dict[str, Cluster] = {}
    for one in clusters:
        firsts.setdefault(one.location, one)
        if one.is_reachable:
            connected.setdefault(one.location, one)
    return [
        _Place(
            location=location,
            subscription=first.subscription,
            cluster_id=connected[location].id if location in connected else None,
        )
        for location, first in firsts.items()
    ]


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
    wire: Wire, extension_type: str, trains: Iterable[str], places: Sequence[_Place]
) -> Mapping[str, Sequence[_Found]]:
    gate = asyncio.Semaphore(CONCURRENCY)

    async def one(train: str, place: _Place) -> _Found:
        async with gate:
            return await _there(wire, extension_type, train, place)

    try:
        async with asyncio.TaskGroup() as tasks:
            asked = {
                train: [tasks.create_task(one(train, place)) for place in places]
                for train in trains
            }
    except ExceptionGroup as group:
        # The first says enough; the others were cancelled or say the same.
        raise group.exceptions[0] from None
    return {train: [task.result() for task in some] for train, some in asked.items()}


async def _there(wire: Wire, extension_type: str, train: str, place: _Place) -> _Found:
    """Ask a location, and where it does not tell, a cluster in it."""
    base, query = wire.place.url, {"releaseTrain": train}
    url = paths.location_versions_url(
        base, place.subscription, place.location, extension_type, query
    )
    what = f"versions of {extension_type} in {place.location}"
    found = await offers.offer(wire, url, what=what)
    if not isinstance(found, Untold):
        return _Found(location=place.location, offer=found)
    if place.cluster_id is None:
        note = f"it answers {found.why}, and no cluster there is connected"
        return _Found(location=place.location, offer=None, note=note)
    name = paths.parts_of(place.cluster_id).name
    url = paths.cluster_versions_url(base, place.cluster_id, extension_type, query)
    by_cluster = await offers.offer(wire, url, what=f"versions of {extension_type} for {name}")
    if isinstance(by_cluster, Untold):
        note = f"it answers {found.why}, and for its cluster {name} {by_cluster.why}"
        return _Found(location=place.location, offer=None, note=note)
    note = f"it answers {found.why}; what its cluster {name} is offered is used instead"
    return _Found(location=place.location, offer=by_cluster, note=note)


def _offers(some: Iterable[_Found]) -> Sequence[Offer]:
    return [one.offer for one in some if one.offer is not None]


def _are_alike(some: Sequence[_Found]) -> bool:
    """Whether all locations tell, and the same."""
    known = _offers(some)
    return len(known) == len(some) and all(one.keys() == known[0].keys() for one in known)


def _everywhere(some: Iterable[_Found]) -> tuple[str, ...]:
    first, *others = _offers(some)
    return tuple(version for version in first if all(version in one for one in others))


def _limits(some: Iterable[_Found]) -> Offer:
    known = _offers(some)
    every = dict.fromkeys(version for one in known for version in one)
    return {
        version: limits.together(one[version] for one in known if version in one)
        for version in every
    }


def _warnings(train: str, some: Sequence[_Found]) -> Iterable[str]:
    """Say whose list serves where a location's own does not, and what is not offered everywhere."""
    of_train = f"release train {train}"
    unknown = [one for one in some if one.offer is None]
    if unknown:
        yield f"{of_train}: {_UNTOLD} in {_named(map(_noted, unknown))}; {_PROFILE}"
    by_cluster = [one for one in some if one.offer is not None and one.note]
    if by_cluster:
        yield f"{of_train}: {_UNTOLD} in {_named(map(_noted, by_cluster))}"
    known = [one for one in some if one.offer is not None]
    every = dict.fromkeys(version for one in known for version in one.offer or ())
    partly = [
        f"{version} (not in {_named(absent)})"
        for version in every
        if (absent := [one.location for one in known if version not in (one.offer or ())])
    ]
    if partly:
        yield f"{of_train}: not every location offers every version: {_named(partly)}"


def _noted(one: _Found) -> str:
    return f"{one.location} ({one.note})"


def _named(names: Iterable[str]) -> str:
    every = list(names)
    more = f" and {len(every) - _NAMED} more" if len(every) > _NAMED else ""
    return f"{', '.join(every[:_NAMED])}{more}"
