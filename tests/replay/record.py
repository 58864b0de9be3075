"""Record journals for the replay tests: once for each scenario, and never again over an old one.

Run:  python -m tests.replay.record 0.1.0
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path

from tests.rig import deaths
from tests.rig.deaths import Deaths, Story
from tests.rig.entering import SCENARIOS

JOURNALS = Path(__file__).resolve().parent / "journals"
SEEDS: Mapping[str, int] = {
    "stormy": 4,
    "stuck-operations": 1,
    "settings": 5,
    "exact-settings": 1,
    "protected-settings": 1,
    "auto-upgrade": 1,
    "uninstall": 5,
    "spread-caps": 2,
    "label-budget": 5,
    "strict-mode": 5,
    "shared-pool": 2,
    "run-timeout": 3,
    "stalled": 6,
    "retries": 1,
    "enough-successes": 2,
    "agents-fall-silent": 1,
    "away": 1,
    "catch-up": 1,
    "breach-stops": 1,
    "breach-pauses": 1,
    "breach-takes-back": 1,
    "drift-is-replanned": 1,
    "stopped": 1,
    "skipped": 1,
    "meddled-by-all": 1,
    "plan-stores-one-at-a-time": 3,
    "plan-uninstall": 5,
    "windows-between-two-steps": 1,
    "gates-that-pass": 1,
    "a-relapse-in-the-soak": 2,
    "targets-that-must-stay-well": 1,
}
"""Where another seed than 0 tells more."""


def recorded(scenario: str) -> Story:
    """Tell a scenario; every second one loses a runner half-way."""
    case = SCENARIOS[scenario](SEEDS.get(scenario, 0))
    whole = deaths.told(case)
    if len(scenario) % 2:
        return whole
    return deaths.told(case, Deaths(lives=[whole.append_count // 2]))


def lines(story: Story) -> list[str]:
    """Return a journal as it is kept: the link and the body of each record."""
    return [f"{one.link.hex()} {one.body.decode()}" for one in story.records]


def summary(story: Story) -> dict[str, object]:
    """Return what a journal must fold to."""
    state = story.state
    return {
        "status": state.status.value,
        "reason": state.finish_reason,
        "counts": state.status_counts(),
        "results": story.results,
    }


def main() -> None:
    """Write the journals of one release; those that are there already stay as they are."""
    release = sys.argv[1]
    for scenario in SCENARIOS:
        place = JOURNALS / f"{release}-{scenario}"
        journal = place.with_suffix(f"{place.suffix}.jsonl")
        if journal.exists():
            continue
        story = recorded(scenario)
        journal.write_text("\n".join(lines(story)) + "\n")
        place.with_suffix(f"{place.suffix}.expected.json").write_text(
            json.dumps(summary(story), indent=1, sort_keys=True) + "\n"
        )


if __name__ == "__main__":
    main()
