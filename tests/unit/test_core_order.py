from __future__ import annotations

import pytest

from fleet.core import labels, order
from tests.rig.fleets import cluster

CLUSTERS = [
    cluster("a-10", location="westeurope", tags={"Site": "12", "prio": "2"}),
    cluster("a-9", location="eastus", tags={"site": "3", "prio": "10"}),
    cluster("b", location="westeurope", group="rg2", tags={"site": "store-7"}),
    cluster("c", location="EastUS", tags={"prio": "1", "site": ""}, distribution="aks"),
]


@pytest.mark.parametrize(
    ("keys", "names"),
    [
        pytest.param((), "a-10 a-9 b c", id="as they stand"),
        pytest.param(("name",), "a-9 a-10 b c", id="numbers by their size"),
        pytest.param(("-name",), "c b a-10 a-9", id="the largest first"),
        pytest.param(("location",), "a-9 c a-10 b", id="without case, and else as they stand"),
        pytest.param(("tag:site",), "a-9 a-10 b c", id="numbers before words, nothing last"),
        pytest.param(("-tag:site",), "b a-10 a-9 c", id="nothing last, the other way round too"),
        pytest.param(("-location", "name"), "a-10 b a-9 c", id="two keys"),
        pytest.param(("distribution", "-tag:prio"), "c a-9 a-10 b", id="two, one the other way"),
        pytest.param(("-resourceGroup",), "b a-10 a-9 c", id="resource group"),
        pytest.param(("subscription",), "a-10 a-9 b c", id="all the same"),
        pytest.param(("tag:nobody-has-it",), "a-10 a-9 b c", id="a tag that nobody has"),
    ],
)
def test_orders_by_labels(keys: tuple[str, ...], names: str) -> None:
    found = order.ordered(CLUSTERS, keys, cluster=lambda one: one)

    assert " ".join(one.name for one in found) == names


@pytest.mark.parametrize(
    ("label", "value"),
    [
        ("name", "a-10"),
        ("location", "westeurope"),
        ("subscription", "s1"),
        ("distribution", "rancher_rke"),
        ("resourceGroup", "rg"),
        ("tag:SITE", "12"),
        ("tag:rack", ""),
    ],
)
def test_what_a_label_means(label: str, value: str) -> None:
    assert labels.value(CLUSTERS[0], label) == value
