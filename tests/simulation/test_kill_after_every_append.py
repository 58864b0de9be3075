"""Kill the runner after every single append; whoever takes over ends where nobody was killed.

Each pair of a scenario and a seed is one run, told once undisturbed and then once for every append
of it: in every check so for each scenario's first seed, and for two appends of its other seeds,
each seed others. ``make simulate SEEDS=10000`` tells more pairs, and kills after all appends of
all of them; ``make simulate SCENARIO=x SEED=y`` tells one.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog.testing

from fleet.core import draws
from fleet.journal.sqlite import SqliteStore
from fleet.ports import JournalStore
from tests.rig import deaths, sameness
from tests.rig.cases import Case
from tests.rig.deaths import Deaths, Story
from tests.rig.entering import SCENARIOS

_PAIRS = 2 * len(SCENARIOS)


_IS_THOROUGH = any(one.startswith("SIMULATION_") and os.environ[one] for one in os.environ)
_SOME = list(SCENARIOS) if _IS_THOROUGH else list(SCENARIOS)[::3]


def lives(seed: int, append_count: int) -> range:
    """Return the appends after which a runner is killed."""
    if seed == 0 or _IS_THOROUGH:
        return range(1, append_count + 1)
    return range(1 + 7 * seed % append_count, append_count + 1, append_count // 2 + 1)


def pairs() -> Iterator[tuple[str, int]]:
    """Which runs are told: seeds are dealt to the scenarios in turn, or as the environment says."""
    scenario, seed = (os.environ.get(f"SIMULATION_{one}") for one in ("SCENARIO", "SEED"))
    names = [scenario] if scenario else list(SCENARIOS)
    if seed:
        yield from ((name, int(seed)) for name in names)
        return
    for n in range(int(os.environ.get("SIMULATION_SEEDS") or _PAIRS)):
        yield names[n % len(names)], n // len(names)


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    """Print no tracebacks of bugs that are meant: that takes longer than the runs."""
    with structlog.testing.capture_logs():
        yield


@pytest.mark.parametrize(("scenario", "seed"), [*pairs()])
def test_a_kill_after_any_append_changes_nothing_in_the_end(scenario: str, seed: int) -> None:
    """What was on its way at the moment of death arrives at every second kill."""
    with sameness.naming(scenario, seed):
        case = SCENARIOS[scenario](seed)
        whole = deaths.told(case)
        sameness.require_lawful(case, whole)

        for life in lives(seed, whole.append_count):
            death = Deaths(lives=[life], do_requests_arrive=(life + seed) % 2 == 0)
            require_same(case, whole, death)


def require_same(
    case: Case, whole: Story, death: Deaths, *, store: JournalStore | None = None
) -> None:
    """Tell a run again, with runners that die, and require that it ends as it did."""
    try:
        story = deaths.told(case, death, store=store)
        sameness.require_lawful(case, story)
        if case.is_exact:
            sameness.require_alike(whole, story)
    except Exception as error:
        error.add_note(f"{death}, of {whole.append_count} appends")
        raise


@pytest.mark.parametrize("scenario", _SOME)
def test_a_run_ends_even_if_every_runner_dies_young(scenario: str) -> None:
    seed = 1
    with sameness.naming(scenario, seed):
        case = SCENARIOS[scenario](seed)
        whole = deaths.told(case)

        # NB: lives differ: a runner that always dies right after its intent never sends anything.
        require_same(case, whole, Deaths(lives=[3, 5, 4, 9] * 200, do_requests_arrive=True))


@pytest.mark.parametrize("scenario", _SOME)
def test_laws_hold_though_nobody_takes_over_for_hours(scenario: str) -> None:
    """Deadlines pass meanwhile, so it may end otherwise; but it ends, and does nothing twice."""
    seed = 2
    with sameness.naming(scenario, seed):
        case = dataclasses.replace(SCENARIOS[scenario](seed), is_exact=False)
        whole = deaths.told(case)

        for life in range(1, whole.append_count + 1, 6):
            gap = dt.timedelta(minutes=draws.between(1, 400, seed, "gap", life))
            require_same(case, whole, Deaths(lives=[life], gap=gap))


@pytest.mark.parametrize(
    ("scenario", "seed"), [("stormy", 4), ("breach-takes-back", 1), ("skipped", 7)]
)
def test_the_same_holds_for_a_journal_on_disk(scenario: str, seed: int, tmp_path: Path) -> None:
    """Fewer kills than in memory, because every commit is a real one."""
    with sameness.naming(scenario, seed):
        case = SCENARIOS[scenario](seed)
        whole = deaths.told(case)

        for life in range(1, whole.append_count + 1, 4):
            store = SqliteStore(tmp_path / f"life-{life}")
            require_same(case, whole, Deaths(lives=[life]), store=store)
