"""Judging clusters anew while a run goes on, by what its plan was computed from.

The versions are those of the plan: ``latest`` means what it meant then. For clusters that changed
(``onDrift: replan``), and for those that are meant only now (``membership: follow``).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence

from fleet.core import alike, bindings, catalogue, insides, labels, required, selection
from fleet.core.catalogue import Catalogue
from fleet.core.wish import DEFAULT_TRAIN
from fleet.errors import InvariantError
from fleet.model.cluster import Cluster, Extension, Inventory, LocalVersions, VersionLimits
from fleet.model.desired import Desired
from fleet.model.events import JoinedGroup
from fleet.model.plan import Basis, PlanHead, Spread, SpreadGroup, Target


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Census:
    """Who is meant now, beside those of the plan."""

    left: tuple[int, ...]
    """Targets whose clusters are not meant any more."""
    joined: tuple[Target, ...]
    """What clusters need that were not meant before, ordered as a plan's."""
    groups: tuple[JoinedGroup, ...]


def catalogues(
    desired: Desired,
    clusters: Iterable[Cluster],
    *,
    versions: Mapping[str, tuple[str, ...]],
    limits: Mapping[str, Mapping[str, VersionLimits]],
) -> dict[str, Catalogue]:
    """Return the versions of every train that any of *clusters* could be on."""
    trains = {(desired.release_train or DEFAULT_TRAIN).lower(), DEFAULT_TRAIN}
    trains |= {one.release_train.lower() for cluster in clusters for one in cluster.extensions}
    return {
        train: catalogue.of_train(
            train, versions.get(train, ()), profile=desired.profile, limits=limits.get(train)
        )
        for train in trains
    }


def by_location(
    found: Mapping[str, Catalogue],
    clusters: Iterable[Cluster],
    *,
    local: Mapping[str, LocalVersions],
) -> Mapping[str, Mapping[str, Catalogue]]:
    """Return ``{location: {release train: its versions there}}`` for *clusters*.

    Args:
        found: What all locations offer, by train.
        clusters: Whose locations count.
        local: What single locations offer, of trains where they differ.
    """
    if not local:
        return dict.fromkeys({one.location for one in clusters}, found)
    return {
        location: {
            train: catalogue.of_location(common, location, local[train][location])
            if location in local.get(train, ())
            else common
            for train, common in found.items()
        }
        for location in {one.location for one in clusters}
    }


def judged(head: PlanHead, target: Target, cluster: Cluster, found: Extension | None) -> Target:
    """Return what *target*'s cluster needs as it is now.

    Args:
        head: The plan's.
        target: As planned before.
        cluster: As a GET just read it.
        found: The extension, likewise; ``None``: not there.
    """
    now = dataclasses.replace(cluster, extensions=(found,) if found else ())
    # What the target requires was seen before its own extension was, and is not asked again.
    (anew,) = _judged(head, dataclasses.replace(_basis(head).desired, requires=()), [now])
    way = required.left_there(anew.rollback, target.steps) if anew.rollback else None
    return dataclasses.replace(
        anew, wave=target.wave, groups=target.groups, calendars=target.calendars, rollback=way
    )


def census(
    head: PlanHead, targets: Sequence[Target], inventory: Inventory, *, spreads: Sequence[Spread]
) -> Census:
    """Compare who is meant now with the plan's *targets*, those that joined before included.

    Args:
        head: The plan's.
        targets: Of the plan, and those that joined it.
        inventory: As it is now.
        spreads: The plan's caps by label, with the groups that came up since.
    """
    meant = selection.selected(inventory.clusters, _basis(head).scope)
    ids = {cluster.id.lower() for cluster in meant}
    known = {target.cluster_id.lower() for target in targets}
    fresh = [cluster for cluster in meant if cluster.id.lower() not in known]
    grown = _Grown(spreads)
    rules = _basis(head).tag_calendars
    joined = tuple(
        dataclasses.replace(target, groups=grown.of(cluster), calendars=own)
        for cluster, target in zip(fresh, _judged(head, _basis(head).desired, fresh), strict=True)
        if target.action.is_change
        and (own := bindings.joining(cluster, rules, head.calendars)) is not None
    )
    left = tuple(
        n
        for n, target in enumerate(targets)
        if target.action.is_change and target.cluster_id.lower() not in ids
    )
    return Census(left=left, joined=joined, groups=tuple(grown.groups))


class _Grown:
    """The groups of the plan's spread caps, and those that come up."""

    def __init__(self, spreads: Sequence[Spread]) -> None:
        self._spreads = spreads
        self._places = [{g.value: n for n, g in enumerate(one.groups)} for one in spreads]
        self.groups: list[JoinedGroup] = []

    def of(self, cluster: Cluster) -> tuple[int, ...]:
        """Return in which group of each cap *cluster* is."""
        return tuple(self._place(n, cluster) for n in range(len(self._spreads)))

    def _place(self, spread: int, cluster: Cluster) -> int:
        value = labels.value(cluster, self._spreads[spread].by)
        places = self._places[spread]
        if value not in places:
            places[value] = len(places)
            self.groups.append(JoinedGroup(spread=spread, group=self._group(spread, value)))
        return places[value]

    def _group(self, spread: int, value: str) -> SpreadGroup:
        """Return a group that the plan did not know of: as tight as the tightest that it did."""
        known = self._spreads[spread].groups
        return SpreadGroup(
            value=value,
            target_count=1,
            max_concurrency=_least(one.max_concurrency for one in known),
            max_failures=_least(one.max_failures for one in known),
        )


def _least(numbers: Iterable[int | None]) -> int | None:
    return min((one for one in numbers if one is not None), default=None)


def _judged(head: PlanHead, desired: Desired, clusters: Sequence[Cluster]) -> list[Target]:
    basis = _basis(head)
    offered = catalogues(desired, clusters, versions=basis.versions, limits=basis.version_limits)
    there = by_location(offered, clusters, local=basis.local_versions or {})
    found = alike.judged(clusters, desired, there=there, unreachable=head.unreachable)
    return [
        insides.judged(one, target, desired.profile, basis.works, unreachable=head.unreachable)
        for one, target in zip(clusters, found, strict=True)
    ]


def _basis(head: PlanHead) -> Basis:
    if head.basis is None:
        message = "the plan does not hold what it was computed from"
        raise InvariantError(message)
    return head.basis
