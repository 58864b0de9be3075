"""A cluster's objects as they are at a moment: what extensions make, with what people changed."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator, Mapping

from fleet.model.cluster import ClusterId
from fleet.sim.inside import controlplane, kinds, overlay, premises, scene, workloads
from fleet.sim.inside.kinds import Kind
from fleet.sim.inside.overlay import Entry, Key, Overlay
from fleet.sim.inside.scene import Made, Scene
from fleet.sim.world import World

Builder = Callable[[Scene], Iterator[Made]]

_BUILDERS: Mapping[tuple[str, str], tuple[Builder, ...]] = {
    ("", "namespaces"): (premises.namespaces,),
    ("", "nodes"): (premises.nodes,),
    ("", "configmaps"): (premises.config_maps,),
    ("", "pods"): (premises.pods, controlplane.pods),
    ("", "services"): (controlplane.services,),
    ("", "endpoints"): (controlplane.endpoints,),
    ("", "secrets"): (controlplane.secrets,),
    ("apps", "deployments"): (
        premises.deployments,
        controlplane.deployments,
        workloads.deployments,
    ),
    ("apps", "daemonsets"): (premises.daemon_sets,),
    ("apps", "statefulsets"): (workloads.stateful_sets,),
    (kinds.MUTATING.group, kinds.MUTATING.plural): (controlplane.mutating_webhooks,),
    (kinds.VALIDATING.group, kinds.VALIDATING.plural): (controlplane.validating_webhooks,),
    (kinds.DEFINITIONS.group, kinds.DEFINITIONS.plural): (controlplane.definitions,),
    (kinds.AUTOSCALERS.group, kinds.AUTOSCALERS.plural): (controlplane.autoscalers,),
    (kinds.BUDGETS.group, kinds.BUDGETS.plural): (controlplane.budgets,),
    (kinds.CONSTRAINTS.group, kinds.CONSTRAINTS.plural): (premises.constraints,),
}


class Interior:
    """One cluster that somebody has looked into."""

    def __init__(self, world: World, cluster_id: ClusterId) -> None:
        self.world = world
        self.cluster_id = cluster_id
        self.overlay = Overlay()
        self.asked_count = 0
        """Requests that came to its API."""

    def view(self, now: dt.datetime) -> View:
        """Return its objects at a moment."""
        found = self._scene(now)
        return View(self, found, max(found.version_of(now), self.overlay.last))

    def view_of(self, version: int, now: dt.datetime) -> View:
        """Return its objects as they were at a resource version."""
        moment = self._scene(now).moment_of(version)
        return View(self, self._scene(min(moment, now)), version)

    def _scene(self, now: dt.datetime) -> Scene:
        cluster = self.world.cluster(self.cluster_id, now)
        special = self.world.special(self.cluster_id, now)
        return scene.of(self.world, cluster, now, special)


class View:
    """A cluster's objects at one version."""

    def __init__(self, interior: Interior, found: Scene, version: int) -> None:
        self._scene = found
        self.version = version
        self._interior = interior
        self._entries = interior.overlay.at(version)
        self._items: dict[tuple[str, str], dict[tuple[str, str], Made]] = {}
        self._pasts: dict[dt.datetime, View] = {}

    @property
    def scene(self) -> Scene:
        """What the objects are made from."""
        return self._scene

    def at(self, moment: dt.datetime) -> View:
        """Return the cluster as it was at an earlier moment."""
        if moment >= self.scene.now:
            return self
        found = self._pasts.get(moment)
        if found is None:
            version = self.scene.version_of(moment)
            found = self._pasts[moment] = self._interior.view_of(version, self.scene.now)
        return found

    def items(self, group: str, plural: str) -> list[Made]:
        """Return the objects of a kind, by namespace and name."""
        found = self._known(group, plural)
        return [found[key] for key in sorted(found)]

    def get(self, group: str, plural: str, namespace: str, name: str) -> Made | None:
        """Return one object; ``None`` where it is not there."""
        return self._known(group, plural).get((namespace, name))

    def base(self, group: str, plural: str, namespace: str, name: str) -> Made | None:
        """Return an object as nobody has changed it."""
        made = self._made(group, plural)
        return next((one for one in made if _place(one) == (namespace, name)), None)

    def entry(self, key: Key) -> Entry | None:
        """Return what people have changed of an object."""
        return self._entries.get(key)

    def _known(self, group: str, plural: str) -> dict[tuple[str, str], Made]:
        found = self._items.get((group, plural))
        if found is None:
            found = self._items[group, plural] = self._changed(group, plural)
        return found

    def _changed(self, group: str, plural: str) -> dict[tuple[str, str], Made]:
        found = {_place(one): one for one in self._made(group, plural)}
        for key, entry in self._entries.items():
            if key[:2] != (group, plural):
                continue
            place = key[2:]
            changed = overlay.applied(found.get(place), entry)
            if changed is None or self._has_lapsed(entry):
                found.pop(place, None)
            else:
                found[place] = changed
        found = self._without_lost_namespaces(found)
        if group == "apps":
            return {place: workloads.with_status(self, one) for place, one in found.items()}
        return found

    def _without_lost_namespaces(
        self, found: dict[tuple[str, str], Made]
    ) -> dict[tuple[str, str], Made]:
        lost = {
            key[3]
            for key, one in self._entries.items()
            if key[:2] == ("", "namespaces") and one.is_gone
        }
        return {place: one for place, one in found.items() if place[0] not in lost or not lost}

    def _has_lapsed(self, entry: Entry) -> bool:
        """Tell whether a clean-up has removed a mesh's configuration that people had made."""
        is_config = entry.key[:2] == (kinds.MESH_GROUP, kinds.MESH_CONFIGS)
        if entry.whole is None or not is_config or entry.key[2] != self.scene.namespace:
            return False
        mesh = self.scene.mesh
        made_at = self.scene.moment_of(entry.version)
        return not mesh.is_there and bool(mesh.ran) and made_at < mesh.since

    def _made(self, group: str, plural: str) -> Iterator[Made]:
        for build in _BUILDERS.get((group, plural), ()):
            yield from build(self.scene)
        if (group, plural) == ("", "pods"):
            yield from workloads.pods(self)
        if (group, plural) == (kinds.MESH_GROUP, kinds.MESH_CONFIGS):
            kind = self._stored_kind()
            if kind is not None:
                yield from controlplane.mesh_config(self.scene, kind)

    def _stored_kind(self) -> Kind | None:
        known = self.scene.kinds.values()
        wanted = (kinds.MESH_GROUP, kinds.MESH_CONFIGS)
        return next((one for one in known if _of(one) == wanted), None)


def _of(kind: Kind) -> tuple[str, str]:
    return kind.resource.group, kind.resource.plural


def _place(found: Made) -> tuple[str, str]:
    metadata = found["metadata"]
    return metadata.get("namespace", ""), metadata["name"]
