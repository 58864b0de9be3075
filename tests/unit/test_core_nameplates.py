"""Which cluster a ConfigMap of Azure's agents says that it is; whatever else may stand there."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, strategies as st

from fleet.core import nameplates
from fleet.core.nameplates import Plate, Recognition
from fleet.model.cluster import ClusterId
from fleet.model.objects import Sight

SUBSCRIPTION = "11111111-2222-4333-8444-555555555555"
STORE = ClusterId(
    f"/subscriptions/{SUBSCRIPTION}/resourceGroups/Shops"
    "/providers/Microsoft.Kubernetes/connectedClusters/store-1"
)
DATA = {
    "AZURE_SUBSCRIPTION_ID": SUBSCRIPTION,
    "AZURE_RESOURCE_GROUP": "Shops",
    "AZURE_RESOURCE_NAME": "store-1",
    "AZURE_REGION": "westeurope",
}
OWN = Plate(SUBSCRIPTION, "Shops", "store-1")


def seen(data: Any) -> Sight:
    return Sight(objects=(nameplates.plate({"kind": "ConfigMap", "data": data}),))


def recognized(**data: Any) -> Recognition:
    return nameplates.recognized(seen({**DATA, **data}), STORE)


def test_a_cluster_that_says_so_is_the_one() -> None:
    assert recognized() == Recognition(is_it=True, plate=OWN)


@pytest.mark.parametrize(
    ("data", "cluster_id"),
    [
        ({key: one.upper() for key, one in DATA.items()}, STORE),
        ({key: one.lower() for key, one in DATA.items()}, ClusterId(STORE.upper())),
        ({key: f" {one}\n" for key, one in DATA.items()}, ClusterId(STORE.lower())),
    ],
    ids=["shouted", "whispered", "with-spaces"],
)
def test_case_and_spaces_around_make_no_other_cluster(
    data: dict[str, str], cluster_id: ClusterId
) -> None:
    assert nameplates.recognized(seen(data), cluster_id).is_it is True


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("AZURE_RESOURCE_NAME", "store-2", f"store-2 of resource group Shops ({SUBSCRIPTION})"),
        ("AZURE_RESOURCE_NAME", "store-10", f"store-10 of resource group Shops ({SUBSCRIPTION})"),
        ("AZURE_RESOURCE_GROUP", "rg-x", f"store-1 of resource group rg-x ({SUBSCRIPTION})"),
        ("AZURE_SUBSCRIPTION_ID", "other", "store-1 of resource group Shops (other)"),
    ],
)
def test_one_other_part_makes_it_another_and_it_is_said_which(
    key: str, value: str, words: str
) -> None:
    found = recognized(**{key: value})

    assert found.is_it is False
    assert found.plate is not None
    assert found.plate.words == words.replace("(", "(subscription ")


@pytest.mark.parametrize(
    ("sight", "why"),
    [
        (Sight(), "is not there"),
        (Sight(error="configmaps is forbidden"), "may not be read"),
        (seen(None), "names no cluster"),
        (seen([]), "names no cluster"),
        (seen("AZURE_RESOURCE_NAME"), "names no cluster"),
        (seen({}), "names no cluster"),
        *((seen({k: v for k, v in DATA.items() if k != key}), "names no cluster")
          for key in DATA if key != "AZURE_REGION"),
        *((seen({**DATA, "AZURE_RESOURCE_NAME": one}), "names no cluster")
          for one in (None, 5, True, "", "  ", ["store-1"], {"a": "b"}, "x" * 101, "a\x1b[31mb")),
        (Sight(objects=(None,)), "names no cluster"),
        (Sight(objects=({"data": DATA},)), "names no cluster"),
    ],
)  # fmt: skip
def test_what_says_nothing_is_told_as_that(sight: Sight, why: str) -> None:
    assert nameplates.recognized(sight, STORE) == Recognition(
        is_it=None, why=f"the ConfigMap azure-clusterconfig in azure-arc {why}"
    )


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=8,
)
NAMES = st.sampled_from(sorted(DATA)) | st.text(max_size=4)


@given(found=JSON | st.fixed_dictionaries({"data": JSON | st.dictionaries(NAMES, JSON)}))
def test_whatever_a_server_answers_no_cluster_is_taken_for_the_one_by_rubbish(found: Any) -> None:
    plate = nameplates.plate(found)
    judged = nameplates.recognized(Sight(objects=(plate,)), STORE)

    assert judged.is_it is (None if plate is None else plate == OWN)


PART = st.text("abAB01-._()", min_size=1, max_size=6)


@given(own=st.tuples(PART, PART, PART), other=st.tuples(PART, PART, PART))
def test_it_is_the_one_exactly_where_all_three_parts_are_the_same_without_case(
    own: tuple[str, str, str], other: tuple[str, str, str]
) -> None:
    subscription, group, name = own
    cluster_id = ClusterId(
        f"/subscriptions/{subscription}/resourcegroups/{group}"
        f"/providers/microsoft.kubernetes/connectedclusters/{name}"
    )
    for parts in (own, other):
        is_same = [one.lower() for one in parts] == [one.lower() for one in own]
        assert Plate(*parts).is_of(cluster_id) is is_same
