from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given, strategies as st

from fleet.core import figures
from fleet.model.cluster import ClusterId
from fleet.model.gates import Reading


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (1, "1"),
        (-7, "-7"),
        (0.1, "0.1"),
        (1e300, "1E+300"),
        ("0.987", "0.987"),
        (" 12 ", "12"),
        ("1e-05", "0.00001"),
        (".5", "0.5"),
        ("5.", "5"),
        ("+Inf", "Infinity"),
        ("-INF", "-Infinity"),
        ("-Infinity", "-Infinity"),
        ("NaN", "NaN"),
        ("-nan", "NaN"),
        (float("inf"), "Infinity"),
        (float("-inf"), "-Infinity"),
        (float("nan"), "NaN"),
        (True, None),
        (None, None),
        ("", None),
        ("12 ms", None),
        ("0x10", None),
        ("1_000", None),
        ("\N{ARABIC-INDIC DIGIT THREE}", None),
        ("sNaN", None),
        ("nan123", None),
        ("9" * 41, None),
        ("1e99999", None),
        (10**40, None),
        ([1], None),
        ({"value": 1}, None),
    ],
)
def test_a_number_is_read_in_every_spelling_and_nothing_else(value: object, expected: str) -> None:
    assert figures.figure(value) == expected


@given(st.one_of(st.floats(allow_nan=False), st.integers(-(10**39), 10**39)))
def test_a_number_keeps_its_value(value: float) -> None:
    text = figures.figure(value)

    assert text is not None
    assert Decimal(text) == Decimal(str(value).replace("inf", "Infinity"))


@given(st.text())
def test_whatever_text_it_is_a_decimal_comes_of_it_or_nothing(text: str) -> None:
    found = figures.figure(text)

    if found is not None:
        Decimal(found)
        assert len(found) < 60


def _ids(count: int) -> list[ClusterId]:
    return [ClusterId(f"/subscriptions/S/connectedClusters/Store-{n}") for n in range(count)]


@pytest.mark.parametrize(
    ("count", "ill", "expected"),
    [
        (4, (), Reading(values=("1",), detail="4 of 4 are well")),
        (4, (1,), Reading(values=("0.75",), detail="3 of 4 are well: Store-1 Failed")),
        (
            5,
            (0, 1, 2, 3, 4),
            Reading(
                values=("0",),
                detail="0 of 5 are well: Store-0 Failed, Store-1 Failed, Store-2 Failed and 2 more",
            ),
        ),
        (3, (0,), Reading(values=("0.666666",), detail="2 of 3 are well: Store-0 Failed")),
        (0, (), Reading(detail="no clusters")),
        # Those of other waves do not count.
        (2, (7,), Reading(values=("1",), detail="2 of 2 are well")),
    ],
)
def test_a_share_counts_the_clusters_that_it_is_about(
    count: int, ill: tuple[int, ...], expected: Reading
) -> None:
    everybody = _ids(10)
    unwell = {ClusterId(everybody[n].lower()): "Failed" for n in ill}

    assert figures.share_well(everybody[:count], unwell) == expected


@pytest.mark.parametrize("count", [1_000_000, 999_999, 7])
def test_one_that_is_ill_is_seen_among_any_number(count: int) -> None:
    (share,) = figures.share_well(_ids(1) * count, {}).values
    assert share == "1"

    everybody = [ClusterId("x"), *(_ids(1) * (count - 1))]
    (share,) = figures.share_well(everybody, {ClusterId("x"): "Failed"}).values
    assert Decimal(share) < 1
