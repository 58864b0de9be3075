"""``kill -9`` at any moment, the journal on a real disk: 20 kills over four runs."""

from __future__ import annotations

import datetime as dt
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from fleet.core import draws
from fleet.sim import opening
from tests.rig import commands
from tests.rig.commands import Living, Shell, living, until

PLAN = commands.plan("patient")
WORLD = commands.world("shaky")
KILLS_A_RUN = 5
_LONG_AGO = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """How the run ends when nobody kills it."""
    shell = Shell(root=tmp_path_factory.mktemp("undisturbed"), world=WORLD)
    return _ending(shell("run", PLAN, "--yes", "--run-id", "r1", "--json").must(1).json)


def _ending(document: dict[str, Any]) -> dict[str, Any]:
    return {
        "status": document["status"],
        "targets": {one["clusterId"]: one["status"] for one in document["targets"]},
    }


def _kill_at_a_drawn_moment(process: Living, *, seed: int, number: int) -> None:
    """Every fourth while it starts, the others once it holds the run."""
    if draws.between(0, 3, seed, "when", number):
        until(lambda: "\nrun r1" in process.stderr or not process.is_alive, what="a start")
        wait_ms = draws.between(0, 500, seed, "running", number)
    else:
        wait_ms = draws.between(300, 1200, seed, "starting", number)
    time.sleep(wait_ms / 1000)
    process.process.kill()
    process.process.wait()


def _effects(state_dir: Path) -> Counter[tuple[str, str]]:
    """Return how often the world took a change, by cluster and correlation id."""
    with opening.opened(WORLD, state_dir=state_dir, wall=_LONG_AGO) as found:
        effects = [effect.call for effect in found.world.effects if effect.is_change]
    return Counter((call.cluster_id, call.correlation_id) for call in effects)


@pytest.mark.parametrize("seed", range(4))
def test_a_run_that_is_killed_again_and_again_ends_as_if_it_never_was(
    tmp_path: Path, undisturbed: dict[str, Any], seed: int
) -> None:
    shell = Shell(root=tmp_path, world=WORLD)
    for number in range(KILLS_A_RUN):
        with living(shell, "run", PLAN, "--yes", "--run-id", "r1") as process:
            _kill_at_a_drawn_moment(process, seed=seed, number=number)
        if (shell.state_dir / "runs" / "r1").exists():
            shell("runs").must(0)

    ended = shell("run", PLAN, "--yes", "--run-id", "r1", "--json").must(1)

    assert _ending(ended.json) == undisturbed
    assert set(_effects(shell.state_dir).values()) == {1}
    verified = shell("verify", "r1", "--json").must(0).json
    assert verified["isComplete"]
    assert shell("run", "--run-id", "r1", "--json").must(1).json == ended.json
