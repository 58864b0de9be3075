"""A simulated fleet to try plan files on by the command line, and to look into afterwards.

Shapes:  one :class:`Bench` a test; each command is a process, and the fleet is remembered on disk.
Units:   clusters go by their number, from 0.
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime as dt
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from fleet.engine import virtual
from fleet.model.cluster import AutoUpgrade, ClusterId, Extension
from fleet.model.objects import Object, Resource
from fleet.sim import opening
from fleet.sim.opening import OpenWorld
from tests.rig import article, commands, interiors
from tests.rig.commands import Shell
from tests.rig.interiors import Inside

Version = tuple[str | None, str | None, AutoUpgrade]

CALM: Mapping[str, Any] = {
    "apiVersion": "fleet/v1",
    "kind": "World",
    "seed": 7,
    "timeScale": "max",
    "clusters": 2,
    "offlineShare": 0,
    "distributions": {"rancher_rke": 1},
}
_WALL = dt.datetime(2026, 1, 10, 2, tzinfo=dt.UTC)
"""It says nothing: time passes only while a run goes on."""
SETTLED = dt.timedelta(hours=1)
"""Until then what goes on inside clusters after a run has ended too."""
_NAMESPACES = Resource("", "v1", "namespaces")
_TARGETS: Mapping[str, Any] = {"targets": {"tenant": True}, "strategy": "fast"}


def mesh(installed: str) -> dict[str, Any]:
    """Return the part of a world file that has a version of the mesh everywhere, or none."""
    return {
        "type": "Microsoft.openservicemesh",
        "installed": {installed: 1},
        "autoUpgrade": 0,
        "failedShare": 0,
    }


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """A fleet, and where commands about it are typed."""

    shell: Shell
    cluster_count: int

    def file(self, spec: Mapping[str, Any], name: str = "plan") -> Path:
        """Write a whole plan file around a part of ``spec``: every cluster, all at once."""
        own = {"extension": {"profile": "osm"}}
        whole = {
            "apiVersion": "fleet/v1",
            "kind": "Rollout",
            "metadata": {"name": "article"},
            "spec": article.merged(article.merged(dict(_TARGETS), own), spec),
        }
        return commands.written(self.shell.root / f"{name}.yaml", json.dumps(whole))

    def plan(self, file: Path) -> Any:
        """Return a plan, its targets in the order of the clusters' names."""
        found = self.shell("plan", file, "--json").must(0).json
        found["targets"].sort(key=lambda one: one["clusterName"])
        return found

    def planned(self, file: Path) -> list[tuple[str, str]]:
        """Return what a plan does with each cluster, and why."""
        return [(one["action"], one["reason"]) for one in self.plan(file)["targets"]]

    def ran(self, file: Path, *, status: int = 0) -> list[str]:
        """Carry a plan file out, and return how each cluster that was to change ended."""
        found = self.shell("run", file, "--yes", "--json").must(status).json
        return [one["status"] for one in sorted(found["targets"], key=lambda x: x["clusterName"])]

    def inside(self, number: int = 0) -> Inside:
        """Return the inside of a cluster, as it is when everything has settled."""
        with self.opened() as found:
            world, now = found.world, found.base_at + SETTLED
        return Inside(world=world, cluster_id=_id(found, number), now=now)

    def extension(
        self, number: int = 0, name: str = "osm", *, after: dt.timedelta = SETTLED
    ) -> Extension | None:
        """Return an extension as Azure shows it."""
        with self.opened() as found:
            return found.world.extension(_id(found, number), name, found.base_at + after)

    def versions(self, *, after: dt.timedelta = SETTLED) -> list[Version]:
        """Return the pin, the version and the auto-upgrade wherever there is the mesh."""
        found = (self.extension(number, after=after) for number in range(self.cluster_count))
        return [(one.version, one.current_version, one.auto_upgrade) for one in found if one]

    def settings(self, number: int = 0) -> dict[str, str]:
        """Return the mesh's settings, as Azure shows them."""
        found = self.extension(number)
        assert found is not None
        return dict(found.settings)

    def mesh_config(self, number: int = 0) -> Any:
        """Return the mesh's configuration inside a cluster."""
        return self.inside(number).get(interiors.MESH_CONFIG)["spec"]

    def failing(self, file: Path) -> dict[str, list[str]]:
        """Return the checks that fail on each cluster; some do."""
        found = self.shell("check", file, "--json").must(1).json
        return {one["clusterName"]: [bad["check"] for bad in one["checks"]] for one in found}

    def have(self, *names: str, number: int = 0, **metadata: Any) -> None:
        """Have namespaces in a cluster; those that it has already stay as they are."""
        known = self.inside(number).names(_NAMESPACES.path())
        made = [
            {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, **metadata}}
            for name in names
            if name not in known
        ]
        self.make(_NAMESPACES, *made, number=number)

    def make(self, resource: Resource, *bodies: Object, number: int = 0) -> None:
        """Create objects in a cluster, as its people would."""

        async def create(found: OpenWorld) -> None:
            async with found.clusters(virtual.clock()).open(_id(found, number)) as api:
                for body in bodies:
                    await api.create(resource, body, namespace=body["metadata"].get("namespace"))

        with self.opened() as found:
            virtual.run(create(found), start_at=found.base_at)

    def heard(self) -> Sequence[str]:
        """Return every write that the fleet has heard, at Azure and inside."""
        (memory,) = (self.shell.state_dir / "worlds").iterdir()
        return memory.read_text("utf-8").splitlines()[1:]

    @contextlib.contextmanager
    def opened(self) -> Iterator[OpenWorld]:
        """Open the fleet as it is remembered."""
        world = self.shell.world
        assert world is not None
        with opening.opened(world, state_dir=self.shell.state_dir, wall=_WALL) as found:
            yield found


def _id(found: OpenWorld, number: int) -> ClusterId:
    (cluster,) = found.world.clusters(found.base_at, [number])
    return cluster.id


def bench(root: Path, *extensions: Mapping[str, Any], **keys: Any) -> Bench:
    """Return a calm fleet of two clusters, with extensions as a world file has them.

    Args:
        root: Where its files are.
        extensions: The mesh first.
        keys: Other keys of a world file.
    """
    content = {**CALM, "extensions": list(extensions), **keys}
    world = commands.written(root / "world.yaml", json.dumps(content))
    return Bench(shell=Shell(root=root, world=world), cluster_count=content["clusters"])
