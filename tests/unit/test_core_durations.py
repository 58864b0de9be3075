"""How long nine of ten took: never too short, and hardly too long."""

from __future__ import annotations

import datetime as dt
import math

from hypothesis import given, strategies as st

from fleet.core.durations import Durations

SPANS = st.lists(st.integers(1, 300_000), min_size=10, max_size=60)


def of(spans_s: list[int]) -> Durations:
    found = Durations()
    for span_s in spans_s:
        found.add(dt.timedelta(seconds=span_s))
    return found


@given(spans_s=SPANS)
def test_nine_of_ten_did_not_take_longer_and_it_is_no_twentieth_too_much(
    spans_s: list[int],
) -> None:
    exact = sorted(spans_s)[math.ceil(len(spans_s) * 9 / 10) - 1]

    told = of(spans_s).ninth_decile()

    assert told is not None
    assert exact <= told.total_seconds() <= exact * 1.05 + 1


@given(spans_s=SPANS)
def test_it_does_not_matter_in_what_order_they_came(spans_s: list[int]) -> None:
    assert of(spans_s) == of(sorted(spans_s))


def test_of_a_few_nothing_is_told() -> None:
    assert of([60] * 9).ninth_decile() is None
    assert of([60] * 10).ninth_decile() == dt.timedelta(seconds=60)


def test_what_took_for_ever_took_a_few_days() -> None:
    told = of([10**9] * 10).ninth_decile()

    assert told is not None
    assert dt.timedelta(days=4) <= told < dt.timedelta(days=5)
