"""What is there at a moment: every cluster and extension, aged to the time asked for.

Nothing is moved forward: what time does to a cluster is worked out from its
beginnings, the operations on it and the moment. What writes do is decided in
:mod:`fleet.sim.world`, and put here as an :class:`~fleet.sim.operations.Instance`.

Errors:  :exc:`~fleet.errors.LostClusterError` for a cluster that is not there (any more).
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import itertools
from collections import Counter
from collections.abc import Mapping

from fleet.core import draws
from fleet.errors import LostClusterError
from fleet.model import codec
from fleet.model.cluster import (
    Cluster,
    ClusterId,
    Connectivity,
    Extension,
    ProvisioningState,
)
from fleet.model.plan import Verb
from fleet.sim import extension, messages
from fleet.sim.census import Census, kind_of
from fleet.sim.operations import Instance, Operation
from fleet.sim.recipe import Recipe, Special

_HEARTBEAT = dt.timedelta(minutes=5)


class Landscape:
    """Clusters by number, extensions by name, both at a moment."""

    def __init__(self, recipe: Recipe) -> None:
        self._recipe = recipe
        self._census = Census(recipe)
        self._instances: dict[int, dict[str, Instance]] = {}
        """Only what was ever written to."""
        self._past: dict[int, dict[str, tuple[Instance, ...]]] = {}
        """What those were before, in order."""
        self._lost: dict[int, tuple[dt.datetime, dt.datetime | None]] = {}
        """When agents fell silent, and until when; ``None``: for good."""
        self._turns: Counter[int] = Counter()

    def __len__(self) -> int:
        """Return how many clusters there were when the world began."""
        return len(self._census)

    def number(self, cluster_id: ClusterId, now: dt.datetime) -> int:
        """Return the number of a cluster that is there at *now*."""
        found = self._census.number(cluster_id)
        if found is None or not self.is_there(found, now):
            raise _missing(cluster_id)
        return found

    def cased(self, cluster_id: ClusterId) -> ClusterId:
        """Return a cluster's id as the service spells it; as it came where there is none."""
        found = self._census.number(cluster_id)
        return cluster_id if found is None else self.cluster_id(found)

    def cluster_id(self, number: int) -> ClusterId:
        """Return the id of the cluster with a number."""
        return self._census.cluster(number).id

    def is_there(self, number: int, now: dt.datetime) -> bool:
        """Tell whether a cluster has not been removed."""
        special = self.special(number)
        if special is None or special.removed_after is None:
            return True
        return now < self._recipe.epoch + special.removed_after

    def special(self, number: int) -> Special | None:
        """Return what the world file says of this very cluster."""
        return self._census.special(number)

    def cluster(self, number: int, now: dt.datetime) -> Cluster:
        """Return a cluster as it is at *now*."""
        cluster = self._census.cluster(number)
        connectivity, heard_at = self._connectivity(number, cluster, now)
        return dataclasses.replace(
            cluster,
            connectivity=connectivity,
            last_connectivity_at=heard_at,
            extensions=self._extensions(number, cluster, now),
        )

    def shown(self, number: int, name: str, now: dt.datetime) -> Extension | None:
        """Return what a GET of an extension shows."""
        found = self.instance(number, name)
        return None if found is None else self._aged(number, found, found.shown(now), now)

    def underneath(self, number: int, name: str, now: dt.datetime) -> Extension | None:
        """Return what a write to an extension builds on."""
        found = self.instance(number, name)
        return None if found is None else self._aged(number, found, found.underneath(now), now)

    def is_busy(self, number: int, name: str, now: dt.datetime) -> bool:
        """Tell whether an operation is in progress on an extension."""
        found = self.instance(number, name)
        return found is not None and found.is_busy(now)

    def instance(self, number: int, name: str) -> Instance | None:
        """Return an extension with its present and its future; ``None``: there never was one."""
        found = self._instances.get(number, {}).get(name.lower())
        if found is not None:
            return found
        original = self._original(self._census.cluster(number), name)
        return None if original is None else self._at_first(number, original)

    def reached_at(self, number: int, now: dt.datetime) -> dt.datetime | None:
        """Return when the agents can work on what is asked at *now*; ``None``: never."""
        cluster = self._census.cluster(number)
        if self._connectivity(number, cluster, now)[0] is Connectivity.CONNECTED:
            return now
        lost = self._lost.get(number)
        return self._back_at(number, cluster) if lost is None or lost[0] > now else lost[1]

    def put(self, number: int, name: str, instance: Instance) -> None:
        """Let an extension go on as *instance* says."""
        earlier, key = self.instance(number, name), name.lower()
        if earlier is not None:
            past = self._past.setdefault(number, {})
            past[key] = (*past.get(key, ()), earlier)
        self._instances.setdefault(number, {})[key] = instance
        self._turns[number] += 1

    def turn(self, number: int) -> int:
        """Return how often a cluster was changed: while that stays, what is still stays so."""
        return self._turns[number]

    def is_still(self, number: int) -> bool:
        """Tell whether time alone changes nothing of a cluster, but for its operations' ends."""
        cluster, recipe = self._census.cluster(number), self._recipe
        is_kept = recipe.offline_s is None or cluster.connectivity is Connectivity.CONNECTED
        is_usual = self.special(number) is None and number not in self._lost
        return is_kept and is_usual and recipe.auto_upgrade_after_s is None

    def histories(self, number: int) -> Mapping[str, tuple[Instance, ...]]:
        """Return ``{name, lower case: what became of it, in order}`` of all there ever was."""
        names = [one.name.lower() for one in self._census.cluster(number).extensions]
        names += [name for name in self._instances.get(number, {}) if name not in names]
        past = self._past.get(number, {})
        return {
            name: (*past.get(name, ()), found)
            for name in names
            if (found := self.instance(number, name)) is not None
        }

    def upgraded(self, number: int, instance: Instance, now: dt.datetime) -> Extension | None:
        """Return an instance's settled extension as the service may have upgraded it by *now*."""
        return self._aged(number, instance, instance.settled, now)

    def lose(self, number: int, at: dt.datetime, *, until: dt.datetime | None) -> None:
        """Let a cluster's agents fall silent at a moment; for good where no other is given."""
        earlier = self._lost.get(number)
        if earlier is not None and earlier[1] is None:
            at, until = min(at, earlier[0]), None
        self._lost[number] = at, until
        self._turns[number] += 1

    def _connectivity(
        self, number: int, cluster: Cluster, now: dt.datetime
    ) -> tuple[Connectivity, dt.datetime | None]:
        lost_at, until = self._lost.get(number, (now, now))
        if lost_at <= now and (until is None or now < until):
            return Connectivity.OFFLINE, lost_at
        back_at = self._back_at(number, cluster)
        if cluster.connectivity is not Connectivity.CONNECTED and (
            back_at is None or back_at > now
        ):
            return cluster.connectivity, cluster.last_connectivity_at
        return Connectivity.CONNECTED, now - (now - self._recipe.epoch) % _HEARTBEAT

    def _back_at(self, number: int, cluster: Cluster) -> dt.datetime | None:
        """Return when a cluster that was drawn offline comes back."""
        span, special = self._recipe.offline_s, self.special(number)
        is_kept = special is not None and special.connectivity is not None
        if span is None or is_kept or cluster.connectivity is Connectivity.CONNECTED:
            return None
        seconds = span.drawn(self._recipe.seed, "back", cluster.name)
        return self._recipe.epoch + dt.timedelta(seconds=seconds)

    def _extensions(self, number: int, cluster: Cluster, now: dt.datetime) -> tuple[Extension, ...]:
        is_quiet = number not in self._instances and self.special(number) is None
        if is_quiet and self._recipe.auto_upgrade_after_s is None:
            return cluster.extensions
        names = {one.name.lower(): one.name for one in cluster.extensions}
        names |= {name: name for name in self._instances.get(number, {}) if name not in names}
        shown = (self.shown(number, name, now) for name in names)
        return tuple(one for one in shown if one is not None)

    def _original(self, cluster: Cluster, name: str) -> Extension | None:
        wanted = name.lower()
        return next((one for one in cluster.extensions if one.name.lower() == wanted), None)

    def _at_first(self, number: int, found: Extension) -> Instance:
        epoch = self._recipe.epoch
        if found.provisioning_state.is_terminal:
            return Instance(settled=found, since=epoch)
        # Somebody was at work on it when the world began.
        cluster, special = self._census.cluster(number), self.special(number)
        span = (special and special.operation_s) or self._recipe.operation_s
        seconds = span.drawn(self._recipe.seed, "first", cluster.name, found.name)
        ends_at = epoch + dt.timedelta(seconds=seconds)
        operation = Operation(
            id=draws.guid(self._recipe.seed, "first", cluster.id, found.name),
            cluster_id=cluster.id,
            name=found.name,
            verb=Verb.PATCH,
            at=epoch,
            ends_at=ends_at,
        )
        settled = dataclasses.replace(found, provisioning_state=ProvisioningState.SUCCEEDED)
        return Instance(
            settled=settled,
            operation=operation,
            meanwhile=found,
            shown_at=ends_at,
            since=ends_at,
        )

    def _aged(
        self, number: int, instance: Instance, found: Extension | None, now: dt.datetime
    ) -> Extension | None:
        """Return *found* after the service has upgraded it by itself, where it has."""
        span = self._recipe.auto_upgrade_after_s
        if span is None or found is None or found is not instance.settled:
            return found
        name = self._census.cluster(number).name
        stamp = codec.utc_text(instance.since)
        seconds = span.drawn(self._recipe.seed, "upgrade", name, found.name, stamp)
        due_at = instance.since + dt.timedelta(seconds=seconds)
        kind = kind_of(self._recipe, found.extension_type)
        version = extension.best(found, kind=kind) if kind and due_at <= now else None
        if version is None or found.provisioning_state is not ProvisioningState.SUCCEEDED:
            return found
        return dataclasses.replace(
            found, current_version=version, modified_at=codec.utc_text(due_at)
        )


def _missing(cluster_id: ClusterId) -> LostClusterError:
    parts = cluster_id.split("/")
    groups = [
        after for word, after in itertools.pairwise(parts) if word.lower() == "resourcegroups"
    ]
    message = messages.no_cluster(name=parts[-1], group=groups[0] if groups else "")
    return LostClusterError(message, status=404)
