from __future__ import annotations

import pytest

from fleet.core import shares
from fleet.core.shares import Share
from fleet.model.strategy import Amount


@pytest.mark.parametrize(
    ("amount", "of", "at_least", "count"),
    [
        pytest.param("20%", 37, 1, 7, id="percent rounds down"),
        pytest.param("33%", 100, 1, 33, id="exact percent"),
        pytest.param("99%", 100, 0, 99, id="nearly all"),
        pytest.param("100%", 37, 0, 37, id="all"),
        pytest.param("1%", 37, 1, 1, id="less than one becomes the least"),
        pytest.param("1%", 37, 0, 0, id="a budget may round to none"),
        pytest.param("29%", 7, 0, 2, id="2.03 is 2, whatever floats say"),
        pytest.param("58%", 50, 0, 29, id="exactly 29, where floats say 28.999"),
        pytest.param("50%", 1, 1, 1, id="half of one"),
        pytest.param("50%", 0, 1, 0, id="the least is not more than there is"),
        pytest.param(3, 37, 0, 3, id="integer as it is"),
        pytest.param(37, 37, 0, 37, id="integer that is all"),
        pytest.param(0, 37, 0, 0, id="none"),
    ],
)
def test_resolves(amount: Amount, of: int, at_least: int, count: int) -> None:
    share = shares.rounded_down(amount, of=of, at_least=at_least)

    assert (share.count, share.is_clamped) == (count, False)


def test_a_note_says_how_a_percentage_came_about() -> None:
    assert shares.rounded_down("20%", of=37) == Share(count=7, note="20% of 37 -> 7")


def test_an_integer_above_the_count_is_clamped_and_says_so() -> None:
    """Not silently to none, as another engine does."""
    assert shares.rounded_down(3, of=2) == Share(
        count=2, note="3 -> 2, all there are", is_clamped=True
    )


@pytest.mark.parametrize(
    ("amount", "of", "count"),
    [
        pytest.param("90%", 37, 34, id="33.3 is 34"),
        pytest.param("50%", 10, 5, id="even"),
        pytest.param("1%", 3, 1, id="never none"),
        pytest.param("100%", 7, 7, id="all"),
        pytest.param("58%", 50, 29, id="exactly 29, where floats say 28.999"),
        pytest.param("90%", 0, 0, id="of nothing"),
        pytest.param(5, 3, 3, id="clamped"),
    ],
)
def test_what_must_succeed_is_rounded_up(amount: Amount, of: int, count: int) -> None:
    assert shares.rounded_up(amount, of=of).count == count
