from __future__ import annotations

from hypothesis import given, strategies as st

from fleet.core import draws

parts = st.lists(st.one_of(st.integers(), st.text(max_size=20)), max_size=4)


@given(seed=st.integers(), purposes=st.lists(st.text(), min_size=1, max_size=10, unique=True))
def test_the_order_of_asking_changes_nothing(seed: int, purposes: list[str]) -> None:
    there = {purpose: draws.fraction_ppm(seed, purpose) for purpose in purposes}
    back = {purpose: draws.fraction_ppm(seed, purpose) for purpose in reversed(purposes)}

    assert there == back


@given(one=parts, other=parts)
def test_only_equal_parts_draw_alike(one: list[draws.Part], other: list[draws.Part]) -> None:
    assert (one == other) == (draws.guid(*one) == draws.guid(*other))


@given(
    seed=st.integers(), low=st.integers(-(10**9), 10**9), size=st.integers(0, 10**9), parts=parts
)
def test_a_draw_stays_within_its_range(
    seed: int, low: int, size: int, parts: list[draws.Part]
) -> None:
    assert low <= draws.between(low, low + size, seed, *parts) <= low + size


@given(weights=st.dictionaries(st.text(), st.integers(0, 10**6), min_size=1), seed=st.integers())
def test_only_what_has_weight_is_picked(weights: dict[str, int], seed: int) -> None:
    weights["sure"] = 1

    assert weights[draws.pick(weights, seed)] > 0


@given(seed=st.integers(), count=st.integers(1, draws.MOST_FRACTIONS))
def test_fractions_of_one_hash_are_fractions(seed: int, count: int) -> None:
    found = draws.fractions_ppm(count, seed, "x")

    assert len(found) == count
    assert all(0 <= one < draws.CERTAIN_PPM for one in found)
