"""Record journals for the replay tests: once for each release, and never again over an old one.

Run:  python -m tests.replay.record 0.1.0
"""

from __future__ import annotations

import datetime as dt
import json
import sys
from pathlib import Path

from fleet.engine import history, virtual
from fleet.journal.memory import MemoryStore
from fleet.model.desired import Rollout, WaveRule
from fleet.sim.world import World
from tests.rig import deaths, rollouts, runs

JOURNALS = Path(__file__).resolve().parent / "journals"
_STORM = {
    "operationFails": 10,
    "throttled": 5,
    "transientError": 5,
    "resetAfter": 10,
    "resetBefore": 5,
    "conflict": 5,
    "lateRead": 10,
    "stuckOperation": 2,
}
_WAVES = (
    WaveRule(name="canary", size=1, soak=dt.timedelta(minutes=30)),
    WaveRule(name="rest", size="rest"),
)


def scenarios() -> dict[str, tuple[World, Rollout, tuple[int, ...]]]:
    """Return what is recorded: a world, a plan file, and how long each runner lives."""
    spread = rollouts.strategy(waves=_WAVES, max_concurrency=5)
    return {
        "calm-upgrade": (
            runs.world(seed=3, clusters=6, offlineShare=0),
            rollouts.rollout(spread=spread),
            (),
        ),
        "stormy-upgrade-three-runners": (
            runs.world(seed=8, clusters=30, offlineShare=10, faults=_STORM),
            rollouts.rollout(spread=spread),
            (25, 40),
        ),
        "broken-budget": (
            runs.world(seed=4, clusters=6, offlineShare=0, faults={"operationFails": 100}),
            rollouts.rollout(spread=rollouts.strategy(waves=_WAVES, max_failures=0)),
            (),
        ),
        "uninstall": (
            runs.world(seed=5, clusters=5, offlineShare=0),
            rollouts.rollout(wish=rollouts.UNINSTALL),
            (7,),
        ),
    }


def recorded(
    world: World, asked: Rollout, lives: tuple[int, ...]
) -> tuple[list[str], dict[str, object]]:
    """Return a journal's lines, and what it must fold to."""
    store = MemoryStore()
    virtual.run(deaths.play(store, world, asked, lives))
    reader = store.read(runs.RUN)
    lines = [f"{one.link.hex()} {one.body.decode()}" for one in reader.records()]
    state = history.load(reader)
    summary: dict[str, object] = {
        "status": state.status.value,
        "reason": state.finish_reason,
        "counts": state.status_counts(),
        "results": {state.targets[n].cluster_name: r.value for n, r in state.results.items()},
    }
    return lines, summary


def main() -> None:
    """Write the journals of one release."""
    release = sys.argv[1]
    for name, told in scenarios().items():
        lines, summary = recorded(*told)
        place = JOURNALS / f"{release}-{name}"
        place.with_suffix(f"{place.suffix}.jsonl").write_text("\n".join(lines) + "\n")
        place.with_suffix(f"{place.suffix}.expected.json").write_text(
            json.dumps(summary, indent=1, sort_keys=True) + "\n"
        )


if __name__ == "__main__":
    main()
