"""``kill -9`` fifty times, over HTTP, while the simulated Azure lives on and remembers everything.

Five rollouts, each killed ten times at moments that a seed decides: while Python starts, when a
request arrives, or when the service has done what it was asked and the answer is under way. Three
go forward, through one step or several; two break their budget, and take back what they did.
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
from tests.rig.lives import Fleet

KILLS_A_SEED = 10
CLUSTERS = 16
SCALE = 1200
"""A minute, which is what an operation takes, in a twentieth of a second."""
RETURNING = (3, 4)
"""Seeds of rollouts that are taken back."""
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
BACK = """\
apiVersion: fleet/v1
kind: Rollout
metadata: {name: back, owner: mesh-sre@contoso.example, change: CHG1}
spec:
  targets: {tenant: true}
  extension:
    profile: osm
    settings: {osm.osm.meshName: two}
  strategy:
    # One after another: what was changed when the budget breaks is then the same in every run.
    maxConcurrency: 1
    startDeadline: 9d
    progressDeadline: 9d
    retry: {attempts: 1, backoff: 5m}
    onBreach: rollback
    rollback: {scope: run, maxConcurrency: 2}
    waves:
      - {name: canary, size: 2, soakTime: 10m}
      - {name: rest, size: rest}
"""
FIRST = {"methods": ["PUT", "PATCH"], "on": ["extension"], "countedBy": "cluster", "last": 1}
LOST: list[dict[str, Any]] = [
    # The first write of some sites: done without an answer, and an answer without anything done.
    {"fault": "resetAfter", "cluster": "store-0002-*"},
    {"fault": "resetBefore", "cluster": "store-0004-*"},
    {"fault": "throttled", "cluster": "store-0006-*", "retryAfterSeconds": 30},
]
FAILS = {"fault": "operationFails", "message": "podsNotReady"}


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A rollout, and what it meets."""

    plan: str
    installed: tuple[str, ...]
    """One cluster after another, and again."""
    fails: Mapping[str, Any]
    """Which writes, on which cluster."""
    counts: Mapping[str, int]
    """How many targets end how."""


FORWARD = Case(
    plan=PLAN,
    # Where OSM is missing one request does it; the others need two, or three.
    installed=(ABSENT, "1.0.0", "1.1.1", "1.2.3"),
    fails={**FAILS, "cluster": "store-0003-a"},
    counts={"Failed": 1, "Succeeded": CLUSTERS - 1},
)
RETURN = Case(
    plan=BACK,
    installed=("1.1.1", "1.2.3"),
    # The first time and when it is tried again; going back succeeds.
    fails={**FAILS, "cluster": "store-0006-a", "last": 2},
    counts={"Pending": 5, "RolledBack": 11},
)


def recipe(case: Case, seed: int) -> Recipe:
    every = [names.cluster(number, count=CLUSTERS) for number in range(CLUSTERS)]
    rules = [{**FIRST, **rule} for rule in (case.fails, *LOST)]
    written = {"apiVersion": "fleet/v1", "kind": "Faults", "rules": rules}
    return dataclasses.replace(
        serving.NAMED,
        seed=seed,
        cluster_count=CLUSTERS,
        subscription_count=2,
        distributions={"rancher_rke": 1, "aks": 1},
        specials=tuple(
            Special(cluster=one, installed={"osm": version})
            for one, version in zip(every, itertools.cycle(case.installed), strict=False)
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
        return self.fleet.ending(self.runner.end(limit_s=lives.LIMIT_S))


@contextlib.contextmanager
def undisturbed(root: Path, case: Case, seed: int) -> Iterator[Undisturbed]:
    with (
        lives.fleet(root, recipe(case, seed), case.plan, scale=SCALE) as one,
        one.running() as runner,
    ):
        yield Undisturbed(fleet=one, runner=runner)


def case_of(root: Path, seed: int) -> Case:
    """Return what a seed is about; a release that takes nothing back goes forward."""
    is_return = seed in RETURNING and lives.is_offered(RETURN.plan, root)
    return RETURN if is_return else FORWARD


@pytest.mark.timeout(400)
@pytest.mark.parametrize("seed", range(5))
def test_a_run_over_http_that_is_killed_again_and_again_ends_as_if_it_never_was(
    tmp_path: Path, seed: int
) -> None:
    case = case_of(tmp_path, seed)
    print(f"seed {seed}")  # noqa: T201 - to replay it; all moments are drawn from it
    with undisturbed(tmp_path / "undisturbed", case, seed) as other:
        kill_count, life_count = 0, 0
        # A run that is over before its runner was to die makes room for another one.
        while kill_count < KILLS_A_SEED:
            folder = tmp_path / f"{life_count}"
            with lives.fleet(folder, recipe(case, seed), case.plan, scale=SCALE) as one:
                is_over = False
                while kill_count < KILLS_A_SEED and not is_over:
                    moment = lives.drawn(seed, life_count, requests=REQUESTS)
                    is_over = not one.die(moment)
                    life_count, kill_count = life_count + 1, kill_count + (not is_over)
                check(one, other.ending())
        assert other.ending()["counts"] == case.counts


def check(one: Fleet, expected: Mapping[str, Any]) -> None:
    """Assert that the run, carried to its end now, ends as if nobody had been killed."""
    ended = one.run()

    assert one.ending(ended) == expected
    assert set(one.hearings_by_request().values()) == {1}, "sent twice"
    verified = one.shell("verify", lives.RUN, "--json").must(0).json
    assert (verified["isComplete"], verified["status"]) == (True, expected["status"])
