"""Kill the runner after every single append; whoever takes over ends where nobody was killed.

Each pair of a scenario and a seed is one run, told once undisturbed and then once for every append
of it. ``make simulate SEEDS=10000`` tells more of them, ``make simulate SCENARIO=x SEED=y`` one.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from fleet.journal.sqlite import SqliteStore
from tests.rig import deaths, sameness
from tests.rig.scenarios import SCENARIOS

_PAIRS = 240


def pairs() -> Iterator[tuple[str, int]]:
    """Which runs are told: seeds are dealt to the scenarios in turn, or as the environment says."""
    scenario, seed = (os.environ.get(f"SIMULATION_{one}") for one in ("SCENARIO", "SEED"))
    names = [scenario] if scenario else list(SCENARIOS)
    if seed:
        yield from ((name, int(seed)) for name in names)
        return
    for n in range(int(os.environ.get("SIMULATION_SEEDS") or _PAIRS)):
        yield names[n % len(names)], n // len(names)


@pytest.mark.parametrize(("scenario", "seed"), pairs())
def test_a_kill_after_any_append_changes_nothing_in_the_end(scenario: str, seed: int) -> None:
    with sameness.naming(scenario, seed):
        case = SCENARIOS[scenario](seed)
        whole = deaths.told(case)
        sameness.require_lawful(case, whole)

        for life in range(1, whole.append_count + 1):
            story = deaths.told(case, lives=[life])

            try:
                sameness.require_lawful(case, story)
                if case.is_exact:
                    sameness.require_alike(whole, story)
            except AssertionError as error:
                error.add_note(f"killed after append {life} of {whole.append_count}")
                raise
