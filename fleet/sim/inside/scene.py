"""One cluster at one moment: what its objects are made from, and how one is made."""

from __future__ import annotations

import dataclasses
import datetime as dt
import functools
from collections.abc import Mapping
from typing import Any

from fleet.core import draws
from fleet.model.cluster import Cluster
from fleet.model.objects import Resource
from fleet.sim import stock
from fleet.sim.breakage import Break
from fleet.sim.inside import kinds, releases, stages
from fleet.sim.inside.kinds import Kind
from fleet.sim.inside.releases import Release
from fleet.sim.inside.stages import Going, Stage
from fleet.sim.recipe import Recipe, Special
from fleet.sim.world import World

MESH_TYPE = stock.OSM.extension_type.lower()
MESH_NAMESPACE = "arc-osm-system"
MONITORED, INJECTED = "openservicemesh.io/monitored-by", "openservicemesh.io/sidecar-injection"
IGNORED, METRICS = "openservicemesh.io/ignore", "openservicemesh.io/metrics"
PROXY = "osm-proxy-uuid"

_BEGINNING = dt.timedelta(days=400)
"""How long before the world's beginning the cluster was made, and counts from."""
_DEFINED = 150
"""At which share of an installation definitions are there."""
_MILLISECOND = dt.timedelta(milliseconds=1)

Made = dict[str, Any]


class Ahead:
    """Until when what was made would be made alike, as far as time alone is concerned."""

    def __init__(self) -> None:
        self.until: dt.datetime | None = None
        """``None``: for good."""

    def note(self, moment: dt.datetime) -> None:
        """Hear that something goes by whether a moment has come, and that it has not."""
        if self.until is None or moment < self.until:
            self.until = moment


@dataclasses.dataclass(frozen=True, kw_only=True)
class Scene:
    """A cluster, as far as its extensions and the world file determine it."""

    recipe: Recipe
    cluster: Cluster
    now: dt.datetime
    mesh: Stage
    others: tuple[Stage, ...]
    broken: frozenset[Break]
    special: Special | None = None
    only: str | None = None
    """The one namespace that is asked about; ``None``: all are."""
    is_still: bool = False
    """Whether time alone changes nothing of all this any more."""
    ahead: Ahead = dataclasses.field(default_factory=Ahead, compare=False, repr=False)
    """Hears of every comparison with :attr:`now` that will end otherwise some day."""

    def is_like(self, other: Scene) -> bool:
        """Tell whether the same objects follow from another scene of this cluster, but for time."""
        return (self.mesh, self.others, self.broken) == (other.mesh, other.others, other.broken)

    def but(self, **changes: Any) -> Scene:
        """Return the scene with another moment or the like; what was worked out stays with it."""
        found = object.__new__(Scene)
        # NB: frozen for everybody else.
        found.__dict__.update(self.__dict__, **changes)
        return found

    def has_come(self, moment: dt.datetime) -> bool:
        """Tell whether a moment has come."""
        if moment <= self.now:
            return True
        self.ahead.note(moment)
        return False

    def _told(self, moment: dt.datetime) -> dt.datetime:
        """Return a moment that an object tells of: none that is yet to come."""
        if moment <= self.now:
            return moment
        self.ahead.note(self.now)
        return self.now

    def is_wanted(self, namespace: str) -> bool:
        """Tell whether a namespace is asked about."""
        return self.only in (None, namespace)

    @functools.cached_property
    def release(self) -> Release:
        """The mesh's release that runs or arrives."""
        return releases.of(self.mesh.version or self.mesh.previous or "1.2.6")

    @property
    def namespace(self) -> str:
        """The mesh's namespace."""
        return self.mesh.namespace or MESH_NAMESPACE

    @functools.cached_property
    def had_mesh(self) -> bool:
        """Whether there was a mesh when the world began."""
        return bool(self.mesh.ran) and self.mesh.ran[0][0] <= self.recipe.epoch

    @functools.cached_property
    def made_at(self) -> dt.datetime:
        """When the cluster was made."""
        return self.recipe.epoch - _BEGINNING

    @functools.cached_property
    def definitions(self) -> Mapping[str, tuple[str, ...]]:
        """``{definition: versions}`` of custom resources that the mesh has brought."""
        stage = self.mesh
        is_early = stage.is_there and stage.going is not Going.THERE and stage.share < _DEFINED
        newest = stage.previous if is_early else stage.highest
        if newest is None:
            return {}
        found = dict(releases.of(newest).crds)
        if Break.CRDS_OLD in self.broken:
            found = dict(releases.RELEASES[0].crds)
        if Break.CRDS_MISSING in self.broken:
            del (
                found["trafficsplits.split.smi-spec.io"],
                found["egresses.policy.openservicemesh.io"],
            )
        return found

    @functools.cached_property
    def kinds(self) -> Mapping[Resource, Kind]:
        """``{resource: kind}`` that are served."""
        is_openshift = self.cluster.distribution == "openshift"
        return _kinds(tuple(self.definitions.items()), is_openshift=is_openshift)

    def lot(self, *parts: draws.Part) -> int:
        """Return a number that is always the same for this cluster and purpose, in ppm."""
        return _lot(self.recipe.seed, self.cluster.name, parts)

    def identity(self, *parts: str) -> str:
        """Return a GUID that is always the same for this cluster and purpose."""
        return _uid(self.recipe.seed, self.cluster.name, parts)

    def version_of(self, moment: dt.datetime) -> int:
        """Return the resource version that counts from a moment."""
        # NB: the world's time, in milliseconds: versions only grow, and any moment has one.
        return max(1, (moment - self.made_at) // _MILLISECOND)

    def moment_of(self, version: int) -> dt.datetime:
        """Return the moment that a resource version counts from."""
        return self.made_at + _MILLISECOND * version

    def made(
        self,
        kind: Kind,
        name: str,
        *,
        namespace: str | None = None,
        created_at: dt.datetime,
        changed_at: dt.datetime | None = None,
        labels: Mapping[str, str] | None = None,
        annotations: Mapping[str, str] | None = None,
        **rest: Any,
    ) -> Made:
        """Return an object with what all objects have."""
        created_at = self._told(created_at)
        changed_at = self._told(changed_at or created_at)
        stamp = stamped(created_at)
        place = (kind.resource.plural, namespace or "", name, stamp)
        metadata: dict[str, Any] = {
            "name": name,
            **({"namespace": namespace} if namespace else {}),
            "uid": self.identity(*place),
            "resourceVersion": str(self.version_of(changed_at)),
            "creationTimestamp": stamp,
            **({"labels": dict(labels)} if labels else {}),
            **({"annotations": dict(annotations)} if annotations else {}),
        }
        return {"apiVersion": kind.api_version, "kind": kind.kind, "metadata": metadata, **rest}


@functools.lru_cache(maxsize=64)
def _kinds(
    definitions: tuple[tuple[str, tuple[str, ...]], ...], *, is_openshift: bool
) -> Mapping[Resource, Kind]:
    extra = kinds.OPENSHIFT if is_openshift else {}
    return {**kinds.BUILT_IN, **extra, **kinds.defined(dict(definitions))}


@functools.lru_cache(maxsize=4096)
def _lot(seed: int, cluster: str, parts: tuple[draws.Part, ...]) -> int:
    return draws.fraction_ppm(seed, "inside", cluster, *parts)


@functools.lru_cache(maxsize=4096)
def _uid(seed: int, cluster: str, place: tuple[str, ...]) -> str:
    return draws.guid(seed, cluster, *place)


@functools.lru_cache(maxsize=4096)
def stamped(moment: dt.datetime) -> str:
    """Return a moment as objects carry it: to the second."""
    return f"{moment.astimezone(dt.UTC):%Y-%m-%dT%H:%M:%SZ}"


def of(world: World, cluster: Cluster, now: dt.datetime, special: Special | None) -> Scene:
    """Return a cluster of *world* as it is inside at *now*."""
    recipe = world.recipe
    lives = world.lives(cluster.id, now)
    found = [
        stages.of(parts, epoch=recipe.epoch, now=now, seed=recipe.seed) for parts in lives.values()
    ]
    known = [one for one in found if one.extension_type]
    meshes = [one for one in known if one.extension_type == MESH_TYPE]
    absent = Stage(since=recipe.epoch)
    mesh = next((one for one in meshes if one.is_there), meshes[-1] if meshes else absent)
    return Scene(
        recipe=recipe,
        cluster=cluster,
        now=now,
        mesh=mesh,
        others=tuple(one for one in known if one.extension_type != MESH_TYPE),
        broken=_broken(recipe, cluster, special, mesh, now),
        special=special,
        is_still=world.is_still(cluster.id)
        and all(stages.are_over(parts, now=now) for parts in lives.values())
        and not any(one.is_passing for one in (*recipe.insides.broken, *recipe.script.broken)),
    )


def _broken(
    recipe: Recipe, cluster: Cluster, special: Special | None, mesh: Stage, now: dt.datetime
) -> frozenset[Break]:
    at = now - recipe.epoch
    found = {
        one.what
        for one in (*recipe.insides.broken, *recipe.script.broken)
        if one.is_now(at) and one.is_of(mesh.version) and one.is_at(cluster.name, seed=recipe.seed)
    }
    return frozenset(found | set(special.breaks if special else ()))
