"""Who lives in a world when it begins: clusters and extensions, drawn when asked for.

Nothing here ages or changes; that is :mod:`fleet.sim.world`. Clusters are made
on demand and then kept, and what many of them have in common (extensions,
tags) exists once.

Shapes:  clusters are numbered from 0; a number is what everything else in a world goes by.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import functools
from collections.abc import Mapping
from types import MappingProxyType

from fleet.core import draws
from fleet.model import codec
from fleet.model.cluster import (
    AutoUpgrade,
    Cluster,
    ClusterId,
    Connectivity,
    Extension,
    ProvisioningState,
)
from fleet.sim import messages, names, stock
from fleet.sim.recipe import ABSENT, ExtensionRecipe, Recipe, Special

_SILENT_FOR_H = (1, 30 * 24)
"""How long an offline cluster has not been heard of when the world begins, in hours."""

Site = tuple[str, str, Mapping[str, str]]
"""Subscription, location and tags: what the clusters of one site share."""


class Census:
    """The fleet at the epoch."""

    def __init__(self, recipe: Recipe) -> None:
        self._recipe = recipe
        self._known: dict[int, Cluster] = {}
        self._numbers: dict[str, int] = {}
        self._specials = {names.index(one.cluster, count=len(self)): one for one in recipe.specials}
        self._site = functools.lru_cache(maxsize=4)(self._drawn_site)
        self._extension = functools.cache(self._made_extension)
        self._shared: dict[tuple[int, ...], tuple[Extension, ...]] = {}
        self._installed_at = codec.utc_text(recipe.epoch - dt.timedelta(days=90))

    def __len__(self) -> int:
        """Return how many clusters there are."""
        return self._recipe.cluster_count

    def cluster(self, number: int) -> Cluster:
        """Return a cluster as it is at the epoch."""
        found = self._known.get(number)
        if found is None:
            found = self._known[number] = self._drawn(number)
        return found

    def number(self, cluster_id: ClusterId) -> int | None:
        """Return the number of the cluster with that id, whatever its casing."""
        found = self._numbers.get(cluster_id)
        if found is None:
            found = names.index(cluster_id.rpartition("/")[2], count=len(self))
            if found is None or self.cluster(found).id.lower() != cluster_id.lower():
                return None
            self._numbers[cluster_id] = found
        return found

    def special(self, number: int) -> Special | None:
        """Return what the world file says of this very cluster."""
        return self._specials.get(number) if self._specials else None

    def _drawn(self, number: int) -> Cluster:
        recipe, special = self._recipe, self.special(number)
        subscription, location, tags = self._site(number // 2)
        name = names.cluster(number, count=len(self))
        lots = draws.fractions_ppm(5, recipe.seed, "cluster", name)
        group = names.resource_group(location)
        is_offline = lots[3] < recipe.offline_ppm
        distribution = draws.choose(recipe.distributions, lots[0])
        if special is not None and special.distribution is not None:
            distribution = special.distribution
        cluster = Cluster(
            id=names.cluster_id(subscription=subscription, resource_group=group, name=name),
            name=name,
            subscription=subscription,
            resource_group=group,
            location=location,
            distribution=distribution,
            kubernetes_version=draws.choose(recipe.kubernetes_versions, lots[1]),
            agent_version=draws.choose(recipe.agent_versions, lots[2]),
            connectivity=Connectivity.OFFLINE if is_offline else Connectivity.CONNECTED,
            last_connectivity_at=self._last_heard(lots[4]) if is_offline else recipe.epoch,
            tags=tags,
            extensions=self._extensions(name, distribution, special),
        )
        return cluster if special is None else self._bent(cluster, special, silence=lots[4])

    def _drawn_site(self, site_number: int) -> Site:
        recipe, site = self._recipe, names.site(site_number * 2, count=len(self))
        lots = draws.fractions_ppm(3, recipe.seed, "site", site)
        tags = {
            "env": draws.choose(stock.ENVIRONMENTS, lots[1]),
            "site": site,
            "ring": draws.choose(stock.RINGS, lots[2]),
        }
        subscription = names.subscription(site_number % recipe.subscription_count)
        return subscription, draws.choose(recipe.locations, lots[0]), MappingProxyType(tags)

    def _bent(self, cluster: Cluster, special: Special, *, silence: int) -> Cluster:
        connectivity = special.connectivity or cluster.connectivity
        is_heard = connectivity is Connectivity.CONNECTED
        return dataclasses.replace(
            cluster,
            kubernetes_version=special.kubernetes_version or cluster.kubernetes_version,
            connectivity=connectivity,
            last_connectivity_at=self._recipe.epoch if is_heard else self._last_heard(silence),
            tags=MappingProxyType({**cluster.tags, **special.tags}),
        )

    def _last_heard(self, fraction: int) -> dt.datetime:
        low, high = _SILENT_FOR_H
        hours = low + fraction * (high - low) // draws.CERTAIN_PPM
        return self._recipe.epoch - dt.timedelta(hours=hours)

    def _extensions(
        self, cluster_name: str, distribution: str, special: Special | None
    ) -> tuple[Extension, ...]:
        found = []
        for place, kind in enumerate(self._recipe.extensions):
            lots = draws.fractions_ppm(3, self._recipe.seed, "extension", cluster_name, kind.name)
            version = draws.choose(kind.installed, lots[0])
            has_auto_upgrade = lots[1] < kind.auto_upgrade_ppm
            has_failed = lots[2] < kind.failed_ppm
            if special is not None:
                version = special.installed.get(kind.name.lower(), version)
            if version == ABSENT:
                continue
            # Only where it matters, so that all clusters that have the same share it.
            needy = distribution if distribution in kind.distribution_settings else ""
            one = self._extension(place, version, has_auto_upgrade, has_failed, needy)
            found.append(_adjusted(one, special) if special is not None and place == 0 else one)
        key = tuple(map(id, found))
        return self._shared.setdefault(key, tuple(found))

    def _made_extension(
        self, place: int, version: str, has_auto_upgrade: bool, has_failed: bool, distribution: str
    ) -> Extension:
        kind = self._recipe.extensions[place]
        settings = {**kind.settings, **kind.distribution_settings.get(distribution, {})}
        return Extension(
            name=kind.name,
            extension_type=kind.extension_type.lower(),
            version=None if has_auto_upgrade else version,
            current_version=version,
            auto_upgrade=AutoUpgrade.COMPATIBLE if has_auto_upgrade else AutoUpgrade.NONE,
            release_train="Stable",
            provisioning_state=_ended(has_failed=has_failed),
            settings=MappingProxyType(settings),
            protected_keys=kind.protected_keys,
            namespace=kind.namespace,
            modified_at=self._installed_at,
            error=messages.HELM_TIMED_OUT if has_failed else None,
        )


def kind_of(recipe: Recipe, extension_type: str) -> ExtensionRecipe | None:
    """Return what the world knows of an extension type."""
    wanted = extension_type.lower()
    return next((one for one in recipe.extensions if one.extension_type.lower() == wanted), None)


def _ended(*, has_failed: bool) -> ProvisioningState:
    return ProvisioningState.FAILED if has_failed else ProvisioningState.SUCCEEDED


def _adjusted(extension: Extension, special: Special) -> Extension:
    if special.auto_upgrade is not None:
        extension = dataclasses.replace(
            extension,
            version=None if special.auto_upgrade else extension.current_version,
            auto_upgrade=AutoUpgrade.COMPATIBLE if special.auto_upgrade else AutoUpgrade.NONE,
        )
    state = special.provisioning_state or extension.provisioning_state
    has_failed = state is ProvisioningState.FAILED
    return dataclasses.replace(
        extension,
        provisioning_state=state,
        error=(extension.error or messages.HELM_TIMED_OUT) if has_failed else None,
        settings=(
            extension.settings if special.settings is None else MappingProxyType(special.settings)
        ),
        is_read_only=special.is_read_only,
    )
