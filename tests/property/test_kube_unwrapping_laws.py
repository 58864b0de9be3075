"""Objects taken out of a list as it comes, against the same answer read whole."""

from __future__ import annotations

import itertools
import json
from typing import Any

import orjson
import pytest
from hypothesis import given, strategies as st

from fleet.kube.unwrapping import Unwrapper

LEAVES = (
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
)
KEYS = st.text('ab{}[],:\\"é€😀', max_size=3)
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=8,
)
OBJECTS = st.dictionaries(st.text("ab", max_size=2), VALUES, max_size=3)


@st.composite
def answers(draw: st.DrawFn) -> dict[str, Any]:
    """An answer, with its objects first, last, or among other things."""
    rest = draw(st.dictionaries(st.sampled_from(["kind", "metadata", "z"]), VALUES))
    given = {**rest, "items": draw(st.lists(OBJECTS, max_size=4) | st.none())}
    return dict(draw(st.permutations(sorted(given.items(), key=lambda one: one[0]))))


def read(data: bytes, cuts: list[int]) -> tuple[list[Any], Any]:
    """Return the objects and the rest of *data*, which comes in parts."""
    unwrapper = Unwrapper()
    found: list[Any] = []
    places = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
    for start, end in itertools.pairwise(places):
        found += unwrapper.objects(data[start:end])
    found += unwrapper.objects(b"", is_last=True)
    return found, unwrapper.rest


CUTS = st.lists(st.integers(0, 10_000), max_size=6)


@given(answer=answers(), cuts=CUTS, is_plain=st.booleans(), indent=st.sampled_from([None, 2]))
def test_whatever_is_listed_is_found_however_it_is_cut(
    answer: dict[str, Any], cuts: list[int], is_plain: bool, indent: int | None
) -> None:
    data = json.dumps(answer, ensure_ascii=is_plain, indent=indent).encode()

    found, rest = read(data, cuts)

    assert found == (answer["items"] or [])
    assert rest == {**answer, "items": None if answer["items"] is None else []}


@given(
    data=st.binary(max_size=40) | answers().map(orjson.dumps),
    cuts=CUTS,
    at=st.integers(0, 200),
    put=st.binary(max_size=2),
)
def test_what_is_no_object_of_json_has_no_rest(
    data: bytes, cuts: list[int], at: int, put: bytes
) -> None:
    """The two readers agree on what is JSON, whatever a byte is made of."""
    data = data[:at] + put + data[at + 1 :]
    try:
        whole = orjson.loads(data)
    except orjson.JSONDecodeError:
        whole = None
    is_list = isinstance(whole, dict) and isinstance(whole.get("items"), list)
    is_good = isinstance(whole, dict) and not (
        is_list and not all(isinstance(one, dict) for one in whole["items"])
    )

    _, rest = read(data, cuts)

    assert (rest is not None) == is_good


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b'{"items":[{"a":"\\ud800"}]}', id="half a character"),
        pytest.param(b'{"items":[{"a":"\xff"}]}', id="no text"),
        pytest.param(b'{"a":NaN}', id="no number"),
        pytest.param(b'{"a":' + b"[" * 100_000, id="deep"),
        pytest.param(b'{"a":12', id="a number that may go on"),
        pytest.param(b'{"items":[{}],}', id="a comma too many"),
        pytest.param(b'{"items":[]} more', id="something after it"),
    ],
)
@pytest.mark.parametrize("cuts", [[], list(range(30))])
def test_what_another_reader_might_take_is_refused(data: bytes, cuts: list[int]) -> None:
    assert read(data, cuts)[1] is None
