"""``kill -9`` fifty times, over HTTP, while the simulated Azure lives on and remembers everything.

Five rollouts, each killed ten times at moments that a seed decides: while Python starts, when a
request arrives, or when the service has done what it was asked and the answer is under way.
"""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from fleet.sim import names
from fleet.sim.faultfile import FaultFile
from fleet.sim.recipe import ABSENT, Recipe, Special
from tests.rig import lives, serving
from tests.rig.commands import Living
from tests.rig.lives import Fleet, Moment

KILLS_A_SEED = 10
CLUSTERS = 16
SCALE = 1200
"""A minute, which is what an operation takes, in a twentieth of a second."""
REQUESTS = 24
"""A runner lives to see as many requests at most; the whole run needs about a hundred."""

PLAN = """\
apiVersion: fleet/v1
kind: Rollout
metadata: {name: mortal, owner: mesh-sre@contoso.example, change: CHG1}
spec:
  targets: {tenant: true}
  extension:
    profile: osm
    version: 1.2.6
    settings: {osm.osm.osmController.resource.limits.cpu: 2000m}
  strategy:
    maxConcurrency: 3
    # Deadlines are for other tests: a runner that is dead for a second costs this fleet an hour.
    startDeadline: 9d
    progressDeadline: 9d
    maxFailures: 100%
    waves:
      - {name: canary, size: 2, soakTime: 10m}
      - {name: some, size: 5, maxConcurrency: 2, soakTime: 20m}
      - {name: rest, size: rest}
"""
FAULTS: list[dict[str, Any]] = [
    # The first write of two sites: done without an answer, and an answer without anything done.
    {"fault": "resetAfter", "cluster": "store-0002-*"},
    {"fault": "resetBefore", "cluster": "store-0004-*"},
    {"fault": "operationFails", "cluster": "store-0003-a", "message": "podsNotReady"},
    {"fault": "throttled", "cluster": "store-0006-*", "retryAfterSeconds": 30},
]
FIRST = {"methods": ["PUT", "PATCH"], "on": ["extension"], "countedBy": "cluster", "last": 1}


def recipe(seed: int) -> Recipe:
    """Return a fleet where OSM is missing, needs one step, or needs two."""
    found = itertools.cycle((ABSENT, "1.0.0", "1.1.1", "1.2.3"))
    every = [names.cluster(number, count=CLUSTERS) for number in range(CLUSTERS)]
    rules = [{**rule, **FIRST} for rule in FAULTS]
    written = {"apiVersion": "fleet/v1", "kind": "Faults", "rules": rules}
    return dataclasses.replace(
        serving.CALM,
        seed=seed,
        cluster_count=CLUSTERS,
        subscription_count=2,
        distributions={"rancher_rke": 1, "aks": 1},
        specials=tuple(
            Special(cluster=one, installed={"osm": version})
            for one, version in zip(every, found, strict=False)
        ),
        script=FaultFile.model_validate(written).script(),
    )


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Undisturbed:
    """The same rollout where nobody is killed."""

    fleet: Fleet
    runner: Living

    def ending(self) -> Mapping[str, Any]:
        """Wait for its end, and return what another that ends alike has in common with it."""
        ended = self.runner.end(limit_s=lives.LIMIT_S).must(1)
        return self.fleet.ending(ended)


@contextlib.contextmanager
def undisturbed(root: Path, seed: int) -> Iterator[Undisturbed]:
    with (
        lives.fleet(root, recipe(seed), PLAN, scale=SCALE) as one,
        one.running() as runner,
    ):
        yield Undisturbed(fleet=one, runner=runner)


def check(one: Fleet, expected: Mapping[str, Any]) -> None:
    """Assert that the run, carried to its end now, ends as if nobody had been killed."""
    ended = one.run().must(1)

    assert one.ending(ended) == expected
    assert set(one.effects_by_step().values()) == {1}, "applied twice"
    assert set(one.hearings_by_request().values()) == {1}, "sent twice"
    verified = one.shell("verify", lives.RUN, "--json").must(0).json
    assert (verified["isComplete"], verified["status"]) == (True, expected["status"])


@pytest.mark.parametrize("seed", range(5))
def test_a_run_over_http_that_is_killed_again_and_again_ends_as_if_it_never_was(
    tmp_path: Path, seed: int
) -> None:
    with undisturbed(tmp_path / "undisturbed", seed) as other:
        moments = killed(tmp_path, seed, other)

    print(f"seed {seed}: {len(moments)} runners, killed {moments}")  # noqa: T201 - to replay it
    assert other.ending()["counts"] == {"Failed": 1, "Succeeded": CLUSTERS - 1}


def killed(root: Path, seed: int, other: Undisturbed) -> list[Moment]:
    """Kill runners, and look at how their runs end; return when they were to die."""
    kill_count, moments = 0, list[Moment]()
    # A run that is over before its runner was to die makes room for another one.
    while kill_count < KILLS_A_SEED:
        folder = root / f"{len(moments)}"
        with lives.fleet(folder, recipe(seed), PLAN, scale=SCALE) as one:
            is_over = False
            while kill_count < KILLS_A_SEED and not is_over:
                moments.append(lives.drawn(seed, len(moments), requests=REQUESTS))
                is_over = not one.die(moments[-1])
                kill_count += not is_over
            check(one, other.ending())
    return moments
