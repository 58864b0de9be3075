"""Kill the runner after every single append; whoever takes over ends where nobody was killed."""

from __future__ import annotations

import collections
import datetime as dt
import os
from pathlib import Path

import pytest

from fleet.core import draws
from fleet.journal.sqlite import SqliteStore
from fleet.model.desired import FailureMode, Rollout, WaveRule
from fleet.sim.recipe import Recipe
from fleet.sim.worldfile import WorldFile
from tests.rig import deaths, rollouts

SEEDS = range(int(os.environ.get("SIMULATION_SEEDS", "50")))


def recipe_of(seed: int) -> Recipe:
    """A small world; what goes wrong, and how often, differs from seed to seed."""
    calm = seed % 3 == 0
    faults = {} if calm else {"operationFails": 10, "lateRead": 20, "resetAfter": 10}
    stormy = {"throttled": 5, "transientError": 5, "resetBefore": 10, "conflict": 5}
    file = {
        "apiVersion": "fleet/v1",
        "kind": "World",
        "timeScale": "max",
        "seed": seed,
        "clusters": draws.between(2, 7, seed, "clusters"),
        "offlineShare": 10,
        "patchSettings": "replace" if seed % 2 else "merge",
        "faults": faults | (stormy if seed % 3 == 2 else {}),
    }
    return WorldFile.model_validate(file).recipe()


def rollout_of(seed: int) -> Rollout:
    wishes = (
        rollouts.desired(),
        rollouts.desired(settings={"osm.osm.replicaCount": "3"}),
        rollouts.UNINSTALL,
        rollouts.AUTO,
    )
    strict = FailureMode.STRICT if seed % 5 == 0 else FailureMode.SOFT
    waves = (
        WaveRule(name="canary", size=1, soak=dt.timedelta(minutes=30 * (seed % 2))),
        WaveRule(name="rest", size="rest"),
    )
    spread = rollouts.strategy(waves=waves, max_concurrency=3, failure_mode=strict)
    return rollouts.rollout(wish=wishes[seed % len(wishes)], spread=spread)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_kill_after_any_append_changes_nothing_in_the_end(seed: int) -> None:
    recipe, asked = recipe_of(seed), rollout_of(seed)
    whole = deaths.told(recipe, asked)

    for life in range(1, whole.append_count + 1):
        story = deaths.told(recipe, asked, lives=[life])

        told = f"seed {seed}, killed after append {life}"
        assert story.state.status == whole.state.status, told
        assert story.results == whole.results, told
        assert collections.Counter(story.effects) == collections.Counter(whole.effects), told


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_run_ends_even_if_every_runner_dies_young(seed: int) -> None:
    recipe, asked = recipe_of(seed), rollout_of(seed)
    whole = deaths.told(recipe, asked)

    # NB: lives differ: a runner that always dies right after its intent never sends anything.
    story = deaths.told(recipe, asked, lives=[2, 3, 5, 4] * 100)

    assert story.runner_count > 2
    assert (story.state.status, story.results) == (whole.state.status, whole.results)
    assert collections.Counter(story.effects) == collections.Counter(whole.effects)


@pytest.mark.parametrize("seed", [4, 7])
def test_the_same_holds_for_a_journal_on_disk(seed: int, tmp_path: Path) -> None:
    """Fewer kills than in memory, because every commit is a real one."""
    recipe, asked = recipe_of(seed), rollout_of(seed)
    whole = deaths.told(recipe, asked)

    for life in range(1, whole.append_count + 1, 4):
        store = SqliteStore(tmp_path / f"life-{life}")
        story = deaths.told(recipe, asked, lives=[life], store=store)

        told = f"seed {seed}, killed after append {life}"
        assert (story.state.status, story.results) == (whole.state.status, whole.results), told
        assert collections.Counter(story.effects) == collections.Counter(whole.effects), told
