"""Many lives of one small fleet: each in a subscription of its own, behind a proxy of its own.

One simulated Azure serves them all. Of the four clusters of a scene two have
the extension at an older version and two have none, so that a run sends two
PATCHes and two PUTs, and nothing goes wrong by itself.

Shapes:  commands that belong together are typed in one process, one after another.
Units:   the world's time passes :data:`SCALE` times as fast as ours, where nothing else is said.
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime as dt
import itertools
import json
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from fleet.model.cluster import Cluster, ProvisioningState
from fleet.sim import names
from fleet.sim.recipe import ABSENT, Recipe, Special, Wire
from fleet.sim.server.serving import Served
from tests.rig import background, commands, proxying, serving
from tests.rig.commands import Ended, Living, Shell
from tests.rig.proxying import Proxy

SCALE = 3000
SUBSCRIPTIONS = 75
CLUSTERS = 4
_BATCH_LIMIT_S = 240

PLAN = """\
apiVersion: fleet/v1
kind: Rollout
metadata: {name: scene, owner: mesh-sre@contoso.example, change: CHG1}
spec:
  targets: {subscriptions: [SUBSCRIPTION]}
  extension: {profile: osm, version: 1.2.6}
  strategy:
    maxConcurrency: 4
    # Deadlines are for other tests: a second that a request hangs is an hour of this fleet.
    startDeadline: 4d
    progressDeadline: 4d
    maxFailures: 100%
    waves:
      - {name: all, size: rest}
"""


def recipe(*, token: dt.timedelta, scenes: int) -> Recipe:
    """Return the world of so many scenes, whose tokens are good for a while."""
    count = CLUSTERS * scenes
    return dataclasses.replace(
        serving.CALM,
        wire=Wire(token_s=int(token.total_seconds())),
        cluster_count=count,
        subscription_count=scenes,
        distributions={"rancher_rke": 1, "aks": 1},
        specials=tuple(
            Special(cluster=names.cluster(number, count=count), installed={"osm": ABSENT})
            for number in range(0, count, 2)
        ),
    )


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """Four clusters, and the way to them."""

    number: int
    stage: Stage
    proxy: Proxy

    @property
    def subscription(self) -> str:
        return names.subscription(self.number)

    @property
    def clusters(self) -> tuple[str, ...]:
        """Their names."""
        count = self.stage.served.plane.recipe.cluster_count
        return tuple(names.cluster(number, count=count) for number in self._numbers)

    @property
    def run(self) -> str:
        """What its run is called."""
        return f"run-{self.number}"

    def plan(self, change: Callable[[str], str] = lambda text: text) -> Path:
        """Write a plan file for these clusters, and return where."""
        text = change(PLAN.replace("SUBSCRIPTION", self.subscription))
        return commands.written(self.stage.root / f"plan-{self.number}.yaml", text)

    @property
    def where(self) -> tuple[str, ...]:
        """The flags that lead here."""
        return ("--endpoint", self.proxy.url)

    def place(self, name: str) -> int:
        """Return which of the four a cluster is: then scenes can be compared."""
        return self.clusters.index(name)

    def now(self) -> list[Cluster]:
        """Return the clusters as they are."""
        plane = self.stage.served.plane
        return list(plane.azure.world.clusters(plane.now(), self._numbers))

    def versions(self) -> tuple[str | None, ...]:
        """Return what is installed; ``None`` where nothing is, or where it did not succeed."""
        return tuple(
            next(
                (
                    one.installed_version
                    for one in cluster.extensions
                    if one.provisioning_state is ProvisioningState.SUCCEEDED
                ),
                None,
            )
            for cluster in self.now()
        )

    def changes(self) -> tuple[int, ...]:
        """Return how often each of the four was changed, as the world itself remembers."""
        effects = self.stage.served.plane.azure.world.effects
        counts = Counter(one.call.cluster_id.rpartition("/")[2] for one in effects)
        return tuple(counts[name] for name in self.clusters)

    @property
    def _numbers(self) -> Sequence[int]:
        recipe = self.stage.served.plane.recipe
        return list(
            names.numbers(
                self.number,
                subscription_count=recipe.subscription_count,
                count=recipe.cluster_count,
            )
        )


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """The simulated Azure, and a directory to type commands in."""

    served: Served
    root: Path
    stack: contextlib.ExitStack
    numbers: Iterator[int] = dataclasses.field(default_factory=itertools.count)
    batches: Iterator[int] = dataclasses.field(default_factory=itertools.count)

    def scene(self) -> Scene:
        """Return one that nobody has been in."""
        number = next(self.numbers)
        scenes = self.served.plane.recipe.subscription_count
        assert number < scenes, "more scenes than subscriptions"
        proxy = self.stack.enter_context(proxying.proxying(self.served.endpoint))
        return Scene(number=number, stage=self, proxy=proxy)

    @property
    def shell(self) -> Shell:
        return Shell(root=self.root)

    def started(self, told: Sequence[Sequence[str | Path]]) -> Batch:
        """Begin to type commands, one after another in one process."""
        args = [[str(arg) for arg in one] for one in told]
        script = self.root / ".said" / f"batch-{next(self.batches)}.json"
        process = self.shell.start(
            str(commands.commands_file(script, args)), entry=("-c", commands._MANY)
        )
        return Batch(process=process, args=args)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Commands that are being typed."""

    process: Living
    args: list[list[str]]

    def ended(self) -> list[Ended]:
        """Wait for the last of them, and return what each came to."""
        all_of_it = self.process.end(limit_s=_BATCH_LIMIT_S)
        assert all_of_it.status == 0, all_of_it.stderr
        return [
            Ended(args=tuple(one), status=status, stdout=out, stderr=err)
            for one, (status, out, err) in zip(self.args, json.loads(all_of_it.stdout), strict=True)
        ]


@contextlib.contextmanager
def staged(
    root: Path,
    *,
    scale: int = SCALE,
    token: dt.timedelta = dt.timedelta(days=30),
    scenes: int = SUBSCRIPTIONS,
) -> Iterator[Stage]:
    """Serve the world of all scenes.

    Args:
        root: Where commands are typed.
        scale: How fast its time goes.
        token: How long its tokens are good. A day of that world may be half a minute of ours.
        scenes: How many there may be; whoever asks the graph pays for all.
    """
    with (
        background.simulated(recipe(token=token, scenes=scenes), scale=scale) as served,
        contextlib.ExitStack() as stack,
    ):
        yield Stage(served=served, root=root, stack=stack)


def leaks(texts: Sequence[str], secrets: frozenset[str]) -> list[str]:
    """Return the secrets that one of *texts* holds."""
    whole = "\n".join(texts)
    return [secret for secret in secrets if secret in whole]


def leaking_files(root: Path, secrets: frozenset[str]) -> list[str]:
    """Return the files under *root* that hold one of *secrets*."""
    wanted = frozenset(secret.encode() for secret in secrets)
    (size,) = {len(secret) for secret in wanted}
    files = [path for path in root.rglob("*") if path.is_file()]
    return [str(one.relative_to(root)) for one in files if _holds(one.read_bytes(), wanted, size)]


def _holds(content: bytes, wanted: frozenset[bytes], size: int) -> bool:
    # Every stretch that could be one is looked up, which is far less than looking for every one.
    return any(
        stretch[start : start + size] in wanted
        for stretch in re.findall(rb"[A-Za-z0-9_-]{%d,}" % size, content)
        for start in range(len(stretch) - size + 1)
    )
