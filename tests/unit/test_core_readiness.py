from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from fleet.core import readiness
from fleet.core.readiness import Offer, Readiness
from fleet.model.cluster import Cluster, ClusterId, Connectivity, Inventory
from fleet.model.plan import Step, Target, Verb
from tests.rig.fleets import PIN, cluster, target

FOUR = [target(n) for n in range(4)]


def there(n: int, connectivity: Connectivity = Connectivity.CONNECTED) -> Cluster:
    return dataclasses.replace(cluster(), id=ClusterId(f"/C/{n}"), connectivity=connectivity)


def inventory(*clusters: Cluster, **changes: Any) -> Inventory:
    return Inventory(**{"clusters": clusters, "versions": {}} | changes)


def offered(**changes: Any) -> list[bool | None]:
    """Whether 1.2.6 of stable is offered, as an inventory like this tells it."""
    found = readiness.of_wave([target(0)], inventory(**changes))
    return [one.is_offered for one in found.offers]


def test_clusters_are_connected_or_not_or_not_there() -> None:
    found = readiness.of_wave(
        FOUR,
        inventory(
            there(0), there(1, Connectivity.OFFLINE), there(2), versions={"stable": ("1.2.6",)}
        ),
    )

    assert found == Readiness(
        target_count=4,
        connected_count=2,
        unconnected=("c1",),
        missing=("c3",),
        offers=(
            Offer(
                train="stable",
                location="westeurope",
                version="1.2.6",
                target_count=4,
                is_offered=True,
            ),
        ),
        warnings=(),
    )


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        pytest.param({"versions": {"stable": ("1.2.6",)}}, True, id="everywhere"),
        pytest.param({"versions": {"stable": ("1.1.1",)}}, False, id="nowhere"),
        pytest.param({"versions": {"preview": ("1.2.6",)}}, None, id="the train is not told of"),
        pytest.param(
            {
                "versions": {"stable": ()},
                "local_versions": {"stable": {"westeurope": ("1.2.6",), "eastus": ()}},
            },
            True,
            id="here, and not elsewhere",
        ),
        pytest.param(
            {
                "versions": {"stable": ("1.2.6",)},
                "local_versions": {"stable": {"westeurope": None, "eastus": ("1.2.6",)}},
            },
            None,
            id="nobody tells of this location",
        ),
    ],
)
def test_a_version_is_offered_as_its_train_and_location_have_it(
    changes: dict[str, Any], expected: bool | None
) -> None:
    assert offered(**changes) == [expected]


def test_each_train_location_and_version_is_counted_by_itself() -> None:
    old = dataclasses.replace(PIN, version="1.2.3", release_train="Preview")
    targets: list[Target] = [
        target(0),
        target(1, location="eastus"),
        target(2, steps=(old, PIN)),
    ]

    found = readiness.of_wave(targets, inventory(versions={"stable": ("1.2.6",)}))

    assert [(one.train, one.location, one.version, one.target_count) for one in found.offers] == [
        ("preview", "westeurope", "1.2.3", 1),
        ("stable", "eastus", "1.2.6", 1),
        ("stable", "westeurope", "1.2.6", 2),
    ]
    assert readiness.trains(targets) == {"stable", "preview"}


def test_who_brings_no_version_asks_for_none() -> None:
    found = readiness.of_wave([target(0, steps=(Step(verb=Verb.DELETE),))], inventory())

    assert found.offers == ()
