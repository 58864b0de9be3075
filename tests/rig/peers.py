"""Cases that were taken from other rollout engines, and a plan file for each.

They are read where they lie, beside the checkout, and never copied; where they are absent tests
skip. What another engine calls a stage, a partition or a group becomes the plan file that a person
would write for it, and goes through the real reader and the real planner.

Where we differ on purpose a test lists the case with its reason: such a case must differ, or the
list is wrong.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from fleet.core import planner, waves
from fleet.errors import InputError
from fleet.model.cluster import Cluster
from fleet.model.desired import Rollout
from fleet.model.plan import Plan, Wave
from fleet.spec import planfile
from tests.rig import fleets

_CASES = Path(__file__).parents[2].parent / "shared" / "reference" / "peer-cases"

Case = Mapping[str, Any]


@functools.cache
def tables(name: str) -> Mapping[str, Any]:
    """Return the tables of a file of cases; none, where they are not here."""
    path = _CASES / f"{name}.json"
    found: Mapping[str, Any] = json.loads(path.read_text("utf-8")) if path.is_file() else {}
    return found


def named(cases: Sequence[Case], name: Callable[[Case], str] = lambda one: one["name"]) -> Any:
    """Return a parameter for each case, called by its name."""
    return [pytest.param(one, id=name(one)) for one in cases]


def compare(name: str, ours: object, theirs: object, *, differing: Mapping[str, str]) -> None:
    """Fail where we differ and no reason is listed, and where one is listed and we do not."""
    if name in differing:
        told = f"{name} is listed as different ({differing[name]}), and is the same"
        assert ours != theirs, told
    else:
        assert ours == theirs


def strategy(**keys: Any) -> dict[str, Any]:
    """Return a block of one wave with everybody, all at once, where *keys* say nothing else."""
    defaults = {"waves": [{"name": "all", "size": "rest"}], "maxConcurrency": "100%"}
    return {key: value for key, value in {**defaults, **keys}.items() if value is not None}


def read(folder: Path, block: Mapping[str, Any]) -> Rollout | None:
    """Return the plan file with the strategy *block*; ``None``: it is refused."""
    file = folder / "plan.yaml"
    data = {
        "apiVersion": "fleet/v1",
        "kind": "Rollout",
        "metadata": {"name": "peer"},
        "spec": {
            "targets": {"tenant": True},
            "extension": {"profile": "osm", "version": "1.2.6"},
            "strategy": block,
        },
    }
    file.write_text(json.dumps(data), "utf-8")
    try:
        return planfile.load_rollout(file)
    except InputError:
        return None


def planned(
    folder: Path, block: Mapping[str, Any], clusters: Sequence[Cluster]
) -> Plan | InputError | None:
    """Return what the plan file does to *clusters*; ``None``: the file is refused."""
    rollout = read(folder, block)
    if rollout is None:
        return None
    try:
        return planner.plan(rollout, fleets.inventory(clusters))
    except InputError as error:
        return error


def plan_of(folder: Path, block: Mapping[str, Any], clusters: Sequence[Cluster]) -> Plan:
    """Return the plan, which there must be."""
    found = planned(folder, block, clusters)
    assert isinstance(found, Plan), found
    return found


def clusters(count: int) -> tuple[Cluster, ...]:
    """Clusters that need a change, in order."""
    old = fleets.extension("1.2.3")
    return tuple(fleets.cluster(f"c{n:05}", old) for n in range(1, count + 1))


def tagged(tags: Mapping[str, Mapping[str, str]]) -> tuple[Cluster, ...]:
    """Clusters that need a change, by their names."""
    old = fleets.extension("1.2.3")
    return tuple(fleets.cluster(name, old, tags=found) for name, found in tags.items())


def run_concurrency(folder: Path, value: Any, count: int) -> int | None:
    """Return how many of *count* a run has in flight at once; ``None``: the value is refused."""
    rollout = read(folder, strategy(maxConcurrency=value))
    if rollout is None:
        return None
    return waves.limits_of(rollout.strategy, count=count, is_uninstall=False).max_concurrency


def wave_of(folder: Path, count: int, **keys: Any) -> Wave | None:
    """Return the numbers of a wave of *count* with *keys*; ``None``: they are refused."""
    of_all = {key: keys.pop(key) for key in list(keys) if key.startswith("wave")}
    given = {key: value for key, value in keys.items() if value is not None}
    wave = {"name": "all", "size": "rest", **given}
    rollout = read(folder, strategy(waves=[wave], maxFailures="100%", **of_all))
    if rollout is None:
        return None
    limits = waves.limits_of(rollout.strategy, count=count, is_uninstall=False)
    rule = rollout.strategy.waves[0]
    return waves.resolved(rule, count=count, strategy=rollout.strategy, limits=limits)


def whole(value: Any) -> Any:
    """Return a number that is written as text as the number it is."""
    return int(value) if isinstance(value, str) and value.isdecimal() else value
