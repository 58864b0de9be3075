from __future__ import annotations

import pytest

from fleet.core import rampup
from fleet.errors import InputError
from fleet.model.strategy import RampUp, WaveRule


def sizes(count: int, ramp: RampUp | None) -> list[int]:
    rule = WaveRule(name="w", size="rest", ramp_up=ramp)
    return [len(some) for _, some in rampup.cut(rule, range(count))]


@pytest.mark.parametrize(
    ("count", "ramp", "found"),
    [
        pytest.param(1, RampUp(), [1], id="one"),
        pytest.param(20, RampUp(), [1, 2, 4, 8, 5], id="doubled, and what is left"),
        pytest.param(15, RampUp(), [1, 2, 4, 8], id="it comes out even"),
        pytest.param(20, RampUp(start=2, factor=3), [2, 6, 12], id="other numbers"),
        pytest.param(20, RampUp(most=5), [1, 2, 4, 5, 5, 3], id="no larger than"),
        pytest.param(10, RampUp(start=4, factor=1), [4, 4, 2], id="all alike"),
        pytest.param(230, RampUp(start="25%", factor=1), [57, 57, 57, 57, 2], id="shares"),
        pytest.param(10, RampUp(start="1%", most="30%"), [1, 2, 3, 3, 1], id="tiny shares"),
        pytest.param(3, RampUp(start=9), [3], id="more than there are"),
        pytest.param(0, RampUp(), [0], id="nobody"),
        pytest.param(5, None, [5], id="no ramp-up"),
    ],
)
def test_a_wave_is_cut(count: int, ramp: RampUp | None, found: list[int]) -> None:
    assert sizes(count, ramp) == found


def test_the_parts_are_numbered_keep_the_rule_and_lose_nobody() -> None:
    rule = WaveRule(name="w", size="rest", max_failures=2, ramp_up=RampUp())

    made = rampup.cut(rule, "abcde")

    assert [(part.name, "".join(some)) for part, some in made] == [
        ("w-1", "a"),
        ("w-2", "bc"),
        ("w-3", "de"),
    ]
    assert all(part.max_failures == 2 and part.is_part for part, _ in made)


def test_more_waves_than_anybody_wants_are_refused() -> None:
    assert len(sizes(rampup.MAX_WAVES, RampUp(factor=1))) == rampup.MAX_WAVES

    with pytest.raises(InputError, match="wave w: rampUp makes more than 1000 waves of 1001"):
        sizes(rampup.MAX_WAVES + 1, RampUp(factor=1))
