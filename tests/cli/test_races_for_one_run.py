"""Two and five runners want one run over HTTP: one has it, the others are told who does."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.rig import lives, races, serving
from tests.rig.commands import Ended, Living, until
from tests.rig.lives import RUN, Fleet
from tests.rig.races import Race

SCALE = 1800
PLAN = """\
apiVersion: fleet/v1
kind: Rollout
metadata: {name: wanted, owner: mesh-sre@contoso.example, change: CHG1}
spec:
  targets: {tenant: true}
  extension: {profile: osm, version: 1.2.6}
  strategy:
    maxConcurrency: 4
    startDeadline: 29d
    progressDeadline: 29d
    maxFailures: 100%
    waves:
      # Nobody is through before all others have come: what is left of the soak is skipped.
      - {name: canary, size: 1, soakTime: 9d}
      - {name: rest, size: rest}
"""


def events(one: Fleet, *kinds: str) -> list[dict[str, Any]]:
    lines = one.shell("log", RUN, "--json").must(0).stdout.splitlines()
    return [found for found in map(json.loads, lines) if found["kind"] in kinds]


def winner_of(race: Race) -> tuple[Living, list[Ended]]:
    """Wait until one is left and the run is held; return it, and how the others ended."""
    until(lambda: len(race.alive) <= 1, what="all others have ended", limit_s=lives.LIMIT_S)
    (winner,) = race.alive or race.runners[:1]
    winner.wait_for(f"\nrun {RUN}\n")
    return winner, [each.end() for each in race.runners if each is not winner]


def check(one: Fleet, winner: Living, losers: list[Ended], *, taken_count: int) -> None:
    """Assert that there is one runner, that the others know it, and that it carries the run on."""
    for each in losers:
        assert f"run {RUN} is " in each.must(3).stderr
        assert (
            f"(pid {winner.pid})" in each.stderr
            or "is being made by another process" in each.stderr
        ), each.stderr
    one.shell("skip", RUN, "--soak", "--reason", "all are there").must(0)
    assert winner.end(limit_s=lives.LIMIT_S).must(0).json["status"] == "Succeeded"

    taken = events(one, "run.taken")
    assert [each["epoch"] for each in taken] == list(range(1, taken_count + 1))
    assert taken[-1]["actor"]["pid"] == winner.pid
    assert len(events(one, "run.created")) == 1
    assert set(one.effects_by_step().values()) == {1}
    assert one.shell("verify", RUN, "--json").must(0).json["isComplete"]


@pytest.mark.parametrize("count", [2, 5])
def test_of_many_that_begin_one_run_one_does(tmp_path: Path, count: int) -> None:
    with (
        lives.fleet(tmp_path, serving.CALM, PLAN, scale=SCALE) as one,
        races.race(one.shell, [("run", *one.where)] * count) as race,
    ):
        race.begin()
        winner, losers = winner_of(race)
        check(one, winner, losers, taken_count=1)


@pytest.mark.parametrize("count", [2, 5])
def test_of_many_that_wait_for_a_runner_to_be_killed_one_takes_the_run_over(
    tmp_path: Path, count: int
) -> None:
    with lives.fleet(tmp_path, serving.CALM, PLAN, scale=SCALE) as one:
        # Half of them name the plan, half the run alone.
        told = [("run", *one.where), ("run", "--run-id", RUN, "--json")] * count
        with one.running() as first, races.race(one.shell, told[:count]) as race:
            first.wait_for("soaking until")
            first.process.kill()
            first.process.wait()
            race.begin()
            winner, losers = winner_of(race)
            check(one, winner, losers, taken_count=2)


def test_while_a_runner_lives_nobody_takes_its_run_over(tmp_path: Path) -> None:
    with (
        lives.fleet(tmp_path, serving.CALM, PLAN, scale=SCALE) as one,
        one.running() as first,
        races.race(one.shell, [("run", *one.where)] * 4) as race,
    ):
        first.wait_for("soaking until")
        race.begin()
        losers = [each.end(limit_s=lives.LIMIT_S) for each in race.runners]
        check(one, first, losers, taken_count=1)
