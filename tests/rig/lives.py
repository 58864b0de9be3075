"""A rollout over HTTP whose runner dies as often as somebody wants: the simulated Azure lives on.

Each :class:`Fleet` is a simulated Azure of its own behind a proxy of its own, so that a runner can
be killed at a named request: before the service has heard it, or when the service has done what
was asked and nobody is there to be told. What took effect, and how often, the world itself tells.

Units:   ``_ms`` are milliseconds of this machine; requests are counted from a runner's start.
"""

from __future__ import annotations

import contextlib
import dataclasses
import enum
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from fleet.core import draws
from fleet.errors import InputError
from fleet.sim.recipe import Recipe
from fleet.sim.server.serving import Served
from fleet.spec import planfile
from tests.rig import background, commands, proxying
from tests.rig.commands import Ended, Living, Shell, living, until
from tests.rig.proxying import Proxy
from tests.rig.trouble import Reply, Trouble

RUN = "r1"
LIMIT_S = 90
"""For one runner, on however busy a machine."""


class How(enum.Enum):
    """When a runner dies."""

    EARLY = enum.auto()
    """So many milliseconds after its process began, whatever it does then."""
    BEFORE = enum.auto()
    """When its n-th request arrives; the service never hears it."""
    AFTER = enum.auto()
    """When the service has done what its n-th request asked; the answer is lost."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """When one runner dies."""

    how: How
    count: int
    """Milliseconds, or requests."""


def drawn(seed: int, *which: int, requests: int) -> Moment:
    """Draw a moment: every sixth is early, the others within so many *requests*."""
    lot = draws.between(0, 5, seed, "how", *which)
    if lot == 0:
        return Moment(how=How.EARLY, count=draws.between(50, 1500, seed, "ms", *which))
    how = How.BEFORE if lot % 2 else How.AFTER
    return Moment(how=how, count=draws.between(1, requests, seed, "requests", *which))


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Fleet:
    """A simulated Azure, the way to it, and somebody who has a plan for it."""

    served: Served
    proxy: Proxy
    shell: Shell
    plan: Path

    @property
    def where(self) -> tuple[str | Path, ...]:
        """What is typed after ``fleet run``: safe to repeat."""
        return (self.plan, "--yes", "--run-id", RUN, "--json", "--endpoint", self.proxy.url)

    def run(self) -> Ended:
        """Begin the run or take it over, and carry it to its end."""
        with self.running() as process:
            return process.end(limit_s=LIMIT_S)

    @contextlib.contextmanager
    def running(self) -> Iterator[Living]:
        """Begin the run or take it over, for as long as the block lasts."""
        with living(self.shell, "run", *self.where) as process:
            yield process

    def die(self, moment: Moment) -> bool:
        """Begin the run or take it over, and kill the runner; ``False`` where it ended before."""
        with self.running() as process:
            self._kill(process, moment)
            status = process.process.wait()
        self.proxy.clear()
        assert status in (-9, 0, 1), process.stderr
        assert "Traceback" not in process.stderr, process.stderr
        return status == -9

    def _kill(self, process: Living, moment: Moment) -> None:
        if moment.how is How.EARLY:
            time.sleep(moment.count / 1000)  # real time is what the other process lives in
            process.process.kill()
            return
        killing = _killing(process) if moment.how is How.BEFORE else _killing_after(process)
        self.proxy.on("", "", killing, nth=moment.count, count=1)
        until(lambda: not process.is_alive, what=f"{moment}", limit_s=LIMIT_S)

    def ending(self, ended: Ended) -> Mapping[str, Any]:
        """Return what two runs that ended alike have in common: the run, and the world after it."""
        document = ended.json
        return {
            "exit": ended.status,
            "status": document["status"],
            "counts": document["counts"],
            "targets": {one["clusterName"]: one["status"] for one in document["targets"]},
            "clusters": self.clusters(),
            "effects": self.effects_by_step(),
        }

    def clusters(self) -> Mapping[str, Any]:
        """Return what is installed where, as the world has it."""
        world = self.served.plane.azure.world
        return {
            one.name: [
                (ext.name, ext.version, ext.provisioning_state, dict(ext.settings))
                for ext in one.extensions
            ]
            for one in world.clusters(self.served.plane.now())
        }

    def changes(self) -> Counter[str]:
        """Return how often each cluster was changed, as the world remembers."""
        effects = self.served.plane.azure.world.effects
        return Counter(one.call.cluster_id for one in effects if one.is_change)

    def effects_by_step(self) -> Counter[tuple[str, str]]:
        """Return how often what was asked took effect, by cluster and by the step's own id.

        Once, where it was not tried again on purpose.
        """
        effects = self.served.plane.azure.world.effects
        return Counter(
            (one.call.cluster_id, one.call.correlation_id) for one in effects if one.is_change
        )

    def hearings_by_request(self) -> Counter[str]:
        """Return how often each single write was heard, refused ones too."""
        world = self.served.plane.azure.world
        return Counter(one.call.client_request_id for one in world.hearings)


def is_offered(plan: str, root: Path) -> bool:
    """Tell whether this release takes such a plan file."""
    try:
        planfile.load_rollout(commands.written(root / "offered.yaml", plan))
    except InputError:
        return False
    return True


def _killing(process: Living) -> Trouble:
    return Trouble(name="its client is killed", meanwhile=process.process.kill)


def _killing_after(process: Living) -> Trouble:
    def spoil(reply: Reply) -> Reply:
        process.process.kill()
        return reply

    return Trouble(name="its client is killed, afterwards", is_after=True, spoil=spoil)


@contextlib.contextmanager
def fleet(root: Path, recipe: Recipe, plan: str, *, scale: int) -> Iterator[Fleet]:
    """Serve *recipe* for a while, with a directory to type commands in."""
    root.mkdir(parents=True, exist_ok=True)
    with (
        background.simulated(recipe, scale=scale) as served,
        proxying.proxying(served.endpoint) as proxy,
    ):
        written = commands.written(root / "plan.yaml", plan)
        yield Fleet(served=served, proxy=proxy, shell=Shell(root=root), plan=written)
