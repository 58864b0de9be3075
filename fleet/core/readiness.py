"""How ready a wave is, by what the service says now: for whoever is to agree to it.

Tells, and judges nothing. What is not known is told as that, and why.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from fleet.core import steps
from fleet.model.cluster import Inventory
from fleet.model.plan import Target

# Source: the service's own default.
_TRAIN = "stable"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """Whether a version that a wave brings is offered."""

    train: str
    location: str
    version: str
    target_count: int
    """Targets there that get it."""
    is_offered: bool | None
    """``None``: the service does not tell."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Readiness:
    """What is known of a wave's clusters now."""

    target_count: int
    connected_count: int
    unconnected: tuple[str, ...]
    """Names of clusters whose agents are not connected."""
    missing: tuple[str, ...]
    """Names of clusters that are not there any more, or that we may not see."""
    offers: tuple[Offer, ...]
    """By train, location and version; empty where no version is brought."""
    warnings: tuple[str, ...]
    """What the service did not tell, or not wholly."""


def of_wave(targets: Sequence[Target], inventory: Inventory) -> Readiness:
    """Return how ready *targets* are, as *inventory* has it."""
    known = {one.id.lower(): one for one in inventory.clusters}
    found = [(target, known.get(target.cluster_id.lower())) for target in targets]
    connected = sum(one is not None and one.is_reachable for _, one in found)
    return Readiness(
        target_count=len(targets),
        connected_count=connected,
        unconnected=tuple(
            target.cluster_name for target, one in found if one and not one.is_reachable
        ),
        missing=tuple(target.cluster_name for target, one in found if one is None),
        offers=tuple(_offers(targets, inventory)),
        warnings=inventory.warnings,
    )


def trains(targets: Iterable[Target]) -> frozenset[str]:
    """Return the release trains that versions are brought from, lower case."""
    return frozenset(train for target in targets for train, _ in _brought(target))


def _offers(targets: Iterable[Target], inventory: Inventory) -> Iterator[Offer]:
    wanted = Counter(
        (train, target.location, version)
        for target in targets
        for train, version in _brought(target)
    )
    for (train, location, version), count in sorted(wanted.items()):
        yield Offer(
            train=train,
            location=location,
            version=version,
            target_count=count,
            is_offered=_is_offered(inventory, train, location, version),
        )


def _brought(target: Target) -> frozenset[tuple[str, str]]:
    """Return the versions that a target's steps bring, with their trains."""
    return frozenset(
        ((step.release_train or target.facts.release_train or _TRAIN).lower(), step.version)
        for step in steps.own(target.steps)
        if step.version is not None
    )


def _is_offered(inventory: Inventory, train: str, location: str, version: str) -> bool | None:
    # NB: locations are told one by one only where they differ.
    local = inventory.local_versions.get(train)
    offered = local.get(location.lower()) if local is not None else inventory.versions.get(train)
    return None if offered is None else version in offered
