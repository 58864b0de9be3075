"""A cluster's objects as they are at a moment: what extensions make, with what people changed."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import orjson

from fleet.model.cluster import ClusterId
from fleet.sim.calls import Edit
from fleet.sim.inside import (
    configuration,
    connections,
    controlplane,
    kinds,
    overlay,
    premises,
    replicas,
    scene,
    tenants,
    webhooks,
    workloads,
)
from fleet.sim.inside.kinds import Kind
from fleet.sim.inside.overlay import Entry, Key, Overlay
from fleet.sim.inside.scene import Made, Scene
from fleet.sim.world import World

Builder = Callable[[Scene], Iterator[Made]]
Items = dict[tuple[str, str, str | None], dict[tuple[str, str], Made]]
"""``{(group, plural, the one namespace that was asked about): {(namespace, name): object}}``."""

_BUILDERS: Mapping[tuple[str, str], tuple[Builder, ...]] = {
    ("", "namespaces"): (premises.namespaces,),
    ("", "nodes"): (premises.nodes,),
    ("", "configmaps"): (premises.config_maps, configuration.config_maps),
    ("", "serviceaccounts"): (workloads.accounts,),
    ("", "pods"): (tenants.pods, controlplane.pods),
    ("", "services"): (connections.services,),
    ("", "endpoints"): (connections.endpoints,),
    ("", "secrets"): (configuration.secrets,),
    ("apps", "deployments"): (
        tenants.deployments,
        controlplane.deployments,
        workloads.deployments,
    ),
    ("apps", "daemonsets"): (tenants.daemon_sets,),
    ("apps", "statefulsets"): (workloads.stateful_sets,),
    (kinds.MUTATING.group, kinds.MUTATING.plural): (webhooks.mutating,),
    (kinds.VALIDATING.group, kinds.VALIDATING.plural): (webhooks.validating,),
    (kinds.DEFINITIONS.group, kinds.DEFINITIONS.plural): (configuration.definitions,),
    (kinds.AUTOSCALERS.group, kinds.AUTOSCALERS.plural): (configuration.autoscalers,),
    (kinds.BUDGETS.group, kinds.BUDGETS.plural): (configuration.budgets,),
    (kinds.CONSTRAINTS.group, kinds.CONSTRAINTS.plural): (premises.constraints,),
}


MOST = 100
"""Clusters of one world whose objects are kept: some 200 KB each."""


class Kept:
    """Objects that were made, for as long as they would be made alike."""

    def __init__(self, found: Scene, *, turn: int, edit_count: int) -> None:
        self.scene = found
        self.items: Items = {}
        self.turn = turn
        self._since = found.now
        self._edit_count = edit_count

    def scene_at(self, now: dt.datetime, turn: int) -> Scene | None:
        """Return what is at a moment, where that needs no working out; else ``None``."""
        is_known = self.scene.is_still and turn == self.turn and self.scene.now <= now
        return self.scene.but(now=now) if is_known else None

    def is_good(self, found: Scene, edit_count: int) -> bool:
        """Tell whether they would be made alike from a scene, after so many edits."""
        until = self.scene.ahead.until
        is_now = self._since <= found.now and (until is None or found.now < until)
        return is_now and edit_count == self._edit_count and found.is_like(self.scene)


class Interior:
    """One cluster that somebody has looked into."""

    def __init__(self, world: World, cluster_id: ClusterId) -> None:
        self.world = world
        self.cluster_id = cluster_id
        self.overlay = Overlay()
        self.asked_count = 0
        """Requests that came to its API."""
        self._taken = 0
        self._kept: Kept | None = None

    def view(self, now: dt.datetime) -> View:
        """Return its objects at a moment."""
        self._catch_up()
        turn, kept = self.world.turn(self.cluster_id), self._kept
        found = (kept and kept.scene_at(now, turn)) or self._scene(now)
        if kept is None or not kept.is_good(found, self._taken):
            kept = self._kept = Kept(found, turn=turn, edit_count=self._taken)
        elif found.ahead is not kept.scene.ahead:
            found = kept.scene.but(now=now, cluster=found.cluster, is_still=found.is_still)
        kept.scene, kept.turn = found, turn
        self._remember()
        return View(self, found, max(found.version_of(now), self.overlay.last), kept.items)

    def _remember(self) -> None:
        """Be the one that was looked into last; who was longest ago keeps nothing any more."""
        recent = self.world.recent
        recent[self.cluster_id] = self
        recent.move_to_end(self.cluster_id)
        if len(recent) > MOST:
            _, other = recent.popitem(last=False)
            other.forget()

    @property
    def is_keeping(self) -> bool:
        """Whether objects are kept."""
        return self._kept is not None

    def forget(self) -> None:
        """Let go of the objects: they can be made again."""
        self._kept = None

    def keep(self, entry: Entry, now: dt.datetime) -> None:
        """Take an edit, and let the world remember it."""
        group, plural, namespace, name = entry.key
        edit = Edit(
            at=now,
            cluster_id=self.cluster_id,
            group=group,
            plural=plural,
            namespace=namespace,
            name=name,
            version=entry.version,
            uid=entry.uid,
            patch=_text(entry.patch),
            whole=_text(entry.whole),
        )
        self.world.take(edit)
        self._catch_up()

    def _catch_up(self) -> None:
        """Take in what was changed since, by whomever."""
        for edit in self.world.edits(self.cluster_id)[self._taken :]:
            self._taken += 1
            key = edit.group, edit.plural, edit.namespace, edit.name
            self.overlay.add(
                Entry(
                    key=key,
                    version=edit.version,
                    uid=edit.uid,
                    patch=_value(edit.patch),
                    whole=_value(edit.whole),
                )
            )

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

    def __init__(
        self, interior: Interior, found: Scene, version: int, items: Items | None = None
    ) -> None:
        self._scene = found
        self.version = version
        self._interior = interior
        self._entries = interior.overlay.at(version)
        self._items: Items = {} if items is None else items
        self._pasts: dict[dt.datetime, View] = {}

    @property
    def scene(self) -> Scene:
        """What the objects are made from."""
        return self._scene

    def at(self, moment: dt.datetime) -> View:
        """Return the cluster as it was at an earlier moment."""
        if moment >= self.scene.now:
            self.scene.ahead.note(moment)
            return self
        found = self._pasts.get(moment)
        if found is None:
            version = self.scene.version_of(moment)
            found = self._pasts[moment] = self._interior.view_of(version, self.scene.now)
        return found

    def items(self, group: str, plural: str, only: str | None = None) -> list[Made]:
        """Return the objects of a kind, by namespace and name; *only* those of one namespace."""
        found = self._known(group, plural, only)
        return [found[key] for key in sorted(found) if only in (None, key[0])]

    def get(self, group: str, plural: str, namespace: str, name: str) -> Made | None:
        """Return one object; ``None`` where it is not there."""
        return self._known(group, plural, namespace or None).get((namespace, name))

    def base(self, group: str, plural: str, namespace: str, name: str) -> Made | None:
        """Return an object as nobody has changed it."""
        made = self._made(group, plural, namespace or None)
        return next((one for one in made if _place(one) == (namespace, name)), None)

    def entry(self, key: Key) -> Entry | None:
        """Return what people have changed of an object."""
        return self._entries.get(key)

    def _known(self, group: str, plural: str, only: str | None) -> dict[tuple[str, str], Made]:
        found = self._items.get((group, plural, None))
        if found is not None:
            return found
        if self.scene.is_still:
            # NB: it will be kept, and most often another namespace is asked about next.
            only = None
        found = self._items.get((group, plural, only))
        if found is None:
            found = self._items[group, plural, only] = self._changed(group, plural, only)
        return found

    def _changed(self, group: str, plural: str, only: str | None) -> dict[tuple[str, str], Made]:
        """Return objects as people have left them; where *only* is given, others may lack."""
        found = {_place(one): one for one in self._made(group, plural, only)}
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

    def _made(self, group: str, plural: str, only: str | None) -> Iterator[Made]:
        scene = self.scene if only is None else self.scene.but(only=only)
        for build in _BUILDERS.get((group, plural), ()):
            yield from build(scene)
        if (group, plural) == ("", "pods"):
            yield from workloads.pods(self, only)
        if (group, plural) == ("apps", "replicasets"):
            yield from replicas.sets(self, only)
        if (group, plural) == (kinds.MESH_GROUP, kinds.MESH_CONFIGS):
            kind = self._stored_kind()
            if kind is not None:
                yield from configuration.mesh_config(self.scene, kind)

    def _stored_kind(self) -> Kind | None:
        known = self.scene.kinds.values()
        wanted = (kinds.MESH_GROUP, kinds.MESH_CONFIGS)
        return next((one for one in known if _of(one) == wanted), None)


def _text(value: Mapping[str, Any] | None) -> str | None:
    return None if value is None else orjson.dumps(value).decode()


def _value(text: str | None) -> dict[str, Any] | None:
    return None if text is None else orjson.loads(text)


def _of(kind: Kind) -> tuple[str, str]:
    return kind.resource.group, kind.resource.plural


def _place(found: Made) -> tuple[str, str]:
    metadata = found["metadata"]
    return metadata.get("namespace", ""), metadata["name"]
