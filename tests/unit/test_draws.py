from __future__ import annotations

import uuid
from collections import Counter

import pytest

from fleet.core import draws


def test_a_draw_never_changes_between_releases() -> None:
    """A world file that somebody keeps must mean the same fleet next year."""
    assert draws.fraction_ppm(7, "fate", "store-0001-a", 1) == 591866
    assert draws.between(90, 300, 7, "lasts", "store-0001-a", 1) == 212
    assert draws.guid("operation", 1) == "5857bb83-3b28-4112-b13c-792d0be60291"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        pytest.param(("ab", "c"), ("a", "bc"), id="split elsewhere"),
        pytest.param((1,), ("1",), id="number and text"),
        pytest.param(("a",), ("a", ""), id="an empty part more"),
        pytest.param(("1:a",), (1, "a"), id="text that looks like a part"),
    ],
)
def test_different_parts_never_read_alike(
    one: tuple[draws.Part, ...], other: tuple[draws.Part, ...]
) -> None:
    assert draws.guid(*one) != draws.guid(*other)


def test_never_and_always_are_certain() -> None:
    assert not any(draws.chance(0, 1, n) for n in range(1000))
    assert all(draws.chance(draws.CERTAIN_PPM, 1, n) for n in range(1000))


def test_a_chance_happens_as_often_as_asked() -> None:
    count = sum(draws.chance(30_000, 5, "target", n) for n in range(20_000))

    assert 500 < count < 700


def test_picks_follow_the_weights() -> None:
    counts = Counter(draws.pick({"a": 1, "b": 3, "never": 0}, 5, n) for n in range(8000))

    assert set(counts) == {"a", "b"}
    assert 1850 < counts["a"] < 2150


def test_a_lot_without_weight_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one weight"):
        draws.pick({"a": 0}, 1)


def test_a_range_upside_down_is_refused() -> None:
    with pytest.raises(ValueError, match="between 2 and 1"):
        draws.between(2, 1, 1)


@pytest.mark.parametrize("count", [0, 9])
def test_one_hash_holds_a_few_fractions_only(count: int) -> None:
    with pytest.raises(ValueError, match="fractions"):
        draws.fractions_ppm(count, 1)


def test_a_guid_reads_as_a_random_one() -> None:
    parsed = uuid.UUID(draws.guid("a", 1))

    assert (parsed.version, parsed.variant) == (4, uuid.RFC_4122)


def test_a_name_that_is_no_text_can_be_drawn_for() -> None:
    assert 0 <= draws.fraction_ppm(1, "\udcff") < draws.CERTAIN_PPM
